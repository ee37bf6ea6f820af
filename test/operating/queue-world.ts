/** A queue in memory that operators act upon, with deliveries that were put off in it. */
import type { DeliveryKey } from '../../functions/delivery/stored-delivery.ts';
import type { DeadLetterContext } from '../../functions/operating/dead-letters.ts';
import type { DeadLetter, QueueAction } from '../../functions/operating/ports.ts';
import type { Controls } from '../../functions/submission/ports.ts';
import type { PreparedMessage } from '../../functions/submission/queue-message.ts';
import type { WholeMessage } from '../../functions/submission/whole-message.ts';
import { createBoundaries } from '../delivery/boundaries.ts';
import { createMemoryMessages } from '../delivery/memory-messages.ts';
import { createMemoryPorts } from '../delivery/memory-ports.ts';
import {
  claimRequest,
  minuteMs,
  noonMs,
  preparedMessage,
  whyRecord,
} from '../delivery/port-fixtures.ts';
import { deliverySettings } from '../delivery-settings.ts';
import { createMemoryControl, createMemoryWaiting } from './memory-control.ts';

export interface QueueWorld extends DeadLetterContext {
  nowMs: number;
  readonly stores: ReturnType<typeof createMemoryPorts>;
  readonly wholes: Map<string, WholeMessage>;
  readonly actions: readonly QueueAction[];
  /** Domains whose probes were made due. */
  readonly hastened: readonly string[];
  /** The dead-letter queue. */
  readonly letters: DeadLetter[];
  /** Claims a message for ten minutes and leaves it so. */
  begin(message: PreparedMessage): Promise<void>;
  /** A message that was tried once, with both recipients pending. */
  putOff(changes?: Partial<PreparedMessage>): Promise<DeliveryKey>;
}

export function createQueueWorld(controls: Partial<Controls> = {}): QueueWorld {
  const { run } = createBoundaries();
  const stores = createMemoryPorts(() => world.nowMs);
  const memory = createMemoryMessages(run);
  const wholes = new Map<string, WholeMessage>();
  const actions: QueueAction[] = [];
  const hastened: string[] = [];
  const letters: DeadLetter[] = [];
  const hidden = new Set<DeadLetter>();
  const stored = { ...memory, wholes, actions };
  let tokens = 0;
  const claim = async (message: PreparedMessage) => {
    const result = await memory.messages.claim(claimRequest({ message }));
    if (result.kind !== 'claimed') {
      throw new Error(result.kind);
    }
    return result.delivery;
  };
  const world: QueueWorld = {
    nowMs: noonMs + minuteMs,
    stores,
    wholes,
    actions,
    hastened,
    letters,
    settings: deliverySettings,
    readControls: async () => ({ rules: [], exceptions: [], ...controls }),
    deadLetters: {
      receive: async (limit) => {
        const received = letters.filter((letter) => !hidden.has(letter)).slice(0, limit);
        for (const letter of received) {
          hidden.add(letter);
        }
        return received;
      },
      putBack: async (received) => {
        for (const letter of received) {
          hidden.delete(letter);
        }
      },
      remove: async ({ messageId }) => {
        letters.splice(
          letters.findIndex((each) => each.messageId === messageId),
          1,
        );
      },
    },
    ports: {
      ...stores,
      now: () => world.nowMs,
      newToken: () => `operator-${tokens++}`,
      messages: memory.messages,
      control: createMemoryControl(run, stored),
      waiting: createMemoryWaiting(stored),
      backoffs: { hasten: async (domain) => void hastened.push(domain) },
      observe: () => {},
    },
    begin: async (message) => void (await claim(message)),
    putOff: async (changes = {}) => {
      const name = changes.id ?? 'm-1';
      const octets = Buffer.from('From: alice@example.com\r\nSubject: hello\r\n\r\nbody\r\n');
      const content = await stores.contents.keep(name, octets);
      const message = preparedMessage({ content, ...changes });
      const delivery = await claim(message);
      await memory.messages.settle({
        delivery,
        recipients: delivery.recipients,
        next: { dueAtMs: noonMs + 5 * minuteMs, content },
        why: whyRecord({ id: message.id }),
        nowMs: noonMs,
      });
      return { id: message.id, domain: message.prepared.domain };
    },
  };
  return world;
}
