import { type DynamoDBClient, GetItemCommand, UpdateItemCommand } from '@aws-sdk/client-dynamodb';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createMessageControl } from '../../../functions/adapters/aws/message-control.ts';
import { createMessageTable } from '../../../functions/adapters/aws/message-table.ts';
import { createWaitingIndex } from '../../../functions/adapters/aws/waiting-index.ts';
import { createWholeMessages } from '../../../functions/adapters/aws/whole-messages.ts';
import {
  claimRequest,
  mailBucket,
  noonMs,
  preparedMessage,
  recipientsAfter,
  whyRecord,
} from '../../delivery/port-fixtures.ts';
import { advanceContract } from '../../operating/contracts/in-advance.ts';
import {
  type ControlUnderTest,
  messageControlContract,
} from '../../operating/contracts/message-control.ts';
import { type LocalDynamoDb, loseAnswers, startDynamoDb } from './local-aws.ts';

let dynamo: LocalDynamoDb;

beforeAll(async () => {
  dynamo = await startDynamoDb();
});

afterAll(async () => {
  await dynamo.stop();
});

interface TableUnderTest extends ControlUnderTest {
  readonly client: DynamoDBClient;
  readonly tableName: string;
}

async function makeTable(): Promise<TableUnderTest> {
  const tableName = await dynamo.createTable('id', 'part', {
    WaitingByAge: ['waiting', 'submittedAtMs'],
    WaitingByDue: ['waiting', 'nextDueAtMs'],
  });
  const client = dynamo.createClient();
  const table = { client, tableName, historyDays: 30 };
  return {
    client,
    tableName,
    messages: createMessageTable(table),
    control: createMessageControl(table),
    waiting: createWaitingIndex(table),
  };
}

async function putOff({ messages }: TableUnderTest): Promise<void> {
  const result = await messages.claim(claimRequest());
  if (result.kind !== 'claimed') {
    throw new Error(result.kind);
  }
  await messages.settle({
    delivery: result.delivery,
    recipients: recipientsAfter(result.delivery, 'pending', 'pending'),
    next: { dueAtMs: noonMs, content: { bucket: mailBucket, key: 'content/m-1' } },
    why: whyRecord(),
    nowMs: noonMs,
  });
}

const key = { id: 'm-1', domain: 'example.org' };
const note = { author: 'alice', reason: 'wait', sinceMs: noonMs };

describe('the message table on dynalite, as operators change it', () => {
  messageControlContract(makeTable);
});

describe('the message table on dynalite, of deliveries that only the queue knows', () => {
  advanceContract(makeTable);
});

