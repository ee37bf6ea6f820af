/** Chance, of which everything in a simulation is made: one seed, one course. */
import { startRandom } from '../random.ts';

export interface Chance {
  /** Uniform in [0, 1). */
  random(): number;
  /** A whole number below `below`. */
  below(below: number): number;
  /** Whole, from `least` to `most`. */
  between(least: number, most: number): number;
  /** True with that probability. */
  happens(probability: number): boolean;
  /** One of a list that is not empty. */
  pick<T>(list: readonly T[]): T;
  /** One of the keys, as often as their weights say. */
  weigh<K extends string>(weights: Readonly<Record<K, number>>): K;
}

export function createChance(seed: number): Chance {
  const next = startRandom(seed);
  const random = (): number => next(2 ** 30) / 2 ** 30;
  return {
    random,
    below: next,
    between: (least, most) => least + next(most - least + 1),
    happens: (probability) => random() < probability,
    pick: (list) => {
      const picked = list[next(list.length)];
      if (picked === undefined) {
        throw new RangeError('nothing to pick from');
      }
      return picked;
    },
    weigh: <K extends string>(weights: Readonly<Record<K, number>>): K => {
      const entries = Object.entries(weights) as [K, number][];
      let left = random() * entries.reduce((sum, [, weight]) => sum + weight, 0);
      for (const [key, weight] of entries) {
        left -= weight;
        if (left < 0) {
          return key;
        }
      }
      throw new RangeError('weights are positive');
    },
  };
}
