/** MTA-STS (RFC 8461): what a policy protects against, and what is no policy. */
import type { CertificateKind } from '../certificates.ts';
import type { MxBehaviour } from '../mx-behaviour.ts';
import type { Scenario } from '../scenario.ts';
import {
  at,
  deferred,
  domainOf,
  drawScenario,
  type ExpectationOutline,
  type PolicyOutline,
  type ScenarioOutline,
  starttlsStripped,
} from '../scenario-outline.ts';

const strippedAndDeferred: ExpectationOutline = {
  to: { user: deferred('4.7.10') },
  codes: ['starttls-not-offered'],
  resultTypes: ['starttls-not-supported'],
};

const overTls: ExpectationOutline = { mx: { mx1: { channel: 'tls' } }, resultTypes: [] };

/** Delivered as if nothing were published; `mx1` offers no TLS in these, so that a policy would show. */
const inClear: ExpectationOutline = { mx: { mx1: { channel: 'clear' } } };

function certificate(kind: CertificateKind): MxBehaviour {
  return { tls: { certificate: kind } };
}

const enforced: readonly ScenarioOutline[] = [
  {
    name: 'enforce-valid',
    title: 'STS enforce, everything right: delivered over verified TLS',
    tour: true,
    mx: { mx1: {} },
    policy: {},
    expected: {
      mx: {
        mx1: {
          channel: 'tls',
          connections: 1,
          serverName: at('enforce-valid', 'mx1'),
          mailParameters: { REQUIRETLS: null },
        },
      },
      codes: [],
      resultTypes: [],
    },
  },
  {
    name: 'enforce-starttls-stripped',
    title: 'STS enforce, STARTTLS stripped on the way: nothing is sent',
    tour: true,
    mx: { mx1: starttlsStripped },
    policy: {},
    expected: strippedAndDeferred,
  },
  {
    name: 'enforce-wrong-name',
    title: "STS enforce, a certificate for somebody else's name: nothing is sent",
    tour: true,
    mx: { mx1: certificate('wrong-name') },
    policy: {},
    expected: {
      to: { user: deferred('4.7.5') },
      codes: ['certificate-host-mismatch'],
      resultTypes: ['certificate-host-mismatch'],
    },
  },
  {
    name: 'enforce-expired',
    title: 'STS enforce, an expired certificate: nothing is sent',
    tour: true,
    mx: { mx1: certificate('expired') },
    policy: {},
    expected: {
      to: { user: deferred('4.7.5') },
      codes: ['certificate-expired'],
      resultTypes: ['certificate-expired'],
    },
  },
  {
    name: 'enforce-untrusted',
    title: 'STS enforce, a certificate by nobody we trust: nothing is sent',
    tour: true,
    mx: { mx1: certificate('other-authority') },
    policy: {},
    expected: {
      to: { user: deferred('4.7.5') },
      codes: ['certificate-not-trusted'],
      resultTypes: ['certificate-not-trusted'],
    },
  },
  {
    name: 'enforce-mx-not-listed',
    title: 'STS enforce, the first MX is not in the policy: the next one is used',
    tour: true,
    mx: { stranger: {}, mx1: {} },
    policy: { mx: [at('enforce-mx-not-listed', 'mx1')] },
    expected: {
      mx: { stranger: { messages: 0, connections: 0 }, mx1: { channel: 'tls', connections: 1 } },
      codes: ['sts-mx-mismatch'],
      resultTypes: ['validation-failure'],
    },
  },
  {
    name: 'enforce-mx-swapped',
    title: 'STS enforce, the MX records swapped for an attacker with a valid certificate',
    mx: { attacker: {} },
    policy: { mx: [at('enforce-mx-swapped', 'mx1')] },
    expected: {
      to: { user: deferred('4.7.5') },
      mx: { attacker: { messages: 0, connections: 0 } },
      codes: ['sts-mx-mismatch'],
      resultTypes: ['validation-failure'],
    },
  },
  {
    name: 'enforce-next-host',
    title: 'STS enforce, the first of two listed hosts has a bad certificate: the second is used',
    mx: { mx1: certificate('self-signed'), mx2: {} },
    policy: {},
    expected: {
      mx: { mx2: { channel: 'tls' } },
      codes: ['certificate-not-trusted'],
      resultTypes: ['certificate-not-trusted'],
    },
  },
  {
    name: 'enforce-injection',
    title: 'STS enforce, replies injected behind the one to STARTTLS: nothing is sent',
    tour: true,
    mx: { mx1: { injection: '250-mx1\n250 REQUIRETLS' } },
    policy: {},
    expected: {
      to: { user: deferred('4.7.0') },
      codes: ['starttls-injection'],
      resultTypes: ['validation-failure'],
    },
  },
  {
    name: 'enforce-old-tls',
    title: 'STS enforce, TLS 1.0 and 1.1 only: nothing is sent',
    mx: { mx1: { tls: { versionMin: 'TLSv1', versionMax: 'TLSv1.1' } } },
    policy: {},
    expected: handshakeFailed(),
  },
  {
    name: 'enforce-no-handshake',
    title: 'STS enforce, the connection is cut in the place of a handshake',
    mx: { mx1: { tls: { fault: 'close' } } },
    policy: {},
    expected: handshakeFailed(),
  },
  {
    name: 'enforce-starttls-refused',
    title: 'STS enforce, STARTTLS offered and refused for good',
    mx: { mx1: { steps: { starttls: { reply: '554 5.7.3 No' } } } },
    policy: {},
    expected: {
      to: { user: deferred('4.7.10') },
      codes: ['starttls-refused'],
      resultTypes: ['starttls-not-supported'],
    },
  },
  {
    name: 'enforce-starttls-later',
    title: 'STS enforce, STARTTLS offered and put off',
    mx: { mx1: { steps: { starttls: { reply: '454 4.7.0 Later' } } } },
    policy: {},
    expected: {
      to: { user: deferred('4.7.0') },
      codes: ['starttls-deferred'],
      resultTypes: ['starttls-not-supported'],
    },
  },
  ...(
    [
      ['wildcard', 'a wildcard for the first label'],
      ['intermediate', 'a chain with an intermediate'],
      ['valid-p384', 'another curve'],
    ] as const
  ).map(
    ([kind, what]): ScenarioOutline => ({
      name: `enforce-certificate-${kind}`,
      title: `STS enforce, ${what}: delivered`,
      mx: { mx1: certificate(kind) },
      policy: {},
      expected: overTls,
    }),
  ),
  ...(
    [
      ['not-yet-valid', 'certificate-not-yet-valid', 'validation-failure'],
      ['self-signed', 'certificate-not-trusted', 'certificate-not-trusted'],
      ['missing-intermediate', 'certificate-not-trusted', 'certificate-not-trusted'],
      ['not-an-authority', 'certificate-not-trusted', 'certificate-not-trusted'],
      ['client-only', 'certificate-not-trusted', 'certificate-not-trusted'],
      ['common-name-only', 'certificate-host-mismatch', 'certificate-host-mismatch'],
      ['partial-wildcard', 'certificate-host-mismatch', 'certificate-host-mismatch'],
    ] as const
  ).map(
    ([kind, code, resultType]): ScenarioOutline => ({
      name: `enforce-certificate-${kind}`,
      title: `STS enforce, a certificate that is ${kind}: nothing is sent`,
      mx: { mx1: certificate(kind) },
      policy: {},
      expected: { to: { user: deferred('4.7.5') }, codes: [code], resultTypes: [resultType] },
    }),
  ),
];

