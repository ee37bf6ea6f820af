/** The scheduled refresh of cached MTA-STS policies (RFC 8461 §3.3, §10.2). */
import { MetricUnit } from '@aws-lambda-powertools/metrics';
import { dynamoDbClient } from '../adapters/aws/aws-clients.ts';
import { createPolicyTable } from '../adapters/aws/policy-table.ts';
import { createPolicyFetcher } from '../adapters/net/fetch-policy.ts';
import { createNetworkResolver } from '../adapters/net/network-resolver.ts';
import {
  type RefreshOptions,
  type RefreshSummary,
  refreshPolicies,
} from '../policy/refresh-policies.ts';
import { type Instruments, instrumentHandler, type LambdaHandler } from './middleware.ts';
import { createPolicyObserver } from './policy-events.ts';
import { readRefreshEnvironment } from './read-environment.ts';

/** How often the schedule calls the function (lib/policy-refresh.ts). */
const intervalMs = 15 * 60_000;

/** Left over at the end of an invocation, for the writes of the last refresh and for metrics. */
const marginMs = 10_000;

export type RefreshPorts = Pick<
  RefreshOptions,
  'resolver' | 'fetchPolicy' | 'store' | 'now' | 'random'
>;

/** Binds the handler to its ports; whatever the event says, what is due is refreshed. */
export function refreshPoliciesHandler(
  ports: RefreshPorts,
  instruments: Instruments,
): LambdaHandler<unknown, RefreshSummary> {
  const observe = createPolicyObserver(instruments);
  return async (_event, context) => {
    const deadlineMs = ports.now() + context.getRemainingTimeInMillis() - marginMs;
    const summary = await refreshPolicies({ ...ports, deadlineMs, intervalMs, observe });
    const { logger, metrics } = instruments;
    metrics.addMetric('PoliciesRefreshed', MetricUnit.Count, summary.refreshed);
    metrics.addMetric('PoliciesLeftOver', MetricUnit.Count, summary.leftOver);
    logger.info('Policies refreshed', { ...summary });
    return summary;
  };
}

export const handler: LambdaHandler<unknown, RefreshSummary> = instrumentHandler(
  'refresh-policies',
  (instruments) => {
    const environment = readRefreshEnvironment(process.env);
    const network = environment.SEALPOST_NETWORK;
    const now = Date.now;
    const resolver = createNetworkResolver(network, { now });
    const ports: RefreshPorts = {
      resolver,
      fetchPolicy: createPolicyFetcher({ resolver, network }),
      store: createPolicyTable({
        client: dynamoDbClient(),
        tableName: environment.SEALPOST_POLICY_TABLE,
      }),
      now,
      random: Math.random,
    };
    return refreshPoliciesHandler(ports, instruments);
  },
  { timeoutEarlyMs: 1000 },
);
