import { afterAll, beforeAll, expect, test } from 'vitest';
import { createDeadLetters } from '../../../functions/adapters/aws/dead-letters.ts';
import { createMailQueue } from '../../../functions/adapters/aws/mail-queue.ts';
import { type LocalQueuesAndBuckets, startQueuesAndBuckets } from './local-aws.ts';

let local: LocalQueuesAndBuckets;

beforeAll(async () => {
  local = await startQueuesAndBuckets();
});

afterAll(async () => {
  await local.stop();
});

async function makeQueue(count: number) {
  const queueUrl = await local.createQueue();
  const { deadLetter } = createMailQueue({
    client: local.sqs,
    queueUrl: await local.createQueue(),
    deadLetterQueueUrl: queueUrl,
  });
  for (let n = 0; n < count; n += 1) {
    await deadLetter(`body ${n}`, `reason ${n}`);
  }
  return createDeadLetters({ client: local.sqs, queueUrl, waitSeconds: 0 });
}

test('records come with body, reason and time, over several calls', async () => {
  const letters = await (await makeQueue(23)).receive(50, 60);
  expect(letters.map(({ body }) => body).sort()).toEqual(
    Array.from({ length: 23 }, (_, n) => `body ${n}`).sort(),
  );
  for (const { body, reason, sentAtMs } of letters) {
    expect(reason).toBe(body.replace('body', 'reason'));
    expect(Math.abs(Date.now() - sentAtMs)).toBeLessThan(60_000);
  }
});

test('no more than are asked for', async () => {
  expect(await (await makeQueue(12)).receive(11, 60)).toHaveLength(11);
});

test('what was received is hidden until it is put back; what was removed is gone', async () => {
  const queue = await makeQueue(12);
  const letters = await queue.receive(12, 60);
  expect(await queue.receive(12, 60)).toEqual([]);
  const [first] = letters;
  if (first !== undefined) {
    await queue.remove(first);
  }
  await queue.putBack(letters.slice(1));
  expect(await queue.receive(12, 60)).toHaveLength(11);
});

test('an empty queue', async () => {
  const queue = await makeQueue(0);
  expect(await queue.receive(10, 60)).toEqual([]);
  await queue.putBack([]);
});
