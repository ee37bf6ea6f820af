/**
 * DER, as much of it as certificates need, read strictly: definite lengths in their shortest form, every element within
 * the one around it, nothing behind the last one. Nothing recurses; the depth is that of the structure asked for.
 *
 * @see {@link https://www.itu.int/rec/T-REC-X.690 ITU-T X.690} §8, §10, §11
 */
import { TransportSecurityError } from '../errors.ts';

/** Identifier octets (X.690 §8.1.2) of the types that certificates are made of. */
export const derTag = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  objectIdentifier: 0x06,
  utf8String: 0x0c,
  printableString: 0x13,
  ia5String: 0x16,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

/** The identifier octet of a context-specific tag; `constructed` where there are elements inside. */
export function contextTag(number: number, form: 'primitive' | 'constructed'): number {
  return (form === 'constructed' ? 0xa0 : 0x80) + number;
}

/** One element. Both arrays are views of what was read. */
export interface DerElement {
  readonly tag: number;
  readonly contents: Uint8Array;
  /** Identifier, length and contents. */
  readonly octets: Uint8Array;
}

/** A place in a run of elements. `offset` moves as they are read. */
export interface DerReader {
  readonly octets: Uint8Array;
  offset: number;
}

/** The error of everything here that is not as it should be: `certificate-malformed`. */
export function malformed(reason: string): TransportSecurityError {
  return new TransportSecurityError('certificate-malformed', reason);
}

/** Starts reading a run of elements. */
export function readerOf(octets: Uint8Array): DerReader {
  return { octets, offset: 0 };
}

/** Reads the next element, which has to have the tag. @throws {TransportSecurityError} `certificate-malformed` */
export function readElement(reader: DerReader, tag: number, what: string): DerElement {
  const element = readAny(reader, what);
  if (element.tag !== tag) {
    throw malformed(`${what}: tag ${hex(tag)} expected, ${hex(element.tag)} found`);
  }
  return element;
}

/** Reads the next element if it has the tag. @throws {TransportSecurityError} `certificate-malformed` */
export function readOptional(reader: DerReader, tag: number, what: string): DerElement | undefined {
  return reader.octets[reader.offset] === tag ? readAny(reader, what) : undefined;
}

/** Reads the next element, whatever its tag. @throws {TransportSecurityError} `certificate-malformed` */
export function readAny(reader: DerReader, what: string): DerElement {
  const { octets, offset } = reader;
  const tag = octets[offset];
  // A low five bits of 31 announce a tag number of several octets (X.690 §8.1.2.4), which no certificate has.
  if (tag === undefined || (tag & 0x1f) === 0x1f) {
    throw malformed(`${what}: no element at octet ${offset}`);
  }
  const { start, length } = readLength(reader, what);
  if (length > octets.length - start) {
    throw malformed(`${what}: ${length} octets announced, ${octets.length - start} there`);
  }
  reader.offset = start + length;
  return {
    tag,
    contents: octets.subarray(start, reader.offset),
    octets: octets.subarray(offset, reader.offset),
  };
}

/** X.690 §10.1: the definite form, in as few octets as the length takes. Three are more than any certificate needs. */
function readLength(reader: DerReader, what: string): { start: number; length: number } {
  const { octets, offset } = reader;
  const first = octets[offset + 1];
  if (first === undefined || first === 0x80 || first > 0x83) {
    throw malformed(`${what}: no definite length at octet ${offset + 1}`);
  }
  if (first < 0x80) {
    return { start: offset + 2, length: first };
  }
  const start = offset + 2 + (first & 0x7f);
  const digits = octets.subarray(offset + 2, start);
  const length = digits.reduce((value, digit) => value * 0x100 + digit, 0);
  if (start > octets.length || digits[0] === 0 || length < 0x80) {
    throw malformed(`${what}: a length not in its shortest form at octet ${offset + 1}`);
  }
  return { start, length };
}

/** Whether there is nothing left to read. */
export function atEnd(reader: DerReader): boolean {
  return reader.offset === reader.octets.length;
}

