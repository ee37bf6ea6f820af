/**
 * The submission API in a process of its own, over a bucket on S3, so that what it takes of memory can be told. Started
 * with the bucket's endpoint as its argument, it submits the upload `uploads/<id>` to four domains and says what became of it.
 */
import { S3Client } from '@aws-sdk/client-s3';
import { createContentBucket } from '../../functions/adapters/aws/content-bucket.ts';
import { submitRoutes } from '../../functions/handlers/submit.ts';
import type { ContentReference } from '../../functions/submission/queue-message.ts';
import { httpEvent } from '../handlers/http-event.ts';
import { bucket, createSubmitWorld, upload } from './submit-world.ts';

/** What the process says of itself, and of the message. */
export interface LargestMessageResult {
  readonly statusCode: number | undefined;
  readonly references: readonly ContentReference[];
  /** Before and after, octets of resident memory at the most. */
  readonly before: number;
  readonly after: number;
}

async function submitLargest(endpoint: string): Promise<LargestMessageResult> {
  const client = new S3Client({
    endpoint,
    region: 'eu-central-1',
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
  });
  const contents = createContentBucket({ client, bucket });
  const world = createSubmitWorld();
  const { accept } = world.context;
  const context = { ...world.context, accept: { ...accept, ports: { ...accept.ports, contents } } };
  const routes = submitRoutes({
    context,
    control: { readMessage: async () => undefined },
    openUpload: () => Promise.reject(new Error('uploaded already')),
    newUploadId: () => upload,
  });
  // The client's modules are loaded at its first call.
  await contents.read({ bucket, key: 'uploads/small' });
  const before = peakBytes();
  const route = 'POST /v1/messages';
  const answer = await routes[route]?.(
    httpEvent(route, {
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        mailFrom: 'alice@sender.example',
        rcptTo: ['a', 'b', 'c', 'd'].map((domain) => ({ address: `bob@${domain}.example` })),
        content: { upload },
      }),
    }),
  );
  const references = world.sent.map(({ content }) => content);
  client.destroy();
  return { statusCode: answer?.statusCode, references, before, after: peakBytes() };
}

function peakBytes(): number {
  return process.resourceUsage().maxRSS * 1_024;
}

process.send?.(await submitLargest(process.argv[2] ?? ''), () => process.disconnect());
