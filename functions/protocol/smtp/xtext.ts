/**
 * Values of ESMTP parameters that may hold what an SMTP line may not.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc3461.html#section-4 RFC 3461 §4}
 * @see {@link https://www.rfc-editor.org/rfc/rfc6533.html#section-3 RFC 6533 §3}
 */

/**
 * xtext: `+HH` for each octet that is no printable ASCII, and for `+` and `=`. Characters beyond ASCII go octet by
 * octet of their UTF-8, so that nothing can break a line whatever came in.
 */
export function encodeXtext(text: string): string {
  return text.replace(/[^!-*,-<>-~]/gu, (character) =>
    [...Buffer.from(character)].map((octet) => `+${hexadecimal(octet).padStart(2, '0')}`).join(''),
  );
}

/**
 * utf-8-addr-xtext: `\x{HEX}` for each code point that is no printable ASCII, and for `\`, `+` and `=`. Safe with and
 * without SMTPUTF8, so that the peer's offer need not be looked at.
 */
export function encodeUtf8AddressXtext(text: string): string {
  return text.replace(
    /[^!-*,-<>-[\]-~]/gu,
    (character) => `\\x{${hexadecimal(character.codePointAt(0) ?? 0).padStart(2, '0')}}`,
  );
}

/** RFC 3461 §5.4: what every implementation must take. */
const orcptCharsMax = 500;

/**
 * The value of ORCPT for `addr-type;address`; undefined where it is none, or too long for peers to be bound to take.
 * RCPT has the address all the same.
 *
 * A type `rfc822` with an address beyond ASCII becomes `utf-8`, which RFC 6533 §3 has for it.
 */
export function formatOrcpt(orcpt: string): string | undefined {
  const match = /^([A-Za-z0-9][A-Za-z0-9-]*);(.+)$/su.exec(orcpt);
  const [, type = '', address = ''] = match ?? [];
  if (match === null) {
    return undefined;
  }
  const isUtf8 =
    type.toLowerCase() === 'utf-8' ||
    (type.toLowerCase() === 'rfc822' && /[\u{80}-\u{10ffff}]/u.test(address));
  const value = isUtf8
    ? `utf-8;${encodeUtf8AddressXtext(address)}`
    : `${type};${encodeXtext(address)}`;
  return value.length > orcptCharsMax ? undefined : value;
}

function hexadecimal(value: number): string {
  return value.toString(16).toUpperCase();
}