/** Asserts that everything was read. @throws {TransportSecurityError} `certificate-malformed` */
export function expectEnd(reader: DerReader, what: string): void {
  if (!atEnd(reader)) {
    throw malformed(`${what}: ${reader.octets.length - reader.offset} octets too many`);
  }
}

/** Reads octets that are exactly one element of the tag. @throws {TransportSecurityError} `certificate-malformed` */
export function readOnly(octets: Uint8Array, tag: number, what: string): DerElement {
  const reader = readerOf(octets);
  const element = readElement(reader, tag, what);
  expectEnd(reader, what);
  return element;
}

/** Reads all elements of a run, each of which has to have the tag. @throws {TransportSecurityError} `certificate-malformed` */
export function readAll(octets: Uint8Array, tag: number, what: string): readonly DerElement[] {
  const reader = readerOf(octets);
  const elements: DerElement[] = [];
  while (!atEnd(reader)) {
    elements.push(readElement(reader, tag, what));
  }
  return elements;
}

/** Decodes a BOOLEAN (X.690 §11.1: no true but FF). @throws {TransportSecurityError} `certificate-malformed` */
export function decodeBoolean({ contents }: DerElement): boolean {
  const [octet] = contents;
  if (contents.length !== 1 || (octet !== 0 && octet !== 0xff)) {
    throw malformed('a boolean that is neither true nor false');
  }
  return octet === 0xff;
}

/** Decodes an INTEGER from 0 to 2^31-1. @throws {TransportSecurityError} `certificate-malformed` */
export function decodeSmallInteger({ contents }: DerElement): number {
  const [first = 0x80, second = 0] = contents;
  const padded = contents.length > 1 && first === 0 && second < 0x80;
  if (contents.length > 4 || first >= 0x80 || padded) {
    throw malformed('an integer that is negative, padded or too large');
  }
  return contents.reduce((value, octet) => value * 0x100 + octet, 0);
}

/**
 * Decodes a BIT STRING into its bits as octets; those that the last octet has too many have to be zero (X.690 §11.2.1).
 *
 * @throws {TransportSecurityError} `certificate-malformed`
 */
export function decodeBitString({ contents }: DerElement): {
  readonly octets: Uint8Array;
  readonly unusedBits: number;
} {
  const [unusedBits = 8] = contents;
  const octets = contents.subarray(1);
  const spare = (1 << unusedBits) - 1;
  if (unusedBits > 7 || (octets.length === 0 && unusedBits > 0)) {
    throw malformed('a bit string without a number of unused bits');
  }
  if (((octets.at(-1) ?? 0) & spare) !== 0) {
    throw malformed('a bit string with bits after its last one');
  }
  return { octets, unusedBits };
}

/**
 * Decodes an OBJECT IDENTIFIER (X.690 §8.19) into dotted decimals. Arcs over 2^31-1, as in UUIDs, do not occur in what is
 * looked for, so an identifier with one is returned in hexadecimal.
 *
 * @throws {TransportSecurityError} `certificate-malformed`
 */
export function decodeObjectIdentifier({ contents }: DerElement): string {
  const last = contents.at(-1);
  if (last === undefined || last >= 0x80) {
    throw malformed('an object identifier without an end');
  }
  const arcs: number[] = [];
  let arc = 0;
  let begun = false;
  for (const octet of contents) {
    if (!begun && octet === 0x80) {
      throw malformed('an object identifier with a padded arc');
    }
    arc = arc * 0x80 + (octet & 0x7f);
    begun = octet >= 0x80;
    if (arc > 0x7fff_ffff) {
      return `0x${Buffer.from(contents).toString('hex')}`;
    }
    if (!begun) {
      arcs.push(arc);
      arc = 0;
    }
  }
  // The first number holds two arcs, the first of which is at most 2.
  const [head = 0, ...rest] = arcs;
  const root = Math.min(2, Math.floor(head / 40));
  return [root, head - root * 40, ...rest].join('.');
}

function hex(tag: number): string {
  return `0x${tag.toString(16).padStart(2, '0')}`;
}
