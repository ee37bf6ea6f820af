/** What peers say and fail to say in a session and its transactions (RFC 5321 §3.3, §4.2), and ESMTP extensions. */
import type { MxBehaviour, StepBehaviour } from '../mx-behaviour.ts';
import type { Scenario } from '../scenario.ts';
import {
  deferred,
  delivered,
  domainOf,
  drawScenario,
  type ExpectationOutline,
  failed,
  type MessageOutline,
  type ScenarioOutline,
} from '../scenario-outline.ts';

const overTls: ExpectationOutline = { mx: { mx1: { channel: 'tls' } } };

/** A transaction that was begun and came to nothing. */
const inVain = { mx1: { messages: 0, transactions: 1 } } as const;

/** One host that does something at one step, and what becomes of the message. */
function stepScenario(
  name: string,
  title: string,
  steps: NonNullable<MxBehaviour['steps']>,
  expected: ExpectationOutline,
): ScenarioOutline {
  return { name, title, mx: { mx1: { steps } }, expected };
}

const refused: readonly ScenarioOutline[] = [
  {
    name: 'two-recipients-one-rejected',
    title: 'two recipients, one rejected: one delivered, one back to the sender',
    tour: true,
    mx: {
      mx1: {
        recipients: {
          [`nobody@${domainOf('two-recipients-one-rejected')}`]: {
            reply: '550 5.1.1 No such user',
          },
        },
      },
    },
    policy: {},
    messages: [{ to: ['user', 'nobody'] }],
    expected: {
      to: { user: delivered, nobody: failed('5.1.1') },
      codes: ['rejected'],
      resultTypes: [],
      mx: { mx1: { channel: 'tls', recipients: ['user'] } },
    },
  },
  ...[true, false].map(
    (dataWithoutRecipients): ScenarioOutline => ({
      name: `all-rejected-${dataWithoutRecipients ? 'and-354' : 'and-554'}`,
      title: `every recipient rejected, DATA then ${dataWithoutRecipients ? 'taken' : 'refused'}`,
      mx: {
        mx1: {
          chunking: false,
          dataWithoutRecipients,
          steps: { rcpt: { reply: '550 5.1.1 No such user' } },
        },
      },
      expected: { to: { user: failed('5.1.1') }, codes: ['rejected'], mx: inVain },
    }),
  ),
  {
    name: 'too-many-recipients',
    title: 'more recipients than the host takes at once: the rest is deferred',
    mx: { mx1: { recipientsMax: 1 } },
    messages: [{ to: ['user', 'other'] }],
    expected: {
      to: { user: delivered, other: deferred('4.5.3') },
      codes: ['deferred-by-peer'],
      mx: { mx1: { recipients: ['user'] } },
    },
  },
  {
    name: 'greylisted',
    title: 'greylisting: deferred',
    tour: true,
    mx: { mx1: { steps: { rcpt: { reply: '451 4.7.1 Greylisted, try again in a minute' } } } },
    expected: { to: { user: deferred('4.7.1') }, codes: ['deferred-by-peer'], mx: inVain },
  },
  stepScenario(
    'mail-refused',
    'MAIL refused for good: back to the sender',
    { mail: { reply: '550 5.7.1 Your address is not welcome' } },
    { to: { user: failed('5.7.1') }, codes: ['rejected'] },
  ),
  stepScenario(
    'mail-put-off',
    'MAIL put off without an enhanced code: deferred',
    { mail: { reply: '451 Later' } },
    { to: { user: deferred('4.0.0') }, codes: ['deferred-by-peer'] },
  ),
  stepScenario(
    'content-refused',
    'the content refused at its end: back to the sender',
    { content: { reply: '554-5.7.1 We do not like\n554 5.7.1 what you write' } },
    { to: { user: failed('5.7.1') }, codes: ['rejected'], mx: inVain },
  ),
  stepScenario(
    'content-put-off',
    'the content put off at its end: deferred',
    { content: { reply: '452 4.3.1 Disk full' } },
    { to: { user: deferred('4.3.1') }, codes: ['deferred-by-peer'], mx: inVain },
  ),
  {
    name: 'data-put-off',
    title: 'DATA put off: deferred',
    mx: { mx1: { chunking: false, steps: { data: { reply: '451 4.3.0 Later' } } } },
    expected: { to: { user: deferred('4.3.0') }, codes: ['deferred-by-peer'], mx: inVain },
  },
];

