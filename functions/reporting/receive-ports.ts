/** What receiving TLS reports needs of the world. Adapters implement it; tests bring their own. */
import type { UtcDay } from '../protocol/tlsrpt/report.ts';
import type { ReportSums, ReportWay } from './report-sums.ts';

/**
 * What became of what came. `counted`; `unverified`: nobody known signed it; `foreign`: about domains that are not ours;
 * `unreadable`.
 */
export type ReceiptState = 'counted' | 'unverified' | 'foreign' | 'unreadable';

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
   * Keeps a receipt unless one of its id is there. `duplicate`: of another arrival. `again`: of this one, which was begun
   * with before.
   */
  keep(receipt: Receipt): Promise<'kept' | 'again' | 'duplicate'>;
  /** Writes sums; the same again change nothing. */
  writeSums(sums: readonly ReportSums[]): Promise<void>;
  /** Notes that a domain had a failure of a type on a day; true where that was never noted, or 13 months ago. */
  noteFailure(domain: string, resultType: string, day: UtcDay): Promise<boolean>;
}

/** Reads what came. Every method rejects with `store-unavailable` or `store-damaged`. */
export interface ReceiptReader {
  read(id: string): Promise<Receipt | undefined>;
  /** What came on a UTC day, oldest first, in portions. */
  receivedOn(day: UtcDay): AsyncIterable<readonly Receipt[]>;
  /** Sums of reports about a domain, of days between and including two, in order of their days, in portions. */
  sumsOf(domain: string, from: UtcDay, to: UtcDay): AsyncIterable<readonly ReportSums[]>;
}

/** What receiving tells its operator. */
export interface ReceiptEvent {
  readonly receipt: Receipt;
  readonly isDuplicate: boolean;
  /** Of the report, where it was counted. */
  readonly sums: readonly ReportSums[];
  readonly newFailures: readonly { readonly domain: string; readonly resultType: string }[];
}
