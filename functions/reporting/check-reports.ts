/** Once a day: who reported and does no more, and where more sessions failed than the operator puts up with. */
import { dayRange, type UtcDay, utcDay } from '../protocol/tlsrpt/report.ts';
import { type AnswerOptions, countedSums, sessionsByDay } from './answers.ts';
import type { ReceiptReader } from './receive-ports.ts';
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
  readonly domains: readonly string[];
  /** Of all sessions of a day, 0 to 100. */
  readonly failurePercentMax: number;
  readonly nowMs: number;
}

/** Days that are looked at for who reports usually, and of how many of them. */
const usualDays = 14;
const usualDaysMin = 7;

/** Days without a report from somebody who reports usually. */
const silentDays = 3;

/** A report of yesterday may be on its way still: RFC 8460 §4.1 has it wait, §5.5 try for a day. */
const arrivalDays = 2;

/** Looks. Rejects with `store-unavailable`. */
export async function checkReports(options: CheckReportsOptions): Promise<readonly ReportAlarm[]> {
  const { reader, domains, failurePercentMax, nowMs } = options;
  const today = utcDay(nowMs);
  const alarms: ReportAlarm[] = [];
  for (const domain of domains) {
    const from = daysBefore(today, arrivalDays + silentDays + usualDays - 1);
    const sums = await readSums(reader, domain, { from, to: today });
    alarms.push(...findSilence(domain, sums, today), ...findShare(sums, today, failurePercentMax));
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

/** The day that lies so many days before another. */
export function daysBefore(day: UtcDay, days: number): UtcDay {
  return utcDay(dayRange(day).startMs - days * 86_400_000);
}

function findSilence(
  domain: string,
  sums: readonly ReportSums[],
  today: UtcDay,
): readonly ReportAlarm[] {
  const silentFrom = daysBefore(today, arrivalDays + silentDays - 1);
  const silent = [...Map.groupBy(sums, ({ reporter }) => reporter)].flatMap(([reporter, group]) => {
    const days = [...new Set(group.map(({ day }) => day))].toSorted();
    const before = days.filter((day) => day < silentFrom);
    const lastDay = before.at(-1);
    return lastDay !== undefined && before.length === days.length && before.length >= usualDaysMin
      ? [{ kind: 'reporter-silent' as const, domain, reporter, lastDay }]
      : [];
  });
  // Nobody at all: the record, the mailbox or this installation is at fault rather than they.
  const days = sums.map(({ day }) => day).toSorted();
  const lastDay = days.at(-1);
  const isSilent = lastDay !== undefined && lastDay < silentFrom && silent.length > 0;
  return isSilent ? [...silent, { kind: 'domain-silent', domain, lastDay }] : silent;
}

function findShare(
  sums: readonly ReportSums[],
  today: UtcDay,
  percentMax: number,
): readonly ReportAlarm[] {
  // The latest day of which all that is to come should be there.
  const day = daysBefore(today, arrivalDays);
  return sessionsByDay(sums.filter((each) => each.day === day)).flatMap(
    ({ domain, policyType, successes, failures }) => {
      const sessions = successes + failures;
      return failures * 100 > sessions * percentMax
        ? [{ kind: 'failures-above-share' as const, domain, day, policyType, failures, sessions }]
        : [];
    },
  );
}
