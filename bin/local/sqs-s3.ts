/**
 * SQS and S3 on this machine: fauxqs in process and in memory, with the queues and buckets of the templates.
 *
 * Retention and lifecycle rules are stored, not enforced: nothing here lives for days. Of S3 only the calls of
 * {@link objectParameters} are let through, because fauxqs takes any it does not know for an upload.
 */
import { CreateBucketCommand, type S3Client } from '@aws-sdk/client-s3';
import { CreateQueueCommand, type SQSClient } from '@aws-sdk/client-sqs';
import { buildApp } from 'fauxqs';
import type { Listening } from './loopback.ts';
import type { DeployedResource } from './resource.ts';

/** More than the largest message that any mail system here accepts; fauxqs itself stops at 11 MiB. */
const bodyBytesMax = 64 * 1024 * 1024;

/** Query parameters of the S3 calls that fauxqs implements, signed URLs included. */
const objectParameters: readonly RegExp[] = [
  /^(list-type|prefix|delimiter|max-keys|continuation-token|start-after|marker|encoding-type)$/,
  /^(fetch-owner|uploads|uploadId|partNumber|x-id|delete|attributes|renameObject)$/,
  /^(X-Amz-.*|response-.*)$/i,
];

/** An object that was put, copied or completed. */
export interface CreatedObject {
  readonly bucket: string;
  readonly key: string;
  /** The call that made it, as S3 names it. */
  readonly reason: 'PutObject' | 'CopyObject' | 'CompleteMultipartUpload';
  readonly requestId: string;
  readonly sourceAddress: string;
  readonly createdAtMs: number;
}

/** The endpoint of both. */
export interface SqsAndS3 extends Listening {
  /** Has somebody told of each object that comes, once its sender was answered. */
  onObjectCreated(told: (created: CreatedObject) => Promise<void>): void;
}

/** Starts an empty SQS and S3, both on one port. */
export async function startSqsAndS3(): Promise<SqsAndS3> {
  const listeners: ((created: CreatedObject) => Promise<void>)[] = [];
  const app = buildApp({ logger: false });
  app.removeContentTypeParser('*');
  app.addContentTypeParser('*', async (_request: unknown, payload: AsyncIterable<Buffer>) => {
    return await readUpload(payload);
  });
  app.addHook('onRequest', async (request, reply) => {
    const unsupported = unsupportedPart(request.method, request.url, request.headers);
    if (unsupported !== undefined) {
      await reply
        .code(501)
        .header('content-type', 'application/xml')
        .send(s3Error('NotImplemented', `${unsupported} is not implemented by the local cloud`));
    }
  });
  // Not before the answer: a hook there that takes its time has fauxqs answer twice.
  app.addHook('onResponse', async (request, reply) => {
    const place = reply.statusCode === 200 ? createdBy(request) : undefined;
    if (place !== undefined) {
      const created: CreatedObject = {
        ...place,
        requestId: String(reply.getHeader('x-amz-request-id')),
        sourceAddress: request.ip,
        createdAtMs: Date.now(),
      };
      await Promise.all(listeners.map((told) => told(created)));
    }
  });
  await app.listen({ host: '127.0.0.1', port: 0 });
  const bound = app.server.address();
  if (bound === null || typeof bound === 'string') {
    throw new TypeError('fauxqs listens on an address and a port');
  }
  return {
    address: '127.0.0.1',
    port: bound.port,
    close: () => app.close(),
    onObjectCreated: (told) => void listeners.push(told),
  };
}

/**
 * Creates the queue that a resource declares; a redrive policy may name a queue that comes later.
 *
 * The client must be of the stack's region, which is part of the queue's ARN.
 */
export async function createQueue(client: SQSClient, resource: DeployedResource): Promise<void> {
  const properties = resource.properties();
  const attributes = queueAttributes.flatMap((name): readonly [string, string][] => {
    const value = properties[name];
    if (value === undefined) {
      return [];
    }
    return [[name, typeof value === 'object' ? JSON.stringify(value) : String(value)]];
  });
  await client.send(
    new CreateQueueCommand({
      QueueName: resource.identity().attribute('QueueName'),
      Attributes: Object.fromEntries(attributes),
    }),
  );
}

/** Properties of `AWS::SQS::Queue` that are attributes of the same name; encryption has no counterpart. */
const queueAttributes = [
  'DelaySeconds',
  'MaximumMessageSize',
  'MessageRetentionPeriod',
  'ReceiveMessageWaitTimeSeconds',
  'VisibilityTimeout',
  'RedrivePolicy',
  'FifoQueue',
  'ContentBasedDeduplication',
] as const;

/** Creates the bucket that a resource declares. */
export async function createBucket(client: S3Client, resource: DeployedResource): Promise<void> {
  await client.send(new CreateBucketCommand({ Bucket: resource.identity().ref }));
}

/** Names the part of an S3 request that would be silently misread; undefined if there is none. */
function unsupportedPart(
  method: string,
  url: string,
  headers: Readonly<Record<string, unknown>>,
): string | undefined {
  const { searchParams } = new URL(url, 'http://127.0.0.1');
  const unknown = [...searchParams.keys()].find(
    (name) => !objectParameters.some((known) => known.test(name)),
  );
  if (unknown !== undefined) {
    return `the S3 sub-resource ${unknown}`;
  }
  // The object would come without a word to whoever is told of objects.
  if (method === 'POST' && String(headers['content-type']).startsWith('multipart/form-data')) {
    return 'an upload by a form';
  }
  // fauxqs overwrites whatever the condition says.
  const conditional = method === 'PUT' ? ['if-none-match', 'if-match'] : [];
  const header = conditional.find((name) => headers[name] !== undefined);
  return header === undefined ? undefined : `a PutObject with ${header}`;
}

interface S3Request {
  readonly method: string;
  readonly params: unknown;
  readonly query: unknown;
  readonly headers: Readonly<Record<string, unknown>>;
}

/** Which object a request makes, should it succeed; undefined for one that makes none. */
function createdBy({
  method,
  params,
  query,
  headers,
}: S3Request): Pick<CreatedObject, 'bucket' | 'key' | 'reason'> | undefined {
  const { bucket, '*': key } = params as Readonly<Record<string, string | undefined>>;
  const { uploadId, renameObject } = query as Readonly<Record<string, string | undefined>>;
  if (!bucket || !key || renameObject !== undefined) {
    return undefined;
  }
  if (method === 'POST' && uploadId !== undefined) {
    return { bucket, key, reason: 'CompleteMultipartUpload' };
  }
  // With an upload's id it is a part.
  if (method !== 'PUT' || uploadId !== undefined) {
    return undefined;
  }
  const isCopy = headers['x-amz-copy-source'] !== undefined;
  return { bucket, key, reason: isCopy ? 'CopyObject' : 'PutObject' };
}

async function readUpload(payload: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of payload) {
    sizeBytes += chunk.length;
    // Read to the end all the same: an answer in mid-upload reaches the client as a broken connection.
    if (sizeBytes <= bodyBytesMax) {
      chunks.push(chunk);
    }
  }
  if (sizeBytes > bodyBytesMax) {
    throw Object.assign(new Error(`an upload here has at most ${bodyBytesMax} bytes`), {
      statusCode: 413,
    });
  }
  return Buffer.concat(chunks);
}

function s3Error(code: string, message: string): string {
  return `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>${message}</Message></Error>`;
}
