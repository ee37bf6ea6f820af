/** Second attempts: what takes waiting messages back to the queue each minute, and what looks each hour whether all are. */
import { Duration } from 'aws-cdk-lib';
import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import type { Queue } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import type {
  PolicyException,
  ReconcileEnvironment,
  RequeueEnvironment,
} from '../functions/environment.ts';
import { addSchedule } from './function-schedule.ts';
import { HandlerFunction } from './handler-function.ts';
import type { StateStack } from './state-stack.ts';
import { grantIndexQuery, grantTable } from './table-grants.ts';

/** What waits where, and where it goes. */
export interface RetriesProps {
  readonly state: StateStack;
  readonly deliveryQueue: Queue;
  readonly deadLetterQueue: Queue;
  /** Those of the config. */
  readonly exceptions: readonly PolicyException[];
}

/** Two functions on schedules. They call AWS only, so they need no VPC and cost no NAT traffic. */
export class Retries extends Construct {
  constructor(scope: Construct, id: string, props: RetriesProps) {
    super(scope, id);
    addRequeue(new Construct(this, 'Requeue'), props);
    addReconcile(new Construct(this, 'Reconcile'), props);
  }
}

function addRequeue(scope: Construct, props: RetriesProps): void {
  const { state, deliveryQueue, deadLetterQueue } = props;
  const environment: RequeueEnvironment = {
    SEALPOST_RETRY_TABLE: state.retryTable.tableName,
    SEALPOST_DELIVERY_QUEUE_URL: deliveryQueue.queueUrl,
    SEALPOST_DEAD_LETTER_QUEUE_URL: deadLetterQueue.queueUrl,
  };
  const requeue = new HandlerFunction(scope, 'Function', {
    handler: 'requeue',
    description: 'Takes messages whose next attempt is due back to the delivery queue',
    environment,
    // Two runs at once do no harm, and no good either: one ends as the next begins.
    timeout: Duration.minutes(1),
    memoryMb: 512,
  });
  grantTable(
    requeue,
    state.retryTable,
    'dynamodb:Query',
    'dynamodb:GetItem',
    'dynamodb:BatchGetItem',
    'dynamodb:BatchWriteItem',
    'dynamodb:UpdateItem',
    'dynamodb:DeleteItem',
  );
  requeue.addToRolePolicy(
    new PolicyStatement({
      actions: ['sqs:SendMessage'],
      resources: [deliveryQueue.queueArn, deadLetterQueue.queueArn],
    }),
  );
  addSchedule(scope, {
    target: requeue,
    interval: Duration.minutes(1),
    purpose: 'requeuing of messages that are due',
  });
}

function addReconcile(scope: Construct, { state, exceptions }: RetriesProps): void {
  const environment: ReconcileEnvironment = {
    SEALPOST_MESSAGE_TABLE: state.messageTable.tableName,
    SEALPOST_RETRY_TABLE: state.retryTable.tableName,
    SEALPOST_CONTROL_TABLE: state.controlTable.tableName,
    SEALPOST_EXCEPTIONS: exceptions,
  };
  const reconcile = new HandlerFunction(scope, 'Function', {
    handler: 'reconcile',
    description: 'Puts deliveries in again whose next attempt is overdue by an hour',
    environment,
    timeout: Duration.minutes(10),
    memoryMb: 512,
  });
  grantTable(reconcile, state.messageTable, 'dynamodb:GetItem');
  grantIndexQuery(reconcile, state.messageTable, 'WaitingByDue');
  grantTable(reconcile, state.retryTable, 'dynamodb:PutItem');
  grantTable(reconcile, state.controlTable, 'dynamodb:Query');
  addSchedule(scope, {
    target: reconcile,
    interval: Duration.hours(1),
    purpose: 'search for overdue deliveries',
  });
}
