import { type AttributeValue, ScanCommand } from '@aws-sdk/client-dynamodb';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  createRetryTable,
  retryBucketStartMs,
  retryEntry,
  retryShardsDefault,
  waitShards,
} from '../../../functions/adapters/aws/retry-table.ts';
import { shardOf } from '../../../functions/adapters/aws/shard.ts';
import type { RetryStore } from '../../../functions/delivery/ports.ts';
import { retryStoreContract } from '../../delivery/contracts/retry-store.ts';
import { minuteMs, noonMs, preparedMessage } from '../../delivery/port-fixtures.ts';
import { type LocalDynamoDb, startDynamoDb, watchCalls } from './local-aws.ts';

let dynamo: LocalDynamoDb;

beforeAll(async () => {
  dynamo = await startDynamoDb();
});

afterAll(async () => {
  await dynamo.stop();
});

interface TableUnderTest {
  readonly store: RetryStore;
  readonly calls: string[];
  items(): Promise<Record<string, AttributeValue>[]>;
}

async function makeTable(nowMs: number = noonMs, shards?: number): Promise<TableUnderTest> {
  const tableName = await dynamo.createTable('bucket', 'entry');
  const client = dynamo.createClient();
  const options = { client, tableName, now: () => nowMs, ...(shards !== undefined && { shards }) };
  const admin = dynamo.createClient();
  return {
    store: createRetryTable(options),
    calls: watchCalls(client),
    items: async () => (await admin.send(new ScanCommand({ TableName: tableName }))).Items ?? [],
  };
}

describe('the retry table on dynalite', () => {
  retryStoreContract(async () => {
    const { store, items } = await makeTable();
    return {
      store,
      entries: async () =>
        (await items())
          .filter(({ message }) => message !== undefined)
          .map(({ message, dueAtMs, waitingFor }) => ({
            message: JSON.parse(String(message?.S)),
            dueAtMs: Number(dueAtMs?.N),
            ...(waitingFor?.S !== undefined && { waitingFor: waitingFor.S }),
          })),
    };
  });
});

const next = preparedMessage({ attempt: 2 });
const second = 1_000;

describe('the bucket', () => {
  test.each([
    [0, 5 * minuteMs, '202611241205', 'due on the minute: that minute'],
    [0, 5 * minuteMs + 1, '202611241206', 'a moment later: the next, never early'],
    [0, 6 * minuteMs - 1, '202611241206', 'at the end of a minute'],
    [0, minuteMs, '202611241201', 'due in a minute: the bucket begins a minute from now'],
    [1, minuteMs, '202611241202', 'that bucket begins sooner than a minute from now'],
    [0, 0, '202611241201', 'due now: a minute from now'],
    [30 * second, 0, '202611241202', 'overdue, half-way through a minute'],
    [0, -3_600 * second, '202611241201', 'overdue by an hour, as the reconciler finds it'],
    [0, 12 * 60 * minuteMs, '202611250000', 'over midnight'],
    [0, (37 * 24 + 12) * 60 * minuteMs, '202701010000', 'over the new year'],
  ])('at noon + %i ms, due at noon + %i ms: %s (%s)', async (nowMs, dueMs, minute) => {
    const { store, items } = await makeTable(noonMs + nowMs);
    await store.put(next, noonMs + dueMs);
    const [item] = await items();
    expect(item?.['bucket']?.S).toBe(`${minute}#${shardOf('m-1', retryShardsDefault)}`);
    expect(item?.['dueAtMs']?.N).toBe(String(noonMs + dueMs));
  });

  test('is of a minute that begins when things are due, a minute from now at the earliest, and no later', () => {
    const day = 86_400_000;
    const moment = fc.integer({ min: noonMs - day, max: noonMs + day });
    fc.assert(
      fc.property(moment, moment, (nowMs, dueAtMs) => {
        const earliestMs = Math.max(dueAtMs, nowMs + minuteMs);
        const startMs = retryBucketStartMs(dueAtMs, nowMs);
        expect(startMs % minuteMs).toBe(0);
        expect(startMs).toBeGreaterThanOrEqual(earliestMs);
        expect(startMs).toBeLessThan(earliestMs + minuteMs);
      }),
    );
  });

  test('all attempts of a message share a shard; messages spread over all of them', () => {
    const counts = new Array<number>(8).fill(0);
    for (let n = 0; n < 4_000; n += 1) {
      const shard = shardOf(`m-${n}`, 8);
      counts[shard] = (counts[shard] ?? 0) + 1;
    }
    expect(Math.min(...counts)).toBeGreaterThan(400);
    expect(Math.max(...counts)).toBeLessThan(600);
    expect(shardOf('m-1', 8)).toBe(shardOf('m-1', 8));
    expect(shardOf('m-1', 1)).toBe(0);
  });

  test('shards are as many as the table is told', async () => {
    const { store, items } = await makeTable(noonMs, 2);
    for (let n = 0; n < 20; n += 1) {
      await store.put(preparedMessage({ id: `m-${n}`, attempt: 2 }), noonMs + 5 * minuteMs);
    }
    const buckets = new Set((await items()).map(({ bucket }) => bucket?.S));
    expect([...buckets].sort()).toEqual(['202611241205#0', '202611241205#1']);
  });
});

test('entries sort by attempt and are told apart whatever the id', () => {
  expect(retryEntry(next)).toBe('m-1#example.org#0002');
  expect(retryEntry(preparedMessage({ attempt: 1_000 }))).toBe('m-1#example.org#1000');
});

test('a put is one write, without a condition to fail', async () => {
  const { store, calls } = await makeTable();
  await store.put(next, noonMs);
  expect(calls).toEqual(['PutItem']);
});

describe('a message that waits for a domain', () => {
  test('is listed there by its age, with the place of its item', async () => {
    const { store, items } = await makeTable();
    await store.put(next, noonMs + 5 * minuteMs, 'example.org');
    const [item, pointer, ...more] = (await items()).sort((one, other) =>
      String(one['bucket']?.S).localeCompare(String(other['bucket']?.S)),
    );
    expect(more).toEqual([]);
    expect(pointer).toEqual({
      bucket: { S: `wait#example.org#${shardOf('m-1', waitShards)}` },
      entry: { S: `${Date.parse(next.submittedAt)}#m-1#example.org#0002` },
      target: item?.['bucket'],
      targetEntry: item?.['entry'],
    });
  });

  test('is written in one call', async () => {
    const { store, calls } = await makeTable();
    await store.put(next, noonMs, 'example.org');
    expect(calls).toEqual(['BatchWriteItem']);
  });
});

test('an item has no time to be removed at: it ends when it was sent', async () => {
  const { store, items } = await makeTable();
  await store.put(next, noonMs);
  const [item] = await items();
  expect(Object.keys(item ?? {}).sort()).toEqual(['bucket', 'dueAtMs', 'entry', 'message']);
});

test('a table that is not there is our fault, and named', async () => {
  const client = dynamo.createClient();
  const store = createRetryTable({ client, tableName: 'nowhere', now: () => noonMs });
  await expect(store.put(next, noonMs)).rejects.toMatchObject({
    code: 'store-unavailable',
    message: expect.stringMatching(/^PutItem on table nowhere: ResourceNotFoundException/),
  });
});
