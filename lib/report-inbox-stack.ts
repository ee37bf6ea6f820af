/**
 * Receiving TLS reports (RFC 8460): the mailbox, and the function behind it. What is received lies in the state stack.
 *
 * SES puts mail into the bucket; the bucket tells EventBridge, which tells the queue.
 */
import { createHash } from 'node:crypto';
import {
  CfnOutput,
  CustomResource,
  Duration,
  Fn,
  Stack,
  type StackProps,
  Validations,
} from 'aws-cdk-lib';
import { Rule } from 'aws-cdk-lib/aws-events';
import { SqsQueue } from 'aws-cdk-lib/aws-events-targets';
import type { IRole } from 'aws-cdk-lib/aws-iam';
import { SqsEventSource } from 'aws-cdk-lib/aws-lambda-event-sources';
import {
  CnameRecord,
  HostedZone,
  type IHostedZone,
  MxRecord,
  TxtRecord,
} from 'aws-cdk-lib/aws-route53';
import { CfnEmailIdentity } from 'aws-cdk-lib/aws-ses';
import { type IQueue, Queue, QueueEncryption } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import type {
  CheckReportsEnvironment,
  NetworkSetting,
  ReceiveReportEnvironment,
  ReportInboxSetting,
} from '../functions/environment.ts';
import { tlsrptRecordName } from '../functions/protocol/tlsrpt/record.ts';
import { addSchedule } from './function-schedule.ts';
import { allow, grantReports } from './grants.ts';
import { HandlerFunction } from './handler-function.ts';
import { receiptRuleName, receivedMailPrefix, type StateStack } from './state-stack.ts';
import { grantTable } from './table-grants.ts';

/** A zone that Route 53 serves. */
export interface ZoneChoice {
  readonly id: string;
  readonly name: string;
}

/** Which mailbox, and whose reports. */
export interface ReportInboxChoice {
  readonly mailbox: string;
  /** The zone of the mailbox's domain; without it outputs say what to create. */
  readonly hostedZone?: ZoneChoice;
  /** Whether SES is to be told of the mailbox's domain; false where it knows that already. */
  readonly createsIdentity: boolean;
  /** Whether `POST /tlsrpt` is served, and named in the records. */
  readonly https: boolean;
  readonly setting: ReportInboxSetting;
  /** Our policy domains, each with its zone where we have it. */
  readonly domains: readonly { readonly domain: string; readonly hostedZone?: ZoneChoice }[];
}

export interface ReportInboxStackProps extends StackProps {
  readonly state: StateStack;
  readonly network: NetworkSetting;
  readonly inbox: ReportInboxChoice;
  /** Of the HTTP API. */
  readonly apiEndpoint: string;
}

/** Five of reading and judging (functions/handlers/receive-report.ts), and as many for faults of ours. */
const maxReceiveCount = 10;

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
    const zones = new Zones(this);
    addMailboxRecords(this, props, zones);
    addReportRecords(this, props, zones);
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
  grantTable(check, state.reportTable, 'dynamodb:Query');
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

/** Zones by id, each imported once. */
class Zones {
  readonly #scope: Construct;
  readonly #byId = new Map<string, IHostedZone>();

  constructor(scope: Construct) {
    this.#scope = scope;
  }

  of({ id, name }: ZoneChoice): IHostedZone {
    const attributes = { hostedZoneId: id, zoneName: name };
    const zone =
      this.#byId.get(id) ??
      HostedZone.fromHostedZoneAttributes(this.#scope, `Zone-${id}`, attributes);
    this.#byId.set(id, zone);
    return zone;
  }
}

/** The domain of the mailbox: SES takes mail for a domain that it knows to be ours. */
function addMailboxRecords(
  stack: Stack,
  { inbox: { mailbox, hostedZone, createsIdentity } }: ReportInboxStackProps,
  zones: Zones,
): void {
  const domain = mailbox.slice(mailbox.lastIndexOf('@') + 1);
  const mxHost = `inbound-smtp.${stack.region}.amazonaws.com`;
  const identity = createsIdentity
    ? new CfnEmailIdentity(stack, 'Identity', { emailIdentity: domain })
    : undefined;
  const keys = identity === undefined ? [] : keyRecordsOf(identity);
  if (hostedZone === undefined) {
    new CfnOutput(stack, 'ReportMailboxRecords', {
      description: `To create for ${domain}, so that SES takes mail for it`,
      value: Fn.join('; ', [
        `${domain} MX 10 ${mxHost}`,
        ...keys.map(({ name, value }) => Fn.join(' CNAME ', [name, value])),
      ]),
    });
    return;
  }
  const zone = zones.of(hostedZone);
  new MxRecord(stack, 'Mx', {
    zone,
    recordName: domain,
    values: [{ priority: 10, hostName: mxHost }],
  });
  for (const [index, { name, value }] of keys.entries()) {
    // With the dot at its end it is taken for a full name; the CDK cannot see that, as it is a token.
    const recordName = `${name}.`;
    new CnameRecord(stack, `Key${index + 1}`, { zone, recordName, domainName: value });
  }
}

/** Easy DKIM: by these records SES learns that the domain is ours. */
function keyRecordsOf(
  identity: CfnEmailIdentity,
): readonly { readonly name: string; readonly value: string }[] {
  return [
    { name: identity.attrDkimDnsTokenName1, value: identity.attrDkimDnsTokenValue1 },
    { name: identity.attrDkimDnsTokenName2, value: identity.attrDkimDnsTokenValue2 },
    { name: identity.attrDkimDnsTokenName3, value: identity.attrDkimDnsTokenValue3 },
  ];
}

/** RFC 8460 §3: by its record a domain asks for reports. */
function addReportRecords(
  stack: Stack,
  { inbox, apiEndpoint }: ReportInboxStackProps,
  zones: Zones,
): void {
  const mailto = `mailto:${encodeUri(inbox.mailbox)}`;
  const rua = inbox.https ? `${mailto},${apiEndpoint}/tlsrpt` : mailto;
  const text = `v=TLSRPTv1; rua=${rua}`;
  for (const { domain, hostedZone } of inbox.domains) {
    const recordName = tlsrptRecordName(domain);
    if (hostedZone !== undefined) {
      new TxtRecord(stack, `Txt-${domain}`, {
        zone: zones.of(hostedZone),
        recordName,
        values: [text],
        // RFC 8460 §7: the longer it is kept, the less an attacker gains by hiding it.
        ttl: Duration.days(1),
      });
      continue;
    }
    // Output names are letters and digits only; the hash keeps a-b.example and ab.example apart.
    const hash = createHash('sha256').update(domain).digest('hex').slice(0, 8);
    new CfnOutput(stack, `ReportRecord${domain.replace(/[^a-z0-9]/g, '')}${hash}`, {
      description: `To create for ${domain}, once the mailbox takes mail`,
      value: `${recordName} TXT "${text}"`,
    });
  }
}

/** RFC 8460 §3, RFC 6068 §2: what an address may have and a URI, or the record, may not. */
function encodeUri(mailbox: string): string {
  return mailbox.replaceAll(/[^A-Za-z0-9@._~+-]/g, (char) =>
    encodeURIComponent(char).replace('!', '%21'),
  );
}
