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

/**
 * RFC 3461 §5.4: what every implementation must take of a parameter, octets as encoded. Keyword and `=` count: the 28 that
 * it gives NOTIFY are those of `NOTIFY=SUCCESS,FAILURE,DELAY`.
 */
const orcptOctetsMax = 500;
const envidOctetsMax = 100;

/** `ENVID=` with an envelope id (RFC 3461 §4.4); undefined where it is empty, or too long for peers to be bound to take. */
export function formatEnvid(envid: string): string | undefined {
  const parameter = `ENVID=${encodeXtext(envid)}`;
  return envid === '' || parameter.length > envidOctetsMax ? undefined : parameter;
}

/**
 * `ORCPT=` with an original recipient `addr-type;address`; undefined where it is none, or too long for peers to be bound to
 * take. RCPT has the address all the same.
 *
 * Beyond ASCII an address has the type `utf-8`, which RFC 6533 §3 made for it, and `rfc822` becomes that; RFC 3461 §4.2
 * lets no other type have such an address.
 */
export function formatOrcpt(orcpt: string): string | undefined {
  const match = /^([A-Za-z0-9][A-Za-z0-9-]*);(.+)$/su.exec(orcpt);
  const [, type = '', address = ''] = match ?? [];
  const isAscii = !/[\u{80}-\u{10ffff}]/u.test(address);
  const isUtf8 = /^utf-8$/i.test(type) || (/^rfc822$/i.test(type) && !isAscii);
  if (match === null || (!isAscii && !isUtf8)) {
    return undefined;
  }
  const parameter = isUtf8
    ? `ORCPT=utf-8;${encodeUtf8AddressXtext(address)}`
    : `ORCPT=${type};${encodeXtext(address)}`;
  return parameter.length > orcptOctetsMax ? undefined : parameter;
}

function hexadecimal(value: number): string {
  return value.toString(16).toUpperCase();
}
