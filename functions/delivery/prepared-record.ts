/** The records of a batch; and what becomes of one that cannot be worked on. */
import { type FailureCode, TransportSecurityError } from '../protocol/errors.ts';
import type { PreparedMessage } from '../submission/queue-message.ts';
import type { TakeContentSlot } from './content-slots.ts';
import type { DeliveryContext } from './context.ts';
import type { RecordIdentity } from './ports.ts';

/** A record of the batch, prepared. */
export interface PreparedRecord {
  readonly message: PreparedMessage;
  /** The record's body as received, for the dead-letter queue. */
  readonly body: string;
  readonly receiptHandle: string;
  /** Bounds the bodies in memory; shared by the batch. */
  readonly takeContentSlot: TakeContentSlot;
  /** Tells SQS what becomes of the record; called once. */
  readonly finish: (disposition: Disposition) => void;
}

/** `done`: the record may leave the queue; `keep`: SQS hands it out again. */
export type Disposition = 'done' | 'keep';

/** A record, and its message as far as it could be read. */
interface RefusedRecord extends Pick<PreparedRecord, 'body'> {
  readonly message?: RecordIdentity | undefined;
}

/**
 * What becomes of a record that cannot be worked on: poison goes to the dead letters, a fault of ours keeps it in the
 * queue. Never rejects.
 */
export async function refuseRecord(
  record: RefusedRecord,
  error: unknown,
  context: DeliveryContext,
): Promise<Disposition> {
  try {
    if (error instanceof TransportSecurityError && poison.has(error.code)) {
      await sendToDeadLetters(record, error.message, context);
      return 'done';
    }
    context.ports.observe({ kind: 'fault', error });
  } catch (fault) {
    context.ports.observe({ kind: 'fault', error: fault });
  }
  return 'keep';
}

/** What no further attempt mends: the record itself is at fault. Faults of our own stores are not among them. */
const poison: ReadonlySet<FailureCode> = new Set([
  'queue-message-invalid',
  'content-missing',
  'content-invalid',
]);

/** Puts a record where operators look and says so. */
export async function sendToDeadLetters(
  { body, message }: RefusedRecord,
  reason: string,
  { ports }: DeliveryContext,
): Promise<void> {
  await ports.queue.deadLetter(body, reason, message);
  ports.observe({ kind: 'dead-letter', reason });
}
