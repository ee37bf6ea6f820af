/**
 * A report that others sent, in the form in which it is counted and shown.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc8460.html#section-4.4 RFC 8460 §4.4}
 */
import type { UtcDay } from './report.ts';

/** What others say of a day. Texts are theirs: bounded, and otherwise as they came. */
export interface ReceivedReport {
  readonly organization: string;
  /** The address as written, where it is one. */
  readonly contact?: string;
  /** The domain of the contact, in A-labels: the submitter (RFC 8460 §5.3). */
  readonly submitter?: string;
  readonly reportId: string;
  /** Epoch milliseconds. */
  readonly startMs: number;
  readonly endMs: number;
  /** The UTC day in which the middle of the range lies. */
  readonly day: UtcDay;
  readonly policies: readonly ReceivedPolicy[];
}

/** What is said of one policy. */
export interface ReceivedPolicy {
  /** `sts`, `tlsa`, `no-policy-found`, or whatever a sender made of it. */
  readonly type: string;
  /** The policy domain, in A-labels. */
  readonly domain: string;
  readonly strings: readonly string[];
  /** As written: patterns, under `sts`. */
  readonly mxHosts: readonly string[];
  readonly successes: number;
  /** By the summary. The details may come to more, as types of failure overlap (RFC 8460 §4), or to less. */
  readonly failures: number;
  readonly details: readonly ReceivedFailure[];
}

/** Sessions that failed in the same way. */
export interface ReceivedFailure {
  /** One of RFC 8460 §4.3, or whatever a sender made of it. */
  readonly resultType: string;
  readonly sessions: number;
  readonly sendingMtaIp?: string;
  /** In lower case. */
  readonly receivingMxHostname?: string;
  readonly receivingMxHelo?: string;
  readonly receivingIp?: string;
  readonly additionalInformation?: string;
  readonly failureReasonCode?: string;
}
