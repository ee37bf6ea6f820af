/** The hourly search for deliveries that nobody goes on with, and for exceptions that are about to end. */
import { MetricUnit } from '@aws-lambda-powertools/metrics';
import { dynamoDbClient } from '../adapters/aws/aws-clients.ts';
import { createControlTable } from '../adapters/aws/control-table.ts';
import { createMessageTable } from '../adapters/aws/message-table.ts';
import { createRetryTable } from '../adapters/aws/retry-table.ts';
import { createWaitingIndex } from '../adapters/aws/waiting-index.ts';
import {
  type ReconcilePorts,
  type ReconcileSummary,
  reconcileOverdue,
} from '../delivery/reconcile-overdue.ts';
import type { PolicyException } from '../environment.ts';
import { findExpiring } from '../operating/exceptions.ts';
import { createDeliveryObserver } from './delivery-events.ts';
import { type Instruments, instrumentHandler, type LambdaHandler } from './middleware.ts';
import { readReconcileEnvironment } from './read-environment.ts';

/** Left over at the end of an invocation, for the rows that are under way then and for metrics. */
const marginMs = 15_000;

/** What the handler reaches for. */
export interface ReconcileParts extends Omit<ReconcilePorts, 'observe'> {
  /** Of the config and of run time. */
  readonly readExceptions: () => Promise<readonly PolicyException[]>;
}

/** Binds the handler to its ports; whatever the event says, what is overdue is put in again. */
export function reconcileHandler(
  ports: ReconcileParts,
  instruments: Instruments,
): LambdaHandler<unknown, ReconcileSummary> {
  const { logger, metrics } = instruments;
  const observe = createDeliveryObserver(instruments);
  return async (_event, context) => {
    const deadlineMs = ports.now() + context.getRemainingTimeInMillis() - marginMs;
    const summary = await reconcileOverdue({ ...ports, observe }, deadlineMs);
    metrics.addMetric('RetriesOverdue', MetricUnit.Count, summary.overdue);
    logger.info('Overdue deliveries put in again', { ...summary });
    const expiring = findExpiring(await ports.readExceptions(), ports.now());
    metrics.addMetric('ExceptionsExpiring', MetricUnit.Count, expiring.length);
    for (const { domain, policy, expires } of expiring) {
      logger.warn('An exception is about to end', { domain, policy, expires });
    }
    return summary;
  };
}

export const handler: LambdaHandler<unknown, ReconcileSummary> = instrumentHandler(
  'reconcile',
  (instruments) => {
    const environment = readReconcileEnvironment(process.env);
    const client = dynamoDbClient();
    const now = Date.now;
    const messageTable = { client, tableName: environment.SEALPOST_MESSAGE_TABLE };
    const { readDelivery } = createMessageTable(messageTable);
    const controls = createControlTable({
      client,
      tableName: environment.SEALPOST_CONTROL_TABLE,
    });
    const ports: ReconcileParts = {
      now,
      waiting: createWaitingIndex(messageTable),
      readDelivery,
      retries: createRetryTable({ client, tableName: environment.SEALPOST_RETRY_TABLE, now }),
      readExceptions: async () => [
        ...environment.SEALPOST_EXCEPTIONS,
        ...(await controls.listExceptions()),
      ],
    };
    return reconcileHandler(ports, instruments);
  },
  { timeoutEarlyMs: 1_000 },
);
