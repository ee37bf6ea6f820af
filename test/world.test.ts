/**
 * The scenario table, run through the delivery room with the real DNS, HTTPS and SMTP adapters over real sockets and
 * real TLS on loopback. Only the stores are in memory.
 */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  compareScenario,
  forgetScenario,
  joinWorlds,
  observeMx,
  readWhyRecords,
  type Scenario,
  type ScenarioMessage,
} from '../bin/world/scenario.ts';
import { scenarios } from '../bin/world/scenarios.ts';
import { startWorld, type World } from '../bin/world/world.ts';
import { resolveDeliveryNetwork } from '../functions/adapters/net/delivery-network.ts';
import { createDnsClient } from '../functions/adapters/net/dns-client.ts';
import { createPolicyFetcher } from '../functions/adapters/net/fetch-policy.ts';
import { createChannelOpener } from '../functions/adapters/net/smtp-channel.ts';
import { createChannelPool } from '../functions/delivery/channel-pool.ts';
import { deliverBatch } from '../functions/delivery/deliver-batch.ts';
import type { DeliveryPorts } from '../functions/delivery/ports.ts';
import type { WhyRecord } from '../functions/delivery/why.ts';
import { createPolicyDiscovery } from '../functions/policy/discover-policy.ts';
import { createMemoryPolicyStore } from '../functions/policy/memory-store.ts';
import type { PreparedMessage } from '../functions/submission/queue-message.ts';
import { createMemoryPorts } from './delivery/memory-ports.ts';

/** Enough for any scenario that ends by itself, on a busy machine. */
const attemptMsDefault = 20_000;

let world: World;

beforeAll(async () => {
  world = await startWorld(joinWorlds(scenarios));
});

afterAll(async () => {
  await world.stop();
});

/** What one process of the delivery function has: its caches, and how long it waits. */
function createProcess(scenario: Scenario) {
  const { network } = world;
  const attemptMs = scenario.attemptMs ?? attemptMsDefault;
  const finalReplyMs = attemptMs / 2;
  const now = Date.now;
  const whys: WhyRecord[] = [];
  const stores = createMemoryPorts();
  const messages = {
    ...stores.messages,
    settle: (settlement: Parameters<typeof stores.messages.settle>[0]) => {
      whys.push(settlement.why);
      return stores.messages.settle(settlement);
    },
  };
  const resolver = createDnsClient({ servers: network.resolvers, tryTimeoutMs: 300, rounds: 2 });
  const openChannel = createChannelOpener({
    network,
    ehloName: 'mail.sender.example',
    now,
    finalReplyTimeoutMs: finalReplyMs,
  });
  const ports: DeliveryPorts = {
    ...stores,
    messages,
    now,
    random: Math.random,
    newToken: randomUUID,
    resolver,
    openChannel,
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
  const deliver = async (
    batch: readonly (ScenarioMessage | PreparedMessage)[],
  ): Promise<readonly string[]> => {
    const startedAtMs = now();
    const pool = createChannelPool({ openChannel, perHostMax: 2, now });
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
          settings: {
            ehloName: 'mail.sender.example',
            requireTls: true,
            mtaSts: true,
            mtaStsCache: true,
            keepAddressTag: false,
            exceptions: [],
            connectionsPerMxMax: 2,
            expiryDays: 5,
          },
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

describe('the scenario table', () => {
  test.each(scenarios.map((scenario) => [scenario.title, scenario] as const))(
    '%s',
    async (_title, scenario) => {
      const process = createProcess(scenario);
      for (const step of scenario.prelude) {
        await (step.kind === 'send' ? process.deliver([step.message]) : world.change(step.change));
      }
      process.whys.splice(0);
      forgetScenario(world, scenario);
      expect(await process.deliver(scenario.messages)).toEqual([]);
      // A message for several domains comes back as one record for each.
      expect(await process.deliver(process.stores.sent)).toEqual([]);
      expect(process.stores.deadLetters).toEqual([]);
      const observed = { ...readWhyRecords(process.whys), mx: observeMx(world, scenario) };
      expect(compareScenario(scenario.expected, observed).differences).toEqual([]);
    },
  );
});
