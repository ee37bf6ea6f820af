import {
  ConditionalCheckFailedException,
  type DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
  QueryCommand,
  UpdateItemCommand,
} from '@aws-sdk/client-dynamodb';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  createMessageTable,
  type MessageTable,
} from '../../../functions/adapters/aws/message-table.ts';
import type { ClaimedDelivery } from '../../../functions/delivery/ports.ts';
import { expiryDaysMax } from '../../../functions/submission/limits.ts';
import { messageStoreContract } from '../../delivery/contracts/message-store.ts';
import {
  claimRequest,
  mailBucket,
  minuteMs,
  noonMs,
  preparedMessage,
  recipientsAfter,
  whyRecord,
} from '../../delivery/port-fixtures.ts';
import { type LocalDynamoDb, loseAnswers, startDynamoDb, watchCalls } from './local-aws.ts';

let dynamo: LocalDynamoDb;
let admin: DynamoDBClient;

beforeAll(async () => {
  dynamo = await startDynamoDb();
  admin = dynamo.createClient();
});

afterAll(async () => {
  await dynamo.stop();
});

interface TableUnderTest {
  readonly table: MessageTable;
  readonly client: DynamoDBClient;
  readonly tableName: string;
  /** Commands that the table under test sent. */
  readonly calls: string[];
}

async function makeTable(): Promise<TableUnderTest> {
  const tableName = await dynamo.createTable('id', 'part');
  const client = dynamo.createClient();
  return {
    table: createMessageTable({ client, tableName }),
    client,
    tableName,
    calls: watchCalls(client),
  };
}

async function claimed(table: MessageTable, attempt = 1): Promise<ClaimedDelivery> {
  const result = await table.claim(claimRequest({ message: preparedMessage({ attempt }) }));
  if (result.kind !== 'claimed') {
    throw new Error(`not claimed: ${result.kind}`);
  }
  return result.delivery;
}

function finish(table: MessageTable, delivery: ClaimedDelivery): Promise<boolean> {
  const recipients = recipientsAfter(delivery);
  return table.settle({ delivery, recipients, why: whyRecord(), nowMs: noonMs + minuteMs });
}

function putOff(table: MessageTable, delivery: ClaimedDelivery): Promise<boolean> {
  return table.settle({
    delivery,
    recipients: recipientsAfter(delivery, 'pending'),
    next: { dueAtMs: noonMs + 6 * minuteMs, content: { bucket: mailBucket, key: 'content/m-1' } },
    why: whyRecord({ attempt: delivery.attempt }),
    nowMs: noonMs + minuteMs,
  });
}

/** DynamoDB as on AWS: a refusal brings the item along where it was asked to. */
function returnItemOnRefusal(client: DynamoDBClient): void {
  client.middlewareStack.add(
    (next) => async (args) => {
      try {
        return await next(args);
      } catch (error) {
        const { input } = args as { input: UpdateItemCommand['input'] };
        if (
          error instanceof ConditionalCheckFailedException &&
          input.ReturnValuesOnConditionCheckFailure === 'ALL_OLD'
        ) {
          const { TableName, Key } = input;
          error.Item = (await admin.send(new GetItemCommand({ TableName, Key }))).Item;
        }
        throw error;
      }
    },
    { step: 'initialize', name: 'returnItemOnRefusal', priority: 'low' },
  );
}

describe('the message table on dynalite', () => {
  messageStoreContract(async () => (await makeTable()).table);
});

describe('the message table where a refusal brings the item along', () => {
  messageStoreContract(async () => {
    const { table, client } = await makeTable();
    returnItemOnRefusal(client);
    return table;
  });

  test('a duplicate then costs one call', async () => {
    const { table, client, calls } = await makeTable();
    returnItemOnRefusal(client);
    await finish(table, await claimed(table));
    calls.length = 0;
    expect(await table.claim(claimRequest())).toEqual({ kind: 'done' });
    expect(calls).toEqual(['UpdateItem']);
  });
});

