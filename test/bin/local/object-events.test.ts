/** Rules that wait for objects, and mail that comes in as one. */
import {
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { DeleteQueueCommand, ReceiveMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import type { LocalCloud } from '../../../bin/local/cloud.ts';
import { lambda, type TemplateJson } from './assembly.ts';
import { cloudOf, credentials } from './cloud-fixture.ts';

const bucket = {
  Type: 'AWS::S3::Bucket',
  Properties: {
    BucketName: 'mails',
    NotificationConfiguration: { EventBridgeConfiguration: { EventBridgeEnabled: true } },
  },
};

const queue = { Type: 'AWS::SQS::Queue', Properties: { QueueName: 'told' } };
const queueArn = { 'Fn::GetAtt': ['Queue', 'Arn'] };

const pattern = {
  source: ['aws.s3'],
  'detail-type': ['Object Created'],
  detail: { bucket: { name: [{ Ref: 'Bucket' }] }, object: { key: [{ prefix: 'in/' }] } },
};

const rule = (properties: TemplateJson = {}): TemplateJson => ({
  Type: 'AWS::Events::Rule',
  Properties: { EventPattern: pattern, Targets: [{ Id: 'T', Arn: queueArn }], ...properties },
});

interface Stage {
  readonly cloud: LocalCloud;
  readonly s3: S3Client;
  readonly Bucket: string;
  /** Waits for so many events, and gives all that are there by then. */
  told(count: number): Promise<readonly ToldEvent[]>;
}

interface ToldEvent {
  readonly detail: {
    readonly object: { readonly key: string; readonly size: number };
    readonly reason: string;
  };
}

async function stage(resources: TemplateJson): Promise<Stage> {
  const cloud = await cloudOf({ Bucket: bucket, Queue: queue, ...resources });
  const common = { region: 'eu-west-1', credentials, maxAttempts: 1 };
  const s3 = new S3Client({ ...common, endpoint: cloud.endpoints.s3 });
  const sqs = new SQSClient({ ...common, endpoint: cloud.endpoints.sqs });
  onTestFinished(() => {
    s3.destroy();
    sqs.destroy();
  });
  const QueueUrl = cloud.physicalId('Queue');
  return {
    cloud,
    s3,
    Bucket: cloud.physicalId('Bucket'),
    told: async (count) => {
      const events: ToldEvent[] = [];
      while (events.length < count) {
        const { Messages = [] } = await sqs.send(
          new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10, WaitTimeSeconds: 5 }),
        );
        events.push(...Messages.map(({ Body = '' }) => JSON.parse(Body) as ToldEvent));
      }
      return events;
    },
  };
}

const keysAndReasons = (events: readonly ToldEvent[]): readonly string[] =>
  events.map(({ detail: { object, reason } }) => `${reason} ${object.key} ${object.size}`).sort();

