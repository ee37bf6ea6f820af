/** One run of a function in a process of its own: its clock is off, and it may end at any moment. */
import type { Timers } from '../../functions/delivery/timers.ts';
import type { Chance } from './chance.ts';
import type { VirtualClock } from './clock.ts';

export interface SimulatedProcess {
  readonly id: number;
  /** What this process takes for the time. */
  readonly now: () => number;
  /** What it is. */
  readonly trueNow: () => number;
  readonly timers: Timers;
  readonly isDead: boolean;
  /** Ids of messages of which a write failed, or its answer was lost. */
  readonly failedWrites: Set<string>;
  /** When other calls failed, of which it is not known whose message they were for; epoch milliseconds. */
  readonly failedAtMs: number[];
  /** A call failed; `id`: the message whose row was to be written. */
  noteFailure(id?: string): void;
  /** It died, or a call of its failed since that moment. */
  isTroubled(sinceMs: number): boolean;
  /** Calls back when it ends before its time; the last one asked for counts. */
  onDeath(call: () => void): void;
  /** Ends it: whatever it waits for never comes. */
  die(): void;
  /** Ends it at its `count`-th moment from now. */
  dieAfter(count: number): void;
  /** A moment at which it may end, and at which the answer to something it asked for takes `ms` to come. */
  pass(ms: number): Promise<void>;
}

/** Clocks of two processes differ by twice as much at the most. */
export const skewMsMax = 150_000;

let serial = 0;

export function createProcess({
  clock,
  chance,
}: {
  readonly clock: VirtualClock;
  readonly chance: Chance;
}): SimulatedProcess {
  const skewMs = chance.between(-skewMsMax, skewMsMax);
  let died = (): void => {};
  let isDead = false;
  const failedWrites = new Set<string>();
  const failedAtMs: number[] = [];
  let lastFailureMs = Number.NEGATIVE_INFINITY;
  let momentsLeft = Number.POSITIVE_INFINITY;
  const never = new Promise<void>(() => {});
  const unlessDead = (run: () => void) => (): void => {
    if (!isDead) {
      run();
    }
  };
  const die = (): void => {
    if (!isDead) {
      isDead = true;
      died();
    }
  };
  return {
    id: ++serial,
    now: () => clock.now() + skewMs,
    trueNow: clock.now,
    timers: {
      elapsedMs: clock.timers.elapsedMs,
      start: (run, waitMs) => clock.timers.start(unlessDead(run), waitMs),
      soon: (run) => clock.timers.soon(unlessDead(run)),
    },
    get isDead() {
      return isDead;
    },
    failedWrites,
    failedAtMs,
    noteFailure: (id) => {
      lastFailureMs = clock.now();
      if (id === undefined) {
        failedAtMs.push(lastFailureMs);
      } else {
        failedWrites.add(id);
      }
    },
    isTroubled: (sinceMs) => isDead || lastFailureMs >= sinceMs,
    onDeath: (call) => {
      died = call;
    },
    die,
    dieAfter: (count) => {
      momentsLeft = count;
    },
    pass: (ms) => {
      momentsLeft -= 1;
      if (momentsLeft <= 0) {
        die();
      }
      if (isDead) {
        return never;
      }
      return ms === 0
        ? Promise.resolve()
        : new Promise((resolve) => {
            clock.at(clock.now() + ms, unlessDead(resolve));
          });
    },
  };
}

/** Runs something to its end; false where it rejects, or the process dies before. */
export function runToEnd(process: SimulatedProcess, work: () => Promise<void>): Promise<boolean> {
  return new Promise((resolve) => {
    process.onDeath(() => resolve(false));
    work().then(
      () => resolve(true),
      () => resolve(false),
    );
  });
}
