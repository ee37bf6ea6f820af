/**
 * When a delivery that was put off is tried again.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc5321.html#section-4.5.4.1 RFC 5321 §4.5.4.1}
 */
import { createHash } from 'node:crypto';

/**
 * Minutes to wait after attempt 1, 2, 3 …; the last one ever after.
 *
 * Deviation: RFC 5321 §4.5.4.1 says at least 30 minutes in general, and that better strategies are welcome. Most
 * deferrals of a first attempt are greylisting, whose common delay is five minutes; the fourth retry keeps to the rule.
 */
export const waitsMinutesDefault: readonly number[] = [5, 10, 20, 30, 60, 120, 240];

const jitterShare = 0.1;

/** A delivery whose attempt `attempt` (1 is the first) ended at `nowMs`, epoch milliseconds, with somebody pending. */
export interface PutOff {
  readonly attempt: number;
  readonly nowMs: number;
  /** The message's id: spreads messages that were put off together, the same way each time it is asked. */
  readonly id: string;
  /** Not empty; default {@link waitsMinutesDefault} (RFC 5321 §4.5.4.1: the parameters are configurable). */
  readonly waitsMinutes?: readonly number[];
}

/**
 * When the attempt after this one is due, epoch milliseconds. Knows nothing of the message's expiry.
 *
 * By default after 5, 10, 20, 30 minutes, 1, 2, 4 hours, then every 4 hours, each up to a tenth longer or shorter; the
 * first only longer.
 *
 * @throws {RangeError} when `attempt` is not a positive integer, or there are no waits.
 */
export function nextAttemptAt(putOff: PutOff): number {
  const { attempt, nowMs, id, waitsMinutes = waitsMinutesDefault } = putOff;
  const waitMinutes = waitsMinutes[Math.min(attempt, waitsMinutes.length) - 1];
  if (!Number.isSafeInteger(attempt) || waitMinutes === undefined) {
    throw new RangeError(`no wait after attempt ${attempt} of ${waitsMinutes.length} waits`);
  }
  const spread = spreadOf(id, attempt);
  // A greylisting peer that is asked again a moment too early may start to count anew.
  const jitter = attempt === 1 ? spread : 2 * spread - 1;
  return nowMs + Math.round(waitMinutes * 60_000 * (1 + jitterShare * jitter));
}

/** Uniform in [0, 1), from what names the attempt instead of from chance: asked twice, the answer is the same. */
function spreadOf(id: string, attempt: number): number {
  return createHash('sha256').update(`${id}#${attempt}`).digest().readUInt32BE(0) / 2 ** 32;
}
