/** What a look-up comes to, with the evidence. */
import type { AliasHop, DnssecStatus } from '../protocol/dns/answer.ts';
import type { Reason } from '../protocol/dnssec/reason.ts';
import type { RrSet } from '../protocol/dnssec/rrset.ts';
import type { ChainLink, DnsFailureCode } from './zone.ts';

/** One alias on the way, with why its status is what it is. */
export interface ResolvedAlias extends AliasHop {
  /** Set unless it is secure. */
  readonly reason?: Reason;
}

interface Evidence {
  /** As asked, in lower case and without trailing dot. */
  readonly name: string;
  readonly type: number;
  /** Of the final RRset, or of the denial; of the whole where it failed. */
  readonly status: DnssecStatus;
  /** Set unless the status is secure. */
  readonly reason?: Reason;
  /** What the name comes to after its aliases. */
  readonly canonicalName: string;
  readonly aliases: readonly ResolvedAlias[];
  /** The CNAME and DNAME RRsets of the aliases, and the final RRset; RDATA in canonical form. */
  readonly sets: readonly RrSet[];
  /** The NSEC and NSEC3 RRsets that were believed: for a denial, and for a wildcard's expansion. */
  readonly proof: readonly RrSet[];
  /** The zones that were passed, from their trust anchor down. */
  readonly chain: readonly ChainLink[];
  /** How long all of it may be kept. */
  readonly ttlSeconds: number;
}

export type Resolution =
  | (Evidence & { readonly kind: 'records'; readonly set: RrSet })
  | (Evidence & { readonly kind: 'nodata' | 'nxdomain' })
  /** Status bogus: `dns-bogus`. Status indeterminate: no server gave what is needed. */
  | (Evidence & { readonly kind: 'failed'; readonly code: DnsFailureCode });
