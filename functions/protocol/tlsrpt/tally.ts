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

/** The sessions of one policy. Every failed session is in `failures` once and in `details` once. */
export interface PolicyTally {
  readonly policy: AppliedPolicy;
  readonly successes: number;
  readonly failures: number;
  readonly details: readonly FailureTally[];
}

/** Sessions that failed in the same way. */
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

/** Policies of one sum; a domain with more than this many TLSA RRsets a day gets the rest summed by type. */
const policiesMax = 100;

/** Kinds of failure of one policy. */
const detailsMax = 100;

const reasonCharsMax = 200;

interface MutablePolicyTally {
  readonly policy: AppliedPolicy;
  successes: number;
  failures: number;
  readonly details: Map<string, { readonly failure: SessionFailure; sessions: number }>;
}

/** An empty sum. */
export function createTally(): Tally {
  const sums = new Map<string, MutablePolicyTally>();
  const sumOf = (policy: AppliedPolicy): MutablePolicyTally => findSum(sums, policy);
  return {
    add: (policy, failure) => {
      const sum = sumOf(policy);
      if (failure === undefined) {
        sum.successes += 1;
      } else {
        addFailure(sum, failure, 1);
      }
    },
    merge: (tallies) => {
      for (const { policy, successes, details } of tallies) {
        const sum = sumOf(policy);
        sum.successes += successes;
        for (const { failure, sessions } of details) {
          addFailure(sum, failure, sessions);
        }
      }
    },
    list: () =>
      [...sums.values()]
        .filter(({ successes, failures }) => successes !== 0 || failures !== 0)
        .map(({ details, ...sum }) => ({ ...sum, details: [...details.values()] })),
  };
}

function findSum(sums: Map<string, MutablePolicyTally>, policy: AppliedPolicy): MutablePolicyTally {
  const key = JSON.stringify([policy.type, policy.domain, policy.strings]);
  const found = sums.get(key);
  if (found !== undefined) {
    return found;
  }
  if (sums.size >= policiesMax && policy.strings.length > 0) {
    return findSum(sums, { ...policy, strings: [], mxHosts: [] });
  }
  const made = { policy, successes: 0, failures: 0, details: new Map() };
  sums.set(key, made);
  return made;
}

function addFailure(sum: MutablePolicyTally, failure: SessionFailure, sessions: number): void {
  sum.failures += sessions;
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
