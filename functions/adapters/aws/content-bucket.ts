/** The content of messages: inline in the record, or in the installation's own bucket on S3. */
import {
  DeleteObjectCommand,
  GetObjectCommand,
  NoSuchKey,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import type { ContentStore } from '../../delivery/ports.ts';
import { decodeBase64 } from '../../protocol/base64.ts';
import { TransportSecurityError } from '../../protocol/errors.ts';
import { contentBytesMax, keptBytesMax } from '../../submission/limits.ts';
import { orUnavailable, storeUnavailable } from './store-failure.ts';

/** What is kept by us, and by nobody else. */
const keptPrefix = 'content/';

/** For a whole object; S3 needs about a second for the largest. */
const readTimeoutMs = 60_000;

export interface ContentBucketOptions {
  readonly client: S3Client;
  readonly bucket: string;
}

/** Every method rejects with `store-unavailable` when S3 fails. */
export function createContentBucket({ client, bucket }: ContentBucketOptions): ContentStore {
  return {
    read: async (reference) => {
      if ('data' in reference) {
        return decodeInline(reference.data);
      }
      // Whoever may send to the queue must not read other buckets with the function's rights; IAM refuses it too.
      if (reference.bucket !== bucket) {
        throw new TransportSecurityError(
          'content-invalid',
          `content in bucket ${reference.bucket}: only bucket ${bucket} is read; copy the object there`,
        );
      }
      return readObject(client, bucket, reference.key);
    },
    keep: async (name, content) => {
      const key = `${keptPrefix}${name}`;
      await orUnavailable(`PutObject ${key} in bucket ${bucket}`, () =>
        client.send(
          new PutObjectCommand({
            Bucket: bucket,
            Key: key,
            Body: content,
            ContentType: 'message/rfc822',
          }),
        ),
      );
      return { bucket, key };
    },
    remove: async (reference) => {
      // What senders put there under keys of their own is theirs to remove.
      if ('data' in reference || reference.bucket !== bucket) {
        return;
      }
      const { key } = reference;
      if (key.startsWith(keptPrefix)) {
        await orUnavailable(`DeleteObject ${key} in bucket ${bucket}`, () =>
          client.send(new DeleteObjectCommand({ Bucket: bucket, Key: key })),
        );
      }
    },
  };
}

function decodeInline(data: string): Uint8Array {
  const content = decodeBase64(data);
  if (content === undefined) {
    throw new TransportSecurityError('content-invalid', 'content.data is not base64');
  }
  return content;
}

async function readObject(client: S3Client, bucket: string, key: string): Promise<Uint8Array> {
  const what = `object ${key} in bucket ${bucket}`;
  try {
    const { Body: body, ContentLength: length } = await client.send(
      new GetObjectCommand({ Bucket: bucket, Key: key }),
      { abortSignal: AbortSignal.timeout(readTimeoutMs) },
    );
    if (body === undefined) {
      throw new TransportSecurityError('store-unavailable', `${what}: S3 sent no body`);
    }
    const bytesMax = key.startsWith(keptPrefix) ? keptBytesMax : contentBytesMax;
    return await readBody(body as AsyncIterable<Uint8Array>, { length, bytesMax, what });
  } catch (error) {
    // S3 says so only to a reader who may list the bucket; to any other a missing object is "access denied".
    if (error instanceof NoSuchKey) {
      throw new TransportSecurityError('content-missing', `no ${what}`, { cause: error });
    }
    throw storeUnavailable(`GetObject of ${what}`, error);
  }
}

interface Reading {
  readonly length: number | undefined;
  readonly bytesMax: number;
  readonly what: string;
}

/** Reads at most the limit; leaving the loop early destroys the stream and with it the connection. */
async function readBody(
  body: AsyncIterable<Uint8Array>,
  { length, bytesMax, what }: Reading,
): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    if (Math.max(bytes, length ?? 0) > bytesMax) {
      throw new TransportSecurityError(
        'content-invalid',
        `${what} takes ${length ?? `over ${bytesMax}`} bytes, a message at most ${bytesMax}`,
      );
    }
    chunks.push(chunk);
  }
  // Half a message must not go out as a whole one.
  if (length !== undefined && bytes !== length) {
    throw new TransportSecurityError(
      'store-unavailable',
      `${what}: ${bytes} of ${length} bytes came`,
    );
  }
  return Buffer.concat(chunks, bytes);
}
