import {
  DeleteQueueCommand,
  type Message,
  ReceiveMessageCommand,
  type SendMessageBatchCommand,
  SendMessageCommand,
} from '@aws-sdk/client-sqs';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createContentBucket } from '../../../functions/adapters/aws/content-bucket.ts';
import { batchesOf, createMailQueue } from '../../../functions/adapters/aws/mail-queue.ts';
import type { MailQueue } from '../../../functions/delivery/ports.ts';
import { mailQueueContract } from '../../delivery/contracts/mail-queue.ts';
import { mailBucket, noonMs, preparedMessage } from '../../delivery/port-fixtures.ts';
import { type LocalQueuesAndBuckets, startQueuesAndBuckets, watchCalls } from './local-aws.ts';

const mebibyte = 1_048_576;

let local: LocalQueuesAndBuckets;
let calls: string[];

beforeAll(async () => {
  local = await startQueuesAndBuckets();
  await local.createBucket(mailBucket);
  calls = watchCalls(local.sqs);
});

afterAll(async () => {
  await local.stop();
});

interface QueueUnderTest {
  readonly queue: MailQueue;
  readonly queueUrl: string;
  readonly deadLetterQueueUrl: string;
}

async function makeQueue(): Promise<QueueUnderTest> {
  const urls = {
    queueUrl: await local.createQueue(),
    deadLetterQueueUrl: await local.createQueue(),
  };
  return { queue: createMailQueue({ client: local.sqs, ...urls }), ...urls };
}

/** Takes everything off a queue that is visible. */
async function drain(queueUrl: string): Promise<Message[]> {
  const messages: Message[] = [];
  for (;;) {
    const { Messages: batch = [] } = await local.sqs.send(
      new ReceiveMessageCommand({
        QueueUrl: queueUrl,
        MaxNumberOfMessages: 10,
        MessageAttributeNames: ['All'],
        WaitTimeSeconds: 0,
      }),
    );
    if (batch.length === 0) {
      return messages;
    }
    messages.push(...batch);
  }
}

describe('the mail queue on fauxqs', () => {
  mailQueueContract(async () => {
    const { queue, queueUrl, deadLetterQueueUrl } = await makeQueue();
    return {
      queue,
      sent: async () => (await drain(queueUrl)).map(({ Body: body }) => JSON.parse(String(body))),
      deadLetters: async () =>
        (await drain(deadLetterQueueUrl)).map(({ Body: body, MessageAttributes: attributes }) => ({
          body: String(body),
          reason: String(attributes?.['sealpost-reason']?.StringValue),
        })),
    };
  });
});

describe('batches', () => {
  async function collectBatches(bodies: readonly string[]): Promise<(readonly string[])[]> {
    const batches: (readonly string[])[] = [];
    for await (const batch of batchesOf(bodies)) {
      batches.push(batch);
    }
    return batches;
  }

  test.each<[readonly number[], readonly number[], string]>([
    [[], [], 'nothing'],
    [[1], [1], 'one'],
    [new Array(10).fill(100), [10], 'ten are a batch'],
    [new Array(11).fill(100), [10, 1], 'eleven are two'],
    [[mebibyte], [1], 'one as large as SQS takes'],
    [[mebibyte - 1, 1], [2], 'full to the octet'],
    [[mebibyte, 1], [1, 1], 'one octet too many'],
    [[1, mebibyte, 1], [1, 1, 1], 'a large one in the middle goes alone'],
    [[600_000, 600_000, 400_000], [1, 2], 'in order, filled up'],
  ])('of sizes %j: %j (%s)', async (sizes, expected) => {
    const batches = await collectBatches(sizes.map((size) => 'x'.repeat(size)));
    expect(batches.map(({ length }) => length)).toEqual(expected);
  });

  test('count octets, not characters', async () => {
    const bodies = ['é'.repeat(300_000), 'é'.repeat(300_000)];
    expect(await collectBatches(bodies)).toHaveLength(2);
  });

  test('keep every body, in order, and every limit', async () => {
    const sizes = fc.array(fc.integer({ min: 1, max: mebibyte }), { maxLength: 40 });
    await fc.assert(
      fc.asyncProperty(sizes, async (all) => {
        const bodies = all.map((size) => 'x'.repeat(size));
        const batches = await collectBatches(bodies);
        expect(batches.flat()).toEqual(bodies);
        for (const batch of batches) {
          expect(batch.length).toBeLessThanOrEqual(10);
          expect(batch.join('').length).toBeLessThanOrEqual(mebibyte);
        }
      }),
      { numRuns: 20 },
    );
  });
});

