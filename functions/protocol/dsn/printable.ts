/**
 * Text of strangers on its way into a header field or before a reader's eyes: peers, senders and DNS chose it.
 */

/** Line ends, controls, lone surrogates, and what reorders or hides the text around it. */
const unprintable = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}]/gu;
const beyondAscii = /[^\x20-\x7e]/gu;

/** Each character that could break a line or mislead a reader as `\x{HEX}`, the form of RFC 6533 §3. */
export function toPrintable(text: string): string {
  return escapeEach(text, unprintable);
}

/** Printable ASCII only, everything else as `\x{HEX}`. */
export function toPrintableAscii(text: string): string {
  return escapeEach(text, beyondAscii);
}

function escapeEach(text: string, characters: RegExp): string {
  return text.replace(
    characters,
    (character) => `\\x{${(character.codePointAt(0) ?? 0).toString(16).toUpperCase()}}`,
  );
}

/** Whether all of it is ASCII. */
export function isAscii(text: string): boolean {
  return Buffer.byteLength(text) === text.length;
}

/** Whether octets are UTF-8 text. */
export function isUtf8(octets: Uint8Array): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(octets);
    return true;
  } catch {
    // TypeError is how the decoder says no.
    return false;
  }
}

/** The first `octetsMax` octets of the text's UTF-8 at most, ended by `...` where something was cut off. */
export function cutToOctets(text: string, octetsMax: number): string {
  if (Buffer.byteLength(text) <= octetsMax) {
    return text;
  }
  // The encoder stops before a character that does not fit as a whole.
  const { read } = new TextEncoder().encodeInto(text, new Uint8Array(octetsMax - 3));
  return `${text.slice(0, read)}...`;
}
