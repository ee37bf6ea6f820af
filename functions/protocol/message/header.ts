/**
 * The header section of a message, read only as far as a decision needs it.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc5322.html#section-2.2 RFC 5322 §2.2}
 */

/** A header field. */
export interface HeaderField {
  /** As written. */
  readonly name: string;
  /** Unfolded (RFC 5322 §2.2.3), without the white space around it; one char per octet (latin1). */
  readonly value: string;
}

/** Octets of header section that are looked at; what stands behind is treated as body. */
const headerBytesMax = 1_048_576;

const lineFeed = 0x0a;
const carriageReturn = 0x0d;

/**
 * Reads the fields of a message's header section, up to the first empty line.
 *
 * Lines may end in CRLF or LF alone, as mail on Unix disks does. A line that is neither a field nor a continuation
 * ends the header section, as a mail reader would see it. Never throws.
 */
export function readHeaderFields(content: Uint8Array): HeaderField[] {
  const fields: { name: string; value: string }[] = [];
  const text = Buffer.from(content.buffer, content.byteOffset, headerLength(content)).toString(
    'latin1',
  );
  for (const line of text.split('\n')) {
    const bare = line.endsWith('\r') ? line.slice(0, -1) : line;
    const last = fields.at(-1);
    if (last !== undefined && (bare.startsWith(' ') || bare.startsWith('\t'))) {
      last.value += bare;
      continue;
    }
    const field = /^([\x21-\x39\x3b-\x7e]+)[ \t]*:(.*)$/s.exec(bare);
    if (field === null) {
      break;
    }
    fields.push({ name: field[1] ?? '', value: field[2] ?? '' });
  }
  return fields.map(({ name, value }) => ({ name, value: value.trim() }));
}

/** The values of all fields of one name, which RFC 5322 §1.2.2 compares without case. */
export function fieldValues(fields: readonly HeaderField[], name: string): string[] {
  const wanted = name.toLowerCase();
  return fields.filter((field) => field.name.toLowerCase() === wanted).map(({ value }) => value);
}

/** Octets before the empty line that ends the header section. */
function headerLength(content: Uint8Array): number {
  const limit = Math.min(content.length, headerBytesMax);
  for (let lineStart = 0; lineStart < limit; ) {
    const first = content[lineStart];
    if (first === lineFeed || (first === carriageReturn && content[lineStart + 1] === lineFeed)) {
      return lineStart;
    }
    const end = content.indexOf(lineFeed, lineStart);
    if (end === -1) {
      break;
    }
    lineStart = end + 1;
  }
  return limit;
}
