/** Against Debian's Postfix as the receiving MX host: nothing of it is ours. */
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { World } from '../../bin/world/world.ts';
import type { WhyRecord } from '../../functions/delivery/why.ts';
import {
  multipartFile,
  readJsonWhys,
  runSealpost,
  type WorldOptions,
  worldOptions,
} from '../command-line.ts';
import { createDeliveryProcess } from '../delivery-process.ts';
import { createCorpus } from './corpus.ts';
import { type Postfix, startPostfix } from './postfix.ts';
import { receiver, startReceiverWorld } from './receiver.ts';

const { domain, host, address } = receiver;

/** As many records as the function takes in one invocation. */
const batchSize = 10;

/** For a machine with much else to do. */
const arrivalMs = 60_000;

let world: World;
let postfix: Postfix;
let command: WorldOptions;

beforeAll(async () => {
  world = await startReceiverWorld();
  command = await worldOptions(world);
  postfix = await startPostfix({
    hostname: host,
    domain,
    address,
    port: world.network.smtpPort,
    credential: await world.certificates.credential('intermediate', host),
  });
});

afterAll(async () => {
  await postfix?.stop();
  await command?.remove();
  await world?.stop();
});

test('100 messages of 2 KB to 5 MB arrive byte for byte, over verified TLS and shared connections', async () => {
  const corpus = createCorpus(100, { octetsMin: 2_000, octetsMax: 5_000_000 });
  const { deliver, whys, stores } = createDeliveryProcess(world.network, { attemptMs: 120_000 });
  for (let first = 0; first < corpus.length; first += batchSize) {
    const batch = await Promise.all(
      corpus.slice(first, first + batchSize).map(async ({ content }, index) => ({
        mailFrom: 'alice@sender.example',
        rcptTo: [{ address: `bob@${domain}` }],
        content: await stores.contents.keep(`corpus-${first + index}`, content),
      })),
    );
    expect(await deliver(batch)).toEqual([]);
  }
  expect(whys.length).toBe(corpus.length);
  for (const why of whys) {
    expectDelivered(why);
  }
  const arrived = await postfix.messages(corpus.length, arrivalMs);
  expect(arrived.length).toBe(corpus.length);
  for (const { marker, content } of corpus) {
    expectArrived(arrived, { marker, content });
  }
  const connections = (await postfix.log()).match(/smtpd\[\d+\]: connect from /g) ?? [];
  expect(connections.length).toBeGreaterThan(0);
  expect(connections.length).toBeLessThanOrEqual((2 * corpus.length) / batchSize);
});

test('sealpost deliver: a message with attachments arrives byte for byte', async () => {
  const before = await postfix.messages(0, 0);
  const ran = await deliverMultipart();
  expect(ran).toMatchObject({ status: 0, stderr: '' });
  const [why, ...more] = readJsonWhys(ran);
  expect(more).toEqual([]);
  expectDelivered(why);
  expect(why?.policy).toMatchObject({ kind: 'policy', mode: 'enforce', source: 'wire' });
  const arrived = await postfix.messages(before.length + 1, arrivalMs);
  expectArrived(arrived, {
    marker: 'Message-ID: <7d1e2b5c-quarter@sender.example>',
    content: await readFile(multipartFile),
  });
});

test('sealpost deliver --require-tls: failed, since Postfix does not offer REQUIRETLS', async () => {
  const before = await postfix.messages(0, 0);
  const ran = await deliverMultipart('--require-tls');
  expect(ran.status).toBe(69);
  expect(readJsonWhys(ran)[0]?.decision).toMatchObject({
    outcome: 'failed',
    code: 'requiretls-not-offered',
    status: '5.7.30',
  });
  expect((await postfix.messages(0, 0)).length).toBe(before.length);
});

test('sealpost deliver: deferred once Postfix is down', async () => {
  await postfix.stop();
  const ran = await deliverMultipart();
  expect(ran.status).toBe(75);
  expect(readJsonWhys(ran)[0]?.decision).toMatchObject({ outcome: 'deferred' });
});

function deliverMultipart(...options: readonly string[]): ReturnType<typeof runSealpost> {
  return runSealpost([
    ...['deliver', multipartFile, '--from', 'juergen@sender.example', '--to', `sales@${domain}`],
    ...['--json', ...options, ...command.options],
  ]);
}

function expectDelivered(why: WhyRecord | undefined): void {
  expect(why?.decision.outcome).toBe('delivered');
  expect(why?.recipients).toMatchObject([{ outcome: 'delivered', status: '2.0.0' }]);
  expect(why?.hosts).toMatchObject([
    { host, tries: [{ address, level: 'pkix', tls: { version: 'TLSv1.3', verdict: 'verified' } }] },
  ]);
}

/** Whether one of the messages that arrived is this one: below the header, octet by octet. */
function expectArrived(
  arrived: readonly Buffer[],
  { marker, content }: { readonly marker: string; readonly content: Buffer },
): void {
  // A mailbox of Unix has LF where CRLF was, also at the end.
  const lines = content
    .toString('latin1')
    .replaceAll('\r\n', '\n')
    .replace(/(?<!\n)$/, '\n');
  const kept = Buffer.from(lines, 'latin1');
  const copies = arrived.filter((message) =>
    message.toString('latin1', 0, 4_000).includes(`\n${marker}\n`),
  );
  expect(copies.length, marker).toBe(1);
  const [copy = Buffer.alloc(0)] = copies;
  // Acceptance adds fields to the header; the others and the body are as they were handed in.
  const bodyStart = Math.max(0, kept.indexOf('\n\n'));
  const body = kept.subarray(bodyStart);
  expect(copy.subarray(-body.length).equals(body), `the body of ${marker}`).toBe(true);
  const header = copy.toString('latin1', 0, copy.length - body.length);
  for (const line of kept.toString('latin1', 0, bodyStart).split('\n')) {
    expect(header, `the header of ${marker}`).toContain(line);
  }
  const fields = header.replaceAll(/\n(?=[ \t])/g, '').split('\n');
  expect(fields.slice(0, 5).map((field) => field.split(':')[0])).toEqual([
    'Return-Path',
    'X-Original-To',
    'Delivered-To',
    'Received',
    'Received',
  ]);
  expect(fields[3]).toMatch(/^Received: from mail\.sender\.example .*\(using TLSv1\.3 /);
  expect(fields[3]).toMatch(/\sby mx\.receiver\.example \(Postfix\) with ESMTPS /);
}
