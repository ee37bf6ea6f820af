/**
 * Dates in header fields.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc5322.html#section-3.3 RFC 5322 §3.3}
 */

/**
 * A `date-time` in UTC, with the numeric zone that RFC 5322 §3.3 asks for, e.g. `Tue, 24 Nov 2026 12:00:00 +0000`.
 *
 * @param ms Epoch milliseconds; what is finer than a second is dropped.
 * @throws {RangeError} where `ms` is no time.
 */
export function formatDateTime(ms: number): string {
  if (Number.isNaN(new Date(ms).getTime())) {
    throw new RangeError(`${ms} is not a time`);
  }
  return new Date(ms).toUTCString().replace('GMT', '+0000');
}
