/**
 * The TXT record at `_smtp._tls.<policy domain>` that asks for TLS reports and says where to.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc8460.html#section-3 RFC 8460 §3}
 */
import { parseDomainName } from '../domain-name.ts';
import { TransportSecurityError } from '../errors.ts';
import { isMailbox } from '../smtp/mailbox.ts';
import { selectTextRecord, splitTextRecord } from '../text-record.ts';
import { trimWsp } from '../white-space.ts';

/** One destination of reports. */
export type ReportDestination =
  | { readonly scheme: 'mailto'; readonly address: string; readonly uri: string }
  | { readonly scheme: 'https'; readonly uri: string };

/** What a record says: at least one destination that can be used. */
export interface TlsrptRecord {
  readonly destinations: readonly ReportDestination[];
  /** Destinations that cannot be used, each with the reason. */
  readonly unusable: readonly string[];
}

/** Which record of a TXT RRset counts. `none`: the domain does not implement TLSRPT. */
export type TlsrptRecordSelection =
  | { readonly kind: 'record'; readonly text: string; readonly record: TlsrptRecord }
  | { readonly kind: 'none'; readonly reason: string };

const version = 'v=TLSRPTv1';

/** Destinations of one record that are looked at; more would only multiply what a stranger makes us send. */
const destinationsMax = 10;

/** Longest URI, chars. */
const uriCharsMax = 2_000;

/** The owner name of a policy domain's record. */
export function tlsrptRecordName(domain: string): string {
  return `_smtp._tls.${domain}`;
}

/**
 * Selects the one record that counts among the TXT records at `_smtp._tls.<policy domain>`. Each text is one record with
 * its character-strings joined without a separator.
 */
export function selectTlsrptRecord(texts: readonly string[]): TlsrptRecordSelection {
  const selection = selectTextRecord(texts, version);
  if (selection.kind === 'none') {
    return selection;
  }
  const { text } = selection;
  try {
    return { kind: 'record', text, record: parseTlsrptRecord(text) };
  } catch (error) {
    if (error instanceof TransportSecurityError) {
      return { kind: 'none', reason: error.message };
    }
    throw error;
  }
}

/**
 * Parses one record.
 *
 * A destination that cannot be used (another scheme, a malformed address) loses itself only. Unknown fields are
 * ignored once they fit the grammar.
 *
 * @throws {TransportSecurityError} `tlsrpt-invalid`
 * @example
 * parseTlsrptRecord('v=TLSRPTv1; rua=mailto:reports@example.com').destinations[0]?.uri; // 'mailto:reports@example.com'
 */
export function parseTlsrptRecord(text: string): TlsrptRecord {
  const fields = splitTextRecord(text, version);
  if (fields === undefined) {
    throw invalid('it does not begin with v=TLSRPTv1 and a semicolon');
  }
  let rua: string | undefined;
  for (const field of fields) {
    if (field.startsWith('rua=')) {
      // Unclear: nothing is said of a second rua; as with MTA-STS (RFC 8461 §3.2) the first counts.
      rua ??= field.slice(4);
    } else if (!extension.test(field)) {
      throw invalid(`not a field: ${JSON.stringify(field.slice(0, 40))}`);
    }
  }
  if (rua === undefined) {
    throw invalid('it has no rua');
  }
  return readDestinations(rua);
}

/** RFC 8460 §3 tlsrpt-extension; `v` and `rua` have the same shape. */
const extension = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,31}=[\x21-\x3a\x3c\x3e-\x7e]+$/;

function readDestinations(rua: string): TlsrptRecord {
  const destinations: ReportDestination[] = [];
  const unusable: string[] = [];
  for (const [index, part] of rua.split(',').entries()) {
    const uri = trimWsp(part);
    const read = index < destinationsMax ? readReportDestination(uri) : 'one destination too many';
    if (typeof read === 'string') {
      unusable.push(`${JSON.stringify(uri.slice(0, 100))}: ${read}`);
    } else if (!destinations.some((each) => each.uri === read.uri)) {
      destinations.push(read);
    }
  }
  if (destinations.length === 0) {
    throw invalid(`no destination of its rua can be used: ${unusable.slice(0, 3).join('; ')}`);
  }
  return { destinations, unusable };
}

/** One URI of a rua as a destination, or why it is none. */
export function readReportDestination(uri: string): ReportDestination | string {
  // RFC 3986 §2: a URI is printable ASCII without spaces; "!" would begin a size limit as in DMARC (RFC 7489 §6.2).
  if (uri.length > uriCharsMax || !/^[\x22-\x7e]+$/.test(uri)) {
    return 'not a URI';
  }
  const scheme = /^([A-Za-z][A-Za-z0-9+.-]*):/.exec(uri)?.[1]?.toLowerCase();
  switch (scheme) {
    case 'mailto':
      return readMailto(uri);
    case 'https':
      return readHttps(uri);
    default:
      return 'neither mailto: nor https:';
  }
}

/**
 * The one form that destinations are compared in, however a record spells them; the text itself for what is none.
 *
 * @example
 * normalizeDestination('MAILTO:a%62c@Example.COM?subject=x'); // 'mailto:abc@example.com'
 */
export function normalizeDestination(uri: string): string {
  const destination = readReportDestination(uri);
  if (typeof destination === 'string') {
    return uri;
  }
  if (destination.scheme === 'https') {
    return new URL(uri).href;
  }
  const { address } = destination;
  const at = address.lastIndexOf('@');
  // Domains are the same in any case; a local part is for its own domain to read (RFC 5321 §2.4).
  return `mailto:${address.slice(0, at)}@${toAsciiDomain(address.slice(at + 1))}`;
}

/** SES tells of bounces by A-labels. */
function toAsciiDomain(domain: string): string {
  try {
    return parseDomainName(domain);
  } catch (error) {
    if (error instanceof TransportSecurityError) {
      return domain.toLowerCase();
    }
    throw error;
  }
}

/** RFC 6068 §2: one address, percent-encoded; header fields behind "?" are not for the sender of a report to obey. */
function readMailto(uri: string): ReportDestination | string {
  const [encoded = ''] = uri.slice('mailto:'.length).split('?');
  let address: string;
  try {
    address = decodeURIComponent(encoded);
  } catch {
    // A percent sign without two hexadecimal digits, or octets that are no UTF-8.
    return 'malformed percent-encoding';
  }
  return isMailbox(address) ? { scheme: 'mailto', address, uri } : 'not one mail address';
}

function readHttps(uri: string): ReportDestination | string {
  if (!URL.canParse(uri)) {
    return 'not a URL';
  }
  const { username, password, hostname } = new URL(uri);
  if (username !== '' || password !== '') {
    return 'carries credentials';
  }
  return hostname === '' ? 'names no host' : { scheme: 'https', uri };
}

function invalid(reason: string): TransportSecurityError {
  return new TransportSecurityError('tlsrpt-invalid', `invalid _smtp._tls TXT record: ${reason}`);
}
