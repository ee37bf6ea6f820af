import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import {
  formatTlsaRecord,
  selectTlsaRecords,
  type TlsaRecord,
} from '../../../functions/protocol/dane/tlsa-record.ts';
import { certify, nowMs, party, publicKeyInfo, sequence } from '../x509/certificate-maker.ts';

function record(text: string): TlsaRecord {
  const [usage = 0, selector = 0, matchingType = 0] = text.split(' ', 3).map(Number);
  const hex = text.split(' ').slice(3).join('');
  return { usage, selector, matchingType, data: Buffer.from(hex, 'hex') };
}

/** RFC 7671 §9. */
const agility = {
  sha256: record('3 1 1 3FE246A848798236DD2AB78D39F0651D 6B6E7CA8E2984012EB0A2E1AC8A87B72'),
  sha512: record(
    '3 1 2 D4F5AF015B46C5057B841C7E7BAB759C BF029526D29520C5BE6A32C67475439E 54AB3A945D80C743347C9BD4DADC9D8D 57FAB78EAA835362F3CA07CCC19A3214',
  ),
  full: record(
    '3 1 0 3059301306072A8648CE3D020106082A 8648CE3D0301070342000471CB1F504F 9E4B33971376C005445DACD33CD79A28 81C3DED1981F18E7AAA76609DD0E4EF2 8265C82703030AD60C5DBA6FB8A9397A C0FCF06D424C885D484887',
  ),
};

const key = publicKeyInfo(party('a'));
const certificate = certify(party('a'), party('a'), { notAfterMs: nowMs });

describe('usable records', () => {
  test.each<readonly [TlsaRecord, string]>([
    [record(`3 1 1 ${'00'.repeat(32)}`), 'DANE-EE by SHA2-256'],
    [record(`2 0 2 ${'00'.repeat(64)}`), 'DANE-TA by SHA2-512'],
    [agility.full, 'RFC 7671 §9: a whole key'],
    [{ usage: 2, selector: 0, matchingType: 0, data: certificate }, 'a whole certificate'],
    [
      record('2 0 1 E8B54E0B4BAA815B06D3462D65FBC7C0 CF556ECCF9F5303EBFBB77D022F834C0'),
      'RFC 7671 §2.1',
    ],
  ])('%#', (one) => {
    expect(selectTlsaRecords([one])).toEqual({ usable: [one], unusable: [], outranked: [] });
  });

  test.each<readonly [TlsaRecord, RegExp, string]>([
    [
      record('0 0 1 d2abde240d7cd3ee6b4b28c54df034b9 7983a1d16e8a410e4561cb106618e971'),
      /usage 0 is not for SMTP/,
      'RFC 6698 §2.3 with RFC 7672 §3.1.3',
    ],
    [
      record(
        '1 1 2 92003ba34942dc74152e2f2c408d29ec a5a520e7f2e06bb944f4dca346baf63c 1b177615d466f6c4b71c216a50292bd5 8c9ebdd2f74e38fe51ffd48c43326cbc',
      ),
      /usage 1 is not for SMTP/,
      'RFC 6698 §2.3 with RFC 7672 §3.1.3',
    ],
    [record(`4 1 1 ${'00'.repeat(32)}`), /unknown certificate usage 4/, 'RFC 6698 §4.1'],
    [record(`255 1 1 ${'00'.repeat(32)}`), /unknown certificate usage 255/, 'PrivCert'],
    [record(`3 2 1 ${'00'.repeat(32)}`), /unknown selector 2/, 'RFC 6698 §4.1'],
    [record(`3 1 3 ${'00'.repeat(32)}`), /unknown matching type 3/, 'RFC 6698 §4.1'],
    [record(`3 1 1 ${'00'.repeat(31)}`), /31 octets of data, not the 32/, 'too short'],
    [record(`3 1 1 ${'00'.repeat(33)}`), /33 octets/, 'too long'],
    [record(`3 1 2 ${'00'.repeat(32)}`), /32 octets of data, not the 64/, 'the other digest'],
    [record('3 1 1'), /0 octets/, 'nothing'],
    [record('3 1 0'), /no element/, 'no key'],
    [record('3 0 0 3003020101'), /to-be-signed part/, 'RFC 6698 §4.1: malformed'],
    [{ usage: 3, selector: 0, matchingType: 0, data: key }, /tag/, 'a key for a certificate'],
    [{ usage: 3, selector: 1, matchingType: 0, data: certificate }, /./, 'the other way round'],
    [
      { usage: 3, selector: 1, matchingType: 0, data: Buffer.concat([key, Buffer.alloc(1)]) },
      /octets too many/,
      'an octet behind the key',
    ],
    [
      { usage: 2, selector: 0, matchingType: 0, data: Buffer.concat([certificate, key]) },
      /octets too many/,
      'a key behind the certificate',
    ],
    [
      { usage: 3, selector: 1, matchingType: 0, data: Buffer.from(key).fill(1, key.length - 64) },
      /not a public key/,
      'a point that is not on the curve',
    ],
    [
      {
        usage: 2,
        selector: 0,
        matchingType: 0,
        data: certify(party('a'), party('a'), { validity: sequence() }),
      },
      /notBefore/,
      'a certificate without dates',
    ],
  ])('unusable: %#', (one, reason) => {
    expect(selectTlsaRecords([one])).toEqual({
      usable: [],
      unusable: [{ record: one, reason: expect.stringMatching(reason) }],
      outranked: [],
    });
  });
});

describe('digest algorithm agility', () => {
  test('RFC 7671 §9: the example', () => {
    const { sha256, sha512, full } = agility;
    expect(selectTlsaRecords([sha256, sha512, full])).toEqual({
      usable: [sha512, full],
      unusable: [],
      outranked: [sha256],
    });
    expect(selectTlsaRecords([sha256, full]).usable).toEqual([sha256, full]);
    expect(createHash('sha256').update(full.data).digest()).toEqual(sha256.data);
  });

  test('each usage and selector for itself, and after what cannot be used', () => {
    const data = Buffer.alloc(32);
    const weak = { usage: 3, selector: 1, matchingType: 1, data };
    const strong = { ...weak, matchingType: 2, data: Buffer.alloc(64) };
    const others = [
      { ...strong, usage: 2 },
      { ...strong, selector: 0 },
      { ...strong, usage: 1 },
      { ...strong, data },
    ];
    expect(selectTlsaRecords([weak, ...others]).usable).toContain(weak);
    expect(selectTlsaRecords([weak, ...others, strong]).outranked).toEqual([weak]);
  });
});

test('records as text (RFC 6698 §2.2)', () => {
  expect(formatTlsaRecord(record('3 1 1 8A9A'))).toBe('3 1 1 8a9a');
  expect(formatTlsaRecord(record('255 0 255'))).toBe('255 0 255 ');
});
