/**
 * What every message table owes those who act upon a delivery that only the queue knows: what they ask is noted, and
 * whoever claims the first attempt goes by it. Run against memory and against DynamoDB.
 */
import { describe, expect, test } from 'vitest';
import type { Cancellation, ClaimRequest, ClaimResult } from '../../../functions/delivery/ports.ts';
import { type HeldNote, nextMessage } from '../../../functions/delivery/stored-delivery.ts';
import type { RowChange } from '../../../functions/operating/ports.ts';
import type { PreparedMessage } from '../../../functions/submission/queue-message.ts';
import {
  claimRequest,
  mailBucket,
  minuteMs,
  noonMs,
  preparedMessage,
  recipientsAfter,
  whyRecord,
} from '../../delivery/port-fixtures.ts';
import type { ControlUnderTest } from './message-control.ts';

const key = { id: 'm-1', domain: 'example.org' };
const target = { ...key, mayCome: true } as const;
const note: HeldNote = { author: 'alice', reason: 'wait for the lawyers', sinceMs: noonMs };
const cancellation: Cancellation = { author: 'alice', reason: 'sent in error', bounce: true };
const lowered = {
  demand: 'default',
  demandReason: 'alice: the recipient agreed',
  explicit: false,
} as const;

/** As it is in the queue: nothing else has its content. */
const inline = preparedMessage({ content: { data: 'aGVsbG8=' } });
const kept = { bucket: mailBucket, key: 'content/m-1' };
const afterLeaseMs = noonMs + 10 * minuteMs;

type Act = (under: ControlUnderTest) => Promise<RowChange>;
const hold: Act = ({ control }) => control.hold(target, note);
const release: Act = ({ control }) => control.release(target, noonMs);
const cancel: Act = ({ control }) => control.cancel(target, cancellation, noonMs);
const override: Act = ({ control }) => control.override(target, lowered, noonMs);

function claim(
  { messages }: ControlUnderTest,
  changes: Partial<ClaimRequest> = {},
): Promise<ClaimResult> {
  return messages.claim(claimRequest({ message: inline, ...changes }));
}

function park(
  { messages }: ControlUnderTest,
  changes: Partial<PreparedMessage> = {},
): Promise<boolean> {
  return messages.park({ ...inline, content: kept, ...changes }, noonMs);
}

const refused = (kind: string): object => ({ kind: 'refused', refusal: { kind } });

