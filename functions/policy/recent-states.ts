/** What this process found out in the last minutes, so that a warm delivery asks nobody. */
import type { StsState } from './ports.ts';

/** Bounds on memory. A policy is up to 64 KiB of a stranger's text, so entries alone are no bound. */
export interface RecentStatesLimits {
  readonly entriesMax: number;
  readonly charactersMax: number;
}

/** A small cache of outcomes, each with its own end. */
export interface RecentStates {
  /** The outcome remembered for a domain, unless its time is over. */
  get(domain: string, nowMs: number): StsState | undefined;
  /** Remembers an outcome until `untilMs`, and forgets the oldest ones beyond the limits. */
  set(domain: string, state: StsState, untilMs: number): void;
  /** Forgets a domain. */
  delete(domain: string): void;
}

interface Entry {
  readonly state: StsState;
  readonly untilMs: number;
  readonly characters: number;
}

const defaultLimits: RecentStatesLimits = { entriesMax: 1000, charactersMax: 8 * 1024 * 1024 };

/** Creates an empty cache. */
export function createRecentStates(limits: RecentStatesLimits = defaultLimits): RecentStates {
  // A Map keeps the order of insertion, so its first key is the oldest.
  const entries = new Map<string, Entry>();
  let characters = 0;

  function remove(domain: string): void {
    characters -= entries.get(domain)?.characters ?? 0;
    entries.delete(domain);
  }

  return {
    get: (domain, nowMs) => {
      const entry = entries.get(domain);
      if (entry !== undefined && nowMs >= entry.untilMs) {
        remove(domain);
        return undefined;
      }
      return entry?.state;
    },
    set: (domain, state, untilMs) => {
      remove(domain);
      const size = measure(state);
      entries.set(domain, { state, untilMs, characters: size });
      characters += size;
      for (const oldest of entries.keys()) {
        if (entries.size <= limits.entriesMax && characters <= limits.charactersMax) {
          break;
        }
        remove(oldest);
      }
    },
    delete: remove,
  };
}

/** The text of a policy, once as served and once cut into patterns. */
function measure(state: StsState): number {
  return state.kind === 'policy' ? 2 * state.cached.text.length : 0;
}
