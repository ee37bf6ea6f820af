/** DANE (RFC 7672): what TLSA records protect against, and where they count. Faults of the zones: `dnssec.ts`. */
import type { Scenario } from '../scenario.ts';
import {
  at,
  deferred,
  delivered,
  domainOf,
  drawScenario,
  drawTlsa,
  failed,
  type MessageOutline,
  type ScenarioOutline,
  starttlsStripped,
} from '../scenario-outline.ts';
import type { WorldRecord } from '../world-zones.ts';
import {
  certificate,
  mismatch,
  mxRecord,
  ofKey,
  ofStranger,
  overTls,
  selfSigned,
} from './dane-parts.ts';

const verified: readonly ScenarioOutline[] = [
  {
    name: 'dane-ee',
    title: 'DANE-EE, a certificate signed by itself: delivered over verified TLS',
    tour: true,
    signed: {},
    mx: { mx1: selfSigned },
    tlsa: { mx1: [ofKey] },
    expected: {
      mx: { mx1: { channel: 'tls', connections: 1, serverName: at('dane-ee', 'mx1') } },
      resultTypes: [],
    },
  },
  {
    name: 'dane-ee-expired',
    title: 'DANE-EE, an expired certificate for another name: neither counts, delivered',
    signed: {},
    mx: { mx1: { tls: { certificate: 'expired', certificateName: 'elsewhere.example' } } },
    tlsa: { mx1: [[3, 0, 2]] },
    expected: overTls,
  },
  {
    name: 'dane-ta',
    title: 'DANE-TA, an authority that nobody else knows: delivered over verified TLS',
    tour: true,
    signed: {},
    mx: { mx1: certificate('private-authority') },
    tlsa: { mx1: [[2, 0, 1, 'issuer']] },
    expected: overTls,
  },
  {
    name: 'dane-ta-root',
    title: 'DANE-TA, an authority whose certificate is in the DNS alone: delivered',
    signed: {},
    mx: { mx1: certificate('valid') },
    tlsa: { mx1: [[2, 0, 0, 'issuer']] },
    expected: overTls,
  },
  {
    name: 'dane-rollover',
    title:
      'DANE, keys of host and zone being replaced: a record for one of them is enough, delivered',
    signed: { denial: 'NSEC3', rollover: true },
    mx: { mx1: selfSigned },
    tlsa: { mx1: [ofStranger, ofKey] },
    expected: overTls,
  },
  {
    name: 'dane-next-host',
    title: 'DANE, the first host breaks its records, the second keeps to them: delivered there',
    signed: {},
    mx: { mx1: selfSigned, mx2: selfSigned },
    tlsa: { mx1: [ofStranger], mx2: [ofKey] },
    expected: { ...mismatch, to: { user: delivered }, mx: { mx2: { channel: 'tls' } } },
  },
  {
    name: 'dane-implicit-mx',
    title: 'DANE without an MX record: the domain itself has the records, delivered',
    signed: {},
    mx: { '@': selfSigned },
    tlsa: { '@': [ofKey] },
    expected: {
      mx: { '@': { channel: 'tls', serverName: domainOf('dane-implicit-mx') } },
      resultTypes: [],
    },
  },
];

