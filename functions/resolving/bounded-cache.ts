/** A map that forgets what is over and what was not asked for in the longest time, so that it does not grow. */

export interface BoundedCache<Value extends { readonly expiresMs: number }> {
  /** The value of a key whose time is not over at `nowMs`. */
  get(key: string, nowMs: number): Value | undefined;
  set(key: string, value: Value): void;
  /** Values held, some of which may be over. */
  readonly size: number;
}

/**
 * Makes a cache of at most `entriesMax` values.
 *
 * It holds two generations. What is asked for moves to the young one; when that has half of all entries, it becomes the
 * old one, and what was still in that is forgotten. A value in use so costs one look-up and no bookkeeping.
 */
export function createBoundedCache<Value extends { readonly expiresMs: number }>(
  entriesMax: number,
): BoundedCache<Value> {
  const generationMax = Math.max(1, Math.floor(entriesMax / 2));
  let young = new Map<string, Value>();
  let old = new Map<string, Value>();

  function set(key: string, value: Value): void {
    if (young.size >= generationMax && !young.has(key)) {
      old = young;
      young = new Map();
    }
    young.set(key, value);
    old.delete(key);
  }

  return {
    get(key, nowMs) {
      const fresh = young.get(key);
      const value = fresh ?? old.get(key);
      if (value === undefined || value.expiresMs <= nowMs) {
        return undefined;
      }
      if (fresh === undefined) {
        set(key, value);
      }
      return value;
    },
    set,
    get size() {
      return young.size + old.size;
    },
  };
}
