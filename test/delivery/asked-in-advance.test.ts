/** What delivery makes of a record whose delivery an operator has held, cancelled or overridden before it was begun. */
import { describe, expect, test } from 'vitest';
import { nextMessage } from '../../functions/delivery/stored-delivery.ts';
import type { MessageControl } from '../../functions/operating/ports.ts';
import { controlOf } from '../operating/memory-control.ts';
import { createHarness, type Harness, record } from './harness.ts';
import { preparedMessage } from './port-fixtures.ts';

const domain = 'rcpt.example';
const hour = 60 * 60_000;
const note = { author: 'alice', reason: 'wait for the lawyers', sinceMs: 0 };
const cancellation = { author: 'alice', reason: 'sent in error', bounce: true };
const secret = { demand: 'require', demandReason: 'alice: secret', explicit: true } as const;

interface Asked {
  readonly harness: Harness;
  readonly control: MessageControl;
  readonly one: ReturnType<typeof record>;
  readonly target: { readonly id: string; readonly domain: string; readonly mayCome: true };
}

/** A record that nobody has looked at, and whoever operates on its delivery. */
function createAsked(): Asked {
  const harness = createHarness();
  const one = record();
  const control = controlOf(harness.stores);
  return { harness, control, one, target: { id: JSON.parse(one.body).id, domain, mayCome: true } };
}

/** Sends what the row makes the queue message of, as a release does. */
async function release({ harness, control, target }: Asked): Promise<ReturnType<typeof record>> {
  const change = await control.release(target, harness.nowMs);
  const message = change.kind === 'changed' ? nextMessage(change.row) : undefined;
  if (message === undefined) {
    throw new Error('its row makes no queue message');
  }
  return record({}, { body: JSON.stringify(message) });
}

describe('held', () => {
  test('its record is let go once its row and the bucket have all of it; released, it arrives', async () => {
    const asked = createAsked();
    const { harness, control, one, target } = asked;
    await control.hold(target, note);
    expect(await harness.deliver(one)).toEqual([]);
    expect(harness.sent).toEqual([]);
    expect(await control.readDelivery(target.id, domain)).toMatchObject({
      state: 'deferred',
      attempt: 0,
      held: note,
    });
    await harness.deliver(await release(asked));
    expect(harness.sent).toHaveLength(1);
    const content = Buffer.from(harness.sent[0]?.transaction.content ?? []);
    expect(content.toString()).toMatch(/^Subject: x\r\n(?:.+\r\n)*\r\nhi\r\n$/m);
    expect(await control.readDelivery(target.id, domain)).toMatchObject({
      state: 'finished',
      attempt: 1,
    });
  });

  test('its second record is let go too', async () => {
    const { harness, control, one, target } = createAsked();
    await control.hold(target, note);
    await harness.deliver(one);
    expect(await harness.deliver({ ...one, receiptHandle: 'twin' })).toEqual([]);
    expect(harness.sent).toEqual([]);
  });

  test('the others of its batch go on', async () => {
    const { harness, control, one, target } = createAsked();
    await control.hold(target, note);
    expect(await harness.deliver(one, record())).toEqual([]);
    expect(harness.sent).toHaveLength(1);
  });

  test('where it was released meanwhile, the record comes again at once', async () => {
    const { harness, control, one, target } = createAsked();
    await control.hold(target, note);
    harness.stores.intercept(({ operation, phase }) =>
      operation === 'keep' && phase === 'after'
        ? control.release(target, harness.nowMs).then(() => {})
        : undefined,
    );
    expect(await harness.deliver(one)).toEqual([one.messageId]);
    expect(harness.stores.hidden).toMatchObject([{ seconds: 1 }]);
    harness.stores.intercept(() => {});
    expect(await harness.deliver(one)).toEqual([]);
    expect(harness.sent).toHaveLength(1);
  });
});

