/**
 * Strict base64.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc4648.html#section-4 RFC 4648 §4}
 */

/**
 * Decodes base64 with padding and without line ends; undefined for what Node would skip or guess.
 *
 * @example
 * decodeBase64('aGk'); // undefined: the padding is missing
 */
export function decodeBase64(text: string): Buffer | undefined {
  const octets = Buffer.from(text, 'base64');
  return octets.toString('base64') === text ? octets : undefined;
}
