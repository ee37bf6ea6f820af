/**
 * Message content on its way to the wire: line ends, transparency, and what it asks of the peer.
 *
 * All work is done by V8's string search over windows of bounded size: a message that is clean already costs two
 * passes of it and no copy, and one that is not is rebuilt in memory proportional to itself, however hostile.
 *
 * `Unclear:` lines beyond 998 octets are sent as they are. RFC 5321 §4.5.3.1 lets a client try what is larger than the
 * limits as long as it lives with a refusal, and folding them would break signatures.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc5321.html#section-4.5.2 RFC 5321 §4.5.2}
 * @see {@link https://www.rfc-editor.org/rfc/rfc6152.html RFC 6152}
 */

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
}

/**
 * Makes every line end CRLF.
 *
 * RFC 5321 §2.3.8 forbids CR and LF but as CRLF; peers differ in what a bare one means to them, which is how a second
 * message is smuggled behind `LF . LF`. Each becomes a whole line end here, so that all agree.
 */
export function canonicalizeContent(content: Uint8Array): CanonicalContent {
  const source = Buffer.from(content.buffer, content.byteOffset, content.byteLength);
  let eightBit = false;
  const octets = rewrite(source, isWithinLineEnd, (text) => {
    eightBit ||= hasEightBit(text);
    return bareLineEnd.test(text) ? text.replace(lineEnds, '\r\n') : text;
  });
  const whole = endsInLineEnd(octets) ? octets : Buffer.concat([octets, Buffer.from('\r\n')]);
  return { octets: whole, eightBit, eightBitHeader: eightBit && hasEightBitHeader(whole) };
}

/** Dots up to which octets between them are copied; beyond, whole windows are rewritten. */
const dotsCopiedMax = 256;

/** Doubles each dot that begins a line (RFC 5321 §4.5.2) of canonical content; gives back `octets` if there is none. */
export function stuffDots(octets: Buffer): Buffer {
  const dots = findLeadingDots(octets);
  if (dots.length === 0) {
    return octets;
  }
  if (dots.length <= dotsCopiedMax) {
    return doubleDots(octets, dots);
  }
  const stuffed = rewrite(octets, isBeforeDot, (text) => text.replaceAll('\n.', '\n..'));
  return octets[0] === dot ? Buffer.concat([Buffer.from('.'), stuffed]) : stuffed;
}

/** Where lines begin with a dot; some of the places, where there are more than can be copied. */
function findLeadingDots(octets: Buffer): number[] {
  const dots = octets[0] === dot ? [0] : [];
  for (
    let at = octets.indexOf('\n.');
    at >= 0 && dots.length <= dotsCopiedMax;
    at = octets.indexOf('\n.', at + 2)
  ) {
    dots.push(at + 1);
  }
  return dots;
}

function doubleDots(octets: Buffer, dots: readonly number[]): Buffer {
  const stuffed = Buffer.allocUnsafe(octets.length + dots.length);
  let from = 0;
  let to = 0;
  for (const at of dots) {
    to += octets.copy(stuffed, to, from, at);
    stuffed[to] = dot;
    to += 1;
    from = at;
  }
  octets.copy(stuffed, to, from);
  return stuffed;
}

/**
 * Runs `change` over one window after another; the source itself comes back if nothing changed. No window ends where
 * `mayNotCut` says so, so that a pair of octets is never looked at one by one.
 */
function rewrite(
  source: Buffer,
  mayNotCut: (source: Buffer, at: number) => boolean,
  change: (text: string) => string,
): Buffer {
  const parts: Buffer[] = [];
  let isChanged = false;
  for (let start = 0, end = 0; start < source.length; start = end) {
    end = Math.min(start + windowOctets, source.length);
    if (end < source.length && mayNotCut(source, end)) {
      end += 1;
    }
    const text = source.toString('latin1', start, end);
    const changed = change(text);
    isChanged ||= changed !== text;
    parts.push(changed === text ? source.subarray(start, end) : Buffer.from(changed, 'latin1'));
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

/** An octet above 127 takes two octets of UTF-8; comparing lengths is a vector operation, a search is not. */
function hasEightBit(text: string): boolean {
  return Buffer.byteLength(text) !== text.length;
}

/** Content without an empty line is all header (RFC 5322 §2.1 lets the body be absent). */
function hasEightBitHeader(octets: Buffer): boolean {
  if (octets[0] === carriageReturn) {
    return false;
  }
  const end = octets.indexOf('\r\n\r\n');
  return hasEightBit(octets.toString('latin1', 0, end < 0 ? octets.length : end));
}
