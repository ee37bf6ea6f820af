/** What every message store owes the delivery room (`MessageStore`); run against memory and against DynamoDB. */
import { describe, expect, test } from 'vitest';
import type { MessageTable } from '../../../functions/adapters/aws/message-table.ts';
import type {
  ClaimedDelivery,
  ClaimRequest,
  ClaimResult,
  Settlement,
} from '../../../functions/delivery/ports.ts';
import { nextMessage } from '../../../functions/delivery/stored-delivery.ts';
import type { QueueRecipient } from '../../../functions/submission/queue-message.ts';
import {
  claimRequest,
  mailBucket,
  minuteMs,
  noonMs,
  preparedMessage,
  recipientsAfter,
  whyRecord,
} from '../port-fixtures.ts';

const leaseEndMs = noonMs + 10 * minuteMs;
const afterLeaseMs = leaseEndMs;

/** A claim of attempt `attempt`, by a worker of its own. */
function attemptOf(attempt: number, changes: Partial<ClaimRequest> = {}): ClaimRequest {
  const message = preparedMessage({ attempt });
  return claimRequest({ message, token: `worker-of-${attempt}`, ...changes });
}

/** Fails the test where the claim was not granted. */
async function claimed(store: MessageTable, request: ClaimRequest): Promise<ClaimedDelivery> {
  const result = await store.claim(request);
  if (result.kind !== 'claimed') {
    throw new Error(`not claimed: ${JSON.stringify(result)}`);
  }
  return result.delivery;
}

function finished(delivery: ClaimedDelivery, changes: Partial<Settlement> = {}): Settlement {
  const recipients = recipientsAfter(delivery, 'delivered', 'failed');
  return { delivery, recipients, why: whyRecord(), nowMs: noonMs + minuteMs, ...changes };
}

function putOff(delivery: ClaimedDelivery, changes: Partial<Settlement> = {}): Settlement {
  return {
    ...finished(delivery),
    recipients: recipientsAfter(delivery, 'delivered', 'pending'),
    next: { dueAtMs: noonMs + 6 * minuteMs, content: { bucket: mailBucket, key: 'content/m-1' } },
    ...changes,
  };
}

