/**
 * The schedule expressions of EventBridge: `rate(…)`, `cron(…)` with six fields, `at(…)`.
 *
 * Pure. All three have a resolution of one minute, so an expression is a question to ask of each minute.
 */
import { LocalCloudError } from './template.ts';

/** Says whether a schedule is due in a minute, both given as Unix time in whole minutes. */
export type IsDue = (minute: number, startedMinute: number) => boolean;

/**
 * Parses a schedule expression.
 *
 * @param timeZone - an IANA name; that of `cron` and `at`
 * @throws LocalCloudError for anything that is none
 */
export function parseScheduleExpression(expression: string, timeZone = 'UTC'): IsDue {
  const [, kind, argument = ''] = /^(rate|cron|at)\((.*)\)$/.exec(expression.trim()) ?? [];
  switch (kind) {
    case 'rate':
      return parseRate(argument);
    case 'cron':
      return parseCron(argument, timeZone);
    case 'at':
      return (minute) => argument.startsWith(localTime(minute, timeZone));
    default:
      throw new LocalCloudError(`${expression} is not a schedule expression`);
  }
}

function parseRate(argument: string): IsDue {
  const [, count, unit] = /^(\d+) (minute|hour|day)s?$/.exec(argument) ?? [];
  const minutes = Number(count) * (unit === 'day' ? 1440 : unit === 'hour' ? 60 : 1);
  if (!(minutes > 0)) {
    throw new LocalCloudError(`rate(${argument}) is not a rate`);
  }
  return (minute, startedMinute) =>
    minute > startedMinute && (minute - startedMinute) % minutes === 0;
}

/** A calendar date and time of day, as the fields of `cron` see it. */
interface Moment {
  readonly minute: number;
  readonly hour: number;
  readonly day: number;
  readonly month: number;
  readonly year: number;
  /** 1 is Sunday. */
  readonly weekday: number;
}

type Matches = (moment: Moment) => boolean;

const monthNames = 'JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC'.split(' ');
const weekdayNames = 'SUN MON TUE WED THU FRI SAT'.split(' ');

function parseCron(argument: string, timeZone: string): IsDue {
  const [minute, hour, day, month, weekday, year, ...rest] = argument.trim().split(/\s+/);
  if (year === undefined || rest.length > 0 || (day === '?') === (weekday === '?')) {
    throw new LocalCloudError(
      `cron(${argument}) needs six fields, with ? for one of day-of-month and day-of-week`,
    );
  }
  const fields: readonly Matches[] = [
    parseField(minute ?? '', { range: [0, 59], of: (moment) => moment.minute }),
    parseField(hour ?? '', { range: [0, 23], of: (moment) => moment.hour }),
    parseDays(day ?? ''),
    parseField(month ?? '', { range: [1, 12], names: monthNames, of: (moment) => moment.month }),
    parseWeekdays(weekday ?? ''),
    parseField(year, { range: [1970, 2199], of: (moment) => moment.year }),
  ];
  return (unixMinute) => {
    const moment = momentOf(unixMinute, timeZone);
    return fields.every((matches) => matches(moment));
  };
}

interface Field {
  readonly range: readonly [number, number];
  /** Words for the numbers of the range, in order. */
  readonly names?: readonly string[];
  readonly of: (moment: Moment) => number;
}

/** A comma-separated list of `*`, `n`, `n-m`, each with an optional `/step`. */
function parseField(text: string, field: Field): Matches {
  const [first, last] = field.range;
  const alternatives = text.split(',').map((part) => {
    const [, from = '', to, step] = /^(\*|\w+)(?:-(\w+))?(?:\/(\d+))?$/.exec(part) ?? [];
    const start = from === '*' ? first : parseNumber(from, part, field);
    // `n/step` runs to the end of the range, a lone `n` does not.
    const open = from === '*' || (to === undefined && step !== undefined);
    const end = to === undefined ? (open ? last : start) : parseNumber(to, part, field);
    const stride = step === undefined ? 1 : Number(step);
    if (stride < 1) {
      throw new LocalCloudError(`${part} is not a field of a cron expression`);
    }
    return (value: number) => value >= start && value <= end && (value - start) % stride === 0;
  });
  return (moment) => alternatives.some((matches) => matches(field.of(moment)));
}

function parseNumber(text: string, part: string, { range, names = [] }: Field): number {
  const named = names.indexOf(text.toUpperCase());
  const value = named >= 0 ? named + range[0] : Number(text || Number.NaN);
  if (!(value >= range[0] && value <= range[1])) {
    throw new LocalCloudError(`${part} is not a field of a cron expression`);
  }
  return value;
}

/** Day of month: also `L`, the last day, and `nW`, the weekday nearest to it within the month. */
function parseDays(text: string): Matches {
  if (text === '?') {
    return () => true;
  }
  if (text === 'L') {
    return (moment) => moment.day === daysInMonth(moment);
  }
  const nearest = /^(\d{1,2})W$/.exec(text)?.[1];
  return nearest === undefined
    ? parseField(text, { range: [1, 31], of: (moment) => moment.day })
    : (moment) => moment.day === nearestWeekday(Number(nearest), moment);
}

/** Day of week: also `nL`, the last of the month, and `n#k`, the k-th. */
function parseWeekdays(text: string): Matches {
  const of = (moment: Moment): number => moment.weekday;
  const field: Field = { range: [1, 7], names: weekdayNames, of };
  if (text === '?') {
    return () => true;
  }
  const [, weekday, last, nth] = /^(\w+?)(?:(L)|#([1-5]))$/.exec(text) ?? [];
  if (weekday === undefined) {
    return text === 'L' ? parseField('7', field) : parseField(text, field);
  }
  const onWeekday = parseField(weekday, field);
  return (moment) =>
    onWeekday(moment) &&
    (last === undefined
      ? Math.ceil(moment.day / 7) === Number(nth)
      : moment.day + 7 > daysInMonth(moment));
}

function daysInMonth({ year, month }: Moment): number {
  return new Date(Date.UTC(year, month, 0)).getUTCDate();
}

function nearestWeekday(day: number, moment: Moment): number {
  const last = daysInMonth(moment);
  const weekday = new Date(Date.UTC(moment.year, moment.month - 1, day)).getUTCDay();
  if (weekday === 6) {
    return day > 1 ? day - 1 : day + 2;
  }
  if (weekday === 0) {
    return day < last ? day + 1 : day - 2;
  }
  return day;
}

/** The local time as `2026-11-24T03:37`. */
function localTime(unixMinute: number, timeZone: string): string {
  // The Swedish way of writing a date and time is that of ISO 8601, but for a space.
  return new Date(unixMinute * 60_000)
    .toLocaleString('sv-SE', { timeZone, dateStyle: 'short', timeStyle: 'short' })
    .replace(' ', 'T');
}

function momentOf(unixMinute: number, timeZone: string): Moment {
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0] = localTime(unixMinute, timeZone)
    .split(/[-T:]/)
    .map(Number);
  const weekday = new Date(Date.UTC(year, month - 1, day)).getUTCDay() + 1;
  return { minute, hour, day, month, year, weekday };
}
