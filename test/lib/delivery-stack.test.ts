import { Match } from 'aws-cdk-lib/assertions';
import { beforeAll, describe, expect, test } from 'vitest';
import {
  allowedActions,
  exampleProps,
  type Statement,
  statementsOf,
  synthesizeTemplates,
  type Templates,
} from './synthesize.ts';

const secretArn = 'arn:aws:secretsmanager:eu-west-1:111122223333:secret:relay-AbCdEf';
const dkimArn = 'arn:aws:secretsmanager:eu-west-1:111122223333:secret:dkim-AbCdEf';

/** The example, sending through NAT gateways. */
let nat: Templates;
/** Sending through a smart host. */
let relayed: Templates;
/** Bringing its own addresses, zones and resolver, on a network that is not the internet. */
let tailored: Templates;

beforeAll(() => {
  const { delivery } = exampleProps();
  nat = synthesizeTemplates();
  relayed = synthesizeTemplates({
    replace: {
      egress: { kind: 'smartHost' },
      delivery: {
        ...delivery,
        smartHost: { host: 'relay.example.com', port: 465, credentialsSecretArn: secretArn },
        dkimKeys: ['example.com', 'example.org'].map((domain) => ({
          domain,
          selector: 's1',
          secretArn: dkimArn,
        })),
      },
    },
  });
  tailored = synthesizeTemplates({
    replace: {
      egress: {
        kind: 'nat',
        elasticIps: [
          { allocationId: 'eipalloc-0a', address: '198.51.100.25' },
          { allocationId: 'eipalloc-0b', address: '198.51.100.26' },
        ],
        availabilityZones: ['eu-west-1b', 'eu-west-1c'],
      },
      network: {
        smtpPort: 2525,
        resolvers: [
          '192.0.2.53:5353',
          'https://dns.example/dns-query@192.0.2.54,192.0.2.55',
          'https://dns.example:8443/dns-query@192.0.2.56,192.0.2.57',
        ],
      },
      invocationsMax: 7,
      recording: { sendingMtaIp: '198.51.100.25' },
    },
  });
});

describe('queues', () => {
  test('ten receipts, then the dead-letter queue', () => {
    nat.delivery.hasResourceProperties('AWS::SQS::Queue', {
      RedrivePolicy: {
        deadLetterTargetArn: { 'Fn::GetAtt': [Match.stringLikeRegexp('^DeadLetterQueue'), 'Arn'] },
        maxReceiveCount: 10,
      },
    });
  });

  test('hide a message for six times the timeout of the function and the batching window', () => {
    const [deliver] = Object.values(
      nat.delivery.findResources('AWS::Lambda::Function', { Properties: { MemorySize: 1024 } }),
    );
    const [mapping] = Object.values(nat.delivery.findResources('AWS::Lambda::EventSourceMapping'));
    nat.delivery.hasResourceProperties('AWS::SQS::Queue', {
      VisibilityTimeout:
        6 * deliver?.['Properties'].Timeout +
        mapping?.['Properties'].MaximumBatchingWindowInSeconds,
    });
  });

  test('are encrypted, kept for 14 days and kept when the stack goes', () => {
    nat.delivery.resourceCountIs('AWS::SQS::Queue', 2);
    nat.delivery.allResources('AWS::SQS::Queue', {
      DeletionPolicy: 'Retain',
      Properties: Match.objectLike({
        SqsManagedSseEnabled: true,
        MessageRetentionPeriod: 1_209_600,
      }),
    });
  });

  test('refuse plain HTTP', () => {
    nat.delivery.resourceCountIs('AWS::SQS::QueuePolicy', 2);
    nat.delivery.allResourcesProperties('AWS::SQS::QueuePolicy', {
      PolicyDocument: {
        Statement: [
          Match.objectLike({
            Effect: 'Deny',
            Action: 'sqs:*',
            Condition: { Bool: { 'aws:SecureTransport': 'false' } },
          }),
        ],
      },
    });
  });
});

