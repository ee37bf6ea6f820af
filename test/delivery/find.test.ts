import { describe, expect, test } from 'vitest';
import { findAddresses } from '../../functions/delivery/find-addresses.ts';
import { findMailHosts } from '../../functions/delivery/find-mail-hosts.ts';
import type { LookupNote } from '../../functions/delivery/why.ts';
import type { Answer, MxData, RecordType, Resolver } from '../../functions/protocol/dns/answer.ts';

type AnyAnswer = Answer<'MX'> | Answer<'A'> | Answer<'AAAA'>;

const facts = {
  status: 'insecure',
  canonicalName: 'rcpt.example',
  aliases: [],
  ttlSeconds: 60,
} as const;
const nodata = { ...facts, kind: 'nodata' } as const;
const nxdomain = { ...facts, kind: 'nxdomain' } as const;
const timeout = { kind: 'failed', code: 'dns-timeout', reason: 'no answer' } as const;
const mx = (...records: [number, string][]): Answer<'MX'> => ({
  ...facts,
  kind: 'records',
  records: records.map(([preference, exchange]): MxData => ({ preference, exchange })),
});
const records = <T extends 'A' | 'AAAA'>(...list: string[]): Answer<T> =>
  ({ ...facts, kind: 'records', records: list }) as Answer<T>;

/** A world of literal answers. */
function resolverOf(answers: Partial<Record<RecordType, AnyAnswer>>): Resolver {
  return {
    lookup: async (_name, type) => (answers[type] ?? nodata) as never,
  };
}

describe('findMailHosts', () => {
  const find = async (answer: AnyAnswer, random = () => 0.5): Promise<unknown> => {
    const notes: LookupNote[] = [];
    const found = await findMailHosts('rcpt.example', {
      resolver: resolverOf({ MX: answer }),
      random,
      deadlineMs: 0,
      note: (lookup) => notes.push(lookup),
    });
    expect(notes).toHaveLength(1);
    return found.kind === 'none' ? found.code : found.hosts.map(({ host }) => host).join(' ');
  };

  test.each([
    [mx([20, 'b.example'], [10, 'a.example']), 'a.example b.example', 'lowest preference first'],
    [mx([0, '']), 'null-mx', 'RFC 7505'],
    [mx([0, ''], [10, 'a.example']), 'a.example', 'a null MX beside others says nothing'],
    [mx([10, 'a.example'], [20, 'a.example']), 'a.example', 'a host is tried once'],
    [nodata, 'rcpt.example', 'implicit MX, RFC 5321 §5.1'],
    [nxdomain, 'domain-not-found', 'NXDOMAIN'],
    [timeout, 'dns-timeout', 'not known is not absent'],
    [{ ...mx([10, 'a.example']), status: 'bogus' }, 'dns-bogus', 'never believed'],
    [{ ...nodata, status: 'indeterminate' }, 'dns-bogus', 'nor is a denial'],
  ] as [AnyAnswer, string, string][])('%j: %s (%s)', async (answer, expected) => {
    expect(await find(answer)).toBe(expected);
  });

  test('equal preferences are shuffled, others are not', async () => {
    const answer = mx([10, 'a.example'], [10, 'b.example'], [5, 'c.example']);
    const draws = (...list: number[]) => {
      let index = 0;
      return () => list[index++] ?? 0;
    };
    expect(await find(answer, draws(0.1, 0.9, 0.5))).toBe('c.example a.example b.example');
    expect(await find(answer, draws(0.9, 0.1, 0.5))).toBe('c.example b.example a.example');
  });

  test('no more than ten hosts are tried', async () => {
    const many = mx(
      ...Array.from({ length: 50 }, (_, i): [number, string] => [i, `h${i}.example`]),
    );
    expect(String(await find(many)).split(' ')).toHaveLength(10);
  });
});

describe('findAddresses', () => {
  const find = async (
    answers: Partial<Record<RecordType, AnyAnswer>>,
    options: { ipv6?: boolean; allowPrivateAddresses?: boolean } = {},
  ): Promise<string> => {
    const found = await findAddresses('mx.example', {
      resolver: resolverOf(answers),
      ipv6: true,
      allowPrivateAddresses: false,
      deadlineMs: 0,
      note: () => undefined,
      ...options,
    });
    return found.kind === 'none' ? found.failure.code : found.addresses.join(' ');
  };

  test.each([
    [{ A: records('203.0.114.1'), AAAA: records('2a00::1') }, '2a00::1 203.0.114.1', 'both'],
    [{ A: records('203.0.114.1'), AAAA: timeout }, '203.0.114.1', 'broken AAAA spoils nothing'],
    [{ A: timeout, AAAA: nodata }, 'dns-timeout', 'nothing found, one not known'],
    [{ A: nodata, AAAA: nodata }, 'no-mail-host', 'definitely none'],
    [{ A: nxdomain, AAAA: nxdomain }, 'no-mail-host', 'the host does not exist'],
    [{ A: records('10.0.0.1', '127.0.0.1') }, 'address-private', 'a stranger names the inside'],
    [{ A: records('169.254.169.254') }, 'address-private', 'the metadata service'],
    [{ A: records('10.0.0.1', '203.0.114.1') }, '203.0.114.1', 'the public one is used'],
    [{ A: { ...records('203.0.114.1'), status: 'bogus' } }, 'dns-bogus', 'never believed'],
  ] as [Partial<Record<RecordType, AnyAnswer>>, string, string][])(
    '%j: %s (%s)',
    async (answers, expected) => {
      expect(await find(answers)).toBe(expected);
    },
  );

  test('no IPv6 on the machine: AAAA is not asked for', async () => {
    const answers = { A: records('203.0.114.1'), AAAA: records('2a00::1') };
    expect(await find(answers as never, { ipv6: false })).toBe('203.0.114.1');
  });

  test('private addresses where the network setting allows them', async () => {
    expect(await find({ A: records('127.0.0.5') }, { allowPrivateAddresses: true })).toBe(
      '127.0.0.5',
    );
  });
});
