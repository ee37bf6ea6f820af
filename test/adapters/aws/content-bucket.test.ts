import { once } from 'node:events';
import { createServer, type RequestListener, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  HeadObjectCommand,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createContentBucket } from '../../../functions/adapters/aws/content-bucket.ts';
import { contentStoreContract } from '../../delivery/contracts/content-store.ts';
import { mailBucket } from '../../delivery/port-fixtures.ts';
import {
  clientConfig,
  type LocalQueuesAndBuckets,
  startQueuesAndBuckets,
  watchCalls,
} from './local-aws.ts';

const mebibyte = 1_048_576;
const limitBytes = 40 * mebibyte;

let local: LocalQueuesAndBuckets;
let calls: string[];

beforeAll(async () => {
  local = await startQueuesAndBuckets();
  await local.createBucket(mailBucket);
  calls = watchCalls(local.s3);
});

afterAll(async () => {
  await local.stop();
});

describe('the content bucket on fauxqs', () => {
  contentStoreContract(async () => createContentBucket({ client: local.s3, bucket: mailBucket }));

  test('is not asked for inline content, nor about buckets of others', async () => {
    const store = createContentBucket({ client: local.s3, bucket: mailBucket });
    calls.length = 0;
    await store.read({ data: '' });
    await expect(store.read({ bucket: 'payroll', key: 'x' })).rejects.toThrow('payroll');
    expect(calls).toEqual([]);
  });

  test('keeps a message under its media type', async () => {
    const store = createContentBucket({ client: local.s3, bucket: mailBucket });
    await store.keep('m-type', Buffer.from('Subject: x\r\n\r\n'));
    const head = await local.s3.send(
      new HeadObjectCommand({ Bucket: mailBucket, Key: 'content/m-type' }),
    );
    expect(head).toMatchObject({ ContentType: 'message/rfc822', ContentLength: 14 });
  });

  test('a bucket that is not there is our fault, and named', async () => {
    const store = createContentBucket({ client: local.s3, bucket: 'nowhere' });
    await expect(store.keep('m-1', new Uint8Array(1))).rejects.toMatchObject({
      code: 'store-unavailable',
      message: expect.stringMatching(/^PutObject content\/m-1 in bucket nowhere: NoSuchBucket/),
    });
    await expect(store.read({ bucket: 'nowhere', key: 'k' })).rejects.toMatchObject({
      code: 'store-unavailable',
    });
  });

  /** fauxqs takes 11 MiB a request. */
  async function upload(key: string, bytes: number): Promise<void> {
    const where = { Bucket: mailBucket, Key: key };
    const { UploadId } = await local.s3.send(new CreateMultipartUploadCommand(where));
    const parts: { PartNumber: number; ETag: string | undefined }[] = [];
    for (let offset = 0; offset < bytes; offset += 10 * mebibyte) {
      const Body = new Uint8Array(Math.min(10 * mebibyte, bytes - offset)).fill(parts.length);
      const PartNumber = parts.length + 1;
      const { ETag } = await local.s3.send(
        new UploadPartCommand({ ...where, UploadId, PartNumber, Body }),
      );
      parts.push({ PartNumber, ETag });
    }
    await local.s3.send(
      new CompleteMultipartUploadCommand({ ...where, UploadId, MultipartUpload: { Parts: parts } }),
    );
  }

  test('leaves what senders put there', async () => {
    const store = createContentBucket({ client: local.s3, bucket: mailBucket });
    const theirs = { bucket: mailBucket, key: 'uploads/theirs' };
    await upload(theirs.key, 3);
    await store.remove(theirs);
    expect(await store.read(theirs)).toHaveLength(3);
  });

  test('reads 40 MiB, and not one octet more', async () => {
    const store = createContentBucket({ client: local.s3, bucket: mailBucket });
    await upload('large', limitBytes);
    const content = await store.read({ bucket: mailBucket, key: 'large' });
    expect(content).toHaveLength(limitBytes);
    expect([content[0], content[10 * mebibyte], content.at(-1)]).toEqual([0, 1, 3]);
    await upload('content/kept', limitBytes + 1);
    const kept = await store.read({ bucket: mailBucket, key: 'content/kept' });
    expect(kept, 'what was accepted has more in its header').toHaveLength(limitBytes + 1);
    await upload('too-large', limitBytes + 1);
    await expect(store.read({ bucket: mailBucket, key: 'too-large' })).rejects.toMatchObject({
      code: 'content-invalid',
      message: `object too-large in bucket ${mailBucket} takes 41943041 bytes, a message at most 41943040`,
    });
  });
});

