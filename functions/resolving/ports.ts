/** What resolving needs of the world. */

/**
 * Sends a query to one recursive server after another until one answers, and gives the octets of that answer.
 *
 * `query` has the id 0; a transport over which answers can be forged sends a fresh one and checks it (RFC 5452 §9). The
 * answer is to be whole: truncation is the transport's matter. `deadlineMs`: epoch milliseconds, given up then.
 * `rejected`: answers to this query that turned out to be of no use, as the transport gave them; whoever sent one of
 * them is asked after all others.
 *
 * Rejects with a {@link TransportSecurityError} whose code begins with `dns-`.
 */
export type Exchange = (
  query: Uint8Array,
  deadlineMs: number,
  rejected: readonly Uint8Array[],
) => Promise<Uint8Array>;
