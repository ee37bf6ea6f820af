/**
 * Entries of the retry table on their way back to the queue: sent first, removed after.
 *
 * A run that dies between the two, or another one at the same time, sends an entry twice; the second finds its attempt
 * claimed (`MessageStore`). What was not sent is never removed.
 */
import { TransportSecurityError } from '../protocol/errors.ts';
import type { DeliveryEvent } from './events.ts';
import type { MailQueue } from './ports.ts';
import type { DamagedEntry, RetryEntry, RetryReader } from './requeue-ports.ts';
import { type WorkDone, workFromBothEnds } from './work-until.ts';

/** What one run of requeuing works with. */
export interface RequeuePorts {
  /** Epoch milliseconds. */
  readonly now: () => number;
  readonly reader: RetryReader;
  readonly queue: MailQueue;
  readonly observe: (event: DeliveryEvent) => void;
}

/** How many refusals without a success between them, from either end, are an outage of the queue, and no fault of the messages. */
const outageRefusals = 3;

/**
 * Sends entries to the queue and removes those that it took; gives their number.
 *
 * One that it could never take goes to the dead letters. One that it alone does not take now stays where it is, and is
 * observed as a fault: the reconciler puts it in again. Rejects when the queue is out of order, or the entries could not
 * be removed.
 */
export async function sendEntries(
  entries: readonly RetryEntry[],
  ports: Omit<RequeuePorts, 'now'>,
): Promise<number> {
  const [only, ...more] = entries;
  if (only === undefined) {
    return 0;
  }
  const { reader, queue } = ports;
  try {
    await queue.enqueue(entries.map(({ message }) => message));
  } catch (error) {
    if (more.length > 0) {
      return sendOneByOne(entries, ports);
    }
    if (!isPoison(error)) {
      throw error;
    }
    await deadLetter(only, error, ports);
    return 0;
  }
  await reader.remove(entries.map(({ key }) => key));
  return entries.length;
}

/** Parts what the queue does not take from what it takes. */
async function sendOneByOne(
  entries: readonly RetryEntry[],
  ports: Omit<RequeuePorts, 'now'>,
): Promise<number> {
  const { reader, queue, observe } = ports;
  const sent: RetryEntry[] = [];
  let lastError: unknown;
  const send = async (entry: RetryEntry): Promise<WorkDone<RetryEntry>> => {
    try {
      await queue.enqueue([entry.message]);
      sent.push(entry);
      return { outcome: 'done' };
    } catch (error) {
      if (isPoison(error)) {
        await deadLetter(entry, error, ports);
        return { outcome: 'idle' };
      }
      observe({ kind: 'fault', error });
      lastError = error;
      return { outcome: 'failed' };
    }
  };
  const bounds = { concurrency: 1, failuresMax: outageRefusals, mayGoOn: () => true };
  const left = await workFromBothEnds(entries, bounds, send).finally(() =>
    reader.remove(sent.map(({ key }) => key)),
  );
  if (lastError !== undefined && (left.length > 0 || sent.length === 0)) {
    throw lastError;
  }
  return sent.length;
}

/** Whether the message itself is at fault: no later run would send it either. */
function isPoison(error: unknown): error is TransportSecurityError {
  return error instanceof TransportSecurityError && error.code === 'content-invalid';
}

async function deadLetter(
  { key, message }: RetryEntry,
  { message: reason }: Error,
  ports: Omit<RequeuePorts, 'now'>,
): Promise<void> {
  await deadLetterDamaged([{ key, body: JSON.stringify(message), reason }], ports);
}

/** Puts entries that no later run could read, or send, where operators look, and removes them. */
export async function deadLetterDamaged(
  damaged: readonly DamagedEntry[],
  { reader, queue, observe }: Omit<RequeuePorts, 'now'>,
): Promise<void> {
  for (const { key, body, reason } of damaged) {
    // SQS takes no empty body.
    await queue.deadLetter(body || JSON.stringify(key), reason);
    await reader.remove([key]);
    observe({ kind: 'dead-letter', reason });
  }
}
