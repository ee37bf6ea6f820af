import { expect, test } from 'vitest';
import { createAcceptFromQueue } from '../../functions/submission/accept-from-queue.ts';
import {
  type PreparedMessage,
  parseQueueMessage,
} from '../../functions/submission/queue-message.ts';
import type { WholeMessage } from '../../functions/submission/whole-message.ts';
import { createSubmitWorld, noonMs, outage } from './submit-world.ts';

const content = Buffer.from('From: alice@sender.example\r\n\r\nhello\r\n');

function accept(
  domains: readonly string[],
  keep: (whole: WholeMessage) => Promise<WholeMessage>,
): Promise<PreparedMessage[]> {
  const { accept: context } = createSubmitWorld().context;
  const body = JSON.stringify({
    mailFrom: 'alice@sender.example',
    rcptTo: domains.map((domain) => ({ address: `bob@${domain}` })),
    content: { data: content.toString('base64') },
  });
  const message = parseQueueMessage(body, { sqsMessageId: '1', sentAtMs: noonMs, expiryDays: 5 });
  return createAcceptFromQueue({ ...context, wholeMessages: { keep } })(message, content);
}

test('a message for several domains is kept as a whole, so that its id leads to its parts', async () => {
  const kept: WholeMessage[] = [];
  const parts = await accept(['a.example', 'b.example'], async (whole) => {
    kept.push(whole);
    return whole;
  });
  expect(kept).toMatchObject([
    {
      id: 'sqs-1',
      via: 'sqs',
      bytes: content.length,
      parts: parts.map(({ id, prepared: { domain } }) => ({ id, domain })),
    },
  ]);
});

test('one for a single domain is its own whole, and costs no write', async () => {
  const parts = await accept(['a.example'], () => Promise.reject(outage()));
  expect(parts.map(({ id }) => id)).toEqual(['sqs-1']);
});

test('where it could not be kept nothing is given to the queue', async () => {
  await expect(accept(['a.example', 'b.example'], () => Promise.reject(outage()))).rejects.toThrow(
    'throttled',
  );
});
