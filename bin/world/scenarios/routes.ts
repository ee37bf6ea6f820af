/** Where mail goes: MX records, addresses, hosts that are not there, and domains that publish nothing (RFC 5321 §5). */
import type { Scenario } from '../scenario.ts';
import {
  at,
  deferred,
  domainOf,
  drawScenario,
  failed,
  type ScenarioOutline,
} from '../scenario-outline.ts';

const nobodyAsked = { messages: 0, connections: 0 } as const;

const unprotected: readonly ScenarioOutline[] = [
  {
    name: 'opportunistic',
    title: 'nothing published, a certificate that proves nothing: delivered over unverified TLS',
    tour: true,
    mx: { mx1: { tls: { certificate: 'self-signed' } } },
    expected: { mx: { mx1: { channel: 'tls', connections: 1 } } },
  },
  {
    name: 'opportunistic-clear',
    title: 'nothing published, no STARTTLS: delivered in clear',
    tour: true,
    mx: { mx1: { startTls: 'absent' } },
    expected: { mx: { mx1: { channel: 'clear', connections: 1 } } },
  },
  {
    name: 'opportunistic-old-tls',
    title: 'nothing published, TLS 1.0 only: delivered in clear on a second connection',
    mx: { mx1: { tls: { versionMin: 'TLSv1', versionMax: 'TLSv1' } } },
    expected: { mx: { mx1: { channel: 'clear', connections: 2 } } },
  },
  {
    name: 'opportunistic-starttls-later',
    title: 'nothing published, STARTTLS put off: delivered in clear on the same connection',
    mx: { mx1: { steps: { starttls: { reply: '454 4.7.0 Later' } } } },
    expected: { mx: { mx1: { channel: 'clear', connections: 1 } } },
  },
  {
    name: 'opportunistic-helo',
    title: 'nothing published, a host that knows no EHLO: delivered by HELO',
    mx: { mx1: { steps: { ehlo: { reply: '502 5.5.1 What?' } } } },
    expected: { mx: { mx1: { channel: 'clear' } } },
  },
];

const undeliverable: readonly ScenarioOutline[] = [
  {
    name: 'null-mx',
    title: 'a null MX: back to the sender',
    tour: true,
    recordsOnly: true,
    records: [{ name: domainOf('null-mx'), type: 'MX', preference: 0, exchange: '' }],
    expected: { to: { user: failed('5.1.10') }, codes: ['null-mx'] },
  },
  {
    name: 'no-such-domain',
    title: 'a domain that does not exist: back to the sender',
    tour: true,
    messages: [{ to: ['user@nowhere.no-such-domain.example'] }],
    expected: {
      to: { 'user@nowhere.no-such-domain.example': failed('5.1.2') },
      codes: ['domain-not-found'],
    },
  },
  {
    name: 'no-address',
    title: 'an MX without an address: back to the sender',
    recordsOnly: true,
    records: [
      {
        name: domainOf('no-address'),
        type: 'MX',
        preference: 10,
        exchange: at('no-address', 'mx1'),
      },
    ],
    expected: { to: { user: failed('5.4.4') }, codes: ['no-mail-host'] },
  },
  {
    name: 'no-mail-at-all',
    title: 'a domain with neither MX nor address: back to the sender',
    recordsOnly: true,
    records: [{ name: domainOf('no-mail-at-all'), type: 'TXT', data: 'v=spf1 -all' }],
    expected: { to: { user: failed('5.4.4') }, codes: ['no-mail-host'] },
  },
];