const aliases: readonly ScenarioOutline[] = [
  {
    name: 'dane-mx-alias',
    title: 'DANE, the MX is a signed alias: the records of the name it leads to count, delivered',
    tour: true,
    signed: {},
    mx: { real: selfSigned },
    recordsOnly: true,
    records: [
      ...aliasRecords('dane-mx-alias', 'real'),
      drawTlsa(at('dane-mx-alias', 'real'), ofKey),
    ],
    expected: {
      mx: { real: { channel: 'tls', serverName: at('dane-mx-alias', 'real') } },
      resultTypes: [],
    },
  },
  {
    name: 'dane-mx-alias-unexpanded',
    title: 'DANE, the MX is a signed alias with records at its own name alone: they count',
    signed: {},
    mx: { real: {} },
    recordsOnly: true,
    records: [
      ...aliasRecords('dane-mx-alias-unexpanded', 'real'),
      drawTlsa(
        at('dane-mx-alias-unexpanded', 'alias'),
        ofStranger,
        at('dane-mx-alias-unexpanded', 'real'),
      ),
    ],
    expected: mismatch,
  },
  {
    name: 'dane-mx-alias-insecure',
    title: 'DANE, a signed alias leads into an unsigned zone: the records at the alias count',
    signed: {},
    mx: { 'mx1.plain': {} },
    recordsOnly: true,
    records: [
      ...aliasRecords('dane-mx-alias-insecure', 'mx1.plain'),
      drawTlsa(
        at('dane-mx-alias-insecure', 'alias'),
        ofStranger,
        at('dane-mx-alias-insecure', 'mx1.plain'),
      ),
    ],
    zones: [{ origin: at('dane-mx-alias-insecure', 'plain'), records: [] }],
    expected: mismatch,
  },
];

function aliasRecords(name: string, target: string): readonly WorldRecord[] {
  return [
    mxRecord(domainOf(name), at(name, 'alias')),
    { name: at(name, 'alias'), type: 'CNAME', data: at(name, target) },
  ];
}

const broken: readonly ScenarioOutline[] = [
  {
    name: 'dane-mismatch',
    title: 'DANE mismatch: nothing is sent, though PKIX and STS enforce would pass',
    tour: true,
    signed: {},
    mx: { mx1: {} },
    policy: {},
    tlsa: { mx1: [ofStranger] },
    expected: mismatch,
  },
  {
    name: 'dane-starttls-stripped',
    title: 'DANE, STARTTLS stripped on the way: nothing is sent',
    tour: true,
    signed: {},
    mx: { mx1: starttlsStripped },
    tlsa: { mx1: [ofKey] },
    expected: {
      to: { user: deferred('4.7.10') },
      codes: ['starttls-not-offered'],
      resultTypes: ['starttls-not-supported'],
    },
  },
  {
    name: 'dane-strongest-digest',
    title: 'DANE, SHA2-256 matches and SHA2-512 does not: the strongest digest counts',
    signed: {},
    mx: { mx1: selfSigned },
    tlsa: { mx1: [ofKey, [3, 1, 2, 'stranger']] },
    expected: mismatch,
  },
  {
    name: 'dane-ta-wrong-name',
    title: 'DANE-TA, the right authority and the wrong name: nothing is sent',
    signed: {},
    mx: { mx1: { tls: { certificate: 'private-authority', certificateName: 'mx.other.example' } } },
    tlsa: { mx1: [[2, 0, 1, 'issuer']] },
    expected: {
      to: { user: deferred('4.7.5') },
      codes: ['certificate-host-mismatch'],
      resultTypes: ['certificate-host-mismatch'],
    },
  },
  {
    name: 'dane-and-sts',
    title: 'DANE and STS enforce, both hold: delivered',
    signed: {},
    mx: { mx1: {} },
    policy: {},
    tlsa: { mx1: [ofKey] },
    expected: overTls,
  },
  {
    name: 'dane-and-sts-pkix-fails',
    title: 'DANE holds and STS enforce does not: nothing is sent',
    signed: {},
    mx: { mx1: selfSigned },
    policy: {},
    tlsa: { mx1: [ofKey] },
    expected: {
      to: { user: deferred('4.7.5') },
      codes: ['certificate-not-trusted'],
      resultTypes: ['certificate-not-trusted'],
    },
  },
  {
    name: 'dane-tls-optional',
    title: 'TLS-Required: No past a DANE mismatch: delivered over what TLS there is',
    signed: {},
    mx: { mx1: {} },
    tlsa: { mx1: [ofStranger] },
    messages: [{ header: ['TLS-Required: No'] }],
    expected: { mx: { mx1: { channel: 'tls' } } },
  },
];