describe('enqueue', () => {
  test('23 small records are three calls', async () => {
    const { queue } = await makeQueue();
    calls.length = 0;
    await queue.enqueue(Array.from({ length: 23 }, (_, n) => preparedMessage({ id: `m-${n}` })));
    expect(calls).toEqual(['SendMessageBatch', 'SendMessageBatch', 'SendMessageBatch']);
  });

  test('records with large bodies are spread over batches that SQS takes', async () => {
    const { queue, queueUrl } = await makeQueue();
    const data = 'QUJD'.repeat(100_000);
    await queue.enqueue(
      Array.from({ length: 5 }, (_, n) => preparedMessage({ id: `m-${n}`, content: { data } })),
    );
    expect(await drain(queueUrl)).toHaveLength(5);
  });

  const lifted = preparedMessage({ content: { data: 'QUJD'.repeat(mebibyte / 4) } });

  test('a record that prepare lifted over the limit has its content kept in the bucket', async () => {
    const { queueUrl, deadLetterQueueUrl } = await makeQueue();
    const contents = createContentBucket({ client: local.s3, bucket: mailBucket });
    const queue = createMailQueue({ client: local.sqs, queueUrl, deadLetterQueueUrl, contents });
    await queue.enqueue([lifted]);
    const [message] = await drain(queueUrl);
    const reference = {
      bucket: mailBucket,
      key: `content/m-1/${lifted.prepared.hash}`,
    };
    expect(JSON.parse(String(message?.Body))).toEqual({ ...lifted, content: reference });
    expect(Buffer.from(await contents.read(reference)).toString('base64')).toBe(
      'data' in lifted.content ? lifted.content.data : undefined,
    );
  });

  test('one that is not prepared is refused: its content must stay where its hash will see it', async () => {
    const { queueUrl, deadLetterQueueUrl } = await makeQueue();
    const contents = createContentBucket({ client: local.s3, bucket: mailBucket });
    const queue = createMailQueue({ client: local.sqs, queueUrl, deadLetterQueueUrl, contents });
    const { prepared: _prepared, ...unprepared } = lifted;
    await expect(queue.enqueue([unprepared])).rejects.toMatchObject({ code: 'content-invalid' });
    const notificationOf = { id: 'm-0', domain: 'example.org', attempt: 1 };
    await queue.enqueue([{ ...unprepared, notificationOf }]);
    const [message] = await drain(queueUrl);
    expect(JSON.parse(String(message?.Body)).content).toHaveProperty('key');
  });

  test('a redacted form that is too large for a row is kept in the bucket beside it', async () => {
    const { queueUrl, deadLetterQueueUrl } = await makeQueue();
    const contents = createContentBucket({ client: local.s3, bucket: mailBucket });
    const queue = createMailQueue({ client: local.sqs, queueUrl, deadLetterQueueUrl, contents });
    const small = preparedMessage({ id: 'm-small', redacted: { data: 'QUJD' } });
    const large = preparedMessage({ redacted: { data: 'QUJD'.repeat(5_000) } });
    await queue.enqueue([small, large]);
    const sent = (await drain(queueUrl)).map(({ Body: body }) => JSON.parse(String(body)));
    const redacted = {
      bucket: mailBucket,
      key: `content/m-1/${large.prepared.hash}/redacted`,
    };
    expect(sent).toEqual(expect.arrayContaining([small, { ...large, redacted }]));
    expect(await contents.read(redacted)).toHaveLength(15_000);
  });

  test('no more is encoded than the batch that is sent next', async () => {
    const { queue } = await makeQueue();
    let encoded = 0;
    const encodedAtSend: number[] = [];
    local.sqs.middlewareStack.add(
      (next) => (args) => {
        encodedAtSend.push(encoded);
        return next(args);
      },
      { step: 'initialize', name: 'noteEncoded' },
    );
    const messages = Array.from({ length: 30 }, (_, n) => ({
      ...preparedMessage({ id: `m-${n}` }),
      get envid() {
        encoded += 1;
        return 'E-1';
      },
    }));
    await queue.enqueue(messages);
    local.sqs.middlewareStack.remove('noteEncoded');
    // One beyond the batch: that which no longer fits is what ends it.
    expect(encodedAtSend).toEqual([11, 21, 30]);
  });

  test('without a bucket to keep it in, such a record is refused and nothing is sent', async () => {
    const { queue, queueUrl } = await makeQueue();
    await expect(queue.enqueue([preparedMessage(), lifted])).rejects.toMatchObject({
      code: 'content-invalid',
      message: expect.stringMatching(/^message m-1: \d+ bytes are too many/),
    });
    expect(await drain(queueUrl)).toEqual([]);
  });

  /** SQS refuses entry `refuse` of the next batches, as it does when one of its hosts is in trouble. */
  async function makeQueueRefusing(refuse: string, times: number): Promise<QueueUnderTest> {
    const made = await makeQueue();
    const client = local.sqs;
    let left = times;
    client.middlewareStack.add(
      (next) => async (args) => {
        const { Entries: entries = [], QueueUrl } = args.input as SendMessageBatchCommand['input'];
        if (QueueUrl !== made.queueUrl || left === 0) {
          return next(args);
        }
        left -= 1;
        const accepted = entries.filter(({ MessageBody: body }) => !body?.includes(refuse));
        const refused = entries.filter((entry) => !accepted.includes(entry));
        const failed = refused.map(({ Id }) => ({
          Id,
          Code: 'InternalError',
          SenderFault: false,
          Message: 'try again',
        }));
        if (accepted.length === 0) {
          return { output: { $metadata: {}, Failed: failed }, response: {} };
        }
        const input = { ...args.input, Entries: accepted };
        const result = await next({ ...args, input } as typeof args);
        Object.assign(result.output, { Failed: failed });
        return result;
      },
      { step: 'initialize', name: `refuse-${made.queueUrl}` },
    );
    return made;
  }

  const three = ['m-1', 'm-2', 'm-3'].map((id) => preparedMessage({ id }));

  test('an entry that SQS refuses is sent once more, and it alone', async () => {
    const { queue, queueUrl } = await makeQueueRefusing('"m-2"', 1);
    await queue.enqueue(three);
    const ids = (await drain(queueUrl)).map(({ Body: body }) => JSON.parse(String(body)).id);
    expect(ids.sort()).toEqual(['m-1', 'm-2', 'm-3']);
  });

  test('an entry that SQS refuses twice is an error that says so', async () => {
    const { queue } = await makeQueueRefusing('"m-2"', 2);
    await expect(queue.enqueue(three)).rejects.toMatchObject({
      code: 'store-unavailable',
      message: expect.stringMatching(/1 of 3 records refused: InternalError: try again$/),
    });
  });

  test('a queue that is not there is our fault, and named', async () => {
    const { deadLetterQueueUrl } = await makeQueue();
    const queueUrl = deadLetterQueueUrl.replace(/[^/]+$/, 'nowhere');
    const queue = createMailQueue({ client: local.sqs, queueUrl, deadLetterQueueUrl });
    await expect(queue.enqueue([preparedMessage()])).rejects.toMatchObject({
      code: 'store-unavailable',
      message: expect.stringContaining(`SendMessageBatch to ${queueUrl}`),
    });
  });
});

