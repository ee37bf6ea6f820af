/**
 * A report: what is sent to a policy domain about one day.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc8460.html#section-4.4 RFC 8460 §4.4}
 */
import type { AppliedPolicy, PolicyTally, SessionFailure } from './tally.ts';

/** A UTC day, `YYYY-MM-DD`. */
export type UtcDay = string;

/** Everything that goes into a report. */
export interface ReportFacts {
  readonly organizationName: string;
  /** An address that is read. */
  readonly contactInfo: string;
  /** `id-left@id-right` (RFC 5322 §3.6.4). */
  readonly reportId: string;
  readonly day: UtcDay;
  readonly policies: readonly PolicyTally[];
}

/** A report as JSON, spelt as in RFC 8460 §4.4. */
export interface ReportJson {
  readonly 'organization-name': string;
  readonly 'date-range': { readonly 'start-datetime': string; readonly 'end-datetime': string };
  readonly 'contact-info': string;
  readonly 'report-id': string;
  readonly policies: readonly PolicyJson[];
}

/** One entry of `policies`. */
export interface PolicyJson {
  readonly policy: {
    readonly 'policy-type': AppliedPolicy['type'];
    readonly 'policy-string'?: readonly string[];
    readonly 'policy-domain': string;
    readonly 'mx-host'?: readonly string[];
  };
  readonly summary: {
    readonly 'total-successful-session-count': number;
    readonly 'total-failure-session-count': number;
  };
  readonly 'failure-details'?: readonly FailureJson[];
}

/** One entry of `failure-details`. */
export interface FailureJson {
  readonly 'result-type': SessionFailure['resultType'];
  readonly 'sending-mta-ip'?: string;
  readonly 'receiving-mx-hostname'?: string;
  readonly 'receiving-mx-helo'?: string;
  readonly 'receiving-ip'?: string;
  readonly 'failed-session-count': number;
  readonly 'failure-reason-code'?: string;
}

const dayMs = 86_400_000;

/** The UTC day of a moment, epoch milliseconds. */
export function utcDay(nowMs: number): UtcDay {
  return new Date(nowMs).toISOString().slice(0, 10);
}

/** When a UTC day begins and when the next one does, epoch milliseconds. */
export function dayRange(day: UtcDay): { readonly startMs: number; readonly endMs: number } {
  const startMs = Date.parse(`${day}T00:00:00Z`);
  if (Number.isNaN(startMs) || utcDay(startMs) !== day) {
    throw new RangeError(`not a day: ${JSON.stringify(day)}`);
  }
  return { startMs, endMs: startMs + dayMs };
}

/** The domain that reports: that of the address which its reports name and come from (RFC 8460 §3, §5.3). */
export function submitterOf(contactInfo: string): string {
  return contactInfo.slice(contactInfo.lastIndexOf('@') + 1);
}

/** Makes the report. */
export function buildReport(facts: ReportFacts): ReportJson {
  const { startMs, endMs } = dayRange(facts.day);
  return {
    'organization-name': facts.organizationName,
    'date-range': {
      'start-datetime': formatDateTime(startMs),
      // The last second of the day, as in the RFC's own example (Appendix B), which no two days share.
      'end-datetime': formatDateTime(endMs - 1_000),
    },
    'contact-info': facts.contactInfo,
    'report-id': facts.reportId,
    policies: facts.policies.map(buildPolicy),
  };
}

function buildPolicy({ policy, successes, failures, details }: PolicyTally): PolicyJson {
  const { type, domain, strings, mxHosts } = policy;
  return {
    policy: {
      'policy-type': type,
      ...(type !== 'no-policy-found' && { 'policy-string': strings }),
      'policy-domain': domain,
      // RFC 8460 §4.4: with `sts` only, and always an array.
      ...(type === 'sts' && { 'mx-host': mxHosts }),
    },
    summary: {
      'total-successful-session-count': successes,
      'total-failure-session-count': failures,
    },
    ...(details.length > 0 && {
      'failure-details': details.map(({ failure, sessions }) => buildFailure(failure, sessions)),
    }),
  };
}

function buildFailure(failure: SessionFailure, sessions: number): FailureJson {
  const { sendingMtaIp, receivingMxHostname, receivingMxHelo, receivingIp, failureReasonCode } =
    failure;
  return {
    'result-type': failure.resultType,
    ...(sendingMtaIp !== undefined && { 'sending-mta-ip': sendingMtaIp }),
    ...(receivingMxHostname !== undefined && { 'receiving-mx-hostname': receivingMxHostname }),
    ...(receivingMxHelo !== undefined && { 'receiving-mx-helo': receivingMxHelo }),
    ...(receivingIp !== undefined && { 'receiving-ip': receivingIp }),
    'failed-session-count': sessions,
    ...(failureReasonCode !== undefined && { 'failure-reason-code': failureReasonCode }),
  };
}

/** RFC 3339 §5.6, in whole seconds. */
function formatDateTime(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}

/**
 * A report's file name (RFC 8460 §5.1).
 *
 * @example
 * reportFileName({ submitter: 'a.example', policyDomain: 'b.example', day: '2026-11-23', uniqueId: '001' });
 * // 'a.example!b.example!1795392000!1795478399!001.json.gz'
 */
export function reportFileName(report: {
  readonly submitter: string;
  readonly policyDomain: string;
  readonly day: UtcDay;
  /** Letters and digits. */
  readonly uniqueId: string;
}): string {
  const { startMs, endMs } = dayRange(report.day);
  const range = `${startMs / 1_000}!${endMs / 1_000 - 1}`;
  return `${report.submitter}!${report.policyDomain}!${range}!${report.uniqueId}.json.gz`;
}
