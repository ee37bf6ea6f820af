import {
  GetQueueAttributesCommand,
  ReceiveMessageCommand,
  SendMessageBatchCommand,
  SendMessageCommand,
  SQSClient,
} from '@aws-sdk/client-sqs';
import { expect, onTestFinished, test, vi } from 'vitest';
import { failedMessageIds } from '../../../bin/local/batch-response.ts';
import type { LocalCloud } from '../../../bin/local/cloud.ts';
import type { BatchEvent } from '../../../bin/local/events.ts';
import type { Invocation } from '../../../bin/local/lambda-pool.ts';
import { lambda, type TemplateJson } from './assembly.ts';
import { cloudOf, credentials } from './cloud-fixture.ts';
import { patience } from './patience.ts';

/** A queue with a dead-letter queue, a function, and a mapping between them. */
function queueToFunction(
  mapping: TemplateJson,
  queue: TemplateJson = {},
): Readonly<Record<string, unknown>> {
  return {
    Dead: { Type: 'AWS::SQS::Queue' },
    Mail: {
      Type: 'AWS::SQS::Queue',
      Properties: { VisibilityTimeout: 1, ...queue },
    },
    Fn: lambda('code'),
    Mapping: {
      Type: 'AWS::Lambda::EventSourceMapping',
      Properties: {
        EventSourceArn: { 'Fn::GetAtt': ['Mail', 'Arn'] },
        FunctionName: { Ref: 'Fn' },
        ...mapping,
      },
    },
  };
}

/** Sends texts to `Mail`, all at once. */
async function send(cloud: LocalCloud, bodies: readonly string[]): Promise<SQSClient> {
  const client = sqs(cloud);
  await client.send(
    new SendMessageBatchCommand({
      QueueUrl: cloud.physicalId('Mail'),
      Entries: bodies.map((MessageBody, index) => ({ Id: String(index), MessageBody })),
    }),
  );
  return client;
}

function sqs(cloud: LocalCloud): SQSClient {
  const client = new SQSClient({ endpoint: cloud.endpoints.sqs, region: 'eu-west-1', credentials });
  onTestFinished(() => client.destroy());
  return client;
}

function batches(cloud: LocalCloud): readonly BatchEvent[] {
  return cloud.events.filter((event) => event.kind === 'batch');
}

/** How many messages are in `Mail`, seen or unseen. */
async function depth(cloud: LocalCloud, client: SQSClient): Promise<number> {
  const { Attributes } = await client.send(
    new GetQueueAttributesCommand({ QueueUrl: cloud.physicalId('Mail'), AttributeNames: ['All'] }),
  );
  return (
    Number(Attributes?.['ApproximateNumberOfMessages']) +
    Number(Attributes?.['ApproximateNumberOfMessagesNotVisible'])
  );
}

/** Logs the bodies it gets, and returns as failures those that say so. */
const selective = `export const handler = async ({ Records }) => {
  console.log(JSON.stringify(Records.map(({ body }) => body)));
  return {
    batchItemFailures: Records.filter(({ body }) => body.startsWith('bad'))
      .map(({ messageId }) => ({ itemIdentifier: messageId })),
  };
};`;

test('what succeeds is deleted, what is returned comes back and ends as a dead letter', async () => {
  const cloud = await cloudOf(
    queueToFunction(
      { BatchSize: 10, FunctionResponseTypes: ['ReportBatchItemFailures'] },
      {
        RedrivePolicy: {
          deadLetterTargetArn: { 'Fn::GetAtt': ['Dead', 'Arn'] },
          maxReceiveCount: 2,
        },
      },
    ),
    { code: selective },
  );
  const client = await send(cloud, ['good 1', 'bad', 'good 2']);
  let dead: readonly string[] = [];
  await vi.waitFor(async () => {
    const { Messages = [] } = await client.send(
      new ReceiveMessageCommand({ QueueUrl: cloud.physicalId('Dead'), WaitTimeSeconds: 1 }),
    );
    dead = Messages.map(({ Body = '' }) => Body);
    expect(dead).toEqual(['bad']);
  }, patience);
  expect(await depth(cloud, client)).toBe(0);
  const [first] = batches(cloud);
  expect(first).toMatchObject({ function: 'Fn', returned: [expect.any(String)] });
  expect(batches(cloud).flatMap(({ deleted }) => deleted)).toHaveLength(2);
  // Twice for the one that was returned each time.
  expect(batches(cloud).flatMap(({ returned }) => returned)).toHaveLength(2);
});

