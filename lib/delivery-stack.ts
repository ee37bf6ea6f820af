/** Delivery: the queue, the function that empties it, its way out, and the refresh of what it caches. */
import { CfnOutput, Duration, Fn, RemovalPolicy, Stack, type StackProps } from 'aws-cdk-lib';
import { RecursiveLoop } from 'aws-cdk-lib/aws-lambda';
import { SqsEventSource } from 'aws-cdk-lib/aws-lambda-event-sources';
import { Queue, QueueEncryption, type QueueProps } from 'aws-cdk-lib/aws-sqs';
import type { Construct } from 'constructs';
import type {
  DeliverEnvironment,
  DeliverySettings,
  NetworkSetting,
} from '../functions/environment.ts';
import { allow, grantContents, grantSecrets } from './grants.ts';
import { HandlerFunction } from './handler-function.ts';
import { NatEgress } from './nat-egress.ts';
import { PolicyRefresh } from './policy-refresh.ts';
import { Retries } from './retries.ts';
import type { StateStack } from './state-stack.ts';
import { grantTable } from './table-grants.ts';

/** An Elastic IP to send from. */
export interface SendingAddress {
  readonly allocationId: string;
  readonly address: string;
}

/** Straight to the MX hosts of recipients. */
export interface NatEgressChoice {
  readonly kind: 'nat';
  /** Two, one for each zone; absent: those of the state stack. */
  readonly elasticIps?: readonly SendingAddress[] | undefined;
  /** Two; absent: the first two of the region. */
  readonly availabilityZones?: readonly string[] | undefined;
}

/** What TLS reports are made of. */
export interface RecordingChoice {
  /** The public address of the sessions, where it is one (RFC 8460 §4.4 sending-mta-ip). */
  readonly sendingMtaIp?: string | undefined;
}

/** What is delivered from, how, and over which network. */
export interface DeliveryStackProps extends StackProps {
  readonly state: StateStack;
  /** With `smartHost` set where `egress` is one. */
  readonly delivery: DeliverySettings;
  readonly egress: NatEgressChoice | { readonly kind: 'smartHost' };
  readonly network: NetworkSetting;
  /** Absent: no TLS report is sent, and no session recorded. */
  readonly recording?: RecordingChoice | undefined;
  /** Invocations of the delivery function at a time, 2 to 1000. */
  readonly invocationsMax: number;
}

/** The longest that Lambda allows: a slow peer may take 10 minutes to answer the final dot (RFC 5321 §4.5.3.2.6). */
const deliverTimeout = Duration.minutes(15);

/** Long enough to find several messages for one domain together, which then share a connection. */
const batchingWindow = Duration.seconds(1);

/** Whatever holds mail in it stays when the stack goes; the rest can be made anew. */
export class DeliveryStack extends Stack {
  readonly deliveryQueue: Queue;
  readonly deadLetterQueue: Queue;
  readonly #zones: readonly string[];

  constructor(scope: Construct, id: string, props: DeliveryStackProps) {
    super(scope, id, props);
    this.#zones = chooseZones(props.egress);
    const { deliveryQueue, deadLetterQueue } = createQueues(this);
    this.deliveryQueue = deliveryQueue;
    this.deadLetterQueue = deadLetterQueue;
    const deliver = createDeliverFunction(this, props, { deliveryQueue, deadLetterQueue });
    deliver.addEventSource(
      new SqsEventSource(deliveryQueue, {
        batchSize: 10,
        maxBatchingWindow: batchingWindow,
        reportBatchItemFailures: true,
        // Not reserved concurrency: what that throttles counts as received, and healthy mail ends as a dead letter.
        maxConcurrency: props.invocationsMax,
      }),
    );
    grantDelivery(deliver, props, { deliveryQueue, deadLetterQueue });
    new Retries(this, 'Retries', {
      state: props.state,
      deliveryQueue,
      deadLetterQueue,
      exceptions: props.delivery.exceptions,
    });
    new PolicyRefresh(this, 'PolicyRefresh', {
      policyTable: props.state.policyTable,
      network: props.network,
    });
    new CfnOutput(this, 'DeliveryQueueUrl', { value: deliveryQueue.queueUrl });
    new CfnOutput(this, 'DeadLetterQueueUrl', { value: deadLetterQueue.queueUrl });
    addSettingsOutputs(this, props);
    addSendingAddressOutput(this, props);
  }

