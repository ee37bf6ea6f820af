import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { Channel } from '../../functions/delivery/channel.ts';
import { createChannelPool } from '../../functions/delivery/channel-pool.ts';
import type { ClaimSource } from '../../functions/delivery/claim-messages.ts';
import { createHostLog } from '../../functions/delivery/host-log.ts';
import type { DeliveryPlan } from '../../functions/delivery/plan-delivery.ts';
import { sendMessages } from '../../functions/delivery/send-messages.ts';
import { deferredFor } from '../../functions/protocol/smtp/recipient-result.ts';
import type { RecipientResult } from '../../functions/protocol/smtp/transaction.ts';
import { alike, createHarness, delivered, type Harness, mxOf, record } from './harness.ts';

const plan: DeliveryPlan = {
  kind: 'none',
  code: 'null-mx',
  reason: 'of no matter here',
  domain: 'rcpt.example',
  demand: 'default',
  sts: undefined,
  dane: 'on',
  lookups: [],
};

test.each([
  [true, true, 'another lane took the message: whoever comes back is served by this address'],
  [false, false, 'dead before it was of use: the next address'],
])(
  'a channel that is usable: %s, with nothing to send, is worth another: %s (%s)',
  async (usable, expected) => {
    const harness = createHarness();
    const { ports } = harness.parts;
    const channel: Channel = {
      target: { host: 'mx.example', address: '192.0.2.1', port: 25, tls: 'clear', verdictKey: '' },
      peerName: 'mx.example',
      capabilities: new Map(),
      usable,
      transact: () => Promise.reject(new TypeError('there is nothing to send')),
      quit: async () => {},
    };
    const source: ClaimSource = {
      next: async () => undefined,
      putBack: () => {},
      keepRest: async () => {},
    };
    const context = {
      ...harness.parts,
      pool: createChannelPool({ openChannel: ports.openChannel, perHostMax: 1, now: ports.now }),
      deadlineMs: harness.nowMs + 60_000,
      contentDeadlineMs: harness.nowMs + 60_000,
    };
    const opened = { channel, row: 'nothing published', requireTls: false, fail: () => {} };
    const sending = { plan, log: createHostLog(), source, context };
    expect(await sendMessages(opened, sending)).toBe(expected);
  },
);

/** What a channel has in hand, each to be answered by the test. */
interface Held {
  readonly id: string;
  readonly answer: (result: RecipientResult, sessionLost?: boolean) => void;
}

/** Has the harness's peers answer only when told to. */
function holdAnswers(harness: Harness): Held[] {
  const held: Held[] = [];
  const { openChannel } = harness.parts.ports;
  const holding: typeof openChannel = async (...asked) => {
    const channel = { ...(await openChannel(...asked)), usable: true };
    return Object.assign(channel, {
      transact: (transaction: Parameters<Channel['transact']>[0]) =>
        new Promise((resolve) => {
          const answer: Held['answer'] = (result, sessionLost = false) => {
            channel.usable &&= !sessionLost;
            const contentSent = sessionLost ? 'none' : 'complete';
            resolve(alike(transaction, result, { sessionLost, contentSent }));
          };
          held.push({ id: transaction.mailFrom, answer });
        }),
    });
  };
  Object.assign(harness.parts.ports, { openChannel: holding });
  return held;
}

/** Lets all that is under way come as far as it can, which takes some turns of the event loop where the machine is busy. */
async function pass(): Promise<void> {
  for (let count = 0; count < 20; count += 1) {
    await turn();
  }
}

const ids = (held: readonly Held[]): string[] => held.map(({ id }) => id);

test('a channel has three messages in hand, so that the third is claimed and read by the time its turn comes', async () => {
  const harness = createHarness();
  const held = holdAnswers(harness);
  const { claim, ...messages } = harness.stores.messages;
  let claims = 0;
  const counted: typeof claim = (request) => {
    claims += 1;
    return claim(request);
  };
  Object.assign(harness.parts.ports, { messages: { ...messages, claim: counted } });
  const names = ['a', 'b', 'c', 'd', 'e'].map((name) => `${name}@sender.example`);
  const run = harness.deliver(...names.map((mailFrom) => record({ mailFrom })));
  for (let answered = 0; answered < names.length; answered += 1) {
    await pass();
    const inHand = Math.min(answered + 3, names.length);
    expect({ inHand: ids(held), claims }).toEqual({
      inHand: names.slice(0, inHand),
      claims: inHand,
    });
    held[answered]?.answer(delivered);
  }
  expect(await run).toEqual([]);
});

test('all that a channel had in hand when it was lost goes over the next one, once', async () => {
  const harness = createHarness();
  harness.mx.set('rcpt.example', mxOf('mx1.rcpt.example', 'mx2.rcpt.example'));
  const held = holdAnswers(harness);
  const names = ['a', 'b', 'c', 'd'].map((name) => `${name}@sender.example`);
  const run = harness.deliver(...names.map((mailFrom) => record({ mailFrom })));
  await pass();
  for (const { answer } of held.splice(0)) {
    answer(deferredFor('connection-lost', 'closed by the peer'), true);
  }
  await pass();
  const again: string[] = [];
  for (let next = held.shift(); next !== undefined; next = held.shift()) {
    again.push(next.id);
    next.answer(delivered);
    await pass();
  }
  expect(again.sort()).toEqual(names);
  expect(await run).toEqual([]);
});
