/**
 * What a function's answer to a batch of SQS messages means for each of them.
 */
import { z } from 'zod';
import type { Invocation } from './lambda-pool.ts';

const batchResponseSchema = z.object({
  batchItemFailures: z.array(z.object({ itemIdentifier: z.string() })).nullish(),
});

/**
 * Gives the message ids that stay in the queue.
 *
 * By Lambda's rules an answer of the wrong shape, or one that names an identifier that is empty or not in the
 * batch, fails the whole batch; no answer at all, or an empty list, fails nothing.
 *
 * @param messageIds - those of the batch
 * @param reportsItemFailures - whether the mapping has `ReportBatchItemFailures`; without it the answer does not
 *   matter
 */
export function failedMessageIds(
  invocation: Invocation,
  messageIds: readonly string[],
  reportsItemFailures: boolean,
): ReadonlySet<string> {
  const all = new Set(messageIds);
  if (!invocation.ok) {
    return all;
  }
  if (!reportsItemFailures) {
    return new Set();
  }
  const parsed = batchResponseSchema.safeParse(invocation.result ?? {});
  const named = parsed.data?.batchItemFailures?.map(({ itemIdentifier }) => itemIdentifier) ?? [];
  return parsed.success && named.every((id) => all.has(id)) ? new Set(named) : all;
}
