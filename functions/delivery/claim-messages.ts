/**
 * The messages of one group, claimed one by one as a channel has room for them.
 *
 * A message is claimed before its MAIL and not earlier, so that a function that dies holds as few leases as can be.
 */
import type { ContentReference, PreparedMessage } from '../submission/queue-message.ts';
import type { ClaimedMessage } from './attempt.ts';
import { cancelMessage } from './cancel-message.ts';
import type { DeliveryContext } from './context.ts';
import type { Cancellation, ClaimedDelivery, ClaimResult } from './ports.ts';
import {
  type Disposition,
  type PreparedRecord,
  refuseRecord,
  sendToDeadLetters,
} from './prepared-record.ts';
import { keepContent } from './settle-delivery.ts';
import { withDemand } from './stored-delivery.ts';

/** How long a lease outlives the invocation's deadline: settling may be slow, and clocks differ. */
const leaseMarginMs = 5 * 60_000;

/** A message that was begun no earlier than this before the end of the time for content never had a fair share of it. */
const lateMs = 60_000;

/** A claimed message together with its record. */
export interface ClaimedRecord extends ClaimedMessage {
  readonly record: PreparedRecord;
  /** What goes out in the message's name: its content, or the redacted form of it. */
  readonly outgoing: () => Promise<Uint8Array>;
  /** Forgets what was read till it is asked for again, so that a message that waits holds no slot. */
  readonly dropContent: () => void;
}

/** Hands out the messages of a group. */
export interface ClaimSource {
  /** The next message under our claim, its content not read yet; undefined when there is none left. */
  next(): Promise<ClaimedRecord | undefined>;
  /** Takes a message back that found no channel, or whose channel died before its content went out; it comes next. */
  putBack(claimed: ClaimedRecord): void;
  /** Everything that is left, after a fault: frees what is claimed and keeps all of it in the queue. */
  keepRest(): Promise<void>;
}

/** Makes the source of a group's records, which several lanes may share; `claimed` are under our claim already. */
export function createClaimSource(
  records: readonly PreparedRecord[],
  context: DeliveryContext,
  claimed: readonly ClaimedRecord[] = [],
): ClaimSource {
  const waiting = [...records];
  const returned = [...claimed];
  return {
    putBack: (claimed) => {
      claimed.dropContent();
      returned.push(claimed);
    },
    keepRest: async () => {
      for (const record of waiting.splice(0)) {
        record.finish('keep');
      }
      await Promise.all(returned.splice(0).map((claimed) => freeAndKeep(claimed, context)));
    },
    next: async () => {
      for (;;) {
        const back = returned.shift();
        if (back !== undefined) {
          return back;
        }
        const record = waiting.shift();
        if (record === undefined) {
          return undefined;
        }
        const claimed = await claimOrFinish(record, context);
        if (claimed !== undefined) {
          return claimed;
        }
      }
    },
  };
}

/**
 * Claims a record, or decides what else becomes of it. Poison goes to the dead letters; a fault of ours keeps the record
 * in the queue. Neither touches the other records of the batch.
 */
async function claimOrFinish(
  record: PreparedRecord,
  context: DeliveryContext,
): Promise<ClaimedRecord | undefined> {
  try {
    return await claim(record, context);
  } catch (error) {
    record.finish(await refuseRecord(record, error, context));
    return undefined;
  }
}

async function claim(
  record: PreparedRecord,
  context: DeliveryContext,
): Promise<ClaimedRecord | undefined> {
  const { ports } = context;
  const result = await ports.messages.claim({
    message: record.message,
    token: ports.newToken(),
    nowMs: ports.now(),
    leaseEndMs: leaseEndOf(context),
  });
  switch (result.kind) {
    case 'held':
      return holdRecord(record, result, context);
    case 'cancelled':
      return cancelRecord(record, result.cancellation, context);
    case 'claimed':
      return asksAlike(record.message, result.delivery)
        ? describeClaim(record, result.delivery, context)
        : sendCorrected(record, result.delivery, context);
    default:
      return leaveToOthers(record, result, context);
  }
}

function leaseEndOf({ deadlineMs }: DeliveryContext): number {
  return deadlineMs + leaseMarginMs;
}

/** What becomes of a record whose delivery is not ours to begin. */
async function leaveToOthers(
  record: PreparedRecord,
  result: Extract<ClaimResult, { readonly kind: 'done' | 'leased' | 'conflict' }>,
  context: DeliveryContext,
): Promise<undefined> {
  switch (result.kind) {
    case 'done':
      record.finish('done');
      return undefined;
    case 'leased':
      return keepUntil(result.untilMs, record, context);
    case 'conflict':
      await sendToDeadLetters(
        record,
        `id ${record.message.id} was used by another message`,
        context,
      );
      record.finish('done');
      return undefined;
  }
}

/** Never let go while a lease is alive: its holder may be dead, and then this record is all that is left. */
async function keepUntil(
  untilMs: number,
  record: PreparedRecord,
  { ports }: DeliveryContext,
): Promise<undefined> {
  await ports.queue.hideUntil(record.receiptHandle, untilMs, ports.now());
  record.finish('keep');
}

/** A held delivery needs no record once its row has everything: its release makes a new one. */
async function holdRecord(
  record: PreparedRecord,
  { isKept }: { readonly isKept: boolean },
  context: DeliveryContext,
): Promise<undefined> {
  if (!isKept && !(await park(record, context))) {
    // Released, cancelled or begun this moment.
    return keepUntil(context.ports.now(), record, context);
  }
  record.finish('done');
}

