/** Timers as a port, so that hours of waiting can be gone through in a simulation. */

export interface Timers {
  /** Milliseconds on a clock that is never set. */
  readonly elapsedMs: () => number;
  /** Runs something once, `waitMs` from now (2^31 - 1 at the most). What it gives back calls that off. */
  readonly start: (run: () => void, waitMs: number) => () => void;
  /** Runs something once all that is under way is done: the event being handled, and what its promises lead to. */
  readonly soon: (run: () => void) => void;
}

/** The process's own. None of them keeps it alive. */
export const processTimers: Timers = {
  elapsedMs: () => performance.now(),
  start: (run, waitMs) => {
    const handle = setTimeout(run, waitMs).unref();
    return () => clearTimeout(handle);
  },
  soon: (run) => {
    // Promises have their turn before it, however many hang on one another, and no phase of the event loop is waited
    // for: setImmediate took longer than what it was to save.
    queueMicrotask(() => process.nextTick(run));
  },
};