test.each<[unknown, readonly string[], string]>([
  [null, [], 'no answer'],
  [{}, [], 'an answer that says nothing'],
  [{ batchItemFailures: [] }, [], 'no failures'],
  [{ batchItemFailures: null }, [], 'null for failures'],
  [{ batchItemFailures: [{ itemIdentifier: 'b' }] }, ['b'], 'one failure'],
  [{ batchItemFailures: [{ itemIdentifier: '' }] }, ['a', 'b', 'c'], 'an empty identifier'],
  [{ batchItemFailures: [{ itemIdentifier: null }] }, ['a', 'b', 'c'], 'null for an identifier'],
  [{ batchItemFailures: [{ id: 'b' }] }, ['a', 'b', 'c'], 'a key that is misspelt'],
  [{ batchItemFailures: [{ itemIdentifier: 'x' }] }, ['a', 'b', 'c'], 'an unknown message'],
  [{ batchItemFailures: 'b' }, ['a', 'b', 'c'], 'no list'],
  ['done', ['a', 'b', 'c'], 'a text'],
])('of a batch a, b, c the answer %j leaves %j in the queue: %s', (result, failed) => {
  const invocation: Invocation = { ok: true, requestId: 'r', result };
  expect([...failedMessageIds(invocation, ['a', 'b', 'c'], true)]).toEqual(failed);
  expect(failedMessageIds(invocation, ['a', 'b', 'c'], false).size).toBe(0);
});

test('a function that throws loses nothing', async () => {
  const cloud = await cloudOf(queueToFunction({}, { VisibilityTimeout: 60 }), {
    code: 'export const handler = async () => { throw new Error("no"); };',
  });
  const client = await send(cloud, ['a', 'b', 'c']);
  await vi.waitFor(
    () => expect(batches(cloud).flatMap(({ returned }) => returned)).toHaveLength(3),
    patience,
  );
  expect(await depth(cloud, client)).toBe(3);
});

test('without ReportBatchItemFailures the result does not matter', async () => {
  const cloud = await cloudOf(queueToFunction({}), {
    code: 'export const handler = async () => ({ batchItemFailures: [{ itemIdentifier: "" }] });',
  });
  await send(cloud, ['a']);
  await vi.waitFor(() => expect(batches(cloud)[0]?.deleted).toHaveLength(1), patience);
});

