/**
 * Finding the report in a mail, and unpacking it.
 *
 * RFC 8460 §5.3 asks for one part of a multipart/report with a media type of its own. What comes is that, or the part in a
 * multipart/mixed, in a mail within the mail, as the only content, or under no better name than `….json.gz`.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc8460.html#section-5.3 RFC 8460 §5.3}
 */
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import PostalMime, { type Attachment, type Email } from 'postal-mime';
import { readHeaderFields } from '../protocol/message/header.ts';
import { addressDomains } from '../protocol/message/mailbox-list.ts';
import { reportBytesMax } from '../protocol/tlsrpt/read-report.ts';
import { toDomain } from '../protocol/tlsrpt/report-fields.ts';

/** A report as base64, that nobody compressed, and the mail around it. */
export const mailBytesMax: number = 15 * 1_024 * 1_024;

/** Lines that may begin a MIME part; a report has four. */
const boundaryLinesMax = 1_000;

/** Half as many again as the largest mail has in base64; to parse one takes far longer than to find its end. */
const linesMax = 300_000;

const depthMax = 20;
const headerBytesMax = 262_144;

/** What the mail says of the report; where the report says it itself, that counts (RFC 8460 §5.6). */
export interface MailClaims {
  /** The domains of From. */
  readonly fromDomains: readonly string[];
  /** TLS-Report-Submitter. */
  readonly submitter?: string;
  /** TLS-Report-Domain, or the policy domain in the name of the file (§5.1). */
  readonly policyDomain?: string;
}

/** `unreadable`: it holds something that looks like a report and cannot be unpacked. */
export type FoundReport =
  | {
      readonly kind: 'found';
      readonly json: Uint8Array;
      readonly claims: MailClaims;
      /** What is not as RFC 8460 §5 says. */
      readonly deviations: readonly string[];
    }
  | { readonly kind: 'absent' | 'unreadable'; readonly reason: string };

/** Unpacked octets, or why there are none. */
export type Unpacked =
  | { readonly kind: 'json'; readonly json: Uint8Array; readonly wasGzip: boolean }
  | { readonly kind: 'unreadable'; readonly reason: string };

/** Finds the report. Never rejects, whatever is in the mail. */
export async function findReport(mail: Uint8Array): Promise<FoundReport> {
  if (mail.length > mailBytesMax) {
    return { kind: 'unreadable', reason: `${mail.length} octets, ${mailBytesMax} are read` };
  }
  if (countUpTo(mail, '\n', linesMax) > linesMax) {
    return { kind: 'unreadable', reason: `more than ${linesMax} lines` };
  }
  if (countUpTo(mail, '\n--', boundaryLinesMax) > boundaryLinesMax) {
    return { kind: 'unreadable', reason: `more than ${boundaryLinesMax} lines that part it` };
  }
  let email: Email;
  try {
    email = await PostalMime.parse(mail, {
      maxNestingDepth: depthMax,
      maxHeadersSize: headerBytesMax,
      maxRfc822NestingDepth: 3,
    });
  } catch (error) {
    // It rejects for what is beyond its limits only.
    return { kind: 'unreadable', reason: error instanceof Error ? error.message : 'not MIME' };
  }
  const parts = rankParts(email.attachments);
  const [part] = parts;
  if (part === undefined) {
    return { kind: 'absent', reason: 'no part of it is a report' };
  }
  const unpacked = await unpackReport(toOctets(part.content));
  if (unpacked.kind === 'unreadable') {
    return unpacked;
  }
  const claims = readClaims(mail, part.filename ?? '');
  return {
    kind: 'found',
    json: unpacked.json,
    claims,
    deviations: deviationsOf(mail, part, { isGzip: unpacked.wasGzip, others: parts.length - 1 }),
  };
}

/**
 * Unpacks what is gzip by its first octets, of one member or more (RFC 1952 §2.2), to the limit and no further; whatever
 * a media type says.
 */
