/**
 * Nothing lost, and nothing sent twice without need, in the local cloud: while 2,000 messages are on their way to
 * smtp-server and Postfix, processes of the delivery and requeue functions are killed at random.
 *
 * The moments are those of a seed, which is printed; `KILL_SEED` sets it. What the machine does between them is not.
 */
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { DynamoDBClient, paginateScan } from '@aws-sdk/client-dynamodb';
import { GetQueueAttributesCommand, SendMessageBatchCommand, SQSClient } from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type LocalCloud, startLocalCloud } from '../../bin/local/cloud.ts';
import type { World } from '../../bin/world/world.ts';
import type { RecipientState } from '../../functions/delivery/ports.ts';
import { createApp, exampleProps } from '../lib/synthesize.ts';
import { startRandom } from '../random.ts';
import { type CountingPeer, startCountingPeer } from './counting-peer.ts';
import { findFunctionProcesses, type Killed, killProcess } from './function-processes.ts';
import { type JumpingClock, startJumpingClock } from './jumping-clock.ts';
import { type Postfix, startPostfix } from './postfix.ts';
import { receiver, startReceiverWorld } from './receiver.ts';

const messageCount = 2_000;

/** Every tenth goes to Postfix. */
const postfixEvery = 10;

/** Every seventh is put off at first. */
const deferEvery = 7;

/** Rounds with kills, and those that at most follow to bring everything to its end. */
const killRounds = 3;
const killsPerRound = 6;
const roundsMax = 8;

/** Longer than a lease, and than a record that nobody let go stays invisible. */
const roundMs = 95 * 60_000;

/** Records of one batch: what a process may have in its hands. */
const batchSize = 10;

/** Without an event for so long, nothing is under way. */
const quietMs = 2_000;

const postfixReceiver = {
  domain: 'postfix.example',
  host: 'mx.postfix.example',
  address: '127.25.200.2',
} as const;

const hasPostfix = existsSync('/usr/sbin/postfix') && process.getuid?.() === 0;
const seed = Number(process.env['KILL_SEED'] ?? Date.now() % 1_000_000);
const random = startRandom(seed);

let world: World;
let peer: CountingPeer;
let postfix: Postfix | undefined;
let clock: JumpingClock;
let cloud: LocalCloud;
let assembly: string;
let lastEventAt = performance.now();

beforeAll(async () => {
  const { delivery } = exampleProps();
  const settings = { retryWaitsMinutes: [1], connectionsPerMxMax: 1 };
  const replace = { delivery: { ...delivery, ...settings }, invocationsMax: 3 };
  const built = createApp({ replace, bundle: ['**'] }).synth();
  assembly = built.directory;
  clock = await startJumpingClock(
    built.stacks.map(({ templateFile }) => join(assembly, templateFile)),
  );
  world = await startReceiverWorld([receiver, postfixReceiver]);
  const { smtpPort: port = 25 } = world.network;
  peer = await startCountingPeer({
    address: receiver.address,
    port,
    credential: await world.certificates.credential('valid', receiver.host),
    defers: (mailFrom) => serialOf(mailFrom) % deferEvery === 0,
    replyAfterMs: () => random(20),
  });
  if (hasPostfix) {
    postfix = await startPostfix({
      hostname: postfixReceiver.host,
      domain: postfixReceiver.domain,
      address: postfixReceiver.address,
      port,
      credential: await world.certificates.credential('valid', postfixReceiver.host),
    });
  }
  cloud = await startLocalCloud({
    assembly,
    network: world.network,
    schedules: 'onDemand',
    onEvent: () => {
      lastEventAt = performance.now();
    },
  });
});

afterAll(async () => {
  await cloud?.stop();
  await postfix?.stop();
  await peer?.stop();
  await world?.stop();
  await clock?.stop();
  await rm(assembly, { recursive: true, force: true });
});

test(`the books balance whatever is killed (KILL_SEED=${seed})`, { timeout: 480_000 }, async () => {
  const killed: Killed[] = [];
  await sendMessages();
  let rows = await readRows();
  for (let round = 1; round <= roundsMax && !isDone(rows); round += 1) {
    await playRound(round <= killRounds ? killsPerRound : 0, killed);
    // Before the jump and not after it: what the dead had in their hands comes back when leases and invisibility end,
    // and whoever takes it then must live to deliver it.
    killed.push(...(await killAll()));
    await clock.jump(roundMs);
    rows = await readRows();
  }
  const books = closeBooks(killed);
  console.log(JSON.stringify({ seed, ...books }));
  expect(await countRecords('DeadLetterQueue')).toBe(0);
  expect([...rows].filter(([, state]) => state !== 'delivered')).toEqual([]);
  expect(rows.size).toBe(messageCount);
  expect(books.lost).toEqual([]);
  expect(books.unexplained).toEqual([]);
  expect(books.killedDeliveries).toBeGreaterThan(0);
  expect(books.killedRequeues).toBeGreaterThan(0);
  expect(books.deferred).toBeGreaterThan(messageCount / deferEvery / 2);
  await checkPostfix(books.killedDeliveries);
});

function serialOf(mailFrom: string): number {
  return Number(/^s(\d+)@/.exec(mailFrom)?.[1]);
}

function isForPostfix(serial: number): boolean {
  return hasPostfix && serial % postfixEvery === 1;
}

function messageOf(serial: number): object {
  const { domain } = isForPostfix(serial) ? postfixReceiver : receiver;
  const content = [
    `From: s${serial}@sender.example`,
    `Message-ID: <kill-${serial}@sender.example>`,
    'Date: Tue, 24 Nov 2026 12:00:00 +0000',
    `Subject: ${serial}`,
    '',
    `The body of message ${serial}.`,
    '',
  ].join('\r\n');
  return {
    id: `kill-${serial}`,
    mailFrom: `s${serial}@sender.example`,
    // The clock jumps over hours: a notice that a message is late would be a message more.
    rcptTo: [{ address: `bob@${domain}`, notify: ['FAILURE'] }],
    content: { data: Buffer.from(content).toString('base64') },
  };
}