describe('deadLetter', () => {
  test.each([
    ['the body is not JSON', 'the body is not JSON', 'plain'],
    ['a\nb\u0000c\u{1f4ee}é d', 'a?b?c? d', 'only characters that any reader can show'],
    ['x'.repeat(1_000), 'x'.repeat(256), 'cut'],
    ['  padded ', 'padded', 'trimmed'],
  ])('reason %j becomes %j: %s', async (reason, expected) => {
    const { queue, deadLetterQueueUrl } = await makeQueue();
    await queue.deadLetter('{}', reason);
    const [message] = await drain(deadLetterQueueUrl);
    expect(message?.MessageAttributes?.['sealpost-reason']).toMatchObject({
      DataType: 'String',
      StringValue: expected,
    });
  });

  test('an empty reason leaves the attribute out, which SQS would refuse', async () => {
    const { queue, deadLetterQueueUrl } = await makeQueue();
    await queue.deadLetter('{}', ' ');
    const [message] = await drain(deadLetterQueueUrl);
    expect(message).toMatchObject({ Body: '{}' });
    expect(message).not.toHaveProperty('MessageAttributes');
  });

  const identity = {
    id: 'sqs-1',
    submittedAt: '2026-11-24T12:00:00.000Z',
    expiresAt: '2026-11-29T12:00:00.000Z',
  };

  test.each<[string, object, string]>([
    [' {"mailFrom": "\\ufffe"}', { ...identity, mailFrom: '\ufffe' }, 'all of it is filled in'],
    ['{"id":"m-1","content":{"id":"x"}}', { ...identity, id: 'm-1', content: { id: 'x' } }, 'kept'],
  ])('%s: %j, %s', async (body, expected) => {
    const { queue, deadLetterQueueUrl } = await makeQueue();
    await queue.deadLetter(body, 'poison', identity);
    const [message] = await drain(deadLetterQueueUrl);
    expect(JSON.parse(String(message?.Body))).toEqual(expected);
    // The rest stays as it came.
    expect(message?.Body).toContain(body.slice(body.indexOf('{') + 1));
  });

  test('what leaves no room for it goes as it is: its content must stay with it', async () => {
    const { queue, deadLetterQueueUrl } = await makeQueue();
    const body = JSON.stringify({ content: { data: 'A'.repeat(mebibyte - 50) } });
    await queue.deadLetter(body, 'poison', identity);
    const [message] = await drain(deadLetterQueueUrl);
    expect(message?.Body === body).toBe(true);
  });

  const attributeOctets = 'sealpost-reason'.length + 'String'.length;

  test.each<[number, string | undefined, string]>([
    [mebibyte, undefined, 'no room for any reason'],
    [mebibyte - attributeOctets, undefined, 'room for a name and no value'],
    [mebibyte - attributeOctets - 3, 'bad', 'room for three characters'],
  ])('a body of %i octets goes whole, the reason %j: %s', async (size, reason) => {
    const { queue, deadLetterQueueUrl } = await makeQueue();
    await queue.deadLetter('x'.repeat(size), 'bad record');
    const [message] = await drain(deadLetterQueueUrl);
    expect(message?.Body).toHaveLength(size);
    expect(message?.MessageAttributes?.['sealpost-reason']?.StringValue).toBe(reason);
  });
});

