import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  bitmapHas,
  type DnssecData,
  listTypes,
} from '../../../functions/protocol/dns/dnssec-data.ts';
import { type DecodedData, decodeRdata } from '../../../functions/protocol/dns/record-data.ts';
import { formatType, parseType } from '../../../functions/protocol/dns/record-type.ts';
import { TransportSecurityError } from '../../../functions/protocol/errors.ts';
import { name, type Octets, u16, u32 } from './wire.ts';

const octets = (values: Octets): Uint8Array => Uint8Array.from(values);

/** RFC 4034 §4.3: A MX RRSIG NSEC TYPE1234. */
const exampleBitmap: Octets = [
  ...[0x00, 0x06, 0x40, 0x01, 0x00, 0x00, 0x00, 0x03],
  ...[0x04, 0x1b, ...Array.from({ length: 26 }, () => 0), 0x20],
];

const signature = [1, 2, 3, 4];
const good: readonly (readonly [string, keyof DecodedData, Octets, unknown])[] = [
  [
    'RFC 4034 §3.1',
    'RRSIG',
    [...u16(1), 5, 3, ...u32(86400), ...u32(9), ...u32(7), ...u16(2642), ...name('example.com'), 1],
    {
      typeCovered: 1,
      algorithm: 5,
      labels: 3,
      originalTtlSeconds: 86400,
      expiration: 9,
      inception: 7,
      keyTag: 2642,
      signer: octets(name('example.com')),
      signature: octets([1]),
    },
  ],
  [
    'RFC 4034 §2.1',
    'DNSKEY',
    [...u16(257), 3, 13, ...signature],
    { flags: 257, protocol: 3, algorithm: 13, publicKey: octets(signature) },
  ],
  [
    'a protocol that is none: kept, for it is part of what is signed',
    'DNSKEY',
    [...u16(256), 4, 13],
    { flags: 256, protocol: 4, algorithm: 13, publicKey: octets([]) },
  ],
  [
    'RFC 4034 §5.1',
    'DS',
    [...u16(60485), 5, 1, ...signature],
    { keyTag: 60485, algorithm: 5, digestType: 1, digest: octets(signature) },
  ],
  [
    'RFC 4034 §4.3',
    'NSEC',
    [...name('host.example.com'), ...exampleBitmap],
    { next: octets(name('host.example.com')), types: octets(exampleBitmap) },
  ],
  ['no types at all', 'NSEC', name('b.a'), { next: octets(name('b.a')), types: octets([]) }],
  [
    'RFC 5155 §3.2',
    'NSEC3',
    [1, 1, ...u16(12), 4, 0xaa, 0xbb, 0xcc, 0xdd, 2, 7, 8, 0, 1, 0x40],
    {
      hashAlgorithm: 1,
      flags: 1,
      iterations: 12,
      salt: octets([0xaa, 0xbb, 0xcc, 0xdd]),
      nextHash: octets([7, 8]),
      types: octets([0, 1, 0x40]),
    },
  ],
  [
    'RFC 5155 §4.2',
    'NSEC3PARAM',
    [1, 0, 0, 0, 0],
    { hashAlgorithm: 1, flags: 0, iterations: 0, salt: octets([]) },
  ],
  [
    'RFC 6698 §2.1',
    'TLSA',
    [3, 1, 1, ...signature],
    { usage: 3, selector: 1, matchingType: 1, data: octets(signature) },
  ],
  ['RFC 6672 §2.1', 'DNAME', name('Example.net'), octets(name('Example.net'))],
  ['a name server', 'NS', name('NS1.example'), 'ns1.example'],
];

describe('RDATA', () => {
  test.each(good)('%s: %s', (_, type, rdata, data) => {
    expect(decodeRdata(octets(rdata), type)).toEqual(data);
  });

  test.each<readonly [string, keyof DecodedData, Octets]>([
    ['cut inside the signer', 'RRSIG', [...Array.from({ length: 18 }, () => 0), 3, 97]],
    ['cut inside the fixed part', 'RRSIG', [0, 1, 5]],
    ['without an algorithm', 'DNSKEY', [1, 0, 3]],
    ['without a digest type', 'DS', [1, 2, 5]],
    ['a window without octets', 'NSEC', [...name('a'), 0, 0]],
    [
      'a window of 33 octets',
      'NSEC',
      [...name('a'), 0, 33, ...Array.from({ length: 33 }, () => 1)],
    ],
    ['a window cut short', 'NSEC', [...name('a'), 0, 2, 1]],
    ['windows that go back', 'NSEC', [...name('a'), 1, 1, 1, 0, 1, 1]],
    ['one window twice', 'NSEC', [...name('a'), 1, 1, 1, 1, 1, 1]],
    ['a salt longer than the data', 'NSEC3', [1, 0, 0, 0, 9, 1]],
    ['a hash longer than the data', 'NSEC3', [1, 0, 0, 0, 0, 9, 1]],
    ['an octet too many', 'NSEC3PARAM', [1, 0, 0, 0, 0, 0]],
    ['two octets', 'TLSA', [3, 1]],
    ['an octet too many', 'DNAME', [...name('a'), 0]],
    ['a pointer, with nothing to point into', 'NS', [0xc0, 0]],
  ])('%s: malformed %s', (_, type, rdata) => {
    expect(() => decodeRdata(octets(rdata), type)).toThrow(
      expect.objectContaining({ name: 'TransportSecurityError', code: 'dns-malformed' }),
    );
  });

  test('any octets: data or dns-malformed', () => {
    const types = fc.constantFrom<keyof DnssecData>('DS', 'RRSIG', 'NSEC', 'DNSKEY', 'NSEC3');
    fc.assert(
      fc.property(types, fc.uint8Array({ maxLength: 80 }), (type, rdata) => {
        try {
          decodeRdata(rdata, type);
        } catch (error) {
          expect(error).toBeInstanceOf(TransportSecurityError);
        }
      }),
    );
  });
});

describe('type bitmaps', () => {
  const { types } = decodeRdata(octets([...name('a'), ...exampleBitmap]), 'NSEC');

  test('RFC 4034 §4.3: A MX RRSIG NSEC TYPE1234', () => {
    expect(listTypes(types)).toEqual([1, 15, 46, 47, 1234]);
  });

  test.each([
    [1, true, 'A'],
    [15, true, 'MX'],
    [1234, true, 'in the window 4'],
    [2, false, 'its neighbour is there'],
    [48, false, 'behind the octets of its window'],
    [257, false, 'its window is missing'],
    [1024, false, 'a clear bit of a window that is there'],
    [0xffff, false, 'the last type of all'],
  ])('TYPE%d: %s (%s)', (type, there) => {
    expect(bitmapHas(types, type)).toBe(there);
  });
});

test.each([
  [1, 'A'],
  [50, 'NSEC3'],
  [257, 'CAA'],
  [65280, 'TYPE65280'],
])('type %d is %s', (type, text) => {
  expect(formatType(type)).toBe(text);
  expect(parseType(text.toLowerCase())).toBe(type);
});

test.each(['', 'TYPE65536', 'TYPE', 'TYPE-1', 'constructor', 'MX '])('%j is no type', (text) => {
  expect(parseType(text)).toBeUndefined();
});
