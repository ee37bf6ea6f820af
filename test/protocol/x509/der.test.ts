import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { TransportSecurityError } from '../../../functions/protocol/errors.ts';
import {
  type DerElement,
  decodeBitString,
  decodeBoolean,
  decodeObjectIdentifier,
  decodeSmallInteger,
  readAll,
  readAny,
  readerOf,
  readOnly,
} from '../../../functions/protocol/x509/der.ts';
import { der, integer, oid } from './certificate-maker.ts';

const malformed = expect.objectContaining({ code: 'certificate-malformed' });

function element(contents: readonly number[]): DerElement {
  const octets = Uint8Array.from(contents);
  return { tag: 0, contents: octets, octets };
}

describe('elements', () => {
  test.each<readonly [number[], number, string]>([
    [[0x04, 0x00], 0, 'empty'],
    [[0x04, 0x01, 0xff], 1, 'short form'],
    [[0x04, 0x81, 0x80, ...new Array<number>(128).fill(7)], 128, 'X.690 §8.1.3.5: long form'],
    [[0x04, 0x82, 0x01, 0x00, ...new Array<number>(256).fill(7)], 256, 'two octets of length'],
  ])('read whole: %#', (octets, length) => {
    expect(readOnly(Uint8Array.from(octets), 0x04, 'test').contents).toHaveLength(length);
  });

  test.each<readonly [number[], string]>([
    [[], 'nothing'],
    [[0x04], 'no length'],
    [[0x04, 0x01], 'no contents'],
    [[0x04, 0x80, 0, 0], 'X.690 §10.1: indefinite length'],
    [[0x04, 0x81, 0x01, 0xff], 'X.690 §10.1: a length that is longer than need be'],
    [[0x04, 0x82, 0x00, 0x80, ...new Array<number>(128).fill(7)], 'a padded length'],
    [[0x04, 0x84, 0, 0, 0, 1, 0xff], 'four octets of length'],
    [[0x04, 0x82, 0x01], 'half a length'],
    [[0x04, 0x83, 0xff, 0xff, 0xff], 'a length beyond the end'],
    [[0x04, 0x01, 0xff, 0x00], 'octets behind'],
    [[0x05, 0x00], 'another tag'],
    [[0x1f, 0x81, 0x01, 0x00], 'X.690 §8.1.2.4: a tag number of two octets'],
  ])('refused: %#', (octets) => {
    expect(() => readOnly(Uint8Array.from(octets), 0x04, 'test')).toThrow(malformed);
  });

  test('any octets are read or refused, and what is read lies within', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (octets) => {
        const reader = readerOf(octets);
        try {
          while (reader.offset < octets.length) {
            const before = reader.offset;
            expect(readAny(reader, 'test').octets).toHaveLength(reader.offset - before);
          }
        } catch (error) {
          expect(error).toBeInstanceOf(TransportSecurityError);
        }
        expect(reader.offset).toBeLessThanOrEqual(octets.length);
      }),
    );
  });

  test('what is written is read', () => {
    const contents = fc.uint8Array({ maxLength: 70_000, size: 'max' });
    fc.assert(
      fc.property(fc.array(contents, { maxLength: 3 }), (parts) => {
        const elements = readAll(Buffer.concat(parts.map((part) => der(0x04, part))), 0x04, 'test');
        expect(
          elements.map((one) => Buffer.compare(one.contents, parts.shift() ?? one.octets)),
        ).toEqual(elements.map(() => 0));
      }),
      { numRuns: 30 },
    );
  });
});

describe('values', () => {
  test.each<readonly [number[], boolean | undefined, string]>([
    [[0xff], true, 'true'],
    [[0x00], false, 'false'],
    [[0x01], undefined, 'X.690 §11.1: any other octet'],
    [[], undefined, 'empty'],
    [[0xff, 0xff], undefined, 'two octets'],
  ])('boolean %#', (octets, value) => {
    const decode = (): boolean => decodeBoolean(element(octets));
    value === undefined ? expect(decode).toThrow(malformed) : expect(decode()).toBe(value);
  });

  test.each<readonly [number[], number | undefined, string]>([
    [[0], 0, 'zero'],
    [[0x7f], 127, 'one octet'],
    [[0, 0x80], 128, 'a zero that keeps it positive'],
    [[0x7f, 0xff, 0xff, 0xff], 2_147_483_647, 'the largest'],
    [[], undefined, 'empty'],
    [[0x80], undefined, 'negative'],
    [[0, 0x7f], undefined, 'X.690 §8.3.2: padded'],
    [[0, 0x80, 0, 0, 0], undefined, 'too large'],
  ])('integer %#', (octets, value) => {
    const decode = (): number => decodeSmallInteger(element(octets));
    value === undefined ? expect(decode).toThrow(malformed) : expect(decode()).toBe(value);
  });

  test.each<readonly [number[], string | undefined, string]>([
    [[0x55, 0x1d, 0x13], '2.5.29.19', 'basicConstraints'],
    [[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b], '1.2.840.113549.1.1.11', 'RSA'],
    [[0x88, 0x37], '2.999', 'X.690 §8.19.4: a second arc over 39'],
    [[0x69, 0xff, 0xff, 0xff, 0xff, 0x7f], '0x69ffffffff7f', 'an arc that is a UUID'],
    [[], undefined, 'empty'],
    [[0x55, 0x80], undefined, 'no end'],
    [[0x55, 0x80, 0x01], undefined, 'X.690 §8.19.2: padded'],
  ])('object identifier %#', (octets, value) => {
    const decode = (): string => decodeObjectIdentifier(element(octets));
    value === undefined ? expect(decode).toThrow(malformed) : expect(decode()).toBe(value);
  });

  test.each<readonly [number[], number[] | undefined, string]>([
    [[0, 0xff], [0xff], 'whole octets'],
    [[2, 0x04], [0x04], 'six bits'],
    [[0], [], 'no bits'],
    [[], undefined, 'empty'],
    [[1], undefined, 'unused bits of nothing'],
    [[8, 0x00], undefined, 'eight unused bits'],
    [[2, 0x01], undefined, 'X.690 §11.2.1: an unused bit set'],
  ])('bit string %#', (octets, value) => {
    const decode = (): number[] => [...decodeBitString(element(octets)).octets];
    value === undefined ? expect(decode).toThrow(malformed) : expect(decode()).toEqual(value);
  });

  test('identifiers and integers come back', () => {
    const arc = fc.nat(0x7fff_ffff);
    fc.assert(
      fc.property(fc.nat(2), fc.nat(39), fc.array(arc, { maxLength: 6 }), (first, second, rest) => {
        const dotted = [first, second, ...rest].join('.');
        expect(decodeObjectIdentifier(readOnly(oid(dotted), 0x06, 'test'))).toBe(dotted);
      }),
    );
    fc.assert(
      fc.property(arc, (value) => {
        expect(decodeSmallInteger(readOnly(integer(value), 0x02, 'test'))).toBe(value);
      }),
    );
  });
});