/** Parks a delivery whose content was in its record only, in both of its forms. */
async function park(record: PreparedRecord, context: DeliveryContext): Promise<boolean> {
  const { message } = record;
  const { ports } = context;
  const { read, drop } = createReading(message.content, record, context);
  try {
    const content = await keepContent(message, read, ports.contents);
    return await ports.messages.park({ ...message, content }, ports.now());
  } finally {
    drop();
  }
}

/** Gives a delivery up that was cancelled when only its record could have made an attempt. */
async function cancelRecord(
  record: PreparedRecord,
  cancellation: Cancellation,
  context: DeliveryContext,
): Promise<undefined> {
  const { message } = record;
  const { read, drop } = createReading(message.content, record, context);
  try {
    const token = context.ports.newToken();
    const leaseEndMs = leaseEndOf(context);
    const request = { message, cancellation, token, leaseEndMs, content: read };
    const result = await cancelMessage(request, context);
    if (result.kind !== 'cancelled') {
      return await leaveToOthers(record, result, context);
    }
  } finally {
    drop();
  }
  record.finish('done');
}

function asksAlike({ prepared }: PreparedMessage, { demand }: ClaimedDelivery): boolean {
  return prepared.demand === demand.demand && prepared.explicit === demand.explicit;
}

/**
 * The demand was overridden after this record was made: its group has planned for another one. The claim is freed
 * first, so that the record in its place finds it free.
 */
async function sendCorrected(
  record: PreparedRecord,
  delivery: ClaimedDelivery,
  { ports }: DeliveryContext,
): Promise<undefined> {
  const { message } = record;
  await ports.messages.release(delivery);
  await ports.queue.enqueue([
    { ...message, prepared: withDemand(message.prepared, delivery.demand) },
  ]);
  record.finish('done');
}

function describeClaim(
  record: PreparedRecord,
  delivery: ClaimedDelivery,
  context: DeliveryContext,
): ClaimedRecord {
  const { message } = record;
  const { read, drop } = createReading(message.content, record, context);
  const finish = (disposition: Disposition): void => {
    drop();
    record.finish(disposition);
  };
  return {
    record: { ...record, finish },
    message,
    delivery,
    startedAtMs: context.ports.now(),
    content: read,
    outgoing: read,
    dropContent: drop,
  };
}

/**
 * The same message, whose redacted form goes out in its place (RFC 8689 §5); undefined where it has none. What is kept
 * for another attempt is the message as it is.
 *
 * Deviation: RFC 8689 §5 would not have a bounce discarded for want of REQUIRETLS. One that others made, and submitted
 * with REQUIRETLS, is: it may tell all of what was to be protected.
 */
export function redact(
  claimed: ClaimedRecord,
  context: DeliveryContext,
): ClaimedRecord | undefined {
  const { message, record } = claimed;
  if (message.mailFrom !== '' || message.redacted === undefined) {
    return undefined;
  }
  const redacted = createReading(message.redacted, record, context);
  const dropContent = (): void => {
    claimed.dropContent();
    redacted.drop();
  };
  const finish = (disposition: Disposition): void => {
    redacted.drop();
    record.finish(disposition);
  };
  return { ...claimed, record: { ...record, finish }, outgoing: redacted.read, dropContent };
}

/** Reads content when it is first asked for; an object in the bucket takes a slot until it is dropped. */
function createReading(
  reference: ContentReference,
  { takeContentSlot }: PreparedRecord,
  { ports }: DeliveryContext,
): { readonly read: () => Promise<Uint8Array>; readonly drop: () => void } {
  let reading: Promise<Uint8Array> | undefined;
  let freeSlot = (): void => {};
  const begin = async (): Promise<Uint8Array> => {
    if ('bucket' in reference) {
      freeSlot = await takeContentSlot();
    }
    return ports.contents.read(reference);
  };
  return {
    read: () => {
      reading ??= begin();
      return reading;
    },
    drop: () => {
      reading = undefined;
      freeSlot();
    },
  };
}

async function freeAndKeep(
  { record, delivery }: ClaimedRecord,
  context: DeliveryContext,
): Promise<void> {
  await freeClaim(delivery, context);
  record.finish('keep');
}

/** Gives a claim back, so that another attempt may begin at once. Never rejects. */
export async function freeClaim(
  delivery: ClaimedDelivery,
  { ports }: DeliveryContext,
): Promise<void> {
  try {
    await ports.messages.release(delivery);
  } catch (error) {
    // The lease ends by itself; the record comes back no earlier than that.
    ports.observe({ kind: 'fault', error });
  }
}

/**
 * Whether a message for which the time was too short may go back to now uncounted. One that was begun early has met
 * a slow peer, and one that is past its expiry is given up: else they would go round in circles.
 */
export function mayBePutBack(
  { message, startedAtMs }: ClaimedRecord,
  { ports, contentDeadlineMs }: DeliveryContext,
): boolean {
  return startedAtMs >= contentDeadlineMs - lateMs && ports.now() < Date.parse(message.expiresAt);
}

/**
 * Puts a message back to now without counting the attempt: its claim is freed first, so that the copy finds it free.
 * A copy, since handing the record back would bring it nearer to the dead-letter queue for no fault of its own.
 */
export async function putBackToNow(
  { record, message, delivery }: ClaimedRecord,
  context: DeliveryContext,
): Promise<void> {
  try {
    await context.ports.messages.release(delivery);
    await context.ports.queue.enqueue([message]);
    record.finish('done');
  } catch (error) {
    context.ports.observe({ kind: 'fault', error });
    record.finish('keep');
  }
}
