/** What taking waiting messages back to the queue needs of the world: the other side of `RetryStore` and `BackoffStore`. */
import type { PreparedMessage } from '../submission/queue-message.ts';
import type { Backoff } from './ports.ts';

/** One shard of the messages that are due by the start of one minute. */
export interface RetryBucket {
  /** Epoch milliseconds, on the minute. */
  readonly startMs: number;
  readonly shard: number;
}

/** Names an entry of the store; what is in it is the store's. */
export interface RetryKey {
  readonly bucket: string;
  readonly entry: string;
  /** Where it is listed under a domain that it waits for. */
  readonly pointer?: { readonly bucket: string; readonly entry: string };
}

/** A queue message that waits. */
export interface RetryEntry {
  readonly key: RetryKey;
  readonly message: PreparedMessage;
  /** Epoch milliseconds. */
  readonly dueAtMs: number;
}

/** An entry that is not as written. */
export interface DamagedEntry {
  readonly key: RetryKey;
  /** What there is of its queue message. */
  readonly body: string;
  readonly reason: string;
}

/** Where the next page of a bucket begins; opaque. */
export type RetryCursor = Readonly<Record<string, unknown>>;

/** Some of a bucket. Absent `next`: it is the end. */
export interface RetryPage {
  readonly entries: readonly RetryEntry[];
  readonly damaged: readonly DamagedEntry[];
  readonly next?: RetryCursor;
}

/** Some of what waits for a domain; all three empty where nothing does. */
export interface WaitingPage {
  readonly entries: readonly RetryEntry[];
  readonly damaged: readonly DamagedEntry[];
  /** Listed, while the entry itself was sent or never written. */
  readonly stale: readonly RetryKey[];
}

/** Reads what `RetryStore` took. Every method rejects with `store-unavailable`. */
export interface RetryReader {
  /** The buckets of the minutes that begin from `fromMs` to `toMs` (both included), oldest first. */
  buckets(fromMs: number, toMs: number): Iterable<RetryBucket>;
  readBucket(bucket: RetryBucket, after?: RetryCursor): Promise<RetryPage>;
  /** About `limit` messages that wait for `domain`, the oldest of each shard. */
  readWaiting(domain: string, limit: number): Promise<WaitingPage>;
  /** Removes entries, and what lists them. */
  remove(keys: readonly RetryKey[]): Promise<void>;
  /** Before when every bucket is known to be empty, epoch milliseconds; undefined where nobody has said so. */
  readDrainedMs(): Promise<number | undefined>;
  /** Never goes back. */
  writeDrainedMs(drainedMs: number): Promise<void>;
}

/** A back-off, with what only requeuing needs of it. */
export interface BackoffState extends Backoff {
  /** The hosts answered: what waits is let go, and nobody backs off any more. */
  readonly recovered: boolean;
  /** Changes with every write. */
  readonly changeId: string;
}

/** Reads what `BackoffStore` keeps. Every method rejects with `store-unavailable`. */
export interface BackoffList {
  /** All of them, in no order. */
  list(): Promise<readonly BackoffState[]>;
  /** Removes a back-off, if nobody has touched it since. */
  forget(state: BackoffState): Promise<void>;
}
