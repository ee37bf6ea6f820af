/**
 * What every message table owes those who operate the queue (`MessageControl`, `WaitingIndex`), and what delivery may
 * count on beside them; run against memory and against DynamoDB.
 */
import { describe, expect, test } from 'vitest';
import type {
  ClaimedDelivery,
  ClaimRequest,
  MessageStore,
} from '../../../functions/delivery/ports.ts';
import type { HeldNote, WaitingIndex } from '../../../functions/delivery/stored-delivery.ts';
import { nextMessage } from '../../../functions/delivery/stored-delivery.ts';
import type { MessageControl, QueueAction } from '../../../functions/operating/ports.ts';
import {
  claimRequest,
  mailBucket,
  minuteMs,
  noonMs,
  preparedMessage,
  recipientsAfter,
  whyRecord,
} from '../../delivery/port-fixtures.ts';

export interface ControlUnderTest {
  readonly messages: MessageStore;
  readonly control: MessageControl;
  readonly waiting: WaitingIndex;
}

const key = { id: 'm-1', domain: 'example.org' };
const note: HeldNote = { author: 'alice', reason: 'wait for the lawyers', sinceMs: noonMs };
const dueAtMs = noonMs + 6 * minuteMs;
const lowered = {
  demand: 'default',
  demandReason: 'alice: the recipient agreed',
  explicit: false,
} as const;

async function claimed(
  { messages }: ControlUnderTest,
  changes: Partial<ClaimRequest> = {},
): Promise<ClaimedDelivery> {
  const result = await messages.claim(claimRequest(changes));
  if (result.kind !== 'claimed') {
    throw new Error(`not claimed: ${JSON.stringify(result)}`);
  }
  return result.delivery;
}

async function putOff(under: ControlUnderTest, delivery: ClaimedDelivery): Promise<void> {
  await under.messages.settle({
    delivery,
    recipients: recipientsAfter(delivery, 'delivered', 'pending'),
    next: { dueAtMs, content: { bucket: mailBucket, key: 'content/m-1' } },
    why: whyRecord(),
    nowMs: noonMs,
  });
}

async function finish(under: ControlUnderTest, delivery: ClaimedDelivery): Promise<void> {
  const recipients = recipientsAfter(delivery);
  await under.messages.settle({ delivery, recipients, why: whyRecord(), nowMs: noonMs });
}

type History = (under: ControlUnderTest) => Promise<unknown>;
const never: History = async () => {};
const first: History = (under) => claimed(under);
const waits: History = async (under) => putOff(under, await claimed(under));
const finished: History = async (under) => finish(under, await claimed(under));
const held: History = async (under) => {
  await waits(under);
  await under.control.hold(key, note);
};
const second = { message: preparedMessage({ attempt: 2 }), token: 'newcomer' };

async function allWaiting({ waiting }: ControlUnderTest, order: 'age' | 'due') {
  const shards = Array.from({ length: waiting.shards }, (_, shard) => shard);
  const lists = await Promise.all(
    shards.map((shard) => waiting.readWaiting({ order, shard, limit: 10 })),
  );
  return lists.flat();
}

