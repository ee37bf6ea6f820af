/**
 * Recording: results of TLS sessions are added up in the process and written down once a batch.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc8460.html#section-4.2 RFC 8460 §4.2}
 */

import { type UtcDay, utcDay } from '../protocol/tlsrpt/report.ts';
import {
  type AppliedPolicy,
  createTally,
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

/** Adds up sessions; shared by the invocations of a process. */
export interface SessionRecorder {
  record(session: RecordedSession): void;
  /** Writes down what was recorded since the last time. Never rejects: reports are not worth a message. */
  flush(deadlineMs: number): Promise<void>;
}

export interface SessionRecorderOptions {
  readonly store: ResultStore;
  readonly lookUpRecord: LookUpRecord;
  /** An id that nobody else has. */
  readonly newId: () => string;
  readonly observe: (event: RecordingEvent) => void;
}

/** Makes the recorder of a process. */
export function createSessionRecorder(options: SessionRecorderOptions): SessionRecorder {
  let sums = new Map<
    string,
    { readonly day: UtcDay; readonly domain: string; readonly tally: Tally }
  >();
  const tallyOf = (startedAtMs: number, domain: string): Tally => {
    const day = utcDay(startedAtMs);
    const key = `${day} ${domain}`;
    const sum = sums.get(key) ?? { day, domain, tally: createTally() };
    sums.set(key, sum);
    return sum.tally;
  };
  return {
    record: ({ domain, startedAtMs, policy, failure }) => {
      for (const reported of reportedDomains(domain, policy)) {
        tallyOf(startedAtMs, reported).add(policy, failure);
      }
    },
    flush: async (deadlineMs) => {
      const taken = [...sums.values()];
      sums = new Map();
      await writeDown(taken, deadlineMs, options);
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

async function writeDown(
  sums: readonly { readonly day: UtcDay; readonly domain: string; readonly tally: Tally }[],
  deadlineMs: number,
  { store, lookUpRecord, newId, observe }: SessionRecorderOptions,
): Promise<void> {
  let results: readonly RecordedResults[] = [];
  try {
    const found = await Promise.all(
      sums.map(async ({ day, domain, tally }): Promise<RecordedResults | undefined> => {
        const lookup = await lookUpRecord(domain, deadlineMs);
        if (lookup.kind === 'none') {
          return undefined;
        }
        // Where the look-up failed the results are kept; whether anybody wants them shows when reports are sent.
        const record = lookup.kind === 'record' ? { record: lookup.text } : {};
        return { id: newId(), day, domain, ...record, policies: tally.list() };
      }),
    );
    results = found.filter((each) => each !== undefined);
    if (results.length > 0) {
      await store.write(results);
      observe({ kind: 'results-written', items: results.length });
    }
  } catch (error) {
    observe({ kind: 'results-lost', sessions: countSessions(results), error });
  }
}

function countSessions(results: readonly RecordedResults[]): number {
  return results
    .flatMap(({ policies }) => policies)
    .reduce((sum, { successes, failures }) => sum + successes + failures, 0);
}
