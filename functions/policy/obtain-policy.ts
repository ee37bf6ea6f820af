/** One fetch of a policy, from the HTTPS exchange to the verdict. */
import { type PolicyVerdict, processPolicyResponse } from '../protocol/mta-sts/response.ts';
import type { ObservePolicies } from './events.ts';
import type { FetchPolicy, StsFailureCode } from './ports.ts';

/** A policy with its text, or why there is none. */
export type ObtainedPolicy =
  | Extract<PolicyVerdict, { readonly kind: 'policy' }>
  | { readonly kind: 'failed'; readonly code: StsFailureCode; readonly reason: string };

export interface ObtainOptions {
  readonly fetchPolicy: FetchPolicy;
  readonly now: () => number;
  readonly observe?: ObservePolicies;
}

/** Fetches and judges the policy of a domain. */
export async function obtainPolicy(
  domain: string,
  deadlineMs: number,
  options: ObtainOptions,
): Promise<ObtainedPolicy> {
  const startedAtMs = options.now();
  const response = await options.fetchPolicy(domain, deadlineMs);
  const verdict = response.kind === 'failed' ? response : processPolicyResponse(response);
  options.observe?.({
    kind: 'policy-fetched',
    domain,
    outcome: verdict.kind === 'policy' ? 'policy' : verdict.code,
    seconds: (options.now() - startedAtMs) / 1000,
  });
  return verdict;
}