const broken: readonly ScenarioOutline[] = [
  stepScenario(
    'greeting-refused',
    'a greeting that refuses the connection: deferred',
    { greeting: { reply: '554 5.3.2 Closed for today' } },
    { to: { user: deferred('4.3.2') }, codes: ['greeting-refused'] },
  ),
  stepScenario(
    'closes-at-greeting',
    'a connection that closes without a word: deferred',
    { greeting: { close: 'instead' } },
    { to: { user: deferred('4.4.2') }, codes: ['connection-lost'] },
  ),
  stepScenario(
    'closes-at-mail',
    'a connection that closes at MAIL: deferred',
    { mail: { close: 'instead' } },
    { to: { user: deferred('4.4.2') }, codes: ['connection-lost'] },
  ),
  {
    name: 'closes-mid-content',
    title: 'a connection that closes in the middle of the content: deferred',
    mx: { mx1: { closeAfterContentOctets: 100_000 } },
    messages: [{ body: `${'0123456789'.repeat(7)}\r\n`.repeat(9_000) }],
    // Whether the end of the content had left by then is the network's affair: lost or in doubt, but not settled.
    expected: { to: { user: deferred('4.4.2') }, mx: inVain },
  },
  stepScenario(
    'closes-after-content',
    'a connection that closes in the place of the final reply: in doubt, deferred',
    { content: { close: 'instead' } },
    { to: { user: deferred('4.4.2') }, codes: ['in-doubt'], mx: inVain },
  ),
  {
    ...stepScenario(
      'silent-after-content',
      'no final reply: in doubt, deferred',
      { content: { silent: true } },
      { to: { user: deferred('4.4.2') }, codes: ['in-doubt'], mx: inVain },
    ),
    attemptMs: 5_000,
  },
  ...(
    [
      ['silent-at-greeting', 'no greeting', { greeting: { silent: true } }],
      ['tarpit', 'an octet of the greeting every second', { greeting: { dripMs: 1_000 } }],
    ] as const satisfies readonly (readonly [string, string, Record<string, StepBehaviour>])[]
  ).map(
    ([name, what, steps]): ScenarioOutline => ({
      ...stepScenario(name, `${what}: deferred`, steps, {
        to: { user: deferred('4.4.2') },
        codes: ['smtp-timeout'],
      }),
      attemptMs: 5_000,
    }),
  ),
  stepScenario(
    'huge-reply',
    'an EHLO reply of thousands of lines: deferred',
    { ehlo: { repeatLines: 5_000 } },
    { to: { user: deferred('4.5.0') }, codes: ['reply-malformed'] },
  ),
  stepScenario(
    'reply-malformed',
    'a reply that is none: deferred',
    { ehlo: { reply: 'I beg your pardon?' } },
    { to: { user: deferred('4.5.0') }, codes: ['reply-malformed'] },
  ),
];

const eightBit: readonly MessageOutline[] = [{ body: 'Grüße\r\n' }];