function handshakeFailed(): ExpectationOutline {
  return {
    to: { user: deferred('4.7.5') },
    codes: ['tls-handshake-failed'],
    resultTypes: ['validation-failure'],
  };
}

const patterns: readonly ScenarioOutline[] = [
  {
    name: 'policy-wildcard',
    title: 'a wildcard in the policy stands for one label: delivered',
    mx: { mx1: {} },
    policy: { mx: [`*.${domainOf('policy-wildcard')}`] },
    expected: overTls,
  },
  {
    name: 'policy-wildcard-deeper',
    title: 'a wildcard in the policy does not stand for two labels: nothing is sent',
    mx: { 'a.b': {} },
    policy: { mx: [`*.${domainOf('policy-wildcard-deeper')}`] },
    expected: {
      to: { user: deferred('4.7.5') },
      codes: ['sts-mx-mismatch'],
      resultTypes: ['validation-failure'],
    },
  },
  {
    name: 'mx-alias',
    title: 'an MX that is an alias: its name as published is what policy and certificate hold',
    mx: { real: { tls: { certificateName: at('mx-alias', 'alias') } } },
    policy: { mx: [at('mx-alias', 'alias')] },
    recordsOnly: true,
    records: aliasRecords('mx-alias'),
    expected: {
      mx: { real: { channel: 'tls', serverName: at('mx-alias', 'alias') } },
      resultTypes: [],
    },
  },
  {
    name: 'mx-alias-target',
    title: 'an MX that is an alias, with a certificate for what it leads to: nothing is sent',
    mx: { real: {} },
    policy: { mx: [at('mx-alias-target', 'alias')] },
    recordsOnly: true,
    records: aliasRecords('mx-alias-target'),
    expected: {
      to: { user: deferred('4.7.5') },
      codes: ['certificate-host-mismatch'],
      resultTypes: ['certificate-host-mismatch'],
    },
  },
];

