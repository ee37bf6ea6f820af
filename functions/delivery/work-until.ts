/** Work on many things, several at a time, for as long as there is time. */

export interface WorkBounds {
  /** Items that are worked on at one time. */
  readonly concurrency: number;
  /** Asked before each item. */
  readonly mayGoOn: () => boolean;
}

/**
 * Works on the items in their order. What `work` returns is the rest of an item, and has its turn after all others.
 *
 * Resolves to what was left undone: the rests, and the first of the items that were not begun. Rejects with what `work`
 * rejects with.
 */
export async function workUntil<T>(
  items: Iterable<T>,
  { concurrency, mayGoOn }: WorkBounds,
  work: (item: T) => Promise<T | undefined>,
): Promise<readonly T[]> {
  const fresh = items[Symbol.iterator]();
  const rests: T[] = [];
  const takeFresh = (): T | undefined => {
    const next = fresh.next();
    return next.done === true ? undefined : next.value;
  };
  const worker = async (): Promise<void> => {
    while (mayGoOn()) {
      const item = takeFresh() ?? rests.shift();
      if (item === undefined) {
        return;
      }
      const rest = await work(item);
      if (rest !== undefined) {
        rests.push(rest);
      }
    }
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
  const unbegun = takeFresh();
  return unbegun === undefined ? rests : [...rests, unbegun];
}

export interface BothEndsBounds extends WorkBounds {
  /** How many may fail in a row, without one that came to something between them. */
  readonly failuresMax: number;
}

/** What became of an item: `failed` and `done` tell an outage from a few bad items, `idle` tells nothing. */
export interface WorkDone<T> {
  readonly outcome: 'done' | 'idle' | 'failed';
  readonly rest?: T;
}

/**
 * Works as {@link workUntil} does, and stops where so many fail in a row that all of it seems out of order; but not
 * before it has gone through what is left from the other end. So items that fail for ever, however many, keep none from
 * its turn that comes behind them, and an outage ends the work soon all the same.
 *
 * Resolves to what was left undone, failed items not among it. Rejects with what `work` rejects with.
 */
export async function workFromBothEnds<T>(
  items: readonly T[],
  { concurrency, mayGoOn, failuresMax }: BothEndsBounds,
  work: (item: T) => Promise<WorkDone<T>>,
): Promise<readonly T[]> {
  let failuresInRow = 0;
  const count = async (item: T): Promise<T | undefined> => {
    const { outcome, rest } = await work(item);
    if (outcome === 'failed') {
      failuresInRow += 1;
    } else if (outcome === 'done') {
      failuresInRow = 0;
    }
    return rest;
  };
  const bounds = { concurrency, mayGoOn: () => mayGoOn() && failuresInRow < failuresMax };
  const goThrough = async (some: readonly T[]): Promise<readonly T[]> => {
    const fresh = some.values();
    const begun = await workUntil(fresh, bounds, count);
    return [...begun, ...fresh];
  };
  const left = await goThrough(items);
  failuresInRow = 0;
  return left.length === 0 ? left : goThrough(left.toReversed());
}
