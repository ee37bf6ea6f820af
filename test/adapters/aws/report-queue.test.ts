/** Report jobs on SQS. */
import {
  type Message,
  ReceiveMessageCommand,
  type SendMessageBatchCommand,
} from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createReportQueue, parseReportJob } from '../../../functions/adapters/aws/report-queue.ts';
import type { ReportQueue } from '../../../functions/reporting/ports.ts';
import { type LocalQueuesAndBuckets, startQueuesAndBuckets } from './local-aws.ts';

let local: LocalQueuesAndBuckets;
beforeAll(async () => {
  local = await startQueuesAndBuckets();
});
afterAll(async () => {
  await local.stop();
});

async function makeQueue(): Promise<{ readonly queue: ReportQueue; readonly queueUrl: string }> {
  const queueUrl = await local.createQueue();
  return { queue: createReportQueue({ client: local.sqs, queueUrl }), queueUrl };
}

async function receive(queueUrl: string): Promise<Message[]> {
  const all: Message[] = [];
  for (;;) {
    const { Messages: batch = [] } = await local.sqs.send(
      new ReceiveMessageCommand({ QueueUrl: queueUrl, MaxNumberOfMessages: 10 }),
    );
    if (batch.length === 0) {
      return all;
    }
    all.push(...batch);
  }
}

test('jobs are read again as they were enqueued, however many', async () => {
  const { queue, queueUrl } = await makeQueue();
  const jobs = Array.from({ length: 23 }, (_, index) => ({
    day: '2026-11-23',
    domain: `d${index}.example`,
  }));
  await queue.enqueue(jobs.map((job) => ({ job, delaySeconds: 0 })));
  const read = (await receive(queueUrl)).map(({ Body = '' }) => parseReportJob(Body));
  expect(read).toHaveLength(jobs.length);
  expect(read).toEqual(expect.arrayContaining(jobs));
});

test('each job comes after its own delay', async () => {
  const { queue, queueUrl } = await makeQueue();
  const delays: unknown[] = [];
  local.sqs.middlewareStack.add(
    (next) => (args) => {
      const { Entries } = args.input as SendMessageBatchCommand['input'];
      delays.push(...(Entries ?? []).map(({ DelaySeconds }) => DelaySeconds));
      return next(args);
    },
    { step: 'initialize', name: 'watchDelays' },
  );
  const job = { day: '2026-11-23', domain: 'a.example' };
  await queue.enqueue([
    { job, delaySeconds: 899 },
    { job, delaySeconds: 0 },
  ]);
  local.sqs.middlewareStack.remove('watchDelays');
  expect(delays).toEqual([899, 0]);
  expect(await receive(queueUrl)).toHaveLength(1);
});

test('a job that is put off is not received again before its time', async () => {
  const { queue, queueUrl } = await makeQueue();
  await queue.enqueue([{ job: { day: '2026-11-23', domain: 'a.example' }, delaySeconds: 0 }]);
  const [received] = await receive(queueUrl);
  await queue.hideUntil(received?.ReceiptHandle ?? '', 3_600_000, 0);
  expect(await receive(queueUrl)).toEqual([]);
});

describe('what is no job', () => {
  test.each([
    ['', 'nothing'],
    ['{', 'no JSON'],
    ['{"day":"2026-11-23"}', 'no domain'],
    ['{"day":"2026-02-30","domain":"a.example"}', 'no day'],
    ['{"day":"2026-11-23","domain":"a b"}', 'no domain name'],
    ['{"day":"2026-11-23","domain":"a.example","x":1}', 'more than a job'],
  ])('%j: %s', (body, _reason) => {
    expect(() => parseReportJob(body)).toThrow(
      expect.objectContaining({ code: 'content-invalid' }),
    );
  });
});
