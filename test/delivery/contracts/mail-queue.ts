/** What every mail queue owes the delivery room (`MailQueue`). */
import { expect, test } from 'vitest';
import type { MailQueue } from '../../../functions/delivery/ports.ts';
import type { QueueMessage } from '../../../functions/submission/queue-message.ts';
import { preparedMessage } from '../port-fixtures.ts';

export interface MailQueueUnderTest {
  readonly queue: MailQueue;
  /** All records that wait, in any order. */
  sent(): Promise<readonly QueueMessage[]>;
  deadLetters(): Promise<readonly { readonly body: string; readonly reason: string }[]>;
}

export function mailQueueContract(make: () => Promise<MailQueueUnderTest>): void {
  test.each([
    [0, 'nothing to send'],
    [1, 'one record'],
    [10, 'one full SQS batch'],
    [23, 'three batches'],
  ])('enqueues %i records: %s', async (count) => {
    const { queue, sent } = await make();
    const messages = Array.from({ length: count }, (_, n) => preparedMessage({ id: `m-${n}` }));
    await queue.enqueue(messages);
    const ids = (await sent()).map(({ id }) => id).sort();
    expect(ids).toEqual(messages.map(({ id }) => id).sort());
  });

  test('a record comes out as it went in, whatever characters are in it', async () => {
    const { queue, sent } = await make();
    const message = preparedMessage({ mailFrom: '"\u0001 \ufffe\uffff \u{1f4ee}"@bücher.example' });
    await queue.enqueue([message]);
    expect(await sent()).toEqual([message]);
  });

  test('a dead letter keeps its body to the octet, and has its reason beside it', async () => {
    const { queue, deadLetters } = await make();
    const body = '{"mailFrom": "broken,\n  "é": ';
    await queue.deadLetter(body, 'the body is not JSON');
    expect(await deadLetters()).toEqual([{ body, reason: 'the body is not JSON' }]);
  });

  test('a dead letter that could be read is called as its record was', async () => {
    const { queue, deadLetters } = await make();
    const submittedAt = '2026-11-24T12:00:00.000Z';
    const expiresAt = '2026-11-29T12:00:00.000Z';
    await queue.deadLetter('{"mailFrom":""}', 'poison', { id: 'sqs-1', submittedAt, expiresAt });
    const [letter] = await deadLetters();
    const expected = { id: 'sqs-1', mailFrom: '', submittedAt, expiresAt };
    expect(JSON.parse(letter?.body ?? '')).toEqual(expected);
  });
}
