/** A domain with a TXT record and a policy host, and a clock, for the tests of the policy room. */
import type { PolicyEvent } from '../../functions/policy/events.ts';
import { createMemoryPolicyStore } from '../../functions/policy/memory-store.ts';
import type {
  CachedPolicy,
  FetchPolicy,
  PolicyResponse,
  PolicyStore,
} from '../../functions/policy/ports.ts';
import type { Answer, RecordType, Resolver } from '../../functions/protocol/dns/answer.ts';
import { formatPolicy, type StsPolicy } from '../../functions/protocol/mta-sts/policy.ts';

export const domain = 'example.com';
export const startMs: number = Date.parse('2026-11-24T00:00:00Z');
export const minuteMs = 60_000;
export const hourMs: number = 60 * minuteMs;
export const dayMs: number = 24 * hourMs;

export const enforce: StsPolicy = {
  mode: 'enforce',
  mx: ['mail.example.com'],
  maxAgeSeconds: 604_800,
};

type TxtAnswer = readonly string[] | 'nxdomain' | 'nodata' | 'dns-timeout' | 'dns-server-failure';

export interface PolicyWorld {
  nowMs: number;
  /** What DNS says for `_mta-sts.<domain>`. */
  txt: TxtAnswer;
  /** What the policy host says. */
  host: PolicyResponse;
  readonly store: PolicyStore;
  readonly resolver: Resolver;
  readonly fetchPolicy: FetchPolicy;
  readonly now: () => number;
  readonly observe: (event: PolicyEvent) => void;
  readonly events: PolicyEvent[];
  /** Every port that was used, in order: `txt`, `https`, `read`, `writePolicy`, `writeFailure`, `touch`. */
  readonly calls: string[];
}

/** A policy host that serves a policy. */
export function serves(policy: StsPolicy): PolicyResponse {
  return {
    kind: 'response',
    status: 200,
    contentType: 'text/plain',
    body: Buffer.from(formatPolicy(policy)),
  };
}

/** A policy as the store keeps it. */
export function cachedPolicy(change: Partial<CachedPolicy> = {}): CachedPolicy {
  const policy = change.policy ?? enforce;
  return {
    domain,
    id: 'old',
    policy,
    text: formatPolicy(policy),
    fetchedAtMs: startMs,
    usedAtMs: startMs,
    ...change,
  };
}

/** A world in which all is well: id `new`, policy `enforce`, nothing cached. */
export function createPolicyWorld(): PolicyWorld {
  const calls: string[] = [];
  const events: PolicyEvent[] = [];
  const world: PolicyWorld = {
    nowMs: startMs,
    txt: ['v=STSv1; id=new;'],
    host: serves(enforce),
    store: countCalls(createMemoryPolicyStore(), calls),
    resolver: {
      lookup: async <T extends RecordType>(name: string) => {
        calls.push('txt');
        return answerTxt(name, world.txt) as Answer<T>;
      },
    },
    fetchPolicy: async () => {
      calls.push('https');
      return world.host;
    },
    now: () => world.nowMs,
    observe: (event) => events.push(event),
    events,
    calls,
  };
  return world;
}

function answerTxt(name: string, txt: TxtAnswer): Answer<'TXT'> {
  const facts = { status: 'insecure', canonicalName: name, aliases: [], ttlSeconds: 60 } as const;
  if (txt === 'nxdomain' || txt === 'nodata') {
    return { ...facts, kind: txt };
  }
  return typeof txt === 'string'
    ? { kind: 'failed', code: txt, reason: 'no answer' }
    : { ...facts, kind: 'records', records: txt };
}

function countCalls(store: PolicyStore, calls: string[]): PolicyStore {
  const count = <A extends unknown[], R>(name: string, run: (...args: A) => R) => {
    return (...args: A): R => {
      calls.push(name);
      return run(...args);
    };
  };
  return {
    read: count('read', store.read),
    writePolicy: count('writePolicy', store.writePolicy),
    writeFailure: count('writeFailure', store.writeFailure),
    touch: count('touch', store.touch),
    forget: store.forget,
    list: store.list,
  };
}
