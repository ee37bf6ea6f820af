/**
 * Domain names on the wire and as text, without ever taking one name for another.
 *
 * A label may hold any octet, a dot included (RFC 2181 §11), so text is the place where names get confused: the two labels
 * `a.b` and `c` are not the three labels `a`, `b`, `c`. Names are therefore kept as octets, and text escapes whatever
 * is not plain in it.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc1035.html#section-3.1 RFC 1035 §3.1, §4.1.4, §5.1}
 */
import { malformed, type Reader } from './reader.ts';

/**
 * A name in uncompressed wire form: length octet and label for each label, then the zero octet of the root. Case as sent.
 *
 * Length octets are at most 63 and letters begin at 65, so octet-wise folding and comparing of the whole is safe.
 */
export type DnsName = Uint8Array;

/** RFC 1035 §2.3.4. */
const nameOctetsMax = 255;
const labelOctetsMax = 63;

/** More than any sender needs: a name has 127 labels at most, and compressing it takes one pointer. */
const pointersMax = 64;

/** RFC 1035 §4.1.1: names begin behind the header. */
const headerOctets = 12;

/** A stretch of a message in which labels follow each other. */
interface Run {
  readonly start: number;
  /** Where it has to have ended. */
  readonly end: number;
}

/**
 * Reads a name at the reader's place, compressed or not, and leaves the reader behind it.
 *
 * A pointer is followed only to before the run of labels that it ends ("a prior occurrence of the same name", RFC 1035
 * §4.1.4), what it points to has to end before that run too, and there are at most 64 of them: every input ends.
 *
 * @throws {TransportSecurityError} `dns-malformed`
 */
export function readName(reader: Reader): DnsName {
  const { message } = reader;
  const runs: Uint8Array[] = [];
  let length = 0;
  let run: Run = { start: reader.offset, end: reader.end };
  let behind: number | undefined;
  while (runs.length <= pointersMax) {
    const stop = skipLabels(message, run);
    const root = message[stop] === 0;
    const end = root ? stop + 1 : stop;
    runs.push(message.subarray(run.start, end));
    length += end - run.start;
    if (length > nameOctetsMax) {
      throw malformed(`the name at octet ${reader.offset} is over ${nameOctetsMax} octets`);
    }
    behind ??= root ? end : stop + 2;
    if (root) {
      reader.offset = behind;
      return concatenate(runs, length);
    }
    run = { start: readPointer(message, stop, run), end: run.start };
  }
  throw malformed(`the name at octet ${reader.offset} has over ${pointersMax} pointers`);
}

/** The offset of the root's zero octet, or of the pointer, at which a run's labels end. */
function skipLabels(message: Uint8Array, run: Run): number {
  const limit = Math.min(run.end, run.start + nameOctetsMax);
  for (let at = run.start; at < limit; ) {
    const octet = message[at] ?? 0;
    if (octet === 0 || octet >= 0xc0) {
      return at;
    }
    if (octet > labelOctetsMax) {
      // Label type 01 was given up (RFC 6891 §5), 10 never given out.
      throw malformed(`unknown label type at octet ${at}`);
    }
    at += 1 + octet;
  }
  throw malformed(`the name at octet ${run.start} has no end`);
}

function concatenate(runs: readonly Uint8Array[], length: number): Uint8Array {
  const octets = new Uint8Array(length);
  let at = 0;
  for (const run of runs) {
    octets.set(run, at);
    at += run.length;
  }
  return octets;
}

function readPointer(message: Uint8Array, at: number, run: Run): number {
  if (at + 2 > run.end) {
    throw malformed(`half a pointer at octet ${at}`);
  }
  const target = ((message[at] ?? 0) & 0x3f) * 0x100 + (message[at + 1] ?? 0);
  if (target < headerOctets || target >= run.start) {
    throw malformed(`the pointer at octet ${at} does not lead back to a name`);
  }
  return target;
}

/**
 * Formats a name without its trailing dot; the root is ''. Case is kept.
 *
 * Octets that are not plain printable ASCII, and those that mean something in a zone file, are written `\DDD` (RFC 1035
 * §5.1). So is a dot within a label, instead of the shorter `\.`: text split at its dots then always gives the labels.
 *
 * @example
 * formatName(parseName('a\\.b.example')); // 'a\\046b.example'
 */
export function formatName(name: DnsName): string {
  let text = '';
  for (let at = 0; name[at]; at += 1 + (name[at] ?? 0)) {
    const end = at + 1 + (name[at] ?? 0);
    text += at === 0 ? '' : '.';
    for (let inside = at + 1; inside < end; inside += 1) {
      text += octetTexts[name[inside] ?? 0];
    }
  }
  return text;
}

