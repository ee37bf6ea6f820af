/** What waits for its next attempt, in memory: the retry store, its reader, and the domains that cannot be reached. */
import { retryBucketStartMs } from '../../functions/adapters/aws/retry-table.ts';
import type { Backoff, BackoffStore, RetryStore } from '../../functions/delivery/ports.ts';
import type {
  BackoffList,
  BackoffState,
  RetryEntry,
  RetryReader,
} from '../../functions/delivery/requeue-ports.ts';
import type { PreparedMessage } from '../../functions/submission/queue-message.ts';
import { copy, type Run } from './boundaries.ts';
import { assertKept } from './memory-messages.ts';

const minuteMs = 60_000;

/** Entries of one page of a bucket. */
const pageItemsMax = 100;

interface MemoryEntry {
  readonly message: PreparedMessage;
  readonly dueAtMs: number;
  readonly startMs: number;
  readonly waitingFor?: string;
}

export interface MemoryRetries {
  readonly retries: RetryStore;
  readonly reader: RetryReader;
  readonly retryEntries: () => readonly Omit<MemoryEntry, 'startMs'>[];
}

export function createMemoryRetries(run: Run, now: () => number): MemoryRetries {
  const entries = new Map<string, MemoryEntry>();
  let drainedMs: number | undefined;
  const withKeys = (wanted: (entry: MemoryEntry) => boolean): RetryEntry[] =>
    [...entries]
      .filter(([, entry]) => wanted(entry))
      .sort(([one], [other]) => (one < other ? -1 : 1))
      .map(([entry, { message, dueAtMs }]) => ({ key: { bucket: '', entry }, message, dueAtMs }));
  return {
    retryEntries: () => [...entries.values()].map(({ startMs: _startMs, ...entry }) => entry),
    retries: {
      put: (message, dueAtMs, waitingFor) =>
        run('put', () => {
          assertKept(message.content);
          const { id, prepared, attempt } = message;
          const startMs = retryBucketStartMs(dueAtMs, now());
          const entry = { message, dueAtMs, startMs, ...(waitingFor && { waitingFor }) };
          entries.set(`${id}#${prepared.domain}#${attempt}`, copy(entry));
        }),
    },
    reader: {
      buckets: (fromMs, toMs) => {
        const firstMs = Math.ceil(fromMs / minuteMs) * minuteMs;
        const count = Math.max(0, Math.floor((toMs - firstMs) / minuteMs) + 1);
        return Array.from({ length: count }, (_, n) => ({
          startMs: firstMs + n * minuteMs,
          shard: 0,
        }));
      },
      readBucket: ({ startMs }, after) =>
        run('readBucket', () => {
          const last = String(after?.['last'] ?? '');
          const rest = withKeys((entry) => entry.startMs === startMs).filter(
            ({ key }) => key.entry > last,
          );
          const page = rest.slice(0, pageItemsMax);
          const next = rest.length > page.length && { next: { last: page.at(-1)?.key.entry } };
          return { entries: page, damaged: [], ...next };
        }),
      readWaiting: (domain, limit) =>
        run('readWaiting', () => {
          const waiting = withKeys(({ waitingFor }) => waitingFor === domain).sort(
            (one, other) =>
              Date.parse(one.message.submittedAt) - Date.parse(other.message.submittedAt),
          );
          return { entries: waiting.slice(0, limit), damaged: [], stale: [] };
        }),
      remove: (keys) =>
        run('remove', () => {
          for (const { entry } of keys) {
            entries.delete(entry);
          }
        }),
      readDrainedMs: () => run('readDrainedMs', () => drainedMs),
      writeDrainedMs: (ms) =>
        run('writeDrainedMs', () => {
          drainedMs = Math.max(ms, drainedMs ?? ms);
        }),
    },
  };
}

export function createMemoryBackoffs(run: Run): BackoffStore & BackoffList {
  const states = new Map<string, BackoffState>();
  let changes = 0;
  const write = (state: Omit<BackoffState, 'changeId'>): void => {
    changes += 1;
    states.set(state.domain, { ...state, changeId: String(changes) });
  };
  const backingOff = (domain: string): BackoffState | undefined => {
    const state = states.get(domain);
    return state?.recovered === false ? state : undefined;
  };
  return {
    read: (domain) =>
      run('readBackoff', () => {
        const state = backingOff(domain);
        if (state === undefined) {
          return undefined;
        }
        const { recovered: _recovered, changeId: _changeId, ...backoff } = state;
        return backoff satisfies Backoff;
      }),
    prolong: (domain, nextProbeAtMs, nowMs) =>
      run('prolong', () => {
        const state = backingOff(domain);
        if (state === undefined || state.nextProbeAtMs <= nowMs) {
          const { sinceMs, failures } = state ?? { sinceMs: nowMs, failures: 0 };
          const next = { nextProbeAtMs, probeUntilMs: 0, recovered: false };
          write({ domain, sinceMs, failures: failures + 1, ...next });
        }
      }),
    takeProbe: (domain, leaseEndMs, nowMs) =>
      run('takeProbe', () => {
        const state = backingOff(domain);
        if (state === undefined || state.nextProbeAtMs > nowMs || state.probeUntilMs > nowMs) {
          return false;
        }
        write({ ...state, probeUntilMs: leaseEndMs });
        return true;
      }),
    recover: (domain) =>
      run('recover', () => {
        const state = states.get(domain);
        if (state !== undefined) {
          write({ ...state, recovered: true, probeUntilMs: 0 });
        }
      }),
    list: () => run('list', () => [...states.values()]),
    forget: ({ domain, changeId }) =>
      run('forget', () => {
        if (states.get(domain)?.changeId === changeId) {
          states.delete(domain);
        }
      }),
  };
}
