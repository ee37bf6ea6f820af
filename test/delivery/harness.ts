/** The delivery room with in-memory stores and literal peers: no socket, no clock but the test's. */
import type {
  Channel,
  ChannelTarget,
  OpeningWatch,
  TlsFacts,
} from '../../functions/delivery/channel.ts';
import { createChannelPool } from '../../functions/delivery/channel-pool.ts';
import { deliverBatch, type QueueRecord } from '../../functions/delivery/deliver-batch.ts';
import type { DeliveryEvent } from '../../functions/delivery/events.ts';
import { createSessionLog } from '../../functions/delivery/session-log.ts';
import type { DeliverySettings } from '../../functions/environment.ts';
import type { DeliveryParts } from '../../functions/handlers/deliver.ts';
import type { StsState } from '../../functions/policy/ports.ts';
import type { Answer, RecordType } from '../../functions/protocol/dns/answer.ts';
import { type FailureCode, TransportSecurityError } from '../../functions/protocol/errors.ts';
import type {
  RecipientResult,
  Reply,
  Transaction,
  TransactionResult,
} from '../../functions/protocol/smtp/transaction.ts';
import type { RecordedSession } from '../../functions/reporting/record-sessions.ts';
import { createAcceptFromQueue } from '../../functions/submission/accept-from-queue.ts';
import type { Controls } from '../../functions/submission/ports.ts';
import { deliverySettings } from '../delivery-settings.ts';
import { createMemoryPorts, type MemoryPorts } from './memory-ports.ts';

/** What a scripted MX host does. */
export interface Peer {
  /** Refuses the channel. */
  readonly refuse?:
    | FailureCode
    | ((target: ChannelTarget, deadlineMs: number) => FailureCode | undefined);
  /** What it says where it refuses; default: nothing. */
  readonly refusal?: Reply;
  readonly requireTls?: boolean;
  /** Whether it offers DSN (RFC 3461). */
  readonly dsn?: boolean;
  /** What its handshake shows, also before it refuses the channel; absent: it has no STARTTLS. */
  readonly tls?: TlsFacts;
  /** Answers the nth transaction (from 0) of the peer; default: all delivered. */
  readonly answer?: (transaction: Transaction, index: number) => TransactionResult;
}

export interface Sent {
  readonly host: string;
  readonly tls: string;
  /** Counts the connections of the test. */
  readonly connection: number;
  readonly transaction: Transaction;
}

export interface Harness {
  readonly stores: MemoryPorts;
  readonly sent: Sent[];
  readonly events: DeliveryEvent[];
  readonly opened: ChannelTarget[];
  /** What TLS reports would be made of. */
  readonly sessions: RecordedSession[];
  /** Epoch milliseconds; tests move it. */
  nowMs: number;
  sts: StsState;
  stsAfresh: StsState | undefined;
  settings: DeliverySettings;
  controls: Controls;
  readonly mx: Map<string, Answer<'MX'>>;
  /** `name TYPE` -> answer, before all else. */
  readonly answers: Map<string, Answer<RecordType>>;
  /** `name TYPE` of every look-up. */
  readonly asked: string[];
  readonly peers: Map<string, Peer>;
  /** What the delivery function is made of. */
  readonly parts: DeliveryParts;
  /** Runs one invocation of 15 minutes; resolves to what stays in the queue. */
  deliver(...records: QueueRecord[]): Promise<string[]>;
}

const facts = { status: 'insecure', canonicalName: '', aliases: [], ttlSeconds: 60 } as const;

export const mxOf = (...hosts: string[]): Answer<'MX'> => ({
  ...facts,
  kind: 'records',
  records: hosts.map((exchange, index) => ({ preference: index, exchange })),
});

export const absent: StsState = { kind: 'absent', reason: 'nothing published' };

export function enforce(...mx: string[]): StsState {
  return {
    kind: 'policy',
    source: 'memory',
    cached: {
      domain: 'rcpt.example',
      id: mx.join(),
      policy: { mode: 'enforce', mx, maxAgeSeconds: 86_400 },
      text: mx.join(),
      fetchedAtMs: 0,
      usedAtMs: 0,
    },
  };
}

export const reply = (code: number, text: string): { code: number; lines: string[] } => ({
  code,
  lines: [text],
});

/** Every recipient alike. */
export function alike(
  transaction: Transaction,
  result: RecipientResult,
  rest: Partial<TransactionResult> = {},
): TransactionResult {
  return {
    recipients: transaction.recipients.map(() => result),
    contentSent: 'complete',
    sessionLost: false,
    ...rest,
  };
}

export const delivered: RecipientResult = { outcome: 'delivered', reply: reply(250, 'taken') };

let serial = 0;

