/**
 * The quoted-printable encoding.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc2045.html#section-6.7 RFC 2045 §6.7}
 */

/** RFC 2045 §6.7 rule 5, with room for the soft line break's `=`. */
const lineCharsMax = 75;

/**
 * Encodes text lines, each ended by CRLF. The result is ASCII, in lines of 76 characters at most; what is decoded from
 * it is `octets` to the octet.
 */
export function encodeQuotedPrintable(octets: Uint8Array): string {
  const text = Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength).toString('latin1');
  return text.split('\r\n').map(encodeLine).join('\r\n');
}

function encodeLine(line: string): string {
  // Rule 3: white space at the end of a line would be taken for padding.
  const escaped = line.replace(/[^\t !-<>-~]|[ \t]$/g, (octet) => {
    const hexadecimal = octet.charCodeAt(0).toString(16).toUpperCase();
    return `=${hexadecimal.padStart(2, '0')}`;
  });
  return breakSoftly(escaped);
}

/** RFC 2045 §6.7 rule 5: an escape is never cut, and nothing is broken behind the last character. */
function breakSoftly(line: string): string {
  const pieces: string[] = [];
  let start = 0;
  while (line.length - start > lineCharsMax + 1) {
    let end = start + lineCharsMax;
    const escapeAt = line.lastIndexOf('=', end - 1);
    if (escapeAt > end - 3 && escapeAt >= start) {
      end = escapeAt;
    }
    pieces.push(line.slice(start, end));
    start = end;
  }
  pieces.push(line.slice(start));
  return pieces.join('=\r\n');
}