describe('an S3 that misbehaves', () => {
  interface Misbehaving {
    readonly store: ReturnType<typeof createContentBucket>;
    readonly written: () => number;
    stop(): Promise<void>;
  }

  async function serve(answer: RequestListener): Promise<Misbehaving> {
    let written = 0;
    const server = createServer((request, response) => {
      const write = response.write.bind(response);
      response.write = ((chunk: Buffer) => {
        written += chunk.length;
        return write(chunk);
      }) as ServerResponse['write'];
      answer(request, response);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const client = new S3Client({
      ...clientConfig(endpoint),
      maxAttempts: 1,
      requestHandler: { requestTimeout: 500, throwOnRequestTimeout: true, socketTimeout: 500 },
    });
    return {
      store: createContentBucket({ client, bucket: mailBucket }),
      written: () => written,
      stop: async () => {
        client.destroy();
        server.closeAllConnections();
        server.close();
        await once(server, 'close');
      },
    };
  }

  const xml = (code: string) => `<?xml version="1.0"?><Error><Code>${code}</Code></Error>`;
  const piece = Buffer.alloc(mebibyte);

  /** Writes for as long as somebody reads. */
  function writeForever(response: ServerResponse): void {
    const more = (): void => {
      while (!response.destroyed && response.write(piece)) {
        // until the socket is full
      }
    };
    response.on('drain', more);
    more();
  }

  test.each<[string, RequestListener, string, RegExp]>([
    [
      'says no, as it does for a missing object to those who may not list',
      (_request, response) => response.writeHead(403).end(xml('AccessDenied')),
      'store-unavailable',
      /AccessDenied/,
    ],
    [
      'is broken',
      (_request, response) => response.writeHead(500).end(xml('InternalError')),
      'store-unavailable',
      /InternalError/,
    ],
    ['does not answer', () => {}, 'store-unavailable', /TimeoutError/],
    [
      'stops half-way',
      (_request, response) => {
        response.writeHead(200, { 'content-length': 100 });
        response.write('half');
      },
      'store-unavailable',
      /object k in bucket sealpost-mail/,
    ],
    [
      'hangs up half-way',
      (_request, response) => {
        response.writeHead(200, { 'content-length': 100 });
        response.write('half', () => response.destroy());
      },
      'store-unavailable',
      /object k in bucket sealpost-mail/,
    ],
    [
      'announces too much',
      (_request, response) => {
        response.writeHead(200, { 'content-length': 10 * limitBytes });
        writeForever(response);
      },
      'content-invalid',
      /takes 419430400 bytes/,
    ],
    [
      'sends too much without a word',
      (_request, response) => {
        response.writeHead(200);
        writeForever(response);
      },
      'content-invalid',
      /takes over 41943040 bytes/,
    ],
  ])('%s', async (_reason, answer, code, message) => {
    const { store, written, stop } = await serve(answer);
    try {
      await expect(store.read({ bucket: mailBucket, key: 'k' })).rejects.toMatchObject({
        name: 'TransportSecurityError',
        code,
        message: expect.stringMatching(message),
      });
      expect(written()).toBeLessThan(2 * limitBytes);
    } finally {
      await stop();
    }
  });
});
