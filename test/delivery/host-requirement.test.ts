import { describe, expect, test } from 'vitest';
import {
  type HostRequirement,
  type HostSituation,
  requireByDane,
  requireOfHost,
} from '../../functions/delivery/host-requirement.ts';
import type { StsState } from '../../functions/policy/ports.ts';
import type { DaneLevel } from '../../functions/protocol/dane/dane-level.ts';

function policy(mode: 'enforce' | 'testing', ...mx: string[]): StsState {
  return {
    kind: 'policy',
    source: 'table',
    cached: {
      domain: 'rcpt.example',
      id: '1',
      policy: { mode, mx, maxAgeSeconds: 86_400 },
      text: 'version: STSv1',
      fetchedAtMs: 0,
      usedAtMs: 0,
    },
  };
}

const absent: StsState = { kind: 'absent', reason: 'no TXT record' };
const unknown: StsState = {
  kind: 'unknown',
  failure: { code: 'dns-timeout', reason: 'no answer' },
};

const situation = (over: Partial<HostSituation>): HostSituation => ({
  demand: 'default',
  sts: absent,
  host: 'mx.rcpt.example',
  implicitMx: false,
  secureMx: false,
  smartHost: false,
  ...over,
});

const summary = (requirement: HostRequirement): string =>
  requirement.use
    ? [
        requirement.tls,
        ...(requirement.alsoPkix && requirement.tls === 'dane' ? ['and pkix'] : []),
        ...(requirement.requireTls ? ['REQUIRETLS'] : []),
        ...(requirement.testing ? ['testing'] : []),
      ].join(' ')
    : `not used: ${requirement.code}`;

describe('the channel table, before any connection', () => {
  const listed = policy('enforce', 'mx.rcpt.example');
  const unlisted = policy('enforce', 'other.example');
  test.each([
    // demand, STS, further facts, expected
    ['default', absent, {}, 'opportunistic', 'nothing published'],
    ['default', undefined, {}, 'opportunistic', 'MTA-STS off: as nothing published'],
    ['default', unknown, {}, 'opportunistic', 'STS unknown: as nothing published'],
    ['default', listed, {}, 'pkix', 'enforce'],
    ['default', unlisted, {}, 'not used: sts-mx-mismatch', 'RFC 8461 §5'],
    ['default', policy('testing', 'mx.rcpt.example'), {}, 'opportunistic testing', 'RFC 8461 §5'],
    ['default', policy('testing', 'other.example'), {}, 'opportunistic testing', 'mismatch too'],
    ['default', policy('enforce', '*.rcpt.example'), {}, 'pkix', 'one label for the wildcard'],
    ['default', listed, { implicitMx: true }, 'pkix', 'rows by the name of the host'],
    ['require', listed, {}, 'pkix REQUIRETLS', 'RFC 8689 §4.2.1'],
    ['require', unlisted, {}, 'not used: sts-mx-mismatch', 'the MX is not authentic'],
    ['require', absent, {}, 'not used: mx-not-authenticated', 'nothing vouches for the MX'],
    ['require', undefined, {}, 'not used: mx-not-authenticated', 'MTA-STS off'],
    [
      'require',
      policy('testing', 'mx.rcpt.example'),
      {},
      'not used: mx-not-authenticated',
      'testing authenticates nothing',
    ],
    ['require', unknown, {}, 'not used: sts-policy-unknown', 'waits for certainty'],
    ['require', absent, { secureMx: true }, 'pkix REQUIRETLS', 'DNSSEC vouches for the MX'],
    ['require', undefined, { secureMx: true }, 'pkix REQUIRETLS', 'MTA-STS off, DNSSEC on'],
    [
      'require',
      policy('testing', 'mx.rcpt.example'),
      { secureMx: true },
      'pkix REQUIRETLS',
      'what testing does not do, DNSSEC does',
    ],
    ['require', unknown, { secureMx: true }, 'pkix REQUIRETLS', 'no need to know'],
    ['require', unlisted, { secureMx: true }, 'not used: sts-mx-mismatch', 'all rows apply'],
    ['default', absent, { secureMx: true }, 'opportunistic', 'DNSSEC alone demands no TLS'],
    ['require', absent, { implicitMx: true }, 'pkix REQUIRETLS', 'no MX look-up was redirected'],
    ['require', unlisted, { implicitMx: true }, 'not used: sts-mx-mismatch', 'the policy stands'],
    ['optional', listed, {}, 'opportunistic', 'policies do not stop it, RFC 8689 §4.2.2'],
    ['optional', unlisted, {}, 'opportunistic', 'even a host outside the policy'],
    ['optional', unknown, {}, 'opportunistic', 'as default'],
    ['default', absent, { smartHost: true }, 'pkix', 'credentials go over it'],
    ['optional', absent, { smartHost: true }, 'pkix', 'whatever the message says'],
    ['require', absent, { smartHost: true }, 'pkix REQUIRETLS', 'our own configuration vouches'],
    ['default', unlisted, { smartHost: true }, 'not used: sts-mx-mismatch', 'RFC 8461 §3.4'],
  ] as const)('%s, %#: %j', (demand, sts, facts, expected, _reason) => {
    expect(summary(requireOfHost(situation({ demand, sts, ...facts })))).toBe(expected);
  });
});

