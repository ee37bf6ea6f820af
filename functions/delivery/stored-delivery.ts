/**
 * A delivery as the message table keeps it, for whoever looks at it or sets it going again.
 *
 * The row alone is enough to make the queue message of the next attempt, from the first time a delivery is put off:
 * that is what lets a record be let go while its delivery is held.
 */
import type {
  ContentReference,
  PreparedMessage,
  PreparedPart,
  QueueRecipient,
} from '../submission/queue-message.ts';
import type { Cancellation, DeliveryDemand, RecipientState } from './ports.ts';
import type { WhyRecord } from './why.ts';

/** A queue message without what its row keeps elsewhere. */
export type RowEnvelope = Omit<PreparedMessage, 'id' | 'rcptTo' | 'content' | 'attempt'>;

/** Content that outlives its queue message. */
export type StoredContent = Extract<ContentReference, { readonly bucket: string }>;

/** Names a delivery. */
export interface DeliveryKey {
  readonly id: string;
  readonly domain: string;
}

/** Why a delivery is held, and since when. */
export interface HeldNote {
  readonly author: string;
  readonly reason: string;
  /** Epoch milliseconds. */
  readonly sinceMs: number;
}

/**
 * What operators asked of a delivery before it had a row: its queue message is all there is of it, and is nobody's to
 * look for. Whoever claims the first attempt goes by it.
 */
export interface AdvanceNote {
  readonly domain: string;
  readonly held?: HeldNote;
  readonly cancelled?: Cancellation;
  /** In the place of the one that it was accepted with. */
  readonly demand?: DeliveryDemand;
}

/** A delivery as it stands. */
export interface DeliveryRow extends DeliveryKey {
  /** The last attempt that was claimed; 0 where none was. */
  readonly attempt: number;
  /**
   * `attempting`: claimed and not settled; its lease may be over. `deferred`: settled, or held before it was ever claimed,
   * and somebody is still pending. `finished`: settled, and nobody is.
   */
  readonly state: 'attempting' | 'deferred' | 'finished';
  /** Until when the last claim holds, epoch milliseconds; 0 where it was released. */
  readonly leaseEndMs: number;
  readonly recipients: readonly RecipientState[];
  /** As accepted; what holds now is {@link DeliveryRow.demand}. */
  readonly envelope: RowEnvelope;
  readonly demand: DeliveryDemand;
  /** Absent while the content has only ever come inside the queue message. */
  readonly content?: StoredContent;
  /** Present: no attempt begins until it is released. */
  readonly held?: HeldNote;
  /** Present: no attempt begins any more; whoever comes by with the queue message gives it up. */
  readonly cancelled?: Cancellation;
  /** The sender has been told that it is late. */
  readonly delayNotified?: true;
  /** When the next attempt is due, epoch milliseconds; on rows that wait only. */
  readonly nextDueAtMs?: number;
  readonly settledAtMs?: number;
  /** Of the last attempt that was settled. */
  readonly why?: WhyRecord;
  /** What was left out of the row for want of room. */
  readonly note?: string;
  /** When DynamoDB may remove the row, epoch seconds; on `finished` rows only. */
  readonly removeAtSeconds?: number;
}

/**
 * The queue message that sets a delivery going again: its next attempt, or the last one where that was begun and never
 * settled. Undefined where the row cannot make it: it is finished, or its content is in the queue message only.
 */
export function nextMessage(row: DeliveryRow): PreparedMessage | undefined {
  if (row.state === 'finished' || row.content === undefined) {
    return undefined;
  }
  const { id, envelope, content, demand } = row;
  return {
    ...envelope,
    id,
    // All of them, as the message's hash was made; which of them are still to do is the row's to say.
    rcptTo: row.recipients.map(recipientOf),
    content,
    attempt: row.state === 'attempting' ? row.attempt : row.attempt + 1,
    prepared: withDemand(envelope.prepared, demand),
  };
}

/** A part with the demand of its row; what it was accepted with stays known (RFC 8689 §5 speaks of that). */
export function withDemand(prepared: PreparedPart, demand: DeliveryDemand): PreparedPart {
  const { acceptedDemand = prepared.demand } = prepared;
  return {
    ...prepared,
    ...demand,
    ...(acceptedDemand !== demand.demand && { acceptedDemand }),
  };
}

function recipientOf({ address, notify, orcpt }: RecipientState): QueueRecipient {
  return {
    address,
    ...(notify !== undefined && { notify: [...notify] }),
    ...(orcpt !== undefined && { orcpt }),
  };
}

/** A delivery that waits, as the lists of the queue show it. */
export interface WaitingDelivery extends DeliveryKey {
  /** '' for the null reverse-path. */
  readonly mailFrom: string;
  /** The last attempt that was claimed. */
  readonly attempt: number;
  readonly submittedAtMs: number;
  /** Absent while an attempt is under way. */
  readonly nextDueAtMs?: number;
  readonly held?: HeldNote;
}

/** A place in one shard of a list: right behind the delivery that it names. */
export interface WaitingPosition extends DeliveryKey {
  /** By what the list is ordered: `submittedAtMs` or `nextDueAtMs`. */
  readonly atMs: number;
}

export interface WaitingQuery {
  /** `age`: oldest first, and with those under way; `due`: by next attempt. */
  readonly order: 'age' | 'due';
  /** From 0 to below {@link WaitingIndex.shards}. */
  readonly shard: number;
  readonly after?: WaitingPosition;
  /** Nothing that is ordered later than this, epoch milliseconds. */
  readonly untilMs?: number;
  readonly limit: number;
}

/**
 * Deliveries that were put off and are not finished, eventually consistent. One that succeeds or fails at once never
 * enters, and costs nothing here.
 */
export interface WaitingIndex {
  readonly shards: number;
  /**
   * In order; fewer than `limit` only where the shard has no more.
   *
   * @throws {TransportSecurityError} `store-damaged`, `store-unavailable`
   */
  readWaiting(query: WaitingQuery): Promise<readonly WaitingDelivery[]>;
}
