/** What the reporting room needs of the world. Adapters implement it; tests bring their own. */
import type { ReportDestination } from '../protocol/tlsrpt/record.ts';
import type { UtcDay } from '../protocol/tlsrpt/report.ts';
import type { PolicyTally } from '../protocol/tlsrpt/tally.ts';

/**
 * Sessions of one process, one day and one domain that may be reported to, as written down: never changed, and summed by
 * the daily job, so that a write that is tried again counts nothing twice.
 */
export interface RecordedResults {
  /** Unique; the same when the same write is tried again. */
  readonly id: string;
  readonly day: UtcDay;
  /** Whose TLSRPT record asks for the report. */
  readonly domain: string;
  /** The TLSRPT record as seen that day; absent where it could not be looked up. */
  readonly record?: string;
  readonly policies: readonly PolicyTally[];
}

/** Takes down results. Rejects with `store-unavailable`, with some of them written perhaps. */
export interface ResultStore {
  write(results: readonly RecordedResults[]): Promise<void>;
}

/** Results as summed for a report. */
export interface ResultReader {
  /** Domains with results of a day, each once, in portions that are small. */
  domainsOf(day: UtcDay): AsyncIterable<readonly string[]>;
  /** A domain's results of a day, in portions that are small. */
  resultsOf(day: UtcDay, domain: string): AsyncIterable<readonly RecordedResults[]>;
}

/** What came of asking a domain for its TLSRPT record. */
export type RecordLookup =
  | { readonly kind: 'record'; readonly text: string }
  | { readonly kind: 'none'; readonly reason: string }
  | { readonly kind: 'failed'; readonly reason: string };

/** Asks a domain for its TLSRPT record, until `deadlineMs`; remembers the answer for its TTL. Never rejects. */
export type LookUpRecord = (domain: string, deadlineMs: number) => Promise<RecordLookup>;

/** What recording tells its operator. */
export type RecordingEvent =
  | { readonly kind: 'results-lost'; readonly sessions: number; readonly error: unknown }
  | { readonly kind: 'results-written'; readonly items: number };

/** Where a report goes, and how far it got. */
export interface DestinationState {
  /** From the record, or what the operator put in its place. */
  readonly uri: string;
  readonly state: 'pending' | 'delivered' | 'failed' | 'suppressed' | 'discarded';
  readonly attempts: number;
  /** Set once it was too large for this destination: then one report for each policy goes there. */
  readonly split?: boolean;
  /** What the last attempt came to. */
  readonly detail?: string;
}

/** A report as frozen before its first sending. Bodies and ids never change after that. */
export interface FrozenReport {
  readonly day: UtcDay;
  readonly domain: string;
  readonly parts: readonly FrozenPart[];
  readonly frozenAtMs: number;
  readonly destinations: readonly DestinationState[];
}

/** One report of a day: the only one but for a domain whose report would be too large. */
export interface FrozenPart {
  /** `id-left@id-right`. */
  readonly reportId: string;
  /** The JSON, compressed. */
  readonly gzip: Uint8Array;
}

/** The state of reports. Every method rejects with `store-unavailable`. */
export interface ReportStore {
  read(day: UtcDay, domain: string): Promise<FrozenReport | undefined>;
  /** Keeps a report unless there is one already, and resolves to the one that is kept. */
  freeze(report: FrozenReport): Promise<FrozenReport>;
  /**
   * Takes the right to send what is frozen until `leaseEndMs`, and resolves to how far it got; undefined while somebody else
   * has the right.
   */
  claim(
    day: UtcDay,
    domain: string,
    leaseEndMs: number,
    nowMs: number,
  ): Promise<FrozenReport | undefined>;
  /** Writes how far each destination got, and gives the right back. */
  settle(
    day: UtcDay,
    domain: string,
    destinations: readonly DestinationState[],
    nowMs: number,
  ): Promise<void>;
}

/** One attempt at one destination. `too-large`: smaller reports may be taken. */
export type SendOutcome =
  | { readonly kind: 'delivered'; readonly detail: string }
  | { readonly kind: 'failed' | 'too-large'; readonly detail: string };

/** A report on its way to one destination. */
export interface OutgoingReport {
  readonly policyDomain: string;
  readonly reportId: string;
  readonly fileName: string;
  readonly gzip: Uint8Array;
}

/** Sends by mail or by HTTPS, until `deadlineMs`. Never rejects for what the other side does. */
export type SendReport = (
  destination: ReportDestination,
  report: OutgoingReport,
  deadlineMs: number,
) => Promise<SendOutcome>;

/** Destinations that are not sent to. */
export interface Suppressions {
  /** Those suppressed at `nowMs`, in the form of `normalizeDestination`. Rejects with `store-unavailable`. */
  active(nowMs: number): Promise<ReadonlySet<string>>;
}

/** A destination that is not sent to for a while. */
export interface Suppression {
  /** In the form of `normalizeDestination`. */
  readonly uri: string;
  readonly reason: string;
  /** Who said so; `bounce` is the machine, after a report was returned for good. */
  readonly author: string;
  /** RFC 3339 date-time. */
  readonly expires: string;
  readonly addedAtMs: number;
}

/** Every method rejects with `store-unavailable`. */
export interface SuppressionStore {
  /** Those that are over too, as long as they are kept. Rejects with `store-damaged` too. */
  list(): Promise<readonly Suppression[]>;
  /** Takes the place of the one for the same destination. */
  put(suppression: Suppression): Promise<void>;
  /** The same, but where one is there that ends later that one stays. */
  extend(suppression: Suppression): Promise<void>;
  /** False where there is none. */
  remove(uri: string): Promise<boolean>;
}

/** The day's report of one domain, to be made and sent. */
export interface ReportJob {
  readonly day: UtcDay;
  readonly domain: string;
}

/** The queue of report jobs. Every method rejects with `store-unavailable`. */
export interface ReportQueue {
  /** Each job after its own delay, seconds, up to 900. */
  enqueue(
    jobs: readonly { readonly job: ReportJob; readonly delaySeconds: number }[],
  ): Promise<void>;
  /** Keeps a job that was received and must not be let go from being received again before `untilMs`. */
  hideUntil(receiptHandle: string, untilMs: number, nowMs: number): Promise<void>;
}

/** How far the planning of a day got. */
export interface PlanStore {
  /** The last portion that was planned; -1 for none. */
  plannedPortion(day: UtcDay): Promise<number>;
  notePlanned(day: UtcDay, portion: number): Promise<void>;
}
