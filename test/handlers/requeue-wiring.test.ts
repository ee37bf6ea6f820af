/** The requeue function as it is deployed: over DynamoDB and SQS, and without the right to keep content. */
import { ReceiveMessageCommand } from '@aws-sdk/client-sqs';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { createRetryReader } from '../../functions/adapters/aws/retry-reader.ts';
import { createRetryTable } from '../../functions/adapters/aws/retry-table.ts';
import { handler } from '../../functions/handlers/requeue.ts';
import type { Answer } from '../../functions/protocol/dns/answer.ts';
import {
  type PreparedMessage,
  parseQueueMessage,
} from '../../functions/submission/queue-message.ts';
import {
  type LocalDynamoDb,
  type LocalQueuesAndBuckets,
  startDynamoDb,
  startQueuesAndBuckets,
} from '../adapters/aws/local-aws.ts';
import { alike, createHarness, mxOf, record, reply } from '../delivery/harness.ts';
import { minuteMs, preparedMessage } from '../delivery/port-fixtures.ts';
import { captureOutput, lambdaContext } from './lambda-context.ts';

let dynamoDb: LocalDynamoDb;
let queues: LocalQueuesAndBuckets;
let tableName: string;
let queueUrl: string;
let deadLetterQueueUrl: string;

beforeAll(async () => {
  dynamoDb = await startDynamoDb();
  queues = await startQueuesAndBuckets();
  tableName = await dynamoDb.createTable('bucket', 'entry');
  queueUrl = await queues.createQueue();
  deadLetterQueueUrl = await queues.createQueue();
  const variables = {
    AWS_REGION: 'eu-central-1',
    AWS_ACCESS_KEY_ID: 'local',
    AWS_SECRET_ACCESS_KEY: 'local',
    AWS_ENDPOINT_URL_DYNAMODB: dynamoDb.endpoint,
    AWS_ENDPOINT_URL_SQS: queues.endpoint,
    SEALPOST_RETRY_TABLE: tableName,
    SEALPOST_DELIVERY_QUEUE_URL: queueUrl,
    SEALPOST_DEAD_LETTER_QUEUE_URL: deadLetterQueueUrl,
  };
  for (const [name, value] of Object.entries(variables)) {
    vi.stubEnv(name, value);
  }
});

afterEach(() => {
  vi.restoreAllMocks();
});

afterAll(async () => {
  vi.unstubAllEnvs();
  await dynamoDb.stop();
  await queues.stop();
});

/** As put off a while ago, so that it is due. */
async function putOff(message: PreparedMessage, minutesAgo: number): Promise<void> {
  const atMs = Date.now() - minutesAgo * minuteMs;
  const client = dynamoDb.createClient();
  await createRetryTable({ client, tableName, now: () => atMs }).put(message, atMs);
}

async function drain(url: string): Promise<string[]> {
  const bodies: string[] = [];
  for (;;) {
    const { Messages: batch = [] } = await queues.sqs.send(
      new ReceiveMessageCommand({ QueueUrl: url, MaxNumberOfMessages: 10, WaitTimeSeconds: 0 }),
    );
    if (batch.length === 0) {
      return bodies;
    }
    bodies.push(...batch.map(({ Body: body }) => String(body)));
  }
}

/** What waits for its next attempt once a REQUIRETLS message was refused for so many, and its notification put off. */
async function putOffNotification(recipients: number): Promise<PreparedMessage | undefined> {
  const harness = createHarness();
  const rcptTo = Array.from({ length: recipients }, (_, n) => ({
    address: `somebody-with-a-name-${n}@rcpt.example`,
  }));
  await harness.deliver(record({ requireTls: true, rcptTo }));
  harness.mx.set('sender.example', {
    ...mxOf('mx.rcpt.example'),
    status: 'secure',
  } as Answer<'MX'>);
  harness.peers.set('mx.rcpt.example', {
    requireTls: true,
    answer: (transaction) =>
      alike(transaction, {
        outcome: 'deferred',
        code: 'deferred-by-peer',
        reason: 'busy',
        reply: reply(450, 'busy'),
      }),
  });
  const [notice] = harness.stores.sent;
  await harness.deliver(record({}, { body: JSON.stringify(notice) }));
  return harness.stores.retryEntries()[0]?.message;
}

test('twenty minutes of what SQS never takes keep nothing from its turn', async () => {
  const redacted = { data: 'QUJD'.repeat(5_000) };
  const bad = Array.from({ length: 20 }, (_, n) =>
    preparedMessage({ id: `bad-${n}`, mailFrom: '', redacted }),
  );
  for (const [n, message] of bad.entries()) {
    await putOff(message, 30 - n);
  }
  await putOff(preparedMessage({ id: 'good' }), 3);
  await createRetryReader({
    client: dynamoDb.createClient(),
    tableName,
    random: () => 0,
  }).writeDrainedMs(Date.now() - 60 * minuteMs);
  const written = captureOutput();
  expect(await handler({}, lambdaContext())).toMatchObject({ sent: 1, isDrained: true });
  expect((await drain(queueUrl)).map((body) => JSON.parse(body).id)).toEqual(['good']);
  const dead = (await drain(deadLetterQueueUrl)).map((body) => JSON.parse(body));
  expect(dead.map(({ id }) => id).sort()).toEqual(bad.map(({ id }) => id).sort());
  expect(written.metrics).toMatchObject({ DeadLetters: bad.map(() => 1) });
  expect(written.metrics).not.toHaveProperty('Faults');
});

const defaults = { sqsMessageId: 'sqs', sentAtMs: Date.now(), expiryDays: 5 };

test.each([
  [1, 'data'],
  [40, 'bucket'],
  [500, 'bucket'],
])(
  'the notification of a REQUIRETLS message to %i, put off, comes back, its redacted form as %s',
  async (recipients, place) => {
    const waiting = await putOffNotification(recipients);
    expect(waiting).toMatchObject({ attempt: 2, prepared: { demand: 'require' } });
    expect(waiting?.redacted).toHaveProperty(place);
    await putOff(waiting ?? preparedMessage(), 5);
    captureOutput();
    expect(await handler({}, lambdaContext())).toMatchObject({ sent: 1, isDrained: true });
    const [body = '', ...more] = await drain(queueUrl);
    expect(more).toEqual([]);
    expect(parseQueueMessage(body, defaults)).toEqual(waiting);
  },
);