describe('a rule about objects', () => {
  test('puts the event into its queue as EventBridge forms it', async () => {
    const { s3, Bucket, told } = await stage({ Rule: rule() });
    const { ETag = '' } = await s3.send(
      new PutObjectCommand({ Bucket, Key: 'in/a b&ü.eml', Body: 'mail' }),
    );
    expect(await told(1)).toEqual([
      {
        version: '0',
        id: expect.stringMatching(/^[0-9a-f-]{36}$/),
        'detail-type': 'Object Created',
        source: 'aws.s3',
        account: '000000000000',
        time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
        region: 'eu-west-1',
        resources: ['arn:aws:s3:::mails'],
        detail: {
          version: '0',
          bucket: { name: 'mails' },
          object: {
            key: 'in/a b&ü.eml',
            size: 4,
            etag: ETag.replaceAll('"', ''),
            sequencer: expect.stringMatching(/^[0-9A-F]{16}$/),
          },
          'request-id': expect.stringMatching(/^[0-9A-F]{16}$/),
          requester: '000000000000',
          'source-ip-address': '127.0.0.1',
          reason: 'PutObject',
        },
      },
    ]);
  });

  test('is told of what makes an object, and of nothing else', async () => {
    const { s3, Bucket, told } = await stage({ Rule: rule() });
    await s3.send(new PutObjectCommand({ Bucket, Key: 'out/a', Body: 'mail' }));
    const missing = new CopyObjectCommand({ Bucket, Key: 'in/none', CopySource: `${Bucket}/none` });
    await expect(s3.send(missing)).rejects.toThrow(/does not exist/);
    const Key = 'in/parts';
    const { UploadId } = await s3.send(new CreateMultipartUploadCommand({ Bucket, Key }));
    const part = new UploadPartCommand({ Bucket, Key, UploadId, PartNumber: 1, Body: '12345' });
    const { ETag } = await s3.send(part);
    await s3.send(new GetObjectCommand({ Bucket, Key: 'out/a' }));
    await s3.send(
      new CompleteMultipartUploadCommand({
        Bucket,
        Key,
        UploadId,
        MultipartUpload: { Parts: [{ PartNumber: 1, ETag }] },
      }),
    );
    await s3.send(new CopyObjectCommand({ Bucket, Key: 'in/copy', CopySource: `${Bucket}/out/a` }));
    expect(keysAndReasons(await told(2))).toEqual([
      'CompleteMultipartUpload in/parts 5',
      'CopyObject in/copy 4',
    ]);
  });

  test('without a prefix is told of every key of its bucket', async () => {
    const { s3, Bucket, told } = await stage({
      Other: { ...bucket, Properties: { ...bucket.Properties, BucketName: 'others' } },
      Rule: rule({ EventPattern: { ...pattern, detail: { bucket: { name: ['mails'] } } } }),
    });
    await s3.send(new PutObjectCommand({ Bucket: 'others', Key: 'any', Body: 'xyz' }));
    await s3.send(new PutObjectCommand({ Bucket, Key: 'any', Body: 'x' }));
    expect(keysAndReasons(await told(1))).toEqual(['PutObject any 1']);
  });

  test('says nothing while it is switched off', async () => {
    const all = { ...pattern, detail: { bucket: pattern.detail.bucket } };
    const { s3, Bucket, told } = await stage({
      Rule: rule({ State: 'DISABLED', EventPattern: all }),
      Other: rule(),
    });
    await s3.send(new PutObjectCommand({ Bucket, Key: 'out/a', Body: 'x' }));
    await s3.send(new PutObjectCommand({ Bucket, Key: 'in/a', Body: 'x' }));
    expect(keysAndReasons(await told(1))).toEqual(['PutObject in/a 1']);
  });

  test.each<[string, TemplateJson, RegExp]>([
    [
      'a source that is not S3',
      { EventPattern: { source: ['aws.ec2'] } },
      /S\/Rule [\s\S]*EventPattern/,
    ],
    [
      'an event that is not told here',
      { EventPattern: { ...pattern, 'detail-type': ['Object Deleted'] } },
      /Object Created/,
    ],
    [
      'bounces and more',
      { EventPattern: { source: ['aws.ses'], 'detail-type': ['Email Delivered'] } },
      /S\/Rule [\s\S]*EventPattern/,
    ],
    [
      'a filter that would widen it',
      { EventPattern: { ...pattern, detail: { ...pattern.detail, reason: ['PutObject'] } } },
      /reason/,
    ],
    [
      'a filter of keys that is not a prefix',
      {
        EventPattern: {
          ...pattern,
          detail: { ...pattern.detail, object: { key: [{ suffix: '.eml' }] } },
        },
      },
      /suffix/,
    ],
    ['another bus', { EventBusName: 'own' }, /only the default bus/],
    [
      'a function as its target',
      { Targets: [{ Id: 'T', Arn: { 'Fn::GetAtt': ['Fn', 'Arn'] } }] },
      /only standard queues/,
    ],
    [
      'an input of its own',
      { Targets: [{ Id: 'T', Arn: queueArn, InputPath: '$.detail' }] },
      /input paths are not implemented/,
    ],
    [
      'a queue of somebody else',
      { Targets: [{ Id: 'T', Arn: 'arn:aws:sqs:eu-west-1:000000000000:none' }] },
      /S\/Rule: no template declares arn:aws:sqs:.*:none/,
    ],
    [
      'a bucket of somebody else',
      { EventPattern: { ...pattern, detail: { bucket: { name: ['none'] } } } },
      /S\/Rule: no template declares the bucket none in eu-west-1/,
    ],
    [
      'a bucket that tells nothing',
      { EventPattern: { ...pattern, detail: { bucket: { name: [{ Ref: 'Silent' }] } } } },
      /S\/Rule: S\/Silent does not tell EventBridge/,
    ],
  ])('with %s is refused', async (_what, properties, message) => {
    const resources = {
      Bucket: bucket,
      Silent: { Type: 'AWS::S3::Bucket', Properties: { BucketName: 'silent' } },
      Queue: queue,
      Fn: lambda('code'),
      Rule: rule(properties),
    };
    await expect(
      cloudOf(resources, { code: 'export const handler = async () => {};' }),
    ).rejects.toThrow(message);
  });

  test('about mail that came back is taken: none does', async () => {
    const EventPattern = {
      source: ['aws.ses'],
      'detail-type': ['Email Bounced'],
      detail: { mail: { tags: { 'ses:configuration-set': ['reports'] } } },
    };
    const { cloud } = await stage({ Rule: rule({ EventPattern }) });
    expect(cloud.events).toEqual([]);
  });

  test('that cannot be obeyed is a fault, and the object is there', async () => {
    const { cloud, s3, Bucket } = await stage({ Rule: rule() });
    const sqs = new SQSClient({ region: 'eu-west-1', credentials, endpoint: cloud.endpoints.sqs });
    onTestFinished(() => sqs.destroy());
    await sqs.send(new DeleteQueueCommand({ QueueUrl: cloud.physicalId('Queue') }));
    await s3.send(new PutObjectCommand({ Bucket, Key: 'in/a', Body: 'x' }));
    await vi.waitFor(() => expect(cloud.events).not.toEqual([]), 10_000);
    expect(cloud.events).toEqual([
      { kind: 'fault', where: 'S/Rule', message: expect.stringMatching(/queue/i) },
    ]);
  });
});

