/**
 * Channels kept across the messages of a batch.
 *
 * A channel is shared only between equal verdict keys: host, address, port and all that decided what it had to show.
 * Two domains may have the same MX hosts and different policies; what satisfied one says nothing about the other.
 */
import { TransportSecurityError } from '../protocol/errors.ts';
import type { Channel, ChannelTarget, OpenChannel } from './channel.ts';
import { processTimers, type Timers } from './timers.ts';

/** Hands channels out and takes them back. */
export interface ChannelPool {
  /**
   * An idle channel for the target, or a new one as soon as its MX host has room for it. Rejects as OpenChannel does,
   * and with `time-too-short` when no room came free in time.
   */
  acquire(target: ChannelTarget, deadlineMs: number): Promise<Channel>;
  /** Gives a channel back, usable or not. */
  release(channel: Channel): Promise<void>;
  /** Ends all idle channels; at the end of a batch, since a frozen function keeps no connection alive. */
  close(): Promise<void>;
}

interface PoolOptions {
  readonly openChannel: OpenChannel;
  /** Connections to one address and port at a time. */
  readonly perHostMax: number;
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

/** Makes an empty pool. */
export function createChannelPool(options: PoolOptions): ChannelPool {
  const peers = new Map<string, Peer>();
  const peerOf = ({ address, port }: ChannelTarget): Peer => {
    const key = `${address} ${port}`;
    const known = peers.get(key) ?? { open: 0, idle: [], waiting: [] };
    peers.set(key, known);
    return known;
  };
  const drop = async (peer: Peer, channel: Channel): Promise<void> => {
    await channel.quit();
    peer.open -= 1;
    peer.waiting.shift()?.();
  };

  return {
    async acquire(target, deadlineMs) {
      const peer = peerOf(target);
      for (;;) {
        const kept = takeIdle(peer, target);
        if (kept !== undefined) {
          return kept;
        }
        if (peer.open < options.perHostMax) {
          break;
        }
        const other = peer.idle.shift();
        await (other === undefined
          ? waitForRoom(peer, deadlineMs - options.now(), options.timers)
          : drop(peer, other));
      }
      peer.open += 1;
      try {
        return await options.openChannel(target, deadlineMs);
      } catch (error) {
        peer.open -= 1;
        peer.waiting.shift()?.();
        throw error;
      }
    },
    async release(channel) {
      const peer = peerOf(channel.target);
      if (!channel.usable) {
        await drop(peer, channel);
        return;
      }
      peer.idle.push(channel);
      peer.waiting.shift()?.();
    },
    async close() {
      await Promise.all(
        [...peers.values()].map(async (peer) => {
          await Promise.all(peer.idle.splice(0).map((channel) => drop(peer, channel)));
        }),
      );
    },
  };
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
