/** What operating the queue needs of the world. Adapters implement it; tests bring their own. */
import type { SettlingContext } from '../delivery/context.ts';
import type { DeliveryDemand } from '../delivery/ports.ts';
import type {
  DeliveryKey,
  DeliveryRow,
  HeldNote,
  WaitingIndex,
} from '../delivery/stored-delivery.ts';
import type { WhyRecord } from '../delivery/why.ts';
import type { WholeMessage } from '../submission/whole-message.ts';

/** What an operator did to one delivery. */
export interface QueueAction extends DeliveryKey {
  readonly action: 'retry' | 'hold' | 'release' | 'cancel' | 'override';
  /** Who: as the caller's credentials name him. */
  readonly author: string;
  /** Why, in his words; may be empty where none is asked for. */
  readonly reason: string;
  /** When, epoch milliseconds. */
  readonly atMs: number;
  /** What exactly, where the action alone does not say. */
  readonly detail?: string;
}

/** Everything that is kept under one id. */
export interface StoredMessage {
  readonly id: string;
  /** Absent under the id of a part, and for a message that came without one. */
  readonly whole?: WholeMessage;
  readonly deliveries: readonly DeliveryRow[];
  /** Records of attempts that put mail off, by domain and attempt; that of the last one is in its delivery. */
  readonly attempts: readonly WhyRecord[];
  /** Oldest first. */
  readonly actions: readonly QueueAction[];
  /** Whether some of it was left out for want of room. */
  readonly truncated: boolean;
}

/**
 * Why an action leaves a delivery as it is. `unknown`: there is none; `finished`: nobody is pending; `busy`: an attempt
 * is under way until `untilMs` at the latest; `queued`: its first attempt is still in the delivery queue, and it has no row
 * yet or one that could not make the queue message again; `held` and `not-held`: what the action asks for it is already, or is not.
 */
export type Refusal =
  | { readonly kind: 'unknown' | 'finished' | 'queued' | 'held' | 'not-held' }
  | { readonly kind: 'busy'; readonly untilMs: number };

/** What an action on a delivery came to. */
export type ActionOutcome = 'done' | Refusal;

/** The row as the action left it, or why it did nothing. */
export type RowChange =
  | { readonly kind: 'changed'; readonly row: DeliveryRow }
  | { readonly kind: 'refused'; readonly refusal: Refusal };

/** The message table as operators change it. Every method rejects with `store-unavailable` and `store-damaged`. */
export interface MessageControl {
  /** Strongly consistent; undefined where nothing is kept under this id. */
  readMessage(id: string): Promise<StoredMessage | undefined>;
  readDelivery(id: string, domain: string): Promise<DeliveryRow | undefined>;
  /** No attempt begins from now on; one that is under way ends as it may. Refused: `queued`, `held`, `finished`. */
  hold(key: DeliveryKey, note: HeldNote): Promise<RowChange>;
  /** Attempts may begin again, the next one now; whoever releases sends its queue message. Refused: `not-held`. */
  release(key: DeliveryKey, nowMs: number): Promise<RowChange>;
  /** Sets what holds from the next attempt on. Refused: `busy`, `finished`. */
  override(key: DeliveryKey, demand: DeliveryDemand, nowMs: number): Promise<RowChange>;
  /** Adds to the delivery's history. */
  noteAction(action: QueueAction): Promise<void>;
}

/** A record of the dead-letter queue, received and hidden from others for a while. */
export interface DeadLetter {
  /** Of SQS: it names the record as long as it is there. */
  readonly messageId: string;
  readonly receiptHandle: string;
  readonly body: string;
  /** Why delivery put it there; absent where SQS did, after too many faults. */
  readonly reason?: string;
  /** When its queue first took it in, epoch milliseconds. */
  readonly sentAtMs: number;
}

/** The dead-letter queue. Every method rejects with `store-unavailable`. */
export interface DeadLetterQueue {
  /** Up to `limit` records, hidden from everybody else for `hideSeconds`; fewer where it finds no more. */
  receive(limit: number, hideSeconds: number): Promise<readonly DeadLetter[]>;
  /** Shows records again at once. */
  putBack(letters: readonly DeadLetter[]): Promise<void>;
  remove(letter: DeadLetter): Promise<void>;
}

/** Domain back-off, as an operator sees it. */
export interface BackoffControl {
  /**
   * Makes the next probe of a domain due now, if it backs off: the first message that is tried is the probe.
   *
   * Rejects with `store-unavailable`.
   */
  hasten(domain: string, nowMs: number): Promise<void>;
}

/** Everything that an action on the queue reaches for; cancelling settles as delivery does. */
export interface QueuePorts extends Readonly<SettlingContext['ports']> {
  /** A claim token that nobody else has. */
  readonly newToken: () => string;
  readonly waiting: WaitingIndex;
  readonly control: MessageControl;
  readonly backoffs: BackoffControl;
}

/** What an action on the queue goes by. */
export interface QueueContext extends SettlingContext {
  readonly ports: QueuePorts;
}