/** A record in the minimal form. */
export function record(over: object = {}, sqs: Partial<QueueRecord> = {}): QueueRecord {
  serial += 1;
  const body = JSON.stringify({
    id: `m${serial}`,
    mailFrom: 'alice@sender.example',
    rcptTo: [{ address: 'bob@rcpt.example' }],
    content: { data: Buffer.from('Subject: x\r\n\r\nhi\r\n').toString('base64') },
    ...over,
  });
  return {
    messageId: `sqs-${serial}`,
    receiptHandle: `handle-${serial}`,
    sentAtMs: Date.UTC(2026, 0, 1),
    body,
    ...sqs,
  };
}

/** rcpt.example with one MX host, nothing published, everything delivered. */
export function createHarness(): Harness {
  const stores = createMemoryPorts();
  let token = 0;
  let connection = 0;
  const harness: Harness = {
    stores,
    sent: [],
    events: [],
    opened: [],
    sessions: [],
    nowMs: Date.UTC(2026, 0, 1, 0, 1),
    sts: absent,
    stsAfresh: undefined,
    settings: deliverySettings,
    controls: { rules: [], exceptions: [] },
    answers: new Map(),
    asked: [],
    mx: new Map([['rcpt.example', mxOf('mx.rcpt.example')]]),
    peers: new Map(),
    parts: {
      ports: {
        ...stores,
        now: () => harness.nowMs,
        random: () => 0.5,
        newToken: () => `token-${++token}`,
        resolver: { lookup: async (name, type) => lookup(harness, name, type) as never },
        discoverPolicy: async (_domain, { afresh }) =>
          (afresh === true ? harness.stsAfresh : undefined) ?? harness.sts,
        readControls: async () => harness.controls,
        accept: (message, content) =>
          createAcceptFromQueue({
            settings: harness.settings,
            ports: {
              now: () => harness.nowMs,
              readControls: async () => harness.controls,
              signContent: async () => [],
              contents: stores.contents,
              shareContent: stores.messages.shareContent,
            },
            wholeMessages: { keep: async (whole) => whole },
          })(message, content),
        openChannel: async (target, deadlineMs, watch) => {
          harness.opened.push(target);
          connection += 1;
          return openFake(target, { connection, deadlineMs, watch }, harness);
        },
        observe: (event) => harness.events.push(event),
      },
      get settings() {
        return harness.settings;
      },
      network: { smtpPort: 25, ipv6: false, allowPrivateAddresses: false },
    },
    deliver: async (...records) => {
      const { openChannel, now } = harness.parts.ports;
      const pool = createChannelPool({ openChannel, perHostMax: 2, now });
      const deadlineMs = harness.nowMs + 15 * 60_000;
      const contentDeadlineMs = deadlineMs - 610_000;
      try {
        return await deliverBatch(records, {
          ...harness.parts,
          pool,
          sessions: createSessionLog({
            now,
            record: (session) => harness.sessions.push(session),
            sendingMtaIp: '198.51.100.1',
          }),
          deadlineMs,
          contentDeadlineMs,
        });
      } finally {
        await pool.close();
      }
    },
  };
  return harness;
}

function lookup(harness: Harness, name: string, type: RecordType): unknown {
  const question = `${name} ${type}`;
  harness.asked.push(question);
  const answer = harness.answers.get(question);
  if (answer !== undefined) {
    return answer;
  }
  if (type === 'MX') {
    return harness.mx.get(name) ?? { ...facts, kind: 'nodata' };
  }
  return type === 'A'
    ? { ...facts, kind: 'records', records: ['203.0.114.25'] }
    : { ...facts, kind: 'nodata' };
}

interface Opening {
  readonly connection: number;
  readonly deadlineMs: number;
  readonly watch: OpeningWatch | undefined;
}

function openFake(
  target: ChannelTarget,
  { connection, deadlineMs, watch }: Opening,
  harness: Harness,
): Channel {
  const peer = harness.peers.get(target.host) ?? {};
  const tls = target.tls === 'clear' ? undefined : peer.tls;
  watch?.greeted(target.host);
  if (tls !== undefined) {
    watch?.secured(tls);
  }
  const refusal = typeof peer.refuse === 'function' ? peer.refuse(target, deadlineMs) : peer.refuse;
  if (refusal !== undefined) {
    throw new TransportSecurityError(refusal, `${target.host}: ${refusal}`, {
      cause: peer.refusal,
    });
  }
  const channel: Channel & { usable: boolean } = {
    target,
    peerName: target.host,
    ...(tls !== undefined && { tls }),
    capabilities: new Map([
      ...(peer.requireTls === true ? [['REQUIRETLS', ''] as const] : []),
      ...(peer.dsn === true ? [['DSN', ''] as const] : []),
    ]),
    usable: true,
    transact: async (transaction) => {
      const index = harness.sent.filter(({ host }) => host === target.host).length;
      harness.sent.push({ host: target.host, tls: target.tls, connection, transaction });
      const result = peer.answer?.(transaction, index) ?? alike(transaction, delivered);
      channel.usable &&= !result.sessionLost;
      return result;
    },
    quit: async () => {
      channel.usable = false;
    },
  };
  return channel;
}
