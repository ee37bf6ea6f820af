/**
 * Takes messages whose next attempt is due from the retry table back to the queue; runs once a minute.
 *
 * Read is every minute that is not known to be empty, and in any case the last fifteen: clocks differ, and so a bucket
 * may be written to by one after it was read by another.
 */
import type { RetryBucket, RetryCursor } from './requeue-ports.ts';
import { deadLetterDamaged, type RequeuePorts, sendEntries } from './send-entries.ts';
import { type WorkDone, workFromBothEnds } from './work-until.ts';

/** Beyond it no clock is believed to be wrong, and an empty minute stays empty. */
const lookBackMs = 15 * 60_000;

/** Buckets that are emptied at one time. */
const concurrency = 8;

/** How many buckets may fail in a row, from either end, until a run leaves the rest to the next: it is an outage then. */
const failuresMax = 16;

export interface DueSummary {
  readonly sent: number;
  /** By how much the most overdue message that was found is late; 0 where none was found. */
  readonly oldestSeconds: number;
  /** Whether all that is due was sent. */
  readonly isDrained: boolean;
}

/** A bucket, from where it was not read yet. */
interface Rest {
  readonly bucket: RetryBucket;
  readonly after?: RetryCursor;
}

/**
 * Sends what is due until `deadlineMs`, a page of each minute in turn, the oldest first: a minute with 100,000 messages
 * takes several runs, and holds up none of the others.
 *
 * A bucket that fails is left to the next run, and does not stop the rest: where the oldest fail again and again the
 * newest have their turn. Rejects when nothing could be read at all.
 */
export async function requeueDue(ports: RequeuePorts, deadlineMs: number): Promise<DueSummary> {
  const { now, reader, observe } = ports;
  const nowMs = now();
  const drainedMs = (await reader.readDrainedMs()) ?? Number.POSITIVE_INFINITY;
  const fromMs = Math.min(drainedMs, nowMs - lookBackMs);
  const failedMs: number[] = [];
  let sent = 0;
  let oldestMs = 0;
  const drain = async ({ bucket, after }: Rest): Promise<WorkDone<Rest>> => {
    try {
      const page = await reader.readBucket(bucket, after);
      const due = page.entries.filter(({ dueAtMs }) => dueAtMs <= nowMs);
      oldestMs = Math.max(oldestMs, ...due.map(({ dueAtMs }) => nowMs - dueAtMs));
      await deadLetterDamaged(page.damaged, ports);
      const count = await sendEntries(due, ports);
      sent += count;
      return {
        outcome: count > 0 ? 'done' : 'idle',
        ...(page.next !== undefined && { rest: { bucket, after: page.next } }),
      };
    } catch (error) {
      failedMs.push(bucket.startMs);
      observe({ kind: 'fault', error });
      return { outcome: 'failed' };
    }
  };
  const bounds = { concurrency, failuresMax, mayGoOn: () => now() < deadlineMs };
  const rests = [...reader.buckets(fromMs, nowMs)].map((bucket): Rest => ({ bucket }));
  const left = await workFromBothEnds(rests, bounds, drain);
  const undoneMs = [...failedMs, ...left.map(({ bucket }) => bucket.startMs)];
  await noteDrained(Math.min(...undoneMs, nowMs - lookBackMs), drainedMs, ports);
  return { sent, oldestSeconds: Math.round(oldestMs / 1_000), isDrained: undoneMs.length === 0 };
}

/** Where it cannot be noted, the next run reads more than it must. */
async function noteDrained(
  drainedMs: number,
  beforeMs: number,
  { reader, observe }: RequeuePorts,
): Promise<void> {
  if (drainedMs === beforeMs) {
    return;
  }
  try {
    await reader.writeDrainedMs(drainedMs);
  } catch (error) {
    observe({ kind: 'fault', error });
  }
}
