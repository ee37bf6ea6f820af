/**
 * The scenario table, run through the delivery room with the real DNS, HTTPS and SMTP adapters over real sockets and
 * real TLS on loopback. Only the stores are in memory.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  compareScenario,
  forgetScenario,
  joinWorlds,
  observeMx,
  readWhyRecords,
} from '../bin/world/scenario.ts';
import { scenarios } from '../bin/world/scenarios.ts';
import { startWorld, type World } from '../bin/world/world.ts';
import { createDeliveryProcess } from './delivery-process.ts';

/** Enough for any scenario that ends by itself, on a busy machine. */
const attemptMsDefault = 20_000;

let world: World;

beforeAll(async () => {
  world = await startWorld(joinWorlds(scenarios));
});

afterAll(async () => {
  await world.stop();
});

describe('the scenario table', () => {
  test.each(scenarios.map((scenario) => [scenario.title, scenario] as const))(
    '%s',
    async (_title, scenario) => {
      const process = createDeliveryProcess(world.network, {
        attemptMs: scenario.attemptMs ?? attemptMsDefault,
        ...(scenario.settings === undefined ? {} : { settings: scenario.settings }),
      });
      for (const step of scenario.prelude) {
        await (step.kind === 'send' ? process.deliver([step.message]) : world.change(step.change));
      }
      process.whys.splice(0);
      forgetScenario(world, scenario);
      expect(await process.deliver(scenario.messages)).toEqual([]);
      // A message for several domains comes back as one record for each. What senders are told is not of this table.
      const parts = process.stores.sent.filter(
        ({ notificationOf }) => notificationOf === undefined,
      );
      expect(await process.deliver(parts)).toEqual([]);
      expect(process.stores.deadLetters).toEqual([]);
      const observed = { ...readWhyRecords(process.whys), mx: observeMx(world, scenario) };
      expect(compareScenario(scenario.expected, observed).differences).toEqual([]);
    },
  );
});
