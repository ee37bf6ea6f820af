/** TLS reports that are sent (RFC 8460): planned each quarter of an hour, queued, sent by mail and by HTTPS. */
import { Duration, RemovalPolicy, Stack, type StackProps, Validations } from 'aws-cdk-lib';
import { EventBus, Rule } from 'aws-cdk-lib/aws-events';
import { LambdaFunction } from 'aws-cdk-lib/aws-events-targets';
import { type IRole, PolicyStatement } from 'aws-cdk-lib/aws-iam';
import { SqsEventSource } from 'aws-cdk-lib/aws-lambda-event-sources';
import {
  ConfigurationSet,
  ConfigurationSetTlsPolicy,
  EmailSendingEvent,
  EventDestination,
} from 'aws-cdk-lib/aws-ses';
import { Queue, QueueEncryption, type QueueProps } from 'aws-cdk-lib/aws-sqs';
import type { Construct } from 'constructs';
import type {
  DkimKeySetting,
  NetworkSetting,
  PlanReportsEnvironment,
  ReportSettings,
  SendReportEnvironment,
  SuppressBouncedEnvironment,
} from '../functions/environment.ts';
import { submitterOf } from '../functions/protocol/tlsrpt/report.ts';
import { addSchedule } from './function-schedule.ts';
import { HandlerFunction } from './handler-function.ts';
import type { StateStack } from './state-stack.ts';
import { grantTable } from './table-grants.ts';

/** What is sent, and by whom. */
export interface ReportingProps {
  readonly settings: ReportSettings;
  /** Those of the contact's domain; one at least. */
  readonly dkimKeys: readonly DkimKeySetting[];
}

export interface ReportingStackProps extends StackProps {
  readonly state: StateStack;
  readonly reports: ReportingProps;
  readonly network: NetworkSetting;
}

const sendTimeout = Duration.minutes(5);

/** Nothing in here is kept when the stack goes: what was recorded is in the state stack, and planned once more. */
export class ReportingStack extends Stack {
  constructor(scope: Construct, id: string, props: ReportingStackProps) {
    super(scope, id, props);
    const queue = createQueue(this);
    // RFC 8460 §3: reports go out although TLS fails, and SES does not read TLS-Required.
    const configurationSet = new ConfigurationSet(this, 'ConfigurationSet', {
      tlsPolicy: ConfigurationSetTlsPolicy.OPTIONAL,
      reputationMetrics: true,
    });
    addPlanner(this, props, queue);
    addSender(this, props, { queue, configurationSet });
    addBounces(this, props, configurationSet);
  }
}

function createQueue(scope: Construct): Queue {
  const common: QueueProps = {
    encryption: QueueEncryption.SQS_MANAGED,
    enforceSSL: true,
    removalPolicy: RemovalPolicy.DESTROY,
  };
  const deadLetterQueue = new Queue(scope, 'ReportDeadLetterQueue', {
    ...common,
    retentionPeriod: Duration.days(14),
  });
  return new Queue(scope, 'ReportQueue', {
    ...common,
    // The spreading over four hours, and a day and more of attempts.
    retentionPeriod: Duration.days(4),
    // AWS asks for six times the function's timeout.
    visibilityTimeout: Duration.seconds(6 * sendTimeout.toSeconds()),
    // Each attempt is a receipt: eight in a day, or one an hour where the record cannot be looked up.
    deadLetterQueue: { queue: deadLetterQueue, maxReceiveCount: 60 },
  });
}

function addPlanner(scope: Construct, { state }: ReportingStackProps, queue: Queue): void {
  const environment: PlanReportsEnvironment = {
    SEALPOST_REPORT_TABLE: state.reportTable.tableName,
    SEALPOST_REPORT_BUCKET: state.reportBucket.bucketName,
    SEALPOST_REPORT_QUEUE_URL: queue.queueUrl,
  };
  const plan = new HandlerFunction(scope, 'PlanReports', {
    handler: 'plan-reports',
    description: 'Plans the TLS reports about a day that is over',
    environment,
    // Done before the next run begins, so that two do not plan the same.
    timeout: Duration.minutes(10),
    memoryMb: 512,
  });
  grantTable(plan, state.reportTable, 'dynamodb:GetItem', 'dynamodb:Query', 'dynamodb:UpdateItem');
  allow(plan, ['sqs:SendMessage'], queue.queueArn);
  addSchedule(scope, {
    target: plan,
    interval: Duration.minutes(15),
    purpose: 'planning of TLS reports',
  });
}

interface SenderParts {
  readonly queue: Queue;
  readonly configurationSet: ConfigurationSet;
}

