/**
 * The policy host: serves our own MTA-STS policies behind a CDN that copies the Host asked for into a field of its own.
 */
import { MetricUnit } from '@aws-lambda-powertools/metrics';
import type { LambdaFunctionURLEvent, LambdaFunctionURLResult } from 'aws-lambda';
import type { PublishedPolicy } from '../environment.ts';
import { answerPolicyRequest, askedHostField } from '../publishing/policy-response.ts';
import { type Instruments, instrumentHandler, type LambdaHandler } from './middleware.ts';
import { readPolicyHostEnvironment } from './read-environment.ts';

/** Binds the handler to the policies that it serves. */
export function policyHostHandler(
  policies: Readonly<Record<string, PublishedPolicy>>,
  { metrics }: Pick<Instruments, 'metrics'>,
): LambdaHandler<LambdaFunctionURLEvent, LambdaFunctionURLResult> {
  return async ({ requestContext, rawPath, headers }) => {
    const request = {
      method: requestContext.http.method,
      host: headers[askedHostField],
      path: rawPath,
    };
    const { status, ...answer } = answerPolicyRequest(request, policies);
    const metric = status === 200 ? 'PoliciesServed' : 'PolicyRequestsRefused';
    metrics.addMetric(metric, MetricUnit.Count, 1);
    return { statusCode: status, ...answer };
  };
}

export const handler: LambdaHandler<LambdaFunctionURLEvent, LambdaFunctionURLResult> =
  instrumentHandler<LambdaFunctionURLEvent, LambdaFunctionURLResult>(
    'policy-host',
    (instruments) =>
      policyHostHandler(readPolicyHostEnvironment(process.env).SEALPOST_POLICIES, instruments),
    {
      timeoutEarlyMs: 100,
      // RFC 8461 §3.3: whatever is not status 200 is no policy, and a sender then keeps the one it has.
      answerFault: () => ({
        statusCode: 500,
        headers: { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store' },
        body: 'The policy cannot be served now.\r\n',
      }),
    },
  );
