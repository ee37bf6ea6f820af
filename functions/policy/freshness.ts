/**
 * How long things stay good: a cached policy, a failure, and the time until a policy is fetched again.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc8461.html#section-3.3 RFC 8461 §3.3}
 */
import type { CachedPolicy, FailedFetch } from './ports.ts';

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;

/** RFC 8461 §3.3: after a failure five minutes or longer pass before the same id is fetched again. */
export const backOffMs: number = 5 * minuteMs;

/** How often the use of a policy is written down. */
export const touchIntervalMs: number = dayMs;

/** Refreshes stop for a policy that no delivery asked for in this time. */
const unusedMsMax = 30 * dayMs;

/** Clocks of two functions differ; one that is further ahead than this wrote nonsense. */
const clockSkewMs = 5 * minuteMs;

/** When a policy stops to apply: `max_age` counts from its fetch (RFC 8461 §3.2). */
export function expiresAtMs(cached: CachedPolicy): number {
  return cached.fetchedAtMs + cached.policy.maxAgeSeconds * 1000;
}

/** Reports whether a cached policy applies: its time since fetch has not exceeded `max_age` (RFC 8461 §5.1). */
export function isUnexpired(cached: CachedPolicy, nowMs: number): boolean {
  return nowMs <= expiresAtMs(cached) && cached.fetchedAtMs <= nowMs + clockSkewMs;
}

/** Reports whether a failure is so recent that its id is left alone. */
export function isBackingOff(failed: FailedFetch, nowMs: number): boolean {
  return Math.abs(nowMs - failed.failedAtMs) < backOffMs;
}

/** Reports whether the use of a policy is to be written down again. */
export function isTouchDue(cached: CachedPolicy, nowMs: number): boolean {
  return nowMs - cached.usedAtMs >= touchIntervalMs;
}

/** When a refresh happens and what is known of the next one. */
export interface RefreshMoment {
  readonly nowMs: number;
  /** The time between two runs. */
  readonly intervalMs: number;
  /** Uniform in [0, 1): spreads policies that were fetched together. */
  readonly random: number;
}

/**
 * Reports whether a cached policy is to be fetched again: daily, or at half its life where that is shorter, each up to
 * a quarter early; and always when it would not outlive the next run but one.
 *
 * A policy of mode `none` is let run out (RFC 8461 §8.3), and so is one that nobody uses, and one that an operator put
 * there: what is published is not what was meant.
 */
export function isRefreshDue(cached: CachedPolicy, moment: RefreshMoment): boolean {
  const { nowMs, intervalMs, random } = moment;
  const idle = nowMs - cached.usedAtMs > unusedMsMax;
  const isKept = cached.policy.mode !== 'none' && cached.setBy === undefined && !idle;
  if (!isKept || !isUnexpired(cached, nowMs)) {
    return false;
  }
  const refreshAgeMs = Math.min(dayMs, cached.policy.maxAgeSeconds * 500);
  return (
    nowMs - cached.fetchedAtMs >= refreshAgeMs * (1 - random / 4) ||
    expiresAtMs(cached) <= nowMs + 2 * intervalMs
  );
}

/**
 * Reports whether a refresh that failed may be tried again: after a tenth of the life that is left, five minutes at
 * least and an hour at most.
 */
export function isRetryDue(failed: FailedFetch, cached: CachedPolicy, nowMs: number): boolean {
  const leftMs = expiresAtMs(cached) - nowMs;
  const pauseMs = Math.min(hourMs, Math.max(backOffMs, leftMs / 10));
  return Math.abs(nowMs - failed.failedAtMs) >= pauseMs;
}
