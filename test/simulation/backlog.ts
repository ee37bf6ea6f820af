/** Whether mail for a dead domain holds up the rest: the same messages with and without it, in a world that is calm else. */
import { quantile } from './books.ts';

/** By how much a delay may grow: the share, and as many seconds for what is short anyway. */
export const growthShareMax = 0.1;
const growthSecondsMax = 1;

export const comparedShares: readonly number[] = [0.5, 0.9, 0.99];

/** What grew beyond that, of delays in seconds, the shortest first; empty: nobody was held up. */
export function findGrowth(without: readonly number[], backlogged: readonly number[]): string[] {
  return comparedShares.flatMap((share) => {
    const before = quantile(without, share);
    const after = quantile(backlogged, share);
    const isGrown = after > before * (1 + growthShareMax) + growthSecondsMax;
    return isGrown
      ? [`p${share * 100} of the others grew from ${before.toFixed(2)} s to ${after.toFixed(2)} s`]
      : [];
  });
}
