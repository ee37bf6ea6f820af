/** The largest message on its way through uploads and the submission API, over the local cloud's S3. */
import { fork } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { CreateBucketCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Listening } from '../../bin/local/loopback.ts';
import { startSqsAndS3 } from '../../bin/local/sqs-s3.ts';
import { createContentBucket } from '../../functions/adapters/aws/content-bucket.ts';
import { createUploads } from '../../functions/adapters/aws/uploads.ts';
import { contentBytesMax } from '../../functions/submission/limits.ts';
import { clientConfig } from '../adapters/aws/local-aws.ts';
import type { LargestMessageResult } from './largest-message-process.ts';
import { bucket, upload } from './submit-world.ts';

/** Eight copies, garbage included: with what Node and the SDK take it is well below the function's 1,024 MiB. */
const memoryBytesMax = 8 * contentBytesMax;

let server: Listening;
let endpoint: string;
let client: S3Client;

beforeAll(async () => {
  server = await startSqsAndS3();
  endpoint = `http://${server.address}:${server.port}`;
  client = new S3Client({
    ...clientConfig(endpoint),
    requestChecksumCalculation: 'WHEN_REQUIRED',
  });
  await client.send(new CreateBucketCommand({ Bucket: bucket }));
});
afterAll(async () => {
  client.destroy();
  await server.close();
});

const header = 'From: alice@sender.example\r\nSubject: large\r\n\r\n';

/** As large as may be, and with line ends that need not be changed. */
function largestMessage(): Buffer<ArrayBuffer> {
  const content = Buffer.alloc(contentBytesMax, `${'x'.repeat(76)}\r\n`);
  content.write(header);
  content.write('xx\r\n', content.length - 4);
  return content;
}

async function uploadMessage(content: Buffer<ArrayBuffer>): Promise<void> {
  const { url, headers } = await createUploads({ client, bucket })({
    key: `uploads/${upload}`,
    bytes: content.length,
    sha256: hashOf(content),
  });
  const { 'content-length': _, ...sent } = headers;
  const answer = await fetch(url, { method: 'PUT', headers: sent, body: content });
  expect(answer.status).toBe(200);
}

function hashOf(octets: Uint8Array): string {
  return createHash('sha256').update(octets).digest('hex');
}

test('an upload of 40 MiB is kept once for four domains, can be read again, and fits into memory', async () => {
  const content = largestMessage();
  await uploadMessage(content);
  await client.send(new PutObjectCommand({ Bucket: bucket, Key: 'uploads/small', Body: 'x' }));
  const submission = fork(new URL('./largest-message-process.ts', import.meta.url), [endpoint], {
    execArgv: [],
  });
  const [result] = (await once(submission, 'message')) as [LargestMessageResult];
  expect(result.statusCode).toBe(202);
  const [reference, ...others] = result.references;
  expect(others).toEqual([reference, reference, reference]);
  const kept = await createContentBucket({ client, bucket }).read(reference ?? { data: '' });
  expect(kept.length).toBeGreaterThan(contentBytesMax);
  const body = content.subarray(header.length);
  expect(hashOf(kept.subarray(-body.length))).toBe(hashOf(body));
  expect(result.after - result.before).toBeLessThan(memoryBytesMax);
}, 120_000);
