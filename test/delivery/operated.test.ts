/** What delivery makes of what an operator did to a row meanwhile. */
import { describe, expect, test } from 'vitest';
import { controlOf } from '../operating/memory-control.ts';
import { alike, createHarness, type Harness, record, reply } from './harness.ts';

const only = 'rcpt.example';

/** A message that was put off once, the record of its next attempt, and whoever operates on it. */
async function putOff() {
  const harness = createHarness();
  harness.peers.set('mx.rcpt.example', {
    answer: (transaction) =>
      alike(transaction, {
        outcome: 'deferred',
        code: 'deferred-by-peer',
        reason: 'greylisted',
        reply: reply(450, 'come back later'),
      }),
  });
  await harness.deliver(record());
  harness.peers.delete('mx.rcpt.example');
  const [retry] = harness.stores.retryEntries();
  if (retry === undefined) {
    throw new Error('not put off');
  }
  harness.nowMs = retry.dueAtMs;
  const { message } = retry;
  const control = controlOf(harness.stores);
  const key = { id: message.id, domain: only };
  return { harness, control, key, message, next: record({}, { body: JSON.stringify(message) }) };
}

const sentBefore = (harness: Harness): number => harness.sent.length;

describe('a held delivery', () => {
  test('is not attempted, and its record leaves the queue', async () => {
    const { harness, control, key, next } = await putOff();
    await control.hold(key, { author: 'alice', reason: 'wait', sinceMs: 0 });
    const before = sentBefore(harness);
    expect(await harness.deliver(next)).toEqual([]);
    expect(harness.sent).toHaveLength(before);
    expect(await control.readDelivery(key.id, only)).toMatchObject({
      state: 'deferred',
      attempt: 1,
    });
  });

  test('is attempted as before once it is released', async () => {
    const { harness, control, key, next } = await putOff();
    await control.hold(key, { author: 'alice', reason: 'wait', sinceMs: 0 });
    await harness.deliver(next);
    await control.release(key, harness.nowMs);
    await harness.deliver(next);
    expect(await control.readDelivery(key.id, only)).toMatchObject({ state: 'finished' });
  });
});

describe('a demand that was overridden after the record was made', () => {
  const demand = { demand: 'require', demandReason: 'alice: secret', explicit: true } as const;

  test('nothing is sent by the old one: a record that asks for the new one takes its place', async () => {
    const { harness, control, key, next } = await putOff();
    await control.override(key, demand, harness.nowMs);
    const before = sentBefore(harness);
    expect(await harness.deliver(next)).toEqual([]);
    expect(harness.sent).toHaveLength(before);
    expect(harness.stores.sent.at(-1)).toMatchObject({ id: key.id, attempt: 2, prepared: demand });
  });

  test('that record is attempted by it', async () => {
    const { harness, control, key, next } = await putOff();
    await control.override(key, demand, harness.nowMs);
    await harness.deliver(next);
    await harness.deliver(record({}, { body: JSON.stringify(harness.stores.sent.at(-1)) }));
    const row = await control.readDelivery(key.id, only);
    expect(row?.why?.demand).toEqual({ level: 'require', reason: 'alice: secret' });
  });

  test('also where the level is the same, and is now the word of the operator', async () => {
    const { harness, control, key, message } = await putOff();
    await control.override(key, demand, harness.nowMs);
    const prepared = { ...message.prepared, demand: 'require', explicit: false };
    const before = sentBefore(harness);
    await harness.deliver(record({}, { body: JSON.stringify({ ...message, prepared }) }));
    expect(harness.sent).toHaveLength(before);
    expect(harness.stores.sent.at(-1)?.prepared).toMatchObject({ explicit: true });
  });

  test('where it cannot be sent, the old record stays in the queue, and nothing goes out', async () => {
    const { harness, control, key, next } = await putOff();
    await control.override(key, demand, harness.nowMs);
    harness.stores.fail('enqueue', 'before');
    const before = sentBefore(harness);
    expect(await harness.deliver(next)).toEqual([next.messageId]);
    expect(harness.sent).toHaveLength(before);
  });
});
