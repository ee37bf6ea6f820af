/** The times of a run. */

export const minuteMs: number = 60_000;
export const hourMs: number = 60 * minuteMs;
export const dayMs: number = 24 * hourMs;
export const startMs: number = Date.UTC(2026, 0, 1);

/** Messages come in for this long. */
export const arrivalMs: number = dayMs;

/** A message lives for five days, and so does what tells of its end; whatever is left after that is stuck. */
export const endMs: number = startMs + 14 * dayMs;