test('records look as Lambda makes them', async () => {
  const cloud = await cloudOf(queueToFunction({}), {
    code: 'export const handler = async ({ Records }) => console.log(JSON.stringify(Records[0]));',
  });
  const { MessageId } = await sqs(cloud).send(
    new SendMessageCommand({
      QueueUrl: cloud.physicalId('Mail'),
      MessageBody: 'böse',
      MessageAttributes: {
        text: { DataType: 'String', StringValue: 'x' },
        bytes: { DataType: 'Binary', BinaryValue: Buffer.from([0, 255]) },
      },
    }),
  );
  await vi.waitFor(() => expect(batches(cloud)).toHaveLength(1), patience);
  const line = await vi.waitFor(() => {
    const log = cloud.events.find((event) => event.kind === 'log');
    expect(log).toBeDefined();
    return log?.line ?? '';
  });
  const time = expect.stringMatching(/^\d{13}$/);
  expect(JSON.parse(line)).toEqual({
    messageId: MessageId,
    receiptHandle: expect.any(String),
    body: 'böse',
    attributes: {
      ApproximateReceiveCount: '1',
      SentTimestamp: time,
      SenderId: '000000000000',
      ApproximateFirstReceiveTimestamp: time,
    },
    messageAttributes: {
      text: { stringValue: 'x', stringListValues: [], binaryListValues: [], dataType: 'String' },
      bytes: {
        binaryValue: 'AP8=',
        stringListValues: [],
        binaryListValues: [],
        dataType: 'Binary',
      },
    },
    md5OfBody: expect.stringMatching(/^[0-9a-f]{32}$/),
    md5OfMessageAttributes: expect.stringMatching(/^[0-9a-f]{32}$/),
    eventSource: 'aws:sqs',
    eventSourceARN: expect.stringMatching(/^arn:aws:sqs:eu-west-1:000000000000:S-Mail-/),
    awsRegion: 'eu-west-1',
  });
});

test('a batch waits for its window and takes no more than its size', async () => {
  const cloud = await cloudOf(
    queueToFunction(
      { BatchSize: 15, MaximumBatchingWindowInSeconds: 1 },
      { VisibilityTimeout: 60 },
    ),
    { code: selective },
  );
  const client = await send(
    cloud,
    Array.from({ length: 10 }, (_, index) => `first ${index}`),
  );
  await client.send(
    new SendMessageBatchCommand({
      QueueUrl: cloud.physicalId('Mail'),
      Entries: Array.from({ length: 10 }, (_, index) => ({
        Id: String(index),
        MessageBody: `second ${index}`,
      })),
    }),
  );
  await vi.waitFor(async () => expect(await depth(cloud, client)).toBe(0), patience);
  await vi.waitFor(() =>
    expect(batches(cloud).map(({ deleted }) => deleted.length)).toEqual([15, 5]),
  );
});

test('no more invocations run at once than the mapping allows', async () => {
  const cloud = await cloudOf(
    queueToFunction(
      { BatchSize: 1, ScalingConfig: { MaximumConcurrency: 2 } },
      { VisibilityTimeout: 60 },
    ),
    {
      code: `export const handler = async () => {
        console.log('in');
        await new Promise((resolve) => setTimeout(resolve, 200));
        console.log('out');
      };`,
    },
  );
  await send(cloud, ['1', '2', '3', '4', '5', '6']);
  await vi.waitFor(() => expect(batches(cloud)).toHaveLength(6), patience);
  const starts = cloud.events.filter(
    (event) => event.kind === 'invocation' && event.initMs !== undefined,
  );
  expect(starts).toHaveLength(2);
});

test('a mapping that is not enabled does nothing', async () => {
  const cloud = await cloudOf(queueToFunction({ Enabled: false }), { code: selective });
  const client = await send(cloud, ['a']);
  const { Messages } = await client.send(
    new ReceiveMessageCommand({ QueueUrl: cloud.physicalId('Mail'), WaitTimeSeconds: 1 }),
  );
  expect(Messages).toHaveLength(1);
});

test.each<[TemplateJson, RegExp]>([
  [{ FilterCriteria: { Filters: [] } }, /S\/Mapping .*\n.*filters are not implemented/],
  [{ EventSourceArn: 'arn:aws:kinesis:eu-west-1:1:stream/s' }, /is no standard queue/],
  [{ EventSourceArn: 'arn:aws:sqs:eu-west-1:000000000000:q.fifo' }, /is no standard queue/],
  [{ EventSourceArn: 'arn:aws:sqs:eu-west-1:000000000000:q' }, /S\/Mapping: no template declares/],
  [{ FunctionName: 'other' }, /there is no function other/],
])('a mapping with %j is refused', async (mapping, message) => {
  await expect(cloudOf(queueToFunction(mapping), { code: selective })).rejects.toThrow(message);
});
