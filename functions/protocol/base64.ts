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
  return isDecodedWhole(text, octets.length) && isCanonicalEnd(text, octets) ? octets : undefined;
}

/**
 * Node skips what is not of an alphabet, and octets are missing then. Encoding all of it again to compare would be most of
 * the work for a large message.
 */
function isDecodedWhole(text: string, octets: number): boolean {
  const padding = text.endsWith('==') ? 2 : Number(text.endsWith('='));
  return (
    text.length % 4 === 0 &&
    octets === (text.length / 4) * 3 - padding &&
    // §5: the other alphabet, which Node takes for the same; and beyond ASCII it may look at the low octet alone.
    !text.includes('-') &&
    !text.includes('_') &&
    Buffer.byteLength(text) === text.length
  );
}

/** §3.5: no bits behind the end. */
function isCanonicalEnd(text: string, octets: Buffer): boolean {
  const start = Math.max(0, text.length / 4 - 1);
  return octets.toString('base64', start * 3) === text.slice(start * 4);
}
