import { describe, expect, test } from 'vitest';
import { findChainStatus } from '../../../functions/protocol/dane/chain-status.ts';
import { decideDaneLevel } from '../../../functions/protocol/dane/dane-level.ts';
import { listReferenceIdentifiers } from '../../../functions/protocol/dane/reference-identifiers.ts';
import { listTlsaCandidates, tlsaOwnerName } from '../../../functions/protocol/dane/tlsa-base.ts';
import type { TlsaRecord } from '../../../functions/protocol/dane/tlsa-record.ts';
import type { AliasHop, Answer, DnssecStatus } from '../../../functions/protocol/dns/answer.ts';

/** `path`: the names that a look-up came by, from the question's on; `statuses`: of each alias, then of the last RRset. */
function facts(
  path: readonly string[],
  statuses: readonly DnssecStatus[],
): { status: DnssecStatus; canonicalName: string; aliases: AliasHop[]; ttlSeconds: number } {
  const aliases = path.slice(0, -1).map((name, index) => ({
    name,
    target: path[index + 1] ?? '',
    status: statuses[index] ?? 'bogus',
  }));
  const canonicalName = path.at(-1) ?? '';
  return { status: statuses.at(-1) ?? 'bogus', canonicalName, aliases, ttlSeconds: 60 };
}

function address(path: readonly string[], ...statuses: DnssecStatus[]): Answer<'A' | 'AAAA'> {
  return { kind: 'records', records: ['192.0.2.1'], ...facts(path, statuses) };
}

function mx(path: readonly string[], ...statuses: DnssecStatus[]): Answer<'MX'> {
  const records = [{ preference: 0, exchange: 'mx.example.com' }];
  return { kind: 'records', records, ...facts(path, statuses) };
}

const failed = { kind: 'failed', code: 'dns-timeout', reason: 'no answer' } as const;
const host = 'mx.example.com';
const expanded = 'mx.example.net';
const middle = 'mx.middle.test';

describe('candidates', () => {
  test('RFC 7672 §3.2.2: the MX hosts of the example', () => {
    const list = (...path: string[]): unknown =>
      listTlsaCandidates(path[0] ?? '', [address(path, ...path.map(() => 'secure' as const))]);
    const kind = 'candidates';
    expect(list('mx10.example.com')).toEqual({ kind, candidates: ['mx10.example.com'] });
    expect(list('mx15.example.com', 'mxbackup.example.com')).toEqual({
      kind,
      candidates: ['mxbackup.example.com', 'mx15.example.com'],
    });
    expect(list('mx20.example.com', 'mxbackup.example.net')).toEqual({
      kind,
      candidates: ['mxbackup.example.net', 'mx20.example.com'],
    });
  });

  test.each<readonly [readonly Answer<'A' | 'AAAA'>[], string[], string]>([
    [[address([host], 'secure')], [host], 'RFC 7672 §2.2.2 "Non-CNAME"'],
    [[address([host], 'insecure')], [], 'RFC 7672 §2.2.2: an unsigned zone is not asked'],
    [[address([host, expanded], 'secure', 'secure')], [expanded, host], '"Secure CNAME"'],
    [[address([host, expanded], 'secure', 'insecure')], [host], '"Insecure CNAME", alias signed'],
    [
      [address([host, expanded], 'insecure', 'secure')],
      [],
      'RFC 7672 §2.1.3: insecure from there on',
    ],
    [[address([host, expanded], 'insecure', 'insecure')], [], '"Insecure CNAME", alias unsigned'],
    [
      [address([host, middle, expanded], 'secure', 'secure', 'secure')],
      [expanded, host],
      'RFC 7672 §2.2.3: no name between',
    ],
    [[address([host, middle, expanded], 'secure', 'insecure', 'secure')], [host], 'broken midway'],
    [[address([host, middle, expanded], 'insecure', 'secure', 'secure')], [], 'broken at once'],
    [[address([host], 'bogus')], [], 'no answer'],
    [[address([host], 'indeterminate')], [], 'no answer'],
    [[address([host, expanded], 'secure', 'bogus')], [], 'no answer'],
    [[failed, address([host], 'secure')], [host], 'the other family answered'],
    [[address([host], 'insecure'), address([host], 'secure')], [host], 'the one that says more'],
    [
      [
        address([host, expanded], 'secure', 'insecure'),
        address([host, expanded], 'secure', 'secure'),
      ],
      [expanded, host],
      'the one that says more',
    ],
    [[{ kind: 'nodata', ...facts([host], ['secure']) }], [], 'no address'],
    [[failed, failed], [], 'no address known'],
    [[], [], 'nobody asked'],
  ])('%#', (answers, expected) => {
    const found = listTlsaCandidates(host, answers);
    expect(found.kind === 'candidates' ? found.candidates : []).toEqual(expected);
  });

  test('why there are none', () => {
    expect(listTlsaCandidates(host, [address([host], 'insecure')])).toEqual({
      kind: 'none',
      reason: 'the addresses of mx.example.com are not secure',
    });
    expect(listTlsaCandidates(host, [failed])).toEqual({
      kind: 'none',
      reason: 'no address of mx.example.com is known',
    });
  });

  test('owner names', () => {
    expect(tlsaOwnerName(host, 25)).toBe('_25._tcp.mx.example.com');
    expect(tlsaOwnerName(host, 65_535)).toBe('_65535._tcp.mx.example.com');
    for (const port of [0, 65_536, 2.5, Number.NaN]) {
      expect(() => tlsaOwnerName(host, port)).toThrow(RangeError);
    }
  });
});

