/**
 * Messages per second through the local cloud: from the queue, through the bundled delivery function in processes of its
 * own and emulated DynamoDB, over verified TLS to an MX host. Emulators and peer are JavaScript and share the machine, so
 * this says more about them than about AWS.
 */
import { rm } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { SendMessageBatchCommand, SQSClient } from '@aws-sdk/client-sqs';
import { type LocalCloud, startLocalCloud } from '../../bin/local/cloud.ts';
import { type CountingPeer, startCountingPeer } from '../interop/counting-peer.ts';
import { receiver, startReceiverWorld } from '../interop/receiver.ts';
import { createApp } from '../lib/synthesize.ts';
import type { Measurement } from './report.ts';

const messages = 500;
/** Start the processes, and make policy and keys known. */
const warming = 50;
const batch = 10;

export async function measureLocalCloud(): Promise<Measurement> {
  const { directory: assembly } = createApp({ bundle: ['**'] }).synth();
  const world = await startReceiverWorld();
  const peer = await startCountingPeer({
    address: receiver.address,
    port: world.network.smtpPort ?? 25,
    credential: await world.certificates.credential('valid', receiver.host),
    defers: () => false,
    replyAfterMs: () => 0,
  });
  const cloud = await startLocalCloud({ assembly, network: world.network, schedules: 'onDemand' });
  try {
    await send(cloud, peer, { first: 0, count: warming });
    const begunMs = performance.now();
    await send(cloud, peer, { first: warming, count: messages });
    const seconds = (performance.now() - begunMs) / 1_000;
    return { what: 'through the local cloud', value: messages / seconds, unit: 'messages/s' };
  } finally {
    await cloud.stop();
    await peer.stop();
    await world.stop();
    await rm(assembly, { recursive: true, force: true });
  }
}

/** Puts messages into the queue, and waits until the host has them all. */
async function send(
  cloud: LocalCloud,
  peer: CountingPeer,
  { first, count }: { readonly first: number; readonly count: number },
): Promise<void> {
  const client = new SQSClient({
    region: 'eu-west-1',
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
    endpoint: cloud.endpoints.sqs,
    useQueueUrlAsEndpoint: false,
  });
  for (let sent = 0; sent < count; sent += batch) {
    const entries = Array.from({ length: batch }, (_, index) => ({
      Id: String(index),
      MessageBody: bodyOf(first + sent + index),
    }));
    await client.send(
      new SendMessageBatchCommand({
        QueueUrl: cloud.physicalId('DeliveryQueue'),
        Entries: entries,
      }),
    );
  }
  client.destroy();
  while (peer.copies.size < first + count) {
    await pause(20);
  }
}

function bodyOf(serial: number): string {
  const from = `s${serial}@sender.example`;
  const content = `From: ${from}\r\nDate: Tue, 24 Nov 2026 12:00:00 +0000\r\nMessage-ID: <${serial}@sender.example>\r\n\r\n${'x'.repeat(70)}\r\n`;
  return JSON.stringify({
    mailFrom: from,
    rcptTo: [{ address: `bob@${receiver.domain}` }],
    content: { data: Buffer.from(content).toString('base64') },
  });
}
