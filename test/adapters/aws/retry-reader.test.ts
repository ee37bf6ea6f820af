import {
  BatchWriteItemCommand,
  type DynamoDBClient,
  PutItemCommand,
  ScanCommand,
} from '@aws-sdk/client-dynamodb';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createRetryReader } from '../../../functions/adapters/aws/retry-reader.ts';
import { createRetryTable, retryBucket } from '../../../functions/adapters/aws/retry-table.ts';
import type { RetryStore } from '../../../functions/delivery/ports.ts';
import type { RetryReader } from '../../../functions/delivery/requeue-ports.ts';
import { retryReaderContract } from '../../delivery/contracts/retry-reader.ts';
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
  readonly client: DynamoDBClient;
  readonly tableName: string;
  readonly store: RetryStore;
  readonly reader: RetryReader;
  readonly calls: string[];
  count(): Promise<number | undefined>;
}

async function makeTable(): Promise<TableUnderTest> {
  const tableName = await dynamo.createTable('bucket', 'entry');
  const client = dynamo.createClient();
  const admin = dynamo.createClient();
  return {
    client,
    tableName,
    store: createRetryTable({ client: admin, tableName, now: () => noonMs }),
    reader: createRetryReader({ client, tableName, random: () => 0.5 }),
    calls: watchCalls(client),
    count: async () => (await admin.send(new ScanCommand({ TableName: tableName }))).Count,
  };
}

describe('the reader of the retry table on dynalite', () => {
  retryReaderContract(makeTable);
});

const next = preparedMessage({ attempt: 2 });
const bucket = { startMs: noonMs, shard: 3 };

describe('what it costs', () => {
  test('a quarter of an hour without mail: a query for each shard and minute', async () => {
    const { reader, calls } = await makeTable();
    for (const each of reader.buckets(noonMs - 15 * minuteMs, noonMs)) {
      await reader.readBucket(each);
    }
    expect(calls).toEqual(new Array(16 * 4).fill('Query'));
  });

  test('a probe: one query where many wait, sixteen where nobody does', async () => {
    const { store, reader, calls } = await makeTable();
    await reader.readWaiting('example.org', 1);
    expect(calls).toEqual(new Array(16).fill('Query'));
    for (let n = 0; n < 200; n += 1) {
      await store.put(preparedMessage({ id: `m-${n}`, attempt: 2 }), noonMs, 'example.org');
    }
    calls.length = 0;
    await reader.readWaiting('example.org', 1);
    expect(calls).toEqual(['Query', 'BatchGetItem']);
  });

  test('removing: 25 a call', async () => {
    const { reader, calls } = await makeTable();
    await reader.remove(
      Array.from({ length: 60 }, (_, n) => ({ bucket: '202611241200#0', entry: `m-${n}` })),
    );
    expect(calls).toEqual(['BatchWriteItem', 'BatchWriteItem', 'BatchWriteItem']);
  });
});

test('the oldest of a shard come first', async () => {
  const { store, reader } = await makeTable();
  for (let n = 0; n < 64; n += 1) {
    const submittedAt = new Date(noonMs - n * 1_000).toISOString();
    await store.put(
      preparedMessage({ id: `m-${n}`, attempt: 2, submittedAt }),
      noonMs,
      'example.org',
    );
  }
  const { entries } = await reader.readWaiting('example.org', 32);
  const ages = entries.map(({ message }) => noonMs - Date.parse(message.submittedAt));
  const all = Array.from({ length: 64 }, (_, n) => n * 1_000);
  const mean = (values: readonly number[]): number =>
    values.reduce((sum, value) => sum + value, 0) / values.length;
  expect(mean(ages)).toBeGreaterThan(mean(all));
});

