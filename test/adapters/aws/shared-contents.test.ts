import { ScanCommand } from '@aws-sdk/client-dynamodb';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createSharedContents } from '../../../functions/adapters/aws/shared-contents.ts';
import { noonMs } from '../../delivery/port-fixtures.ts';
import { type LocalDynamoDb, startDynamoDb, watchCalls } from './local-aws.ts';

let dynamo: LocalDynamoDb;

beforeAll(async () => {
  dynamo = await startDynamoDb();
});

afterAll(async () => {
  await dynamo.stop();
});

async function makeTable() {
  const tableName = await dynamo.createTable('id', 'part');
  const client = dynamo.createClient();
  const shares = createSharedContents({ client, tableName, now: () => noonMs });
  const items = async () =>
    (await dynamo.createClient().send(new ScanCommand({ TableName: tableName }))).Items ?? [];
  return { shares, items, calls: watchCalls(client) };
}

const body = { bucket: 'mail', key: 'content/m1/hash' };

test('the last part to leave is told so', async () => {
  const { shares, calls } = await makeTable();
  await shares.shareContent(body, 3);
  expect(await shares.leaveContent(body, 1)).toBe(false);
  expect(await shares.leaveContent(body, 0)).toBe(false);
  expect(await shares.leaveContent(body, 2)).toBe(true);
  expect(calls).toHaveLength(4);
});

test('leaving again changes nothing, and tells the last one again', async () => {
  const { shares } = await makeTable();
  await shares.shareContent(body, 2);
  expect(await shares.leaveContent(body, 0)).toBe(false);
  expect(await shares.leaveContent(body, 0)).toBe(false);
  expect(await shares.leaveContent(body, 1)).toBe(true);
  expect(await shares.leaveContent(body, 1)).toBe(true);
});

test('sharing again brings nobody back, when some have left or all', async () => {
  const { shares } = await makeTable();
  await shares.shareContent(body, 2);
  await shares.leaveContent(body, 0);
  await shares.shareContent(body, 2);
  expect(await shares.leaveContent(body, 1)).toBe(true);
  await shares.shareContent(body, 2);
  expect(await shares.leaveContent(body, 0)).toBe(true);
});

test('two at once: one of them is the last', async () => {
  const { shares } = await makeTable();
  await shares.shareContent(body, 20);
  const left = await Promise.all(
    Array.from({ length: 20 }, (_, part) => shares.leaveContent(body, part)),
  );
  expect(left.filter(Boolean)).toHaveLength(1);
});

test('a body that nobody shares is left alone, and no item is made for it', async () => {
  const { shares, items } = await makeTable();
  expect(await shares.leaveContent(body, 0)).toBe(false);
  expect(await items()).toEqual([]);
});

test('the item goes when no message can wait for it any more', async () => {
  const { shares, items } = await makeTable();
  await shares.shareContent(body, 2_000);
  const [item] = await items();
  expect(item).toMatchObject({ id: { S: 'content#content/m1/hash' }, part: { S: 'open' } });
  expect(Number(item?.['removeAtSeconds']?.N)).toBe(noonMs / 1_000 + 60 * 86_400);
});

test('a body within a record is nobody to share: a bug', async () => {
  const { shares } = await makeTable();
  await expect(shares.shareContent({ data: '' }, 2)).rejects.toThrow(TypeError);
});
