/**
 * Mailboxes as they stand in an SMTP envelope.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc5321.html#section-4.1.2 RFC 5321 §4.1.2}
 * @see {@link https://www.rfc-editor.org/rfc/rfc6531.html#section-3.3 RFC 6531 §3.3}
 */
import { TransportSecurityError } from '../errors.ts';

/** The two sides of `local-part@domain`, both as written: quotes kept, case kept, U-labels not converted. */
export interface Mailbox {
  readonly localPart: string;
  readonly domain: string;
}

/** RFC 5321 §4.5.3.1.1 and §4.5.3.1.2, in octets of UTF-8. */
const localPartOctetsMax = 64;
const domainOctetsMax = 255;

/** RFC 1035 §2.3.4; the A-label form of a U-label is checked where it is made. */
const labelCharsMax = 63;

/**
 * RFC 6531 §3.3 adds UTF8-non-ascii to atext and qtextSMTP. `Deviation:` C1 controls (U+0080 to U+009F) are refused:
 * no mailbox needs them and terminals obey them.
 */
const dotString =
  /^[\w!#$%&'*+/=?^`{|}~\-\u{a0}-\u{10ffff}]+(?:\.[\w!#$%&'*+/=?^`{|}~\-\u{a0}-\u{10ffff}]+)*$/u;
const quotedString = /^"(?:[ !#-[\]-~\u{a0}-\u{10ffff}]|\\[ -~])*"$/u;

/**
 * A sub-domain: letters, digits and inner hyphens; beyond ASCII letters, marks, numbers and the characters that
 * RFC 5892 Appendix A allows in context. That leaves out U+3002 and the other full stops that IDNA mappings turn
 * into label separators, so that nobody reads more labels here than we do.
 */
const label =
  /^[0-9A-Za-z\p{L}\p{M}\p{N}](?:[0-9A-Za-z\-\p{L}\p{M}\p{N}\u{b7}\u{375}\u{5f3}\u{5f4}\u{30fb}\u{200c}\u{200d}]*[0-9A-Za-z\p{L}\p{M}\p{N}\u{200c}\u{200d}])?$/u;

/**
 * What nearly all mailboxes look like, told from the rest by one look: ASCII, no quotes, a highest label that begins with
 * a letter. The sides still have to be measured.
 */
const plainMailbox =
  /^[\w!#$%&'*+/=?^`{|}~-]+(?:\.[\w!#$%&'*+/=?^`{|}~-]+)*@(?:[0-9A-Za-z](?:[0-9A-Za-z-]{0,61}[0-9A-Za-z])?\.)*[A-Za-z](?:[0-9A-Za-z-]{0,61}[0-9A-Za-z])?$/;

/**
 * Reports whether `text` is a mailbox that {@link parseMailbox} takes.
 *
 * @example
 * isMailbox('"two words"@example.com'); // true
 * isMailbox('user@[192.0.2.1]'); // false: no address literals
 */
export function isMailbox(text: string): boolean {
  return findFault(text) === undefined;
}

/**
 * Splits a mailbox at its last `@` after checking both sides. The domain is not looked at as a DNS name beyond its
 * grammar.
 *
 * @throws {TransportSecurityError} `address-invalid`; the message names the fault, never the address.
 */
export function parseMailbox(text: string): Mailbox {
  const fault = findFault(text);
  if (fault !== undefined) {
    throw new TransportSecurityError('address-invalid', `not a mailbox: ${fault}`);
  }
  const at = text.lastIndexOf('@');
  return { localPart: text.slice(0, at), domain: text.slice(at + 1) };
}

/** What is wrong with `text`, in a few words; each check is linear and the length is bounded first. */
function findFault(text: string): string | undefined {
  // `Unclear:` RFC 5321 §4.5.3.1.3 gives a path 256 octets with its brackets, less than both sides together may
  // have. The limits of the sides are taken at their word; a peer that counts paths answers for itself.
  if (text.length > localPartOctetsMax + 1 + domainOctetsMax) {
    return 'longer than 320 octets';
  }
  // A domain has no "@" and a quoted local part may have several.
  const at = text.lastIndexOf('@');
  const isMeasured = at <= localPartOctetsMax && text.length - at - 1 <= domainOctetsMax;
  if (isMeasured && plainMailbox.test(text)) {
    return undefined;
  }
  if (!text.isWellFormed()) {
    return 'a lone surrogate';
  }
  if (at < 0) {
    return 'no "@"';
  }
  return findLocalPartFault(text.slice(0, at)) ?? findDomainFault(text.slice(at + 1));
}

function findLocalPartFault(localPart: string): string | undefined {
  if (Buffer.byteLength(localPart) > localPartOctetsMax) {
    return 'a local part of more than 64 octets';
  }
  if (!dotString.test(localPart) && !quotedString.test(localPart)) {
    return 'the local part is neither dot-string nor quoted-string';
  }
  return undefined;
}

function findDomainFault(domain: string): string | undefined {
  if (Buffer.byteLength(domain) > domainOctetsMax) {
    return 'a domain of more than 255 octets';
  }
  // Address literals name no policy domain, so nothing could ever authenticate the way to them.
  if (domain.startsWith('[')) {
    return 'an address literal as domain';
  }
  const labels = domain.split('.');
  if (!labels.every((each) => each.length <= labelCharsMax && label.test(each))) {
    return 'a domain label that is empty, too long or has other characters than letters, digits and hyphens';
  }
  // `Unclear:` the grammar lets 192.0.2.1 pass as a name. RFC 1123 §2.1 keeps the highest label alphabetic so that
  // dotted numbers can be told from names.
  if (/^[0-9]+$/.test(labels.at(-1) ?? '')) {
    return 'a domain that ends in a number';
  }
  return undefined;
}
