import { Match } from 'aws-cdk-lib/assertions';
import { beforeAll, describe, expect, test } from 'vitest';
import { createApp, synthesizeTemplates, type Templates } from './synthesize.ts';

let templates: Templates;

beforeAll(() => {
  templates = synthesizeTemplates();
});

describe('tables', () => {
  test.each([
    ['policy', [['domain', 'HASH']], 'removeAtSeconds'],
    [
      'message',
      [
        ['id', 'HASH'],
        ['part', 'RANGE'],
      ],
      'removeAtSeconds',
    ],
    [
      'retry',
      [
        ['bucket', 'HASH'],
        ['entry', 'RANGE'],
      ],
      undefined,
    ],
    [
      'control',
      [
        ['kind', 'HASH'],
        ['name', 'RANGE'],
      ],
      'removeAtSeconds',
    ],
    [
      'report',
      [
        ['key', 'HASH'],
        ['entry', 'RANGE'],
      ],
      'removeAtSeconds',
    ],
  ])('%s: its key, and whether items end by themselves', (_table, key, timeToLive) => {
    templates.state.hasResourceProperties('AWS::DynamoDB::GlobalTable', {
      KeySchema: key.map(([AttributeName, KeyType]) => ({ AttributeName, KeyType })),
      AttributeDefinitions: Match.arrayWith(
        key.map(([AttributeName]) => ({ AttributeName, AttributeType: 'S' })),
      ),
      TimeToLiveSpecification:
        timeToLive === undefined ? Match.absent() : { AttributeName: timeToLive, Enabled: true },
    });
  });

  test.each([
    ['WaitingByDue', 'nextDueAtMs', 'when the next attempt is due'],
    ['WaitingByAge', 'submittedAtMs', 'oldest first'],
  ])('what waits is listed by %s: %s, %s', (IndexName, orderedBy) => {
    templates.state.hasResourceProperties('AWS::DynamoDB::GlobalTable', {
      AttributeDefinitions: Match.arrayWith([{ AttributeName: orderedBy, AttributeType: 'N' }]),
      GlobalSecondaryIndexes: Match.arrayWith([
        Match.objectLike({
          IndexName,
          KeySchema: [
            { AttributeName: 'waiting', KeyType: 'HASH' },
            { AttributeName: orderedBy, KeyType: 'RANGE' },
          ],
          Projection: Match.objectLike({ ProjectionType: 'INCLUDE' }),
        }),
      ]),
    });
  });

  test('all can be restored, none can be deleted', () => {
    templates.state.resourceCountIs('AWS::DynamoDB::GlobalTable', 5);
    templates.state.allResources('AWS::DynamoDB::GlobalTable', {
      DeletionPolicy: 'Retain',
      UpdateReplacePolicy: 'Retain',
      Properties: Match.objectLike({
        BillingMode: 'PAY_PER_REQUEST',
        Replicas: [
          Match.objectLike({
            DeletionProtectionEnabled: true,
            PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true },
          }),
        ],
      }),
    });
  });
});

describe('buckets', () => {
  test('are private, encrypted and kept', () => {
    templates.state.resourceCountIs('AWS::S3::Bucket', 3);
    templates.state.allResources('AWS::S3::Bucket', {
      DeletionPolicy: 'Retain',
      Properties: Match.objectLike({
        PublicAccessBlockConfiguration: {
          BlockPublicAcls: true,
          BlockPublicPolicy: true,
          IgnorePublicAcls: true,
          RestrictPublicBuckets: true,
        },
        BucketEncryption: Match.anyValue(),
      }),
    });
  });

  test('refuse plain HTTP and old TLS', () => {
    templates.state.allResourcesProperties('AWS::S3::BucketPolicy', {
      PolicyDocument: {
        Statement: Match.arrayWith([
          Match.objectLike({
            Effect: 'Deny',
            Action: 's3:*',
            Condition: { Bool: { 'aws:SecureTransport': 'false' } },
          }),
          Match.objectLike({
            Effect: 'Deny',
            Action: 's3:*',
            Condition: { NumericLessThan: { 's3:TlsVersion': 1.2 } },
          }),
        ]),
      },
    });
  });

  test('message contents outlive the longest expiry and the dead-letter queue, and then go; uploads go after a day', () => {
    const [dead] = Object.values(
      templates.delivery.findResources('AWS::SQS::Queue', {
        Properties: { RedrivePolicy: Match.absent() },
      }),
    );
    const daysInQueue = dead?.['Properties'].MessageRetentionPeriod / 86_400;
    templates.state.hasResourceProperties('AWS::S3::Bucket', {
      LoggingConfiguration: Match.anyValue(),
      LifecycleConfiguration: {
        Rules: [
          Match.objectLike({ ExpirationInDays: 30, Status: 'Enabled', Prefix: Match.absent() }),
          { ExpirationInDays: 1, Status: 'Enabled', Prefix: 'uploads/' },
        ],
      },
    });
    expect(12 + daysInQueue).toBeLessThan(30);
  });

  test('bodies of TLS reports can be looked at for 13 months', () => {
    templates.state.hasResourceProperties('AWS::S3::Bucket', {
      LoggingConfiguration: Match.objectLike({ LogFilePrefix: 'report-bucket/' }),
      LifecycleConfiguration: {
        Rules: [Match.objectLike({ ExpirationInDays: 400, Prefix: Match.absent() })],
      },
    });
  });
});

describe('sending addresses', () => {
  test('two are created, and kept when the stack goes', () => {
    templates.state.resourceCountIs('AWS::EC2::EIP', 2);
    templates.state.allResources('AWS::EC2::EIP', {
      DeletionPolicy: 'Retain',
      UpdateReplacePolicy: 'Retain',
    });
  });
});

test('the stack is protected against termination', () => {
  const stack = createApp().synth().getStackByName('SealpostState');
  expect(stack.terminationProtection).toBe(true);
});

test.each([
  'PolicyTableName',
  'MessageTableName',
  'RetryTableName',
  'ControlTableName',
  'ReportTableName',
  'MessageBucketName',
  'ReportBucketName',
])('output %s', (name) => {
  templates.state.hasOutput(name, { Value: { Ref: Match.anyValue() } });
});
