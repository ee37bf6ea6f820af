/** The operating half of the HTTP API: the queue, dead letters, exceptions, tagging rules and cached policies. */
import { randomUUID } from 'node:crypto';
import { dynamoDbClient, s3Client, sqsClient } from '../adapters/aws/aws-clients.ts';
import { createBackoffTable } from '../adapters/aws/backoff-table.ts';
import { createContentBucket } from '../adapters/aws/content-bucket.ts';
import { createControlTable } from '../adapters/aws/control-table.ts';
import { createDeadLetters } from '../adapters/aws/dead-letters.ts';
import { createMailQueue } from '../adapters/aws/mail-queue.ts';
import { createMessageControl } from '../adapters/aws/message-control.ts';
import { createMessageTable } from '../adapters/aws/message-table.ts';
import { createPolicyTable } from '../adapters/aws/policy-table.ts';
import { createRetryTable } from '../adapters/aws/retry-table.ts';
import { createWaitingIndex } from '../adapters/aws/waiting-index.ts';
import { createPolicyFetcher } from '../adapters/net/fetch-policy.ts';
import { createNetworkResolver } from '../adapters/net/network-resolver.ts';
import type { OperateEnvironment } from '../environment.ts';
import type { DeadLetterContext } from '../operating/dead-letters.ts';
import type { QueuePorts } from '../operating/ports.ts';
import { createReadControls } from '../submission/read-controls.ts';
import { type ControlRoutesParts, controlRoutes } from './control-routes.ts';
import { createDeliveryObserver } from './delivery-events.ts';
import { answerHttpFault, type HttpAnswer, type Route, routesHandler } from './http-answer.ts';
import type { HttpEvent } from './http-request.ts';
import { type Instruments, instrumentHandler, type LambdaHandler } from './middleware.ts';
import { queueRoutes } from './queue-routes.ts';
import { readDeliverEnvironment } from './read-environment.ts';

/** What all of its routes reach for. */
export interface OperateParts {
  readonly queue: DeadLetterContext;
  readonly controls: ControlRoutesParts;
}

/** By `event.routeKey`; lib/operating-api.ts declares the same. */
export function operateRoutes(parts: OperateParts): Readonly<Record<string, Route>> {
  return { ...queueRoutes(parts.queue), ...controlRoutes(parts.controls) };
}

export const handler: LambdaHandler<HttpEvent, HttpAnswer> = instrumentHandler<
  HttpEvent,
  HttpAnswer
>(
  'operate',
  (instruments) => {
    const parts = createParts(readDeliverEnvironment(process.env), instruments);
    return routesHandler(operateRoutes(parts), instruments);
  },
  { answerFault: answerHttpFault },
);

function createParts(environment: OperateEnvironment, instruments: Instruments): OperateParts {
  const { SEALPOST_NETWORK: network, SEALPOST_DELIVERY: settings } = environment;
  const now = Date.now;
  const client = dynamoDbClient();
  const controls = createControlTable({ client, tableName: environment.SEALPOST_CONTROL_TABLE });
  const resolver = createNetworkResolver(network, { now });
  return {
    queue: {
      settings,
      ports: createQueuePorts(environment, instruments),
      deadLetters: createDeadLetters({
        client: sqsClient(),
        queueUrl: environment.SEALPOST_DEAD_LETTER_QUEUE_URL,
      }),
      readControls: createReadControls({
        store: controls,
        now,
        observe: (error) => instruments.logger.error('The control table failed', { error }),
      }),
    },
    controls: {
      controls,
      settings,
      policies: createPolicyTable({ client, tableName: environment.SEALPOST_POLICY_TABLE }),
      resolver,
      fetchPolicy: createPolicyFetcher({ resolver, network }),
      now,
    },
  };
}

function createQueuePorts(environment: OperateEnvironment, instruments: Instruments): QueuePorts {
  const now = Date.now;
  const client = dynamoDbClient();
  const { historyDays } = environment.SEALPOST_DELIVERY;
  const messageTable = { client, tableName: environment.SEALPOST_MESSAGE_TABLE, historyDays };
  const retryTable = { client, tableName: environment.SEALPOST_RETRY_TABLE };
  const contents = createContentBucket({
    client: s3Client(),
    bucket: environment.SEALPOST_MESSAGE_BUCKET,
  });
  return {
    now,
    newToken: randomUUID,
    waiting: createWaitingIndex(messageTable),
    control: createMessageControl(messageTable),
    messages: createMessageTable(messageTable),
    retries: createRetryTable({ ...retryTable, now }),
    backoffs: createBackoffTable(retryTable),
    contents,
    queue: createMailQueue({
      client: sqsClient(),
      queueUrl: environment.SEALPOST_DELIVERY_QUEUE_URL,
      deadLetterQueueUrl: environment.SEALPOST_DEAD_LETTER_QUEUE_URL,
      contents,
    }),
    observe: createDeliveryObserver(instruments),
  };
}
