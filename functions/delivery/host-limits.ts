/**
 * How many connections an MX host gets at a time: as many as the settings allow, and fewer for a while where it has said
 * that they are too many. Lives as long as the process, over many batches.
 */

/** Messages that go through until one connection more is tried. */
const carriedPerStep = 20;

/** Hosts that are remembered: only those that have fewer than all, and the oldest is let go for another. */
const hostsMax = 1_000;

/** The limits, by MX host name. */
export interface HostLimits {
  limitOf(host: string): number;
  /** The host has refused one of `open` + 1 connections, or thrown one out: half as many, and no more than it bears. */
  lower(host: string, open: number): void;
  /** A message went through. */
  carried(host: string): void;
}

interface Lowered {
  readonly limit: number;
  /** Messages since the limit last changed. */
  readonly carried: number;
}

/** Makes limits, all at `limitMax`. */
export function createHostLimits(limitMax: number): HostLimits {
  const lowered = new Map<string, Lowered>();
  const limitOf = (host: string): number => lowered.get(host)?.limit ?? limitMax;
  return {
    limitOf,
    lower: (host, open) => {
      const limit = Math.max(1, Math.min(Math.floor(limitOf(host) / 2), open));
      lowered.delete(host);
      lowered.set(host, { limit, carried: 0 });
      const [oldest] = lowered.keys();
      if (lowered.size > hostsMax && oldest !== undefined) {
        lowered.delete(oldest);
      }
    },
    carried: (host) => {
      const state = lowered.get(host);
      if (state === undefined) {
        return;
      }
      const isStep = state.carried + 1 >= carriedPerStep;
      const limit = state.limit + (isStep ? 1 : 0);
      if (limit >= limitMax) {
        lowered.delete(host);
      } else {
        lowered.set(host, { limit, carried: isStep ? 0 : state.carried + 1 });
      }
    },
  };
}
