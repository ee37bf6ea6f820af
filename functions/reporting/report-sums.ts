/**
 * What a received report says of one policy domain, summed: small enough to be kept for each report, so that sums over
 * days, reporters and failures are made when somebody asks, and a report that is written twice counts once.
 */
import type { ReceivedPolicy, ReceivedReport } from '../protocol/tlsrpt/received-report.ts';
import type { UtcDay } from '../protocol/tlsrpt/report.ts';

/** 13 months after their day, as long as the objects in the bucket (lib/state-stack.ts). */
export const keptDays = 396;

/** By which way a report came. Nobody signs what comes by HTTPS (RFC 8460 §5.4): it is counted apart. */
export type ReportWay = 'mail' | 'https';

/** The sums of one report about one policy domain. */
export interface ReportSums {
  /** Of the report. */
  readonly id: string;
  /** Policy domain, in A-labels. */
  readonly domain: string;
  readonly day: UtcDay;
  /** The submitter's domain; by HTTPS the one that is claimed. */
  readonly reporter: string;
  readonly organization: string;
  readonly way: ReportWay;
  readonly policies: readonly PolicySum[];
  readonly failures: readonly FailureSum[];
}

/** Sessions under one type of policy. */
export interface PolicySum {
  readonly type: string;
  /** Of an MTA-STS policy, as its lines say. */
  readonly mode?: string;
  /** The `mx` patterns that the reporter saw. */
  readonly mxHosts: readonly string[];
  readonly successes: number;
  readonly failures: number;
}

/** Sessions that failed in the same way, by the details; see {@link ReceivedPolicy.failures}. */
export interface FailureSum {
  readonly policyType: string;
  readonly resultType: string;
  readonly mxHost?: string;
  readonly reason?: string;
  readonly sessions: number;
}

/**
 * Kinds of failure that are told apart in one report and domain: as many in full, so many more without their reason, and
 * so many more by type alone. What a sender makes up has no end, so the rest is one.
 */
const failuresMax = [100, 120, 140, Number.POSITIVE_INFINITY];

const policiesMax = 20;
const mxHostsMax = 20;
const modeMax = 20;

/** Who reported, by which way. */
export interface SumsSource {
  readonly id: string;
  readonly reporter: string;
  readonly way: ReportWay;
}

/** Sums a report by policy domain. Every session of it is in the sums once, whatever is cut. */
export function sumReport(report: ReceivedReport, source: SumsSource): readonly ReportSums[] {
  const domains = Map.groupBy(report.policies, ({ domain }) => domain);
  return [...domains].map(([domain, policies]) => ({
    ...source,
    domain,
    day: report.day,
    organization: report.organization,
    policies: sumPolicies(policies),
    failures: sumFailures(policies),
  }));
}

function sumPolicies(policies: readonly ReceivedPolicy[]): readonly PolicySum[] {
  const sums = new Map<string, PolicySum>();
  for (const { type, strings, mxHosts, successes, failures } of policies) {
    const full = { type, mode: type === 'sts' ? modeOf(strings) : undefined };
    const room = sums.size < policiesMax || sums.has(keyOf(full));
    // Beyond the limit under a type that no sender can have written.
    const { mode, ...rest } = room ? full : { type: '', mode: undefined };
    const key = keyOf({ ...rest, mode });
    const sum = sums.get(key);
    sums.set(key, {
      ...rest,
      ...(mode !== undefined && { mode }),
      mxHosts: [...new Set([...(sum?.mxHosts ?? []), ...mxHosts.filter(isPattern)])].slice(
        0,
        mxHostsMax,
      ),
      successes: (sum?.successes ?? 0) + successes,
      failures: (sum?.failures ?? 0) + failures,
    });
  }
  return [...sums.values()];
}

function isPattern(text: string): boolean {
  return /^(?:\*\.)?[a-z0-9._-]{1,253}$/i.test(text);
}

function keyOf(value: object): string {
  return JSON.stringify(Object.entries(value).filter(([, each]) => each !== undefined));
}

function modeOf(strings: readonly string[]): string | undefined {
  const line = strings.find((each) => /^mode\s*:/i.test(each));
  return line
    ?.slice(line.indexOf(':') + 1)
    .trim()
    .toLowerCase()
    .slice(0, modeMax);
}

function sumFailures(policies: readonly ReceivedPolicy[]): readonly FailureSum[] {
  const sums = new Map<string, FailureSum>();
  const add = (kinds: readonly Omit<FailureSum, 'sessions'>[], sessions: number): void => {
    for (const [index, kind] of kinds.entries()) {
      const key = keyOf(kind);
      const sum = sums.get(key);
      if (sum !== undefined || sums.size < (failuresMax[index] ?? 0)) {
        sums.set(key, { ...kind, sessions: (sum?.sessions ?? 0) + sessions });
        return;
      }
    }
  };
  for (const { type: policyType, details } of policies) {
    for (const { resultType, receivingMxHostname, failureReasonCode, sessions } of details) {
      const mxHost = receivingMxHostname === undefined ? {} : { mxHost: receivingMxHostname };
      const reason = failureReasonCode === undefined ? {} : { reason: failureReasonCode };
      const bare = { policyType, resultType };
      const last = { policyType: '', resultType: 'unspecified' };
      add([{ ...bare, ...mxHost, ...reason }, { ...bare, ...mxHost }, bare, last], sessions);
    }
  }
  return [...sums.values()];
}
