import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type DnsName,
  formatName,
  isSubdomain,
  parseName,
} from '../../../functions/protocol/dns/name.ts';
import {
  ancestorOf,
  commonAncestor,
  compareNames,
  countLabels,
  isWildcard,
  nameKey,
  parentOf,
  rootName,
  wildcardUnder,
} from '../../../functions/protocol/dns/name-tree.ts';

/** RFC 4034 §6.1's example, in order. */
const inOrder = [
  'example',
  'a.example',
  'yljkjljk.a.example',
  'Z.a.example',
  'zABC.a.EXAMPLE',
  'z.example',
  '\\001.z.example',
  '*.z.example',
  '\\200.z.example',
];

const label = fc.uint8Array({ minLength: 1, maxLength: 3 });
const anyName: fc.Arbitrary<DnsName> = fc
  .array(label, { maxLength: 4 })
  .map((labels) => Uint8Array.from([...labels.flatMap((octets) => [octets.length, ...octets]), 0]));

describe('canonical order', () => {
  test('RFC 4034 §6.1', () => {
    const shuffled = [...inOrder].reverse().map(parseName);
    expect(shuffled.sort(compareNames).map(formatName)).toEqual(inOrder);
  });

  test.each([
    ['', 'example', 'the root is before everything'],
    ['b.example', 'a.b.example', 'a name is before what is below it'],
    ['a.b.example', 'a.c.example', 'the label nearer to the root decides'],
    ['a', 'ab', 'a label is before those that begin with it'],
    ['a\\046b.example', 'a\\047b.example', 'a dot in a label is an octet like others'],
    ['bb.example', 'c.example', 'length does not count'],
  ])('%j is before %j: %s', (before, after) => {
    expect(compareNames(parseName(before), parseName(after))).toBeLessThan(0);
    expect(compareNames(parseName(after), parseName(before))).toBeGreaterThan(0);
  });

  test('any names: antisymmetric, and zero exactly for what is the same but for case', () => {
    fc.assert(
      fc.property(anyName, anyName, (a, b) => {
        expect(Math.sign(compareNames(a, b))).toBe(-Math.sign(compareNames(b, a)) + 0);
        expect(compareNames(a, b) === 0).toBe(nameKey(a) === nameKey(b));
      }),
    );
  });
});

describe('ancestors', () => {
  test.each([
    ['a.b.example', 'c.b.example', 'b.example'],
    ['a.B.example', 'c.b.Example', 'B.example'],
    ['a.example', 'a.example', 'a.example'],
    ['example', 'a.example', 'example'],
    ['xa.example', 'a.example', 'example'],
    ['example', 'com', ''],
    ['', 'com', ''],
  ])('%j and %j have %j in common', (a, b, common) => {
    expect(formatName(commonAncestor(parseName(a), parseName(b)))).toBe(common);
  });

  test('any names: what they have in common is above both', () => {
    fc.assert(
      fc.property(anyName, anyName, (a, b) => {
        const common = commonAncestor(a, b);
        expect(isSubdomain(a, common) && isSubdomain(b, common)).toBe(true);
        expect(ancestorOf(a, countLabels(common))).toEqual(common);
      }),
    );
  });

  test.each([
    ['a.b.example', 3, 'a.b.example'],
    ['a.b.example', 1, 'example'],
    ['a.b.example', 0, ''],
    ['a.b.example', 7, 'a.b.example'],
  ])('%s with %d labels is %j', (name, labels, ancestor) => {
    expect(formatName(ancestorOf(parseName(name), labels))).toBe(ancestor);
  });

  test('parents end at the root', () => {
    expect(formatName(parentOf(parseName('a\\046b.example')))).toBe('example');
    expect(parentOf(parseName('example'))).toEqual(rootName);
    expect(parentOf(rootName)).toEqual(rootName);
  });

  test('wildcards', () => {
    expect(formatName(wildcardUnder(parseName('example')) ?? rootName)).toBe('*.example');
    const longest = parseName(`${'a.'.repeat(126)}a`);
    expect(longest).toHaveLength(255);
    expect(wildcardUnder(longest)).toBeUndefined();
    expect(isWildcard(parseName('*.example'))).toBe(true);
    expect(isWildcard(parseName('*a.example'))).toBe(false);
    expect(isWildcard(parseName('a.*.example'))).toBe(false);
  });
});
