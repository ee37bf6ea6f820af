/** Policies that were cached before somebody took them away or changed them (RFC 8461 §3.3, §5.1, §10.2). */
import type { PreludeStep, Scenario } from '../scenario.ts';
import {
  at,
  deferred,
  domainOf,
  drawMessage,
  drawScenario,
  type ExpectationOutline,
  formatPolicy,
  type ScenarioOutline,
  starttlsStripped,
} from '../scenario-outline.ts';
import type { WorldChange } from '../world.ts';

/** The policy holds: nothing is sent in clear. */
const stillEnforced: ExpectationOutline = {
  to: { user: deferred('4.7.10') },
  codes: ['starttls-not-offered'],
  resultTypes: ['starttls-not-supported'],
};

/** A message goes out under the policy first, then the world changes. */
function primed(name: string, ...changes: readonly WorldChange[]): readonly PreludeStep[] {
  return [
    { kind: 'send', message: drawMessage(name, { to: ['first'] }) },
    ...changes.map((change) => ({ kind: 'change', change }) as const),
  ];
}

function newId(name: string, id: string): WorldChange {
  const record = { name: at(name, '_mta-sts'), type: 'TXT', data: `v=STSv1; id=${id};` } as const;
  return { kind: 'records', name: record.name, type: 'TXT', records: [record] };
}

function strip(name: string): WorldChange {
  return { kind: 'mx-host', name: at(name, 'mx1'), behaviour: starttlsStripped };
}

function behavePolicyHost(
  name: string,
  behaviour: Extract<WorldChange, { kind: 'policy-host' }>['behaviour'],
): WorldChange {
  return { kind: 'policy-host', domain: domainOf(name), behaviour };
}

const cached: readonly ScenarioOutline[] = [
  {
    name: 'policy-host-down',
    title: 'a policy is cached, then its host goes down and STARTTLS is stripped: still enforced',
    tour: true,
    mx: { mx1: {} },
    policy: {},
    prelude: primed(
      'policy-host-down',
      behavePolicyHost('policy-host-down', { state: 'down' }),
      newId('policy-host-down', '2'),
      strip('policy-host-down'),
    ),
    expected: stillEnforced,
  },
  {
    name: 'policy-host-down-valid',
    title: 'a policy is cached, then its host goes down: delivered over verified TLS all the same',
    mx: { mx1: {} },
    policy: {},
    prelude: primed(
      'policy-host-down-valid',
      behavePolicyHost('policy-host-down-valid', { state: 'down' }),
    ),
    expected: { mx: { mx1: { channel: 'tls' } }, resultTypes: [] },
  },
  {
    name: 'policy-record-gone',
    title:
      'a policy is cached, then its record is taken away and STARTTLS stripped: still enforced',
    mx: { mx1: {} },
    policy: {},
    prelude: primed(
      'policy-record-gone',
      {
        kind: 'records',
        name: at('policy-record-gone', '_mta-sts'),
        type: 'TXT',
        records: [],
      },
      strip('policy-record-gone'),
    ),
    expected: stillEnforced,
  },
  {
    name: 'policy-record-failing',
    title: 'a policy is cached, then DNS fails for its record and STARTTLS is stripped',
    mx: { mx1: {} },
    policy: {},
    prelude: primed(
      'policy-record-failing',
      { kind: 'fault', name: at('policy-record-failing', '_mta-sts'), fault: 'SERVFAIL' },
      strip('policy-record-failing'),
    ),
    expected: stillEnforced,
  },
  {
    name: 'policy-forged-update',
    title: 'a policy is cached, then a forged host offers another under a wrong certificate',
    mx: { mx1: {} },
    policy: {},
    prelude: primed(
      'policy-forged-update',
      behavePolicyHost('policy-forged-update', {
        certificate: 'other-authority',
        text: formatPolicy('none', []),
      }),
      newId('policy-forged-update', '2'),
      strip('policy-forged-update'),
    ),
    expected: stillEnforced,
  },
  {
    name: 'policy-updated',
    title: 'a policy is cached, then the domain moves to another MX and says so: delivered there',
    mx: { mx1: {}, mx2: {} },
    policy: { mx: [at('policy-updated', 'mx1')], txt: [] },
    // Its time is long: what is remembered of the record must not stand in the way of the new one.
    records: [
      {
        name: at('policy-updated', '_mta-sts'),
        type: 'TXT',
        data: 'v=STSv1; id=1;',
        ttlSeconds: 3_600,
      },
    ],
    prelude: primed(
      'policy-updated',
      behavePolicyHost('policy-updated', {
        text: formatPolicy('enforce', [at('policy-updated', 'mx2')]),
      }),
      newId('policy-updated', '2'),
      {
        kind: 'records',
        name: domainOf('policy-updated'),
        type: 'MX',
        records: [
          {
            name: domainOf('policy-updated'),
            type: 'MX',
            preference: 10,
            exchange: at('policy-updated', 'mx2'),
          },
        ],
      },
    ),
    expected: { mx: { mx2: { channel: 'tls' } } },
  },
];

/** Each primes the cache first. */
export const cachedPolicyScenarios: readonly Scenario[] = cached.map(drawScenario);
