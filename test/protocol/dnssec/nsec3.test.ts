import { describe, expect, test } from 'vitest';
import { encodeBase32Hex } from '../../../bin/world/dnssec-wire.ts';
import { parseName } from '../../../functions/protocol/dns/name.ts';
import { signatureAlgorithms } from '../../../functions/protocol/dnssec/algorithms.ts';
import { denyByNsec } from '../../../functions/protocol/dnssec/nsec.ts';
import {
  chainNsec3,
  denyByNsec3,
  type Nsec3Record,
  toNsec3Record,
} from '../../../functions/protocol/dnssec/nsec3.ts';
import {
  defaultValidationLimits,
  startWork,
  type ValidationTerms,
} from '../../../functions/protocol/dnssec/work.ts';

const apex = parseName('example');
const hash = Uint8Array.from({ length: 20 }, (_, index) => index * 11);
const data = {
  hashAlgorithm: 1,
  flags: 0,
  iterations: 0,
  salt: new Uint8Array(0),
  nextHash: new Uint8Array(20),
  types: new Uint8Array(0),
};
const owner = `${encodeBase32Hex(hash)}.example`;

describe('RFC 5155 §8.1, §8.2: which NSEC3 records count', () => {
  test.each([
    ['as it should be', owner, {}, true],
    ['in upper case', owner.toUpperCase(), {}, true],
    ['opt-out', owner, { flags: 1 }, true],
    ['an unknown flag', owner, { flags: 2 }, false],
    ['opt-out and an unknown flag', owner, { flags: 129 }, false],
    ['an unknown hash algorithm', owner, { hashAlgorithm: 2 }, false],
    ['a label deeper', `a.${owner}`, {}, false],
    ['under another label', `${encodeBase32Hex(hash)}.sub.example`, {}, false],
    ['at the apex', 'example', {}, false],
    ['a hash that is too short', `${encodeBase32Hex(hash).slice(1)}.example`, {}, false],
    ['a hash that is too long', `${encodeBase32Hex(hash)}00000000.example`, {}, false],
    ['a letter that is no digit', `w${owner.slice(1)}`, {}, false],
    ['a next hash that is too short', owner, { nextHash: new Uint8Array(19) }, false],
    ['a next hash that is too long', owner, { nextHash: new Uint8Array(21) }, false],
  ])('%s', (_, name, change, counts) => {
    const record = toNsec3Record(parseName(name), { ...data, ...change }, apex);
    expect(record !== undefined).toBe(counts);
    if (counts) {
      expect(Buffer.from(record?.ownerHash ?? [])).toEqual(Buffer.from(hash));
    }
  });
});

describe('records of several parameters', () => {
  const terms = (): ValidationTerms => ({
    nowSeconds: 0,
    algorithms: signatureAlgorithms,
    limits: defaultValidationLimits,
    work: startWork(),
  });
  const record = (change: Partial<Nsec3Record>): Nsec3Record => ({
    ...data,
    ownerHash: new Uint8Array(20),
    ...change,
  });

  test('RFC 5155 §8.2: those that differ from the first do not count', () => {
    const chain = chainNsec3(
      [
        record({}),
        record({ salt: Uint8Array.of(1) }),
        record({ iterations: 1 }),
        record({ flags: 1 }),
      ],
      terms(),
    );
    expect('records' in chain && chain.records).toHaveLength(2);
  });

  test('a name is hashed once for each answer', () => {
    const used = terms();
    const chain = chainNsec3([record({})], used);
    if ('kind' in chain) {
      throw new TypeError('no chain');
    }
    const absence = { apex, name: parseName('a.b.example'), type: 1 };
    denyByNsec3(chain, absence);
    denyByNsec3(chain, absence);
    expect(used.work.nsec3Hashes).toBe(3);
  });

  test('an only record covers all but its own name', () => {
    const only = record({ ownerHash: hash, nextHash: hash });
    const chain = chainNsec3([only], terms());
    const absence = { apex, name: parseName('a.example'), type: 1 };
    // Nothing matches the apex, so there is no closest encloser, however much is covered.
    expect('records' in chain && denyByNsec3(chain, absence).kind).toBe('unproven');
  });
});

describe('NSEC', () => {
  const types = Uint8Array.of(0, 1, 0x40);
  const absence = { apex, name: parseName('c.example'), type: 1 };

  test.each([
    ['leads past the name', 'b.example', 'd.example', 'unproven'],
    ['leads back to the apex', 'b.example', 'example', 'unproven'],
    [
      'leads back to another name, as no last record does (RFC 4034 §4.1.1)',
      'b.example',
      'a.example',
      'unproven',
    ],
  ])('a record that %s', (_, from, next, kind) => {
    const record = { owner: parseName(from), next: parseName(next), types };
    const wildcard = { owner: apex, next: parseName('a.example'), types };
    expect(denyByNsec([record], absence).kind).toBe(kind);
    const whole = denyByNsec([record, wildcard], absence).kind;
    expect(whole).toBe(next === 'a.example' ? 'unproven' : 'nxdomain');
  });
});