describe('the delivery function', () => {
  test('takes batches, returns failures one by one, and is bounded without reserving', () => {
    nat.delivery.hasResourceProperties('AWS::Lambda::EventSourceMapping', {
      BatchSize: 10,
      MaximumBatchingWindowInSeconds: 1,
      FunctionResponseTypes: ['ReportBatchItemFailures'],
      ScalingConfig: { MaximumConcurrency: 20 },
    });
    nat.delivery.allResourcesProperties('AWS::Lambda::Function', {
      ReservedConcurrentExecutions: Match.absent(),
    });
    tailored.delivery.hasResourceProperties('AWS::Lambda::EventSourceMapping', {
      ScalingConfig: { MaximumConcurrency: 7 },
    });
  });

  test('has the longest timeout, and may enqueue into its own queue', () => {
    nat.delivery.hasResourceProperties('AWS::Lambda::Function', {
      Timeout: 900,
      MemorySize: 1024,
      RecursiveLoop: 'Allow',
    });
  });

  test('every function: Node 24 on arm64, its own log group with an end', () => {
    nat.delivery.allResourcesProperties('AWS::Lambda::Function', {
      Runtime: 'nodejs24.x',
      Architectures: ['arm64'],
      Handler: 'index.handler',
      LoggingConfig: { LogGroup: { Ref: Match.anyValue() } },
    });
    nat.delivery.allResourcesProperties('AWS::Logs::LogGroup', {
      RetentionInDays: Match.anyValue(),
    });
  });

  test('sees its environment and nothing else', () => {
    nat.delivery.hasResourceProperties('AWS::Lambda::Function', {
      MemorySize: 1024,
      Environment: Match.exact({
        Variables: {
          SEALPOST_NETWORK: '{}',
          SEALPOST_DELIVERY: JSON.stringify(exampleProps().delivery),
          SEALPOST_POLICY_TABLE: importOf('PolicyTable'),
          SEALPOST_MESSAGE_TABLE: importOf('MessageTable'),
          SEALPOST_RETRY_TABLE: importOf('RetryTable'),
          SEALPOST_CONTROL_TABLE: importOf('ControlTable'),
          SEALPOST_MESSAGE_BUCKET: importOf('MessageBucket'),
          SEALPOST_DELIVERY_QUEUE_URL: { Ref: Match.stringLikeRegexp('^DeliveryQueue') },
          SEALPOST_DEAD_LETTER_QUEUE_URL: { Ref: Match.stringLikeRegexp('^DeadLetterQueue') },
        },
      }),
    });
  });
});

