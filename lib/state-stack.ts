/** What must outlive every deployment: tables, message contents, TLS reports, and the addresses that the world knows us by. */
import { CfnOutput, Duration, RemovalPolicy, Stack, type StackProps } from 'aws-cdk-lib';
import {
  AttributeType,
  Billing,
  type GlobalSecondaryIndexPropsV2,
  ProjectionType,
  TableEncryptionV2,
  TableV2,
} from 'aws-cdk-lib/aws-dynamodb';
import { CfnEIP } from 'aws-cdk-lib/aws-ec2';
import { PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import {
  BlockPublicAccess,
  Bucket,
  BucketEncryption,
  type BucketProps,
  type CfnBucket,
  type IBucket,
  ObjectOwnership,
} from 'aws-cdk-lib/aws-s3';
import type { Construct } from 'constructs';

/** What is kept. */
export interface StateStackProps extends StackProps {
  /** How many Elastic IPs to create for sending; 0 where the operator brings some, or a smart host sends. */
  readonly sendingAddressCount: number;
  /** Whether SES may put mail into the report bucket, which then tells EventBridge of new objects. */
  readonly receivesReports: boolean;
}

/** The receipt rule of SES by which reports come in (lib/report-inbox-stack.ts), and where it puts them. */
export const receiptRuleName = 'sealpost-tls-reports';
export const receivedMailPrefix = 'received/mail/';

/** A TTL attribute shared by all tables that have one: epoch seconds, and a hint to DynamoDB only. */
const timeToLiveAttribute = 'removeAtSeconds';

/** Protected against termination; its resources stay even when the stack goes. */
export class StateStack extends Stack {
  /** Cached MTA-STS policies of other domains, by policy domain. */
  readonly policyTable: TableV2;
  /** A row per message and next-hop domain, and the records of its attempts. */
  readonly messageTable: TableV2;
  /** Messages that wait for their next attempt, by due minute. Without a TTL: an item ends when it was sent. */
  readonly retryTable: TableV2;
  /** What operators decide at run time: tagging rules and exceptions, by kind and name. */
  readonly controlTable: TableV2;
  /** TLS reports (RFC 8460): results of sessions, reports that are sent, reports that others sent. */
  readonly reportTable: TableV2;
  /** Contents of messages that do not fit into the queue or wait. */
  readonly messageBucket: Bucket;
  /** Bodies of TLS reports: `sent/` those too large for the table, and whatever is received. */
  readonly reportBucket: Bucket;
  /** Elastic IPs made here, in order. */
  readonly sendingAddresses: readonly CfnEIP[];

  constructor(scope: Construct, id: string, props: StateStackProps) {
    super(scope, id, { ...props, terminationProtection: true });
    this.policyTable = createTable(this, 'PolicyTable', {
      partitionKey: 'domain',
      timeToLive: true,
    });
    this.messageTable = createTable(this, 'MessageTable', {
      partitionKey: 'id',
      sortKey: 'part',
      timeToLive: true,
      indexes: [
        waitingIndex('WaitingByDue', 'nextDueAtMs', 'submittedAtMs'),
        waitingIndex('WaitingByAge', 'submittedAtMs', 'nextDueAtMs'),
      ],
    });
    this.retryTable = createTable(this, 'RetryTable', {
      partitionKey: 'bucket',
      sortKey: 'entry',
      timeToLive: false,
    });
    this.controlTable = createTable(this, 'ControlTable', {
      partitionKey: 'kind',
      sortKey: 'name',
      timeToLive: true,
    });
    this.reportTable = createTable(this, 'ReportTable', {
      partitionKey: 'key',
      sortKey: 'entry',
      timeToLive: true,
    });
    const accessLogs = createAccessLogBucket(this);
    this.messageBucket = createMessageBucket(this, accessLogs);
    this.reportBucket = createReportBucket(this, accessLogs);
    if (props.receivesReports) {
      admitReports(this, this.reportBucket);
    }
    this.sendingAddresses = createSendingAddresses(this, props.sendingAddressCount);
    this.addOutputs();
  }

  private addOutputs(): void {
    new CfnOutput(this, 'PolicyTableName', { value: this.policyTable.tableName });
    new CfnOutput(this, 'MessageTableName', { value: this.messageTable.tableName });
    new CfnOutput(this, 'RetryTableName', { value: this.retryTable.tableName });
    new CfnOutput(this, 'ControlTableName', { value: this.controlTable.tableName });
    new CfnOutput(this, 'ReportTableName', { value: this.reportTable.tableName });
    new CfnOutput(this, 'MessageBucketName', { value: this.messageBucket.bucketName });
    new CfnOutput(this, 'ReportBucketName', { value: this.reportBucket.bucketName });
  }
}

interface TableShape {
  readonly partitionKey: string;
  readonly sortKey?: string;
  readonly timeToLive: boolean;
  readonly indexes?: GlobalSecondaryIndexPropsV2[];
}

/** Lists deliveries that were put off, by shard; other rows have no `waiting` and cost nothing here. */
function waitingIndex(
  indexName: string,
  orderedBy: string,
  other: string,
): GlobalSecondaryIndexPropsV2 {
  return {
    indexName,
    partitionKey: { name: 'waiting', type: AttributeType.STRING },
    sortKey: { name: orderedBy, type: AttributeType.NUMBER },
    projectionType: ProjectionType.INCLUDE,
    // What a list shows; rows may have 400 KB.
    nonKeyAttributes: ['mailFrom', 'attempt', 'held', other],
  };
}

function createTable(scope: Construct, id: string, shape: TableShape): TableV2 {
  return new TableV2(scope, id, {
    partitionKey: { name: shape.partitionKey, type: AttributeType.STRING },
    ...(shape.sortKey !== undefined && {
      sortKey: { name: shape.sortKey, type: AttributeType.STRING },
    }),
    ...(shape.timeToLive && { timeToLiveAttribute }),
    ...(shape.indexes !== undefined && { globalSecondaryIndexes: shape.indexes }),
    billing: Billing.onDemand(),
    encryption: TableEncryptionV2.dynamoOwnedKey(),
    pointInTimeRecoverySpecification: { pointInTimeRecoveryEnabled: true },
    deletionProtection: true,
    removalPolicy: RemovalPolicy.RETAIN,
  });
}

/** Mail is private and its storage is ours alone: no public access, no plain HTTP, encrypted, never deleted with a stack. */
const bucketDefaults = {
  encryption: BucketEncryption.S3_MANAGED,
  blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
  objectOwnership: ObjectOwnership.BUCKET_OWNER_ENFORCED,
  enforceSSL: true,
  minimumTLSVersion: 1.2,
  removalPolicy: RemovalPolicy.RETAIN,
} as const satisfies BucketProps;

function createAccessLogBucket(scope: Construct): IBucket {
  const accessLogs = new Bucket(scope, 'AccessLogBucket', {
    ...bucketDefaults,
    lifecycleRules: [{ expiration: Duration.days(90) }],
  });
  // The cast: exactOptionalPropertyTypes does not see that the class has all that its own interface asks for.
  return accessLogs as IBucket;
}

function createMessageBucket(scope: Construct, accessLogs: IBucket): Bucket {
  return new Bucket(scope, 'MessageBucket', {
    ...bucketDefaults,
    serverAccessLogsBucket: accessLogs,
    serverAccessLogsPrefix: 'message-bucket/',
    lifecycleRules: [
      {
        // A net beneath the code: the longest expiry (12 days) and a stay in the dead-letter queue (14) fit in.
        expiration: Duration.days(30),
        abortIncompleteMultipartUploadAfter: Duration.days(1),
      },
      // What was accepted has a copy of its own.
      { prefix: 'uploads/', expiration: Duration.days(1) },
    ],
  });
}

function createReportBucket(scope: Construct, accessLogs: IBucket): Bucket {
  return new Bucket(scope, 'ReportBucket', {
    ...bucketDefaults,
    serverAccessLogsBucket: accessLogs,
    serverAccessLogsPrefix: 'report-bucket/',
    // 13 months: this year's reports can be held against last year's.
    lifecycleRules: [
      {
        expiration: Duration.days(400),
        abortIncompleteMultipartUploadAfter: Duration.days(1),
      },
    ],
  });
}

/** Lets SES put mail into the bucket, by our rule alone, and has the bucket tell of what comes. */
function admitReports(stack: Stack, bucket: Bucket): void {
  bucket.addToResourcePolicy(
    new PolicyStatement({
      sid: 'TlsReportsByMail',
      principals: [new ServicePrincipal('ses.amazonaws.com')],
      actions: ['s3:PutObject'],
      resources: [bucket.arnForObjects(`${receivedMailPrefix}*`)],
      conditions: {
        StringEquals: { 'aws:SourceAccount': stack.account },
        ArnLike: {
          'aws:SourceArn': `arn:${stack.partition}:ses:${stack.region}:${stack.account}:receipt-rule-set/*:receipt-rule/${receiptRuleName}`,
        },
      },
    }),
  );
  // By hand: the CDK would bring a function of its own for it.
  const resource = bucket.node.defaultChild as CfnBucket;
  resource.notificationConfiguration = {
    eventBridgeConfiguration: { eventBridgeEnabled: true },
  };
}

/**
 * Elastic IPs that stay when the stack goes: their PTR records, their place on allow lists and the lifted block of
 * port 25 cannot be had again with another address.
 */
function createSendingAddresses(scope: Construct, count: number): readonly CfnEIP[] {
  return Array.from({ length: count }, (_, index) => {
    const address = new CfnEIP(scope, `SendingAddress${index + 1}`, {
      domain: 'vpc',
      tags: [{ key: 'Name', value: `Sealpost sending address ${index + 1}` }],
    });
    address.applyRemovalPolicy(RemovalPolicy.RETAIN);
    return address;
  });
}
