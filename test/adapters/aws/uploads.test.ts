import { createHash } from 'node:crypto';
import { S3Client } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createContentBucket } from '../../../functions/adapters/aws/content-bucket.ts';
import { createUploads } from '../../../functions/adapters/aws/uploads.ts';
import type { OpenUpload } from '../../../functions/submission/open-upload.ts';
import { type LocalQueuesAndBuckets, startQueuesAndBuckets } from './local-aws.ts';

const bucket = 'sealpost-mail';
const content = Buffer.from('Subject: x\r\n\r\nhello\r\n');
const sha256 = createHash('sha256').update(content).digest('hex');

let local: LocalQueuesAndBuckets;
let openUpload: OpenUpload;

beforeAll(async () => {
  local = await startQueuesAndBuckets();
  await local.createBucket(bucket);
  const { endpoint, region, credentials } = local.s3.config;
  const { protocol, hostname, port } = (await endpoint?.()) ?? {};
  const client = new S3Client({
    endpoint: `${protocol}//${hostname}:${port}`,
    region,
    credentials,
    requestChecksumCalculation: 'WHEN_REQUIRED',
  });
  openUpload = createUploads({ client, bucket });
});
afterAll(() => local.stop());

describe('a presigned upload', () => {
  test('signs length and type, and no checksum of what is not there yet', async () => {
    const { url, headers } = await openUpload({ key: 'uploads/a', bytes: 21 });
    const query = new URL(url).searchParams;
    expect(query.get('X-Amz-SignedHeaders')).toBe('content-length;content-type;host');
    expect(query.get('X-Amz-Expires')).toBe('900');
    expect([...query.keys()].filter((name) => /checksum/i.test(name))).toEqual([]);
    expect(headers).toEqual({ 'content-length': '21', 'content-type': 'message/rfc822' });
  });

  test('signs the checksum as a header field, which S3 then compares', async () => {
    const { url, headers } = await openUpload({ key: 'uploads/a', bytes: 21, sha256 });
    const query = new URL(url).searchParams;
    expect(query.get('X-Amz-SignedHeaders')).toContain('x-amz-checksum-sha256');
    expect(headers['x-amz-checksum-sha256']).toBe(
      createHash('sha256').update(content).digest('base64'),
    );
  });

  test('puts the message where a submission finds it', async () => {
    const key = 'uploads/b';
    const { url, headers } = await openUpload({ key, bytes: content.length, sha256 });
    const { 'content-length': _, ...sent } = headers;
    expect((await fetch(url, { method: 'PUT', headers: sent, body: content })).status).toBe(200);
    const read = await createContentBucket({ client: local.s3, bucket }).read({ bucket, key });
    expect(Buffer.compare(read, content)).toBe(0);
  });
});