/** Each octet as text. */
const octetTexts: readonly string[] = Array.from({ length: 256 }, (_, octet) => {
  const char = String.fromCharCode(octet);
  return /[!#%&'*+,\-/0-9:<=>?A-Z[\]^_`a-z{|}~]/.test(char)
    ? char
    : `\\${octet.toString().padStart(3, '0')}`;
});

/**
 * Parses a name in the text form of zone files (RFC 1035 §5.1), `\DDD` and `\X` understood, with or without the trailing
 * dot; '' and '.' are the root. Takes any printable ASCII; what a host may be called is for `parseDomainName` to say.
 *
 * @throws {TransportSecurityError} `dns-malformed`
 */
export function parseName(text: string): DnsName {
  return plainNames.test(text) ? parsePlainName(text) : parseEscapedName(text);
}

/** What nearly all names are, so short that no rule on lengths can be broken. */
const plainNames = /^(?=.{1,254}$)[\w-]{1,63}(?:\.[\w-]{1,63})*\.?$/;

/** Each dot makes way for the length of the label behind it. */
function parsePlainName(text: string): DnsName {
  const length = text.endsWith('.') ? text.length - 1 : text.length;
  const octets = new Uint8Array(length + 2);
  let lengthAt = 0;
  for (let at = 0; at < length; at += 1) {
    const octet = text.charCodeAt(at);
    if (octet === 0x2e) {
      lengthAt = at + 1;
    } else {
      octets[at + 1] = octet;
      octets[lengthAt] = at + 1 - lengthAt;
    }
  }
  if (octets.length > nameOctetsMax) {
    throw malformed(`a name over ${nameOctetsMax} octets: ${shown(text)}`);
  }
  return octets;
}

function parseEscapedName(text: string): DnsName {
  const octets: number[] = [];
  let label: number[] = [];
  const units: string[] = text.match(/\\\d{3}|\\\D|[^\\]|\\/gs) ?? [];
  if (units.length > 0 && units.at(-1) !== '.') {
    units.push('.');
  }
  for (const unit of text === '.' ? [] : units) {
    if (unit === '.') {
      octets.push(...closeLabel(label, text));
      label = [];
    } else {
      label.push(parseUnit(unit, text));
    }
  }
  octets.push(0);
  if (octets.length > nameOctetsMax) {
    throw malformed(`a name over ${nameOctetsMax} octets: ${shown(text)}`);
  }
  return Uint8Array.from(octets);
}

function closeLabel(label: readonly number[], text: string): readonly number[] {
  if (label.length === 0 || label.length > labelOctetsMax) {
    throw malformed(`a label without 1 to ${labelOctetsMax} octets: ${shown(text)}`);
  }
  return [label.length, ...label];
}

function parseUnit(unit: string, text: string): number {
  const octet = /^\\\d/.test(unit) ? Number(unit.slice(1)) : (unit.at(-1)?.charCodeAt(0) ?? 0);
  const plain = unit.length > 3 || (octet > 0x20 && octet < 0x7f);
  if (unit === '\\' || octet > 255 || !plain) {
    throw malformed(`an octet that text does not hold as such: ${shown(text)}`);
  }
  return octet;
}

function shown(text: string): string {
  return JSON.stringify(text.slice(0, 80));
}

/** The name with A to Z made lower-case, and nothing else (RFC 4343 §3); the form in which names are compared. */
export function foldName(name: DnsName): DnsName {
  const folded = name.slice();
  for (let at = 0; at < folded.length; at += 1) {
    folded[at] = foldOctet(folded[at] ?? 0);
  }
  return folded;
}

function foldOctet(octet: number): number {
  return octet >= 0x41 && octet <= 0x5a ? octet + 0x20 : octet;
}

/** Reports whether two names are the same but for the case of ASCII letters (RFC 4343). */
export function sameName(a: DnsName, b: DnsName): boolean {
  if (a.length !== b.length) {
    return false;
  }
  for (let at = 0; at < a.length; at += 1) {
    if (foldOctet(a[at] ?? 0) !== foldOctet(b[at] ?? 0)) {
      return false;
    }
  }
  return true;
}

/** Reports whether `name` is `ancestor` or below it, at a label boundary: `ample.com` is no ancestor of `example.com`. */
export function isSubdomain(name: DnsName, ancestor: DnsName): boolean {
  let at = 0;
  while (name.length - at > ancestor.length) {
    at += 1 + (name[at] ?? 0);
  }
  return sameName(name.subarray(at), ancestor);
}
