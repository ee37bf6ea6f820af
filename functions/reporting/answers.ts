/**
 * What received reports say, for operators: pure functions over stored sums. The command line and pages share them.
 *
 * A session under two policies, an MTA-STS policy and TLSA records, is one session of each (RFC 8460 §4), so sums are never
 * made over types of policy.
 */
import type { UtcDay } from '../protocol/tlsrpt/report.ts';
import type { FailureSum, ReportSums } from './report-sums.ts';

/** Sessions of one day under one type of policy. */
export interface SessionsAnswer {
  readonly domain: string;
  readonly day: UtcDay;
  readonly policyType: string;
  readonly successes: number;
  readonly failures: number;
  readonly reporters: number;
}

/** Failures of one type at one MX host, or at none that was named. */
export interface FailureAnswer {
  readonly resultType: string;
  readonly mxHost?: string;
  readonly sessions: number;
  /** Who saw them, and how many, in the order of their names. */
  readonly reporters: readonly { readonly reporter: string; readonly sessions: number }[];
  readonly firstDay: UtcDay;
  readonly lastDay: UtcDay;
  /** Some of the failure-reason-codes. */
  readonly reasons: readonly string[];
}

/** Who reports. */
export interface ReporterAnswer {
  readonly reporter: string;
  /** As it calls itself. */
  readonly organization: string;
  /** Whether its reports were signed; what comes by HTTPS is anybody's. */
  readonly isSigned: boolean;
  readonly reports: number;
  readonly days: number;
  readonly firstDay: UtcDay;
  readonly lastDay: UtcDay;
  /** Days with a failed session. */
  readonly failingDays: number;
}

/** Whose word is taken. */
export interface AnswerOptions {
  /** Reports that came by HTTPS, whoever wrote them. Default: left out. */
  readonly unsigned?: boolean;
}

const reasonsMax = 5;

/** The sums that count for an answer. */
export function countedSums(
  sums: readonly ReportSums[],
  { unsigned = false }: AnswerOptions = {},
): readonly ReportSums[] {
  return sums.filter(({ way }) => unsigned || way === 'mail');
}

/** By day, the latest first, and type of policy. */
export function sessionsByDay(sums: readonly ReportSums[]): readonly SessionsAnswer[] {
  const rows = sums.flatMap((each) => each.policies.map((policy) => ({ ...each, policy })));
  const groups = Map.groupBy(rows, ({ domain, day, policy }) => `${day} ${policy.type} ${domain}`);
  return [...groups.values()]
    .map((group) => ({
      domain: group[0]?.domain ?? '',
      day: group[0]?.day ?? '',
      policyType: group[0]?.policy.type ?? '',
      successes: total(group, ({ policy }) => policy.successes),
      failures: total(group, ({ policy }) => policy.failures),
      reporters: new Set(group.map(({ reporter }) => reporter)).size,
    }))
    .toSorted((a, b) => compare(b.day, a.day) || compare(a.policyType, b.policyType));
}

/** By type and MX host, the most frequent first. */
export function failuresByKind(sums: readonly ReportSums[]): readonly FailureAnswer[] {
  const groups = Map.groupBy(failuresOf(sums), ({ failure }) =>
    JSON.stringify([failure.resultType, failure.mxHost ?? null]),
  );
  return [...groups.values()]
    .map((group) => {
      const days = group.map(({ day }) => day).toSorted();
      const mxHost = group[0]?.failure.mxHost;
      const reasons = group.flatMap(({ failure }) => failure.reason ?? []);
      return {
        resultType: group[0]?.failure.resultType ?? '',
        ...(mxHost !== undefined && { mxHost }),
        sessions: total(group, ({ failure }) => failure.sessions),
        reporters: sessionsByReporter(group),
        firstDay: days[0] ?? '',
        lastDay: days.at(-1) ?? '',
        reasons: [...new Set(reasons)].slice(0, reasonsMax),
      };
    })
    .toSorted((a, b) => b.sessions - a.sessions || compare(a.resultType, b.resultType));
}

function sessionsByReporter(failures: readonly ReportedFailure[]): FailureAnswer['reporters'] {
  return [...Map.groupBy(failures, ({ reporter }) => reporter)]
    .map(([reporter, group]) => ({
      reporter,
      sessions: total(group, ({ failure }) => failure.sessions),
    }))
    .toSorted((a, b) => compare(a.reporter, b.reporter));
}

/** Those who report, the most faithful first. */
export function listReporters(sums: readonly ReportSums[]): readonly ReporterAnswer[] {
  const groups = Map.groupBy(sums, ({ reporter, way }) => `${way} ${reporter}`);
  return [...groups.values()]
    .map((group) => {
      const days = [...new Set(group.map(({ day }) => day))].toSorted();
      const failing = group.filter(({ policies }) => policies.some(({ failures }) => failures > 0));
      const [latest] = group.toSorted((a, b) => compare(b.day, a.day));
      return {
        reporter: latest?.reporter ?? '',
        organization: latest?.organization ?? '',
        isSigned: latest?.way === 'mail',
        reports: group.length,
        days: days.length,
        firstDay: days[0] ?? '',
        lastDay: days.at(-1) ?? '',
        failingDays: new Set(failing.map(({ day }) => day)).size,
      };
    })
    .toSorted((a, b) => b.days - a.days || compare(a.reporter, b.reporter));
}

/** A failure of a report, and whose it is. */
export interface ReportedFailure {
  readonly day: UtcDay;
  readonly reporter: string;
  readonly failure: FailureSum;
}

/** Each failure of each report. */
export function failuresOf(sums: readonly ReportSums[]): readonly ReportedFailure[] {
  return sums.flatMap(({ day, reporter, failures }) =>
    failures.map((failure) => ({ day, reporter, failure })),
  );
}

/** A sum over a list. */
export function total<T>(list: readonly T[], count: (each: T) => number): number {
  return list.reduce((sum, each) => sum + count(each), 0);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