describe('reference identifiers', () => {
  test('RFC 7672 §3.2.2: the example', () => {
    const path = ['exchange.example.org', 'mail.example.org', 'example.com'];
    const answer = mx(path, 'secure', 'secure', 'secure');
    for (const base of ['mx10.example.com', 'mx15.example.com', 'mxbackup.example.net']) {
      expect(
        listReferenceIdentifiers(base, { domain: 'exchange.example.org', mx: answer }),
      ).toEqual({ base, nextHop: ['exchange.example.org', 'example.com'] });
    }
  });

  test.each<readonly [string, string, Answer<'MX'> | undefined, string[], string]>([
    [host, 'example.com', mx(['example.com'], 'secure'), ['example.com'], 'RFC 7671 §10.2'],
    [host, 'example.com', mx(['example.com'], 'insecure'), [], 'insecure: the MX host alone'],
    [host, 'a.test', mx(['a.test', 'b.test'], 'secure', 'insecure'), [], 'insecure target'],
    [host, 'a.test', mx(['a.test', 'b.test'], 'insecure', 'secure'), [], 'insecure alias'],
    [host, 'example.com', mx(['example.com'], 'bogus'), [], 'bogus'],
    [host, host, mx([host], 'secure'), [], 'the domain is its own MX host'],
    ['b.test', 'a.test', undefined, ['a.test'], 'a relay that is an alias'],
    ['a.test', 'a.test', undefined, [], 'a relay'],
    [
      'b.test',
      'a.test',
      { kind: 'nodata', ...facts(['a.test', 'b.test'], ['secure', 'secure']) },
      ['a.test'],
      'RFC 7672 §3.2.2 "non-MX hostnames"',
    ],
  ])('%s for %s: %#', (base, domain, answer, nextHop) => {
    expect(listReferenceIdentifiers(base, { domain, mx: answer })).toEqual({ base, nextHop });
  });
});

