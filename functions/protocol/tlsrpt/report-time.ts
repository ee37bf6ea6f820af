/**
 * Moments in the reports of others: RFC 3339 by the book (RFC 8460 §4.4), and what senders write in its place.
 */

/** A moment, and what is odd about how it is written. */
export interface ReportTime {
  readonly ms: number;
  readonly deviation?: string;
}

const dateTime =
  /^(\d{4}-\d{2}-\d{2})(?:([Tt ])(\d{2}:\d{2}(?::\d{2})?)(?:[.,](\d{1,20}))?)? ?([Zz]|UTC|GMT|[+-]\d{2}:?\d{2})?$/;

/** Years in which a report can have been written. */
const [msMin, msMax] = [Date.UTC(2015, 0), Date.UTC(2100, 0)];

/**
 * Reads one; undefined for what is none. Without a zone it is taken for UTC, as the day of a report is (RFC 8460 §4.1).
 *
 * @example
 * parseReportTime('2026-11-23T00:00:00')?.deviation; // 'without a time zone, taken for UTC'
 */
export function parseReportTime(value: unknown): ReportTime | undefined {
  if (typeof value === 'number') {
    return within(value < 1e11 ? value * 1_000 : value, 'seconds of an epoch, not a date-time');
  }
  if (typeof value !== 'string' || value.length > 60) {
    return undefined;
  }
  const text = value.trim();
  if (/^\d{9,13}$/.test(text)) {
    return parseReportTime(Number(text));
  }
  const [, date, separator, time = '00:00:00', fraction = '', zone] = dateTime.exec(text) ?? [];
  if (date === undefined) {
    return undefined;
  }
  const offset =
    zone === undefined || /^[A-Z]+$/i.test(zone) ? 'Z' : zone.replace(/(?<=\d\d)(?=\d\d$)/, ':');
  const seconds = time.length === 5 ? `${time}:00` : time;
  const ms = Date.parse(`${date}T${seconds}.${fraction.slice(0, 3).padEnd(3, '0')}${offset}`);
  if (zone === undefined) {
    return within(ms, 'without a time zone, taken for UTC');
  }
  const isByTheBook =
    separator?.toUpperCase() === 'T' && time.length === 8 && /^(?:Z|[+-]\d\d:\d\d)$/i.test(zone);
  return within(ms, isByTheBook ? undefined : 'not as RFC 3339 writes it');
}

function within(ms: number, deviation: string | undefined): ReportTime | undefined {
  return ms >= msMin && ms < msMax
    ? { ms: Math.floor(ms), ...(deviation !== undefined && { deviation }) }
    : undefined;
}
