import { describe, expect, test } from 'vitest';
import { decodeMessage } from '../../../functions/protocol/dns/message.ts';
import { parseName } from '../../../functions/protocol/dns/name.ts';
import { findRrSet } from '../../../functions/protocol/dnssec/rrset.ts';
import {
  chars,
  message,
  name,
  type Octets,
  pointer,
  questionName,
  record,
  u16,
  u32,
} from '../dns/wire.ts';

const example = parseName('example.com');
const hex = (octets: Uint8Array): string => Buffer.from(octets).toString('hex');

const collect = (type: number, ...rdatas: readonly Octets[]): readonly string[] => {
  const answers = rdatas.map((rdata) => record({ type, rdata }));
  const set = findRrSet(decodeMessage(message({ answers })), 'answers', { name: example, type });
  return (set?.rdatas ?? []).map(hex);
};

const octets = (...parts: readonly Octets[]): string => hex(Uint8Array.from(parts.flat()));

describe('RFC 4034 §6.2: canonical RDATA', () => {
  const mixed = name('MX.Example.COM');
  const folded = name('mx.example.com');
  test.each<readonly [string, number, Octets, Octets]>([
    ['NS', 2, mixed, folded],
    ['CNAME', 5, mixed, folded],
    ['PTR', 12, mixed, folded],
    ['DNAME', 39, mixed, folded],
    ['MX', 15, [0, 10, ...mixed], [0, 10, ...folded]],
    ['SRV', 33, [0, 1, 0, 2, 0, 3, ...mixed], [0, 1, 0, 2, 0, 3, ...folded]],
    [
      'SOA',
      6,
      [...mixed, ...mixed, ...u32(1), ...u32(2), ...u32(3), ...u32(4), ...u32(5)],
      [...folded, ...folded, ...u32(1), ...u32(2), ...u32(3), ...u32(4), ...u32(5)],
    ],
    [
      'NAPTR',
      35,
      [0, 1, 0, 2, 1, ...chars('S'), 1, ...chars('X'), 0, ...mixed],
      [0, 1, 0, 2, 1, ...chars('S'), 1, ...chars('X'), 0, ...folded],
    ],
    [
      'RRSIG: the signer folded, the signature not',
      46,
      [...Array.from({ length: 18 }, () => 65), ...mixed, 65, 66],
      [...Array.from({ length: 18 }, () => 65), ...folded, 65, 66],
    ],
    [
      'a compressed name, written out',
      15,
      [0, 10, ...questionName],
      [0, 10, ...name('example.com')],
    ],
    ['part of a name compressed', 5, [2, ...chars('Ab'), ...pointer(12)], name('ab.example.com')],
    ['RFC 6840 §5.1: NSEC keeps its case', 47, [...mixed, 0, 1, 64], [...mixed, 0, 1, 64]],
    ['TXT is no name', 16, [3, ...chars('ABC')], [3, ...chars('ABC')]],
    ['a type that nobody knows', 65_280, mixed, mixed],
    ['octets behind the last field stay', 5, [...mixed, 9], [...folded, 9]],
  ])('%s', (_, type, rdata, canonical) => {
    expect(collect(type, rdata)).toEqual([octets(canonical)]);
  });

  test.each<readonly [string, number, Octets]>([
    ['a name cut short', 15, [0, 10, 3, ...chars('mx')]],
    ['no name', 15, [0, 10]],
    ['a pointer to itself', 5, pointer(40)],
  ])('%s is malformed', (_, type, rdata) => {
    expect(() => collect(type, rdata)).toThrow(expect.objectContaining({ code: 'dns-malformed' }));
  });
});

describe('RFC 4034 §6.3: order', () => {
  test('as octet strings, the shorter first, none twice', () => {
    expect(collect(16, [2, 1, 0], [1, 255], [1], [1, 0, 0], [1, 255], [1, 0])).toEqual([
      '01',
      '0100',
      '010000',
      '01ff',
      '020100',
    ]);
  });

  test('what differs in case alone is one record', () => {
    expect(collect(2, name('NS.example'), name('ns.EXAMPLE'))).toEqual([
      octets(name('ns.example')),
    ]);
  });
});

describe('what belongs to an RRset', () => {
  const rrsig = (covered: number, owner: Octets = questionName): Octets =>
    record({
      owner,
      type: 46,
      rdata: [...u16(covered), 13, 2, ...u32(300), ...u32(9), ...u32(1), ...u16(7), 0, 1, 2],
    });

  test('the smallest TTL (RFC 2181 §5.2), and the signatures that cover it', () => {
    const answers = [
      record({ type: 1, ttl: 300, rdata: [192, 0, 2, 1] }),
      rrsig(1),
      record({ type: 28, ttl: 5, rdata: Array.from({ length: 16 }, () => 1) }),
      rrsig(28),
      record({ owner: name('EXAMPLE.com'), type: 1, ttl: 70, rdata: [192, 0, 2, 2] }),
      record({ owner: name('www.example.com'), type: 1, ttl: 1, rdata: [192, 0, 2, 3] }),
      record({ type: 1, class: 3, ttl: 1, rdata: [192, 0, 2, 4] }),
      rrsig(1, name('www.example.com')),
      record({ type: 46, rdata: [0, 1, 13] }),
    ];
    const set = findRrSet(decodeMessage(message({ answers })), 'answers', {
      name: example,
      type: 1,
    });
    expect(set).toMatchObject({ ttlSeconds: 70, type: 1 });
    expect(set?.rdatas.map(hex)).toEqual(['c0000201', 'c0000202']);
    expect(set?.signatures).toMatchObject([{ typeCovered: 1, keyTag: 7 }]);
  });

  test('none', () => {
    expect(
      findRrSet(decodeMessage(message({})), 'answers', { name: example, type: 1 }),
    ).toBeUndefined();
  });

  test('more than 100 records', () => {
    const many = Array.from({ length: 101 }, (_, index) => [1, index]);
    expect(() => collect(16, ...many)).toThrow(/101 TXT records/);
    expect(collect(16, ...many.slice(1))).toHaveLength(100);
  });

  test('what is kept of a message does not keep the message', () => {
    const decoded = decodeMessage(
      message({ answers: [record({ type: 1, rdata: [192, 0, 2, 1] }), rrsig(1)] }),
    );
    const set = findRrSet(decoded, 'answers', { name: example, type: 1 });
    for (const kept of [set?.name, ...(set?.rdatas ?? []), set?.signatures[0]?.signature]) {
      expect(kept?.buffer).not.toBe(decoded.octets.buffer);
    }
  });
});