const extensions: readonly ScenarioOutline[] = [
  {
    name: 'three-messages-one-connection',
    title: 'three messages to one domain: one connection',
    tour: true,
    mx: { mx1: {} },
    policy: {},
    messages: ['one', 'two', 'three'].map((to) => ({ to: [to] })),
    expected: {
      to: { one: delivered, two: delivered, three: delivered },
      mx: {
        mx1: {
          messages: 3,
          connections: 1,
          channel: 'tls',
          recipients: ['one', 'two', 'three'],
        },
      },
      codes: [],
      resultTypes: [],
    },
  },
  ...(
    [
      ['no-chunking', 'DATA where BDAT is not offered', { chunking: false }],
      ['no-pipelining', 'one command at a time', { pipelining: false }],
      ['no-extensions', 'no extension but STARTTLS', bare()],
    ] as const
  ).map(
    ([name, what, behaviour]): ScenarioOutline => ({
      name,
      title: `${what}: delivered`,
      mx: { mx1: behaviour },
      messages: ['one', 'two'].map((to) => ({ to: [to] })),
      expected: {
        to: { one: delivered, two: delivered },
        mx: { mx1: { messages: 2, channel: 'tls' } },
      },
    }),
  ),
  {
    name: 'eight-bit',
    title: '8-bit content, 8BITMIME offered: delivered as such',
    mx: { mx1: {} },
    messages: eightBit,
    expected: { mx: { mx1: { mailParameters: { BODY: '8BITMIME' } } } },
  },
  {
    name: 'eight-bit-lacking',
    title: '8-bit content, 8BITMIME not offered: back to the sender',
    mx: { mx1: { eightBitMime: false } },
    messages: eightBit,
    expected: { to: { user: failed('5.6.3') }, codes: ['eightbitmime-not-offered'] },
  },
  {
    name: 'international',
    title: 'a recipient beyond ASCII, SMTPUTF8 offered: delivered',
    mx: { mx1: {} },
    messages: [{ to: ['grüße'], smtpUtf8: true }],
    expected: {
      to: { grüße: delivered },
      mx: { mx1: { mailParameters: { SMTPUTF8: '' }, recipients: ['grüße'] } },
    },
  },
  {
    name: 'international-lacking',
    title: 'a recipient beyond ASCII, SMTPUTF8 not offered: back to the sender',
    mx: { mx1: { smtpUtf8: false } },
    messages: [{ to: ['grüße'], smtpUtf8: true }],
    expected: { to: { grüße: failed('5.6.7') }, codes: ['smtputf8-not-offered'] },
  },
  {
    name: 'size-exceeded',
    title: 'a message larger than SIZE allows: back to the sender, nothing is sent',
    mx: { mx1: { sizeMax: 100 } },
    expected: { to: { user: failed('5.3.4') }, codes: ['size-exceeded'] },
  },
  {
    name: 'dsn',
    title: 'DSN parameters where DSN is offered: passed on',
    mx: { mx1: {} },
    messages: [dsnMessage('dsn')],
    expected: {
      mx: {
        mx1: {
          mailParameters: { RET: 'HDRS', ENVID: 'tour+2B1' },
          rcptParameters: {
            [`user@${domainOf('dsn')}`]: {
              NOTIFY: 'SUCCESS,FAILURE',
              ORCPT: 'rfc822;first@sender.example',
            },
          },
        },
      },
    },
  },
  {
    name: 'dsn-lacking',
    title: 'DSN parameters where DSN is not offered: left out',
    mx: { mx1: { dsn: false } },
    messages: [dsnMessage('dsn-lacking')],
    expected: { mx: { mx1: { mailParameters: { RET: null, ENVID: null } } } },
  },
  {
    name: 'session-ends-after-message',
    title: 'a host that closes after each message: every message gets a connection of its own',
    mx: { mx1: { steps: { content: { close: 'after' } } } },
    messages: ['one', 'two'].map((to) => ({ to: [to] })),
    expected: { to: { one: delivered, two: delivered }, mx: { mx1: { messages: 2 } } },
  },
  {
    name: 'large-message',
    title: 'a message of half a megabyte: octet by octet as it was handed in',
    mx: { mx1: {} },
    messages: [{ body: `.${'0123456789'.repeat(7)}\r\n`.repeat(7_000) }],
    expected: overTls,
  },
];

function bare(): MxBehaviour {
  return {
    pipelining: false,
    chunking: false,
    eightBitMime: false,
    smtpUtf8: false,
    dsn: false,
    sizeMax: null,
  };
}

function dsnMessage(name: string): MessageOutline {
  return {
    recipients: [
      {
        address: `user@${domainOf(name)}`,
        notify: ['SUCCESS', 'FAILURE'],
        orcpt: 'rfc822;first@sender.example',
      },
    ],
    ret: 'HDRS',
    envid: 'tour+1',
  };
}

/** Refusals, broken sessions and extensions. */
export const transactionScenarios: readonly Scenario[] = [...refused, ...broken, ...extensions].map(
  drawScenario,
);
