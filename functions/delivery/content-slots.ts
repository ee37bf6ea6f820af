/**
 * How many bodies from the bucket are in memory at a time. One may have 40 MB, and a batch is worked on all at once.
 */

/** Takes a slot as soon as one is free; what it resolves to frees it, once. */
export type TakeContentSlot = () => Promise<() => void>;

/**
 * Makes `slotsMax` slots. Who holds one may wait for a second only while the first is sure to come free without it: so
 * does a message that rides behind the end of another. And never for a channel, which may be kept by who waits for a
 * slot.
 */
export function createContentSlots(slotsMax: number): TakeContentSlot {
  let taken = 0;
  const waiting: (() => void)[] = [];
  return async () => {
    if (taken === slotsMax) {
      await new Promise<void>((resolve) => waiting.push(resolve));
    } else {
      taken += 1;
    }
    let held = true;
    return () => {
      if (!held) {
        return;
      }
      held = false;
      const next = waiting.shift();
      if (next === undefined) {
        taken -= 1;
      } else {
        // The slot changes hands without being free in between.
        next();
      }
    };
  };
}
