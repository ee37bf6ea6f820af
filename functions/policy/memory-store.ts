/** A policy store that lasts as long as its process: for a delivery without AWS, and for tests. */
import type { CachedPolicy, FailedFetch, PolicyEntry, PolicyStore } from './ports.ts';

/** Creates an empty store that keeps the same rules as the policy table. */
export function createMemoryPolicyStore(): PolicyStore {
  const entries = new Map<string, PolicyEntry>();
  return {
    read: async (domain) => entries.get(domain),
    writePolicy: async (policy: CachedPolicy) => {
      const stored = entries.get(policy.domain)?.cached;
      if (stored === undefined || stored.fetchedAtMs <= policy.fetchedAtMs) {
        entries.set(policy.domain, { cached: policy });
      }
    },
    writeFailure: async (domain: string, failed: FailedFetch) => {
      entries.set(domain, { ...entries.get(domain), failed });
    },
    touch: async (domain, usedAtMs) => {
      const entry = entries.get(domain);
      if (entry?.cached !== undefined) {
        entries.set(domain, { ...entry, cached: { ...entry.cached, usedAtMs } });
      }
    },
    forget: async (domain) => entries.delete(domain),
    list: async function* () {
      for (const { cached } of [...entries.values()]) {
        if (cached !== undefined) {
          yield cached;
        }
      }
    },
  };
}
