/** The clients that are measured, each over one connection, or over a fresh one for each message. */
import { createSecureContext, type TLSSocket } from 'node:tls';
import { createTransport } from 'nodemailer';
import { createChannelOpener } from '../../functions/adapters/net/smtp-channel.ts';
import type { Channel, ChannelTarget, OpenChannel } from '../../functions/delivery/channel.ts';
import { createChannelPool } from '../../functions/delivery/channel-pool.ts';
import { deliverBatch, type QueueRecord } from '../../functions/delivery/deliver-batch.ts';
import type { Transaction, TransactionResult } from '../../functions/protocol/smtp/transaction.ts';
import { createHarness, enforce, mxOf } from '../delivery/harness.ts';
import { connectFloor, quitFloor, sendFloor } from './floor-client.ts';

export interface Client {
  /** Over one connection, made at the first call and kept. */
  sendKept(count: number): Promise<void>;
  /** Over a connection of its own each. */
  sendFresh(count: number): Promise<void>;
}

export interface Target {
  readonly host: string;
  readonly ca: string;
  readonly port: number;
}

const from = 'a@sender.test';
const to = 'b@mx.test';

export type ClientName = 'Sealpost' | 'delivery' | 'nodemailer' | 'floor' | 'handshake';

export function createClient(name: ClientName, target: Target, content: Buffer): Client {
  switch (name) {
    case 'Sealpost':
      return createOurs(target, content);
    case 'delivery':
      return createWholeDelivery(target, content);
    case 'nodemailer':
      return createNodemailer(target, content);
    case 'floor':
      return createFloor(target, content);
    case 'handshake':
      return createHandshakes(target);
  }
}

function createFloor(target: Target, content: Buffer): Client {
  let socket: Promise<TLSSocket> | undefined;
  const context = createSecureContext({ ca: target.ca });
  const message = { from, to, content: stuff(content) };
  return {
    sendKept: async (count) => {
      socket ??= connectFloor({ ...target, context });
      await sendFloor(await socket, message, count);
    },
    sendFresh: async (count) => {
      for (let sent = 0; sent < count; sent += 1) {
        const fresh = await connectFloor({ ...target, context });
        await sendFloor(fresh, message, 1);
        await quitFloor(fresh);
      }
    },
  };
}

async function unmeasured(): Promise<void> {
  throw new RangeError('nobody asks for that');
}

function stuff(content: Buffer): Buffer {
  return Buffer.from(content.toString('latin1').replace(/^\./gm, '..'), 'latin1');
}

const deadlineMs = (): number => Date.now() + 700_000;

function openerFor(target: Target): OpenChannel {
  return createChannelOpener({
    network: { extraRoots: target.ca },
    ehloName: 'out.test',
    now: Date.now,
    roots: [],
  });
}

/** As many as delivery has in hand over one channel. */
const inHandMax = 3;

/** The channel as delivery uses it: each transaction rides behind the end of the one before, and a third waits its turn. */
function createOurs(target: Target, content: Buffer): Client {
  const openChannel = openerFor(target);
  const address: ChannelTarget = {
    host: target.host,
    address: '127.0.0.1',
    port: target.port,
    tls: 'pkix',
    verdictKey: 'bench',
  };
  const transaction: Transaction = {
    mailFrom: from,
    recipients: [{ address: to }],
    content,
    requireTls: false,
    smtpUtf8: false,
  };
  let kept: Promise<Channel> | undefined;
  let opened = 0;
  const send = async (channel: Channel, count: number): Promise<void> => {
    const inHand: Promise<TransactionResult>[] = [];
    for (let sent = 0; sent < count; sent += 1) {
      inHand.push(channel.transact(transaction, deadlineMs()));
      if (inHand.length === inHandMax) {
        expectDelivered(await inHand.shift());
      }
    }
    for (const last of inHand) {
      expectDelivered(await last);
    }
  };
  return {
    sendKept: async (count) => {
      kept ??= openChannel(address, deadlineMs());
      await send(await kept, count);
    },
    sendFresh: async (count) => {
      for (let sent = 0; sent < count; sent += 1) {
        opened += 1;
        // A verdict of its own each: no session is resumed.
        const fresh = { ...address, verdictKey: `bench ${opened}` };
        const channel = await openChannel(fresh, deadlineMs());
        await send(channel, 1);
        await channel.quit();
      }
    },
  };
}