const common = {
  region: 'eu-west-1',
  credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
};

function sqs(): SQSClient {
  return new SQSClient({
    ...common,
    endpoint: cloud.endpoints.sqs,
    useQueueUrlAsEndpoint: false,
  });
}

async function sendMessages(): Promise<void> {
  const client = sqs();
  for (let first = 0; first < messageCount; first += batchSize) {
    await client.send(
      new SendMessageBatchCommand({
        QueueUrl: cloud.physicalId('DeliveryQueue'),
        Entries: Array.from({ length: batchSize }, (_, index) => ({
          Id: String(index),
          MessageBody: JSON.stringify(messageOf(first + index)),
        })),
      }),
    );
  }
  client.destroy();
}

async function countRecords(queue: string): Promise<number> {
  const client = sqs();
  const { Attributes = {} } = await client.send(
    new GetQueueAttributesCommand({
      QueueUrl: cloud.physicalId(queue),
      AttributeNames: ['ApproximateNumberOfMessages'],
    }),
  );
  client.destroy();
  return Number(Attributes['ApproximateNumberOfMessages']);
}

/** What became of each message, by its id: one word where its row is finished. */
async function readRows(): Promise<Map<string, string>> {
  const client = new DynamoDBClient({ ...common, endpoint: cloud.endpoints.dynamodb });
  const rows = new Map<string, string>();
  const pages = paginateScan({ client }, { TableName: cloud.physicalId('MessageTable') });
  for await (const { Items = [] } of pages) {
    for (const { id, part, recipients, removeAtSeconds } of Items) {
      if (part?.S?.startsWith('delivery#')) {
        const [recipient] = JSON.parse(recipients?.S ?? '[]') as RecipientState[];
        const isFinished = removeAtSeconds !== undefined;
        rows.set(String(id?.S), isFinished ? String(recipient?.state) : 'unfinished');
      }
    }
  }
  client.destroy();
  return rows;
}

function isDone(rows: ReadonlyMap<string, string>): boolean {
  return rows.size === messageCount && ![...rows.values()].includes('unfinished');
}

/** Requeues, twice at once, while what is in the queue is delivered; until nothing happens any more. */
async function playRound(kills: number, killed: Killed[]): Promise<void> {
  lastEventAt = performance.now();
  const requeues = [1, 2].map(() => cloud.runSchedule('RetriesRequeueSchedule'));
  if (kills > 0) {
    await pause(random(1_500));
    killed.push(...(await killOne('Requeue')));
  }
  for (let kill = 0; kill < kills; kill += 1) {
    await pause(500 + random(2_000));
    killed.push(...(await killOne('Deliver')));
  }
  while (performance.now() - lastEventAt < quietMs) {
    await pause(200);
  }
  await Promise.all(requeues);
}

/** One of the function's processes, busy or not. */
async function killOne(functionName: 'Deliver' | 'Requeue'): Promise<readonly Killed[]> {
  const targets = await processesOf(functionName);
  const target = targets[random(Math.max(1, targets.length))];
  const victim = target && (await killProcess(target));
  return victim === undefined ? [] : [victim];
}

/** So that nobody is at work while hours pass: what he has begun would be somebody else's before he ends it. */
async function killAll(): Promise<readonly Killed[]> {
  const victims = await Promise.all((await findFunctionProcesses()).map(killProcess));
  return victims.flatMap((victim) => victim ?? []);
}

async function processesOf(functionName: string): ReturnType<typeof findFunctionProcesses> {
  const all = await findFunctionProcesses();
  return all.filter((each) => each.functionName.includes(functionName));
}

/**
 * A copy too many is explained where the connection of each copy before it was open when its process was killed: the
 * host had said 250, and nobody was left to write that down.
 */
function closeBooks(killed: readonly Killed[]) {
  const cut = new Set(killed.flatMap(({ ports }) => [...ports]));
  const serials = Array.from({ length: messageCount }, (_, serial) => serial);
  const own = serials.filter((serial) => !isForPostfix(serial));
  const copiesOf = (serial: number) => peer.copies.get(`s${serial}@sender.example`) ?? [];
  const count = (functionName: string) =>
    killed.filter((each) => each.functionName.includes(functionName)).length;
  return {
    killedDeliveries: count('Deliver'),
    killedRequeues: count('Requeue'),
    deferred: peer.deferred(),
    copies: own.reduce((sum, serial) => sum + copiesOf(serial).length, 0),
    messages: own.length,
    lost: own.filter(
      (serial) =>
        !copiesOf(serial).some(({ content }) =>
          content.endsWith(`\r\n\r\nThe body of message ${serial}.\r\n`),
        ),
    ),
    unexplained: own.filter((serial) =>
      copiesOf(serial)
        .slice(0, -1)
        .some(({ port }) => !cut.has(port)),
    ),
  };
}

/** Postfix names no connections: there, no more copies than processes had messages in their hands when they died. */
async function checkPostfix(kills: number): Promise<void> {
  if (postfix === undefined) {
    return;
  }
  const serials = Array.from({ length: messageCount }, (_, serial) => serial).filter(isForPostfix);
  const arrived = await postfix.messages(serials.length, 30_000);
  const found = arrived.map(
    (message) => /^Message-ID: <kill-(\d+)@/im.exec(message.toString('latin1'))?.[1],
  );
  expect(new Set(found)).toEqual(new Set(serials.map(String)));
  expect(found.length - serials.length).toBeLessThanOrEqual(kills * batchSize);
}
