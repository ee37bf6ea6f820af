/** What DNSSEC proves, and what it does not: signed zones with faults, insecure ones, and REQUIRETLS by DNSSEC. */
import type { MxBehaviour } from '../mx-behaviour.ts';
import type { Scenario } from '../scenario.ts';
import {
  at,
  deferred,
  domainOf,
  drawScenario,
  type ExpectationOutline,
  failed,
  type MessageOutline,
  type ScenarioOutline,
  starttlsStripped,
} from '../scenario-outline.ts';
import {
  certificate,
  mismatch,
  mxRecord,
  ofKey,
  ofStranger,
  overTls,
  selfSigned,
} from './dane-parts.ts';

const offering: MxBehaviour = { ...selfSigned, requireTls: 'after-tls' };

const required: readonly MessageOutline[] = [{ requireTls: true }];

/** Delivered although no TLS is offered: no TLSA record counted. */
const inClear: ExpectationOutline = { mx: { mx1: { channel: 'clear' } }, resultTypes: [] };

/** Nobody is even connected to. */
const bogus: ExpectationOutline = {
  to: { user: deferred('4.7.0') },
  codes: ['dns-bogus'],
  mx: { mx1: { messages: 0, connections: 0 } },
};

const withParameter: ExpectationOutline = {
  mx: { mx1: { channel: 'tls', mailParameters: { REQUIRETLS: '' } } },
  resultTypes: [],
};

const lookups: readonly ScenarioOutline[] = [
  {
    name: 'dane-tlsa-bogus',
    title: 'TLSA records that somebody tampered with: nobody is connected to',
    tour: true,
    signed: {
      faults: [{ fault: 'wrong-signature', name: at('dane-tlsa-bogus', 'mx1'), type: 'TLSA' }],
    },
    mx: { mx1: {} },
    tlsa: { mx1: [ofKey] },
    expected: { ...bogus, resultTypes: ['dnssec-invalid'] },
  },
  {
    name: 'dane-tlsa-stripped',
    title: 'TLSA records without their signature: as good as tampered with',
    signed: {
      faults: [{ fault: 'stripped', name: at('dane-tlsa-stripped', 'mx1'), type: 'TLSA' }],
    },
    mx: { mx1: {} },
    tlsa: { mx1: [ofKey] },
    expected: { ...bogus, resultTypes: ['dnssec-invalid'] },
  },
  {
    name: 'dane-tlsa-failing',
    title: 'the look-up of TLSA records fails: the host is not used, never downgraded',
    signed: {},
    mx: { mx1: {} },
    tlsa: { mx1: [ofKey] },
    faults: [{ name: at('dane-tlsa-failing', 'mx1'), type: 'TLSA', fault: 'SERVFAIL' }],
    expected: {
      to: { user: deferred('4.4.3') },
      codes: ['dns-server-failure'],
      mx: { mx1: { messages: 0, connections: 0 } },
      resultTypes: [],
    },
  },
  {
    name: 'dane-tlsa-silent',
    title: 'nobody answers for TLSA records: the host is not used, never downgraded',
    signed: {},
    mx: { mx1: {} },
    tlsa: { mx1: [ofKey] },
    faults: [{ name: at('dane-tlsa-silent', 'mx1'), type: 'TLSA', fault: 'silence' }],
    expected: {
      to: { user: deferred('4.4.3') },
      codes: ['dns-timeout'],
      mx: { mx1: { messages: 0, connections: 0 } },
      resultTypes: [],
    },
  },
  {
    name: 'dane-forged-mx',
    title: 'a forged MX record in a signed zone: nobody is connected to',
    tour: true,
    signed: {
      forged: [mxRecord(domainOf('dane-forged-mx'), at('dane-forged-mx', 'attacker'))],
    },
    mx: { mx1: {}, attacker: {} },
    recordsOnly: true,
    records: [mxRecord(domainOf('dane-forged-mx'), at('dane-forged-mx', 'mx1'))],
    expected: {
      ...bogus,
      mx: {
        mx1: { messages: 0, connections: 0 },
        attacker: { messages: 0, connections: 0 },
      },
    },
  },
  ...(['expired', 'future', 'stripped'] as const).map(
    (fault): ScenarioOutline => ({
      name: `dane-zone-${fault}`,
      title: `a zone whose signatures are ${fault}: nobody is connected to`,
      signed: { faults: [{ fault }] },
      mx: { mx1: {} },
      expected: bogus,
    }),
  ),
  {
    name: 'dane-zone-wrong-ds',
    title: 'a zone with a key that its parent does not know: nobody is connected to',
    signed: { ds: 'wrong' },
    mx: { mx1: {} },
    expected: bogus,
  },
];

