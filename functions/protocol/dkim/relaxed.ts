/**
 * The "relaxed" canonicalization of DKIM: what mail systems may do to white space does not break a signature.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc6376.html#section-3.4.2 RFC 6376 §3.4.2 and §3.4.4}
 */
import { createHash } from 'node:crypto';

/** Chars looked at in one piece: what is in memory beside the chunk stays bounded by it. */
const windowOctets = 262_144;

/** Blank lines that turned out not to be the last ones, as many at a time. */
const blankLines = '\r\n'.repeat(4_096);

/**
 * A header field in relaxed form (RFC 6376 §3.4.2), with its CRLF. `raw` is the whole field as it stands in the message.
 *
 * @example
 * relaxField('B \t:  Y\t\r\n\tZ  \r\n'); // 'b:Y Z\r\n'
 */
export function relaxField(raw: string): string {
  const colon = raw.indexOf(':');
  const name = raw.slice(0, colon).trimEnd().toLowerCase();
  return `${name}:${relaxValue(raw.slice(colon + 1))}\r\n`;
}

function relaxValue(value: string): string {
  return value
    .replaceAll('\r\n', '')
    .replace(/[ \t]+/g, ' ')
    .replace(/^ /, '')
    .replace(/ $/, '');
}

/** Hashes a body that comes in chunks. */
export interface BodyHash {
  /** Line ends are CRLF; a chunk may end anywhere, within one too. */
  update(chunk: Uint8Array): void;
  /** The SHA-256 of the body in relaxed form (§3.4.4). Nothing may be added afterwards. */
  finish(): Buffer;
}

/**
 * Begins a body hash. Time is linear in the body, and memory constant, whatever is in it: white space at the end of a
 * line and blank lines at the end of the body are counted, never collected.
 */
export function createBodyHash(): BodyHash {
  const hash = createHash('sha256');
  // What may yet prove to be nothing: CRLFs at the end, and behind them a space, a CR, or both.
  let blanks = 0;
  let tail = '';
  let isEmpty = true;
  const add = (text: string): void => {
    for (; blanks > 0; blanks -= Math.min(blanks, 4_096)) {
      hash.update(blankLines.slice(0, 2 * Math.min(blanks, 4_096)));
    }
    hash.update(text, 'latin1');
    isEmpty = false;
  };
  const take = (window: string): void => {
    const relaxed = relaxLines(tail + window);
    tail = / ?\r?$/.exec(relaxed.slice(-2))?.[0] ?? '';
    const lines = relaxed.slice(0, relaxed.length - tail.length);
    const end = endWithoutBlanks(lines);
    if (end > 0) {
      add(lines.slice(0, end));
    }
    blanks += (lines.length - end) / 2;
  };
  return {
    update: (chunk) => {
      const octets = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
      for (let start = 0; start < octets.length; start += windowOctets) {
        take(octets.toString('latin1', start, start + windowOctets));
      }
    },
    finish: () => {
      if (tail.endsWith('\r')) {
        add(tail);
      }
      // RFC 6376 §3.4.4: a body that is not empty ends in one CRLF; one that is stays empty.
      return (isEmpty ? hash : hash.update('\r\n')).digest();
    },
  };
}

/** Runs of white space become one space, and none is left before a CRLF. */
function relaxLines(text: string): string {
  // Most white space is a lone space, which stays as it is.
  const reduced = text.replace(/[ \t]{2,}|\t/g, ' ');
  return reduced.includes(' \r\n') ? reduced.replaceAll(' \r\n', '\r\n') : reduced;
}

/** Where the CRLFs at the end begin. By hand: a regular expression would look at each run of them in the text. */
function endWithoutBlanks(text: string): number {
  let end = text.length;
  while (end >= 2 && text[end - 1] === '\n' && text[end - 2] === '\r') {
    end -= 2;
  }
  return end;
}
