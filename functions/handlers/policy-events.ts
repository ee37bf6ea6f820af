/** Turns what the policy room observes into metrics and log lines. */
import { MetricUnit } from '@aws-lambda-powertools/metrics';
import type { ObservePolicies, PolicyEvent } from '../policy/events.ts';
import type { Instruments } from './middleware.ts';

/** Creates the observer that a handler gives to the policy room. */
export function createPolicyObserver(instruments: Instruments): ObservePolicies {
  return (event) => recordPolicyEvent(event, instruments);
}

function recordPolicyEvent(event: PolicyEvent, { logger, metrics }: Instruments): void {
  const count = (name: string): void => {
    metrics.addMetric(name, MetricUnit.Count, 1);
  };
  switch (event.kind) {
    case 'policy-fetched':
      count(event.outcome === 'policy' ? 'PolicyFetches' : 'PolicyFetchFailures');
      metrics.addMetric('PolicyFetchSeconds', MetricUnit.Seconds, event.seconds);
      return;
    case 'policy-kept':
      count('PoliciesKept');
      logger.warn('A cached MTA-STS policy is applied; the current one could not be seen', {
        ...event,
      });
      return;
    case 'refresh-failed':
      count('PolicyRefreshFailures');
      logger.warn('A cached MTA-STS policy could not be refreshed', {
        ...event,
        expiresAt: new Date(event.expiresAtMs).toISOString(),
      });
      return;
    case 'policy-store-failed':
      count('PolicyStoreFailures');
      logger.error('The policy table failed', { domain: event.domain, error: event.error });
  }
}
