/**
 * SMTP replies off the wire: an incremental, bounded reader, and what a finished reply says.
 *
 * Where it is laxer than the grammar: LF alone ends a line too (nothing is smuggled through replies, and old servers
 * send it), any second and third digit is taken (§4.2 wants unknown codes read by their first digit), a code may
 * stand alone, and a line may have 2,048 octets instead of 512, since real refusals carry long URLs.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc5321.html#section-4.2 RFC 5321 §4.2}
 * @see {@link https://www.rfc-editor.org/rfc/rfc2034.html#section-4 RFC 2034 §4}
 */
import { TransportSecurityError } from '../errors.ts';
import type { Reply } from './transaction.ts';

const lineOctetsMax = 2_048;
const replyOctetsMax = 65_536;
const replyLinesMax = 100;

/** A whole reply as received: the text behind each line's code and separator, one char an octet. */
export interface RawReply {
  readonly code: number;
  readonly texts: readonly string[];
}

/** Cuts a stream of octets into replies. */
export interface ReplyReader {
  /** Takes octets in; looks at nothing yet. */
  push(octets: Buffer): void;
  /**
   * The next whole reply; undefined until more octets come.
   *
   * @throws {TransportSecurityError} `reply-malformed`; the reader is of no use then.
   */
  next(): RawReply | undefined;
  /** Whether octets are left beyond the last reply that {@link next} gave. */
  readonly hasRest: boolean;
}

/** Makes a reader for one direction of one connection. */
export function createReplyReader(): ReplyReader {
  let text = '';
  let offset = 0;
  let code = 0;
  let texts: string[] = [];
  let replyOctets = 0;

  const takeLine = (): string | undefined => {
    const lineFeed = text.indexOf('\n', offset);
    const lineEnd = lineFeed < 0 ? text.length : lineFeed;
    if (lineEnd - offset > lineOctetsMax) {
      throw malformed(`a line of more than ${lineOctetsMax} octets`);
    }
    if (lineFeed < 0) {
      return undefined;
    }
    const start = offset;
    offset = lineFeed + 1;
    replyOctets += offset - start;
    const end =
      text.charCodeAt(lineFeed - 1) === 0x0d && lineFeed > start ? lineFeed - 1 : lineFeed;
    return text.slice(start, end);
  };

  return {
    push: (octets) => {
      const arrived = octets.toString('latin1');
      text = offset === text.length ? arrived : text.slice(offset) + arrived;
      offset = 0;
    },
    next: () => {
      for (let line = takeLine(); line !== undefined; line = takeLine()) {
        const lineCode = readCode(line);
        if (texts.length > 0 && lineCode !== code) {
          // RFC 5321 §4.2.1: the code on each line of a multiline reply MUST be the same.
          throw malformed(`${code} continued by ${lineCode}`);
        }
        code = lineCode;
        texts.push(line.slice(4));
        if (texts.length > replyLinesMax || replyOctets > replyOctetsMax) {
          throw malformed(`more than ${replyLinesMax} lines or ${replyOctetsMax} octets`);
        }
        if (line.charCodeAt(3) !== 0x2d) {
          const reply = { code, texts };
          texts = [];
          replyOctets = 0;
          return reply;
        }
      }
      return undefined;
    },
    get hasRest() {
      return offset < text.length || texts.length > 0;
    },
  };
}

/** Three digits, the first 2 to 5 (RFC 5321 §4.2 has any other be fatal), then nothing, a space or a hyphen. */
function readCode(line: string): number {
  const hundreds = line.charCodeAt(0) - 0x30;
  const tens = line.charCodeAt(1) - 0x30;
  const ones = line.charCodeAt(2) - 0x30;
  // Where the line is shorter these are not numbers, and no comparison holds.
  const isCode = hundreds >= 2 && hundreds <= 5 && tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9;
  const separator = line.charCodeAt(3);
  if (!isCode || (line.length > 3 && separator !== 0x20 && separator !== 0x2d)) {
    throw malformed(`not a reply line: ${escapeText(line.slice(0, 80))}`);
  }
  return hundreds * 100 + tens * 10 + ones;
}

function malformed(what: string): TransportSecurityError {
  return new TransportSecurityError('reply-malformed', `malformed SMTP reply: ${what}`);
}

/**
 * RFC 3463 §2: class, subject and detail, the latter two of one to three digits without leading zeros. RFC 2034 §4
 * puts it before the text, with a space where text follows.
 */
const enhancedForm = /^([245])\.(?:0|[1-9][0-9]{0,2})\.(?:0|[1-9][0-9]{0,2})(?= |$)/;

/**
 * Takes the enhanced status code out of a reply and makes its text safe to show.
 *
 * `Unclear:` RFC 2034 promises codes only where ENHANCEDSTATUSCODES is offered. They are read without it, since many
 * hosts do not say so; the exact form and the class keep chance numbers out. The first line's code counts; each
 * line's own is taken off.
 */
export function interpretReply(raw: RawReply): Reply {
  let enhanced: string | undefined;
  const lines = raw.texts.map((text, index) => {
    const match = enhancedForm.exec(text);
    // RFC 2034 §4: the class goes with the first digit of the reply code; one that does not is text.
    if (match === null || Number(match[1]) !== Math.floor(raw.code / 100)) {
      return escapeText(text);
    }
    if (index === 0) {
      enhanced = match[0];
    }
    return escapeText(text.slice(match[0].length + 1));
  });
  return enhanced === undefined ? { code: raw.code, lines } : { code: raw.code, enhanced, lines };
}

/** The reply that an error is about; undefined where it is about something else. */
export function findReply({ cause }: TransportSecurityError): Reply | undefined {
  return isReply(cause) ? cause : undefined;
}

function isReply(cause: unknown): cause is Reply {
  return typeof cause === 'object' && cause !== null && 'code' in cause && 'lines' in cause;
}

/** One line for people, 500 characters at most: code, enhanced code, lines. */
export function describeReply(reply: Reply): string {
  const { code, enhanced, lines } = reply;
  const text = [code, ...(enhanced === undefined ? [] : [enhanced]), lines.join(' / ')].join(' ');
  return text.length > 500 ? `${text.slice(0, 499)}…` : text.trimEnd();
}

/** Each octet that is not printable ASCII as `\xHH`: it may be of any charset, or meant for a terminal. */
export function escapeText(text: string): string {
  // Replacing by a function is slow even where there is nothing to replace, which is nearly always.
  if (!/[^\x20-\x7e]/.test(text)) {
    return text;
  }
  return text.replace(
    /[^\x20-\x7e]/g,
    (octet) => `\\x${octet.charCodeAt(0).toString(16).padStart(2, '0')}`,
  );
}
