/**
 * How long to wait for what, and a timer that costs nothing per reply.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc5321.html#section-4.5.3.2 RFC 5321 §4.5.3.2}
 */
import { processTimers, type Timers } from '../../delivery/timers.ts';

/** Milliseconds for each step; every one is cut to the caller's deadline as well. */
export interface SmtpTimeouts {
  readonly connectMs: number;
  readonly tlsHandshakeMs: number;
  readonly greetingMs: number;
  /** EHLO, HELO, STARTTLS, AUTH and RSET, for which the RFC names no time. */
  readonly commandMs: number;
  readonly mailMs: number;
  readonly rcptMs: number;
  readonly dataMs: number;
  /** For the peer to take one block of content. */
  readonly blockMs: number;
  readonly quitMs: number;
}

/** RFC 5321 §4.5.3.2.1 to §4.5.3.2.5; connect, handshake and QUIT are ours. */
export const defaultSmtpTimeouts: SmtpTimeouts = {
  connectMs: 30_000,
  tlsHandshakeMs: 60_000,
  greetingMs: 300_000,
  commandMs: 300_000,
  mailMs: 300_000,
  rcptMs: 300_000,
  dataMs: 120_000,
  blockMs: 180_000,
  quitMs: 5_000,
};

/**
 * RFC 5321 §4.5.3.2.6: how long the reply to the final dot is awaited. Content begins only where that much time is left.
 */
export const finalReplyTimeoutMsDefault = 600_000;

/** A step's own time and the moment at which the caller must be done with it, on the caller's clock. */
export interface TimeLimit {
  readonly timeoutMs: number;
  readonly deadlineMs: number;
}

/** What is left of a limit, and whether the deadline is what cuts it. */
export function resolveLimit(
  limit: TimeLimit,
  nowMs: number,
): { readonly waitMs: number; readonly isCut: boolean } {
  const leftMs = Math.max(0, limit.deadlineMs - nowMs);
  return leftMs < limit.timeoutMs
    ? { waitMs: leftMs, isCut: true }
    : { waitMs: limit.timeoutMs, isCut: false };
}

/** One timer that is moved at every reply. */
export interface MovingTimer {
  /** Expires `waitMs` from now unless moved again. */
  arm(waitMs: number): void;
  disarm(): void;
  /** For good. */
  stop(): void;
}

/** setTimeout cannot wait longer than 2^31-1 ms. */
const waitMsMax = 2_000_000_000;

/**
 * Makes a timer for a moment that is put off far more often than it comes: moving it later only notes the moment, and
 * the system's timer, when it fires too early, is set anew. Durations are counted on the monotonic clock.
 */
export function createMovingTimer(
  expired: () => void,
  timers: Timers = processTimers,
): MovingTimer {
  const { elapsedMs, start } = timers;
  let dueAt = Number.POSITIVE_INFINITY;
  let wakesAt = Number.POSITIVE_INFINITY;
  let callOff: (() => void) | undefined;

  const wake = (): void => {
    wakesAt = Number.POSITIVE_INFINITY;
    if (dueAt === Number.POSITIVE_INFINITY) {
      return;
    }
    if (elapsedMs() >= dueAt) {
      dueAt = Number.POSITIVE_INFINITY;
      expired();
    } else {
      schedule();
    }
  };
  const schedule = (): void => {
    callOff?.();
    const waitMs = Math.min(Math.ceil(dueAt - elapsedMs()), waitMsMax);
    wakesAt = elapsedMs() + waitMs;
    // A socket that is waited for keeps the process alive; the timer need not.
    callOff = start(wake, waitMs);
  };

  return {
    arm: (waitMs) => {
      dueAt = elapsedMs() + waitMs;
      if (wakesAt > dueAt) {
        schedule();
      }
    },
    disarm: () => {
      dueAt = Number.POSITIVE_INFINITY;
    },
    stop: () => {
      dueAt = Number.POSITIVE_INFINITY;
      callOff?.();
    },
  };
}