const failingDns: readonly ScenarioOutline[] = [
  {
    name: 'mx-servfail',
    title: 'the MX look-up fails: deferred, nobody is asked',
    tour: true,
    mx: { mx1: {} },
    faults: [{ name: domainOf('mx-servfail'), type: 'MX', fault: 'SERVFAIL' }],
    expected: {
      to: { user: deferred('4.4.3') },
      codes: ['dns-server-failure'],
      mx: { mx1: nobodyAsked },
    },
  },
  {
    name: 'mx-silence',
    title: 'no answer to the MX look-up: deferred',
    mx: { mx1: {} },
    faults: [{ name: domainOf('mx-silence'), type: 'MX', fault: 'silence' }],
    attemptMs: 5_000,
    expected: { to: { user: deferred('4.4.3') }, codes: ['dns-timeout'], mx: { mx1: nobodyAsked } },
  },
  {
    name: 'mx-malformed',
    title: 'an answer to the MX look-up that is no DNS message: deferred',
    mx: { mx1: {} },
    faults: [{ name: domainOf('mx-malformed'), type: 'MX', fault: 'malformed' }],
    expected: {
      to: { user: deferred('4.4.3') },
      codes: ['dns-malformed'],
      mx: { mx1: nobodyAsked },
    },
  },
  {
    name: 'mx-spoofed',
    title: 'a forged answer with a wrong id ahead of the true one: not believed, delivered',
    mx: { mx1: {} },
    faults: [{ name: domainOf('mx-spoofed'), type: 'MX', fault: 'spoofed' }],
    expected: { mx: { mx1: { channel: 'tls' } } },
  },
  {
    name: 'mx-truncated',
    title: 'a truncated answer: asked again over TCP, delivered',
    mx: { mx1: {} },
    faults: [{ name: domainOf('mx-truncated'), fault: 'truncated' }],
    expected: { mx: { mx1: { channel: 'tls' } } },
  },
  {
    name: 'address-servfail',
    title: "the look-up of the only host's address fails: deferred",
    mx: { mx1: {} },
    faults: [{ name: at('address-servfail', 'mx1'), fault: 'SERVFAIL' }],
    expected: {
      to: { user: deferred('4.4.3') },
      codes: ['dns-server-failure'],
      mx: { mx1: nobodyAsked },
    },
  },
  {
    name: 'address-servfail-next',
    title: "the look-up of the first host's address fails: the second is used",
    mx: { mx1: {}, mx2: {} },
    faults: [{ name: at('address-servfail-next', 'mx1'), fault: 'SERVFAIL' }],
    expected: { mx: { mx2: { channel: 'tls' } }, codes: ['dns-server-failure'] },
  },
];

const routes: readonly ScenarioOutline[] = [
  {
    name: 'implicit-mx',
    title: 'no MX record but an address: delivered to the domain itself',
    mx: { '@': {} },
    expected: { mx: { '@': { channel: 'tls', serverName: domainOf('implicit-mx') } } },
  },
  {
    name: 'first-host-down',
    title: 'the first host refuses connections: the second is used',
    mx: { mx1: { state: 'down' }, mx2: {} },
    expected: { mx: { mx2: { channel: 'tls' } }, codes: ['connect-failed'] },
  },
  {
    name: 'first-address-down',
    title: "the first of a host's addresses refuses connections: the second is used",
    mx: { mx1: {} },
    records: [
      // Nobody listens there, and in an RRset it comes before any MX host (RFC 4034 §6.3).
      { name: at('first-address-down', 'mx1'), type: 'A', data: '127.24.0.1' },
      {
        name: at('first-address-down', 'mx1'),
        type: 'A',
        addressOf: at('first-address-down', 'mx1'),
      },
    ],
    expected: { mx: { mx1: { channel: 'tls' } }, codes: ['connect-failed'] },
  },
  {
    name: 'all-hosts-down',
    title: 'every host refuses connections: deferred',
    mx: { mx1: { state: 'down' }, mx2: { state: 'down' } },
    expected: { to: { user: deferred('4.4.1') }, codes: ['connect-failed'] },
  },
  {
    name: 'domain-alias',
    // The policy of what the alias leads to would forbid this host; that of the alias itself cannot be had.
    title: 'a recipient domain that is an alias: the policy is that of the name in the address',
    mx: { mx1: { tls: { certificate: 'self-signed' } } },
    policy: {},
    records: [
      { name: 'mail.domain-alias.example', type: 'CNAME', data: domainOf('domain-alias') },
      { name: '_mta-sts.mail.domain-alias.example', type: 'TXT', data: 'v=STSv1; id=9;' },
    ],
    messages: [{ to: ['user@mail.domain-alias.example'] }],
    expected: {
      to: { 'user@mail.domain-alias.example': ['delivered', '2.0.0'] },
      mx: { mx1: { channel: 'tls' } },
    },
  },
  {
    name: 'two-domains',
    title: 'one message for two domains: each goes its own way',
    mx: { mx1: {} },
    records: [{ name: 'null.two-domains.example', type: 'MX', preference: 0, exchange: '' }],
    messages: [{ to: ['user', 'user@null.two-domains.example'] }],
    expected: {
      to: {
        user: ['delivered', '2.0.0'],
        'user@null.two-domains.example': failed('5.1.10'),
      },
      codes: ['null-mx'],
      mx: { mx1: { channel: 'tls', recipients: ['user'] } },
    },
  },
];

/** The ways to a host, and the ends of them. */
export const routeScenarios: readonly Scenario[] = [
  ...unprotected,
  ...undeliverable,
  ...failingDns,
  ...routes,
].map(drawScenario);
