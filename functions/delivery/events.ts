/** What the delivery room tells its operator as it works; handlers turn it into metrics. */
import type { FailureCode } from '../protocol/errors.ts';

export type DeliveryEvent =
  | {
      readonly kind: 'recipients';
      readonly outcome: 'delivered' | 'deferred' | 'failed';
      readonly count: number;
    }
  /** A host that was not used since it did not show what the message's table row asks for. */
  | { readonly kind: 'violation-prevented'; readonly code: FailureCode; readonly domain: string }
  | { readonly kind: 'attempt'; readonly seconds: number }
  | { readonly kind: 'dead-letter'; readonly reason: string }
  /** No reply after the final dot: a second copy may come of it (RFC 1047). */
  | { readonly kind: 'in-doubt'; readonly count: number }
  /** A sender is told what became of recipients. */
  | {
      readonly kind: 'notified';
      readonly action: 'failed' | 'delayed' | 'relayed';
      readonly count: number;
    }
  /** Recipients of a message that nobody is told of, since its return path is empty (RFC 3461 §5.2). */
  | {
      readonly kind: 'dropped';
      readonly id: string;
      readonly domain: string;
      readonly count: number;
      readonly reason: string;
    }
  /** The body of a message was gone when its sender was to be told; nothing of it went back. */
  | { readonly kind: 'content-lost'; readonly id: string; readonly error: unknown }
  /** The body of a finished delivery could not be removed; the bucket's lifecycle does it. */
  | { readonly kind: 'content-left'; readonly id: string; readonly error: unknown }
  /** A fault of ours; the record goes back to the queue. */
  | { readonly kind: 'fault'; readonly error: unknown };
