/** An attempt to deliver: the message under our claim, and what it came to. */
import type { FailureCode } from '../protocol/errors.ts';
import type { RecipientResult, Reply } from '../protocol/smtp/transaction.ts';
import type { PreparedMessage } from '../submission/queue-message.ts';
import type { Conclusion } from './conclude.ts';
import type { DeliveryPlan } from './plan-delivery.ts';
import type { ClaimedDelivery, RecipientState } from './ports.ts';
import type { HostNote, RecipientNote } from './why.ts';

/** A message under our claim. */
export interface ClaimedMessage {
  readonly message: PreparedMessage;
  readonly delivery: ClaimedDelivery;
  readonly startedAtMs: number;
  /** As handed in; read when it is first asked for, and not again. Rejects as `ContentStore.read` does. */
  readonly content: () => Promise<Uint8Array>;
}

/** What became of one recipient: the peer's word, or a verdict of ours with the status that goes with it. */
export type AttemptResult = RecipientResult | (Conclusion & { readonly reply?: never });

/** What an attempt came to, for every recipient that was pending, in their order. */
export interface AttemptOutcome {
  readonly results: readonly AttemptResult[];
  /** The row of the channel table that decided. */
  readonly row: string;
  readonly plan: DeliveryPlan;
  readonly hosts: readonly HostNote[];
  /** No host of the domain can be reached: what is put off waits for it, and is listed as waiting. */
  readonly isUnreachable?: boolean;
  /** Whom the message was offered to; absent where no transaction was begun. */
  readonly peer?: Peer;
  /** Nobody is told, whatever the sender asked for; default false. */
  readonly isSilent?: boolean;
}

/** The MX host at the other end of the transaction. */
export interface Peer {
  readonly host: string;
  /** Whether it takes the parameters of RFC 3461, and with them the duty to tell of success. */
  readonly offersDsn: boolean;
}

/** What became of a recipient that was pending. */
export interface Fate {
  readonly recipient: RecipientState;
  readonly outcome: RecipientNote['outcome'];
  readonly status: string;
  readonly reason: string;
  /** Absent where it was delivered. */
  readonly code?: FailureCode;
  /** With `expired`: what stood in the way at last. */
  readonly lastCode?: FailureCode;
  /** The peer's word on this recipient, as one line. */
  readonly reply?: string;
  /** The peer's word that decided, whole: on this recipient, or on the very connection. */
  readonly peerReply?: Reply;
  /** The MX host that was tried, where no transaction was begun. */
  readonly host?: string;
}
