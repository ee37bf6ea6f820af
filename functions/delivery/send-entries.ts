/**
 * Entries of the retry table on their way back to the queue: sent first, removed after.
 *
 * A run that dies between the two, or another one at the same time, sends an entry twice; the second finds its attempt
 * claimed (`MessageStore`). What was not sent is never removed.
 */
import type { DeliveryEvent } from './events.ts';
import type { MailQueue } from './ports.ts';
import type { DamagedEntry, RetryEntry, RetryReader } from './requeue-ports.ts';

/** What one run of requeuing works with. */
export interface RequeuePorts {
  /** Epoch milliseconds. */
  readonly now: () => number;
  readonly reader: RetryReader;
  readonly queue: MailQueue;
  readonly observe: (event: DeliveryEvent) => void;
}

/** How many refusals without a success between them are an outage of the queue, and no fault of the messages. */
const outageRefusals = 3;

/**
 * Sends entries to the queue and removes those that it took; gives their number.
 *
 * One that the queue alone does not take stays where it is, and is observed as a fault: the reconciler puts it in
 * again. Rejects when the queue is out of order, or the entries could not be removed.
 */
export async function sendEntries(
  entries: readonly RetryEntry[],
  { reader, queue, observe }: RequeuePorts,
): Promise<number> {
  if (entries.length === 0) {
    return 0;
  }
  try {
    await queue.enqueue(entries.map(({ message }) => message));
  } catch (error) {
    if (entries.length === 1) {
      throw error;
    }
    return sendOneByOne(entries, { reader, queue, observe });
  }
  await reader.remove(entries.map(({ key }) => key));
  return entries.length;
}

/** Parts what the queue does not take from what it takes. */
async function sendOneByOne(
  entries: readonly RetryEntry[],
  { reader, queue, observe }: Omit<RequeuePorts, 'now'>,
): Promise<number> {
  const sent: RetryEntry[] = [];
  let outage: unknown;
  let refusals = 0;
  for (const entry of entries) {
    try {
      await queue.enqueue([entry.message]);
      sent.push(entry);
      refusals = 0;
    } catch (error) {
      observe({ kind: 'fault', error });
      refusals += 1;
      if (refusals === outageRefusals) {
        outage = error;
        break;
      }
    }
  }
  await reader.remove(sent.map(({ key }) => key));
  if (outage !== undefined) {
    throw outage;
  }
  return sent.length;
}

/** Puts entries that are not as written where operators look, and removes them: no later run could read them either. */
export async function deadLetterDamaged(
  damaged: readonly DamagedEntry[],
  { reader, queue, observe }: RequeuePorts,
): Promise<void> {
  for (const { key, body, reason } of damaged) {
    // SQS takes no empty body.
    await queue.deadLetter(body || JSON.stringify(key), reason);
    await reader.remove([key]);
    observe({ kind: 'dead-letter', reason });
  }
}
