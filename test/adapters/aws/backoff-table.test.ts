import { PutItemCommand, ScanCommand } from '@aws-sdk/client-dynamodb';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createBackoffTable } from '../../../functions/adapters/aws/backoff-table.ts';
import { backoffStoreContract } from '../../delivery/contracts/backoff-store.ts';
import { minuteMs, noonMs } from '../../delivery/port-fixtures.ts';
import { type LocalDynamoDb, loseAnswers, startDynamoDb, watchCalls } from './local-aws.ts';

let dynamo: LocalDynamoDb;

beforeAll(async () => {
  dynamo = await startDynamoDb();
});

afterAll(async () => {
  await dynamo.stop();
});

const domain = 'example.org';
const probeAtMs = noonMs + 5 * minuteMs;

async function makeTable() {
  const tableName = await dynamo.createTable('bucket', 'entry');
  const client = dynamo.createClient();
  const store = createBackoffTable({ client, tableName });
  return { client, tableName, store, calls: watchCalls(client) };
}

describe('the table of back-offs on dynalite', () => {
  backoffStoreContract(async () => (await makeTable()).store);
});

describe('what it costs', () => {
  test('to find a domain that does not back off: one read', async () => {
    const { store, calls } = await makeTable();
    await store.read(domain);
    expect(calls).toEqual(['GetItem']);
  });

  test('to begin a back-off, take its probe, and end it: one write each', async () => {
    const { store, calls } = await makeTable();
    await store.prolong(domain, probeAtMs, noonMs);
    await store.takeProbe(domain, probeAtMs + minuteMs, probeAtMs);
    await store.recover(domain);
    expect(calls).toEqual(['UpdateItem', 'UpdateItem', 'UpdateItem']);
  });
});

describe('hasten', () => {
  test('makes the next probe due now, which somebody then takes; the failures stay counted', async () => {
    const { store } = await makeTable();
    await store.prolong(domain, probeAtMs, noonMs);
    expect(await store.takeProbe(domain, probeAtMs, noonMs + 1)).toBe(false);
    await store.hasten(domain, noonMs + 1);
    expect(await store.takeProbe(domain, probeAtMs, noonMs + 1)).toBe(true);
    expect(await store.read(domain)).toMatchObject({ failures: 1 });
  });

  test('does nothing where nobody backs off', async () => {
    const { store } = await makeTable();
    await store.hasten(domain, noonMs);
    expect(await store.read(domain)).toBeUndefined();
  });
});

describe('a lost answer', () => {
  test('to the first failure: it is not counted twice', async () => {
    const { client, store } = await makeTable();
    loseAnswers(client, 1);
    await store.prolong(domain, probeAtMs, noonMs);
    expect(await store.read(domain)).toMatchObject({ failures: 1 });
  });

  test('to a later failure: it is not counted twice', async () => {
    const { client, store } = await makeTable();
    await store.prolong(domain, probeAtMs, noonMs);
    loseAnswers(client, 2);
    await store.prolong(domain, probeAtMs + minuteMs, probeAtMs);
    expect(await store.read(domain)).toMatchObject({ failures: 2 });
  });

  test('to the one who takes the probe: it is his', async () => {
    const { client, store } = await makeTable();
    await store.prolong(domain, probeAtMs, noonMs);
    loseAnswers(client, 1);
    expect(await store.takeProbe(domain, probeAtMs + minuteMs, probeAtMs)).toBe(true);
    expect(await store.takeProbe(domain, probeAtMs + minuteMs, probeAtMs)).toBe(false);
  });

  test('to the one who forgets: it is forgotten', async () => {
    const { client, store } = await makeTable();
    await store.prolong(domain, probeAtMs, noonMs);
    const [state] = await store.list();
    loseAnswers(client, 1);
    await store.forget(state as never);
    expect(await store.list()).toEqual([]);
  });
});

test('an item that cannot be read counts as none, and is written anew', async () => {
  const { client, tableName, store } = await makeTable();
  await store.prolong(domain, probeAtMs, noonMs);
  const { Items: [item] = [] } = await client.send(new ScanCommand({ TableName: tableName }));
  const Item = { bucket: item?.['bucket'] ?? { S: '' }, entry: { S: domain } };
  await client.send(new PutItemCommand({ TableName: tableName, Item }));
  expect(await store.read(domain)).toBeUndefined();
  expect(await store.list()).toEqual([]);
  await store.prolong(domain, probeAtMs, noonMs);
  expect(await store.read(domain)).toMatchObject({ failures: 1 });
});

test('a table that is not there is our fault, and named', async () => {
  const store = createBackoffTable({ client: dynamo.createClient(), tableName: 'nowhere' });
  await expect(store.list()).rejects.toMatchObject({
    code: 'store-unavailable',
    message: expect.stringMatching(/^Query on table nowhere: ResourceNotFoundException/),
  });
});
