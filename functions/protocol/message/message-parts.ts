/**
 * A message taken apart and put together again: fields are added and taken out, and every octet of the others and of
 * the body stays as it was, as a signature over them demands.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc5322.html#section-2.2 RFC 5322 §2.2}
 */
import { TransportSecurityError } from '../errors.ts';

/** A header field with every octet that it has. */
export interface RawField {
  /** As written. */
  readonly name: string;
  /** The whole field, name and CRLF included, folded as written; one char per octet (latin1). */
  readonly raw: string;
}

/** A message in two parts, which its empty line parts. */
export interface MessageParts {
  readonly fields: readonly RawField[];
  /** What stands behind the empty line; each line ends in CRLF. */
  readonly body: Uint8Array;
}

/**
 * The largest header section, in octets, and the most fields in one. Far more than any mail program writes; what is
 * done to each field stays bounded by it.
 */
const headerBytesMax = 262_144;
const fieldsMax = 1_000;

/** RFC 5322 §2.2 and the white space that §4.5 allows before the colon. */
const fieldStart = /^([\x21-\x39\x3b-\x7e]+)[ \t]*:/;

/**
 * Takes a message apart. Its line ends are CRLF (`canonicalizeContent`); without an empty line all of it is header.
 *
 * @throws {TransportSecurityError} `content-invalid`, naming the line, for a header that two programs might read
 * differently: a line that is neither a field nor the continuation of one, a NUL, or a header beyond the limits.
 */
export function parseMessage(octets: Buffer): MessageParts {
  const { text, bodyStart } = cutHeader(octets);
  const fields: { name: string; raw: string }[] = [];
  for (const [index, line] of splitLines(text).entries()) {
    if (line.includes('\0')) {
      throw invalid(`line ${index + 1} of the header has a NUL (RFC 5322 §2.2). Remove it`);
    }
    const last = fields.at(-1);
    if (last !== undefined && (line.startsWith(' ') || line.startsWith('\t'))) {
      last.raw += line;
      continue;
    }
    const name = fieldStart.exec(line)?.[1];
    if (name === undefined) {
      throw invalid(
        `line ${index + 1} of the header is not a header field (RFC 5322 §2.2). Put an empty line before the body`,
      );
    }
    fields.push({ name, raw: line });
  }
  if (fields.length > fieldsMax) {
    throw invalid(`the header has ${fields.length} fields, ${fieldsMax} are taken`);
  }
  return { fields, body: octets.subarray(bodyStart) };
}

/** Puts a message together. */
export function formatMessage({ fields, body }: MessageParts): Buffer {
  const header = `${fields.map(({ raw }) => raw).join('')}\r\n`;
  return Buffer.concat([Buffer.from(header, 'latin1'), body]);
}

/**
 * A field of our own, from lines without white space at their ends; they are folded where they are parted.
 *
 * @throws {TypeError} a line that would end the field (a bug of the caller's).
 */
export function formatField(name: string, ...lines: readonly string[]): RawField {
  if (lines.some((line) => /[\r\n\0]/.test(line))) {
    throw new TypeError(`field ${name}: a line end within a line`);
  }
  return { name, raw: `${name}: ${lines.join('\r\n ')}\r\n` };
}

/** The value of a field: unfolded (RFC 5322 §2.2.3), without the white space around it; latin1. */
export function unfoldValue({ raw }: RawField): string {
  const value = raw.slice(raw.indexOf(':') + 1).replaceAll('\r\n', '');
  // By hand: `trim` takes octet A0 for a space, which may be the end of a UTF-8 character.
  let start = 0;
  let end = value.length;
  while (isBlank(value[start])) {
    start += 1;
  }
  while (end > start && isBlank(value[end - 1])) {
    end -= 1;
  }
  return value.slice(start, end);
}

function isBlank(char: string | undefined): boolean {
  return char === ' ' || char === '\t';
}

/** The fields of one name, which RFC 5322 §1.2.2 compares without case. */
export function fieldsNamed(fields: readonly RawField[], name: string): RawField[] {
  const wanted = name.toLowerCase();
  return fields.filter((field) => field.name.toLowerCase() === wanted);
}

/** The fields but those of certain names. */
export function withoutFields(
  fields: readonly RawField[],
  names: readonly string[],
): readonly RawField[] {
  const unwanted = new Set(names.map((name) => name.toLowerCase()));
  return fields.filter(({ name }) => !unwanted.has(name.toLowerCase()));
}

function cutHeader(octets: Buffer): { readonly text: string; readonly bodyStart: number } {
  if (octets.length >= 2 && octets[0] === 0x0d && octets[1] === 0x0a) {
    return { text: '', bodyStart: 2 };
  }
  // Looked for no further than the limit: 40 MB without an empty line are no header.
  const end = octets.subarray(0, headerBytesMax + 4).indexOf('\r\n\r\n');
  const length = end < 0 ? octets.length : end + 2;
  if (length > headerBytesMax) {
    throw invalid(`the header is longer than ${headerBytesMax} octets`);
  }
  return {
    text: octets.toString('latin1', 0, length),
    bodyStart: end < 0 ? octets.length : length + 2,
  };
}

/** Lines with their CRLF. */
function splitLines(text: string): string[] {
  return text
    .split('\r\n')
    .slice(0, -1)
    .map((line) => `${line}\r\n`);
}

function invalid(fault: string): TransportSecurityError {
  return new TransportSecurityError('content-invalid', `content: ${fault}`);
}