describe('the message table', () => {
  test.each([
    ['hold', false],
    ['release', true],
    ['override', false],
  ] as const)(
    '%s: a write whose answer was lost is recognized when it is tried again',
    async (action, held) => {
      const under = await makeTable();
      await putOff(under);
      if (held) {
        await under.control.hold(key, note);
      }
      loseAnswers(under.client, 1);
      const demand = { demand: 'default', demandReason: 'alice: agreed', explicit: false } as const;
      const change =
        action === 'override'
          ? under.control.override(key, demand, noonMs)
          : action === 'hold'
            ? under.control.hold(key, note)
            : under.control.release(key, noonMs);
      expect(await change).toMatchObject({ kind: 'changed' });
    },
  );

  test.each(['hold', 'override', 'cancel', 'release'] as const)(
    '%s in advance: a write whose answer was lost is recognized, and the note is removed some day',
    async (action) => {
      const under = await makeTable();
      const target = { ...key, mayCome: true };
      const demand = { demand: 'require', demandReason: 'alice: secret', explicit: true } as const;
      const cancellation = { author: 'alice', reason: 'sent in error', bounce: true };
      const acts = {
        hold: () => under.control.hold(target, note),
        override: () => under.control.override(target, demand, noonMs),
        cancel: () => under.control.cancel(target, cancellation, noonMs),
        release: () => under.control.release(target, noonMs),
      };
      if (action === 'release') {
        await acts.hold();
      }
      loseAnswers(under.client, 1);
      expect(await acts[action]()).toEqual({ kind: 'noted' });
      const { Item: item } = await under.client.send(
        new GetItemCommand({
          TableName: under.tableName,
          Key: { id: { S: 'm-1' }, part: { S: 'delivery#example.org' } },
        }),
      );
      // Longer than SQS keeps a record, and than any message lives.
      expect(Number(item?.['removeAtSeconds']?.N) * 1_000).toBeGreaterThan(
        noonMs + 30 * 86_400_000,
      );
    },
  );

  test.each([
    ['held', 'its first attempt begins', false],
    ['released', 'its first attempt begins and somebody else holds it', true],
  ] as const)('%s at the very moment at which %s, it is', async (what, _moment, isHeld) => {
    const under = await makeTable();
    const target = { ...key, mayCome: true };
    let isBegun = false;
    // DynamoDB returns no item with the refusal where there was none, so that the row is looked at a moment later.
    under.client.middlewareStack.add(
      (next, { commandName }) =>
        async (args) => {
          if (commandName === 'GetItemCommand' && !isBegun) {
            isBegun = true;
            await under.messages.claim(claimRequest());
            if (isHeld) {
              await under.control.hold(key, note);
            }
          }
          return next(args);
        },
      { step: 'initialize' },
    );
    const change = await (what === 'held'
      ? under.control.hold(target, note)
      : under.control.release(target, noonMs));
    expect(change).toMatchObject({ kind: 'changed', row: { state: 'attempting' } });
    expect('row' in change && change.row.held).toEqual(what === 'held' ? note : undefined);
    expect(isBegun).toBe(true);
  });

  test('a parked delivery whose write was applied, and its answer lost', async () => {
    const under = await makeTable();
    await under.control.hold({ ...key, mayCome: true }, note);
    loseAnswers(under.client, 1);
    expect(await under.messages.park(preparedMessage(), noonMs)).toBe(true);
  });

  test('the whole message is shown with what is kept beside it', async () => {
    const under = await makeTable();
    await putOff(under);
    const whole = {
      id: 'm-1',
      mailFrom: 'alice@example.com',
      submittedAt: '2026-11-24T12:00:00.000Z',
      expiresAt: '2026-11-29T12:00:00.000Z',
      bytes: 1_000,
      via: 'http',
      fingerprint: 'f',
      parts: [],
      queued: true,
    } as const;
    await createWholeMessages({ ...under, historyDays: 30 }).keep(whole);
    const message = await under.control.readMessage('m-1');
    expect(message).toMatchObject({ whole, deliveries: [{ domain: 'example.org' }] });
  });

  test.each([
    ['mailFrom', 'REMOVE #a', 'attribute mailFrom'],
    ['submittedAtMs', 'SET #a = :zero', undefined],
    ['waiting', 'SET #a = :shard', 'no delivery of its shard'],
  ])('damage to a listed row is named: %s, %s', async (attribute, update, message) => {
    const under = await makeTable();
    await putOff(under);
    const values = { ':zero': { N: '0' }, ':shard': { S: '0' } };
    await under.client.send(
      new UpdateItemCommand({
        TableName: under.tableName,
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
    const shards = Array.from({ length: under.waiting.shards }, (_, shard) => shard);
    const reading = Promise.all(
      shards.map((shard) => under.waiting.readWaiting({ order: 'age', shard, limit: 5 })),
    );
    if (message === undefined) {
      expect((await reading).flat()).toMatchObject([{ submittedAtMs: 0 }]);
    } else {
      await expect(reading).rejects.toMatchObject({
        code: 'store-damaged',
        message: expect.stringContaining(message),
      });
    }
  });

  test('of more actions than are shown the newest are, and it is said', async () => {
    const under = await makeTable();
    await putOff(under);
    const action = { ...key, action: 'retry', author: 'alice', reason: 'again' } as const;
    for (let n = 0; n <= 100; n += 1) {
      await under.control.noteAction({ ...action, atMs: noonMs + n });
    }
    const message = await under.control.readMessage('m-1');
    expect(message?.truncated).toBe(true);
    expect(message?.actions.map(({ atMs }) => atMs - noonMs)).toEqual(
      Array.from({ length: 100 }, (_, n) => n + 1),
    );
    expect(message?.deliveries).toHaveLength(1);
  });
});
