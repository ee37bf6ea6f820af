/**
 * The network of the world: look-ups, policy hosts, and connections to MX hosts on which the real dialogue runs.
 *
 * TCP and TLS are decided by what is true of the host at that moment; from the first MAIL on, octets go back and forth.
 */
import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { createSmtpConnection } from '../../functions/adapters/net/smtp-connection.ts';
import {
  defaultSmtpTimeouts,
  finalReplyTimeoutMsDefault,
} from '../../functions/adapters/net/smtp-timeouts.ts';
import { createTransactionRunner } from '../../functions/adapters/net/smtp-transactions.ts';
import type {
  Channel,
  ChannelTarget,
  OpenChannel,
  TlsFacts,
} from '../../functions/delivery/channel.ts';
import type { FetchPolicy } from '../../functions/policy/ports.ts';
import type { Answer, Resolver } from '../../functions/protocol/dns/answer.ts';
import { type FailureCode, TransportSecurityError } from '../../functions/protocol/errors.ts';
import { type AnsweringWorld, type KnownAnswers, lookUp, servePolicy } from './answers.ts';
import type { Chance } from './chance.ts';
import type { VirtualClock } from './clock.ts';
import { capabilitiesOf, type PeerSession, startPeer, type Taken } from './peer.ts';
import type { SimulatedProcess } from './process.ts';
import { type Domain, type Host, type HostTruth, truthAt } from './truth.ts';

/** Content that reached a host, whole or in part, and over what. */
export interface Arrival {
  readonly host: Host;
  readonly openedAtMs: number;
  readonly encrypted: boolean;
  readonly process: SimulatedProcess;
  readonly part: Omit<Taken, 'reply'>;
  /** Absent where only a part came, or the host put the sender off. */
  readonly taken?: Taken;
}

export interface Network {
  resolver(process: SimulatedProcess): Resolver;
  fetchPolicy(process: SimulatedProcess): FetchPolicy;
  openChannel(process: SimulatedProcess): OpenChannel;
  readonly counts: { connections: number; refused: number };
}

export interface NetworkOptions {
  readonly clock: VirtualClock;
  readonly chance: Chance;
  readonly domains: ReadonlyMap<string, Domain>;
  readonly hosts: ReadonlyMap<string, Host>;
  readonly arrived: (arrival: Arrival) => void;
  readonly isUnknown: (address: string) => boolean;
}

export function createNetwork(options: NetworkOptions): Network {
  const counts = { connections: 0, refused: 0 };
  const greylist = new Map<string, number>();
  const answers: KnownAnswers = new WeakMap();
  const { domains, hosts, clock } = options;
  const world: AnsweringWorld = { domains, hosts, nowMs: clock.now };
  return {
    counts,
    resolver: (process) => ({
      lookup: async (name, type) => {
        await process.pass(options.chance.happens(0.7) ? 0 : options.chance.between(1, 400));
        return lookUp(world, answers, { name, type }) as Answer<never>;
      },
    }),
    fetchPolicy: (process) => async (name) => {
      await process.pass(options.chance.between(20, 900));
      return servePolicy(world, name);
    },
    openChannel: (process) => async (target) => {
      counts.connections += 1;
      try {
        return await open(options, greylist, { process, target });
      } catch (error) {
        counts.refused += 1;
        throw error;
      }
    },
  };
}

interface Opening {
  readonly process: SimulatedProcess;
  readonly target: ChannelTarget;
}

async function open(
  options: NetworkOptions,
  greylist: Map<string, number>,
  { process, target }: Opening,
): Promise<Channel> {
  const { chance, clock } = options;
  const host = options.hosts.get(target.host);
  const truth = host && truthAt(host.timeline, clock.now());
  if (host === undefined || truth === undefined || truth.connection === 'refused') {
    await process.pass(chance.between(5, 200));
    throw refusal(target, 'connect-failed', 'connection refused');
  }
  if (truth.connection === 'silent') {
    await process.pass(defaultSmtpTimeouts.connectMs);
    throw refusal(target, 'connect-failed', 'no connection in time');
  }
  await process.pass(chance.between(20, 300));
  if (chance.happens(host.manner.busy)) {
    throw refusal(target, 'greeting-refused', '421 4.3.2 too many connections');
  }
  await passEarly(chance, host, { process, target });
  const shown = takeTls(target, truth);
  return createChannel(options, greylist, { process, target, host, truth, shown });
}

/** Up to the first EHLO and STARTTLS nothing is at stake but time: the host closes, falls silent or refuses there too. */
async function passEarly(
  chance: Chance,
  { manner }: Host,
  { process, target }: Opening,
): Promise<void> {
  const at = chance.pick(['greeting', 'EHLO', 'STARTTLS'] as const);
  if (chance.happens(manner.closes / 4)) {
    throw refusal(target, 'connection-lost', `closed at ${at}`);
  }
  if (chance.happens(manner.stalls / 4)) {
    const { greetingMs, commandMs } = defaultSmtpTimeouts;
    await process.pass(at === 'greeting' ? greetingMs : commandMs);
    throw refusal(target, 'smtp-timeout', `silent at ${at}`);
  }
  if (chance.happens(manner.defers / 2)) {
    const code = {
      greeting: 'greeting-refused',
      EHLO: 'ehlo-refused',
      STARTTLS: 'starttls-deferred',
    } as const;
    throw refusal(target, code[at], `451 4.3.2 at ${at}`);
  }
}

