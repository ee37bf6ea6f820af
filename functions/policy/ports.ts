/** What the policy room needs of the world, and what it gives. */
import type { FailureCode } from '../protocol/errors.ts';
import type { StsPolicy } from '../protocol/mta-sts/policy.ts';

/** A policy as cached (RFC 8461 §3.3), together with what it came from. */
export interface CachedPolicy {
  /** The policy domain, lower-case A-labels. */
  readonly domain: string;
  /** The `id` of the TXT record under which it was fetched. */
  readonly id: string;
  readonly policy: StsPolicy;
  /** The body as served; TLS reports quote it (RFC 8460 §4.4). */
  readonly text: string;
  /** Epoch milliseconds; `max_age` counts from here. */
  readonly fetchedAtMs: number;
  /** When a delivery last asked for it, to the day at least; refreshes stop for domains out of use. */
  readonly usedAtMs: number;
  /**
   * Who put it into the cache by hand, and why; absent on what its domain served. It holds for its `max_age`, or until
   * the domain announces another id and a fetch succeeds.
   */
  readonly setBy?: { readonly author: string; readonly reason: string };
}

/** That a fetch for this id failed, so that nobody tries again before five minutes (RFC 8461 §3.3). */
export interface FailedFetch {
  readonly id: string;
  readonly failedAtMs: number;
  readonly code: StsFailureCode;
  readonly reason: string;
}

export type StsFailureCode = Extract<FailureCode, `sts-policy-${string}` | 'sts-webpki-invalid'>;

/** All that is stored of a policy domain. */
export interface PolicyEntry {
  readonly cached?: CachedPolicy;
  readonly failed?: FailedFetch;
}

/** The policy table. One read or one write a call. */
export interface PolicyStore {
  read(domain: string): Promise<PolicyEntry | undefined>;
  /** Stores a policy and forgets a failure. A policy that was fetched later stays: of two writers the newer wins. */
  writePolicy(policy: CachedPolicy): Promise<void>;
  /** Stores a failure beside the policy there is. */
  writeFailure(domain: string, failed: FailedFetch): Promise<void>;
  /** Notes that the policy was used at `usedAtMs`; nothing where none is stored. */
  touch(domain: string, usedAtMs: number): Promise<void>;
  /** Removes all that is stored of a domain; `false` where there was nothing. */
  forget(domain: string): Promise<boolean>;
  /** Every stored policy, a page at a time. */
  list(): AsyncIterable<CachedPolicy>;
}

/** The outcome of one HTTPS exchange with a policy host, before anybody judged the body. */
export type PolicyResponse =
  | {
      readonly kind: 'response';
      readonly status: number;
      readonly contentType: string | undefined;
      readonly body: Uint8Array;
    }
  | {
      readonly kind: 'failed';
      /** `sts-webpki-invalid` where the certificate was at fault. */
      readonly code: 'sts-policy-fetch-error' | 'sts-webpki-invalid' | 'sts-policy-invalid';
      readonly reason: string;
    };

/** GETs `https://mta-sts.<domain>/.well-known/mta-sts.txt` under the rules of RFC 8461 §3.3. */
export type FetchPolicy = (domain: string, deadlineMs: number) => Promise<PolicyResponse>;

/**
 * What MTA-STS says about a policy domain right now.
 *
 * `absent` is definite: nothing is published, or the mode is `none`. `unknown` is not: the TXT look-up or the fetch
 * failed and nothing usable is cached. `failure` beside a policy: a cached one is applied although a newer one could
 * not be had (RFC 8461 §3.3), which is reported.
 */
export type StsState =
  | {
      readonly kind: 'policy';
      readonly cached: CachedPolicy;
      readonly source: 'memory' | 'table' | 'wire';
      readonly failure?: StsFailure;
    }
  | { readonly kind: 'absent'; readonly reason: string; readonly failure?: StsFailure }
  | { readonly kind: 'unknown'; readonly failure: StsFailure };

export interface StsFailure {
  readonly code: FailureCode;
  readonly reason: string;
}

/**
 * Finds the policy that applies to a policy domain. Coalesces concurrent questions. `afresh` asks DNS for the TXT record
 * again, whatever is remembered of the policy or of the record (RFC 8461 §5.1).
 */
export type DiscoverPolicy = (
  domain: string,
  options: { readonly deadlineMs: number; readonly afresh?: boolean },
) => Promise<StsState>;