describe('what it costs', () => {
  test('a delivery that succeeds at once: two writes, no read', async () => {
    const { table, calls } = await makeTable();
    await finish(table, await claimed(table));
    expect(calls).toEqual(['UpdateItem', 'UpdateItem']);
  });

  test('an attempt that puts mail off: one write more, for its record', async () => {
    const { table, calls } = await makeTable();
    await putOff(table, await claimed(table));
    expect(calls).toEqual(['UpdateItem', 'PutItem', 'UpdateItem']);
  });

  test('a duplicate: one write refused, one read', async () => {
    const { table, calls } = await makeTable();
    await claimed(table);
    calls.length = 0;
    await table.claim(claimRequest());
    expect(calls).toEqual(['UpdateItem', 'GetItem']);
  });

  test('a release: one write', async () => {
    const { table, calls } = await makeTable();
    const delivery = await claimed(table);
    calls.length = 0;
    await table.release(delivery);
    expect(calls).toEqual(['UpdateItem']);
  });
});

describe('history', () => {
  test('the record of each attempt that put mail off is kept apart, in order, as long as its row', async () => {
    const { table, tableName } = await makeTable();
    for (let attempt = 1; attempt <= 11; attempt += 1) {
      await putOff(table, await claimed(table, attempt));
    }
    await finish(table, await claimed(table, 12));
    const { Items: items = [] } = await admin.send(
      new QueryCommand({
        TableName: tableName,
        KeyConditionExpression: 'id = :id AND begins_with(part, :why)',
        ExpressionAttributeValues: { ':id': { S: 'm-1' }, ':why': { S: 'why#example.org#' } },
      }),
    );
    expect(items.map(({ why }) => JSON.parse(String(why?.S)).attempt)).toEqual([
      1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11,
    ]);
    const endSeconds = (noonMs + minuteMs) / 1_000 + 30 * 86_400;
    expect(await table.readDelivery('m-1', 'example.org')).toMatchObject({
      state: 'finished',
      attempt: 12,
      removeAtSeconds: endSeconds,
    });
    // It may have waited until it expired, and its row is there for 30 days more.
    const longest = String(endSeconds + expiryDaysMax * 86_400);
    expect(new Set(items.map((item) => item['removeAtSeconds']?.N))).toEqual(new Set([longest]));
  });

  test('a row is removed only when its delivery is finished', async () => {
    const { table } = await makeTable();
    const delivery = await claimed(table);
    expect(await table.readDelivery('m-1', 'example.org')).not.toHaveProperty('removeAtSeconds');
    await putOff(table, delivery);
    expect(await table.readDelivery('m-1', 'example.org')).not.toHaveProperty('removeAtSeconds');
  });

  test('historyDays decides for how long', async () => {
    const { client, tableName } = await makeTable();
    const table = createMessageTable({ client, tableName, historyDays: 1 });
    await finish(table, await claimed(table));
    expect((await table.readDelivery('m-1', 'example.org'))?.removeAtSeconds).toBe(
      (noonMs + minuteMs) / 1_000 + 86_400,
    );
  });

  test('a record that cannot be kept apart does not stop the settling, which notes it', async () => {
    const { table, client } = await makeTable();
    const delivery = await claimed(table);
    client.middlewareStack.add(
      (next, context) => (args) => {
        if (context.commandName === 'PutItemCommand') {
          throw Object.assign(new Error('slow down'), { name: 'ThrottlingException' });
        }
        return next(args);
      },
      { step: 'build', name: 'throttlePuts' },
    );
    expect(await putOff(table, delivery)).toBe(true);
    const row = await table.readDelivery('m-1', 'example.org');
    expect(row?.note).toMatch(/attempt 1 not kept apart: .*slow down/);
    expect(row?.why?.attempt).toBe(1);
  });
});

