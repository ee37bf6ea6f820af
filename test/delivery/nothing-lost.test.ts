/**
 * Claims, leases and the order of writes: what SQS and a dying function can do to a record, and that nothing is lost
 * and nothing sent twice but where a reply was given and never written down.
 */
import { describe, expect, test } from 'vitest';
import { alike, createHarness, type Harness, mxOf, record, reply } from './harness.ts';

const only = 'rcpt.example';
const idOf = ({ body }: { body: string }): string => JSON.parse(body).id;
const leaseMs = 21 * 60_000;

const greylisting = (harness: Harness): void => {
  harness.peers.set('mx.rcpt.example', {
    answer: (transaction) =>
      alike(transaction, {
        outcome: 'deferred',
        code: 'deferred-by-peer',
        reason: 'greylisted',
        reply: reply(450, 'later'),
      }),
  });
};

test('two deliveries of one record at once: one sends, the other waits for the lease', async () => {
  const harness = createHarness();
  const one = record();
  const twin = { ...one, receiptHandle: 'twin' };
  const kept = await Promise.all([harness.deliver(one), harness.deliver(twin)]);
  expect(harness.sent).toHaveLength(1);
  expect(kept.flat()).toEqual([one.messageId]);
  expect(harness.stores.hidden).toHaveLength(1);
  const [hidden] = harness.stores.hidden;
  expect(hidden?.seconds).toBe(20 * 60);
  // Hidden till the lease's end, it finds the attempt settled and is dropped.
  harness.nowMs += leaseMs;
  expect(await harness.deliver(twin)).toEqual([]);
  expect(harness.sent).toHaveLength(1);
});

test('a late duplicate of a settled attempt is dropped', async () => {
  const harness = createHarness();
  greylisting(harness);
  const one = record();
  await harness.deliver(one);
  expect(await harness.deliver(one)).toEqual([]);
  expect(harness.sent).toHaveLength(1);
  expect(harness.stores.retryEntries()).toHaveLength(1);
});

test('an id that is used again for another domain leaves the content that waits as it was', async () => {
  const harness = createHarness();
  greylisting(harness);
  harness.mx.set('other.example', mxOf('mx.rcpt.example'));
  const content = (text: string) => ({ data: Buffer.from(`\r\n${text}\r\n`).toString('base64') });
  await harness.deliver(record({ id: 'used', content: content('for Bob') }));
  const rcptTo = [{ address: 'eve@other.example' }];
  await harness.deliver(record({ id: 'used', rcptTo, content: content('for Eve') }));
  const [retry] = harness.stores.retryEntries();
  await harness.deliver(record({}, { body: JSON.stringify(retry?.message) }));
  const { recipients, content: sent } = harness.sent[2]?.transaction ?? {};
  expect(recipients).toEqual([{ address: 'bob@rcpt.example' }]);
  expect(String(Buffer.from(sent ?? []))).toContain('for Bob');
});

test('attempt 1 arriving after attempt 2 is dropped', async () => {
  const harness = createHarness();
  greylisting(harness);
  const one = record();
  await harness.deliver(one);
  const [retry] = harness.stores.retryEntries();
  await harness.deliver(record({}, { body: JSON.stringify(retry?.message) }));
  expect(await harness.deliver(one)).toEqual([]);
  expect(harness.sent).toHaveLength(2);
});

/** Ends the function at boundary `index` of its stores: nothing after it happens. */
async function dieAt(
  index: number,
  harness: Harness,
  one: ReturnType<typeof record>,
): Promise<boolean> {
  let died = false;
  const { promise: death, resolve } = Promise.withResolvers<void>();
  harness.stores.intercept((boundary) => {
    if (boundary.index >= index) {
      died = true;
      resolve();
      return new Promise<void>(() => {});
    }
    return undefined;
  });
  await Promise.race([harness.deliver(one), death]);
  harness.stores.intercept(() => {});
  return died;
}

describe.each([
  ['delivered', (_harness: Harness) => {}, 5],
  ['put off', greylisting, 7],
] as const)(
  'the function dies at any moment of a message that is %s',
  (outcome, prepare, operations) => {
    test.each(Array.from({ length: 2 * operations }, (_, index) => index))(
      'boundary %i',
      async (index) => {
        const harness = createHarness();
        prepare(harness);
        const one = record();
        expect(await dieAt(index, harness, one)).toBe(true);
        const sentBefore = harness.sent.length;
        // SQS hands the record out again when its visibility ends, after the lease.
        harness.nowMs += leaseMs;
        expect(await harness.deliver(one)).toEqual([]);
        const row = await harness.stores.messages.readDelivery(idOf(one), only);
        const settledBefore = index >= 2 * operations - 1;
        expect(harness.sent.length - sentBefore).toBe(settledBefore ? 0 : 1);
        expect(row).toMatchObject(
          outcome === 'delivered'
            ? { state: 'finished', attempt: 1, recipients: [{ state: 'delivered' }] }
            : { state: 'deferred', attempt: 1, recipients: [{ state: 'pending' }] },
        );
        // However often step 1 ran, attempt 2 is in the retry table once.
        expect(harness.stores.retryEntries()).toHaveLength(outcome === 'delivered' ? 0 : 1);
      },
    );
  },
);

describe.each(['before', 'after'] as const)(
  'a store fails once, %s it has done its work',
  (phase) => {
    test.each(['read', 'claim', 'settle', 'keep', 'put'] as const)('%s', async (operation) => {
      const harness = createHarness();
      greylisting(harness);
      const bystander = record();
      const one = record();
      harness.stores.fail(operation, phase);
      const kept = await harness.deliver(one, bystander);
      expect(kept.length).toBeLessThanOrEqual(1);
      // What was kept comes again, after the lease.
      harness.nowMs += leaseMs;
      expect(
        await harness.deliver(
          ...[one, bystander].filter(({ messageId }) => kept.includes(messageId)),
        ),
      ).toEqual([]);
      for (const each of [one, bystander]) {
        expect(await harness.stores.messages.readDelivery(idOf(each), only)).toMatchObject({
          state: 'deferred',
        });
      }
      expect(harness.stores.retryEntries()).toHaveLength(2);
      expect(harness.stores.deadLetters).toEqual([]);
    });
  },
);

test('a claim lost while sending is no success to anybody but its new holder', async () => {
  const harness = createHarness();
  const one = record();
  harness.peers.set('mx.rcpt.example', {
    answer: (transaction) => {
      // The function was frozen for an hour in the middle of its work.
      harness.nowMs += 60 * 60_000;
      return alike(transaction, { outcome: 'delivered', reply: reply(250, 'ok') });
    },
  });
  let takenOver = false;
  harness.stores.intercept(async ({ operation, phase }) => {
    if (operation === 'settle' && phase === 'before' && !takenOver) {
      takenOver = true;
      harness.peers.clear();
      await harness.deliver(one);
    }
  });
  await harness.deliver(one);
  expect(await harness.stores.messages.readDelivery(idOf(one), only)).toMatchObject({
    state: 'finished',
    recipients: [{ state: 'delivered' }],
  });
  expect(harness.events.filter(({ kind }) => kind === 'fault')).toHaveLength(1);
});
