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
