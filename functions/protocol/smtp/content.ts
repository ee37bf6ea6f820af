/**
 * Message content on its way to the wire: line ends, transparency, and what it asks of the peer.
 *
 * All work is done by V8's string search over windows of bounded size: a message that is clean already costs two
 * passes of it and no copy, and one that is not is rebuilt in memory proportional to itself, however hostile. A few dots
 * cost no copy either: the octets between them go out as they are.
 *
 * `Unclear:` lines beyond 998 octets are sent as they are. RFC 5321 §4.5.3.1 lets a client try what is larger than the
 * limits as long as it lives with a refusal, and folding them would break signatures.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc5321.html#section-4.5.2 RFC 5321 §4.5.2}
 * @see {@link https://www.rfc-editor.org/rfc/rfc6152.html RFC 6152}
 */
import { isAscii } from 'node:buffer';

const windowOctets = 262_144;

const lineFeed = 0x0a;
const carriageReturn = 0x0d;
const dot = 0x2e;

const bareLineEnd = /\r(?!\n)|(?<!\r)\n/;
const lineEnds = /\r\n|\r|\n/g;

/** Content with canonical line ends. */
export interface CanonicalContent {
  /** Each line ends in CRLF, the last too; no other CR or LF is left. */
  readonly octets: Buffer;
  /** Whether an octet has its eighth bit set. */
  readonly eightBit: boolean;
  /** Whether one of those is in the header section, that is before the first empty line. */
  readonly eightBitHeader: boolean;
  /** The octets, one char each, where they were looked at in one window and stand as they came. */
  readonly text?: string;
}

/**
 * Makes every line end CRLF.
 *
 * RFC 5321 §2.3.8 forbids CR and LF but as CRLF; peers differ in what a bare one means to them, which is how a second
 * message is smuggled behind `LF . LF`. Each becomes a whole line end here, so that all agree.
 */
export function canonicalizeContent(content: Uint8Array): CanonicalContent {
  const source = Buffer.from(content.buffer, content.byteOffset, content.byteLength);
  if (source.length <= windowOctets && source[source.length - 1] === lineFeed) {
    const text = source.toString('latin1');
    if (!bareLineEnd.test(text)) {
      const eightBit = !isAscii(source);
      const eightBitHeader = eightBit && hasEightBitHeader(source);
      return { octets: source, eightBit, eightBitHeader, text };
    }
  }
  let eightBit = false;
  const octets = rewrite(source, isWithinLineEnd, (text, window) => {
    eightBit ||= !isAscii(window);
    return bareLineEnd.test(text) ? text.replace(lineEnds, '\r\n') : text;
  });
  const whole = endsInLineEnd(octets) ? octets : Buffer.concat([octets, Buffer.from('\r\n')]);
  return { octets: whole, eightBit, eightBitHeader: eightBit && hasEightBitHeader(whole) };
}

/** Dots up to which content is cut at them; beyond, whole windows are rewritten. */
const cutsMax = 256;

/**
 * Doubles each dot that begins a line (RFC 5321 §4.5.2). The pieces are views of the content where there are few such dots:
 * each begins with a dot that ends the one before it too.
 */
export function stuffDots({ octets, text }: CanonicalContent): readonly Buffer[] {
  const dots = findLeadingDots(octets, text ?? octets);
  if (dots.length === 0) {
    return [octets];
  }
  if (dots.length <= cutsMax) {
    return cutAtDots(octets, dots);
  }
  const stuffed = rewrite(octets, isBeforeDot, (text) => text.replaceAll('\n.', '\n..'));
  return octets[0] === dot ? [Buffer.from('.'), stuffed] : [stuffed];
}

/** Where lines begin with a dot; some of the places, where there are too many to cut at. */
function findLeadingDots(octets: Buffer, searched: Buffer | string): number[] {
  const dots = octets[0] === dot ? [0] : [];
  for (
    let at = searched.indexOf('\n.');
    at >= 0 && dots.length <= cutsMax;
    at = searched.indexOf('\n.', at + 2)
  ) {
    dots.push(at + 1);
  }
  return dots;
}

function cutAtDots(octets: Buffer, dots: readonly number[]): Buffer[] {
  const pieces: Buffer[] = [];
  let from = 0;
  for (const at of dots) {
    pieces.push(octets.subarray(from, at + 1));
    from = at;
  }
  pieces.push(octets.subarray(from));
  return pieces;
}

/**
 * Runs `change` over one window after another; the source itself comes back if nothing changed. No window ends where
 * `mayNotCut` says so, so that a pair of octets is never looked at one by one.
 */
function rewrite(
  source: Buffer,
  mayNotCut: (source: Buffer, at: number) => boolean,
  change: (text: string, window: Buffer) => string,
): Buffer {
  const parts: Buffer[] = [];
  let isChanged = false;
  for (let start = 0, end = 0; start < source.length; start = end) {
    end = Math.min(start + windowOctets, source.length);
    if (end < source.length && mayNotCut(source, end)) {
      end += 1;
    }
    const window = source.subarray(start, end);
    const text = window.toString('latin1');
    const changed = change(text, window);
    isChanged ||= changed !== text;
    parts.push(changed === text ? window : Buffer.from(changed, 'latin1'));
  }
  return isChanged ? Buffer.concat(parts) : source;
}

function isWithinLineEnd(source: Buffer, at: number): boolean {
  return source[at - 1] === carriageReturn && source[at] === lineFeed;
}

function isBeforeDot(source: Buffer, at: number): boolean {
  return source[at - 1] === lineFeed && source[at] === dot;
}

function endsInLineEnd(octets: Buffer): boolean {
  return octets.length === 0 || octets[octets.length - 1] === lineFeed;
}

/** Content without an empty line is all header (RFC 5322 §2.1 lets the body be absent). */
function hasEightBitHeader(octets: Buffer): boolean {
  if (octets[0] === carriageReturn) {
    return false;
  }
  const end = octets.indexOf('\r\n\r\n');
  return !isAscii(end < 0 ? octets : octets.subarray(0, end));
}
