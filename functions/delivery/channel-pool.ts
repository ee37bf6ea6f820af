/**
 * Channels kept across the messages of a batch.
 *
 * A channel is shared only between equal verdict keys: host, address, port and all that decided what it had to show.
 * Two domains may have the same MX hosts and different policies; what satisfied one says nothing about the other.
 */
import { TransportSecurityError } from '../protocol/errors.ts';
import { asksForFewerConnections } from '../protocol/smtp/busy-reply.ts';
import { findReply } from '../protocol/smtp/reply.ts';
import type { TransactionResult } from '../protocol/smtp/transaction.ts';
import type { Channel, ChannelTarget, OpenChannel } from './channel.ts';
import { createHostLimits, type HostLimits } from './host-limits.ts';
import type { SessionWatch } from './session-log.ts';
import { processTimers, type Timers } from './timers.ts';

/** Hands channels out and takes them back. */
export interface ChannelPool {
  /**
   * An idle channel for the target, or a new one as soon as its MX host has room for it. One that says that it has too
   * many gets fewer, and who asked waits for one of those. Rejects as OpenChannel does, and with `time-too-short` when
   * no room came free in time.
   */
  acquire(target: ChannelTarget, deadlineMs: number, watch?: SessionWatch): Promise<Channel>;
  /** Heeds what a peer said to a transaction of one of its channels, for the number of connections that it gets. */
  heed(target: ChannelTarget, result: TransactionResult): void;
  /** Gives a channel back, usable or not. */
  release(channel: Channel): Promise<void>;
  /** Ends all idle channels; at the end of a batch, since a frozen function keeps no connection alive. */
  close(): Promise<void>;
}

interface PoolOptions {
  readonly openChannel: OpenChannel;
  /** Connections to one address and port at a time. */
  readonly perHostMax: number;
  /** What is known of the hosts from earlier batches; default: nothing. */
  readonly limits?: HostLimits;
  readonly now: () => number;
  /** Default: the process's own. */
  readonly timers?: Timers;
}

/** Everything known of one address and port. */
interface Peer {
  open: number;
  readonly idle: Channel[];
  readonly waiting: (() => void)[];
}

interface Pool {
  readonly options: PoolOptions;
  readonly limits: HostLimits;
  /** By address and port. */
  readonly peers: Map<string, Peer>;
}

/** Makes an empty pool. */
export function createChannelPool(options: PoolOptions): ChannelPool {
  const { limits = createHostLimits(options.perHostMax) } = options;
  const pool: Pool = { options, limits, peers: new Map() };
  return {
    acquire: (target, deadlineMs, watch) => acquire(pool, target, { deadlineMs, watch }),
    heed: (target, result) => heed(pool, target, result),
    release: (channel) => release(pool, channel),
    close: async () => {
      await Promise.all(
        [...pool.peers.values()].map(async (peer) => {
          await Promise.all(peer.idle.splice(0).map((channel) => drop(peer, channel)));
        }),
      );
    },
  };
}

function peerOf({ peers }: Pool, { address, port }: ChannelTarget): Peer {
  const key = `${address} ${port}`;
  const known = peers.get(key) ?? { open: 0, idle: [], waiting: [] };
  peers.set(key, known);
  return known;
}

interface Terms {
  readonly deadlineMs: number;
  readonly watch: SessionWatch | undefined;
}

async function acquire(pool: Pool, target: ChannelTarget, terms: Terms): Promise<Channel> {
  const { options, limits } = pool;
  const peer = peerOf(pool, target);
  for (;;) {
    const kept = takeIdle(peer, target);
    if (kept !== undefined) {
      return kept;
    }
    if (peer.open < limits.limitOf(target.host)) {
      const opened = await open(pool, target, terms);
      if (opened !== undefined) {
        return opened;
      }
      continue;
    }
    const other = peer.idle.shift();
    await (other === undefined
      ? waitForRoom(peer, terms.deadlineMs - options.now(), options.timers)
      : drop(peer, other));
  }
}

/** Undefined: the host bears no more than it has, so that one of those will have to do. */
async function open(
  pool: Pool,
  target: ChannelTarget,
  { deadlineMs, watch }: Terms,
): Promise<Channel | undefined> {
  const { options, limits } = pool;
  const peer = peerOf(pool, target);
  peer.open += 1;
  try {
    watch?.began();
    return await options.openChannel(target, deadlineMs, watch);
  } catch (error) {
    peer.open -= 1;
    const isBusy = refusesAsTooMany(error);
    // Of several that are refused at once, the first has lowered it.
    if (isBusy && limits.limitOf(target.host) > peer.open) {
      limits.lower(target.host, peer.open);
    }
    if (isBusy && peer.open > 0) {
      return undefined;
    }
    peer.waiting.shift()?.();
    throw error;
  }
}

function heed(pool: Pool, target: ChannelTarget, result: TransactionResult): void {
  const { limits } = pool;
  const { open: count } = peerOf(pool, target);
  if (result.recipients.some(({ reply }) => reply && asksForFewerConnections(reply))) {
    // A host that shuts down says 421 to all of them; that counts once.
    if (limits.limitOf(target.host) >= count) {
      limits.lower(target.host, count - 1);
    }
  } else if (result.contentSent === 'complete') {
    limits.carried(target.host);
  }
}

async function release(pool: Pool, channel: Channel): Promise<void> {
  const peer = peerOf(pool, channel.target);
  if (!channel.usable || peer.open > pool.limits.limitOf(channel.target.host)) {
    await drop(peer, channel);
    return;
  }
  peer.idle.push(channel);
  peer.waiting.shift()?.();
}

async function drop(peer: Peer, channel: Channel): Promise<void> {
  await channel.quit();
  peer.open -= 1;
  peer.waiting.shift()?.();
}

function refusesAsTooMany(error: unknown): boolean {
  const reply = error instanceof TransportSecurityError ? findReply(error) : undefined;
  return reply !== undefined && asksForFewerConnections(reply);
}

/** An idle channel may have been closed by its peer meanwhile; then it is of no use to anybody. */
function takeIdle(peer: Peer, target: ChannelTarget): Channel | undefined {
  const index = peer.idle.findIndex((channel) => channel.usable && isSame(channel.target, target));
  return index === -1 ? undefined : peer.idle.splice(index, 1)[0];
}

function isSame(a: ChannelTarget, b: ChannelTarget): boolean {
  return a.host === b.host && a.tls === b.tls && a.verdictKey === b.verdictKey;
}

async function waitForRoom(
  peer: Peer,
  timeoutMs: number,
  timers: Timers = processTimers,
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const callOff = timers.start(
    () => {
      peer.waiting.splice(peer.waiting.indexOf(resolve), 1);
      reject(
        new TransportSecurityError(
          'time-too-short',
          'no connection to the MX host came free in time',
        ),
      );
    },
    Math.max(timeoutMs, 0),
  );
  peer.waiting.push(resolve);
  await promise;
  callOff();
}
