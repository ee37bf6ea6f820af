/**
 * The delivery function without AWS: the delivery room with the real DNS, HTTPS and SMTP adapters over real sockets and
 * real TLS. Only the stores are in memory.
 */
import { randomUUID } from 'node:crypto';
import type { ScenarioMessage } from '../bin/world/scenario.ts';
import { resolveDeliveryNetwork } from '../functions/adapters/net/delivery-network.ts';
import { createPolicyFetcher } from '../functions/adapters/net/fetch-policy.ts';
import { createNetworkResolver } from '../functions/adapters/net/network-resolver.ts';
import { createChannelOpener } from '../functions/adapters/net/smtp-channel.ts';
import { createChannelPool } from '../functions/delivery/channel-pool.ts';
import { deliverBatch } from '../functions/delivery/deliver-batch.ts';
import type { DeliveryPorts } from '../functions/delivery/ports.ts';
import type { WhyRecord } from '../functions/delivery/why.ts';
import type { DeliverySettings, NetworkSetting } from '../functions/environment.ts';
import { createPolicyDiscovery } from '../functions/policy/discover-policy.ts';
import { createMemoryPolicyStore } from '../functions/policy/memory-store.ts';
import { createAcceptFromQueue } from '../functions/submission/accept-from-queue.ts';
import type { ReadControls } from '../functions/submission/ports.ts';
import type { PreparedMessage, QueueMessage } from '../functions/submission/queue-message.ts';
import { createMemoryPorts, type MemoryPorts } from './delivery/memory-ports.ts';
import { deliverySettings } from './delivery-settings.ts';

/** What goes into the queue: a sender's words, or what the delivery room itself put there. */
export type QueuedMessage =
  | ScenarioMessage
  | PreparedMessage
  | Pick<QueueMessage, 'mailFrom' | 'rcptTo' | 'requireTls' | 'content'>;

/** What one process of the delivery function has, all through its life. */
export interface DeliveryProcess {
  /** One invocation; resolves to the message ids of the records that go back to the queue. */
  deliver(batch: readonly QueuedMessage[]): Promise<readonly string[]>;
  /** The record of each attempt that was settled, oldest first; the caller may empty it. */
  readonly whys: WhyRecord[];
  readonly stores: MemoryPorts;
}

export interface DeliveryProcessOptions {
  /** What an attempt may take, settling not counted; half of it is the final reply's. */
  readonly attemptMs: number;
  /** Where they differ from the defaults. */
  readonly settings?: Partial<DeliverySettings>;
}

export function createDeliveryProcess(
  network: NetworkSetting,
  { attemptMs, settings: changes = {} }: DeliveryProcessOptions,
): DeliveryProcess {
  const settings = { ...deliverySettings, ...changes };
  const finalReplyMs = attemptMs / 2;
  const now = Date.now;
  const whys: WhyRecord[] = [];
  const stores = createMemoryPorts();
  const ports = createPorts(network, { whys, stores, settings, finalReplyMs });
  const deliver: DeliveryProcess['deliver'] = async (batch) => {
    const startedAtMs = now();
    const pool = createChannelPool({ openChannel: ports.openChannel, perHostMax: 2, now });
    try {
      return await deliverBatch(
        batch.map((message) => ({
          messageId: randomUUID(),
          receiptHandle: randomUUID(),
          sentAtMs: startedAtMs,
          body: JSON.stringify(message),
        })),
        {
          ports,
          settings,
          network: resolveDeliveryNetwork(network),
          pool,
          // The sender keeps ten seconds for settling.
          deadlineMs: startedAtMs + attemptMs + 10_000,
          contentDeadlineMs: startedAtMs + attemptMs - finalReplyMs,
        },
      );
    } finally {
      await pool.close();
    }
  };
  return { deliver, whys, stores };
}

function createPorts(
  network: NetworkSetting,
  life: {
    readonly whys: WhyRecord[];
    readonly stores: MemoryPorts;
    readonly settings: DeliverySettings;
    readonly finalReplyMs: number;
  },
): DeliveryPorts {
  const { whys, stores, settings, finalReplyMs } = life;
  const readControls: ReadControls = async () => ({ rules: [], exceptions: [] });
  const now = Date.now;
  const resolver = createNetworkResolver(network, { now, tryTimeoutMs: 300, rounds: 2 });
  return {
    ...stores,
    messages: {
      ...stores.messages,
      settle: (settlement) => {
        whys.push(settlement.why);
        return stores.messages.settle(settlement);
      },
    },
    now,
    random: Math.random,
    newToken: randomUUID,
    resolver,
    readControls,
    accept: createAcceptFromQueue({
      settings,
      ports: {
        now,
        readControls,
        signContent: async () => [],
        contents: stores.contents,
        shareContent: stores.messages.shareContent,
      },
      wholeMessages: { keep: async (whole) => whole },
    }),
    openChannel: createChannelOpener({
      network,
      ehloName: 'mail.sender.example',
      now,
      finalReplyTimeoutMs: finalReplyMs,
    }),
    discoverPolicy: createPolicyDiscovery({
      resolver,
      fetchPolicy: createPolicyFetcher({ resolver, network }),
      store: createMemoryPolicyStore(),
      now,
      cache: true,
    }),
    observe: (event) => {
      if (event.kind === 'fault') {
        throw event.error;
      }
    },
  };
}