describe('a pointer', () => {
  test('whose item was sent is stale, and removed as such', async () => {
    const { store, reader, count } = await makeTable();
    await store.put(next, noonMs, 'example.org');
    const { entries } = await reader.readWaiting('example.org', 10);
    // As it is after a put that got no further, or a removal that did not.
    await reader.remove(entries.map(({ key: { bucket: of, entry } }) => ({ bucket: of, entry })));
    const { entries: left, stale } = await reader.readWaiting('example.org', 10);
    expect(left).toEqual([]);
    expect(stale).toHaveLength(1);
    await reader.remove(stale);
    expect(await count()).toBe(0);
  });

  test('that points nowhere is stale too', async () => {
    const { client, tableName, reader } = await makeTable();
    const Item = { bucket: { S: 'wait#example.org#0' }, entry: { S: '1#m-1#example.org#0002' } };
    await client.send(new PutItemCommand({ TableName: tableName, Item }));
    expect(await reader.readWaiting('example.org', 10)).toEqual({
      entries: [],
      damaged: [],
      stale: [{ bucket: Item.bucket.S, entry: Item.entry.S }],
    });
  });
});

test.each<[string, string | undefined, string | undefined, string]>([
  ['no message', undefined, String(noonMs), 'message'],
  ['no JSON', '{"id": ', String(noonMs), 'message'],
  ['another shape', '{"id": "m-1"}', String(noonMs), 'message'],
  ['no due time', JSON.stringify(next), undefined, 'dueAtMs'],
])('an item with %s is damaged, and none of the others', async (_what, message, due, attribute) => {
  const { client, tableName, reader } = await makeTable();
  const good = {
    bucket: { S: retryBucket(noonMs, 3) },
    entry: { S: 'm-1#example.org#0002' },
    dueAtMs: { N: String(noonMs) },
    message: { S: JSON.stringify(next) },
  };
  const bad = {
    bucket: good.bucket,
    entry: { S: 'bad' },
    ...(message !== undefined && { message: { S: message } }),
    ...(due !== undefined && { dueAtMs: { N: due } }),
  };
  await client.send(
    new BatchWriteItemCommand({
      RequestItems: { [tableName]: [good, bad].map((Item) => ({ PutRequest: { Item } })) },
    }),
  );
  const { entries, damaged } = await reader.readBucket(bucket);
  expect(entries.map((entry) => entry.message)).toEqual([next]);
  expect(damaged).toEqual([
    {
      key: { bucket: good.bucket.S, entry: 'bad' },
      body: message ?? '',
      reason: `retry item (${good.bucket.S}, bad): attribute ${attribute} is not as written`,
    },
  ]);
});

describe('what DynamoDB leaves unprocessed', () => {
  /** The first `times` batch calls do nothing, and say so. */
  function processNothing(client: DynamoDBClient, times: number): void {
    let left = times;
    client.middlewareStack.add(
      (next, context) => async (args) => {
        const { RequestItems } = args.input as BatchWriteItemCommand['input'];
        if (context.commandName !== 'BatchWriteItemCommand' || left === 0) {
          return next(args);
        }
        left -= 1;
        return { output: { $metadata: {}, UnprocessedItems: RequestItems }, response: {} } as never;
      },
      { step: 'initialize', name: 'processNothing' },
    );
  }

  test('is asked for again', async () => {
    const { client, store, reader, count } = await makeTable();
    await store.put(next, noonMs, 'example.org');
    const { entries } = await reader.readWaiting('example.org', 1);
    processNothing(client, 2);
    await reader.remove(entries.map(({ key }) => key));
    expect(await count()).toBe(0);
  });

  test('is a failure when it stays so', async () => {
    const { client, reader } = await makeTable();
    processNothing(client, 100);
    await expect(reader.remove([{ bucket: 'a', entry: 'b' }])).rejects.toMatchObject({
      code: 'store-unavailable',
      message: expect.stringMatching(/BatchWriteItem on table .*: 1 of 1 left unprocessed/),
    });
  });
});

test('a table that is not there is our fault, and named', async () => {
  const client = dynamo.createClient();
  const reader = createRetryReader({ client, tableName: 'nowhere', random: () => 0 });
  await expect(reader.readBucket(bucket)).rejects.toMatchObject({
    code: 'store-unavailable',
    message: expect.stringMatching(/^Query on table nowhere: ResourceNotFoundException/),
  });
});
