/** A clock that jumps from one event to the next. What happens at one moment happens in the order in which it was asked for. */
import type { Timers } from '../../functions/delivery/timers.ts';

export interface VirtualClock {
  /** Epoch milliseconds. */
  now(): number;
  /** Runs something at a moment, or now if that is past. What it gives back calls that off. */
  at(atMs: number, run: () => void): () => void;
  sleep(ms: number): Promise<void>;
  readonly timers: Timers;
  /** Goes on until nothing is left to happen, or `stop` was called. */
  run(): Promise<void>;
  stop(): void;
  /** Events so far. */
  readonly count: number;
}

/** After so many events whoever else runs in this process has his turn. */
const breath = 1_000;

interface Event {
  readonly atMs: number;
  readonly order: number;
  run: (() => void) | undefined;
}

export function createVirtualClock(startMs: number): VirtualClock {
  const events: Event[] = [];
  let nowMs = startMs;
  let order = 0;
  let count = 0;
  let isStopped = false;

  const at = (atMs: number, run: () => void): (() => void) => {
    const event: Event = { atMs: Math.max(atMs, nowMs), order: order++, run };
    push(events, event);
    return () => {
      event.run = undefined;
    };
  };
  const advance = (): boolean => {
    for (let event = pop(events); event !== undefined; event = pop(events)) {
      const { run } = event;
      if (run !== undefined) {
        nowMs = event.atMs;
        count += 1;
        run();
        return true;
      }
    }
    return false;
  };

  return {
    now: () => nowMs,
    at,
    sleep: (ms) =>
      new Promise((resolve) => {
        at(nowMs + ms, resolve);
      }),
    timers: {
      elapsedMs: () => nowMs,
      start: (run, waitMs) => at(nowMs + waitMs, run),
      soon: (run) => void at(nowMs, run),
    },
    run: () =>
      new Promise((resolve, reject) => {
        const step = (): void => {
          try {
            if (isStopped || !advance()) {
              resolve();
              return;
            }
          } catch (error) {
            reject(error);
            return;
          }
          // Every promise that the event settled has its say before the next event: ticks come when none is left.
          queueMicrotask(
            count % breath === 0 ? () => setImmediate(step) : () => process.nextTick(step),
          );
        };
        step();
      }),
    stop: () => {
      isStopped = true;
    },
    get count() {
      return count;
    },
  };
}

function isEarlier(a: Event, b: Event): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}

/** A binary heap: the earliest event is its root. */
function push(heap: Event[], event: Event): void {
  let index = heap.length;
  heap.push(event);
  while (index > 0) {
    const above = (index - 1) >> 1;
    const parent = heap[above];
    if (parent === undefined || !isEarlier(event, parent)) {
      break;
    }
    heap[index] = parent;
    index = above;
  }
  heap[index] = event;
}

function pop(heap: Event[]): Event | undefined {
  const first = heap[0];
  const last = heap.pop();
  if (first === undefined || last === undefined || heap.length === 0) {
    return first;
  }
  let index = 0;
  for (;;) {
    let below = 2 * index + 1;
    const left = heap[below];
    const right = heap[below + 1];
    if (left === undefined) {
      break;
    }
    let child = left;
    if (right !== undefined && isEarlier(right, left)) {
      child = right;
      below += 1;
    }
    if (!isEarlier(child, last)) {
      break;
    }
    heap[index] = child;
    index = below;
  }
  heap[index] = last;
  return first;
}
