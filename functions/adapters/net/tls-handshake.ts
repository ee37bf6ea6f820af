/**
 * The TLS handshake over a connected socket, and the verdict on it.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc3207.html#section-4 RFC 3207 §4}
 */
import { isIP, type Socket } from 'node:net';
import { connect, type SecureContext, type TLSSocket } from 'node:tls';
import type { ChannelTarget, TlsFacts } from '../../delivery/channel.ts';
import { TransportSecurityError } from '../../protocol/errors.ts';
import { resolveLimit, type TimeLimit } from './smtp-timeouts.ts';
import { resumableUntil, type StoredSession, type TlsSessions } from './tls-sessions.ts';
import { judgePeer, resumeFacts } from './tls-verdict.ts';

export interface HandshakeOptions {
  readonly target: ChannelTarget;
  readonly context: SecureContext;
  readonly sessions: TlsSessions;
  readonly now: () => number;
  readonly limit: TimeLimit;
}

/** A socket that speaks TLS, and what the peer showed. Whether that is enough is for the caller to say. */
export interface SecuredSocket {
  readonly socket: TLSSocket;
  readonly facts: TlsFacts;
}

/**
 * Runs the handshake. The socket must have no listener but one for `error`.
 *
 * @throws {TransportSecurityError} `tls-handshake-failed`; `smtp-timeout` where the deadline cut it short, which says
 * nothing of the peer.
 */
export async function secureSocket(
  plain: Socket,
  options: HandshakeOptions,
): Promise<SecuredSocket> {
  const { target, sessions, now } = options;
  // RFC 7672 leaves no certificate to match on a resumed session: under DANE every session is a full one.
  const mayResume = target.dane === undefined;
  const stored = mayResume ? sessions.take(target, now()) : undefined;
  const tickets: Buffer[] = [];
  const socket = startHandshake(plain, options, stored);
  // TLS 1.2 gives its ticket before the handshake is over, TLS 1.3 after it.
  let keep = (ticket: Buffer): void => {
    tickets.push(ticket);
  };
  socket.on('session', (ticket: Buffer) => keep(ticket));
  await finishHandshake(socket, plain, options);

  const isResumed = stored !== undefined && socket.isSessionReused();
  const { facts, untilMs } = isResumed
    ? { facts: resumeFacts(socket, stored.facts), untilMs: stored.untilMs }
    : judge(socket, options);
  keep = (ticket) => {
    if (mayResume && (target.tls !== 'pkix' || facts.pkix.verified)) {
      sessions.put(target, { ticket, facts, untilMs });
    }
  };
  // RFC 5077 §3.3: under TLS 1.2 a ticket stays good, and the server need not send another.
  if (isResumed && tickets.length === 0 && facts.version === 'TLSv1.2') {
    tickets.push(stored.ticket);
  }
  tickets.forEach(keep);
  return { socket, facts };
}

function judge(
  socket: TLSSocket,
  { target, now }: HandshakeOptions,
): { readonly facts: TlsFacts; readonly untilMs: number } {
  const { facts, notAfterMs } = judgePeer(socket, {
    host: nameOf(target),
    dane: target.dane,
    nowMs: now(),
  });
  return { facts, untilMs: resumableUntil(now(), notAfterMs) };
}

/** RFC 6066 §3: without the trailing dot, which names in certificates do not have either. */
function nameOf({ host }: ChannelTarget): string {
  return host.endsWith('.') ? host.slice(0, -1) : host;
}

function startHandshake(
  plain: Socket,
  { target, context }: HandshakeOptions,
  stored: StoredSession | undefined,
): TLSSocket {
  const socket = connect({
    socket: plain,
    secureContext: context,
    // RFC 8461 §7.1: SNI is the MX name; RFC 7672 §8.1: the TLSA base domain. RFC 6066 §3 has no literal in it.
    servername:
      target.dane?.referenceIdentifiers.base ?? (isIP(target.host) === 0 ? nameOf(target) : ''),
    // Judged afterwards, by stricter rules (tls-verdict.ts).
    rejectUnauthorized: false,
    checkServerIdentity: () => undefined,
    ...(stored === undefined ? {} : { session: stored.ticket }),
  });
  // Node would decode the whole chain into objects, a sixth of what a connection costs, for no other use than to hand
  // it to the function above.
  return Object.assign(socket, { getPeerCertificate: () => ({}) });
}

function finishHandshake(
  socket: TLSSocket,
  plain: Socket,
  options: HandshakeOptions,
): Promise<void> {
  const { target, limit, now } = options;
  socket.on('error', () => {}); // whatever comes between two listeners of ours
  const peer = `${target.host} [${target.address}]:${target.port}`;
  return new Promise((resolve, reject) => {
    const { waitMs, isCut } = resolveLimit(limit, now());
    const done = (error?: TransportSecurityError): void => {
      clearTimeout(timer);
      socket.off('secureConnect', secured);
      socket.off('error', failed);
      socket.off('close', closed);
      if (error === undefined) {
        resolve();
        return;
      }
      socket.destroy();
      plain.destroy();
      reject(error);
    };
    const fail = (what: string, cause?: unknown): void =>
      done(new TransportSecurityError('tls-handshake-failed', `${peer}: ${what}`, { cause }));
    const secured = (): void => done();
    const failed = (error: NodeJS.ErrnoException): void =>
      fail(`TLS handshake: ${error.code ?? ''} ${error.message}`, error);
    const closed = (): void => fail('closed within the TLS handshake');
    const timer = setTimeout(() => {
      if (isCut) {
        const message = `${peer}: no time was left for the TLS handshake`;
        done(new TransportSecurityError('smtp-timeout', message));
      } else {
        fail('no end of the TLS handshake in time');
      }
    }, waitMs);
    socket.on('secureConnect', secured);
    socket.on('error', failed);
    socket.on('close', closed);
  });
}
