/** What the delivery room needs of the world. Adapters implement it; tests bring their own. */

import type { DiscoverPolicy } from '../policy/ports.ts';
import type { Resolver } from '../protocol/dns/answer.ts';
import type { AcceptFromQueue } from '../submission/accept-from-queue.ts';
import type { ReadControls } from '../submission/ports.ts';
import type {
  ContentReference,
  PreparedMessage,
  PreparedPart,
  QueueMessage,
} from '../submission/queue-message.ts';
import type { OpenChannel } from './channel.ts';
import type { DeliveryEvent } from './events.ts';
import type { WhyRecord } from './why.ts';

/** A recipient within a delivery's row. `pending` is still to be done. */
export interface RecipientState {
  readonly address: string;
  readonly notify?: readonly ('NEVER' | 'SUCCESS' | 'FAILURE' | 'DELAY')[];
  readonly orcpt?: string;
  readonly state: 'pending' | 'delivered' | 'failed';
  /** Enhanced status code of the last attempt. */
  readonly status?: string;
  /** One line: the peer's reply or our reason. */
  readonly diagnostic?: string;
}

/** What a delivery asks of its channel, and why: as prepare found it, or as an operator overrode it. */
export type DeliveryDemand = Pick<PreparedPart, 'demand' | 'demandReason' | 'explicit'>;

/** One message × one next-hop domain, as claimed for one attempt. */
export interface ClaimedDelivery {
  readonly id: string;
  readonly domain: string;
  readonly attempt: number;
  /** Proves that the claim is ours. */
  readonly token: string;
  readonly recipients: readonly RecipientState[];
  /** The row's; it goes before that of a queue message made earlier. */
  readonly demand: DeliveryDemand;
  /** The sender has been told that it is late. */
  readonly delayNotified?: true;
}

/** Who gave a delivery up, why, and whether its sender is told (NOTIFY permitting, RFC 3461 §4.1). */
export interface Cancellation {
  readonly author: string;
  readonly reason: string;
  readonly bounce: boolean;
}

export interface ClaimRequest {
  readonly message: PreparedMessage;
  readonly token: string;
  readonly nowMs: number;
  readonly leaseEndMs: number;
  /** Whether neither a hold nor a cancellation stops it; default false. */
  readonly evenIfStopped?: boolean;
}

/**
 * The outcome of asking for an attempt. `done`: this attempt is settled, a later one has begun, or the delivery is
 * finished; `leased`: somebody is at it until `untilMs`; `held`: an operator holds it, and where `isKept` its row makes the
 * queue message again when it is released; `cancelled`: an operator gave it up, which remains to be carried out;
 * `conflict`: the id belongs to a message with another hash.
 */
export type ClaimResult =
  | { readonly kind: 'claimed'; readonly delivery: ClaimedDelivery }
  | { readonly kind: 'done' }
  | { readonly kind: 'leased'; readonly untilMs: number }
  | { readonly kind: 'held'; readonly isKept: boolean }
  | { readonly kind: 'cancelled'; readonly cancellation: Cancellation }
  | { readonly kind: 'conflict' };

export interface Settlement {
  readonly delivery: ClaimedDelivery;
  /** All of the delivery's recipients as they are now. */
  readonly recipients: readonly RecipientState[];
  /** Set where somebody is still pending: when the next attempt is due, and where the content is kept till then. */
  readonly next?: { readonly dueAtMs: number; readonly content: ContentReference };
  readonly why: WhyRecord;
  /** The sender is told that the delivery is late, and not again. */
  readonly delayNotified?: true;
  readonly nowMs: number;
}

/**
 * The message table: a row per (id, next-hop domain) with attempt, lease and recipients.
 *
 * An attempt n is claimed by one conditional write: the row does not exist; or its attempt is below n and it is
 * settled or its lease is over; or its attempt is n, it is unsettled and its lease is over. And its hash is ours,
 * nobody holds it or gave it up, and somebody is still pending.
 */