/** @param make A table with nothing in it. */
export function messageControlContract(make: () => Promise<ControlUnderTest>): void {
  describe('hold', () => {
    test('no attempt is granted; its record may be let go', async () => {
      const under = await make();
      await held(under);
      expect(await under.messages.claim(claimRequest(second))).toEqual({
        kind: 'held',
        isKept: true,
      });
      const row = await under.control.readDelivery('m-1', 'example.org');
      expect(row).toMatchObject({ state: 'deferred', attempt: 1, held: note });
      expect(row && nextMessage(row)).toMatchObject({ id: 'm-1', attempt: 2 });
    });

    test('one that may pass a hold is granted, and the hold stays', async () => {
      const under = await make();
      await held(under);
      const delivery = await claimed(under, { ...second, evenIfStopped: true });
      expect(delivery.attempt).toBe(2);
      expect(await under.control.readDelivery('m-1', 'example.org')).toMatchObject({ held: note });
    });

    test('an attempt under way ends as it may, and the next one waits', async () => {
      const under = await make();
      const delivery = await claimed(under);
      expect(await under.control.hold(key, note)).toMatchObject({ kind: 'changed' });
      await putOff(under, delivery);
      expect(await under.messages.claim(claimRequest(second))).toEqual({
        kind: 'held',
        isKept: true,
      });
    });

    test('a record that is older is done, one of another message a conflict: held or not', async () => {
      const under = await make();
      await held(under);
      const claim = (changes: Partial<ClaimRequest>) => under.messages.claim(claimRequest(changes));
      expect(await claim({ token: 'late' })).toEqual({ kind: 'done' });
      const message = preparedMessage({ attempt: 2, mailFrom: 'mallory@example.com' });
      expect(await claim({ message })).toEqual({ kind: 'conflict' });
    });

    test('what is finished is held no more', async () => {
      const under = await make();
      const delivery = await claimed(under);
      await under.control.hold(key, note);
      await finish(under, delivery);
      const row = await under.control.readDelivery('m-1', 'example.org');
      expect(row).toMatchObject({ state: 'finished' });
      expect(row).not.toHaveProperty('held');
      expect(await allWaiting(under, 'age')).toEqual([]);
    });

    test.each<[string, History, string]>([
      ['there is no such delivery', never, 'unknown'],
      ['it is held already, and by whom does not change', held, 'held'],
      ['it is finished', finished, 'finished'],
    ])('refused: %s', async (_reason, history, kind) => {
      const under = await make();
      await history(under);
      const again = { ...note, author: 'bob' };
      expect(await under.control.hold(key, again)).toEqual({ kind: 'refused', refusal: { kind } });
    });
  });

  describe('release', () => {
    test('attempts begin again, and the next is due now', async () => {
      const under = await make();
      await held(under);
      const change = await under.control.release(key, noonMs + 1);
      expect(change).toMatchObject({ kind: 'changed', row: { nextDueAtMs: noonMs + 1 } });
      expect(await under.control.readDelivery('m-1', 'example.org')).not.toHaveProperty('held');
      expect(await claimed(under, second)).toMatchObject({ attempt: 2 });
    });

    test('an attempt that ends meanwhile leaves nothing due', async () => {
      const under = await make();
      const delivery = await claimed(under);
      await under.control.hold(key, note);
      await under.control.release(key, noonMs);
      await finish(under, delivery);
      const row = await under.control.readDelivery('m-1', 'example.org');
      expect(row).not.toHaveProperty('nextDueAtMs');
    });

    test.each<[string, History, string]>([
      ['there is no such delivery', never, 'unknown'],
      ['nobody holds it', waits, 'not-held'],
      ['it is finished', finished, 'finished'],
    ])('refused: %s', async (_reason, history, kind) => {
      const under = await make();
      await history(under);
      const change = await under.control.release(key, noonMs);
      expect(change).toEqual({ kind: 'refused', refusal: { kind } });
    });
  });

  describe('override', () => {
    test('holds from the next claim on, whatever the queue message says', async () => {
      const under = await make();
      await waits(under);
      const change = await under.control.override(key, lowered, noonMs);
      expect(change).toMatchObject({ kind: 'changed', row: { demand: lowered } });
      expect((await claimed(under, second)).demand).toEqual(lowered);
    });

    test('the queue message made of the row asks for it; what was accepted can still be seen', async () => {
      const under = await make();
      await waits(under);
      await under.control.override(key, lowered, noonMs);
      const row = await under.control.readDelivery('m-1', 'example.org');
      expect(row && nextMessage(row)?.prepared).toMatchObject(lowered);
      expect(row?.envelope.prepared).toMatchObject({ demand: 'require', explicit: true });
    });

    test('of an abandoned attempt, when its lease is over', async () => {
      const under = await make();
      await first(under);
      const nowMs = noonMs + 10 * minuteMs;
      expect(await under.control.override(key, lowered, nowMs)).toMatchObject({ kind: 'changed' });
    });

    test('refused while an attempt is under way, which has begun with the old demand', async () => {
      const under = await make();
      await first(under);
      expect(await under.control.override(key, lowered, noonMs)).toEqual({
        kind: 'refused',
        refusal: { kind: 'busy', untilMs: noonMs + 10 * minuteMs },
      });
    });

    test.each<[string, History, string]>([
      ['there is no such delivery', never, 'unknown'],
      ['it is finished', finished, 'finished'],
    ])('refused: %s', async (_reason, history, kind) => {
      const under = await make();
      await history(under);
      const change = await under.control.override(key, lowered, noonMs);
      expect(change).toEqual({ kind: 'refused', refusal: { kind } });
    });
  });

  describe('the lists of what waits', () => {
    const listed = {
      ...key,
      mailFrom: 'alice@example.com',
      attempt: 1,
      submittedAtMs: noonMs,
      nextDueAtMs: dueAtMs,
    };

    test.each<[string, History, readonly ('age' | 'due')[], object]>([
      ['a first attempt under way is in neither', first, [], {}],
      ['finished at once: in neither', finished, [], {}],
      ['put off: in both', waits, ['age', 'due'], listed],
      ['held: in both, with who holds it and why', held, ['age', 'due'], { ...listed, held: note }],
    ])('%s', async (_reason, history, orders, expected) => {
      const under = await make();
      await history(under);
      for (const order of ['age', 'due'] as const) {
        expect(await allWaiting(under, order)).toEqual(orders.includes(order) ? [expected] : []);
      }
    });

    test('a later attempt under way is listed by age, and is not due', async () => {
      const under = await make();
      await waits(under);
      await claimed(under, second);
      const { nextDueAtMs: _due, ...underWay } = listed;
      expect(await allWaiting(under, 'age')).toEqual([{ ...underWay, attempt: 2 }]);
      expect(await allWaiting(under, 'due')).toEqual([]);
    });

    test('pages come in order, none twice, none left out, also when what a page ended with is gone', async () => {
      const under = await make();
      const ids = Array.from({ length: 40 }, (_, n) => `m-${n}`);
      for (const [n, id] of ids.entries()) {
        const submittedAt = new Date(noonMs + (n % 7)).toISOString();
        await putOff(
          under,
          await claimed(under, { message: preparedMessage({ id, submittedAt }) }),
        );
      }
      const seen: string[] = [];
      for (let shard = 0; shard < under.waiting.shards; shard += 1) {
        let after: { id: string; domain: string; atMs: number } | undefined;
        for (;;) {
          const page = await under.waiting.readWaiting({
            order: 'age',
            shard,
            limit: 2,
            ...(after && { after }),
          });
          seen.push(...page.map(({ id }) => id));
          const last = page.at(-1);
          if (last === undefined || page.length < 2) {
            break;
          }
          expect(page.map(({ submittedAtMs }) => submittedAtMs)).toEqual(
            page.map(({ submittedAtMs }) => submittedAtMs).sort(),
          );
          after = { id: last.id, domain: last.domain, atMs: last.submittedAtMs };
          const message = preparedMessage({
            id: last.id,
            attempt: 2,
            submittedAt: new Date(last.submittedAtMs).toISOString(),
          });
          await finish(under, await claimed(under, { message }));
        }
      }
      expect(seen.toSorted()).toEqual(ids.toSorted());
    });

    test('nothing that is ordered later than asked', async () => {
      const under = await make();
      await waits(under);
      const shards = Array.from({ length: under.waiting.shards }, (_, shard) => shard);
      const count = async (untilMs: number) => {
        const query = { order: 'due', untilMs, limit: 10 } as const;
        const lists = shards.map((shard) => under.waiting.readWaiting({ ...query, shard }));
        return (await Promise.all(lists)).flat().length;
      };
      expect([await count(dueAtMs - 1), await count(dueAtMs)]).toEqual([0, 1]);
    });
  });

  describe('all that is kept under an id', () => {
    const action: QueueAction = {
      ...key,
      action: 'hold',
      author: 'alice',
      reason: 'wait',
      atMs: noonMs,
    };

    test('nothing', async () => {
      expect(await (await make()).control.readMessage('m-1')).toBeUndefined();
    });

    test('its deliveries, the records of its attempts, and what operators did, oldest first', async () => {
      const under = await make();
      await waits(under);
      const other = { ...preparedMessage().prepared, domain: 'example.net' };
      await claimed(under, { message: preparedMessage({ prepared: other }) });
      await under.control.noteAction({ ...action, action: 'release', atMs: noonMs + 2 });
      await under.control.noteAction({ ...action, domain: 'example.net', atMs: noonMs + 1 });
      await under.control.noteAction({
        ...action,
        action: 'override',
        detail: 'require -> default',
      });
      const message = await under.control.readMessage('m-1');
      expect(message?.deliveries.map(({ domain }) => domain).sort()).toEqual([
        'example.net',
        'example.org',
      ]);
      expect(message?.attempts).toEqual([whyRecord()]);
      expect(
        [...(message?.actions ?? [])]
          .sort((one, two) => one.atMs - two.atMs)
          .map((each) => each.action),
      ).toEqual(['override', 'hold', 'release']);
      expect(message?.actions).toContainEqual({
        ...action,
        action: 'override',
        detail: 'require -> default',
      });
      expect(message?.truncated).toBe(false);
    });
  });
}