const unusable: readonly ScenarioOutline[] = [
  {
    name: 'dane-unusable',
    title: 'TLSA records that SMTP has no use for: delivered encrypted, to whoever it is',
    tour: true,
    signed: {},
    mx: { mx1: selfSigned },
    tlsa: {
      mx1: [
        [1, 1, 1],
        [3, 1, 9],
        [3, 1, 1, Uint8Array.of(1, 2, 3)],
      ],
    },
    expected: { mx: { mx1: { channel: 'tls' } } },
  },
  {
    name: 'dane-unusable-stripped',
    title: 'TLSA records that SMTP has no use for, STARTTLS stripped: TLS is promised all the same',
    signed: {},
    mx: { mx1: starttlsStripped },
    tlsa: { mx1: [[1, 1, 1]] },
    expected: {
      to: { user: deferred('4.7.10') },
      codes: ['starttls-not-offered'],
      resultTypes: ['starttls-not-supported'],
    },
  },
];

/** An unsigned domain, a customer's, whose MX host has TLSA records in a signed zone (RFC 7672 §2.2.1). */
const behindInsecureMx: readonly ScenarioOutline[] = [
  {
    ...drawCustomer('dane-insecure-mx', {}),
    title: 'an unsigned domain with its MX host in a signed zone: TLSA records of the host count',
    expected: { ...mismatch, to: { 'user@customer.dane-insecure-mx.example': deferred('4.7.5') } },
  },
  {
    ...drawCustomer('dane-insecure-mx-off', {}),
    title:
      'an unsigned domain with its MX host in a signed zone, which is switched off: opportunistic',
    settings: { daneInsecureMx: false },
    expected: { ...overTls, to: { 'user@customer.dane-insecure-mx-off.example': delivered } },
  },
  {
    ...drawCustomer('requiretls-insecure-mx', { requireTls: true }),
    title: 'REQUIRETLS to an unsigned domain: a signed host proves nothing of the MX',
    expected: {
      to: { 'user@customer.requiretls-insecure-mx.example': failed('5.7.10') },
      codes: ['mx-not-authenticated'],
      mx: { mx1: { messages: 0, connections: 0 } },
    },
  },
];

function drawCustomer(
  name: string,
  message: MessageOutline,
): Omit<ScenarioOutline, 'title' | 'expected'> {
  const customer = at(name, 'customer');
  return {
    name,
    signed: {},
    mx: { mx1: { requireTls: 'after-tls' } },
    recordsOnly: true,
    records: [drawTlsa(at(name, 'mx1'), ofStranger)],
    zones: [{ origin: customer, records: [mxRecord(customer, at(name, 'mx1'))] }],
    messages: [{ ...message, to: [`user@${customer}`] }],
  };
}

const mandatory: readonly ScenarioOutline[] = [
  {
    name: 'dane-only',
    title: 'a domain for which we demand DANE, which has it: delivered',
    signed: {},
    mx: { mx1: selfSigned },
    tlsa: { mx1: [ofKey] },
    settings: { daneOnly: [domainOf('dane-only')] },
    expected: overTls,
  },
  {
    name: 'dane-only-absent',
    title: 'a domain for which we demand DANE, without TLSA records: nobody is connected to',
    signed: {},
    mx: { mx1: {} },
    policy: {},
    settings: { daneOnly: [domainOf('dane-only-absent')] },
    expected: {
      to: { user: deferred('4.7.5') },
      codes: ['dane-required'],
      resultTypes: ['dane-required'],
      mx: { mx1: { messages: 0, connections: 0 } },
    },
  },
  {
    name: 'dane-switched-off',
    title: 'a DANE mismatch where the operator has switched DANE off: delivered',
    signed: {},
    mx: { mx1: {} },
    tlsa: { mx1: [ofStranger] },
    settings: { dane: false },
    expected: overTls,
  },
];

/** Each with an empty cache. */
export const daneScenarios: readonly Scenario[] = [
  ...verified,
  ...aliases,
  ...broken,
  ...unusable,
  ...behindInsecureMx,
  ...mandatory,
].map(drawScenario);
