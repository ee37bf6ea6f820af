/** SQS: batches of records, and records that are hidden for a while. */
import {
  ChangeMessageVisibilityCommand,
  MessageNotInflight,
  SendMessageBatchCommand,
  type SQSClient,
} from '@aws-sdk/client-sqs';
import { TransportSecurityError } from '../../protocol/errors.ts';
import { orUnavailable, storeUnavailable } from './store-failure.ts';

/** SQS: entries of one batch. */
export const batchEntriesMax = 10;

/**
 * SQS: a message may be hidden for 12 hours from its receipt, which we do not know; it is at most one Lambda
 * invocation and one batching window ago.
 */
const hideSecondsMax = 12 * 3_600 - 20 * 60;

export interface Queue {
  readonly client: SQSClient;
  readonly queueUrl: string;
}

/** A record to be sent. */
export interface QueueEntry {
  readonly body: string;
  /** How long nobody is to receive it. Default: the queue's own. */
  readonly delaySeconds?: number;
}

/**
 * Sends a batch, and once more what SQS did not take of it.
 *
 * @throws {TransportSecurityError} `store-unavailable`
 */
export async function sendBatch(queue: Queue, entries: readonly QueueEntry[]): Promise<void> {
  const first = await trySend(queue, entries);
  if (first.refused.length === 0) {
    return;
  }
  const second = await trySend(queue, first.refused);
  if (second.refused.length > 0) {
    throw new TransportSecurityError(
      'store-unavailable',
      `SendMessageBatch to ${queue.queueUrl}: ${second.refused.length} of ${entries.length} records refused: ${second.reason}`,
    );
  }
}

async function trySend(
  { client, queueUrl }: Queue,
  entries: readonly QueueEntry[],
): Promise<{ readonly refused: readonly QueueEntry[]; readonly reason: string }> {
  const numbered = entries.map(({ body, delaySeconds }, index) => ({
    Id: String(index),
    MessageBody: body,
    ...(delaySeconds !== undefined && { DelaySeconds: delaySeconds }),
  }));
  const { Failed: failed = [] } = await orUnavailable(`SendMessageBatch to ${queueUrl}`, () =>
    client.send(new SendMessageBatchCommand({ QueueUrl: queueUrl, Entries: numbered })),
  );
  const refusedIds = new Set(failed.map(({ Id }) => Id));
  return {
    refused: entries.filter((_, index) => refusedIds.has(String(index))),
    reason: `${failed[0]?.Code}: ${failed[0]?.Message ?? 'no reason given'}`,
  };
}

/**
 * Hides a record that was received until `untilMs`, as far as SQS lets it.
 *
 * @throws {TransportSecurityError} `store-unavailable`
 */
export async function hideUntil(
  { client, queueUrl }: Queue,
  receiptHandle: string,
  { untilMs, nowMs }: { readonly untilMs: number; readonly nowMs: number },
): Promise<void> {
  const seconds = Math.ceil((untilMs - nowMs) / 1_000);
  try {
    await client.send(
      new ChangeMessageVisibilityCommand({
        QueueUrl: queueUrl,
        ReceiptHandle: receiptHandle,
        // Not 0: a record that is asked for again at once spins through its receive count.
        VisibilityTimeout: Math.min(Math.max(seconds, 1), hideSecondsMax),
      }),
    );
  } catch (error) {
    // Its time was over and it is on the queue again: there is nothing left to hide.
    if (!(error instanceof MessageNotInflight)) {
      throw storeUnavailable(`ChangeMessageVisibility on ${queueUrl}`, error);
    }
  }
}