export async function unpackReport(octets: Uint8Array): Promise<Unpacked> {
  if (octets[0] !== 0x1f || octets[1] !== 0x8b) {
    return octets.length > reportBytesMax
      ? { kind: 'unreadable', reason: `${octets.length} octets, ${reportBytesMax} are read` }
      : { kind: 'json', json: octets, wasGzip: false };
  }
  try {
    const json = await unzip(octets, { maxOutputLength: reportBytesMax });
    return { kind: 'json', json, wasGzip: true };
  } catch (error) {
    const isTooLarge = (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE';
    const reason = isTooLarge ? `unpacks to more than ${reportBytesMax} octets` : 'damaged gzip';
    return { kind: 'unreadable', reason };
  }
}

const unzip = promisify<Uint8Array, { readonly maxOutputLength: number }, Uint8Array>(gunzip);

/** How often `text` stands in the mail, counted to the limit and one more. */
function countUpTo(mail: Uint8Array, text: string, max: number): number {
  const octets = Buffer.from(mail.buffer, mail.byteOffset, mail.byteLength);
  let count = 0;
  let at = octets.indexOf(text);
  while (at !== -1 && count <= max) {
    count += 1;
    at = octets.indexOf(text, at + 1);
  }
  return count;
}

/** Media types by which a part is a report (RFC 8460 §6.4, §6.5). */
const ownTypes = new Set(['application/tlsrpt+gzip', 'application/tlsrpt+json']);

/** Types of what may be JSON. What is gzip is so by its octets, whatever gateways call it. */
const looseTypes = new Set(['application/json', 'application/octet-stream', 'binary/octet-stream']);

/** Those that look like reports, the likeliest first. */
function rankParts(attachments: readonly Attachment[]): readonly Attachment[] {
  const ranked = attachments.map((part) => ({ part, rank: rankOf(part) }));
  return ranked
    .filter(({ rank }) => rank < 4)
    .toSorted((a, b) => a.rank - b.rank)
    .map(({ part }) => part);
}

function rankOf({ mimeType, filename, content }: Attachment): number {
  const name = filename?.toLowerCase() ?? '';
  if (ownTypes.has(mimeType)) {
    return 0;
  }
  if (/\.json(?:\.gz|\.gzip)?$/.test(name)) {
    // RFC 8460 §5.1: a name with its parts is a better sign than an extension.
    return name.includes('!') ? 1 : 2;
  }
  const [first, second] = toOctets(content);
  const isGzip = first === 0x1f && second === 0x8b;
  return isGzip || (looseTypes.has(mimeType) && first === 0x7b) ? 3 : 4;
}

/** Bytes always: no encoding was asked for. */
function toOctets(content: Attachment['content']): Uint8Array {
  if (typeof content === 'string') {
    return Buffer.from(content);
  }
  return content instanceof Uint8Array ? content : new Uint8Array(content);
}

function readClaims(mail: Uint8Array, fileName: string): MailClaims {
  const fields = readHeaderFields(mail);
  const only = (name: string): string | undefined => {
    const values = fields.filter((field) => field.name.toLowerCase() === name);
    return values.length === 1 ? toDomain(values[0]?.value ?? '') : undefined;
  };
  const from = fields.filter(({ name }) => name.toLowerCase() === 'from');
  const fromDomains = from.flatMap(({ value }) =>
    addressDomains(value).map((text) => toDomain(text)),
  );
  const submitter = only('tls-report-submitter');
  const policyDomain = only('tls-report-domain') ?? toDomain(fileName.split('!')[1] ?? '');
  return {
    fromDomains: fromDomains.filter((domain) => domain !== undefined),
    ...(submitter !== undefined && { submitter }),
    ...(policyDomain !== undefined && { policyDomain }),
  };
}

function deviationsOf(
  mail: Uint8Array,
  { mimeType, filename }: Attachment,
  { isGzip, others }: { readonly isGzip: boolean; readonly others: number },
): readonly string[] {
  const fields = readHeaderFields(mail);
  const has = (name: string): boolean => fields.some((field) => field.name.toLowerCase() === name);
  const type = fields.find(({ name }) => name.toLowerCase() === 'content-type')?.value ?? '';
  const expected = `application/tlsrpt+${isGzip ? 'gzip' : 'json'}`;
  const faults: readonly (readonly [boolean, string])[] = [
    [!/^multipart\/report\b/i.test(type), 'mail: not multipart/report'],
    [!/report-type\s*=\s*"?tlsrpt\b/i.test(type), 'mail: no report-type=tlsrpt'],
    [!has('tls-report-domain'), 'mail: no TLS-Report-Domain'],
    [!has('tls-report-submitter'), 'mail: no TLS-Report-Submitter'],
    [mimeType !== expected, `mail: the part is ${mimeType.slice(0, 100)}, not ${expected}`],
    [filename === null, 'mail: the part has no file name'],
    [others > 0, `mail: ${others} more parts look like reports, and were not read`],
  ];
  return faults.filter(([holds]) => holds).map(([, fault]) => fault);
}
