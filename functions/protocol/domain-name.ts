/**
 * Domain names as people and protocols write them, brought into the one form that the rest of Sealpost compares:
 * lower-case A-labels without a trailing dot.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc5890.html#section-2.3 RFC 5890 §2.3} (LDH labels, A-labels, U-labels)
 * @see {@link https://www.rfc-editor.org/rfc/rfc1123.html#section-2.1 RFC 1123 §2.1} (host name syntax)
 */
import { domainToASCII } from 'node:url';
import { TransportSecurityError } from './errors.ts';

/** RFC 1035 §2.3.4: 255 octets on the wire, which leave 253 characters of text without the trailing dot. */
const nameLengthMax = 253;

/** A label is 63 octets at most; in UTF-16 its U-label can take twice that, and no valid name is longer. */
const textLengthMax = 2 * nameLengthMax;

const hostLabel = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
const lookupLabel = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/;

/** Whether more than host names is taken. */
export interface DomainNameOptions {
  /** Takes underscores, for names that are only looked up, such as `_mta-sts.example.com` (RFC 8552). Default: refused. */
  readonly underscores?: boolean;
}

/**
 * Parses a domain name in any case, with A-labels or U-labels, with or without the trailing dot, into lower-case
 * A-labels without it.
 *
 * U-labels are mapped as browsers and mail clients map them (UTS 46). A name of one label passes. What could be read as an
 * IP address does not: an address literal, and a last label that is a number.
 *
 * @throws {TransportSecurityError} `address-invalid`
 * @example
 * parseDomainName('Bücher.Example.'); // 'xn--bcher-kva.example'
 */
export function parseDomainName(text: string, options: DomainNameOptions = {}): string {
  const name = toAscii(text);
  if (name === '' || name.length > nameLengthMax) {
    throw invalid(text, `a name has 1 to ${nameLengthMax} octets`);
  }
  const syntax = options.underscores === true ? lookupLabel : hostLabel;
  const labels = name.split('.');
  if (!labels.every((label) => syntax.test(label))) {
    throw invalid(text, 'a label has 1 to 63 letters, digits and inner hyphens');
  }
  // Where the last label is a number, decimal or hexadecimal, URL parsers see an IPv4 address (WHATWG URL, host parser),
  // however many labels come before it. No top-level domain is one (RFC 3696 §2).
  if (/^(?:\d+|0x[0-9a-f]*)$/.test(labels.at(-1) ?? '')) {
    throw invalid(text, 'the last label is a number');
  }
  return name;
}

function toAscii(text: string): string {
  if (text.length > textLengthMax) {
    throw invalid(text, 'too long');
  }
  // domainToASCII is the host parser of URLs: it would undo percent-encoding, drop tabs and newlines and stop at a slash.
  // So it only gets to see text whose ASCII part is that of a domain name, and only where there is more than ASCII.
  if (/[^a-z0-9._\-\u0080-\uffff]/i.test(text)) {
    throw invalid(text, 'a character that no domain name has');
  }
  const ascii = /[\u0080-\uffff]/.test(text) ? domainToASCII(text) : text.toLowerCase();
  return ascii.endsWith('.') ? ascii.slice(0, -1) : ascii;
}

function invalid(text: string, reason: string): TransportSecurityError {
  const shown = JSON.stringify(text.slice(0, 80));
  return new TransportSecurityError('address-invalid', `not a domain name: ${shown}: ${reason}`);
}

/** Whether `text` is a domain name in the very form that {@link parseDomainName} gives it. */
export function isDomainName(text: string, options?: DomainNameOptions): boolean {
  try {
    return parseDomainName(text, options) === text;
  } catch (error) {
    if (error instanceof TransportSecurityError) {
      return false;
    }
    throw error;
  }
}