/** @param make A store with nothing in it. */
export function messageStoreContract(make: () => Promise<MessageTable>): void {
  describe('claim', () => {
    test('the first attempt of a new delivery is granted, with everything still to do', async () => {
      const delivery = await claimed(await make(), attemptOf(1));
      const { rcptTo } = preparedMessage();
      expect(delivery).toEqual({
        id: 'm-1',
        domain: 'example.org',
        attempt: 1,
        token: 'worker-of-1',
        recipients: rcptTo.map((each) => ({ ...each, state: 'pending' })),
        demand: {
          demand: 'require',
          demandReason: 'requireTls of the message',
          explicit: true,
        },
      });
    });

    test('a first attempt that never came does not stop the second', async () => {
      const delivery = await claimed(await make(), attemptOf(2));
      expect(delivery.attempt).toBe(2);
    });

    test('of two at once exactly one is granted, under one token or under two', async () => {
      for (const tokens of [
        ['worker-a', 'worker-b'],
        ['batch-1', 'batch-1'],
      ]) {
        const store = await make();
        const results = await Promise.all(
          tokens.map((token) => store.claim(attemptOf(1, { token }))),
        );
        const kinds = results.map(({ kind }) => kind).sort();
        expect(kinds).toEqual(['claimed', 'leased']);
        expect(results).toContainEqual({ kind: 'leased', untilMs: leaseEndMs });
      }
    });

    test('of ten at once exactly one is granted', async () => {
      const store = await make();
      const results = await Promise.all(
        Array.from({ length: 10 }, (_, n) => store.claim(attemptOf(1, { token: `worker-${n}` }))),
      );
      expect(results.filter(({ kind }) => kind === 'claimed')).toHaveLength(1);
      expect(results.filter(({ kind }) => kind === 'leased')).toHaveLength(9);
    });

    test('domains of one message are deliveries of their own', async () => {
      const store = await make();
      await claimed(store, attemptOf(1));
      const other = preparedMessage({
        prepared: { ...preparedMessage().prepared, domain: 'example.net' },
      });
      await claimed(store, claimRequest({ message: other }));
    });

    test('what is still to do is read from the row, never from the queue message', async () => {
      const store = await make();
      await store.settle(putOff(await claimed(store, attemptOf(1))));
      const { recipients } = await claimed(store, attemptOf(2));
      expect(recipients.map(({ state }) => state)).toEqual(['delivered', 'pending']);
      expect(recipients[1]).toMatchObject({ status: '4.2.0', diagnostic: expect.any(String) });
    });
  });

  describe('claim of a row that exists', () => {
    type History = (store: MessageTable) => Promise<unknown>;
    const first: History = (store) => claimed(store, attemptOf(1));
    const settled: History = async (store) =>
      store.settle(putOff(await claimed(store, attemptOf(1))));
    const done: History = async (store) =>
      store.settle(finished(await claimed(store, attemptOf(1))));
    const released: History = async (store) => store.release(await claimed(store, attemptOf(1)));
    const second: History = async (store) => {
      await settled(store);
      await claimed(store, attemptOf(2));
    };
    const reused = preparedMessage({ mailFrom: 'mallory@example.com' });
    const leased: ClaimResult = { kind: 'leased', untilMs: leaseEndMs };

    test.each<[string, History, ClaimRequest, ClaimResult | 'claimed']>([
      ['1 under way, 1 asked: its lease is alive', first, attemptOf(1), leased],
      [
        '1 under way, 1 asked a moment before the lease ends',
        first,
        attemptOf(1, { nowMs: leaseEndMs - 1 }),
        leased,
      ],
      [
        '1 under way, 1 asked when the lease is over',
        first,
        attemptOf(1, { nowMs: afterLeaseMs }),
        'claimed',
      ],
      ['1 under way, 2 asked: a retry must not overtake it', first, attemptOf(2), leased],
      [
        '1 abandoned, 2 asked when the lease is over',
        first,
        attemptOf(2, { nowMs: afterLeaseMs }),
        'claimed',
      ],
      ['1 put off, 1 asked: a late duplicate', settled, attemptOf(1), { kind: 'done' }],
      [
        '1 put off, 1 asked long after: still a duplicate',
        settled,
        attemptOf(1, { nowMs: afterLeaseMs }),
        { kind: 'done' },
      ],
      ['1 put off, 2 asked while the lease of 1 would last', settled, attemptOf(2), 'claimed'],
      ['1 put off, 7 asked: attempts may be missing', settled, attemptOf(7), 'claimed'],
      ['1 finished, 1 asked', done, attemptOf(1), { kind: 'done' }],
      [
        '1 finished, 2 asked: a retry written by an attempt that died and was made again',
        done,
        attemptOf(2),
        { kind: 'done' },
      ],
      ['2 under way, 1 asked', second, attemptOf(1), { kind: 'done' }],
      [
        '2 abandoned, 1 asked when its lease is over',
        second,
        attemptOf(1, { nowMs: afterLeaseMs }),
        { kind: 'done' },
      ],
      ['1 released, 1 asked', released, attemptOf(1), 'claimed'],
      ['1 released, 2 asked', released, attemptOf(2), 'claimed'],
      [
        'under way, the id given to another message',
        first,
        attemptOf(1, { message: reused }),
        { kind: 'conflict' },
      ],
      [
        'finished, the id given to another message',
        done,
        attemptOf(1, { message: reused }),
        { kind: 'conflict' },
      ],
      [
        'lease over, the id given to another message',
        first,
        attemptOf(1, { message: reused, nowMs: afterLeaseMs }),
        { kind: 'conflict' },
      ],
    ])('%s', async (_reason, history, request, expected) => {
      const store = await make();
      await history(store);
      const result = await store.claim({ ...request, token: 'newcomer' });
      if (expected === 'claimed') {
        const { attempt } = request.message;
        expect(result).toMatchObject({ kind: 'claimed', delivery: { attempt, token: 'newcomer' } });
      } else {
        expect(result).toEqual(expected);
      }
    });
  });

  describe('settle', () => {
    test('a finished delivery is seen as such, with the record of its attempt', async () => {
      const store = await make();
      const settlement = finished(await claimed(store, attemptOf(1)));
      expect(await store.settle(settlement)).toBe(true);
      const row = await store.readDelivery('m-1', 'example.org');
      expect(row).toMatchObject({
        id: 'm-1',
        domain: 'example.org',
        attempt: 1,
        state: 'finished',
        recipients: settlement.recipients,
        settledAtMs: settlement.nowMs,
        why: settlement.why,
      });
      expect(row).not.toHaveProperty('nextDueAtMs');
    });

    test('a delivery that was put off says when it is due and where its content is', async () => {
      const store = await make();
      const message = preparedMessage({ content: { data: 'aGVsbG8=' } });
      const delivery = await claimed(store, claimRequest({ message }));
      expect(await store.readDelivery('m-1', 'example.org')).not.toHaveProperty('content');
      expect(await store.settle(putOff(delivery))).toBe(true);
      expect(await store.readDelivery('m-1', 'example.org')).toMatchObject({
        state: 'deferred',
        nextDueAtMs: noonMs + 6 * minuteMs,
        content: { bucket: mailBucket, key: 'content/m-1' },
      });
    });

    test('the next attempt takes the due time away: nobody finds it overdue meanwhile', async () => {
      const store = await make();
      await store.settle(putOff(await claimed(store, attemptOf(1))));
      await claimed(store, attemptOf(2));
      const row = await store.readDelivery('m-1', 'example.org');
      expect(row).toMatchObject({ state: 'attempting', attempt: 2 });
      expect(row).not.toHaveProperty('nextDueAtMs');
    });

    test('the row alone is enough to make the next queue message again', async () => {
      const store = await make();
      const message = preparedMessage();
      await store.settle(putOff(await claimed(store, claimRequest({ message }))));
      const row = await store.readDelivery('m-1', 'example.org');
      if (row?.content === undefined) {
        throw new Error('no content');
      }
      const rcptTo = row.recipients.map(
        ({ state: _state, status: _status, diagnostic: _diagnostic, ...recipient }) =>
          recipient as QueueRecipient,
      );
      const { id, attempt, envelope, content } = row;
      expect({ ...envelope, id, rcptTo, content, attempt }).toEqual(message);
      expect(nextMessage(row)).toEqual({ ...message, attempt: 2 });
    });

    test.each([{ data: 'QUJD' }, { bucket: mailBucket, key: 'content/m-1/redacted' }])(
      'the redacted form %j waits with it, and leaves the row when it is finished',
      async (redacted) => {
        const store = await make();
        const message = preparedMessage({ redacted });
        await store.settle(putOff(await claimed(store, claimRequest({ message }))));
        const row = await store.readDelivery('m-1', 'example.org');
        expect(row && nextMessage(row)).toEqual({ ...message, attempt: 2 });
        const second = claimRequest({ message: { ...message, attempt: 2 } });
        await store.settle(finished(await claimed(store, second)));
        const after = await store.readDelivery('m-1', 'example.org');
        expect(after).toMatchObject({
          state: 'finished',
          envelope: { mailFrom: 'alice@example.com' },
        });
        expect(JSON.stringify(after)).not.toMatch(/redacted|QUJD/);
      },
    );

    test('an attempt that was begun and never settled is made again, not the one after it', async () => {
      const store = await make();
      await claimed(store, attemptOf(3));
      const row = await store.readDelivery('m-1', 'example.org');
      expect(row && nextMessage(row)).toEqual(preparedMessage({ attempt: 3 }));
    });

    test('no queue message is made of a delivery that is finished', async () => {
      const store = await make();
      await store.settle(finished(await claimed(store, attemptOf(1))));
      const row = await store.readDelivery('m-1', 'example.org');
      expect(row && nextMessage(row)).toBeUndefined();
    });

    test('nor of one whose content came inside its queue message only', async () => {
      const store = await make();
      await claimed(store, claimRequest({ message: preparedMessage({ content: { data: '' } }) }));
      const row = await store.readDelivery('m-1', 'example.org');
      expect(row && nextMessage(row)).toBeUndefined();
    });

    test('the demand of the first claim stays, whatever a later queue message says', async () => {
      const store = await make();
      await store.settle(putOff(await claimed(store, attemptOf(1))));
      const { prepared } = preparedMessage();
      const stale = preparedMessage({
        attempt: 2,
        prepared: { ...prepared, demand: 'default', explicit: false },
      });
      const { demand } = await claimed(store, claimRequest({ message: stale }));
      expect(demand).toMatchObject({ demand: 'require', explicit: true });
    });

    test('twice is once: the second changes nothing and is told that it is settled', async () => {
      const store = await make();
      const delivery = await claimed(store, attemptOf(1));
      expect(await store.settle(finished(delivery))).toBe(true);
      const late = finished(delivery, {
        recipients: recipientsAfter(delivery, 'failed', 'failed'),
      });
      expect(await store.settle(late)).toBe(true);
      const row = await store.readDelivery('m-1', 'example.org');
      expect(row?.recipients.map(({ state }) => state)).toEqual(['delivered', 'failed']);
    });

    test('a lease that is over is still the claim, while nobody else took it', async () => {
      const store = await make();
      const delivery = await claimed(store, attemptOf(1));
      expect(await store.settle(finished(delivery, { nowMs: afterLeaseMs + minuteMs }))).toBe(true);
    });

    test('a claim that somebody took over is lost, and what he did stays', async () => {
      const store = await make();
      const lost = await claimed(store, attemptOf(1));
      const taken = attemptOf(1, {
        token: 'heir',
        nowMs: afterLeaseMs,
        leaseEndMs: afterLeaseMs + 1,
      });
      const heir = await claimed(store, taken);
      expect(await store.settle(finished(lost))).toBe(false);
      expect((await store.readDelivery('m-1', 'example.org'))?.state).toBe('attempting');
      expect(await store.settle(putOff(heir))).toBe(true);
      expect(await store.settle(finished(lost))).toBe(false);
      expect((await store.readDelivery('m-1', 'example.org'))?.state).toBe('deferred');
    });

    test('a claim that a later attempt took over is lost', async () => {
      const store = await make();
      const lost = await claimed(store, attemptOf(1));
      await claimed(store, attemptOf(2, { nowMs: afterLeaseMs }));
      expect(await store.settle(finished(lost))).toBe(false);
    });

    test('a released claim is lost', async () => {
      const store = await make();
      const delivery = await claimed(store, attemptOf(1));
      await store.release(delivery);
      expect(await store.settle(finished(delivery))).toBe(false);
    });

    test('a delivery that was never claimed cannot be settled', async () => {
      const delivery = await claimed(await make(), attemptOf(1));
      expect(await (await make()).settle(finished(delivery))).toBe(false);
    });

    test.each<[string, (delivery: ClaimedDelivery) => Partial<Settlement>]>([
      ['a recipient left out', ({ recipients }) => ({ recipients: recipients.slice(0, 1) })],
      [
        'pending, with nothing to come',
        (delivery) => ({ recipients: recipientsAfter(delivery, 'pending') }),
      ],
      [
        'nobody pending, with an attempt to come',
        (delivery) => ({ ...putOff(delivery), recipients: recipientsAfter(delivery) }),
      ],
      [
        'an inline body kept for later',
        (delivery) => ({ ...putOff(delivery), next: { dueAtMs: noonMs, content: { data: '' } } }),
      ],
    ])('refuses what would lose mail: %s', async (_reason, wrong) => {
      const store = await make();
      const delivery = await claimed(store, attemptOf(1));
      await expect(store.settle(finished(delivery, wrong(delivery)))).rejects.toThrow(TypeError);
      expect((await store.readDelivery('m-1', 'example.org'))?.state).toBe('attempting');
    });
  });

  describe('a body that several deliveries share', () => {
    const body = { bucket: mailBucket, key: 'content/shared' };

    test('is of no more use when the last part has left it, however often each leaves', async () => {
      const store = await make();
      await store.shareContent(body, 3);
      expect(await store.leaveContent(body, 1)).toBe(false);
      expect(await store.leaveContent(body, 1)).toBe(false);
      expect(await store.leaveContent(body, 0)).toBe(false);
      expect(await store.leaveContent(body, 2)).toBe(true);
      expect(await store.leaveContent(body, 2)).toBe(true);
    });

    test('shared again by a record that came twice: who has left stays away', async () => {
      const store = await make();
      await store.shareContent(body, 2);
      await store.leaveContent(body, 0);
      await store.shareContent(body, 2);
      expect(await store.leaveContent(body, 1)).toBe(true);
      await store.shareContent(body, 2);
      expect(await store.leaveContent(body, 0)).toBe(true);
    });

    test('of two that leave at once one is told at least', async () => {
      const store = await make();
      await store.shareContent(body, 2);
      const told = await Promise.all([store.leaveContent(body, 0), store.leaveContent(body, 1)]);
      expect(told).toContain(true);
    });

    test('that nobody has written down is nobody’s to remove', async () => {
      expect(await (await make()).leaveContent(body, 0)).toBe(false);
    });
  });

  test('that the sender was told of the delay holds for all attempts to come', async () => {
    const store = await make();
    const first = await claimed(store, attemptOf(1));
    expect(first).not.toHaveProperty('delayNotified');
    await store.settle(putOff(first, { delayNotified: true }));
    const second = await claimed(store, attemptOf(2));
    expect(second).toMatchObject({ delayNotified: true });
    await store.settle(putOff(second));
    expect(await claimed(store, attemptOf(3))).toMatchObject({ delayNotified: true });
    expect(await store.readDelivery('m-1', 'example.org')).toMatchObject({ delayNotified: true });
  });

  describe('release', () => {
    test('gives the attempt back, uncounted, with what was still to do', async () => {
      const store = await make();
      await store.settle(putOff(await claimed(store, attemptOf(1))));
      const second = await claimed(store, attemptOf(2));
      await store.release(second);
      const again = await claimed(store, attemptOf(2, { token: 'heir' }));
      expect(again).toEqual({ ...second, token: 'heir' });
    });

    test('of a lost claim does no harm', async () => {
      const store = await make();
      const lost = await claimed(store, attemptOf(1));
      await claimed(
        store,
        attemptOf(1, { token: 'heir', nowMs: afterLeaseMs, leaseEndMs: afterLeaseMs + minuteMs }),
      );
      await store.release(lost);
      expect(await store.claim(attemptOf(1, { nowMs: afterLeaseMs }))).toEqual({
        kind: 'leased',
        untilMs: afterLeaseMs + minuteMs,
      });
    });

    test('after settling does no harm', async () => {
      const store = await make();
      const delivery = await claimed(store, attemptOf(1));
      await store.settle(finished(delivery));
      await store.release(delivery);
      expect(await store.claim(attemptOf(1))).toEqual({ kind: 'done' });
    });

    test('twice, and of a delivery that was never claimed, does no harm', async () => {
      const store = await make();
      const delivery = await claimed(store, attemptOf(1));
      await store.release(delivery);
      await store.release(delivery);
      const empty = await make();
      await empty.release(delivery);
      expect(await empty.readDelivery('m-1', 'example.org')).toBeUndefined();
    });
  });

  describe('room in a row', () => {
    const many = (count: number, length: number): readonly QueueRecipient[] =>
      Array.from({ length: count }, (_, n) => ({
        address: `${String(n).padStart(length - 12, 'r')}@example.org`,
      }));

    test('2,000 recipients pass through, each with its reply', async () => {
      const store = await make();
      const message = preparedMessage({ rcptTo: [...many(2_000, 40)] });
      const delivery = await claimed(store, claimRequest({ message }));
      const recipients = recipientsAfter(delivery);
      expect(await store.settle(finished(delivery, { recipients }))).toBe(true);
      const row = await store.readDelivery('m-1', 'example.org');
      expect(row?.recipients).toHaveLength(2_000);
      expect(row?.recipients.every(({ state }) => state === 'delivered')).toBe(true);
    });

    test('replies too long for the row are left out, with a note; no recipient is', async () => {
      const store = await make();
      const message = preparedMessage({ rcptTo: [...many(2_000, 90)] });
      const delivery = await claimed(store, claimRequest({ message }));
      const recipients = recipientsAfter(delivery).map((each) => ({
        ...each,
        diagnostic: 'no '.repeat(300),
      }));
      expect(await store.settle(finished(delivery, { recipients }))).toBe(true);
      const row = await store.readDelivery('m-1', 'example.org');
      expect(row?.note).toMatch(/diagnostics cut/);
      expect(row?.recipients.map(({ address }) => address)).toEqual(
        recipients.map(({ address }) => address),
      );
    });

    test('more recipients than a row can hold are refused before anything is written', async () => {
      const store = await make();
      const message = preparedMessage({ rcptTo: [...many(2_000, 250)] });
      await expect(store.claim(claimRequest({ message }))).rejects.toMatchObject({
        code: 'queue-message-invalid',
        message: expect.stringContaining('2000 recipients'),
      });
      expect(await store.readDelivery('m-1', 'example.org')).toBeUndefined();
    });

    test('a record that is too long says so and keeps its decision', async () => {
      const store = await make();
      const delivery = await claimed(store, attemptOf(1));
      const [lookup] = whyRecord().lookups;
      const why = whyRecord({
        lookups: Array.from(
          { length: 1_000 },
          () => ({ ...lookup, detail: 'x'.repeat(900) }) as typeof lookup & object,
        ),
      });
      expect(await store.settle(finished(delivery, { why }))).toBe(true);
      const row = await store.readDelivery('m-1', 'example.org');
      expect(row?.why?.shortened).toMatch(/cut/);
      expect(row?.why?.decision).toEqual(why.decision);
      expect(Buffer.byteLength(JSON.stringify(row?.why))).toBeLessThanOrEqual(16_384);
    });
  });
}
