/**
 * One part of a multipart message, encoded for its way.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc2045.html#section-6 RFC 2045 §6}
 */
import { encodeBase64Lines } from '../message/base64-lines.ts';
import { encodeQuotedPrintable } from './quoted-printable.ts';

export type TransferEncoding = '7bit' | '8bit' | 'quoted-printable' | 'base64';

/** A part with its encoding done. */
export interface BodyPart {
  /** The value of Content-Type. */
  readonly type: string;
  readonly encoding: TransferEncoding;
  /** Lines end in CRLF, the last too. */
  readonly octets: Buffer;
}

/** RFC 2045 §2.7: what a line of 7bit or 8bit data may have, without its end. */
const lineOctetsMax = 998;

/**
 * Encodes lines that end in CRLF: 7bit where they can go as they are, 8bit where that is allowed and they have no more
 * than that against it, else as `otherwise` says.
 */
export function encodePart(
  type: string,
  octets: Buffer,
  way: { readonly allow8Bit: boolean; readonly otherwise: 'quoted-printable' | 'base64' },
): BodyPart {
  const isPlain = !octets.includes(0) && hasShortLines(octets);
  const isSevenBit = octets.every((octet) => octet < 0x80);
  if (isPlain && (isSevenBit || way.allow8Bit)) {
    return { type, encoding: isSevenBit ? '7bit' : '8bit', octets };
  }
  const text =
    way.otherwise === 'base64' ? encodeBase64Lines(octets) : encodeQuotedPrintable(octets);
  return { type, encoding: way.otherwise, octets: Buffer.from(text) };
}

function hasShortLines(octets: Buffer): boolean {
  for (let start = 0; start < octets.length; ) {
    const lineFeed = octets.indexOf('\n', start);
    const end = lineFeed < 0 ? octets.length : lineFeed - 1;
    if (end - start > lineOctetsMax) {
      return false;
    }
    start = lineFeed < 0 ? octets.length : lineFeed + 1;
  }
  return true;
}