describe('hideUntil', () => {
  const hours = 3_600;

  async function receive(queueUrl: string): Promise<string> {
    await local.sqs.send(new SendMessageCommand({ QueueUrl: queueUrl, MessageBody: '{}' }));
    const [message] = await drain(queueUrl);
    return String(message?.ReceiptHandle);
  }

  test.each([
    [90_000, 90, 'seconds'],
    [90_001, 91, 'rounded up: not back before the lease is over'],
    [0, 1, 'now: not at once'],
    [-5_000, 1, 'past: not at once'],
    [24 * hours * 1_000, 12 * hours - 1_200, 'as long as SQS certainly allows'],
  ])('%i ms from now asks for %i s: %s', async (aheadMs, seconds) => {
    const { queue, queueUrl } = await makeQueue();
    const receiptHandle = await receive(queueUrl);
    const asked: unknown[] = [];
    local.sqs.middlewareStack.add(
      (next) => (args) => {
        asked.push((args.input as { VisibilityTimeout?: number }).VisibilityTimeout);
        return next(args);
      },
      { step: 'initialize', name: 'noteVisibility' },
    );
    await queue.hideUntil(receiptHandle, noonMs + aheadMs, noonMs);
    local.sqs.middlewareStack.remove('noteVisibility');
    expect(asked).toEqual([seconds]);
    expect(await drain(queueUrl)).toEqual([]);
  });

  test('a record that is on the queue again is left there: nothing is left to hide', async () => {
    const { queue } = await makeQueue();
    await expect(queue.hideUntil('long gone', noonMs, noonMs)).resolves.toBeUndefined();
  });

  test('a queue that is not there is our fault, and named', async () => {
    const { queue, queueUrl } = await makeQueue();
    const receiptHandle = await receive(queueUrl);
    await local.sqs.send(new DeleteQueueCommand({ QueueUrl: queueUrl }));
    await expect(queue.hideUntil(receiptHandle, noonMs, noonMs)).rejects.toMatchObject({
      code: 'store-unavailable',
      message: expect.stringContaining(`ChangeMessageVisibility on ${queueUrl}`),
    });
  });
});