function refusal(target: ChannelTarget, code: FailureCode, reason: string): TransportSecurityError {
  return new TransportSecurityError(code, `${target.host} [${target.address}]: ${reason}`);
}

type Shown = Pick<Channel, 'tls' | 'clearReason'>;

/** What the channel opener on real sockets comes to, by the levels of `TlsLevel`. */
function takeTls(target: ChannelTarget, truth: HostTruth): Shown {
  if (target.tls === 'clear') {
    return {};
  }
  if (truth.startTls === 'absent') {
    if (target.tls === 'opportunistic') {
      return { clearReason: 'starttls-not-offered' };
    }
    throw refusal(target, 'starttls-not-offered', 'no STARTTLS');
  }
  if (truth.startTls === 'broken') {
    throw refusal(target, 'tls-handshake-failed', 'the handshake failed');
  }
  const pkix = judgeCertificate(truth);
  const dane: TlsFacts['dane'] =
    truth.tlsa === 'matching'
      ? { verified: true, reason: '3 1 1' }
      : { verified: false, code: 'dane-mismatch', reason: 'no record matches' };
  const demanded =
    target.tls === 'pkix'
      ? [pkix]
      : target.tls === 'dane'
        ? [dane, ...(target.dane?.alsoPkix === true ? [pkix] : [])]
        : [];
  for (const verdict of demanded) {
    if (!verdict.verified) {
      throw refusal(target, verdict.code, verdict.reason);
    }
  }
  return {
    tls: {
      version: 'TLSv1.3',
      cipher: 'TLS_AES_128_GCM_SHA256',
      fingerprint: '00',
      resumed: false,
      pkix,
      ...(target.tls === 'dane' && { dane }),
    },
  };
}

function judgeCertificate({ certificate }: HostTruth): TlsFacts['pkix'] {
  switch (certificate) {
    case 'valid':
      return { verified: true };
    case 'other-name':
      return { verified: false, code: 'certificate-host-mismatch', reason: 'of another name' };
    case 'untrusted':
      return { verified: false, code: 'certificate-not-trusted', reason: 'self-signed' };
  }
}

function createChannel(
  options: NetworkOptions,
  greylist: Map<string, number>,
  parts: Opening & { readonly host: Host; readonly truth: HostTruth; readonly shown: Shown },
): Channel {
  const { process, target, host, truth, shown } = parts;
  const { timers, now } = process;
  const capabilities = capabilitiesOf(host, truth.requireTls && shown.tls !== undefined);
  const socket = connectSocket(options, greylist, {
    process,
    host,
    openedAtMs: options.clock.now(),
    encrypted: shown.tls !== undefined,
  });
  const connection = createSmtpConnection(socket, { peer: target.host, now, timers });
  const runner = createTransactionRunner({
    connection,
    offer: { capabilities, isEncrypted: shown.tls !== undefined },
    timeouts: defaultSmtpTimeouts,
    finalReplyTimeoutMs: finalReplyTimeoutMsDefault,
    now,
  });
  let quitting: Promise<void> | undefined;
  return {
    target,
    peerName: host.name,
    capabilities,
    ...shown,
    get usable() {
      return quitting === undefined && connection.usable;
    },
    transact: (transaction, deadlineMs) => runner.run(transaction, deadlineMs),
    quit: () => {
      quitting ??= runner.finish().then(() => connection.end());
      return quitting;
    },
  };
}

/** A socket whose other end is a peer. A process that is dead hears nothing; what it had written still arrives. */
function connectSocket(
  { clock, chance, arrived, isUnknown }: NetworkOptions,
  greylist: Map<string, number>,
  facts: Pick<Arrival, 'process' | 'host' | 'openedAtMs' | 'encrypted'>,
): Socket {
  const { process, host } = facts;
  const events = new EventEmitter();
  const latencyMs = chance.between(5, 60);
  let isDestroyed = false;
  let isClosed = false;
  const deliver = (octets: string, heard?: () => void): void => {
    clock.at(clock.now() + latencyMs, () => {
      if (!isDestroyed && !process.isDead) {
        heard?.();
        events.emit('data', Buffer.from(octets, 'latin1'));
      }
    });
  };
  const peer: PeerSession = startPeer({
    host,
    chance,
    nowMs: clock.now,
    greylist,
    isUnknown,
    say: deliver,
    close: () => {
      isClosed = true;
      clock.at(clock.now() + latencyMs, () => {
        if (!isDestroyed && !process.isDead) {
          events.emit('close');
        }
      });
    },
    took: (taken) => arrived({ ...facts, part: taken, taken }),
    saw: (part) => arrived({ ...facts, part }),
  });
  const end = (): void => {
    if (!isDestroyed) {
      isDestroyed = true;
      clock.at(clock.now() + latencyMs, peer.end);
    }
  };
  return Object.assign(events, {
    destroyed: false,
    errored: null,
    write: (octets: string | Uint8Array, left?: () => void): boolean => {
      const text = typeof octets === 'string' ? octets : Buffer.from(octets).toString('latin1');
      if (!isClosed) {
        clock.at(clock.now() + latencyMs, () => peer.take(text));
      }
      if (left !== undefined) {
        clock.at(clock.now() + latencyMs, left);
      }
      return true;
    },
    destroy: end,
    destroySoon: end,
  }) as unknown as Socket;
}
