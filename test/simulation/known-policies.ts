/** Which policies were in the table, and from when on, by what was written there. */
import type { Item } from './expressions.ts';
import type { KnownPolicies } from './oracle.ts';

export interface PolicyLedger {
  /** An item of the policy table was written. */
  written(item: Item): void;
  /** Of a domain, the oldest first. */
  of(domain: string): KnownPolicies;
}

export function createPolicyLedger(nowMs: () => number): PolicyLedger {
  const known = new Map<string, KnownPolicies[number][]>();
  return {
    written: (item) => {
      const policy = readPolicy(item);
      const name = item['domain']?.S ?? '';
      const list = known.get(name) ?? [];
      const last = list.at(-1);
      if (policy !== undefined && last?.policy.id !== policy.policy.id) {
        list.push({ ...policy, fromMs: nowMs() });
      } else if (policy !== undefined && last !== undefined) {
        list[list.length - 1] = { ...last, fetchedAtMs: policy.fetchedAtMs };
      }
      known.set(name, list);
    },
    of: (domain) => known.get(domain) ?? [],
  };
}

function readPolicy(item: Item): Omit<KnownPolicies[number], 'fromMs'> | undefined {
  const text = item['text']?.S;
  const id = item['id']?.S;
  if (text === undefined || id === undefined) {
    return undefined;
  }
  const value = (key: string): string[] =>
    [...text.matchAll(new RegExp(`^${key}: *(.*?)\\r?$`, 'gm'))].map(([, found = '']) => found);
  return {
    fetchedAtMs: Number(item['fetchedAtMs']?.N),
    policy: {
      id,
      mode: value('mode')[0] as 'enforce',
      mx: value('mx'),
      maxAgeSeconds: Number(value('max_age')[0]),
    },
  };
}
