/**
 * Delivers a batch of queue records: reads, prepares and splits them, groups them by next-hop domain, and reports which
 * of them must stay in the queue.
 *
 * Delivered, deferred and failed are all settled in the message table before a record leaves the queue. Only a fault
 * of ours, or somebody else's live lease, keeps a record: what ends in the dead-letter queue is poison or an outage,
 * never a slow peer.
 */
import {
  isPrepared,
  type PreparedMessage,
  parseQueueMessage,
  type QueueMessage,
} from '../submission/queue-message.ts';
import { createContentSlots, type TakeContentSlot } from './content-slots.ts';
import type { DeliveryContext } from './context.ts';
import { deliverGroup } from './deliver-group.ts';
import { type Disposition, type PreparedRecord, refuseRecord } from './prepared-record.ts';

/** Bodies of 40 MB, each with a copy of it on its way to the wire, that fit into the function's memory. */
const contentSlotsMax = 4;

/** A record as SQS hands it out. */
export interface QueueRecord {
  readonly messageId: string;
  readonly body: string;
  readonly receiptHandle: string;
  /** When SQS took it in, epoch milliseconds. */
  readonly sentAtMs: number;
}

/** Attempts every record; resolves to the `messageId`s of those that must stay in the queue. */
export async function deliverBatch(
  records: readonly QueueRecord[],
  context: DeliveryContext,
): Promise<string[]> {
  // A record that nobody finished stays: better twice in the queue than in silence gone.
  const dispositions = new Map<string, Disposition>(
    records.map(({ messageId }) => [messageId, 'keep']),
  );
  const takeContentSlot = createContentSlots(contentSlotsMax);
  const prepared = await Promise.all(
    records.map(async (record) => {
      const finish = (disposition: Disposition): void => {
        dispositions.set(record.messageId, disposition);
      };
      return prepareRecord(record, { finish, takeContentSlot }, context);
    }),
  );
  const groups = Map.groupBy(
    prepared.filter((record) => record !== undefined),
    ({ message }) => groupKey(message),
  );
  await Promise.all([...groups.values()].map((group) => deliverAlike(group, context)));
  return records
    .map(({ messageId }) => messageId)
    .filter((messageId) => dispositions.get(messageId) === 'keep');
}

function groupKey({ prepared }: PreparedMessage): string {
  const { domain, demand, explicit, tlsReport = false, refusal } = prepared;
  return JSON.stringify([domain, demand, explicit, tlsReport, refusal ?? null]);
}

async function deliverAlike(
  group: readonly PreparedRecord[],
  context: DeliveryContext,
): Promise<void> {
  const [first] = group;
  if (first !== undefined) {
    await deliverGroup(first.message.prepared, group, context);
  }
}

/** Undefined: the record needs no delivery here (it was split, is poison, or stays in the queue). */
async function prepareRecord(
  record: QueueRecord,
  parts: Pick<PreparedRecord, 'finish' | 'takeContentSlot'>,
  context: DeliveryContext,
): Promise<PreparedRecord | undefined> {
  const { finish } = parts;
  let read: QueueMessage | undefined;
  try {
    read = parseQueueMessage(record.body, {
      sqsMessageId: record.messageId,
      sentAtMs: record.sentAtMs,
      expiryDays: context.settings.expiryDays,
    });
    const messages = await acceptUnprepared(read, parts.takeContentSlot, context);
    const [message] = messages;
    if (messages.length === 1 && message !== undefined) {
      return { message, body: record.body, receiptHandle: record.receiptHandle, ...parts };
    }
    // The parts are in the queue before the whole leaves it; a second split makes the same parts.
    await context.ports.queue.enqueue(messages);
    finish('done');
  } catch (error) {
    finish(await refuseRecord({ body: record.body, message: read }, error, context));
  }
  return undefined;
}

async function acceptUnprepared(
  message: QueueMessage,
  takeContentSlot: TakeContentSlot,
  { ports }: DeliveryContext,
): Promise<PreparedMessage[]> {
  if (isPrepared(message)) {
    return [message];
  }
  const freeSlot = 'bucket' in message.content ? await takeContentSlot() : () => {};
  try {
    // Nothing of the content stays in memory: one that is large is read again when there is a channel for it, since a
    // slot that is held until then could keep the batch from ever getting there.
    return await ports.accept(message, await ports.contents.read(message.content));
  } finally {
    freeSlot();
  }
}
