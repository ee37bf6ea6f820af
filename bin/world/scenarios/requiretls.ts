/** REQUIRETLS and `TLS-Required: No` (RFC 8689). */

import type { MxBehaviour } from '../mx-behaviour.ts';
import type { Scenario } from '../scenario.ts';
import type { ExpectationOutline, MessageOutline, ScenarioOutline } from '../scenario-outline.ts';
import { at, deferred, domainOf, drawScenario, failed } from '../scenario-outline.ts';

const required: readonly MessageOutline[] = [{ requireTls: true }];

const offering: MxBehaviour = { requireTls: 'after-tls' };

const optional: readonly MessageOutline[] = [{ header: ['TLS-Required: No'] }];

const withParameter = { channel: 'tls', mailParameters: { REQUIRETLS: '' } } as const;

const withoutParameter = { channel: 'tls', mailParameters: { REQUIRETLS: null } } as const;

const notOffered: ExpectationOutline = {
  to: { user: failed('5.7.30') },
  codes: ['requiretls-not-offered'],
  resultTypes: [],
};

const notAuthenticated: ExpectationOutline = {
  to: { user: failed('5.7.10') },
  codes: ['mx-not-authenticated'],
  mx: { mx1: { messages: 0, connections: 0 } },
};

const requiring: readonly ScenarioOutline[] = [
  {
    name: 'requiretls-offered',
    title: 'REQUIRETLS, STS enforce, offered after TLS: delivered with the parameter',
    tour: true,
    mx: { mx1: offering },
    policy: {},
    messages: required,
    expected: { mx: { mx1: { ...withParameter, connections: 1 } }, resultTypes: [] },
  },
  {
    name: 'requiretls-not-offered',
    title: 'REQUIRETLS, STS enforce, not offered: back to the sender, nothing is sent',
    tour: true,
    mx: { mx1: {} },
    policy: {},
    messages: required,
    expected: notOffered,
  },
  {
    name: 'requiretls-no-policy',
    title: 'REQUIRETLS to a domain that publishes nothing: back to the sender, nothing is sent',
    tour: true,
    mx: { mx1: offering },
    messages: required,
    expected: notAuthenticated,
  },
  {
    name: 'requiretls-clear-only',
    title: 'REQUIRETLS offered in clear only, where anybody could have put it: nothing is sent',
    tour: true,
    mx: { mx1: { requireTls: 'clear-only' } },
    policy: {},
    messages: required,
    expected: notOffered,
  },
  {
    name: 'requiretls-look-alike',
    title: 'keywords and a host name that only look like REQUIRETLS: nothing is sent',
    mx: {
      mx1: { ehloName: 'requiretls.example', ehloLines: ['X-NO-REQUIRETLS', 'AUTH REQUIRETLS'] },
    },
    policy: {},
    messages: required,
    expected: notOffered,
  },
  {
    name: 'requiretls-testing',
    title: 'REQUIRETLS, STS testing: that authenticates nothing, back to the sender',
    mx: { mx1: offering },
    policy: { mode: 'testing' },
    messages: required,
    expected: { ...notAuthenticated, resultTypes: [] },
  },
  {
    name: 'requiretls-next-host',
    title: 'REQUIRETLS, the first host lacks it, the second offers it: delivered there',
    mx: { mx1: {}, mx2: offering },
    policy: {},
    messages: required,
    expected: { mx: { mx2: withParameter }, codes: ['requiretls-not-offered'], resultTypes: [] },
  },
  {
    name: 'requiretls-next-host-down',
    title: 'REQUIRETLS, the first host lacks it, the second is down: that may pass, so deferred',
    mx: { mx1: {}, mx2: { state: 'down' } },
    policy: {},
    messages: required,
    expected: {
      to: { user: deferred('4.7.30') },
      codes: ['requiretls-not-offered', 'connect-failed'],
      resultTypes: [],
    },
  },
  {
    name: 'requiretls-expired',
    title: 'REQUIRETLS, an expired certificate: back to the sender, nothing is sent',
    mx: { mx1: { ...offering, tls: { certificate: 'expired' } } },
    policy: {},
    messages: required,
    expected: {
      to: { user: failed('5.7.10') },
      codes: ['certificate-expired'],
      resultTypes: ['certificate-expired'],
    },
  },
  {
    name: 'requiretls-common-name',
    title: 'REQUIRETLS, the name in the common name alone: that is not looked at',
    mx: { mx1: { ...offering, tls: { certificate: 'common-name-only' } } },
    policy: {},
    messages: required,
    expected: {
      to: { user: failed('5.7.10') },
      codes: ['certificate-host-mismatch'],
      resultTypes: ['certificate-host-mismatch'],
    },
  },
  {
    name: 'requiretls-starttls-stripped',
    title: 'REQUIRETLS, STARTTLS stripped: back to the sender, nothing is sent',
    mx: { mx1: { startTls: 'absent' } },
    policy: {},
    messages: required,
    expected: {
      to: { user: failed('5.7.10') },
      codes: ['starttls-not-offered'],
      resultTypes: ['starttls-not-supported'],
    },
  },
  {
    name: 'requiretls-mx-not-listed',
    title: 'REQUIRETLS, the MX is not in the policy: back to the sender, nothing is sent',
    mx: { mx1: offering },
    policy: { mx: [at('requiretls-mx-not-listed', 'mx9')] },
    messages: required,
    expected: {
      to: { user: failed('5.7.10') },
      codes: ['sts-mx-mismatch'],
      resultTypes: ['validation-failure'],
      mx: { mx1: { messages: 0, connections: 0 } },
    },
  },
  {
    name: 'requiretls-policy-unknown',
    title: 'REQUIRETLS, the policy host is down and nothing cached: that may pass, so deferred',
    mx: { mx1: offering },
    policy: { host: { state: 'down' } },
    messages: required,
    expected: {
      to: { user: deferred('4.7.5') },
      codes: ['sts-policy-unknown'],
      mx: { mx1: { messages: 0, connections: 0 } },
    },
  },
  {
    name: 'requiretls-implicit-mx',
    title: 'REQUIRETLS, no MX record: the domain itself proves its name, delivered',
    mx: { '@': offering },
    messages: required,
    expected: { mx: { '@': { ...withParameter, serverName: domainOf('requiretls-implicit-mx') } } },
  },
  {
    name: 'requiretls-address-tag',
    title: 'a recipient with the tag +requiretls: tagged as REQUIRETLS, the tag taken off',
    mx: { mx1: offering },
    policy: {},
    messages: [{ to: ['user+RequireTLS'] }],
    expected: {
      mx: {
        mx1: {
          ...withParameter,
          recipients: ['user'],
          rcptParameters: {
            [`user@${domainOf('requiretls-address-tag')}`]: {
              ORCPT: `rfc822;user+2BRequireTLS@${domainOf('requiretls-address-tag')}`,
            },
          },
        },
      },
      resultTypes: [],
    },
  },
  {
    name: 'requiretls-null-sender',
    title:
      'REQUIRETLS on a message that nobody could get back, without a redacted form: nothing is sent',
    mx: { mx1: {} },
    policy: {},
    messages: [{ from: '', requireTls: true }],
    expected: notOffered,
  },
  {
    name: 'requiretls-and-optional',
    title: 'REQUIRETLS and TLS-Required: No in one message: REQUIRETLS counts',
    mx: { mx1: {} },
    policy: {},
    messages: [{ requireTls: true, header: ['TLS-Required: No'] }],
    expected: notOffered,
  },
  {
    name: 'default-never-requires',
    title: 'a host that offers REQUIRETLS gets no parameter on a message that does not ask for it',
    mx: { mx1: offering },
    policy: {},
    expected: { mx: { mx1: withoutParameter }, resultTypes: [] },
  },
];

const doingWithout: readonly ScenarioOutline[] = [
  {
    name: 'tls-optional-wrong-name',
    title: 'TLS-Required: No past a policy that the host breaks: delivered over what TLS there is',
    tour: true,
    mx: { mx1: { tls: { certificate: 'wrong-name' } } },
    policy: {},
    messages: optional,
    expected: { mx: { mx1: withoutParameter } },
  },
  {
    name: 'tls-optional-stripped',
    title: 'TLS-Required: No, STARTTLS stripped under an enforced policy: delivered in clear',
    mx: { mx1: { startTls: 'absent' } },
    policy: {},
    messages: optional,
    expected: { mx: { mx1: { channel: 'clear' } } },
  },
  {
    name: 'tls-optional-not-listed',
    title: 'TLS-Required: No, the MX is not in the policy: delivered',
    mx: { mx1: {} },
    policy: { mx: [at('tls-optional-not-listed', 'mx9')] },
    messages: optional,
    expected: { mx: { mx1: withoutParameter } },
  },
];

/** Messages that ask for more than the default, and for less. */
export const requireTlsScenarios: readonly Scenario[] = [...requiring, ...doingWithout].map(
  drawScenario,
);