function expectDelivered(result: TransactionResult | undefined): void {
  if (result !== undefined && result.recipients[0]?.outcome !== 'delivered') {
    throw new Error(`not delivered: ${JSON.stringify(result)}`);
  }
}

/** From the records of a batch to their rows, with stores in memory: all of the delivery room. */
function createWholeDelivery(target: Target, content: Buffer): Client {
  const harness = createHarness();
  harness.mx.set(target.host, mxOf(target.host));
  harness.answers.set(`${target.host} A`, {
    kind: 'records',
    records: ['127.0.0.1'],
    status: 'insecure',
    canonicalName: target.host,
    aliases: [],
    ttlSeconds: 60,
  });
  // A policy in force asks for a certificate that holds, as it does of the other clients.
  harness.sts = enforce(target.host);
  const now = Date.now;
  const openChannel = openerFor(target);
  const parts = {
    ...harness.parts,
    ports: { ...harness.parts.ports, now, openChannel },
    network: { smtpPort: target.port, ipv6: false, allowPrivateAddresses: true },
  };
  const data = content.toString('base64');
  let serial = 0;
  const makeRecord = (): QueueRecord => {
    serial += 1;
    return {
      messageId: `bench${serial}`,
      receiptHandle: `bench${serial}`,
      sentAtMs: now(),
      body: JSON.stringify({ mailFrom: from, rcptTo: [{ address: to }], content: { data } }),
    };
  };
  const pool = createChannelPool({ openChannel, perHostMax: 1, now });
  return {
    sendKept: async (count) => {
      for (let left = count; left > 0; left -= 10) {
        const records = Array.from({ length: Math.min(left, 10) }, makeRecord);
        const kept = await deliverBatch(records, {
          ...parts,
          pool,
          deadlineMs: deadlineMs(),
          contentDeadlineMs: now() + 60_000,
        });
        if (kept.length > 0) {
          throw new Error(`kept: ${kept.length} records`);
        }
      }
    },
    sendFresh: unmeasured,
  };
}

/** How many messages wait in nodemailer's pool: the more there are, the longer it takes for each. */
const pooledMax = 100;

function createNodemailer(target: Target, content: Buffer): Client {
  const options = {
    host: '127.0.0.1',
    port: target.port,
    requireTLS: true,
    tls: { servername: target.host, ca: target.ca },
  };
  const message = { envelope: { from, to: [to] }, raw: content };
  const pool = createTransport({
    ...options,
    pool: true,
    maxConnections: 1,
    maxMessages: Number.POSITIVE_INFINITY,
  });
  return {
    sendKept: async (count) => {
      let left = count;
      const send = async (): Promise<void> => {
        while (left > 0) {
          left -= 1;
          await pool.sendMail(message);
        }
      };
      await Promise.all(Array.from({ length: pooledMax }, send));
    },
    sendFresh: async (count) => {
      for (let sent = 0; sent < count; sent += 1) {
        const transport = createTransport(options);
        await transport.sendMail(message);
        transport.close();
      }
    },
  };
}

/** Whole handshakes, as those of the other clients. */
function createHandshakes(target: Target): Client {
  const context = createSecureContext({ ca: target.ca });
  return {
    sendKept: unmeasured,
    sendFresh: async (count) => {
      for (let made = 0; made < count; made += 1) {
        const socket = await connectFloor({ ...target, context });
        socket.destroy();
      }
    },
  };
}
