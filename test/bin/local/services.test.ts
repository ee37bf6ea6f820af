import { connect } from 'node:net';
import {
  DescribeTableCommand,
  DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
  QueryCommand,
} from '@aws-sdk/client-dynamodb';
import {
  CreateMultipartUploadCommand,
  GetObjectCommand,
  PutObjectCommand,
  PutObjectTaggingCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { SESv2Client, SendEmailCommand } from '@aws-sdk/client-sesv2';
import { GetQueueAttributesCommand, SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import type { LocalCloud } from '../../../bin/local/cloud.ts';
import { startDynamoDb } from '../../../bin/local/dynamodb.ts';
import { lambda } from './assembly.ts';
import { cloudOf, credentials } from './cloud-fixture.ts';

/** Ends an SDK client with the test. */
function used<T extends { destroy(): void }>(client: T): T {
  onTestFinished(() => client.destroy());
  return client;
}

const common = { region: 'eu-west-1', credentials, maxAttempts: 1 };

describe('tables', () => {
  const keys = {
    KeySchema: [
      { AttributeName: 'id', KeyType: 'HASH' },
      { AttributeName: 'part', KeyType: 'RANGE' },
    ],
    AttributeDefinitions: [
      { AttributeName: 'id', AttributeType: 'S' },
      { AttributeName: 'part', AttributeType: 'S' },
      { AttributeName: 'due', AttributeType: 'N' },
    ],
    GlobalSecondaryIndexes: [
      {
        IndexName: 'byDue',
        KeySchema: [{ AttributeName: 'due', KeyType: 'HASH' }],
        Projection: { ProjectionType: 'ALL' },
      },
    ],
  };

  test.each([
    [
      'AWS::DynamoDB::GlobalTable',
      {
        BillingMode: 'PAY_PER_REQUEST',
        Replicas: [{ Region: { Ref: 'AWS::Region' }, DeletionProtectionEnabled: true }],
        SSESpecification: { SSEEnabled: false },
        TimeToLiveSpecification: { AttributeName: 'removeAt', Enabled: true },
      },
    ],
    ['AWS::DynamoDB::Table', { TableName: 'given', BillingMode: 'PAY_PER_REQUEST' }],
  ])('%s is made with its keys and indexes', async (Type, more) => {
    const cloud = await cloudOf({ Table: { Type, Properties: { ...keys, ...more } } });
    const client = used(new DynamoDBClient({ ...common, endpoint: cloud.endpoints.dynamodb }));
    const TableName = cloud.physicalId('Table');
    const { Table } = await client.send(new DescribeTableCommand({ TableName }));
    expect(Table).toMatchObject({ TableStatus: 'ACTIVE', KeySchema: keys.KeySchema });
    const Item = { id: { S: 'a' }, part: { S: 'b' }, due: { N: '7' } };
    await client.send(new PutItemCommand({ TableName, Item }));
    const again = new PutItemCommand({
      TableName,
      Item,
      ConditionExpression: 'attribute_not_exists(id)',
    });
    await expect(client.send(again)).rejects.toThrow(/conditional request failed/);
    const { Items } = await client.send(
      new QueryCommand({
        TableName,
        IndexName: 'byDue',
        KeyConditionExpression: 'due = :due',
        ExpressionAttributeValues: { ':due': { N: '7' } },
      }),
    );
    expect(Items).toEqual([Item]);
  });

  test('a table without keys is refused', async () => {
    const table = { Type: 'AWS::DynamoDB::Table', Properties: {} };
    await expect(cloudOf({ Table: table })).rejects.toThrow(/S\/Table [\s\S]*KeySchema/);
  });

  test('a request that is cut off does not end the process', async () => {
    const dynamodb = await startDynamoDb();
    onTestFinished(dynamodb.close);
    await new Promise<void>((resolve) => {
      const socket = connect(dynamodb.port, '127.0.0.1', () => {
        socket.write('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"half":', () => {
          setImmediate(() => socket.resetAndDestroy());
        });
      });
      socket.once('close', () => resolve());
    });
    const client = used(
      new DynamoDBClient({ ...common, endpoint: `http://127.0.0.1:${dynamodb.port}` }),
    );
    const missing = new GetItemCommand({ TableName: 'none', Key: { id: { S: 'a' } } });
    await expect(client.send(missing)).rejects.toThrow(/resource not found/);
  });
});

test('queues have the attributes of the template, in the region of their stack', async () => {
  const cloud = await cloudOf({
    Dead: { Type: 'AWS::SQS::Queue', DeletionPolicy: 'Retain' },
    Mail: {
      Type: 'AWS::SQS::Queue',
      Properties: {
        QueueName: 'mail',
        VisibilityTimeout: 90,
        MessageRetentionPeriod: 1_209_600,
        DelaySeconds: 2,
        SqsManagedSseEnabled: true,
        RedrivePolicy: {
          deadLetterTargetArn: { 'Fn::GetAtt': ['Dead', 'Arn'] },
          maxReceiveCount: 5,
        },
      },
    },
  });
  const client = used(new SQSClient({ ...common, endpoint: cloud.endpoints.sqs }));
  const QueueUrl = cloud.physicalId('Mail');
  expect(QueueUrl).toBe(`${cloud.endpoints.sqs}/000000000000/mail`);
  const attributes = async (): Promise<Record<string, string> | undefined> =>
    (await client.send(new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['All'] })))
      .Attributes;
  expect(await attributes()).toMatchObject({
    QueueArn: 'arn:aws:sqs:eu-west-1:000000000000:mail',
    VisibilityTimeout: '90',
    MessageRetentionPeriod: '1209600',
    DelaySeconds: '2',
    RedrivePolicy: expect.stringMatching(/:S-Dead-[0-9a-f]{8}","maxReceiveCount":5}$/),
  });
  await client.send(new SendMessageCommand({ QueueUrl, MessageBody: 'x' }));
  expect(await attributes()).toMatchObject({ ApproximateNumberOfMessagesDelayed: '1' });
});

describe('buckets', () => {
  async function bucket(): Promise<{ readonly client: S3Client; readonly Bucket: string }> {
    const cloud = await cloudOf({ Mail: { Type: 'AWS::S3::Bucket', Properties: {} } });
    return {
      client: used(new S3Client({ ...common, endpoint: cloud.endpoints.s3 })),
      Bucket: cloud.physicalId('Mail'),
    };
  }

  test('keep 40 MB, byte for byte', async () => {
    const { client, Bucket } = await bucket();
    const Body = Buffer.alloc(40 * 1024 * 1024, 'mail');
    await client.send(new PutObjectCommand({ Bucket, Key: 'a/b', Body }));
    const { Body: got } = await client.send(new GetObjectCommand({ Bucket, Key: 'a/b' }));
    expect(Body.equals((await got?.transformToByteArray()) ?? Buffer.alloc(0))).toBe(true);
    await client.send(new CreateMultipartUploadCommand({ Bucket, Key: 'c' }));
    const missing = new GetObjectCommand({ Bucket, Key: 'none' });
    await expect(client.send(missing)).rejects.toMatchObject({ name: 'NoSuchKey' });
  });

  test('refuse what would overwrite an object by mistake', async () => {
    const { client, Bucket } = await bucket();
    const at = { Bucket, Key: 'a' };
    await client.send(new PutObjectCommand({ ...at, Body: 'kept' }));
    const tagging = new PutObjectTaggingCommand({ ...at, Tagging: { TagSet: [] } });
    const conditional = new PutObjectCommand({ ...at, Body: 'new', IfNoneMatch: '*' });
    for (const command of [tagging, conditional]) {
      await expect(client.send(command as PutObjectCommand)).rejects.toMatchObject({
        name: 'NotImplemented',
      });
    }
    const { Body } = await client.send(new GetObjectCommand(at));
    expect(await Body?.transformToString()).toBe('kept');
  });
});

describe('SES', () => {
  async function ses(): Promise<{ readonly cloud: LocalCloud; readonly client: SESv2Client }> {
    const cloud = await cloudOf({});
    return { cloud, client: used(new SESv2Client({ ...common, endpoint: cloud.endpoints.sesv2 })) };
  }

  test('keeps raw messages byte for byte, with their envelope', async () => {
    const { cloud, client } = await ses();
    const raw = Buffer.from('From: a@example.com\r\n\r\n\u00ff\u0000.\r\n', 'latin1');
    const { MessageId } = await client.send(
      new SendEmailCommand({
        FromEmailAddress: 'tlsrpt@example.com',
        Destination: { ToAddresses: ['a@example.net'], BccAddresses: ['b@example.net'] },
        Content: { Raw: { Data: raw } },
        EmailTags: [{ Name: 'report', Value: '1' }],
      }),
    );
    expect(cloud.ses.messages).toEqual([
      {
        messageId: MessageId,
        from: 'tlsrpt@example.com',
        recipients: ['a@example.net', 'b@example.net'],
        raw,
        request: expect.objectContaining({ EmailTags: [{ Name: 'report', Value: '1' }] }),
      },
    ]);
  });

  test('takes simple messages', async () => {
    const { cloud, client } = await ses();
    const content = { Subject: { Data: 's' }, Body: { Text: { Data: 't' } } };
    await client.send(
      new SendEmailCommand({
        FromEmailAddress: 'a@example.com',
        Destination: { ToAddresses: ['b@example.net'] },
        Content: { Simple: content },
      }),
    );
    expect(cloud.ses.messages[0]).toMatchObject({
      raw: undefined,
      request: { Content: { Simple: content } },
    });
  });

  test('refuses what SES refuses', async () => {
    const { cloud, client } = await ses();
    const huge = new SendEmailCommand({
      Content: { Raw: { Data: Buffer.alloc(40 * 1024 * 1024 + 1) } },
    });
    await expect(client.send(huge)).rejects.toMatchObject({ name: 'MessageRejected' });
    const response = await fetch(`${cloud.endpoints.sesv2}/v2/email/outbound-emails`, {
      method: 'POST',
      body: 'no json',
    });
    expect([response.status, response.headers.get('x-amzn-errortype')]).toEqual([
      400,
      'BadRequestException',
    ]);
    expect(cloud.ses.messages).toHaveLength(0);
  });
});

test('secrets are given, declared, or made up', async () => {
  const cloud = await cloudOf(
    {
      Plain: { Type: 'AWS::SecretsManager::Secret', Properties: { SecretString: 'p' } },
      Made: {
        Type: 'AWS::SecretsManager::Secret',
        Properties: {
          GenerateSecretString: {
            SecretStringTemplate: '{"username":"u"}',
            GenerateStringKey: 'password',
          },
        },
      },
    },
    {},
    { secrets: { 'smart-host': '{"username":"x"}' } },
  );
  const client = used(
    new SecretsManagerClient({ ...common, endpoint: cloud.endpoints.secretsManager }),
  );
  const value = async (SecretId: string): Promise<string | undefined> =>
    (await client.send(new GetSecretValueCommand({ SecretId }))).SecretString;
  expect(await value('smart-host')).toBe('{"username":"x"}');
  expect(await value(cloud.physicalId('Plain'))).toBe('p');
  expect(JSON.parse((await value(cloud.physicalId('Made'))) ?? '')).toEqual({
    username: 'u',
    password: expect.stringMatching(/^.{32}$/),
  });
  await expect(value('none')).rejects.toMatchObject({ name: 'ResourceNotFoundException' });
});

test('a function reaches the services by its environment alone', async () => {
  onTestFinished(() => void vi.unstubAllEnvs());
  vi.stubEnv('AWS_PROFILE', 'no-such-profile');
  const cloud = await cloudOf(
    {
      Mail: { Type: 'AWS::SQS::Queue' },
      Fn: lambda('code', { Environment: { Variables: { QUEUE_URL: { Ref: 'Mail' } } } }),
    },
    {
      code: `export const handler = async () => {
        const { AWS_ENDPOINT_URL_SQS, AWS_REGION, QUEUE_URL } = process.env;
        const response = await fetch(AWS_ENDPOINT_URL_SQS, {
          method: 'POST',
          headers: { 'content-type': 'application/x-amz-json-1.0', 'x-amz-target': 'AmazonSQS.SendMessage' },
          body: JSON.stringify({ QueueUrl: QUEUE_URL, MessageBody: 'hello from ' + AWS_REGION }),
        });
        return response.status;
      };`,
    },
  );
  expect(await cloud.invoke('Fn', {})).toMatchObject({ ok: true, result: 200 });
});
