/**
 * Which notifications a sender wants.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc3461.html#section-4.1 RFC 3461 §4.1}
 */

/** A keyword of the NOTIFY parameter. */
export type NotifyKeyword = 'NEVER' | 'SUCCESS' | 'FAILURE' | 'DELAY';

/**
 * Reports whether a notification of one kind goes out for a recipient.
 *
 * Without NOTIFY it is FAILURE and DELAY, which RFC 3461 §4.1 leaves to us. NEVER stands alone (§4.1); where it does
 * not, the others count: rather a notice too many than one too few, as on the wire.
 */
export function wantsNotice(
  notify: readonly NotifyKeyword[] | undefined,
  kind: Exclude<NotifyKeyword, 'NEVER'>,
): boolean {
  return notify === undefined ? kind !== 'SUCCESS' : notify.includes(kind);
}
