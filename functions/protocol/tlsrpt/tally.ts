/**
 * Adding up the results of TLS sessions, policy by policy.
 *
 * Sums are the same in whatever order and in whatever portions results are added. What a stranger chooses (names, reason
 * texts) is bounded: beyond the limits it is counted without its particulars, never left out.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc8460.html#section-4.2 RFC 8460 §4.2}
 */
import type { ResultType } from './result-type.ts';

/** RFC 8460 §4.4 policy-type. */
export type PolicyType = 'sts' | 'tlsa' | 'no-policy-found';

/** A policy that applied to a session, as a report describes it. */
export interface AppliedPolicy {
  readonly type: PolicyType;
  /** The policy domain in A-labels; under DANE the TLSA base domain (RFC 8460 §1.1). */
  readonly domain: string;
  /** RFC 8460 §4.5: the policy's own lines, or its TLSA records in presentation form. */
  readonly strings: readonly string[];
  /** The `mx` patterns of an MTA-STS policy. */
  readonly mxHosts: readonly string[];
}

/** What was wrong with a session (RFC 8460 §4.4 failure-details). */
export interface SessionFailure {
  readonly resultType: ResultType;
  readonly sendingMtaIp?: string;
  readonly receivingMxHostname?: string;
  /** The name in the peer's greeting or EHLO reply. */
  readonly receivingMxHelo?: string;
  readonly receivingIp?: string;
  readonly failureReasonCode?: string;
}

/**
 * The sessions of one policy. Every failed session is in `failures` once, and in `details` once for each thing that was
 * wrong with it: once for a session of ours, more often where another mail server tells of several (RFC 8460 §4.2).
 */
export interface PolicyTally {
  readonly policy: AppliedPolicy;
  readonly successes: number;
  readonly failures: number;
  readonly details: readonly FailureTally[];
}

/** Sessions that one thing was wrong with. */
export interface FailureTally {
  readonly failure: SessionFailure;
  readonly sessions: number;
}

/** A sum that grows. */
export interface Tally {
  /** One session under one policy; `failure` where it failed. */
  add(policy: AppliedPolicy, failure: SessionFailure | undefined): void;
  /** Another sum. */
  merge(tallies: readonly PolicyTally[]): void;
  /** In the order in which policies were first met, without those that have no session. */
  list(): readonly PolicyTally[];
}

/**
 * Policies of one sum: as many in full, so many more without their texts, and the rest, three at most, by type under the
 * domain that is reported to. A domain may have another MX host, or other TLSA records, each time that it is asked.
 */
const policiesMax = [100, 120, Number.POSITIVE_INFINITY];

/** Kinds of failure of one policy. */
const detailsMax = 100;

const reasonCharsMax = 200;

/** Policies by their key, and the domain that is reported to. */
interface Sums {
  readonly domain: string;
  readonly byKey: Map<string, MutablePolicyTally>;
}

interface MutablePolicyTally {
  readonly policy: AppliedPolicy;
  successes: number;
  failures: number;
  readonly details: Map<string, { readonly failure: SessionFailure; sessions: number }>;
}

/** An empty sum of what is reported to a domain. */
export function createTally(domain: string): Tally {
  const sums: Sums = { domain, byKey: new Map() };
  const sumOf = (policy: AppliedPolicy): MutablePolicyTally => findSum(sums, policy);
  return {
    add: (policy, failure) => {
      const sum = sumOf(policy);
      if (failure === undefined) {
        sum.successes += 1;
      } else {
        sum.failures += 1;
        addDetail(sum, failure, 1);
      }
    },
    merge: (tallies) => {
      for (const { policy, successes, failures, details } of tallies) {
        const sum = sumOf(policy);
        sum.successes += successes;
        sum.failures += failures;
        for (const { failure, sessions } of details) {
          addDetail(sum, failure, sessions);
        }
      }
    },
    list: () =>
      [...sums.byKey.values()]
        .filter(({ successes, failures }) => successes !== 0 || failures !== 0)
        .map(({ details, ...sum }) => ({ ...sum, details: [...details.values()] })),
  };
}

/** `cuts` of its particulars are gone: first the texts of the policy, then its domain. */
function findSum(sums: Sums, policy: AppliedPolicy, cuts = 0): MutablePolicyTally {
  const key = JSON.stringify([policy.type, policy.domain, policy.strings]);
  const found = sums.byKey.get(key);
  if (found !== undefined) {
    return found;
  }
  if (sums.byKey.size >= (policiesMax[cuts] ?? 0)) {
    const domain = cuts === 0 ? policy.domain : sums.domain;
    return findSum(sums, { type: policy.type, domain, strings: [], mxHosts: [] }, cuts + 1);
  }
  const made = { policy, successes: 0, failures: 0, details: new Map() };
  sums.byKey.set(key, made);
  return made;
}

function addDetail(sum: MutablePolicyTally, failure: SessionFailure, sessions: number): void {
  const bounded = boundFailure(failure);
  const key = JSON.stringify(Object.entries(bounded).sort());
  const found = sum.details.get(key);
  if (found !== undefined) {
    found.sessions += sessions;
  } else if (sum.details.size < detailsMax) {
    sum.details.set(key, { failure: bounded, sessions });
  } else {
    addAnonymous(sum, failure.resultType, sessions);
  }
}

/** The result type alone: there are eleven, so these few entries beyond the limit are its last. */
function addAnonymous(sum: MutablePolicyTally, resultType: ResultType, sessions: number): void {
  const found = sum.details.get(resultType);
  if (found === undefined) {
    sum.details.set(resultType, { failure: { resultType }, sessions });
  } else {
    found.sessions += sessions;
  }
}

function boundFailure(failure: SessionFailure): SessionFailure {
  const { receivingMxHelo: helo, failureReasonCode: reason } = failure;
  return {
    ...failure,
    ...(helo !== undefined && { receivingMxHelo: cut(helo) }),
    ...(reason !== undefined && { failureReasonCode: cut(reason) }),
  };
}

/** I-JSON (RFC 7493 §2.1) has no lone surrogates. */
function cut(text: string): string {
  return text.slice(0, reasonCharsMax).toWellFormed();
}
