/** Once a day: who reported and does no more, and where more sessions failed than the operator puts up with. */
import { dayRange, type UtcDay, utcDay } from '../protocol/tlsrpt/report.ts';
import { type AnswerOptions, countedSums, sessionsByDay } from './answers.ts';
import type { ReceiptReader, ShareMemory } from './receive-ports.ts';
import type { OwnDomains } from './receive-report.ts';
import type { ReportSums } from './report-sums.ts';

/** One thing worth an alarm. */
export type ReportAlarm =
  | {
      readonly kind: 'reporter-silent';
      readonly domain: string;
      readonly reporter: string;
      readonly lastDay: UtcDay;
    }
  | { readonly kind: 'domain-silent'; readonly domain: string; readonly lastDay: UtcDay }
  | {
      readonly kind: 'failures-above-share';
      readonly domain: string;
      readonly day: UtcDay;
      readonly policyType: string;
      readonly failures: number;
      readonly sessions: number;
    };

export interface CheckReportsOptions {
  readonly reader: Pick<ReceiptReader, 'sumsOf'>;
  readonly memory: ShareMemory;
  /** Tells the operator; done when it returns. */
  readonly announce: (alarms: readonly ReportAlarm[]) => void;
  readonly domains: readonly string[];
  /** Of all sessions of a day, 0 to 100. */
  readonly failurePercentMax: number;
  readonly nowMs: number;
}

/** Who reports usually: on so many days of so many, up to the last one. */
const usualDays = 14;
const usualDaysMin = 7;

/** Days without a report, beyond those of the longest pause between two reports: weekends are nobody's silence. */
const silentDays = 3;

/** A report of yesterday may be on its way still: RFC 8460 §4.1 has it wait, §5.5 try for a day. */
const arrivalDays = 2;

/** Those of the longest silence that is told of, and those before it. A day that was looked at once may change: reports come late. */
const lookBackDays = 30;

/**
 * The domains to look at, of those whose reports are counted: under DANE the policy domain is an MX host's (RFC 8460 §1.1).
 * What a pattern stands for is not known.
 */
export function domainsToCheck({ domains, mxHosts }: OwnDomains): readonly string[] {
  return [...new Set([...domains, ...mxHosts.filter((host) => !host.startsWith('*.'))])];
}

/**
 * Looks, and tells of what it finds. A silence is told of each day that it lasts; a day of too many failures once, or again
 * where the process died of telling. Rejects with `store-unavailable`.
 */
export async function checkReports(options: CheckReportsOptions): Promise<readonly ReportAlarm[]> {
  const { reader, memory, announce, domains, failurePercentMax, nowMs } = options;
  const today = utcDay(nowMs);
  const alarms: ReportAlarm[] = [];
  for (const domain of domains) {
    const sums = await readSums(
      { sumsOf: (...range) => withoutParticulars(reader.sumsOf(...range)) },
      domain,
      { from: daysBefore(today, lookBackDays), to: today },
    );
    const told = await memory.toldShares(domain);
    const shares = findShares(sums, today, failurePercentMax).filter(
      ({ day, policyType }) => !told.has(`${day}#${policyType}`),
    );
    alarms.push(...findSilence(domain, sums, today), ...shares);
  }
  announce(alarms);
  for (const alarm of alarms) {
    if (alarm.kind === 'failures-above-share') {
      await memory.noteShare(alarm.domain, alarm.day, alarm.policyType);
    }
  }
  return alarms;
}

/**
 * The sums of a domain and some days that count for an answer. Others are let go of portion by portion: whoever floods us
 * over HTTPS does not fill the memory.
 */
export async function readSums(
  reader: Pick<ReceiptReader, 'sumsOf'>,
  domain: string,
  { from, to, ...options }: AnswerOptions & { readonly from: UtcDay; readonly to: UtcDay },
): Promise<readonly ReportSums[]> {
  const all: ReportSums[] = [];
  for await (const portion of reader.sumsOf(domain, from, to)) {
    all.push(...countedSums(portion, options));
  }
  return all;
}

/** What the looks need: a flood of signed reports, each as large as may be, does not fill the memory either. */
async function* withoutParticulars(
  portions: AsyncIterable<readonly ReportSums[]>,
): AsyncGenerator<readonly ReportSums[]> {
  for await (const portion of portions) {
    yield portion.map(({ policies, ...rest }) => ({
      ...rest,
      policies: policies.map((policy) => ({ ...policy, mxHosts: [] })),
      failures: [],
    }));
  }
}

/** The day that lies so many days before another. */
export function daysBefore(day: UtcDay, days: number): UtcDay {
  return utcDay(dayRange(day).startMs - days * 86_400_000);
}

function findSilence(
  domain: string,
  sums: readonly ReportSums[],
  today: UtcDay,
): readonly ReportAlarm[] {
  const lastWhole = daysBefore(today, arrivalDays);
  const silent = [...Map.groupBy(sums, ({ reporter }) => reporter)].flatMap(([reporter, group]) => {
    const days = [...new Set(group.map(({ day }) => day))].toSorted();
    const lastDay = days.at(-1) ?? today;
    const usual = days.filter((day) => day > daysBefore(lastDay, usualDays));
    const pauses = days.slice(1).map((day, index) => daysFrom(days[index] ?? day, day) - 1);
    const isSilent = daysFrom(lastDay, lastWhole) >= Math.max(0, ...pauses) + silentDays;
    return isSilent && usual.length >= usualDaysMin
      ? [{ kind: 'reporter-silent' as const, domain, reporter, lastDay }]
      : [];
  });
  // Nobody at all: the record, the mailbox or this installation is at fault rather than they.
  const days = sums.map(({ day }) => day).toSorted();
  const lastDay = days.at(-1) ?? today;
  const isSilent = daysFrom(lastDay, lastWhole) >= silentDays && silent.length > 0;
  return isSilent ? [...silent, { kind: 'domain-silent', domain, lastDay }] : silent;
}

/** Days from one to another; below zero where the other is the earlier. */
function daysFrom(day: UtcDay, other: UtcDay): number {
  return (dayRange(other).startMs - dayRange(day).startMs) / 86_400_000;
}

type ShareAlarm = Extract<ReportAlarm, { kind: 'failures-above-share' }>;

/** Of all days of which what is to come should be there. */
function findShares(
  sums: readonly ReportSums[],
  today: UtcDay,
  percentMax: number,
): readonly ShareAlarm[] {
  const lastWhole = daysBefore(today, arrivalDays);
  return sessionsByDay(sums.filter(({ day }) => day <= lastWhole)).flatMap(
    ({ domain, day, policyType, successes, failures }) => {
      const sessions = successes + failures;
      return failures * 100 > sessions * percentMax
        ? [{ kind: 'failures-above-share' as const, domain, day, policyType, failures, sessions }]
        : [];
    },
  );
}