describe('cancelled', () => {
  test.each([
    [true, 1],
    [false, 0],
  ])('with bounce %s: it is given up, and %i notification is sent', async (bounce, count) => {
    const { harness, control, one, target } = createAsked();
    await control.cancel(target, { ...cancellation, bounce }, harness.nowMs);
    expect(await harness.deliver(one)).toEqual([]);
    expect(harness.sent).toEqual([]);
    const row = await control.readDelivery(target.id, domain);
    expect(row).toMatchObject({ state: 'finished', why: { decision: { code: 'cancelled' } } });
    expect(row?.recipients).toMatchObject([{ state: 'failed', status: '5.0.0' }]);
    expect(row?.recipients[0]?.diagnostic).toContain('sent in error');
    expect(harness.stores.sent).toHaveLength(count);
    expect(harness.stores.sent.every(({ mailFrom }) => mailFrom === '')).toBe(true);
  });

  test('its body goes from the bucket', async () => {
    const { harness, control, target } = createAsked();
    const octets = Buffer.from('Subject: x\r\n\r\nhi\r\n');
    const content = await harness.stores.contents.keep('large', octets);
    const prepared = { ...preparedMessage().prepared, domain, hash: '' };
    const message = preparedMessage({ id: target.id, content, prepared });
    await control.cancel(target, cancellation, harness.nowMs);
    await harness.deliver(record({}, { body: JSON.stringify(message) }));
    await expect(harness.stores.contents.read(content)).rejects.toMatchObject({
      code: 'content-missing',
    });
  });

  test('an override before that takes nothing from how its notification is protected (RFC 8689 §5)', async () => {
    const { harness, control, target } = createAsked();
    const lowered = { demand: 'default', demandReason: 'alice: agreed', explicit: false } as const;
    await control.override(target, lowered, harness.nowMs);
    await control.cancel(target, cancellation, harness.nowMs);
    // By a tag or a rule: the message itself says nothing of it.
    const prepared = {
      ...preparedMessage().prepared,
      domain,
      demand: 'require',
      explicit: false,
      hash: '',
    } as const;
    const message = preparedMessage({ id: target.id, prepared });
    expect(await harness.deliver(record({}, { body: JSON.stringify(message) }))).toEqual([]);
    expect(harness.stores.sent).toMatchObject([{ mailFrom: '', requireTls: true }]);
  });

  test('where the sender cannot be told, the record stays, and the next one does it', async () => {
    const { harness, control, one, target } = createAsked();
    await control.cancel(target, cancellation, harness.nowMs);
    harness.stores.fail('enqueue', 'before');
    expect(await harness.deliver(one)).toEqual([one.messageId]);
    expect(await harness.deliver(one)).toEqual([]);
    expect(harness.sent).toEqual([]);
    expect(harness.stores.sent).toHaveLength(1);
  });
});

test('overridden: its record is replaced by one that asks for the new demand, and that is attempted', async () => {
  const { harness, control, one, target } = createAsked();
  await control.override(target, secret, harness.nowMs);
  expect(await harness.deliver(one)).toEqual([]);
  expect(harness.sent).toEqual([]);
  expect(harness.stores.sent).toMatchObject([{ id: target.id, attempt: 1, prepared: secret }]);
  await harness.deliver(record({}, { body: JSON.stringify(harness.stores.sent[0]) }));
  const row = await control.readDelivery(target.id, domain);
  expect(row?.why?.demand).toEqual({ level: 'require', reason: 'alice: secret' });
});

/** Ends the function at boundary `index` of its stores; false where it lives to its end. */
async function dieAt(index: number, { harness, one }: Asked): Promise<boolean> {
  let isDead = false;
  const { promise: death, resolve } = Promise.withResolvers<void>();
  harness.stores.intercept((boundary) => {
    if (boundary.index < index) {
      return undefined;
    }
    isDead = true;
    resolve();
    return new Promise<void>(() => {});
  });
  await Promise.race([harness.deliver(one), death]);
  harness.stores.intercept(() => {});
  return isDead;
}

describe.each([
  ['held', 12],
  ['cancelled', 14],
] as const)('the function dies at any moment of a record that is %s', (kind, boundaries) => {
  test.each(Array.from({ length: boundaries }, (_, index) => index))(
    'boundary %i',
    async (index) => {
      const asked = createAsked();
      const { harness, control, one, target } = asked;
      await (kind === 'held'
        ? control.hold(target, note)
        : control.cancel(target, cancellation, harness.nowMs));
      expect(await dieAt(index, asked)).toBe(true);
      harness.nowMs += hour;
      expect(await harness.deliver(one)).toEqual([]);
      expect(harness.sent).toEqual([]);
      if (kind === 'held') {
        await harness.deliver(await release(asked));
        expect(harness.sent).toHaveLength(1);
      } else {
        expect(await control.readDelivery(target.id, domain)).toMatchObject({
          state: 'finished',
          recipients: [{ state: 'failed' }],
        });
        // Told once, or again under the same id by whoever had to repeat it.
        const told = harness.stores.sent.map(({ id }) => id);
        expect(new Set(told).size).toBe(1);
      }
    },
  );

  test(`there are no more than ${boundaries}`, async () => {
    const asked = createAsked();
    const { harness, control, target } = asked;
    await (kind === 'held'
      ? control.hold(target, note)
      : control.cancel(target, cancellation, harness.nowMs));
    expect(await dieAt(boundaries, asked)).toBe(false);
  });
});
