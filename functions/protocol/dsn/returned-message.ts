/**
 * What goes back of the message itself.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc3461.html#section-6.2 RFC 3461 §6.2}
 * @see {@link https://www.rfc-editor.org/rfc/rfc6533.html#section-4.5 RFC 6533 §4.5}
 */
import { canonicalizeContent } from '../smtp/content.ts';
import { type BodyPart, encodePart } from './body-part.ts';
import { isUtf8 } from './printable.ts';

/** RFC 3461 §6.2: beyond a length of our choice only the header goes back. */
export const returnedOctetsMax = 262_144;

/** Of a header section; what is longer is cut behind a field. */
const headerOctetsMax = 65_536;

/**
 * Makes the third part. The whole message goes back where it is asked for, is not too long, and can stand in a message
 * part as it is; else its header does.
 *
 * @param isUtf8Way Whether the way back takes UTF-8 (SMTPUTF8); else nothing that is not ASCII is sent but the 8-bit
 *   body of a message that had one.
 */
export function makeReturnedPart(
  content: Uint8Array,
  returned: 'full' | 'headers',
  isUtf8Way: boolean,
): BodyPart {
  const whole =
    returned === 'full' && content.length <= returnedOctetsMax
      ? makeWholePart(content, isUtf8Way)
      : undefined;
  return whole ?? makeHeaderPart(content, isUtf8Way);
}

function makeWholePart(content: Uint8Array, isUtf8Way: boolean): BodyPart | undefined {
  const { octets, eightBit, eightBitHeader } = canonicalizeContent(content);
  if (octets.includes(0)) {
    // RFC 2045 §2.7 and §2.8: NUL is in neither 7bit nor 8bit data.
    return undefined;
  }
  if (eightBitHeader) {
    // RFC 6532 §3.7: a message with UTF-8 in its header, and the only one that may be encoded.
    return isUtf8(octets)
      ? encodePart('message/global', octets, { allow8Bit: isUtf8Way, otherwise: 'base64' })
      : undefined;
  }
  // RFC 2046 §5.2.1: message/rfc822 is never encoded. Its 8-bit body came that way, and can be taken back.
  const part = encodePart('message/rfc822', octets, { allow8Bit: eightBit, otherwise: 'base64' });
  return part.encoding === 'base64' ? undefined : part;
}

function makeHeaderPart(content: Uint8Array, isUtf8Way: boolean): BodyPart {
  const octets = readHeaderSection(content);
  const isAscii = octets.every((octet) => octet < 0x80);
  return isAscii || !isUtf8(octets)
    ? encodePart('text/rfc822-headers', octets, { allow8Bit: false, otherwise: 'quoted-printable' })
    : encodePart('message/global-headers', octets, {
        allow8Bit: isUtf8Way,
        otherwise: 'quoted-printable',
      });
}

/** The header section with CRLF line ends, without the empty line behind it. */
function readHeaderSection(content: Uint8Array): Buffer {
  // No more than that is looked at, of whatever size the message is.
  const { octets } = canonicalizeContent(content.subarray(0, headerOctetsMax));
  const text = octets.toString('latin1');
  const end = text.startsWith('\r\n') ? 0 : text.indexOf('\r\n\r\n');
  if (end >= 0) {
    return octets.subarray(0, end === 0 ? 0 : end + 2);
  }
  if (content.length <= headerOctetsMax) {
    return octets;
  }
  const lastField = /^[\s\S]*\r\n(?=[^ \t\r])/.exec(text)?.[0];
  return lastField === undefined ? octets : octets.subarray(0, lastField.length);
}