/** No chain of trust leads to these, and that is proven: TLSA records in them are not even asked for. */
const insecure: readonly ScenarioOutline[] = [
  {
    name: 'dane-insecure-zone',
    title: 'TLSA records in an unsigned zone, whose server fails on the question: opportunistic',
    tour: true,
    mx: { mx1: {} },
    tlsa: { mx1: [ofStranger] },
    faults: [{ name: at('dane-insecure-zone', 'mx1'), type: 'TLSA', fault: 'SERVFAIL' }],
    expected: overTls,
  },
  {
    name: 'dane-missing-ds',
    title: 'a signed zone for which its parent does not vouch: as unsigned',
    signed: { ds: 'missing' },
    mx: { mx1: starttlsStripped },
    tlsa: { mx1: [ofStranger] },
    expected: inClear,
  },
  {
    name: 'dane-algorithm-unsupported',
    title: 'a zone signed by an algorithm that does not count (SHA-1): as unsigned',
    signed: { algorithm: 7 },
    mx: { mx1: starttlsStripped },
    tlsa: { mx1: [ofStranger] },
    expected: inClear,
  },
  {
    name: 'dane-opt-out',
    title: 'a signed domain with its MX host in an unsigned zone, by opt-out: opportunistic',
    signed: { denial: 'NSEC3-opt-out' },
    mx: { 'mx1.hosts': starttlsStripped },
    tlsa: { 'mx1.hosts': [ofStranger] },
    zones: [{ origin: at('dane-opt-out', 'hosts'), records: [] }],
    expected: { mx: { 'mx1.hosts': { channel: 'clear' } }, resultTypes: [] },
  },
];

const requiring: readonly ScenarioOutline[] = [
  {
    name: 'requiretls-dane',
    title: 'REQUIRETLS, DNSSEC vouches for the MX and DANE for its key, no STS: delivered',
    tour: true,
    signed: {},
    mx: { mx1: offering },
    tlsa: { mx1: [ofKey] },
    messages: required,
    expected: withParameter,
  },
  {
    name: 'requiretls-secure-mx',
    title: 'REQUIRETLS, DNSSEC vouches for the MX and PKIX for its name, no STS: delivered',
    signed: {},
    mx: { mx1: { requireTls: 'after-tls' } },
    messages: required,
    expected: withParameter,
  },
  {
    name: 'requiretls-secure-mx-expired',
    title: 'REQUIRETLS, DNSSEC vouches for the MX, an expired certificate: back to the sender',
    signed: {},
    mx: { mx1: { ...certificate('expired'), requireTls: 'after-tls' } },
    messages: required,
    expected: { to: { user: failed('5.7.10') }, codes: ['certificate-expired'] },
  },
  {
    name: 'requiretls-dane-mismatch',
    title: 'REQUIRETLS, a DANE mismatch though PKIX and STS pass: back to the sender',
    signed: {},
    mx: { mx1: { requireTls: 'after-tls' } },
    policy: {},
    tlsa: { mx1: [ofStranger] },
    messages: required,
    expected: { ...mismatch, to: { user: failed('5.7.10') } },
  },
  ...([8, 10, 14, 15, 16] as const).map(
    (algorithm): ScenarioOutline => ({
      name: `requiretls-dane-algorithm-${algorithm}`,
      title: `REQUIRETLS, a zone signed by algorithm ${algorithm}: delivered`,
      signed: { algorithm, denial: 'NSEC3' },
      mx: { mx1: offering },
      tlsa: { mx1: [ofKey] },
      messages: required,
      expected: withParameter,
    }),
  ),
];

/** Each with an empty cache. */
export const dnssecScenarios: readonly Scenario[] = [...lookups, ...insecure, ...requiring].map(
  drawScenario,
);
