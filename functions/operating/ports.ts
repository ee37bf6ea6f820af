/** What operating the queue needs of the world. Adapters implement it; tests bring their own. */
import type { SettlingContext } from '../delivery/context.ts';
import type { Cancellation, DeliveryDemand } from '../delivery/ports.ts';
import type {
  AdvanceNote,
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
  /** What is asked of deliveries that have no row yet. */
  readonly advance: readonly AdvanceNote[];
  /** Records of attempts that put mail off, by domain and attempt; that of the last one is in its delivery. */
  readonly attempts: readonly WhyRecord[];
  /** Oldest first. */
  readonly actions: readonly QueueAction[];
  /** Whether some of it was left out for want of room. */
  readonly truncated: boolean;
}

/** A delivery to act upon. */
export interface ActionTarget extends DeliveryKey {
  /** Its queue message may be on its way: where it has no row, what is asked of it is noted in advance. */
  readonly mayCome?: boolean;
}

/**
 * Why an action leaves a delivery as it is. `unknown`: there is none; `finished`: nobody is pending, or it is given up;
 * `busy`: an attempt is under way until `untilMs` at the latest; `queued`: it is in the delivery queue as it is; `held` and
 * `not-held`: what the action asks for it is already, or is not.
 */
export type Refusal =
  | { readonly kind: 'unknown' | 'finished' | 'queued' | 'held' | 'not-held' }
  | { readonly kind: 'busy'; readonly untilMs: number };

/** What an action on a delivery came to. `noted`: it has no row yet, and whoever begins with it goes by what was asked. */
export type ActionOutcome = 'done' | 'noted' | Refusal;

/** The row as the action left it, or why it did nothing. `noted`: there is none, see {@link ActionTarget.mayCome}. */
export type RowChange =
  | { readonly kind: 'changed'; readonly row: DeliveryRow }
  | { readonly kind: 'noted' }
  | { readonly kind: 'refused'; readonly refusal: Refusal };

/** What a change of the row is to whoever asked for it. */
export function outcomeOf(change: RowChange): ActionOutcome {
  switch (change.kind) {
    case 'changed':
      return 'done';
    case 'noted':
      return 'noted';
    case 'refused':
      return change.refusal;
  }
}

/** The message table as operators change it. Every method rejects with `store-unavailable` and `store-damaged`. */
export interface MessageControl {
  /** Strongly consistent; undefined where nothing is kept under this id. */
  readMessage(id: string): Promise<StoredMessage | undefined>;
  /** Undefined where there is no row, or only what is asked in advance. */
  readDelivery(id: string, domain: string): Promise<DeliveryRow | undefined>;
  /** No attempt begins from now on; one that is under way ends as it may. Refused: `held`, `finished`. */
  hold(target: ActionTarget, note: HeldNote): Promise<RowChange>;
  /** Attempts may begin again, the next one now; whoever releases sends its queue message. Refused: `not-held`. */
  release(target: ActionTarget, nowMs: number): Promise<RowChange>;
  /** Sets what holds from the next attempt on. Refused: `busy`, `finished`. */
  override(target: ActionTarget, demand: DeliveryDemand, nowMs: number): Promise<RowChange>;
  /**
   * Has whoever is given the queue message of the delivery give it up: for deliveries that nothing else could make it
   * again for. Refused: `busy`, also where the row has its content by now; `finished`.
   */
  cancel(target: ActionTarget, cancellation: Cancellation, nowMs: number): Promise<RowChange>;
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