describe('level', () => {
  const good: TlsaRecord = { usage: 3, selector: 1, matchingType: 1, data: Buffer.alloc(32) };
  const pkix: TlsaRecord = { ...good, usage: 1 };
  const owner = '_25._tcp.mx.example.com';
  const shared = 'tlsa201._dane.example.com';

  function tlsa(records: readonly TlsaRecord[], ...statuses: DnssecStatus[]): Answer<'TLSA'> {
    const path = statuses.length === 1 ? [owner] : [owner, shared];
    return { kind: 'records', records, ...facts(path, statuses) };
  }

  function denial(kind: 'nodata' | 'nxdomain', status: DnssecStatus): Answer<'TLSA'> {
    return { kind, ...facts([owner], [status]) };
  }

  test.each<readonly [Answer<'TLSA'>, string, string]>([
    [tlsa([good], 'secure'), 'usable', 'RFC 7672 §2.2'],
    [tlsa([pkix, good], 'secure'), 'usable', 'RFC 7672 §2.2: at least one'],
    [tlsa([good], 'secure', 'secure'), 'usable', 'RFC 7672 §2.2.3: by an alias'],
    [tlsa([pkix], 'secure'), 'unusable', 'RFC 7672 §2.2: TLS all the same'],
    [tlsa([{ ...good, data: Buffer.alloc(3) }], 'secure'), 'unusable', 'malformed'],
    [tlsa([good], 'insecure'), 'absent', 'RFC 7672 §2.2'],
    [tlsa([good], 'secure', 'insecure'), 'absent', 'RFC 7672 §2.2.3: an insecure target'],
    [tlsa([good], 'insecure', 'secure'), 'absent', 'RFC 7672 §2.1.3: an insecure alias'],
    [denial('nodata', 'secure'), 'absent', 'RFC 7672 §2.1.1'],
    [denial('nxdomain', 'secure'), 'absent', 'RFC 7672 §2.1.1'],
    [denial('nodata', 'insecure'), 'absent', 'RFC 7672 §2.1.1'],
    [denial('nxdomain', 'insecure'), 'absent', 'RFC 7672 §2.1.1'],
    [tlsa([good], 'bogus'), 'failed', 'RFC 7672 §2.1.2'],
    [tlsa([good], 'indeterminate'), 'failed', 'RFC 7672 §2.1.1: as bogus'],
    [tlsa([good], 'secure', 'bogus'), 'failed', 'RFC 7672 §2.1.3: at any stage'],
    [tlsa([good], 'insecure', 'bogus'), 'failed', 'RFC 7672 §2.1.3: at any stage'],
    [denial('nxdomain', 'bogus'), 'failed', 'a denial without proof'],
    [denial('nodata', 'indeterminate'), 'failed', 'a denial without proof'],
    [failed, 'failed', 'RFC 7672 §2.1.2: time-outs too'],
    [{ ...failed, code: 'dns-server-failure' }, 'failed', 'RFC 7672 §2.1.2: SERVFAIL'],
  ])('%#', (answer, level) => {
    expect(decideDaneLevel(host, answer).level).toBe(level);
  });

  test('says what to verify by, and why not', () => {
    const records = [good, pkix];
    expect(decideDaneLevel(host, tlsa(records, 'secure'))).toEqual({
      level: 'usable',
      base: host,
      records,
    });
    expect(decideDaneLevel(host, tlsa([pkix, pkix], 'secure'))).toEqual({
      level: 'unusable',
      base: host,
      records: [pkix, pkix],
      code: 'tlsa-invalid',
      reason: 'no TLSA record of mx.example.com can be used: certificate usage 1 is not for SMTP',
    });
    expect(decideDaneLevel(host, tlsa([good], 'bogus'))).toMatchObject({ code: 'dns-bogus' });
    expect(decideDaneLevel(host, failed)).toMatchObject({ code: 'dns-timeout' });
    expect(decideDaneLevel(host, { ...failed, code: 'dns-bogus', infoCode: 7 })).toMatchObject({
      infoCode: 7,
    });
  });
});

test.each<readonly [DnssecStatus[], DnssecStatus, string]>([
  [['secure'], 'secure', 'one'],
  [['secure', 'secure'], 'secure', 'all'],
  [['insecure', 'secure'], 'insecure', 'RFC 7672 §2.1.3'],
  [['secure', 'indeterminate', 'insecure'], 'indeterminate', 'a failure goes first'],
  [['bogus', 'indeterminate', 'secure'], 'bogus', 'the worst'],
])('%j are %s together', (statuses, expected) => {
  const names = statuses.map((_, index) => `h${index}.test`);
  expect(findChainStatus(facts(names, statuses))).toBe(expected);
});
