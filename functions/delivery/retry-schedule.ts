/**
 * When a delivery that was put off is tried again.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc5321.html#section-4.5.4.1 RFC 5321 §4.5.4.1}
 */
import { createHash } from 'node:crypto';
import type { DeliverySettings } from '../environment.ts';
import type { Greylisting } from '../protocol/smtp/greylisting.ts';

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

/** A greylisted message comes again by the greylist's time for so many attempts; after that it is no greylist. */
const greylistedAttemptsMax = 4;

/** Beyond an announced wait, by which the two clocks may differ and a second is counted. */
const greylistMarginMs = 15_000;

/** No attempt is put so near to the last: neither for a notice nor for expiry. */
const soonestMs = 60_000;

/** What an attempt that ended with somebody pending tells about the next one. */
export interface Deferral extends Omit<PutOff, 'waitsMinutes'> {
  readonly submittedAtMs: number;
  readonly expiresAtMs: number;
  /** Whether a delay notice may be due: never with the null reverse-path. */
  readonly hasSender: boolean;
  /** Set where a recipient was greylisted. */
  readonly greylisting: Greylisting | undefined;
  /** The domain's hosts cannot be reached, and another message tries whether they can. */
  readonly isBackingOff: boolean;
  readonly settings: Pick<DeliverySettings, 'retryWaitsMinutes' | 'delayNoticeHours'>;
}

/**
 * When the next attempt of a message is due, epoch milliseconds: by the schedule, sooner by a greylist's word, at the
 * longest wait while the domain is probed by others. Never later than the message expires, nor than its sender is to hear
 * of the delay, since it is an attempt that finds out; but a minute from now at the earliest.
 */
export function scheduleAttempt(deferral: Deferral): number {
  const { nowMs, submittedAtMs, expiresAtMs, hasSender, settings } = deferral;
  const noticeAtMs = submittedAtMs + settings.delayNoticeHours * 3_600_000;
  const hasNotice = hasSender && settings.delayNoticeHours > 0 && noticeAtMs > nowMs;
  const latestMs = Math.min(expiresAtMs, hasNotice ? noticeAtMs : Number.POSITIVE_INFINITY);
  return Math.max(nowMs + soonestMs, Math.min(waitUntil(deferral), latestMs));
}

/**
 * The most attempts that a schedule can come to within `minutes`: each wait as short as it can be, and besides those that
 * a greylist, a delay notice and expiry put in.
 */
export function attemptsAtMost(waitsMinutes: readonly number[], minutes: number): number {
  const shortest = waitsMinutes.map((wait) =>
    Math.max(soonestMs / 60_000, wait * (1 - jitterShare)),
  );
  const last = shortest.at(-1) ?? Number.NaN;
  const before = shortest.slice(0, -1).reduce((sum, wait) => sum + wait, 0);
  const repeated = Math.max(0, Math.ceil((minutes - before) / last));
  return shortest.length + repeated + greylistedAttemptsMax + 2;
}

function waitUntil({ attempt, nowMs, id, settings, ...why }: Deferral): number {
  const waitsMinutes = settings.retryWaitsMinutes;
  const { greylisting, isBackingOff } = why;
  if (isBackingOff) {
    // The last wait, whatever the attempt: nothing depends on this one while others probe.
    const longest = Math.max(attempt, waitsMinutes.length, 2);
    return nextAttemptAt({ attempt: longest, nowMs, id, waitsMinutes });
  }
  if (greylisting === undefined || attempt > greylistedAttemptsMax) {
    return nextAttemptAt({ attempt, nowMs, id, waitsMinutes });
  }
  if (greylisting.waitSeconds === undefined) {
    // Most greylists count five minutes from the first attempt on; waiting for longer each time gains nothing.
    return nextAttemptAt({ attempt: 1, nowMs, id, waitsMinutes });
  }
  const marginMs = greylistMarginMs * (1 + spreadOf(id, attempt));
  return nowMs + greylisting.waitSeconds * 1_000 + Math.round(marginMs);
}

/** Uniform in [0, 1), from what names the attempt instead of from chance: asked twice, the answer is the same. */
function spreadOf(id: string, attempt: number): number {
  return createHash('sha256').update(`${id}#${attempt}`).digest().readUInt32BE(0) / 2 ** 32;
}
