import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createWholeMessages } from '../../../functions/adapters/aws/whole-messages.ts';
import type {
  WholeMessage,
  WholeMessageStore,
} from '../../../functions/submission/whole-message.ts';
import { type LocalDynamoDb, loseAnswers, startDynamoDb, watchCalls } from './local-aws.ts';

let dynamoDb: LocalDynamoDb;
let tableName: string;

beforeAll(async () => {
  dynamoDb = await startDynamoDb();
  tableName = await dynamoDb.createTable('id', 'part');
});
afterAll(() => dynamoDb.stop());

let serial = 0;

function whole(changes: Partial<WholeMessage> = {}): WholeMessage {
  serial += 1;
  const reason = 'the message asks for nothing special';
  return {
    id: `m-${serial}`,
    mailFrom: 'alice@sender.example',
    submittedAt: '2026-11-24T12:00:00.000Z',
    expiresAt: '2026-11-29T12:00:00.000Z',
    bytes: 12,
    via: 'http',
    by: 'iam:1:AIDA',
    fingerprint: 'f'.repeat(64),
    parts: [
      {
        id: 'p1',
        domain: 'a.example',
        demand: 'default',
        demandReason: reason,
        recipients: ['x@a.example', 'y@a.example'],
      },
      {
        id: 'p2',
        domain: 'b.example',
        demand: 'require',
        demandReason: 'a rule',
        recipients: ['ü@b.example'],
      },
      {
        id: 'p3',
        domain: 'c.example',
        demand: 'default',
        demandReason: reason,
        recipients: ['z@c.example'],
      },
    ],
    queued: false,
    ...changes,
  };
}

function open(): {
  readonly store: WholeMessageStore;
  readonly client: ReturnType<LocalDynamoDb['createClient']>;
} {
  const client = dynamoDb.createClient();
  return { client, store: createWholeMessages({ client, tableName, historyDays: 30 }) };
}

test('what was never kept is not there', async () => {
  expect(await open().store.read('none')).toBeUndefined();
});

test('is kept in one write, and read as it was', async () => {
  const { store, client } = open();
  const calls = watchCalls(client);
  const message = whole();
  expect(await store.keep(message)).toEqual(message);
  expect(calls).toEqual(['UpdateItem']);
  expect(await store.read(message.id)).toEqual(message);
});

test('without a principal too', async () => {
  const { by: _, ...message } = whole({ via: 'sqs' });
  await open().store.keep(message);
  expect(await open().store.read(message.id)).toEqual(message);
});

test('the first of two under one id stays', async () => {
  const { store } = open();
  const first = whole();
  await store.keep(first);
  expect(await store.keep({ ...first, fingerprint: 'other' })).toEqual(first);
  expect(await store.read(first.id)).toEqual(first);
});

test('an answer that was lost is as good as one that came', async () => {
  const { store, client } = open();
  loseAnswers(client, 1);
  const message = whole();
  expect(await store.keep(message)).toEqual(message);
});

test('is noted as queued, and nothing is made of what is not there', async () => {
  const { store } = open();
  const message = whole();
  await store.keep(message);
  await store.markQueued(message.id);
  expect(await store.read(message.id)).toEqual({ ...message, queued: true });
  await store.markQueued('never');
  expect(await store.read('never')).toBeUndefined();
});

describe('many recipients', () => {
  const parts = (count: number, addressChars: number): WholeMessage['parts'] =>
    Array.from({ length: count }, (_, n) => ({
      id: `${'x'.repeat(39)}${String(n).padStart(4, '0')}`,
      domain: `customer-${n}.example`,
      demand: 'default',
      demandReason: 'the message asks for nothing special',
      recipients: [`${'a'.repeat(addressChars)}@customer-${n}.example`],
    }));

  test('2,000 domains fit into one item', async () => {
    const { store } = open();
    const message = whole({ parts: parts(2_000, 20) });
    await store.keep(message);
    expect(await store.read(message.id)).toEqual(message);
  });

  test('what does not fit is refused, with the remedy', async () => {
    await expect(open().store.keep(whole({ parts: parts(2_000, 150) }))).rejects.toMatchObject({
      code: 'queue-message-invalid',
      message: expect.stringMatching(/^rcptTo: 2000 domains .* send several messages$/),
    });
  });
});
