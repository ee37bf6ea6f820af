import { expect, test } from 'vitest';
import type { Channel } from '../../functions/delivery/channel.ts';
import { createChannelPool } from '../../functions/delivery/channel-pool.ts';
import type { ClaimSource } from '../../functions/delivery/claim-messages.ts';
import { createHostLog } from '../../functions/delivery/host-log.ts';
import type { DeliveryPlan } from '../../functions/delivery/plan-delivery.ts';
import { sendMessages } from '../../functions/delivery/send-messages.ts';
import { createHarness } from './harness.ts';

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