/** Outside the VPC: it speaks HTTPS only, to AWS, to DNS servers and to destinations, and no SMTP. */
function addSender(
  scope: Construct,
  { state, reports, network }: ReportingStackProps,
  { queue, configurationSet }: SenderParts,
): void {
  const environment: SendReportEnvironment = {
    SEALPOST_NETWORK: network,
    SEALPOST_REPORTS: reports.settings,
    SEALPOST_REPORT_DKIM_KEYS: reports.dkimKeys,
    SEALPOST_REPORT_TABLE: state.reportTable.tableName,
    SEALPOST_REPORT_BUCKET: state.reportBucket.bucketName,
    SEALPOST_REPORT_QUEUE_URL: queue.queueUrl,
    SEALPOST_REPORT_CONFIGURATION_SET: configurationSet.configurationSetName,
  };
  const send = new HandlerFunction(scope, 'SendReport', {
    handler: 'send-report',
    description: 'Builds TLS reports and sends them, by mail and by HTTPS',
    environment,
    timeout: sendTimeout,
    // Ten reports of ten megabytes, unpacked and packed, are rare and possible.
    memoryMb: 1_024,
  });
  send.addEventSource(
    new SqsEventSource(queue, {
      batchSize: 10,
      reportBatchItemFailures: true,
      // 100,000 domains in four hours are seven a second; SES and destinations are spared more than that at once.
      maxConcurrency: 10,
    }),
  );
  grantTable(send, state.reportTable, 'dynamodb:GetItem', 'dynamodb:Query', 'dynamodb:UpdateItem');
  for (const secretArn of new Set(reports.dkimKeys.map((key) => key.secretArn))) {
    allow(send, ['secretsmanager:GetSecretValue'], secretArn);
  }
  grantBodies(send, state);
  grantMail(send, reports.settings, configurationSet);
}

/** What is too large for the table, under one prefix. */
function grantBodies(send: HandlerFunction, state: StateStack): void {
  const bucketArn = state.exportValue(state.reportBucket.bucketArn) as string;
  allow(send, ['s3:GetObject', 's3:PutObject'], `${bucketArn}/sent/*`);
  const exportName = Stack.of(send).resolve(bucketArn)['Fn::ImportValue'];
  Validations.of(send.role as IRole).acknowledge({
    id: `AwsSolutions-IAM5[Resource::${exportName}/sent/*]`,
    reason: 'A grant on objects takes a pattern: keys are made per report.',
  });
}

/** From the contact alone. */
function grantMail(
  send: HandlerFunction,
  { contactInfo }: ReportSettings,
  configurationSet: ConfigurationSet,
): void {
  const stack = Stack.of(send);
  const arnOf = (resource: string, resourceName: string): string =>
    stack.formatArn({ service: 'ses', resource, resourceName });
  send.addToRolePolicy(
    new PolicyStatement({
      actions: ['ses:SendEmail', 'ses:SendRawEmail'],
      resources: [
        arnOf('identity', submitterOf(contactInfo)),
        arnOf('configuration-set', configurationSet.configurationSetName),
      ],
      conditions: { StringEquals: { 'ses:FromAddress': contactInfo } },
    }),
  );
}

/** SES tells of returned mail on the account's own bus, whichever configuration set it is of. */
function addBounces(
  scope: Construct,
  { state }: ReportingStackProps,
  configurationSet: ConfigurationSet,
): void {
  const bus = EventBus.fromEventBusName(scope, 'DefaultBus', 'default');
  configurationSet.addEventDestination('Bounces', {
    destination: EventDestination.eventBus(bus),
    events: [EmailSendingEvent.BOUNCE],
  });
  const environment: SuppressBouncedEnvironment = {
    SEALPOST_REPORT_TABLE: state.reportTable.tableName,
  };
  const suppress = new HandlerFunction(scope, 'SuppressBounced', {
    handler: 'suppress-bounced',
    description: 'Leaves addresses alone from which TLS reports came back for good',
    environment,
    timeout: Duration.seconds(30),
    memoryMb: 256,
  });
  grantTable(suppress, state.reportTable, 'dynamodb:PutItem');
  new Rule(scope, 'BounceRule', {
    description: 'Sealpost: TLS reports that came back',
    eventPattern: {
      source: ['aws.ses'],
      detailType: ['Email Bounced'],
      detail: {
        mail: { tags: { 'ses:configuration-set': [configurationSet.configurationSetName] } },
      },
    },
    targets: [new LambdaFunction(suppress)],
  });
}

function allow(grantee: HandlerFunction, actions: readonly string[], resource: string): void {
  grantee.addToRolePolicy(new PolicyStatement({ actions: [...actions], resources: [resource] }));
}
