import { describe, expect, test } from 'vitest';
import {
  type HostRequirement,
  type HostSituation,
  requireOfHost,
} from '../../functions/delivery/host-requirement.ts';
import type { StsState } from '../../functions/policy/ports.ts';

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
  smartHost: false,
  ...over,
});

const summary = (requirement: HostRequirement): string =>
  requirement.use
    ? [
        requirement.tls,
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