/** @param make A table with nothing in it. */
export function advanceContract(make: () => Promise<ControlUnderTest>): void {
  describe('of a delivery without a row', () => {
    test.each([
      ['hold', hold],
      ['cancel', cancel],
      ['override', override],
    ] as const)('%s is noted where its message may come, and else refused', async (action, act) => {
      const under = await make();
      expect(await act(under)).toEqual({ kind: 'noted' });
      const strangers = await make();
      const { control } = strangers;
      const stranger = {
        hold: () => control.hold(key, note),
        cancel: () => control.cancel(key, cancellation, noonMs),
        override: () => control.override(key, lowered, noonMs),
      };
      expect(await stranger[action]()).toEqual(refused('unknown'));
      expect(await claim(strangers)).toMatchObject({ kind: 'claimed' });
    });

    test('what is noted is seen, and is no delivery', async () => {
      const under = await make();
      await hold(under);
      await override(under);
      expect(await under.control.readDelivery('m-1', 'example.org')).toBeUndefined();
      expect(await under.control.readMessage('m-1')).toMatchObject({
        deliveries: [],
        advance: [{ domain: 'example.org', held: note, demand: lowered }],
      });
    });

    test.each<[string, readonly Act[], Act, string]>([
      ['release: nobody holds it', [], release, 'not-held'],
      ['release: it was released', [hold, release], release, 'not-held'],
      ['hold: it is held, and by whom does not change', [hold], hold, 'held'],
      ['hold: it is given up', [cancel], hold, 'finished'],
      ['release: it is given up', [hold, cancel], release, 'finished'],
      ['override: it is given up', [cancel], override, 'finished'],
      ['cancel: it is given up, and by whom does not change', [cancel], cancel, 'finished'],
    ])('refused: %s', async (_reason, before, act, kind) => {
      const under = await make();
      for (const one of before) {
        expect(await one(under)).toEqual({ kind: 'noted' });
      }
      expect(await act(under)).toEqual(refused(kind));
    });
  });

  describe('its first claim', () => {
    test('held: is refused, and its row has nothing yet that could make the queue message', async () => {
      const under = await make();
      await hold(under);
      expect(await claim(under)).toEqual({ kind: 'held', isKept: false });
    });

    test('released: is granted as if nothing had been', async () => {
      const under = await make();
      await hold(under);
      await release(under);
      expect(await claim(under)).toMatchObject({ kind: 'claimed', delivery: { attempt: 1 } });
      expect(await under.control.readMessage('m-1')).toMatchObject({
        deliveries: [{ state: 'attempting' }],
        advance: [],
      });
    });

    test('overridden: goes by the new demand; what was accepted can still be seen', async () => {
      const under = await make();
      await override(under);
      expect(await claim(under)).toMatchObject({ delivery: { demand: lowered } });
      const row = await under.control.readDelivery('m-1', 'example.org');
      expect(row?.demand).toEqual(lowered);
      expect(row?.envelope.prepared).toMatchObject({ demand: 'require', explicit: true });
    });

    test('cancelled: is refused with who and why, also where it was held before', async () => {
      const under = await make();
      await hold(under);
      await cancel(under);
      expect(await claim(under)).toEqual({ kind: 'cancelled', cancellation });
    });

    test('that nothing stops is granted, and whoever dies over it leaves the cancellation behind', async () => {
      const under = await make();
      await cancel(under);
      const granted = await claim(under, { evenIfStopped: true });
      expect(granted).toMatchObject({ kind: 'claimed' });
      const leased = { kind: 'leased', untilMs: afterLeaseMs };
      expect(await claim(under, { token: 'late' })).toEqual(leased);
      const late = { token: 'late', nowMs: afterLeaseMs };
      expect(await claim(under, late)).toEqual({ kind: 'cancelled', cancellation });
    });

    test('settled, it is finished, and neither held nor cancelled any more', async () => {
      const under = await make();
      await hold(under);
      await cancel(under);
      const granted = await claim(under, { evenIfStopped: true });
      if (granted.kind !== 'claimed') {
        throw new Error(granted.kind);
      }
      const { delivery } = granted;
      const recipients = recipientsAfter(delivery);
      await under.messages.settle({ delivery, recipients, why: whyRecord(), nowMs: noonMs });
      const row = await under.control.readDelivery('m-1', 'example.org');
      expect(row).toMatchObject({ state: 'finished' });
      expect(row).not.toHaveProperty('held');
      expect(row).not.toHaveProperty('cancelled');
      expect(await claim(under)).toEqual({ kind: 'done' });
    });
  });

  describe('park', () => {
    test('the row makes the queue message from then on, and the record may be let go', async () => {
      const under = await make();
      await hold(under);
      await override(under);
      expect(await park(under)).toBe(true);
      expect(await claim(under)).toEqual({ kind: 'held', isKept: true });
      const row = await under.control.readDelivery('m-1', 'example.org');
      expect(row).toMatchObject({ state: 'deferred', attempt: 0, held: note, demand: lowered });
      expect(row && nextMessage(row)).toEqual({
        ...inline,
        content: kept,
        prepared: { ...inline.prepared, ...lowered, acceptedDemand: 'require' },
      });
    });

    test('it is listed like all that waits, and its release makes it due', async () => {
      const under = await make();
      await hold(under);
      await park(under);
      for (const order of ['age', 'due'] as const) {
        const shards = Array.from({ length: under.waiting.shards }, (_, shard) => shard);
        const lists = await Promise.all(
          shards.map((shard) => under.waiting.readWaiting({ order, shard, limit: 10 })),
        );
        expect(lists.flat()).toMatchObject([{ ...key, attempt: 0, held: note }]);
      }
      const released = await under.control.release(key, noonMs + 1);
      expect(released).toMatchObject({ kind: 'changed', row: { nextDueAtMs: noonMs + 1 } });
      expect(await claim(under)).toMatchObject({ kind: 'claimed', delivery: { attempt: 1 } });
    });

    test('twice is once', async () => {
      const under = await make();
      await hold(under);
      await park(under);
      expect(await park(under)).toBe(true);
    });

    test('a hold that came while the first attempt was under way, once its lease is over', async () => {
      const under = await make();
      await claim(under);
      expect(await under.control.hold(target, note)).toMatchObject({ kind: 'changed' });
      expect(await park(under)).toBe(false);
      expect(await claim(under)).toEqual({ kind: 'leased', untilMs: afterLeaseMs });
      const late = { token: 'late', nowMs: afterLeaseMs };
      expect(await claim(under, late)).toEqual({ kind: 'held', isKept: false });
      expect(await under.messages.park({ ...inline, content: kept }, afterLeaseMs)).toBe(true);
      const row = await under.control.readDelivery('m-1', 'example.org');
      expect(row && nextMessage(row)).toMatchObject({ attempt: 1, content: kept });
    });

    test.each<[string, (under: ControlUnderTest) => Promise<unknown>]>([
      ['nobody holds it', async () => {}],
      [
        'it was released meanwhile',
        async (under) => {
          await hold(under);
          await release(under);
        },
      ],
      [
        'it was cancelled meanwhile',
        async (under) => {
          await hold(under);
          await cancel(under);
        },
      ],
      [
        'its id is another message’s',
        async (under) => {
          await claim(under, { message: preparedMessage({ mailFrom: 'mallory@example.com' }) });
          await hold(under);
        },
      ],
    ])('does nothing where %s', async (_reason, history) => {
      const under = await make();
      await history(under);
      const before = await under.control.readMessage('m-1');
      expect(await park(under)).toBe(false);
      expect(await under.control.readMessage('m-1')).toEqual(before);
    });
  });

  describe('cancel of a delivery whose content is in the queue only', () => {
    test('is noted in its row once no attempt is under way', async () => {
      const under = await make();
      await claim(under);
      expect(await cancel(under)).toEqual({
        kind: 'refused',
        refusal: { kind: 'busy', untilMs: afterLeaseMs },
      });
      const change = await under.control.cancel(key, cancellation, afterLeaseMs);
      expect(change).toMatchObject({ kind: 'changed', row: { cancelled: cancellation } });
      for (const act of [hold, override, cancel]) {
        expect(await act(under)).toEqual(refused('finished'));
      }
      const late = { token: 'late', nowMs: afterLeaseMs };
      expect(await claim(under, late)).toEqual({ kind: 'cancelled', cancellation });
    });

    test('is refused where the row has the content: it is cancelled there and then', async () => {
      const under = await make();
      await hold(under);
      await park(under);
      expect(await cancel(under)).toEqual({
        kind: 'refused',
        refusal: { kind: 'busy', untilMs: noonMs },
      });
    });
  });
}
