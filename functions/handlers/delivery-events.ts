/** Turns what the delivery room observes into metrics and log lines. */
import { MetricUnit } from '@aws-lambda-powertools/metrics';
import type { DeliveryEvent } from '../delivery/events.ts';
import type { Instruments } from './middleware.ts';

const recipientMetrics = {
  delivered: 'RecipientsDelivered',
  deferred: 'RecipientsDeferred',
  failed: 'RecipientsFailed',
} as const;

const notifiedMetrics = {
  failed: 'SendersNotifiedOfFailure',
  delayed: 'SendersNotifiedOfDelay',
  relayed: 'SendersNotifiedOfRelay',
} as const;

/** Creates the observer that the delivery handler gives to the delivery room. */
export function createDeliveryObserver({
  logger,
  metrics,
}: Instruments): (event: DeliveryEvent) => void {
  return (event) => {
    switch (event.kind) {
      case 'recipients':
        metrics.addMetric(recipientMetrics[event.outcome], MetricUnit.Count, event.count);
        return;
      case 'attempt':
        metrics.addMetric('AttemptSeconds', MetricUnit.Seconds, event.seconds);
        return;
      case 'violation-prevented':
        metrics.addMetric('ViolationsPrevented', MetricUnit.Count, 1);
        // A metric of its own for each kind; as a dimension it would hold for every metric of the invocation.
        metrics.addMetric(`ViolationsPrevented-${event.code}`, MetricUnit.Count, 1);
        logger.warn('A host did not show what is demanded', { ...event });
        return;
      case 'dead-letter':
        metrics.addMetric('DeadLetters', MetricUnit.Count, 1);
        logger.error('A record went to the dead-letter queue', { reason: event.reason });
        return;
      case 'in-doubt':
        metrics.addMetric('RecipientsInDoubt', MetricUnit.Count, event.count);
        return;
      case 'notified':
        metrics.addMetric(notifiedMetrics[event.action], MetricUnit.Count, event.count);
        return;
      case 'dropped':
        metrics.addMetric('RecipientsDropped', MetricUnit.Count, event.count);
        // RFC 3461 §5.2: nobody else hears of it, so the postmaster should.
        logger.warn('A message with an empty return path was dropped', { ...event });
        return;
      case 'content-lost':
        metrics.addMetric('Faults', MetricUnit.Count, 1);
        logger.error('The body of a message is gone', { ...event });
        return;
      case 'content-left':
        metrics.addMetric('ContentsLeft', MetricUnit.Count, 1);
        logger.warn('The body of a finished message was not removed', { ...event });
        return;
      case 'fault':
        metrics.addMetric('Faults', MetricUnit.Count, 1);
        logger.error('A fault of ours', { error: event.error });
    }
  };
}