describe('least privilege of the delivery function', () => {
  let statements: readonly Statement[];

  beforeAll(() => {
    statements = statementsOf(nat.delivery, 'Sealpost function deliver');
  });

  test.each([
    ['RefPolicyTable', [], 'no grant on a name'],
    ['PolicyTable', ['dynamodb:GetItem', 'dynamodb:UpdateItem'], 'reads and updates policies'],
    [
      'RetryTable',
      ['dynamodb:BatchWriteItem', 'dynamodb:GetItem', 'dynamodb:PutItem', 'dynamodb:UpdateItem'],
      'adds to the retry table, and keeps domains that cannot be reached',
    ],
    ['ControlTable', ['dynamodb:Query'], 'only reads what operators decided'],
    ['DeadLetterQueue', ['sqs:SendMessage'], 'only sends to the dead-letter queue'],
    ['Secret', [], 'no secret without a smart host'],
  ])('%s: %j, %s', (resource, actions) => {
    expect(allowedActions(statements, resource)).toEqual(actions);
  });

  test('records sessions where reports are sent, and only then', () => {
    expect(allowedActions(statements, 'ReportTable')).toEqual([]);
    const recording = statementsOf(tailored.delivery, 'Sealpost function deliver');
    expect(allowedActions(recording, 'ReportTable')).toEqual(['dynamodb:BatchWriteItem']);
    tailored.delivery.hasResourceProperties('AWS::Lambda::Function', {
      Environment: {
        Variables: Match.objectLike({
          SEALPOST_REPORT_TABLE: Match.anyValue(),
          SEALPOST_SENDING_MTA_IP: '198.51.100.25',
        }),
      },
    });
  });

  test('claims and settles in the message table', () => {
    expect(new Set(allowedActions(statements, 'MessageTable'))).toEqual(
      new Set(['dynamodb:GetItem', 'dynamodb:PutItem', 'dynamodb:UpdateItem']),
    );
  });

  test('reads any content, writes and removes under its own prefix, and can tell a missing object', () => {
    const onBucket = statements
      .filter(({ Resource }) => JSON.stringify(Resource).includes('MessageBucket'))
      .map(({ Action, Resource }) => [Action, JSON.stringify(Resource).match(/"(\/[^"]*)"/)?.[1]]);
    expect(onBucket).toEqual([
      ['s3:GetObject', '/*'],
      [['s3:DeleteObject', 's3:PutObject'], '/content/*'],
      ['s3:ListBucket', undefined],
    ]);
  });

  test('receives from and sends to its queue', () => {
    expect(allowedActions(statements, 'DeliveryQueue')).toEqual([
      'sqs:ChangeMessageVisibility',
      'sqs:DeleteMessage',
      'sqs:GetQueueAttributes',
      'sqs:GetQueueUrl',
      'sqs:ReceiveMessage',
      'sqs:SendMessage',
    ]);
  });

  test('"*" is for the network interfaces that Lambda makes, and denied to the code itself', () => {
    const everything = statements.filter(({ Resource }) => Resource === '*');
    expect(everything.map(({ Effect }) => Effect).sort()).toEqual(['Allow', 'Deny']);
    const [one, other] = everything;
    expect(one?.Action).toEqual(other?.Action);
    expect([one?.Action].flat().every((action) => action?.startsWith('ec2:'))).toBe(true);
    expect(everything.find(({ Effect }) => Effect === 'Deny')?.Condition).toEqual({
      ArnEquals: {
        'lambda:SourceFunctionArn': { 'Fn::GetAtt': [expect.stringMatching(/^Deliver/), 'Arn'] },
      },
    });
  });

  test('no managed policy anywhere', () => {
    for (const template of [nat.delivery, nat.policyHost, relayed.delivery]) {
      template.allResourcesProperties('AWS::IAM::Role', { ManagedPolicyArns: Match.absent() });
    }
  });
});

describe('egress through NAT gateways', () => {
  test('one in each of two zones, with the created addresses', () => {
    nat.delivery.resourceCountIs('AWS::EC2::NatGateway', 2);
    for (const address of ['SendingAddress1', 'SendingAddress2']) {
      nat.delivery.hasResourceProperties('AWS::EC2::NatGateway', {
        AllocationId: {
          'Fn::ImportValue': Match.stringLikeRegexp(`${address}AllocationId`),
        },
        ConnectivityType: Match.absent(),
        AvailabilityMode: Match.absent(),
      });
    }
  });

  test("or with the operator's, and then none is created", () => {
    for (const allocationId of ['eipalloc-0a', 'eipalloc-0b']) {
      tailored.delivery.hasResourceProperties('AWS::EC2::NatGateway', {
        AllocationId: allocationId,
      });
    }
    tailored.state.resourceCountIs('AWS::EC2::EIP', 0);
    tailored.delivery.resourceCountIs('AWS::EC2::EIP', 0);
    nat.delivery.resourceCountIs('AWS::EC2::EIP', 0);
  });

  test('zones are counted by CloudFormation, so that nothing is looked up, or named by the config', () => {
    nat.delivery.hasResourceProperties('AWS::EC2::Subnet', {
      AvailabilityZone: { 'Fn::Select': [1, { 'Fn::GetAZs': '' }] },
    });
    tailored.delivery.hasResourceProperties('AWS::EC2::Subnet', { AvailabilityZone: 'eu-west-1c' });
  });

  test('S3 and DynamoDB are reached without it', () => {
    nat.delivery.resourceCountIs('AWS::EC2::VPCEndpoint', 2);
    nat.delivery.allResourcesProperties('AWS::EC2::VPCEndpoint', { VpcEndpointType: 'Gateway' });
  });

  test('rejected traffic is logged', () => {
    nat.delivery.hasResourceProperties('AWS::EC2::FlowLog', {
      ResourceType: 'VPC',
      TrafficType: 'REJECT',
    });
  });

  test('mail and HTTPS go out, with DNS in it, and nothing comes in', () => {
    expect(egressRules(nat)).toEqual(['tcp 25 0.0.0.0/0', 'tcp 443 0.0.0.0/0']);
    nat.delivery.hasResourceProperties('AWS::EC2::SecurityGroup', {
      SecurityGroupIngress: Match.absent(),
    });
    nat.delivery.resourceCountIs('AWS::EC2::SecurityGroupIngress', 0);
  });

  test('ports and resolvers of the network setting are let out, and 443 for AWS', () => {
    expect(egressRules(tailored)).toEqual([
      'tcp 2525 0.0.0.0/0',
      'tcp 443 0.0.0.0/0',
      'tcp 5353 192.0.2.53/32',
      'tcp 8443 192.0.2.56/32',
      'tcp 8443 192.0.2.57/32',
      'udp 5353 192.0.2.53/32',
    ]);
  });

  test('the sending addresses are an output', () => {
    nat.delivery.hasOutput('SendingAddresses', {
      Value: {
        'Fn::Join': [
          ' ',
          [
            { 'Fn::ImportValue': Match.stringLikeRegexp('SendingAddress1PublicIp') },
            { 'Fn::ImportValue': Match.stringLikeRegexp('SendingAddress2PublicIp') },
          ],
        ],
      },
    });
    tailored.delivery.hasOutput('SendingAddresses', { Value: '198.51.100.25 198.51.100.26' });
  });
});

describe('egress through a smart host', () => {
  test('needs no VPC, no address and no right to make network interfaces', () => {
    relayed.delivery.resourceCountIs('AWS::EC2::VPC', 0);
    relayed.state.resourceCountIs('AWS::EC2::EIP', 0);
    relayed.delivery.allResourcesProperties('AWS::Lambda::Function', {
      VpcConfig: Match.absent(),
    });
    const statements = statementsOf(relayed.delivery, 'Sealpost function deliver');
    expect(statements.filter(({ Resource }) => Resource === '*')).toEqual([]);
  });

  test.each([
    [secretArn, "the smart host's credentials"],
    [dkimArn, 'a DKIM key, for as many domains as it signs'],
  ])('may read the secret %s, and do nothing else with it (%s)', (arn, _why) => {
    const statements = statementsOf(relayed.delivery, 'Sealpost function deliver');
    expect(allowedActions(statements, arn)).toEqual(['secretsmanager:GetSecretValue']);
  });
});

describe('the refresh of policies', () => {
  test('runs every 15 minutes', () => {
    nat.delivery.hasResourceProperties('AWS::Scheduler::Schedule', {
      ScheduleExpression: 'rate(15 minutes)',
      FlexibleTimeWindow: { Mode: 'OFF' },
      Target: Match.objectLike({
        Arn: { 'Fn::GetAtt': [Match.stringLikeRegexp('^PolicyRefreshFunction'), 'Arn'] },
      }),
    });
  });

  test('sees and touches the policy table only, outside the VPC', () => {
    nat.delivery.hasResourceProperties('AWS::Lambda::Function', {
      MemorySize: 512,
      VpcConfig: Match.absent(),
      Environment: Match.exact({
        Variables: { SEALPOST_NETWORK: '{}', SEALPOST_POLICY_TABLE: importOf('PolicyTable') },
      }),
    });
    const statements = statementsOf(nat.delivery, 'Sealpost function refresh-policies');
    expect(allowedActions(statements, '')).toEqual([
      'dynamodb:GetItem',
      'dynamodb:Scan',
      'dynamodb:UpdateItem',
      'logs:CreateLogStream',
      'logs:PutLogEvents',
    ]);
  });
});

test('the command line reads the settings that the functions have', () => {
  const { delivery, network } = exampleProps();
  nat.delivery.hasOutput('DeliverySettings', { Value: JSON.stringify(delivery) });
  nat.delivery.hasOutput('NetworkSetting', { Value: JSON.stringify(network) });
});

test.each(['DeliveryQueueUrl', 'DeadLetterQueueUrl'])('output %s', (name) => {
  nat.delivery.hasOutput(name, { Value: { Ref: Match.anyValue() } });
});

/** A name that the state stack exports. */
function importOf(resource: string): object {
  return {
    'Fn::ImportValue': Match.stringLikeRegexp(`^SealpostState:ExportsOutputRef${resource}`),
  };
}

function egressRules({ delivery }: Templates): readonly string[] {
  const [group] = Object.values(delivery.findResources('AWS::EC2::SecurityGroup'));
  const rules: readonly Record<string, unknown>[] = group?.['Properties'].SecurityGroupEgress;
  return rules
    .map(({ IpProtocol, FromPort, ToPort, CidrIp }) => {
      expect(FromPort).toBe(ToPort);
      return `${IpProtocol} ${FromPort} ${CidrIp}`;
    })
    .sort();
}
