/**
 * Receiving TLS reports (RFC 8460): the mailbox, and the function behind it. What is received lies in the state stack.
 *
 * SES puts mail into the bucket; the bucket tells EventBridge, which tells the queue.
 */
import { CustomResource, Duration, Stack, type StackProps, Validations } from 'aws-cdk-lib';
import { Rule } from 'aws-cdk-lib/aws-events';
import { SqsQueue } from 'aws-cdk-lib/aws-events-targets';
import type { IRole } from 'aws-cdk-lib/aws-iam';
import { SqsEventSource } from 'aws-cdk-lib/aws-lambda-event-sources';
import { type IQueue, Queue, QueueEncryption } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import type {
  CheckReportsEnvironment,
  NetworkSetting,
  ReceiveReportEnvironment,
} from '../functions/environment.ts';
import { addSchedule } from './function-schedule.ts';
import { allow, grantReports } from './grants.ts';
import { HandlerFunction } from './handler-function.ts';
import { addReportAlarms } from './report-alarms.ts';
import { addReportRecords, type ReportRecordsProps } from './report-records.ts';
import { receiptRuleName, receivedMailPrefix, type StateStack } from './state-stack.ts';
import { grantTable } from './table-grants.ts';

export interface ReportInboxStackProps extends StackProps, ReportRecordsProps {
  readonly state: StateStack;
  readonly network: NetworkSetting;
}

/** Those of reading (functions/handlers/receive-report.ts), the one that keeps it unread, and some for faults of ours. */
const maxReceiveCount = 12;

const receiveTimeout = Duration.minutes(2);

export class ReportInboxStack extends Stack {
  constructor(scope: Construct, id: string, props: ReportInboxStackProps) {
    super(scope, id, props);
    const queue = createQueue(this);
    tellOfObjects(this, props.state, queue);
    const receive = createReceiveFunction(this, props);
    receive.addEventSource(
      new SqsEventSource(queue, {
        // What kills the process costs its own record an attempt, and no other.
        batchSize: 1,
        reportBatchItemFailures: true,
        // RFC 8460 §7: a flood of reports must not take the account's concurrency from mail.
        maxConcurrency: 5,
      }),
    );
    addCheck(new Construct(this, 'Check'), props);
    addReceiptRule(new Construct(this, 'ReceiptRule'), props);
    addReportAlarms(new Construct(this, 'Alarms'), props.inbox.alarmTopicArn);
    addReportRecords(this, props);
  }
}

function createQueue(scope: Construct): Queue {
  const common = {
    encryption: QueueEncryption.SQS_MANAGED,
    enforceSSL: true,
    retentionPeriod: Duration.days(14),
  };
  const deadLetterQueue = new Queue(scope, 'DeadLetterQueue', common);
  return new Queue(scope, 'Queue', {
    ...common,
    visibilityTimeout: Duration.seconds(6 * receiveTimeout.toSeconds()),
    deadLetterQueue: { queue: deadLetterQueue, maxReceiveCount },
  });
}

function tellOfObjects(scope: Construct, { reportBucket }: StateStack, queue: Queue): void {
  new Rule(scope, 'Received', {
    description: 'Sealpost: TLS reports that came in',
    eventPattern: {
      source: ['aws.s3'],
      detailType: ['Object Created'],
      detail: {
        bucket: { name: [reportBucket.bucketName] },
        object: { key: [{ prefix: 'received/' }] },
      },
    },
    // The cast: exactOptionalPropertyTypes does not see that the class has all that its own interface asks for.
    targets: [new SqsQueue(queue as IQueue)],
  });
}

/** Outside the VPC: it calls AWS, and DNS over HTTPS for keys. */
function createReceiveFunction(
  scope: Construct,
  { state, network, inbox }: ReportInboxStackProps,
): HandlerFunction {
  const environment: ReceiveReportEnvironment = {
    SEALPOST_NETWORK: network,
    SEALPOST_REPORT_TABLE: state.reportTable.tableName,
    SEALPOST_REPORT_BUCKET: state.reportBucket.bucketName,
    SEALPOST_REPORT_INBOX: inbox.setting,
  };
  const receive = new HandlerFunction(scope, 'Receive', {
    handler: 'receive-report',
    description: 'Reads TLS reports that others send, and counts those that are signed',
    environment,
    timeout: receiveTimeout,
    // A mail of 15 MiB, its parts, 10 MiB of JSON and what is made of it.
    memoryMb: 1_024,
  });
  grantTable(
    receive,
    state.reportTable,
    'dynamodb:BatchWriteItem',
    'dynamodb:GetItem',
    'dynamodb:PutItem',
    'dynamodb:UpdateItem',
  );
  const bucketArn = state.exportValue(state.reportBucket.bucketArn) as string;
  grantReports(receive, state, 'received/*', 's3:GetObject');
  // Without it S3 answers "access denied" for an object that is not there, which would look like a fault of ours.
  allow(receive, bucketArn, 's3:ListBucket');
  return receive;
}

function addCheck(scope: Construct, { state, inbox }: ReportInboxStackProps): void {
  const environment: CheckReportsEnvironment = {
    SEALPOST_REPORT_TABLE: state.reportTable.tableName,
    SEALPOST_REPORT_INBOX: inbox.setting,
  };
  const check = new HandlerFunction(scope, 'Function', {
    handler: 'check-reports',
    description: 'Looks each day who reports no more, and where too many sessions fail',
    environment,
    timeout: Duration.minutes(5),
    memoryMb: 512,
  });
  grantTable(check, state.reportTable, 'dynamodb:BatchWriteItem', 'dynamodb:Query');
  addSchedule(scope, {
    target: check,
    interval: Duration.days(1),
    purpose: 'look at received TLS reports',
  });
}

/** Actions on receipt rules; SES knows no resources for them. */
const ruleActions = [
  'ses:CreateReceiptRule',
  'ses:CreateReceiptRuleSet',
  'ses:DeleteReceiptRule',
  'ses:DeleteReceiptRuleSet',
  'ses:DescribeActiveReceiptRuleSet',
  'ses:DescribeReceiptRuleSet',
  'ses:SetActiveReceiptRuleSet',
  'ses:UpdateReceiptRule',
];

function addReceiptRule(scope: Construct, { state, inbox }: ReportInboxStackProps): void {
  const install = new HandlerFunction(scope, 'Function', {
    handler: 'receipt-rule',
    description: 'Puts the receipt rule for TLS reports into the active rule set',
    environment: {},
    timeout: Duration.minutes(2),
    memoryMb: 256,
  });
  allow(install, '*', ...ruleActions);
  Validations.of(install.role as IRole).acknowledge({
    id: 'AwsSolutions-IAM5[Resource::*]',
    reason: 'SES has no resource-level permissions for receipt rules.',
  });
  const rule = new CustomResource(scope, 'Rule', {
    resourceType: 'Custom::ReceiptRule',
    serviceToken: install.functionArn,
    serviceTimeout: Duration.minutes(5),
    properties: {
      name: receiptRuleName,
      mailbox: inbox.mailbox,
      bucket: state.reportBucket.bucketName,
      prefix: receivedMailPrefix,
    },
  });
  // Its policy is a resource of its own, and nothing else makes the rule wait for it.
  rule.node.addDependency(install.role as IRole);
}
