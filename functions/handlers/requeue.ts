/** The scheduled return of messages to the delivery queue: those that are due, probes, and those that waited for a domain. */
import { MetricUnit } from '@aws-lambda-powertools/metrics';
import { dynamoDbClient, sqsClient } from '../adapters/aws/aws-clients.ts';
import { createBackoffTable } from '../adapters/aws/backoff-table.ts';
import { createMailQueue } from '../adapters/aws/mail-queue.ts';
import { createRetryReader } from '../adapters/aws/retry-reader.ts';
import { requeueDue } from '../delivery/requeue-due.ts';
import { requeueWaiting, type WaitingPorts } from '../delivery/requeue-waiting.ts';
import { createDeliveryObserver } from './delivery-events.ts';
import { type Instruments, instrumentHandler, type LambdaHandler } from './middleware.ts';
import { readRequeueEnvironment } from './read-environment.ts';

/** Left over at the end of an invocation, for the pages that are under way then and for metrics. */
const marginMs = 15_000;

/** What a run came to. */
export interface RequeueSummary {
  readonly sent: number;
  readonly backoffs: number;
  /** By how much the most overdue message that was found is late. */
  readonly oldestSeconds: number;
  readonly isDrained: boolean;
}

/** Binds the handler to its ports; whatever the event says, what is due is sent. */
export function requeueHandler(
  ports: Omit<WaitingPorts, 'observe'>,
  instruments: Instruments,
): LambdaHandler<unknown, RequeueSummary> {
  const { logger, metrics } = instruments;
  const whole: WaitingPorts = { ...ports, observe: createDeliveryObserver(instruments) };
  return async (_event, context) => {
    const deadlineMs = ports.now() + context.getRemainingTimeInMillis() - marginMs;
    // Side by side: neither a backlog that is due nor many dead domains may take all of the time.
    const underWay = [requeueDue(whole, deadlineMs), requeueWaiting(whole, deadlineMs)] as const;
    // Where one fails the other is seen to its end first.
    await Promise.allSettled(underWay);
    const [due, waiting] = await Promise.all(underWay);
    const { oldestSeconds, isDrained } = due;
    const { backoffs } = waiting;
    const summary = { sent: due.sent + waiting.sent, backoffs, oldestSeconds, isDrained };
    metrics.addMetric('RetriesRequeued', MetricUnit.Count, summary.sent);
    metrics.addMetric('BackoffDomains', MetricUnit.Count, backoffs);
    metrics.addMetric('OldestRetrySeconds', MetricUnit.Seconds, oldestSeconds);
    logger.info('Messages requeued', { ...summary });
    return summary;
  };
}

export const handler: LambdaHandler<unknown, RequeueSummary> = instrumentHandler(
  'requeue',
  (instruments) => {
    const environment = readRequeueEnvironment(process.env);
    const table = { client: dynamoDbClient(), tableName: environment.SEALPOST_RETRY_TABLE };
    const random = Math.random;
    const ports: Omit<WaitingPorts, 'observe'> = {
      now: Date.now,
      random,
      reader: createRetryReader({ ...table, random }),
      backoffs: createBackoffTable(table),
      queue: createMailQueue({
        client: sqsClient(),
        queueUrl: environment.SEALPOST_DELIVERY_QUEUE_URL,
        deadLetterQueueUrl: environment.SEALPOST_DEAD_LETTER_QUEUE_URL,
      }),
    };
    return requeueHandler(ports, instruments);
  },
  { timeoutEarlyMs: 1_000 },
);
