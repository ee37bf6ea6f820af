/** The operating half of the HTTP API: the queue, dead letters, exceptions, tagging rules and cached policies. */
import { dynamoDbClient } from '../adapters/aws/aws-clients.ts';
import { createControlTable } from '../adapters/aws/control-table.ts';
import { createPolicyTable } from '../adapters/aws/policy-table.ts';
import { createPolicyFetcher } from '../adapters/net/fetch-policy.ts';
import { createNetworkResolver } from '../adapters/net/network-resolver.ts';
import type { OperateEnvironment } from '../environment.ts';
import type { DeadLetterContext } from '../operating/dead-letters.ts';
import { type ControlRoutesParts, controlRoutes } from './control-routes.ts';
import { createDeliveryObserver } from './delivery-events.ts';
import { answerHttpFault, type HttpAnswer, type Route, routesHandler } from './http-answer.ts';
import type { HttpEvent } from './http-request.ts';
import { type Instruments, instrumentHandler, type LambdaHandler } from './middleware.ts';
import { createPolicyObserver } from './policy-events.ts';
import { createQueueContext } from './queue-ports.ts';
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
  const resolver = createNetworkResolver(network, { now });
  return {
    queue: createQueueContext(
      {
        messageTable: environment.SEALPOST_MESSAGE_TABLE,
        retryTable: environment.SEALPOST_RETRY_TABLE,
        controlTable: environment.SEALPOST_CONTROL_TABLE,
        messageBucket: environment.SEALPOST_MESSAGE_BUCKET,
        deliveryQueueUrl: environment.SEALPOST_DELIVERY_QUEUE_URL,
        deadLetterQueueUrl: environment.SEALPOST_DEAD_LETTER_QUEUE_URL,
        delivery: settings,
      },
      createDeliveryObserver(instruments),
    ),
    controls: {
      controls: createControlTable({ client, tableName: environment.SEALPOST_CONTROL_TABLE }),
      settings,
      policies: createPolicyTable({ client, tableName: environment.SEALPOST_POLICY_TABLE }),
      resolver,
      fetchPolicy: createPolicyFetcher({ resolver, network }),
      now,
      observe: createPolicyObserver(instruments),
    },
  };
}