function aliasRecords(name: string): NonNullable<ScenarioOutline['records']> {
  return [
    { name: domainOf(name), type: 'MX', preference: 10, exchange: at(name, 'alias') },
    { name: at(name, 'alias'), type: 'CNAME', data: at(name, 'real') },
    { name: at(name, '_mta-sts'), type: 'TXT', data: 'v=STSv1; id=1;' },
  ];
}

const testing: readonly ScenarioOutline[] = [
  {
    name: 'testing-wrong-name',
    title: 'STS testing, a bad certificate: delivered, and noted',
    tour: true,
    mx: { mx1: certificate('wrong-name') },
    policy: { mode: 'testing' },
    expected: {
      mx: { mx1: { channel: 'tls' } },
      codes: ['certificate-host-mismatch'],
      resultTypes: ['certificate-host-mismatch'],
    },
  },
  {
    name: 'testing-starttls-stripped',
    title: 'STS testing, STARTTLS stripped: delivered in clear, and noted',
    mx: { mx1: starttlsStripped },
    policy: { mode: 'testing' },
    expected: {
      ...inClear,
      codes: ['starttls-not-offered'],
      resultTypes: ['starttls-not-supported'],
    },
  },
  {
    name: 'testing-mx-not-listed',
    title: 'STS testing, the MX is not in the policy: delivered, and noted',
    mx: { mx1: {} },
    policy: { mode: 'testing', mx: [at('testing-mx-not-listed', 'mx9')] },
    expected: {
      mx: { mx1: { channel: 'tls' } },
      codes: ['sts-mx-mismatch'],
      resultTypes: ['validation-failure'],
    },
  },
  {
    name: 'policy-mode-none',
    title: 'a policy of mode none: as nothing published',
    mx: { mx1: starttlsStripped },
    policy: { mode: 'none', mx: [] },
    expected: inClear,
  },
];

/** Nothing that a sender may take for a policy, and nothing cached: mail goes out as if nothing were published. */
const unusable: readonly (readonly [string, string, PolicyOutline])[] = [
  ['expired', "the policy host's certificate is expired", { host: { certificate: 'expired' } }],
  ['wrong-name', 'the policy host shows another name', { host: { certificate: 'wrong-name' } }],
  ['self-signed', 'the policy host vouches for itself', { host: { certificate: 'self-signed' } }],
  ['redirect', 'the policy host redirects', { host: { redirectTo: '/policy.txt' } }],
  ['missing', 'the policy host answers 404', { host: { status: 404 } }],
  ['down', 'the policy host is down', { host: { state: 'down' } }],
  ['html', 'the policy comes as text/html', { host: { contentType: 'text/html' } }],
  ['oversized', 'the policy is over 64 KiB', { host: { body: 'oversized' } }],
  ['cut-off', 'the policy is cut off', { host: { body: 'cut-off' } }],
  ['malformed', 'the policy has no version', { host: { text: 'mode: enforce\r\nmx: *.x\r\n' } }],
  ['doubled', 'two TXT records', { txt: ['v=STSv1; id=1;', 'v=STSv1; id=2;'] }],
  ['record-malformed', 'a TXT record without id', { txt: ['v=STSv1;'] }],
];

const withoutPolicy: readonly ScenarioOutline[] = [
  ...unusable.map(
    ([name, what, policy]): ScenarioOutline => ({
      name: `no-policy-${name}`,
      title: `${what}, nothing cached: as nothing published`,
      mx: { mx1: starttlsStripped },
      policy,
      expected: inClear,
    }),
  ),
  {
    name: 'no-policy-dns-failing',
    title: 'the look-up of the policy record fails, nothing cached: as nothing published',
    mx: { mx1: starttlsStripped },
    policy: {},
    faults: [{ name: at('no-policy-dns-failing', '_mta-sts'), fault: 'SERVFAIL' }],
    expected: inClear,
  },
];

/** Each with an empty cache. */
export const mtaStsScenarios: readonly Scenario[] = [
  ...enforced,
  ...patterns,
  ...testing,
  ...withoutPolicy,
].map(drawScenario);
