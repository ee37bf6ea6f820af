/** Mails that carry reports, signed, and a DNS that has the keys. */
import { gzipSync } from 'node:zlib';
import { type DkimKey, signMessage } from '../../functions/protocol/dkim/sign-message.ts';
import type { Answer, Resolver } from '../../functions/protocol/dns/answer.ts';
import { formatMessage, parseMessage } from '../../functions/protocol/message/message-parts.ts';
import { ed25519Key, keyRecord } from '../protocol/dkim/keys.ts';

/** A key of a domain. */
export function keyOf(domain: string): DkimKey {
  return { domain, selector: 'r', privateKey: ed25519Key };
}

/** Signs as we sign reports. */
export function signed(mail: Uint8Array, key: DkimKey): Buffer {
  const parts = parseMessage(Buffer.from(mail));
  const fields = signMessage(parts, [key], {
    nowMs: Date.parse('2026-11-24T02:00:00Z'),
    also: ['TLS-Report-Domain', 'TLS-Report-Submitter'],
    except: ['Date', 'Message-ID'],
  });
  return formatMessage({ ...parts, fields: [...fields, ...parts.fields] });
}

/** TXT records by name; `failing`: names that no server answers for. */
export function resolverOf(
  records: Readonly<Record<string, string>>,
  failing: readonly string[] = [],
): Resolver & { readonly asked: string[] } {
  const asked: string[] = [];
  const lookup = async (name: string): Promise<Answer<'TXT'>> => {
    asked.push(name);
    const facts = { status: 'insecure', canonicalName: name, aliases: [], ttlSeconds: 60 } as const;
    if (failing.includes(name)) {
      return { kind: 'failed', code: 'dns-timeout', reason: 'no answer' };
    }
    const record = records[name];
    return record === undefined
      ? { ...facts, kind: 'nxdomain' }
      : { ...facts, kind: 'records', records: [record] };
  };
  return { asked, lookup: lookup as Resolver['lookup'] };
}

/** The records of keys, with a service type where one is given. */
export function keyRecords(keys: readonly DkimKey[], service = 'tlsrpt'): Record<string, string> {
  return Object.fromEntries(
    keys.map((key) => [
      `${key.selector}._domainkey.${key.domain}`,
      `${keyRecord(key)}; s=${service}`,
    ]),
  );
}

/** What of a mail is not as RFC 8460 §5.3 shows it. */
export interface MailForm {
  readonly from?: string;
  /** Fields of the header behind the usual ones. */
  readonly fields?: readonly string[];
  readonly contentType?: string;
  readonly partType?: string;
  readonly fileName?: string | null;
  /** What the part holds; default: the report, compressed. */
  readonly content?: Uint8Array;
  /** Wraps the lines of the MIME body. */
  readonly wrap?: (lines: readonly string[]) => readonly string[];
}

/** A mail with a report. */
export function mailOf(report: unknown, form: MailForm = {}): Buffer {
  const {
    from = 'tls@org.example',
    fields = ['TLS-Report-Domain: company-y.example', 'TLS-Report-Submitter: org.example'],
    contentType = 'multipart/report; report-type="tlsrpt"; boundary="outer"',
    partType = 'application/tlsrpt+gzip',
    fileName = 'org.example!company-y.example!1!2.json.gz',
    content = gzipSync(JSON.stringify(report)),
    wrap = (lines) => lines,
  } = form;
  const name = fileName === null ? [] : [`Content-Disposition: attachment; filename="${fileName}"`];
  const base64 = Buffer.from(content).toString('base64').replaceAll(/.{76}/g, '$&\r\n');
  const part = [
    `Content-Type: ${partType}`,
    'Content-Transfer-Encoding: base64',
    ...name,
    '',
    base64,
  ];
  const text = ['Content-Type: text/plain', '', 'This is an aggregate TLS report.'];
  const body = contentType.startsWith('multipart/')
    ? ['--outer', ...text, '--outer', ...wrap(part), '--outer--', '']
    : [base64, ''];
  const header = contentType.startsWith('multipart/')
    ? [`Content-Type: ${contentType}`]
    : part.slice(0, part.indexOf(''));
  return Buffer.from(
    [
      `From: ${from}`,
      'To: reports@company-y.example',
      'Subject: Report Domain: company-y.example Submitter: org.example Report-ID: <1@org.example>',
      'Date: Tue, 24 Nov 2026 02:00:00 +0000',
      ...fields,
      'MIME-Version: 1.0',
      ...header,
      '',
      ...body,
    ].join('\r\n'),
    'latin1',
  );
}