  /** Two zones of the region by CloudFormation's own count: the inherited list would be looked up in the account. */
  override get availabilityZones(): string[] {
    return [...this.#zones];
  }
}

interface Queues {
  readonly deliveryQueue: Queue;
  readonly deadLetterQueue: Queue;
}

function chooseZones(egress: DeliveryStackProps['egress']): readonly string[] {
  const chosen = egress.kind === 'nat' ? egress.availabilityZones : undefined;
  return chosen ?? [Fn.select(0, Fn.getAzs()), Fn.select(1, Fn.getAzs())];
}

function createQueues(scope: Construct): Queues {
  const common: QueueProps = {
    encryption: QueueEncryption.SQS_MANAGED,
    enforceSSL: true,
    retentionPeriod: Duration.days(14),
    // What is in them is mail that was accepted; it does not go with the stack.
    removalPolicy: RemovalPolicy.RETAIN,
  };
  const deadLetterQueue = new Queue(scope, 'DeadLetterQueue', common);
  const deliveryQueue = new Queue(scope, 'DeliveryQueue', {
    ...common,
    // AWS asks for six times the function's timeout and the batching window on top.
    visibilityTimeout: Duration.seconds(
      6 * deliverTimeout.toSeconds() + batchingWindow.toSeconds(),
    ),
    // A slow peer costs no receipt (it is settled), only a fault of ours does.
    deadLetterQueue: { queue: deadLetterQueue, maxReceiveCount: 10 },
  });
  return { deliveryQueue, deadLetterQueue };
}

function createDeliverFunction(
  scope: Construct,
  props: DeliveryStackProps,
  { deliveryQueue, deadLetterQueue }: Queues,
): HandlerFunction {
  const { state, egress, recording } = props;
  const environment: DeliverEnvironment = {
    SEALPOST_NETWORK: props.network,
    SEALPOST_DELIVERY: props.delivery,
    SEALPOST_POLICY_TABLE: state.policyTable.tableName,
    SEALPOST_MESSAGE_TABLE: state.messageTable.tableName,
    SEALPOST_RETRY_TABLE: state.retryTable.tableName,
    SEALPOST_CONTROL_TABLE: state.controlTable.tableName,
    SEALPOST_MESSAGE_BUCKET: state.messageBucket.bucketName,
    SEALPOST_DELIVERY_QUEUE_URL: deliveryQueue.queueUrl,
    SEALPOST_DEAD_LETTER_QUEUE_URL: deadLetterQueue.queueUrl,
    ...(recording !== undefined && { SEALPOST_REPORT_TABLE: state.reportTable.tableName }),
    ...(recording?.sendingMtaIp !== undefined && {
      SEALPOST_SENDING_MTA_IP: recording.sendingMtaIp,
    }),
  };
  const way =
    egress.kind === 'nat'
      ? new NatEgress(scope, 'Egress', {
          elasticIpAllocationIds: sendingAddresses(props).map(({ allocationId }) => allocationId),
          network: props.network,
        })
      : undefined;
  return new HandlerFunction(scope, 'Deliver', {
    handler: 'deliver',
    description: 'Delivers queued messages over SMTP, on channels that their policies allow',
    environment,
    timeout: deliverTimeout,
    memoryMb: 1_024,
    // It enqueues what it splits or puts back, a number of times that it bounds itself; Lambda would take that for a
    // runaway loop and drop mail.
    recursiveLoop: RecursiveLoop.ALLOW,
    ...(way !== undefined && {
      network: { vpc: way.vpc, securityGroups: [way.securityGroup] },
    }),
  });
}

/** What the adapters call (functions/adapters/aws), and nothing else. */
function grantDelivery(
  deliver: HandlerFunction,
  { state, delivery, recording }: DeliveryStackProps,
  { deliveryQueue, deadLetterQueue }: Queues,
): void {
  if (recording !== undefined) {
    state.reportTable.grant(deliver, 'dynamodb:BatchWriteItem');
  }
  state.policyTable.grant(deliver, 'dynamodb:GetItem', 'dynamodb:UpdateItem');
  grantTable(
    deliver,
    state.messageTable,
    'dynamodb:GetItem',
    'dynamodb:PutItem',
    'dynamodb:UpdateItem',
  );
  // Retries, and the domains that cannot be reached.
  grantTable(
    deliver,
    state.retryTable,
    'dynamodb:PutItem',
    'dynamodb:BatchWriteItem',
    'dynamodb:GetItem',
    'dynamodb:UpdateItem',
  );
  state.controlTable.grant(deliver, 'dynamodb:Query');
  allow(deliver, deliveryQueue.queueArn, 'sqs:SendMessage');
  allow(deliver, deadLetterQueue.queueArn, 'sqs:SendMessage');
  // Senders put contents under any key; the function keeps its own under one prefix.
  grantContents(
    deliver,
    state,
    ['*', 's3:GetObject'],
    ['content/*', 's3:PutObject', 's3:DeleteObject'],
  );
  grantSecrets(deliver, secretsOf(delivery));
}

/** The secrets that the settings name. */
function secretsOf({ smartHost, dkimKeys }: DeliverySettings): readonly string[] {
  const credentials = smartHost?.credentialsSecretArn;
  return [
    ...(credentials === undefined ? [] : [credentials]),
    ...dkimKeys.map(({ secretArn }) => secretArn),
  ];
}

/** The two Elastic IPs in use: the operator's, or those of the state stack. */
function sendingAddresses({ egress, state }: DeliveryStackProps): readonly SendingAddress[] {
  const given = egress.kind === 'nat' ? egress.elasticIps : [];
  return (
    given ??
    state.sendingAddresses.map(({ attrAllocationId, attrPublicIp }) => ({
      allocationId: attrAllocationId,
      address: attrPublicIp,
    }))
  );
}

/** What the command line goes by, so that it sees what the functions see and not what a config file says by now. */
function addSettingsOutputs(stack: Stack, { delivery, network }: DeliveryStackProps): void {
  new CfnOutput(stack, 'DeliverySettings', { value: JSON.stringify(delivery) });
  new CfnOutput(stack, 'NetworkSetting', { value: JSON.stringify(network) });
}

/** What the operator has to say of these addresses in DNS, and ask AWS for (README.md). */
function addSendingAddressOutput(stack: Stack, props: DeliveryStackProps): void {
  const addresses = sendingAddresses(props).map(({ address }) => address);
  if (addresses.length > 0) {
    new CfnOutput(stack, 'SendingAddresses', {
      description: `A records of ${props.delivery.ehloName}; their PTR records name it; SPF lists them`,
      value: Fn.join(' ', addresses),
    });
  }
}