describe('a lost answer', () => {
  test('to a claim: the claim is recognised as our own', async () => {
    const { table, client } = await makeTable();
    loseAnswers(client, 1);
    expect(await table.claim(claimRequest())).toMatchObject({
      kind: 'claimed',
      delivery: { attempt: 1, token: 'token-1' },
    });
  });

  test('to a settling: it is settled', async () => {
    const { table, client } = await makeTable();
    const delivery = await claimed(table);
    loseAnswers(client, 1);
    expect(await finish(table, delivery)).toBe(true);
  });

  test('to a release: it is released', async () => {
    const { table, client } = await makeTable();
    const delivery = await claimed(table);
    loseAnswers(client, 1);
    await table.release(delivery);
    expect(await table.claim(claimRequest())).toMatchObject({ kind: 'claimed' });
  });
});

describe('faults', () => {
  test('a table that is not there is our fault, and named', async () => {
    const client = dynamo.createClient();
    const table = createMessageTable({ client, tableName: 'nowhere' });
    await expect(table.claim(claimRequest())).rejects.toMatchObject({
      code: 'store-unavailable',
      message: expect.stringMatching(/UpdateItem on table nowhere: ResourceNotFoundException/),
    });
    await expect(table.readDelivery('m-1', 'example.org')).rejects.toMatchObject({
      code: 'store-unavailable',
      message: expect.stringMatching(/GetItem on table nowhere/),
    });
  });

  const damages: readonly [string, string, string][] = [
    ['hash', 'REMOVE #a', 'claim'],
    ['attempt', 'REMOVE #a', 'claim'],
    ['settled', 'REMOVE #a', 'claim'],
    ['leaseEndMs', 'REMOVE #a', 'claim'],
    ['leaseEndMs', 'SET #a = :text', 'claim'],
    ['recipients', 'REMOVE #a', 'readDelivery'],
    ['recipients', 'SET #a = :text', 'readDelivery'],
    ['recipients', 'SET #a = :json', 'readDelivery'],
    ['envelope', 'SET #a = :json', 'readDelivery'],
    ['content', 'SET #a = :json', 'readDelivery'],
    ['why', 'SET #a = :json', 'readDelivery'],
    ['note', 'SET #a = :number', 'readDelivery'],
  ];

  async function damage(tableName: string, attribute: string, update: string): Promise<void> {
    const values = {
      ':text': { S: 'not json {' },
      ':json': { S: '[{"x":1}]' },
      ':number': { N: '1' },
    };
    await admin.send(
      new UpdateItemCommand({
        TableName: tableName,
        Key: { id: { S: 'm-1' }, part: { S: 'delivery#example.org' } },
        UpdateExpression: update,
        ExpressionAttributeNames: { '#a': attribute },
        ...(update.startsWith('SET') && {
          ExpressionAttributeValues: Object.fromEntries(
            Object.entries(values).filter(([name]) => update.includes(name)),
          ),
        }),
      }),
    );
  }

  test.each(damages)(
    'a damaged row is named: %s, %s, seen by %s',
    async (attribute, update, seenBy) => {
      const { table, tableName } = await makeTable();
      await claimed(table);
      await damage(tableName, attribute, update);
      const reading =
        seenBy === 'claim' ? table.claim(claimRequest()) : table.readDelivery('m-1', 'example.org');
      await expect(reading).rejects.toMatchObject({
        name: 'TransportSecurityError',
        code: 'store-damaged',
        message: `row (m-1, example.org) of table ${tableName}: attribute ${attribute} is not as written`,
      });
    },
  );

  test('damage to what a claim does not need stops no mail', async () => {
    const { table, tableName } = await makeTable();
    await putOff(table, await claimed(table));
    for (const attribute of ['why', 'envelope', 'content']) {
      await damage(tableName, attribute, 'SET #a = :text');
    }
    expect(await claimed(table, 2)).toMatchObject({ attempt: 2 });
  });

  test('an item that is no row at all is damaged', async () => {
    const { table, tableName } = await makeTable();
    const item = { id: { S: 'm-1' }, part: { S: 'delivery#example.org' } };
    await admin.send(new PutItemCommand({ TableName: tableName, Item: item }));
    await expect(table.claim(claimRequest())).rejects.toMatchObject({ code: 'store-damaged' });
    await expect(table.readDelivery('m-1', 'example.org')).rejects.toMatchObject({
      code: 'store-damaged',
    });
  });
});