export interface MessageStore {
  claim(request: ClaimRequest): Promise<ClaimResult>;
  /** Conditional on the token; `false` when the claim was lost to somebody else meanwhile. */
  settle(settlement: Settlement): Promise<boolean>;
  /**
   * Writes a held delivery down, whose content is only in its queue message so far, without beginning an attempt: the
   * row makes the queue message from then on. False where it is held no more, or somebody is at it: then claim again.
   *
   * @param message With its content in the bucket.
   */
  park(message: PreparedMessage, nowMs: number): Promise<boolean>;
  /** Ends the lease now without counting the attempt; no harm where the claim is lost. */
  release(delivery: ClaimedDelivery): Promise<void>;
  /**
   * Writes down that parts 0 to `parts` - 1 of a message refer to one body in the bucket. Asking again changes nothing;
   * parts that have left meanwhile stay away.
   */
  shareContent(content: ContentReference, parts: number): Promise<void>;
  /** A part needs the shared body no more; whether no part does, so that it may be removed. Again gives the same. */
  leaveContent(content: ContentReference, part: number): Promise<boolean>;
}

/** Takes the next attempt's queue message until it is due; idempotent by (id, next-hop domain, attempt). */
export interface RetryStore {
  /**
   * @param waitingFor The next-hop domain that cannot be reached: the message is listed there too, so that it serves
   *   as a probe, or is let go as soon as the domain recovers (`BackoffStore`). For the message whose connection
   *   failed as for those that wait since.
   */
  put(message: PreparedMessage, dueAtMs: number, waitingFor?: string): Promise<void>;
}

/** What SQS stands in for where a sender leaves it out. */
export type RecordIdentity = Pick<QueueMessage, 'id' | 'submittedAt' | 'expiresAt'>;

export interface MailQueue {
  /** Sends records, in SQS batches; rejects if one of them could not be sent. */
  enqueue(messages: readonly QueueMessage[]): Promise<void>;
  /**
   * Puts a record where operators look, with the reason as a message attribute.
   *
   * @param identity What the record is called and since when, where it could be read: what its body leaves out is filled
   *   in, since SQS gives the letter another id and time, and it has to stay the same message.
   */
  deadLetter(body: string, reason: string, identity?: RecordIdentity): Promise<void>;
  /** Hides a received record until `untilMs` (SQS allows 12 hours from its receipt). */
  hideUntil(receiptHandle: string, untilMs: number, nowMs: number): Promise<void>;
}

export interface ContentStore {
  /** @throws {TransportSecurityError} `content-missing`, or `content-invalid` when it is over 40 MB. */
  read(reference: ContentReference): Promise<Uint8Array>;
  /**
   * Keeps a body for later attempts, as `content/<name>`: the same name gives the same reference, and must always
   * stand for the same octets (see `contentName`).
   */
  keep(name: string, content: Uint8Array): Promise<ContentReference>;
  /** Removes what `keep` has kept. Nothing is done for an inline body or an object of somebody else's. */
  remove(reference: ContentReference): Promise<void>;
}

/** What is known of a domain whose hosts cannot be reached. */
export interface Backoff {
  readonly domain: string;
  readonly sinceMs: number;
  /** Failed probes in a row. */
  readonly failures: number;
  /** When one message may try again; the rest wait. */
  readonly nextProbeAtMs: number;
  /** Until when a probe is under way; 0: none is. */
  readonly probeUntilMs: number;
}

/**
 * Domain back-off: after a connection failure one message probes, under a lease, and the rest wait until it got
 * through. Every method rejects with `store-unavailable`.
 */
export interface BackoffStore {
  read(domain: string): Promise<Backoff | undefined>;
  /** After a connection failure: begins a back-off, or counts a failed probe; ends the probe's lease. */
  prolong(domain: string, nextProbeAtMs: number, nowMs: number): Promise<void>;
  /** Takes the one probe that is due; false where it is not, or somebody else has it. */
  takeProbe(domain: string, leaseEndMs: number, nowMs: number): Promise<boolean>;
  /** The hosts answer: lets the messages that wait for this domain go, at the rate that requeuing has. */
  recover(domain: string): Promise<void>;
}

/** Everything that an attempt reaches for. */
export interface DeliveryPorts {
  readonly now: () => number;
  /** Uniform in [0, 1); shuffles MX hosts of equal preference (RFC 5321 §5.1). */
  readonly random: () => number;
  /** A claim token that nobody else has. */
  readonly newToken: () => string;
  readonly resolver: Resolver;
  readonly discoverPolicy: DiscoverPolicy;
  readonly readControls: ReadControls;
  readonly accept: AcceptFromQueue;
  readonly openChannel: OpenChannel;
  readonly messages: MessageStore;
  readonly retries: RetryStore;
  readonly backoffs: BackoffStore;
  readonly queue: MailQueue;
  readonly contents: ContentStore;
  readonly observe: (event: DeliveryEvent) => void;
}
