/**
 * The names of which a server under DANE-TA(2) has to show one.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc7672.html#section-3.2.2 RFC 7672 §3.2.2}
 */
import type { Answer } from '../dns/answer.ts';
import { findChainStatus } from './chain-status.ts';

/** Lower-case A-labels without trailing dot. */
export interface ReferenceIdentifiers {
  /** The TLSA base domain, which is also the SNI. */
  readonly base: string;
  /** The next-hop domain and what it is an alias for, where DNSSEC vouches for the way from there to the base domain. */
  readonly nextHop: readonly string[];
}

/**
 * Makes the reference identifiers for a server whose TLSA records are at `base`.
 *
 * `domain`: the next-hop domain as it stands in the address or as a relay is configured; `mx`: the answer to its MX
 * look-up, or undefined where it is not subject to one.
 *
 * @example
 * // exchange.example.org, an alias of example.com, with a secure MX mx10.example.com (RFC 7672 §3.2.2)
 * listReferenceIdentifiers('mx10.example.com', { domain: 'exchange.example.org', mx });
 * // { base: 'mx10.example.com', nextHop: ['exchange.example.org', 'example.com'] }
 */
export function listReferenceIdentifiers(
  base: string,
  nextHop: { readonly domain: string; readonly mx: Answer<'MX'> | undefined },
): ReferenceIdentifiers {
  const { domain, mx } = nextHop;
  if (mx?.kind !== 'records') {
    // "TLSA records for non-MX hostnames": the host is the domain itself, and the base domain may be what it expands to.
    return { base, nextHop: withoutBase(base, [domain]) };
  }
  if (findChainStatus(mx) !== 'secure') {
    // Anybody may have written the MX record, and would be glad if the domain's own certificate were enough elsewhere.
    return { base, nextHop: [] };
  }
  return { base, nextHop: withoutBase(base, [domain, mx.canonicalName]) };
}

function withoutBase(base: string, names: readonly string[]): readonly string[] {
  return [...new Set(names)].filter((name) => name !== base);
}
