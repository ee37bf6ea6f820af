import { type AttributeValue, GetItemCommand, PutItemCommand } from '@aws-sdk/client-dynamodb';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createControlTable } from '../../../functions/adapters/aws/control-table.ts';
import {
  storedException,
  storedRule,
  testControlStore,
} from '../../operating/control-store-contract.ts';
import { type LocalDynamoDb, loseAnswers, startDynamoDb, watchCalls } from './local-aws.ts';

let dynamoDb: LocalDynamoDb;

beforeAll(async () => {
  dynamoDb = await startDynamoDb();
});

afterAll(() => dynamoDb.stop());

async function createTable() {
  const client = dynamoDb.createClient();
  return { client, tableName: await dynamoDb.createTable('kind', 'name') };
}

testControlStore(async () => createControlTable(await createTable()));

test('both lists are one query each', async () => {
  const table = await createTable();
  const calls = watchCalls(table.client);
  const store = createControlTable(table);
  await store.listRules();
  await store.listExceptions();
  expect(calls).toEqual(['Query', 'Query']);
});

test('a list longer than a page of DynamoDB (1 MB) is whole', async () => {
  const store = createControlTable(await createTable());
  const bulky = { equals: 'x'.repeat(500) };
  const pages = Array.from({ length: 40 }, (_, index) =>
    storedException({ domain: `d${index}.example`, reason: 'x'.repeat(60_000) }),
  );
  for (const exception of pages) {
    await store.putException(exception);
  }
  expect(await store.listExceptions()).toHaveLength(40);
  const rule = storedRule('a', {
    rule: { name: 'a', match: { sender: bulky }, action: 'optional' },
  });
  await store.putRule(rule, { replace: false });
  expect(await store.listRules()).toEqual([rule]);
});

test('a rule whose answer was lost was added, by the second try too', async () => {
  const table = await createTable();
  loseAnswers(table.client, 1);
  const store = createControlTable(table);
  expect(await store.putRule(storedRule('a'), { replace: false })).toBe(true);
});

test('an exception is removed from the table 30 days after it is over', async () => {
  const table = await createTable();
  await createControlTable(table).putException(storedException());
  const { Item: item } = await table.client.send(
    new GetItemCommand({
      TableName: table.tableName,
      Key: { kind: { S: 'exception' }, name: { S: 'example.net#mta-sts' } },
    }),
  );
  expect(item?.['removeAtSeconds']?.N).toBe(String(Date.UTC(2026, 11, 31) / 1000));
});

describe('an item that is not as written stops the list', () => {
  const rule: Record<string, AttributeValue> = {
    kind: { S: 'rule' },
    name: { S: 'a' },
    rule: { S: JSON.stringify(storedRule('a').rule) },
    position: { N: '1' },
    author: { S: 'alice' },
    addedAtMs: { N: '0' },
  };
  const exception: Record<string, AttributeValue> = {
    kind: { S: 'exception' },
    name: { S: 'example.net#dane' },
    domain: { S: 'example.net' },
    policy: { S: 'dane' },
    reason: { S: 'x' },
    author: { S: 'alice' },
    expires: { S: '2027-01-01T00:00:00Z' },
    addedAtMs: { N: '0' },
  };

  async function listWith(item: Record<string, AttributeValue>): Promise<unknown> {
    const table = await createTable();
    await table.client.send(new PutItemCommand({ TableName: table.tableName, Item: item }));
    const store = createControlTable(table);
    return Promise.all([store.listRules(), store.listExceptions()]);
  }

  test('as written they are read', async () => {
    expect(await listWith(rule)).toMatchObject([[{ position: 1 }], []]);
    expect(await listWith(exception)).toMatchObject([[], [{ policy: 'dane' }]]);
  });

  test.each<[string, Record<string, AttributeValue>]>([
    ['a rule that is no JSON', { ...rule, rule: { S: '{' } }],
    ['a rule of an action nobody knows', { ...rule, rule: { S: '{"name":"a","action":"x"}' } }],
    ['a position that is no integer', { ...rule, position: { N: '1.5' } }],
    ['an exception from a policy nobody knows', { ...exception, policy: { S: 'all' } }],
    ['an exception from a property of objects', { ...exception, policy: { S: 'constructor' } }],
    ['an exception without an end', { ...exception, expires: { S: 'never' } }],
    ['an exception without an author', { ...exception, author: { BOOL: true } }],
  ])('%s', async (_, item) => {
    await expect(listWith(item)).rejects.toMatchObject({ code: 'store-damaged' });
  });
});

test('a table that cannot be reached is said to be so', async () => {
  const store = createControlTable({ client: dynamoDb.createClient(), tableName: 'nowhere' });
  const unavailable = expect.objectContaining({ code: 'store-unavailable' });
  await expect(store.listRules()).rejects.toThrow(unavailable);
  await expect(store.listExceptions()).rejects.toThrow(unavailable);
  await expect(store.putRule(storedRule('a'), { replace: false })).rejects.toThrow(unavailable);
  await expect(store.putException(storedException())).rejects.toThrow(unavailable);
  await expect(store.removeRule('a')).rejects.toThrow(unavailable);
});
