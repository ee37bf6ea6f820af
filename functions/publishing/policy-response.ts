/**
 * What the policy host answers.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc8461.html#section-3.3 RFC 8461 §3.3}
 */
import type { PublishedPolicy } from '../environment.ts';
import { formatPolicy, policyHostName, policyPath } from '../protocol/mta-sts/policy.ts';

/** The field into which the CDN copies the Host that was asked for; its own Host is that of the function. */
export const askedHostField = 'x-sealpost-host';

export interface PolicyHostRequest {
  readonly method: string;
  /** The Host that the sender asked for, in any case, with or without a port. */
  readonly host: string | undefined;
  /** As it came: not decoded, without the query. */
  readonly path: string;
}

export interface PolicyHostResponse {
  readonly status: 200 | 404 | 405;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

const plainText = {
  'content-type': 'text/plain; charset=utf-8',
  'x-content-type-options': 'nosniff',
} as const;

/**
 * Answers a request for one of our policies. Nothing is ever redirected, and no other answer than a policy has status 200
 * or a body that could be taken for one.
 *
 * @param policies Policy domain -> policy.
 */
export function answerPolicyRequest(
  request: PolicyHostRequest,
  policies: Readonly<Record<string, PublishedPolicy>>,
): PolicyHostResponse {
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    return refuse(405, 'Only GET and HEAD are answered here.', { allow: 'GET, HEAD' });
  }
  const policy = request.path === policyPath ? findPolicy(request.host, policies) : undefined;
  if (policy === undefined) {
    return refuse(404, 'There is no policy here.');
  }
  return {
    status: 200,
    // A new policy is at every edge before its id is announced, and five minutes later at every proxy (RFC 8461 §8.1).
    headers: { ...plainText, 'cache-control': 'max-age=300' },
    // RFC 9110 §9.3.2: the answer to HEAD is that to GET but for the content.
    body: request.method === 'HEAD' ? '' : formatPolicy(policy),
  };
}

function findPolicy(
  host: string | undefined,
  policies: Readonly<Record<string, PublishedPolicy>>,
): PublishedPolicy | undefined {
  const name = (host ?? '').toLowerCase().replace(/:\d{1,5}$/, '');
  const prefix = policyHostName('');
  const domain = name.startsWith(prefix) ? name.slice(prefix.length) : '';
  // Own keys alone: `mta-sts.constructor` is a host that anybody may ask for.
  return Object.hasOwn(policies, domain) ? policies[domain] : undefined;
}

function refuse(
  status: 404 | 405,
  sentence: string,
  headers: Readonly<Record<string, string>> = {},
): PolicyHostResponse {
  return {
    status,
    headers: { ...plainText, 'cache-control': 'no-store', ...headers },
    body: `${sentence}\r\n`,
  };
}
