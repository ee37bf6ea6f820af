/** What receiving TLS reports needs of the world. Adapters implement it; tests bring their own. */
import type { UtcDay } from '../protocol/tlsrpt/report.ts';
import type { ReportSums, ReportWay } from './report-sums.ts';

/**
 * What became of what came. `counted`; `unverified`: nobody known signed it; `foreign`: about domains that are not ours;
 * `untimely`: about a day to come, or one that nobody asks for any more; `unreadable`.
 */
export type ReceiptState = 'counted' | 'unverified' | 'foreign' | 'untimely' | 'unreadable';

/** One arrival, as it is listed and shown. The whole of it is under `rawKey`. */
export interface Receipt {
  /** 32 hexadecimal digits, the same for the same report of the same submitter. */
  readonly id: string;
  readonly state: ReceiptState;
  readonly way: ReportWay;
  readonly receivedAtMs: number;
  readonly rawKey: string;
  /** Why it is not counted. */
  readonly reason?: string;
  readonly deviations: readonly string[];
  /** Absent where it is unreadable. */
  readonly summary?: ReceiptSummary;
}

/** What the report says of itself, and how much it tells. */
export interface ReceiptSummary {
  readonly organization: string;
  readonly submitter: string;
  readonly reportId: string;
  readonly day: UtcDay;
  readonly startMs: number;
  readonly endMs: number;
  /** Policy domains, the first of them where there are many. */
  readonly domains: readonly string[];
  readonly successes: number;
  readonly failures: number;
}

/** Keeps what came. Every method rejects with `store-unavailable`. */
export interface ReceiptStore {
  /**
   * Keeps a receipt unless one of its id is there. `open`: it is this arrival's, begun with now or before. `settled`: it is
   * this arrival's, which was brought to an end. `duplicate`: it is another arrival's.
   */
  keep(receipt: Receipt): Promise<'open' | 'settled' | 'duplicate'>;
  /** Writes sums; the same again change nothing. */
  writeSums(sums: readonly ReportSums[]): Promise<void>;
  /**
   * Notes that a domain had a failure of a type; true where that was never noted, or 13 months ago, and each time that the
   * report asks by which it was noted first: it may have died before it told of it.
   */
  noteFailure(sighting: FailureSighting): Promise<boolean>;
  /** Brings an arrival to an end: true for one of those who do. */
  settle(id: string): Promise<boolean>;
}

/** A type of failure in a report about a domain. */
export interface FailureSighting {
  readonly domain: string;
  readonly resultType: string;
  readonly day: UtcDay;
  /** Of the receipt. */
  readonly id: string;
}

/** Reads what came. Every method rejects with `store-unavailable` or `store-damaged`. */
export interface ReceiptReader {
  read(id: string): Promise<Receipt | undefined>;
  /** What came on a UTC day, oldest first, in portions. */
  receivedOn(day: UtcDay): AsyncIterable<readonly Receipt[]>;
  /** Sums of reports about a domain, of days between and including two, in order of their days, in portions. */
  sumsOf(domain: string, from: UtcDay, to: UtcDay): AsyncIterable<readonly ReportSums[]>;
}

/** Which days of too many failures the operator was told of. Every method rejects with `store-unavailable`. */
export interface ShareMemory {
  /** Those of a domain, as `<UTC day>#<type of policy>`. */
  toldShares(domain: string): Promise<ReadonlySet<string>>;
  noteShare(domain: string, day: UtcDay, policyType: string): Promise<void>;
}

/** What receiving tells its operator, beside the failures that are new. */
export interface ReceiptEvent {
  readonly receipt: Receipt;
  /** `again`: this arrival was brought to an end before, and all is told. `duplicate`: another arrival was the first. */
  readonly outcome: 'first' | 'again' | 'duplicate';
  /** Of the report, where it was counted. */
  readonly sums: readonly ReportSums[];
}
