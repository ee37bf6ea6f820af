/** One fetch of a policy, from the HTTPS exchange to the verdict. */
import { policyFetchTimeMs } from '../protocol/mta-sts/policy.ts';
import { type PolicyVerdict, processPolicyResponse } from '../protocol/mta-sts/response.ts';
import type { ObservePolicies } from './events.ts';
import type { FetchPolicy, PolicyResponse, StsFailureCode } from './ports.ts';

/** Timers and clocks agree to some milliseconds. */
const timerToleranceMs = 100;

/** A policy with its text, or why there is none. */
export type ObtainedPolicy =
  | Extract<PolicyVerdict, { readonly kind: 'policy' }>
  | { readonly kind: 'failed'; readonly code: StsFailureCode; readonly reason: string };

export interface ObtainOptions {
  readonly fetchPolicy: FetchPolicy;
  readonly now: () => number;
  readonly observe?: ObservePolicies;
}

/**
 * Fetches and judges the policy of a domain.
 *
 * A fetch that ends with its deadline, and had less than the minute that a policy host may take, failed for want of our
 * time: that is `sts-policy-unknown`, which nobody reports, nor holds against the host.
 */
export async function obtainPolicy(
  domain: string,
  deadlineMs: number,
  options: ObtainOptions,
): Promise<ObtainedPolicy> {
  const startedAtMs = options.now();
  const response = await options.fetchPolicy(domain, deadlineMs);
  const endedAtMs = options.now();
  const hadItsTime = deadlineMs + timerToleranceMs >= startedAtMs + policyFetchTimeMs;
  const cutShort = !hadItsTime && endedAtMs + timerToleranceMs >= deadlineMs;
  const obtained = judge(response, cutShort);
  options.observe?.({
    kind: 'policy-fetched',
    domain,
    outcome: obtained.kind === 'policy' ? 'policy' : obtained.code,
    seconds: (endedAtMs - startedAtMs) / 1000,
  });
  return obtained;
}

function judge(response: PolicyResponse, cutShort: boolean): ObtainedPolicy {
  if (response.kind === 'response') {
    return processPolicyResponse(response);
  }
  const { code, reason } = response;
  return cutShort && code === 'sts-policy-fetch-error'
    ? { kind: 'failed', code: 'sts-policy-unknown', reason: `too little time left: ${reason}` }
    : response;
}
