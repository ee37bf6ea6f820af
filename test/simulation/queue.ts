/** An SQS standard queue: at least once, in no order, hidden for a while, and dead after so many receipts. */
import type { Chance } from './chance.ts';
import type { VirtualClock } from './clock.ts';

export interface StoredMessage {
  readonly messageId: string;
  readonly body: string;
  readonly sentAtMs: number;
  /** Why it was put among the dead letters, by whoever did. */
  readonly reason?: string;
  receiveCount: number;
}

export interface Receipt {
  readonly handle: string;
  readonly message: StoredMessage;
}

export interface SimulatedQueue {
  send(body: string, reason?: string): void;
  /** Takes over what another queue has given up. */
  put(message: StoredMessage): void;
  /** At most `most` messages; none where none is visible. */
  receive(most: number): Receipt[];
  /** Does nothing for a receipt that is over. */
  delete(handle: string): void;
  /** False for a receipt that is over. */
  hide(handle: string, seconds: number): boolean;
  /** Neither deleted nor given up. */
  all(): readonly StoredMessage[];
  readonly visible: number;
  /** How many those are. */
  readonly open: number;
  readonly counts: { sent: number; received: number; duplicated: number };
}

interface QueueOptions {
  /** Message ids begin with it. */
  readonly name: string;
  readonly clock: VirtualClock;
  readonly chance: Chance;
  readonly visibilitySeconds: number;
  readonly maxReceiveCount: number;
  /** Takes what was received too often. */
  readonly giveUp: (message: StoredMessage) => void;
  /** How often one message comes twice. */
  readonly duplicates: number;
  /** Called when there is something to receive. */
  readonly arrived: () => void;
}

/** How far out of order messages come. */
const disorder = 20;

export function createQueue(options: QueueOptions): SimulatedQueue {
  const { clock, chance } = options;
  const waiting: StoredMessage[] = [];
  let head = 0;
  const received = new Map<string, { message: StoredMessage; callOff: () => void }>();
  const counts = { sent: 0, received: 0, duplicated: 0 };
  let serial = 0;

  const arrive = (message: StoredMessage): void => {
    waiting.push(message);
    options.arrived();
  };
  const expireIn = (handle: string, message: StoredMessage, ms: number): (() => void) =>
    clock.at(clock.now() + ms, () => {
      received.delete(handle);
      arrive(message);
    });
  const take = (): StoredMessage | undefined => {
    const left = waiting.length - head;
    if (left === 0) {
      return undefined;
    }
    const picked = head + chance.below(Math.min(left, disorder));
    const message = waiting[picked] as StoredMessage;
    waiting[picked] = waiting[head] as StoredMessage;
    head += 1;
    if (head > 1_000 && head * 2 > waiting.length) {
      waiting.splice(0, head);
      head = 0;
    }
    return message;
  };

  return {
    send: (body, reason) => {
      serial += 1;
      counts.sent += 1;
      arrive({
        messageId: `${options.name}${serial}`,
        body,
        sentAtMs: clock.now(),
        ...(reason !== undefined && { reason }),
        receiveCount: 0,
      });
    },
    put: (message) => arrive({ ...message, receiveCount: 0 }),
    receive: (most) => {
      const receipts: Receipt[] = [];
      while (receipts.length < most) {
        const message = take();
        if (message === undefined) {
          break;
        }
        if (message.receiveCount >= options.maxReceiveCount) {
          options.giveUp(message);
          continue;
        }
        message.receiveCount += 1;
        counts.received += 1;
        const handle = `${message.messageId}/${counts.received}`;
        const callOff = expireIn(handle, message, options.visibilitySeconds * 1_000);
        received.set(handle, { message, callOff });
        receipts.push({ handle, message });
        if (chance.happens(options.duplicates)) {
          // A copy that another server of the queue holds, and hands out whatever becomes of this one.
          counts.duplicated += 1;
          const copy = { ...message };
          clock.at(clock.now() + chance.below(600_000), () => arrive(copy));
        }
      }
      return receipts;
    },
    delete: (handle) => {
      const messageId = received.get(handle)?.message.messageId;
      // A message that is deleted is gone, whoever else has it in hand.
      for (const [other, { message, callOff }] of received) {
        if (message.messageId === messageId) {
          callOff();
          received.delete(other);
        }
      }
    },
    hide: (handle, seconds) => {
      const found = received.get(handle);
      found?.callOff();
      if (found !== undefined) {
        found.callOff = expireIn(handle, found.message, seconds * 1_000);
      }
      return found !== undefined;
    },
    all: () => [...waiting.slice(head), ...[...received.values()].map(({ message }) => message)],
    get visible() {
      return waiting.length - head;
    },
    get open() {
      return waiting.length - head + received.size;
    },
    counts,
  };
}
