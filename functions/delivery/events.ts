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
  /** A fault of ours; the record goes back to the queue. */
  | { readonly kind: 'fault'; readonly error: unknown };
