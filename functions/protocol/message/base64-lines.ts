/**
 * Base64 as a body part has it.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc2045.html#section-6.8 RFC 2045 §6.8}
 */

/** Lines of 76 characters, each ended by CRLF, the last too; '' for no octets. */
export function encodeBase64Lines(octets: Uint8Array): string {
  const { buffer, byteOffset, byteLength } = octets;
  const text = Buffer.from(buffer, byteOffset, byteLength).toString('base64');
  return text.replace(/.{1,76}/g, '$&\r\n');
}
