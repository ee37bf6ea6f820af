/**
 * TLS sessions to resume, kept apart by all that decided the verdict on them.
 *
 * Resuming skips the certificate: a session made without authentication, offered where it is asked for, would pass. So
 * the key has the level, the name and the caller's verdict key, and the facts of the full handshake stay with it.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc8446.html#section-2.2 RFC 8446 §2.2}
 */
import type { ChannelTarget, TlsFacts } from '../../delivery/channel.ts';

/** Tickets kept for one key; a server gives two a handshake. */
const ticketsPerKeyMax = 4;
const keysMax = 512;

/** How long a certificate is taken as seen, although RFC 8446 §4.6.1 lets a ticket live for a week. */
const seenMsMax = 3_600_000;

export interface StoredSession {
  readonly ticket: Buffer;
  /** Of the full handshake. */
  readonly facts: TlsFacts;
  /** When the certificate has to be seen again, epoch milliseconds; resuming does not put it off. */
  readonly untilMs: number;
}

/** Until when sessions that follow from a full handshake at `nowMs` may be resumed. */
export function resumableUntil(nowMs: number, certificateEndsAtMs: number): number {
  return Math.min(nowMs + seenMsMax, certificateEndsAtMs);
}

export interface TlsSessions {
  /** A session for this target, which is gone from the store then (RFC 8446 §C.4: a ticket is
   * best used once). */
  take(target: ChannelTarget, nowMs: number): StoredSession | undefined;
  put(target: ChannelTarget, session: StoredSession): void;
}

/** Makes an empty store; it lives as long as the process and is bounded. */
export function createTlsSessions(): TlsSessions {
  const stored = new Map<string, StoredSession[]>();
  return {
    take: (target, nowMs) => {
      const key = keyOf(target);
      const fresh = (stored.get(key) ?? []).filter(({ untilMs }) => untilMs > nowMs);
      const newest = fresh.pop();
      if (fresh.length === 0) {
        stored.delete(key);
      } else {
        stored.set(key, fresh);
      }
      return newest;
    },
    put: (target, session) => {
      const key = keyOf(target);
      const kept = stored.get(key) ?? [];
      // A Map keeps the order of insertion: the key that was longest without a new ticket comes first.
      stored.delete(key);
      stored.set(key, [...kept, session].slice(-ticketsPerKeyMax));
      const oldest = stored.keys().next().value;
      if (stored.size > keysMax && oldest !== undefined) {
        stored.delete(oldest);
      }
    },
  };
}

function keyOf(target: ChannelTarget): string {
  return JSON.stringify([target.tls, target.host, target.port, target.verdictKey]);
}
