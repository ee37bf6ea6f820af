/**
 * The address tag `+requiretls`: a sender's way to ask for REQUIRETLS with any mail program, by writing to
 * `mailbox+requiretls@domain`.
 */

/** An address that carried the tag, and the same without it. */
export interface TaggedAddress {
  readonly tagged: boolean;
  /** Without the tag where there was one; else as given. */
  readonly address: string;
}

/** Only the last tag counts, so that a recipient's own sub-addresses (`a+b+requiretls@`) go through unharmed. */
const tag = '+requiretls';

/**
 * Takes the tag off an address. A quoted local part carries none: its `+` is text (RFC 5321 §4.1.2), and neither
 * does one that would be left empty.
 *
 * @example
 * readAddressTag('arvel+REQUIRETLS@mail.example'); // { tagged: true, address: 'arvel@mail.example' }
 */
export function readAddressTag(address: string): TaggedAddress {
  const at = address.lastIndexOf('@');
  const localPart = address.slice(0, at);
  const tagged =
    localPart.length > tag.length &&
    !localPart.endsWith('"') &&
    localPart.toLowerCase().endsWith(tag);
  return tagged
    ? { tagged, address: localPart.slice(0, -tag.length) + address.slice(at) }
    : { tagged, address };
}
