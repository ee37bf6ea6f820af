import { type AttributeValue, GetItemCommand, PutItemCommand } from '@aws-sdk/client-dynamodb';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createPolicyTable } from '../../../functions/adapters/aws/policy-table.ts';
import type { CachedPolicy } from '../../../functions/policy/ports.ts';
import { formatPolicy } from '../../../functions/protocol/mta-sts/policy.ts';
import { testPolicyStore } from '../../policy/policy-store-contract.ts';
import { cachedPolicy, domain, enforce, startMs } from '../../policy/policy-world.ts';
import { type LocalDynamoDb, startDynamoDb } from './local-aws.ts';

let dynamoDb: LocalDynamoDb;

beforeAll(async () => {
  dynamoDb = await startDynamoDb();
});

afterAll(() => dynamoDb.stop());

async function createTable() {
  const client = dynamoDb.createClient();
  return { client, tableName: await dynamoDb.createTable('domain') };
}

testPolicyStore(async () => createPolicyTable(await createTable()));

describe('removeAtSeconds', () => {
  async function removeAtSeconds(write: (store: ReturnType<typeof createPolicyTable>) => unknown) {
    const table = await createTable();
    await write(createPolicyTable(table));
    const { Item: item } = await table.client.send(
      new GetItemCommand({ TableName: table.tableName, Key: { domain: { S: domain } } }),
    );
    return Number(item?.['removeAtSeconds']?.N);
  }

  const failed = {
    id: 'new',
    failedAtMs: startMs,
    code: 'sts-policy-invalid',
    reason: 'x',
  } as const;

  test('is a day after the policy has expired', async () => {
    const at = await removeAtSeconds((store) => store.writePolicy(cachedPolicy()));
    expect(at).toBe(startMs / 1000 + 604_800 + 86_400);
  });

  test('is a day after a failure without a policy', async () => {
    const at = await removeAtSeconds((store) => store.writeFailure(domain, failed));
    expect(at).toBe(startMs / 1000 + 86_400);
  });

  test('is not brought forward by a failure, and put off by a policy', async () => {
    const at = await removeAtSeconds(async (store) => {
      await store.writeFailure(domain, failed);
      await store.writePolicy(cachedPolicy());
      await store.writeFailure(domain, failed);
    });
    expect(at).toBe(startMs / 1000 + 604_800 + 86_400);
  });
});

describe('an item that is not as written', () => {
  const good: Record<string, AttributeValue> = {
    domain: { S: domain },
    id: { S: 'old' },
    text: { S: formatPolicy(enforce) },
    fetchedAtMs: { N: String(startMs) },
    usedAtMs: { N: String(startMs) },
    failedId: { S: 'new' },
    failedAtMs: { N: String(startMs) },
    failedCode: { S: 'sts-policy-invalid' },
    failedReason: { S: 'no mode' },
  };
  const failed = { id: 'new', failedAtMs: startMs, code: 'sts-policy-invalid', reason: 'no mode' };

  async function storeWith(change: Record<string, AttributeValue | undefined>) {
    const table = await createTable();
    const entries = Object.entries({ ...good, ...change });
    const item = Object.fromEntries(entries.filter(([, value]) => value !== undefined));
    await table.client.send(
      new PutItemCommand({
        TableName: table.tableName,
        Item: item as Record<string, AttributeValue>,
      }),
    );
    return createPolicyTable(table);
  }

  test('as written it is read', async () => {
    expect(await (await storeWith({})).read(domain)).toEqual({ cached: cachedPolicy(), failed });
  });

  test.each<[string, Record<string, AttributeValue | undefined>]>([
    ['no text', { text: undefined }],
    ['a text that is no policy', { text: { S: 'version: STSv1\nmode: maybe' } }],
    ['a text of another type', { text: { N: '1' } }],
    ['a text over 64 KiB', { text: { S: formatPolicy(enforce).padEnd(65_537, '\n') } }],
    ['an id of another type', { id: { BOOL: true } }],
    ['no time of fetch', { fetchedAtMs: undefined }],
    ['a time that is no integer', { fetchedAtMs: { N: '1.5' } }],
    ['a time beyond all integers', { usedAtMs: { N: '1e30' } }],
    ['a time as text', { usedAtMs: { S: String(startMs) } }],
  ])('%s: no policy, the failure still there, nothing listed', async (_, change) => {
    const store = await storeWith(change);
    expect(await store.read(domain)).toEqual({ failed });
    const listed: CachedPolicy[] = [];
    for await (const policy of store.list()) {
      listed.push(policy);
    }
    expect(listed).toEqual([]);
  });

  test.each<[string, Record<string, AttributeValue | undefined>]>([
    ['a code that nobody knows', { failedCode: { S: 'sts-policy-lost' } }],
    ['a code of an object', { failedCode: { S: 'constructor' } }],
    ['no time', { failedAtMs: undefined }],
    ['no reason', { failedReason: undefined }],
  ])('a failure with %s: the policy alone', async (_, change) => {
    expect(await (await storeWith(change)).read(domain)).toEqual({ cached: cachedPolicy() });
  });
});

test('a long reason is cut, so that failures cannot grow an item', async () => {
  const store = createPolicyTable(await createTable());
  const failed = { id: 'new', failedAtMs: startMs, code: 'sts-policy-invalid' } as const;
  await store.writeFailure(domain, { ...failed, reason: 'x'.repeat(100_000) });
  expect((await store.read(domain))?.failed?.reason).toBe('x'.repeat(500));
});

test('a table that cannot be reached is said to be so', async () => {
  const client = dynamoDb.createClient();
  const store = createPolicyTable({ client, tableName: 'no-such-table' });
  const unavailable = expect.objectContaining({ code: 'store-unavailable' });
  await expect(store.read(domain)).rejects.toThrow(unavailable);
  await expect(store.writePolicy(cachedPolicy())).rejects.toThrow(unavailable);
  await expect(store.list()[Symbol.asyncIterator]().next()).rejects.toThrow(unavailable);
});
