/**
 * The simulated internet's records as octets, for signing and for answers that have to be right to the last of them
 * (RFC 1035 §3, RFC 4034). Written apart from the product's own codec, so that each can prove the other wrong.
 */
import { createHash } from 'node:crypto';
import type { ZoneRecord } from './zone.ts';

/** A record that a signed zone may hold: those of every zone, and what only makes sense with signatures. */
export type SignableRecord =
  | ZoneRecord
  | ({ readonly name: string; readonly ttlSeconds?: number } & (
      | { readonly type: 'DNAME'; readonly data: string }
      /** Anything else, by number (RFC 3597). */
      | { readonly type: number; readonly rdata: Uint8Array }
    ));

export const typeNumbers = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  MX: 15,
  TXT: 16,
  AAAA: 28,
  DNAME: 39,
  DS: 43,
  RRSIG: 46,
  NSEC: 47,
  DNSKEY: 48,
  NSEC3: 50,
  NSEC3PARAM: 51,
  TLSA: 52,
} as const;

export const u8 = (value: number): Uint8Array => Uint8Array.of(value & 0xff);
export const u16 = (value: number): Uint8Array => Uint8Array.of((value >> 8) & 0xff, value & 0xff);
export const u32 = (value: number): Uint8Array =>
  Uint8Array.of((value >>> 24) & 0xff, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff);

export function concat(...pieces: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(Buffer.concat(pieces));
}

/** A name's labels from the left, `\DDD` understood; '' is the root. */
export function labelsOf(name: string): readonly Uint8Array[] {
  if (name === '' || name === '.') {
    return [];
  }
  return name
    .split('.')
    .map((label) =>
      Uint8Array.from(label.match(/\\\d{3}|./gs) ?? [], (unit) =>
        unit.length === 4 ? Number(unit.slice(1)) : unit.charCodeAt(0),
      ),
    );
}

/** A name in wire form, case as given. */
export function encodeName(name: string): Uint8Array {
  return concat(...labelsOf(name).flatMap((label) => [u8(label.length), label]), u8(0));
}

/** RFC 4034 §6.1, for names in lower case. */
export function compareNames(a: string, b: string): number {
  const left = labelsOf(a).toReversed();
  const right = labelsOf(b).toReversed();
  for (const [index, label] of left.entries()) {
    const other = right[index];
    if (other === undefined) {
      return 1;
    }
    const order = Buffer.compare(label, other);
    if (order !== 0) {
      return order;
    }
  }
  return left.length - right.length;
}

export function typeOf(record: SignableRecord): number {
  return typeof record.type === 'number' ? record.type : typeNumbers[record.type];
}

/** A record's RDATA, nothing in it compressed. */
export function encodeRdata(record: SignableRecord): Uint8Array {
  switch (record.type) {
    case 'A':
      return Uint8Array.from(record.data.split('.').map(Number));
    case 'AAAA':
      return encodeIpv6(record.data);
    case 'NS':
    case 'CNAME':
    case 'DNAME':
      return encodeName(record.data);
    case 'MX':
      return concat(u16(record.preference), encodeName(record.exchange));
    case 'TXT':
      return encodeText(record.data);
    case 'TLSA':
      return concat(Uint8Array.of(record.usage, record.selector, record.matchingType), record.data);
    default:
      return record.rdata;
  }
}

function encodeIpv6(text: string): Uint8Array {
  const [head = '', tail] = text.split('::');
  const groups = (part: string): readonly string[] => (part === '' ? [] : part.split(':'));
  const front = groups(head);
  const back = groups(tail ?? '');
  const zeros = Array.from({ length: 8 - front.length - back.length }, () => '0');
  return concat(...[...front, ...zeros, ...back].map((group) => u16(Number.parseInt(group, 16))));
}

function encodeText(data: string | readonly string[]): Uint8Array {
  const strings = typeof data === 'string' ? (data.match(/.{1,255}/gs) ?? ['']) : data;
  return concat(...strings.flatMap((text) => [u8(text.length), Buffer.from(text, 'latin1')]));
}

/** RFC 4034 §4.1.2. */
export function encodeBitmap(types: readonly number[]): Uint8Array {
  const windows = new Map<number, Uint8Array>();
  for (const type of types) {
    const bits = windows.get(type >> 8) ?? new Uint8Array(32);
    bits[(type & 0xff) >> 3] = (bits[(type & 0xff) >> 3] ?? 0) | (0x80 >> (type & 7));
    windows.set(type >> 8, bits);
  }
  const sorted = [...windows].sort(([a], [b]) => a - b);
  return concat(
    ...sorted.map(([window, bits]) => {
      const used = bits.findLastIndex((octet) => octet !== 0) + 1;
      return concat(Uint8Array.of(window, used), bits.subarray(0, used));
    }),
  );
}

/** RFC 4648 §7, in lower case, for whole groups of five octets. */
export function encodeBase32Hex(octets: Uint8Array): string {
  let bits = '';
  for (const octet of octets) {
    bits += octet.toString(2).padStart(8, '0');
  }
  return (bits.match(/.{5}/g) ?? []).map((five) => Number.parseInt(five, 2).toString(32)).join('');
}

/** RFC 5155 §5. */
export function hashName(name: string, salt: Uint8Array, iterations: number): Uint8Array {
  let digest: Uint8Array = encodeName(name);
  for (let round = 0; round <= iterations; round += 1) {
    digest = createHash('sha1').update(digest).update(salt).digest();
  }
  return digest;
}
