/**
 * Planning: once a UTC day is over, a job for each of its domains, spread over four hours.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc8460.html#section-4.1 RFC 8460 §4.1}
 */
import { createHash } from 'node:crypto';
import { dayRange, type UtcDay, utcDay } from '../protocol/tlsrpt/report.ts';
import type { PlanStore, ReportQueue, ResultReader } from './ports.ts';

/** Sessions that began just before midnight are written down at the end of their batch, a quarter of an hour later. */
const marginMs = 30 * 60_000;

/** RFC 8460 §4.1: a delay of up to four hours, here as portions of a quarter of an hour each. */
const portions = 16;
const portionMs = 15 * 60_000;

/**
 * Days back that a planner looks which was not there in time. Results are kept for 14; what is a week old helps nobody to
 * find a fault, and were no day left out for its age alone.
 */
const daysBack = 7;

export interface PlanPorts {
  readonly results: Pick<ResultReader, 'domainsOf'>;
  readonly plans: PlanStore;
  readonly queue: ReportQueue;
}

/**
 * Enqueues the jobs that are due by now; resolves to how many. Called again and again; a portion whose planning did not
 * come to its end is planned once more, and its jobs find their reports sent already.
 */
export async function planReports(ports: PlanPorts, nowMs: number): Promise<number> {
  let jobs = 0;
  for (let back = daysBack; back >= 1; back -= 1) {
    jobs += await planDay(utcDay(nowMs - back * 86_400_000), ports, nowMs);
  }
  return jobs;
}

async function planDay(day: UtcDay, ports: PlanPorts, nowMs: number): Promise<number> {
  const due = duePortion(day, nowMs);
  const done = await ports.plans.plannedPortion(day);
  if (due <= done) {
    return 0;
  }
  let jobs = 0;
  for await (const domains of ports.results.domainsOf(day)) {
    const chosen = domains
      .map((domain) => ({ domain, ...placeOf(day, domain) }))
      .filter(({ portion }) => portion > done && portion <= due)
      .map(({ domain, delaySeconds }) => ({ job: { day, domain }, delaySeconds }));
    if (chosen.length > 0) {
      await ports.queue.enqueue(chosen);
      jobs += chosen.length;
    }
  }
  await ports.plans.notePlanned(day, due);
  return jobs;
}

/** The last portion that has begun; -1 before the first. */
function duePortion(day: UtcDay, nowMs: number): number {
  const sinceMs = nowMs - dayRange(day).endMs - marginMs;
  return Math.min(Math.floor(sinceMs / portionMs), portions - 1);
}

/** When a domain's turn is: another time each day, the same whenever it is asked for. */
function placeOf(
  day: UtcDay,
  domain: string,
): { readonly portion: number; readonly delaySeconds: number } {
  const digest = createHash('sha256').update(`${day} ${domain}`).digest();
  return {
    portion: digest.readUInt16BE(0) % portions,
    delaySeconds: digest.readUInt16BE(2) % (portionMs / 1_000),
  };
}
