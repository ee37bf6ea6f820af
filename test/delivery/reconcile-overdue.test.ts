import { describe, expect, test } from 'vitest';
import {
  type ReconcilePorts,
  reconcileOverdue,
} from '../../functions/delivery/reconcile-overdue.ts';
import type {
  DeliveryRow,
  WaitingDelivery,
  WaitingQuery,
} from '../../functions/delivery/stored-delivery.ts';
import { TransportSecurityError } from '../../functions/protocol/errors.ts';
import type { PreparedMessage } from '../../functions/submission/queue-message.ts';
import { mailBucket, minuteMs, noonMs, preparedMessage } from './port-fixtures.ts';

const message = preparedMessage();
const held = { author: 'op', reason: 'asked for', sinceMs: noonMs };

function rowOf(id: string, changes: Partial<DeliveryRow> = {}): DeliveryRow {
  const { id: _id, rcptTo, content: _content, attempt: _attempt, ...envelope } = message;
  const { demand, demandReason, explicit, domain } = envelope.prepared;
  return {
    id,
    domain,
    attempt: 3,
    state: 'deferred',
    leaseEndMs: 0,
    recipients: rcptTo.map((recipient) => ({ ...recipient, state: 'pending' })),
    envelope,
    demand: { demand, demandReason, explicit },
    content: { bucket: mailBucket, key: `content/${id}` },
    nextDueAtMs: noonMs - 61 * minuteMs,
    ...changes,
  };
}

/** Ports over rows of which the index knows what `listed` says; by default what is in them. */
function createWorld(rows: readonly DeliveryRow[], listed: readonly DeliveryRow[] = rows) {
  const put: { readonly message: PreparedMessage; readonly dueAtMs: number }[] = [];
  const faults: unknown[] = [];
  const queries: WaitingQuery[] = [];
  const ports: ReconcilePorts = {
    now: () => noonMs,
    waiting: {
      shards: 2,
      readWaiting: async (query) => {
        queries.push(query);
        const { shard, untilMs = 0, after, limit } = query;
        return listed
          .filter(({ id }) => Number(id.slice(2)) % 2 === shard)
          .map(
            ({
              id,
              domain,
              attempt,
              nextDueAtMs = 0,
              held: note,
            }): WaitingDelivery & { nextDueAtMs: number } => ({
              id,
              domain,
              attempt,
              mailFrom: message.mailFrom,
              submittedAtMs: noonMs,
              nextDueAtMs,
              ...(note && { held: note }),
            }),
          )
          .filter(({ nextDueAtMs }) => nextDueAtMs <= untilMs)
          .sort((one, other) => one.nextDueAtMs - other.nextDueAtMs || (one.id < other.id ? -1 : 1))
          .filter(
            ({ id, nextDueAtMs }) =>
              after === undefined ||
              nextDueAtMs > after.atMs ||
              (nextDueAtMs === after.atMs && id > after.id),
          )
          .slice(0, limit);
      },
    },
    readDelivery: async (id) => rows.find((row) => row.id === id),
    retries: {
      put: async (next, dueAtMs) => {
        put.push({ message: next, dueAtMs });
      },
    },
    observe: (event) => {
      if (event.kind === 'fault') {
        faults.push(event.error);
      }
    },
  };
  return { ports, put, faults, queries };
}

test('the next attempt of what is overdue is due now, made from the row', async () => {
  const { ports, put } = createWorld([rowOf('m-1')]);
  expect(await reconcileOverdue(ports, noonMs + minuteMs)).toEqual({ overdue: 1, failed: 0 });
  const content = { bucket: mailBucket, key: 'content/m-1' };
  expect(put).toEqual([{ message: { ...message, content, attempt: 4 }, dueAtMs: noonMs }]);
});

test.each<[string, Partial<DeliveryRow>, number]>([
  ['overdue by an hour', { nextDueAtMs: noonMs - 60 * minuteMs }, 1],
  ['overdue by less: requeuing may still be at it', { nextDueAtMs: noonMs - 60 * minuteMs + 1 }, 0],
  ['held: it waits for its release', { held }, 0],
])('%s', async (_reason, changes, overdue) => {
  const { ports, put } = createWorld([rowOf('m-1', changes)]);
  expect(await reconcileOverdue(ports, noonMs + minuteMs)).toEqual({ overdue, failed: 0 });
  expect(put).toHaveLength(overdue);
});

describe('an index that is behind', () => {
  const { nextDueAtMs: _nextDueAtMs, ...underWay } = rowOf('m-1', {
    state: 'attempting',
    attempt: 4,
  });
  test.each<[string, DeliveryRow | undefined]>([
    ['an attempt has begun', underWay],
    ['it is finished', { ...underWay, state: 'finished' }],
    ['it is held by now', rowOf('m-1', { held })],
    ['it was put off again', rowOf('m-1', { nextDueAtMs: noonMs + minuteMs })],
    ['it is gone', undefined],
  ])('puts nothing in again: %s', async (_reason, row) => {
    const { ports, put } = createWorld(row ? [row] : [], [rowOf('m-1')]);
    expect(await reconcileOverdue(ports, noonMs + minuteMs)).toEqual({ overdue: 0, failed: 0 });
    expect(put).toEqual([]);
  });
});

test('all of them are found, in every shard, page by page', async () => {
  const rows = Array.from({ length: 900 }, (_, n) => rowOf(`m-${n + 1_000}`));
  const { ports, put, queries } = createWorld(rows);
  expect(await reconcileOverdue(ports, noonMs + minuteMs)).toEqual({ overdue: 900, failed: 0 });
  expect(new Set(put.map((each) => each.message.id)).size).toBe(900);
  expect(queries).toHaveLength(6);
});

test('a row that cannot be read, and one that cannot be written, stop none of the others', async () => {
  const rows = Array.from({ length: 10 }, (_, n) => rowOf(`m-${n}`));
  const { ports, put, faults } = createWorld(rows);
  const damaged = new TransportSecurityError('store-damaged', 'attribute recipients');
  const { readDelivery, retries } = ports;
  const failing: ReconcilePorts = {
    ...ports,
    readDelivery: async (id, domain) => {
      if (id === 'm-3') {
        throw damaged;
      }
      return readDelivery(id, domain);
    },
    retries: {
      put: async (next, dueAtMs) => {
        if (next.id === 'm-4') {
          throw new TransportSecurityError('store-unavailable', 'throttled');
        }
        await retries.put(next, dueAtMs);
      },
    },
  };
  expect(await reconcileOverdue(failing, noonMs + minuteMs)).toEqual({ overdue: 8, failed: 2 });
  expect(put).toHaveLength(8);
  expect(faults).toContain(damaged);
});

test('a shard that cannot be read stops none of the others', async () => {
  const rows = Array.from({ length: 10 }, (_, n) => rowOf(`m-${n}`));
  const { ports } = createWorld(rows);
  const waiting: ReconcilePorts['waiting'] = {
    ...ports.waiting,
    readWaiting: async (query) => {
      if (query.shard === 0) {
        throw new TransportSecurityError('store-unavailable', 'throttled');
      }
      return ports.waiting.readWaiting(query);
    },
  };
  expect(await reconcileOverdue({ ...ports, waiting }, noonMs + minuteMs)).toEqual({
    overdue: 5,
    failed: 1,
  });
});

test('without time nothing is begun', async () => {
  const { ports, put } = createWorld([rowOf('m-1')]);
  expect(await reconcileOverdue(ports, noonMs)).toEqual({ overdue: 0, failed: 0 });
  expect(put).toEqual([]);
});