test('an upload by a form is refused, as no rule would be told of it', async () => {
  const { cloud, Bucket } = await stage({ Rule: rule() });
  const body = new FormData();
  body.set('key', 'in/form');
  body.set('file', new Blob(['mail']));
  const response = await fetch(`${cloud.endpoints.s3}/${Bucket}`, { method: 'POST', body });
  expect([response.status, await response.text()]).toEqual([
    501,
    expect.stringContaining('an upload by a form is not implemented'),
  ]);
});

describe('mail that comes in', () => {
  const receiptRule = {
    Type: 'Custom::ReceiptRule',
    Properties: {
      ServiceToken: { 'Fn::GetAtt': ['Fn', 'Arn'] },
      name: 'reports',
      mailbox: 'Reports@tlsrpt.example.com',
      bucket: { Ref: 'Bucket' },
      prefix: 'in/',
    },
  };
  const install = { code: 'export const handler = async () => { throw new Error("not here"); };' };
  const resources = { Fn: lambda('code'), Bucket: bucket, ReceiptRule: receiptRule };

  test('is put where the receipt rule of its mailbox says, byte for byte', async () => {
    const cloud = await cloudOf({ Queue: queue, Rule: rule(), ...resources }, install);
    const common = { region: 'eu-west-1', credentials };
    const s3 = new S3Client({ ...common, endpoint: cloud.endpoints.s3 });
    const sqs = new SQSClient({ ...common, endpoint: cloud.endpoints.sqs });
    onTestFinished(() => {
      s3.destroy();
      sqs.destroy();
    });
    const raw = Buffer.from('Subject: a\r\n\r\n\u00ff\u0000.\r\n', 'latin1');
    const received = await cloud.receiveMail('reports@TLSRPT.example.com', raw);
    expect(received).toEqual({
      bucket: 'mails',
      key: expect.stringMatching(/^in\/[0-9a-z]{40}$/),
    });
    const { Body } = await s3.send(
      new GetObjectCommand({ Bucket: received.bucket, Key: received.key }),
    );
    expect(Buffer.from((await Body?.transformToByteArray()) ?? [])).toEqual(raw);
    const { Messages = [] } = await sqs.send(
      new ReceiveMessageCommand({ QueueUrl: cloud.physicalId('Queue'), WaitTimeSeconds: 10 }),
    );
    expect(Messages.map(({ Body: text = '' }) => JSON.parse(text).detail.object.key)).toEqual([
      received.key,
    ]);
    expect((await cloud.receiveMail('reports@tlsrpt.example.com', raw)).key).not.toBe(received.key);
  });

  test.each<[string, TemplateJson, string]>([
    ['no rule takes', resources, 'only to Reports@tlsrpt.example.com'],
    ['there is no rule for', {}, 'only to none'],
  ])('for a mailbox that %s is refused', async (_what, given, reason) => {
    const cloud = await cloudOf(given, install);
    const raw = Buffer.from('Subject: a\r\n\r\n');
    await expect(cloud.receiveMail('other@tlsrpt.example.com', raw)).rejects.toThrow(
      `no receipt rule takes mail to other@tlsrpt.example.com, ${reason}`,
    );
  });

  test('cannot be had by a rule that does not say where to', async () => {
    const { prefix: _, ...rest } = receiptRule.Properties;
    await expect(
      cloudOf({ ...resources, ReceiptRule: { ...receiptRule, Properties: rest } }, install),
    ).rejects.toThrow(/S\/ReceiptRule [\s\S]*prefix/);
  });
});
