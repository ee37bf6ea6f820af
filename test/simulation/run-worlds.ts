/**
 * A large run is made of worlds, each with its own seed, domains and faults: so it meets more of what may happen, takes the
 * room of those that are under way, and what fails replays without the rest. Each has a thread.
 */
import { createHash } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { SimulationOptions } from './run-parts.ts';
import type { SimulationResult } from './simulate.ts';

/** What crosses to a thread: plain data. */
export type WorldOptions = Omit<SimulationOptions, 'spoil'>;

/** Messages of one world. */
export const worldMessagesMax = 12_500;

/** MB of a world's heap; a backlog takes more. A world that needs more ends the run: it keeps what it should let go. */
const heapMbMax = 380;
const backlogMbPerThousand = 6;

/** Of a run with a backlog: it comes after one hour, and is tried again some times. */
const backlogHours = 10;

/** The worlds of a run: the first has the run's seed, each other the next one. */
export function splitRun({ messages, seed, ...rest }: WorldOptions): WorldOptions[] {
  if (rest.backlog !== undefined && rest.backlog > 0) {
    // One and the same world, with the backlog and without.
    const { backlog } = rest;
    const calm = { ...rest, messages, seed, isCalm: true, hours: rest.hours ?? backlogHours };
    return [
      { ...calm, backlog: 0 },
      { ...calm, backlog },
    ];
  }
  const count = Math.max(1, Math.ceil(messages / worldMessagesMax));
  return Array.from({ length: count }, (_, index) => ({
    ...rest,
    messages: Math.floor((messages * (index + 1)) / count) - Math.floor((messages * index) / count),
    seed: seed + index,
  }));
}

/** Runs worlds side by side, as many as there are processors. */
export async function runWorlds(worlds: readonly WorldOptions[]): Promise<SimulationResult[]> {
  const results: SimulationResult[] = [];
  const left = [...worlds.entries()];
  const work = async (): Promise<void> => {
    for (let next = left.shift(); next !== undefined; next = left.shift()) {
      const [index, world] = next;
      results[index] = await runWorld(world);
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, work));
  return results;
}

/** Replays one world. */
export function commandFor({ messages, seed, backlog = 0, hours }: WorldOptions): string {
  const more = [
    ...(backlog === 0 ? [] : [`--backlog ${backlog}`]),
    ...(hours === undefined ? [] : [`--hours ${hours}`]),
  ];
  return ['npm run simulate --', `--messages ${messages}`, `--seed ${seed}`, ...more].join(' ');
}

function runWorld(world: WorldOptions): Promise<SimulationResult> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('world-thread.ts', import.meta.url), {
      workerData: world,
      resourceLimits: {
        maxOldGenerationSizeMb:
          heapMbMax + Math.ceil((world.backlog ?? 0) / 1_000) * backlogMbPerThousand,
        maxYoungGenerationSizeMb: 32,
      },
    });
    worker.once('message', resolve);
    const fail = (cause: unknown): void =>
      reject(new Error(`no books of this world: ${commandFor(world)}`, { cause }));
    worker.once('error', fail);
    worker.once('exit', fail);
  });
}

/** One set of books for all worlds. */
export function addUp(results: readonly SimulationResult[]): SimulationResult {
  const [first, ...rest] = results;
  if (first === undefined) {
    throw new RangeError('a run has a world');
  }
  return rest.reduce(addTwo, first);
}

function addTwo(one: SimulationResult, other: SimulationResult): SimulationResult {
  return {
    ...addNumbers(one, other),
    seed: one.seed,
    virtualDays: Math.max(one.virtualDays, other.virtualDays),
    violations: [...one.violations, ...other.violations],
    delaysSeconds: [...one.delaysSeconds, ...other.delaysSeconds].sort((a, b) => a - b),
    digest: createHash('sha256')
      .update(one.digest + other.digest)
      .digest('hex')
      .slice(0, 16),
    awsCalls: addNumbers(one.awsCalls, other.awsCalls),
  };
}

/** What is no number is the first's. */
function addNumbers<T extends object>(one: T, other: T): T {
  const entries = Object.entries({ ...other, ...one }).map(([name, value]) => [
    name,
    typeof value === 'number' ? numberOf(one, name) + numberOf(other, name) : value,
  ]);
  return Object.fromEntries(entries) as T;
}

function numberOf(counts: object, name: string): number {
  const value: unknown = (counts as Readonly<Record<string, unknown>>)[name];
  return typeof value === 'number' ? value : 0;
}