describe('the rows of DANE (RFC 7672 §2.2)', () => {
  const levels = {
    usable: {
      level: 'usable',
      base: 'mx.rcpt.example',
      records: [{ usage: 3, selector: 1, matchingType: 1, data: new Uint8Array(32) }],
    },
    unusable: {
      level: 'unusable',
      base: 'mx.rcpt.example',
      records: [{ usage: 0, selector: 1, matchingType: 1, data: new Uint8Array(32) }],
      code: 'tlsa-invalid',
      reason: 'PKIX-TA',
    },
    absent: { level: 'absent', reason: 'none' },
    failed: { level: 'failed', code: 'dns-bogus', reason: 'bogus' },
  } as const satisfies Record<DaneLevel['level'], DaneLevel>;
  const enforced = policy('enforce', 'mx.rcpt.example');
  test.each([
    // demand, STS, TLSA, dane-only, expected
    ['default', absent, 'usable', false, 'dane', 'DANE must verify'],
    ['default', absent, 'unusable', false, 'mandatory', 'TLS, unauthenticated'],
    ['default', absent, 'absent', false, 'opportunistic', 'as nothing published'],
    ['default', absent, 'failed', false, 'not used: dns-bogus', 'never downgraded'],
    ['default', enforced, 'usable', false, 'dane and pkix', 'both must hold'],
    ['default', enforced, 'unusable', false, 'pkix', 'STS is the stricter'],
    ['default', enforced, 'failed', false, 'not used: dns-bogus', 'STS does not rescue DANE'],
    ['default', policy('testing'), 'usable', false, 'dane testing', 'testing takes nothing away'],
    ['require', absent, 'usable', false, 'dane REQUIRETLS', 'DANE in place of PKIX'],
    ['require', absent, 'unusable', false, 'pkix REQUIRETLS', 'PKIX needed'],
    ['require', absent, 'absent', false, 'pkix REQUIRETLS', 'PKIX needed'],
    ['require', absent, 'failed', false, 'not used: dns-bogus', 'never downgraded'],
    ['require', enforced, 'usable', false, 'dane and pkix REQUIRETLS', 'both must hold'],
    ['optional', absent, 'usable', false, 'opportunistic', 'RFC 8689 §3: policies are ignored'],
    ['optional', absent, 'failed', false, 'opportunistic', 'nor does a failing look-up stop it'],
    ['default', absent, 'usable', true, 'dane', 'mandatory DANE, RFC 7672 §6'],
    ['default', absent, 'unusable', true, 'not used: dane-required', 'verified or not at all'],
    ['default', absent, 'absent', true, 'not used: dane-required', 'verified or not at all'],
    ['default', absent, 'failed', true, 'not used: dns-bogus', 'the look-up is what failed'],
  ] as const)('%s, %#: TLSA %s', (demand, sts, level, daneOnly, expected, _reason) => {
    const first = requireOfHost(situation({ demand, sts, secureMx: true }));
    const demanded = first.use ? requireByDane(first, levels[level], { demand, daneOnly }) : first;
    expect(summary(demanded)).toBe(expected);
  });
});
