/**
 * Recording: results of TLS sessions are added up in the process and written down once a batch.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc8460.html#section-4.2 RFC 8460 §4.2}
 */

import { type UtcDay, utcDay } from '../protocol/tlsrpt/report.ts';
import {
  type AppliedPolicy,
  createTally,
  type PolicyTally,
  type SessionFailure,
  type Tally,
} from '../protocol/tlsrpt/tally.ts';
import type { LookUpRecord, RecordedResults, RecordingEvent, ResultStore } from './ports.ts';

/** One session, or the attempt at one, under one policy. */
export interface RecordedSession {
  /** The next-hop domain. */
  readonly domain: string;
  /** When the session began, epoch milliseconds: its day is that of the report. */
  readonly startedAtMs: number;
  readonly policy: AppliedPolicy;
  readonly failure?: SessionFailure;
}

/** Sessions under one policy that another mail server tells of. */
export interface RecordedTally extends Pick<RecordedSession, 'domain' | 'startedAtMs'> {
  readonly tally: PolicyTally;
}

/** The sessions of one day with one domain. */
interface SessionSum {
  readonly day: UtcDay;
  readonly domain: string;
  readonly tally: Tally;
}

/** Adds sessions up, by day and domain. */
interface SessionSums {
  record(session: RecordedSession): void;
  merge(tally: RecordedTally): void;
  /** All that was recorded since the last time. */
  take(): readonly SessionSum[];
}

function createSessionSums(): SessionSums {
  let sums = new Map<string, SessionSum>();
  const tallyOf = (startedAtMs: number, domain: string): Tally => {
    const day = utcDay(startedAtMs);
    const key = `${day} ${domain}`;
    const sum = sums.get(key) ?? { day, domain, tally: createTally(domain) };
    sums.set(key, sum);
    return sum.tally;
  };
  return {
    record: ({ domain, startedAtMs, policy, failure }) => {
      for (const reported of reportedDomains(domain, policy)) {
        tallyOf(startedAtMs, reported).add(policy, failure);
      }
    },
    merge: ({ domain, startedAtMs, tally }) => {
      for (const reported of reportedDomains(domain, tally.policy)) {
        tallyOf(startedAtMs, reported).merge([tally]);
      }
    },
    take: () => {
      const taken = [...sums.values()];
      sums = new Map();
      return taken;
    },
  };
}

/**
 * RFC 8460 §1.1: the policy domain of DANE is the TLSA base domain, whose operator may not be the recipient's. Both ask
 * for reports in their own records.
 */
function reportedDomains(domain: string, { type, domain: policyDomain }: AppliedPolicy): string[] {
  return type === 'tlsa' && policyDomain !== domain ? [domain, policyDomain] : [domain];
}

/** What writing sums down works with. */
export interface WritePorts {
  readonly store: ResultStore;
  readonly lookUpRecord: LookUpRecord;
  /** An id that no other results of that day and domain have; the same where they are written once more. */
  readonly idOf: (day: UtcDay, domain: string) => string;
}

/** Adds up sessions; shared by the invocations of a process. */
export interface SessionRecorder {
  record(session: RecordedSession): void;
  /** Writes down what was recorded since the last time. Never rejects: reports are not worth a message. */
  flush(deadlineMs: number): Promise<void>;
}

export interface SessionRecorderOptions extends WritePorts {
  readonly observe: (event: RecordingEvent) => void;
}

/** Makes the recorder of a process. */
export function createSessionRecorder(options: SessionRecorderOptions): SessionRecorder {
  const sums = createSessionSums();
  return {
    record: sums.record,
    flush: async (deadlineMs) => {
      const taken = sums.take();
      try {
        const items = await writeSums(taken, options, deadlineMs);
        if (items > 0) {
          options.observe({ kind: 'results-written', items });
        }
      } catch (error) {
        options.observe({ kind: 'results-lost', sessions: countSessions(taken), error });
      }
    },
  };
}

/** Writes down at once; resolves to the number of items. Rejects with `store-unavailable`. */
export function writeTallies(
  tallies: readonly RecordedTally[],
  ports: WritePorts,
  deadlineMs: number,
): Promise<number> {
  const sums = createSessionSums();
  tallies.forEach(sums.merge);
  return writeSums(sums.take(), ports, deadlineMs);
}

async function writeSums(
  sums: readonly SessionSum[],
  { store, lookUpRecord, idOf }: WritePorts,
  deadlineMs: number,
): Promise<number> {
  const found = await Promise.all(
    sums.map(async ({ day, domain, tally }): Promise<RecordedResults | undefined> => {
      const lookup = await lookUpRecord(domain, deadlineMs);
      if (lookup.kind === 'none') {
        return undefined;
      }
      // Where the look-up failed the results are kept; whether anybody wants them shows when reports are sent.
      const record = lookup.kind === 'record' ? { record: lookup.text } : {};
      return { id: idOf(day, domain), day, domain, ...record, policies: tally.list() };
    }),
  );
  const results = found.filter((each) => each !== undefined);
  if (results.length > 0) {
    await store.write(results);
  }
  return results.length;
}

function countSessions(sums: readonly SessionSum[]): number {
  return sums
    .flatMap(({ tally }) => tally.list())
    .reduce((sum, { successes, failures }) => sum + successes + failures, 0);
}
