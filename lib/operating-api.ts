/** The function behind the operating half of the HTTP API. */
import { Duration } from 'aws-cdk-lib';
import { RecursiveLoop } from 'aws-cdk-lib/aws-lambda';
import type { Construct } from 'constructs';
import type {
  DeliverySettings,
  NetworkSetting,
  OperateEnvironment,
} from '../functions/environment.ts';
import type { DeliveryStack } from './delivery-stack.ts';
import { allow, grantContents } from './grants.ts';
import { HandlerFunction } from './handler-function.ts';
import type { StateStack } from './state-stack.ts';
import { grantIndexQuery, grantTable } from './table-grants.ts';

export interface OperateFunctionProps {
  readonly state: StateStack;
  readonly queues: Pick<DeliveryStack, 'deliveryQueue' | 'deadLetterQueue'>;
  readonly delivery: DeliverySettings;
  readonly network: NetworkSetting;
}

/** In `event.routeKey` (functions/handlers/operate.ts). */
export const operateRoutes = [
  'GET /v1/queue',
  'GET /v1/queue/{id}',
  'POST /v1/queue/{action}',
  'GET /v1/dead-letters',
  'POST /v1/dead-letters/redrive',
  'POST /v1/dead-letters/bounce',
  'GET /v1/exceptions',
  'POST /v1/exceptions',
  'DELETE /v1/exceptions/{domain}/{policy}',
  'GET /v1/rules',
  'POST /v1/rules',
  'DELETE /v1/rules/{name}',
  'GET /v1/policies',
  'GET /v1/policies/{domain}',
  'PUT /v1/policies/{domain}',
  'POST /v1/policies/{domain}/refresh',
  'DELETE /v1/policies/{domain}',
] as const;

/** Outside the VPC: it calls AWS, DNS over HTTPS and policy hosts, and no MX host. */
export function createOperateFunction(
  scope: Construct,
  { state, queues, delivery, network }: OperateFunctionProps,
): HandlerFunction {
  const environment: OperateEnvironment = {
    SEALPOST_NETWORK: network,
    SEALPOST_DELIVERY: delivery,
    SEALPOST_POLICY_TABLE: state.policyTable.tableName,
    SEALPOST_MESSAGE_TABLE: state.messageTable.tableName,
    SEALPOST_RETRY_TABLE: state.retryTable.tableName,
    SEALPOST_CONTROL_TABLE: state.controlTable.tableName,
    SEALPOST_MESSAGE_BUCKET: state.messageBucket.bucketName,
    SEALPOST_DELIVERY_QUEUE_URL: queues.deliveryQueue.queueUrl,
    SEALPOST_DEAD_LETTER_QUEUE_URL: queues.deadLetterQueue.queueUrl,
  };
  const operate = new HandlerFunction(scope, 'Operate', {
    handler: 'operate',
    description: 'Shows and changes the queue, dead letters, exceptions, rules and policies',
    environment,
    // API Gateway waits 30 seconds.
    timeout: Duration.seconds(29),
    // Eight bodies of 40 MB may be cancelled at a time, each with a notification that may return it.
    memoryMb: 2_048,
    // What it sends again has been through the delivery queue before, and Lambda would take that for a loop.
    recursiveLoop: RecursiveLoop.ALLOW,
  });
  grantTables(operate, state);
  grantQueues(operate, queues);
  // A notification returns some of the message, wherever its sender put that; what is cancelled is removed.
  grantContents(
    operate,
    state,
    ['*', 's3:GetObject'],
    ['content/*', 's3:DeleteObject', 's3:PutObject'],
  );
  return operate;
}

function grantTables(operate: HandlerFunction, state: StateStack): void {
  grantTable(
    operate,
    state.messageTable,
    'dynamodb:GetItem',
    'dynamodb:PutItem',
    'dynamodb:Query',
    'dynamodb:UpdateItem',
  );
  grantIndexQuery(operate, state.messageTable, 'WaitingByAge', 'WaitingByDue');
  // Makes the probe of a domain that backs off due.
  grantTable(operate, state.retryTable, 'dynamodb:GetItem', 'dynamodb:UpdateItem');
  grantTable(
    operate,
    state.controlTable,
    'dynamodb:DeleteItem',
    'dynamodb:PutItem',
    'dynamodb:Query',
  );
  grantTable(
    operate,
    state.policyTable,
    'dynamodb:DeleteItem',
    'dynamodb:GetItem',
    'dynamodb:Scan',
    'dynamodb:UpdateItem',
  );
}

function grantQueues(
  operate: HandlerFunction,
  { deliveryQueue, deadLetterQueue }: OperateFunctionProps['queues'],
): void {
  allow(operate, deliveryQueue.queueArn, 'sqs:SendMessage');
  allow(
    operate,
    deadLetterQueue.queueArn,
    'sqs:ChangeMessageVisibility',
    'sqs:DeleteMessage',
    'sqs:ReceiveMessage',
  );
}
