/**
 * What an answer is worth as a whole, aliases included.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc7672.html#section-2.1.3 RFC 7672 §2.1.3}
 */
import type { AliasHop, DnssecStatus } from '../dns/answer.ts';

/**
 * Folds the status of the final RRset, or of its denial, with those of the aliases that led there.
 *
 * One that is bogus or indeterminate makes the look-up a failure (RFC 7672 §2.1.1); else one that is insecure makes
 * all that follows insecure (§2.1.3).
 */
export function findChainStatus(answer: {
  readonly status: DnssecStatus;
  readonly aliases: readonly AliasHop[];
}): DnssecStatus {
  const found = new Set([answer.status, ...answer.aliases.map(({ status }) => status)]);
  const worstFirst: readonly DnssecStatus[] = ['bogus', 'indeterminate', 'insecure'];
  return worstFirst.find((status) => found.has(status)) ?? 'secure';
}
