/** What one resolution works with: the resolver's settings and memory, which all share, and its own bounds. */
import type { DnsName } from '../protocol/dns/name.ts';
import { isSubdomain } from '../protocol/dns/name.ts';
import type { AlgorithmTable } from '../protocol/dnssec/algorithms.ts';
import type { TrustAnchor } from '../protocol/dnssec/anchors.ts';
import { startWork, type ValidationLimits, type ValidationTerms } from '../protocol/dnssec/work.ts';
import { TransportSecurityError } from '../protocol/errors.ts';
import type { BoundedCache } from './bounded-cache.ts';
import type { Exchange } from './ports.ts';
import type { Zone } from './zone.ts';

export interface ResolutionLimits extends ValidationLimits {
  /** Queries sent for one look-up, aliases and chains of trust included. */
  readonly queriesPerResolution: number;
  /** Signatures verified for one look-up. */
  readonly verificationsPerResolution: number;
  /** How often one question is asked, when answers to it are bogus or of no use. */
  readonly attempts: number;
  readonly aliasesMax: number;
  readonly entriesMax: number;
  /** Nothing is kept for longer. */
  readonly ttlSecondsMax: number;
  /** No denial is kept for longer (RFC 2308 §5). */
  readonly negativeTtlSecondsMax: number;
  /** How long a bogus answer is kept. */
  readonly bogusTtlSeconds: number;
  /** How long it is remembered that servers fail (RFC 9520 §3.2). */
  readonly failureTtlSeconds: number;
}

/** Where a chain of trust begins, or, with no DS record, is told not to (RFC 7646). */
export interface AnchorPoint {
  readonly name: DnsName;
  readonly ds: readonly TrustAnchor[];
}

/** What there is at a name, seen from the zone above. */
export type Cut = { readonly expiresMs: number } & (
  | { readonly kind: 'zone'; readonly zone: Zone }
  /** The name is part of the zone above. */
  | { readonly kind: 'none' }
  /** The name does not exist, so nothing below it does (RFC 8020). */
  | { readonly kind: 'nothing' }
);

export interface ResolverState {
  readonly exchange: Exchange;
  /** Epoch milliseconds. */
  readonly now: () => number;
  readonly algorithms: AlgorithmTable;
  readonly limits: ResolutionLimits;
  /** The closest one to a name decides. */
  readonly anchors: readonly AnchorPoint[];
  readonly cuts: BoundedCache<Cut>;
  /** Cuts that are being looked for. */
  readonly openings: Map<string, Promise<Cut>>;
  /** Queries sent before their answer was needed. */
  readonly early: Map<string, Promise<Uint8Array>>;
}

export interface Context extends ResolverState {
  readonly deadlineMs: number;
  /** What this resolution has found out itself. Records with a TTL of zero serve the look-up that fetched them. */
  readonly found: Map<string, Cut>;
  readonly spent: { queries: number; verifications: number };
  /** Keys of `early` that this resolution put there. */
  readonly askedEarly: string[];
}

export function startContext(state: ResolverState, deadlineMs: number): Context {
  return {
    ...state,
    deadlineMs,
    found: new Map(),
    spent: { queries: 0, verifications: 0 },
    askedEarly: [],
  };
}

/** What one answer may cost; `settleTerms` has to follow. */
export function startTerms(context: Context): ValidationTerms {
  const { limits, algorithms, spent } = context;
  const left = limits.verificationsPerResolution - spent.verifications;
  return {
    nowSeconds: Math.floor(context.now() / 1_000),
    algorithms,
    limits:
      left < limits.verificationsPerAnswer ? { ...limits, verificationsPerAnswer: left } : limits,
    work: startWork(),
  };
}

export function settleTerms({ spent }: Context, { work }: ValidationTerms): void {
  spent.verifications += work.verifications;
}

/** @throws {TransportSecurityError} `dns-bogus` when the look-up has sent all the queries it may */
export function spendQuery({ limits, spent }: Context): void {
  if (spent.queries >= limits.queriesPerResolution) {
    throw new TransportSecurityError(
      'dns-bogus',
      `over ${limits.queriesPerResolution} queries for one look-up`,
    );
  }
  spent.queries += 1;
}

/**
 * The anchor point closest to a name, or undefined where none is above it.
 *
 * Unclear: which of several anchors to go by is left open (RFC 6840 §5.10). The closest one is what whoever configured
 * it expects: an island of trust, or a negative anchor, is there to differ from what is above it.
 */
export function closestAnchor(
  { anchors }: Pick<ResolverState, 'anchors'>,
  name: DnsName,
): AnchorPoint | undefined {
  let closest: AnchorPoint | undefined;
  for (const anchor of anchors) {
    if (anchor.name.length > (closest?.name.length ?? 0) && isSubdomain(name, anchor.name)) {
      closest = anchor;
    }
  }
  return closest;
}
