/**
 * Opens channels: TCP, greeting, EHLO, TLS as demanded, the verdict on the peer, EHLO again, AUTH.
 *
 * The verdict comes before the second EHLO: to a peer that is not who it must be, nothing is said any more but QUIT
 * (RFC 3207 §4, RFC 8689 §4.2.1).
 */
import { connect, isIP, type Socket } from 'node:net';
import type {
  Channel,
  ChannelTarget,
  OpenChannel,
  OpeningWatch,
  TlsFacts,
} from '../../delivery/channel.ts';
import type { NetworkSetting } from '../../environment.ts';
import { type FailureCode, TransportSecurityError } from '../../protocol/errors.ts';
import { createSmtpConnection, type SmtpConnection } from './smtp-connection.ts';
import {
  authenticate,
  awaitGreeting,
  type DialogueOptions,
  type PeerHello,
  sayHello,
  startTls,
} from './smtp-dialogue.ts';
import {
  defaultSmtpTimeouts,
  finalReplyTimeoutMsDefault,
  resolveLimit,
  type SmtpTimeouts,
} from './smtp-timeouts.ts';
import { createTransactionRunner } from './smtp-transactions.ts';
import { createSecureContexts, type SecureContexts } from './tls-contexts.ts';
import { secureSocket } from './tls-handshake.ts';
import { createTlsSessions, type TlsSessions } from './tls-sessions.ts';

/** What an opener needs; only the first three must be given. */
export interface ChannelOpenerOptions {
  /** `extraRoots` is what counts here. */
  readonly network: NetworkSetting;
  /** An FQDN of ours (RFC 5321 §4.1.1.1), or an address literal. */
  readonly ehloName: string;
  /** Epoch milliseconds, the clock of deadlines. */
  readonly now: () => number;
  /** Default: ten minutes (RFC 5321 §4.5.3.2.6). */
  readonly finalReplyTimeoutMs?: number;
  readonly timeouts?: Partial<SmtpTimeouts>;
  /** PEM roots in place of those that Node bundles. */
  readonly roots?: readonly string[];
}

/**
 * Makes an opener with its own TLS contexts and sessions; one for the life of a process.
 *
 * @throws {TransportSecurityError} `settings-invalid` for an EHLO name or extra roots that are none.
 */
export function createChannelOpener(options: ChannelOpenerOptions): OpenChannel {
  const {
    network,
    ehloName,
    now,
    roots,
    finalReplyTimeoutMs = finalReplyTimeoutMsDefault,
  } = options;
  if (!/^(?:[A-Za-z0-9._-]{1,255}|\[[A-Za-z0-9.:]{1,64}\])$/.test(ehloName)) {
    throw new TransportSecurityError('settings-invalid', `ehloName is no host name: ${ehloName}`);
  }
  const { extraRoots } = network;
  const opener: Opener = {
    ehloName,
    now,
    finalReplyTimeoutMs,
    timeouts: { ...defaultSmtpTimeouts, ...options.timeouts },
    contexts: createSecureContexts({
      ...(roots === undefined ? {} : { roots }),
      ...(extraRoots === undefined ? {} : { extraRoots }),
    }),
    sessions: createTlsSessions(),
  };
  return async (target, deadlineMs, watch) => {
    checkTarget(target);
    if (now() >= deadlineMs) {
      const message = `no time is left to connect to ${describePeer(target)}`;
      throw new TransportSecurityError('time-too-short', message);
    }
    return openChannel(opener, target, { deadlineMs, watch });
  };
}

/** How long opening may take, and who watches. */
interface OpeningTerms {
  readonly deadlineMs: number;
  readonly watch: OpeningWatch | undefined;
}

interface Opener {
  readonly ehloName: string;
  readonly now: () => number;
  readonly finalReplyTimeoutMs: number;
  readonly timeouts: SmtpTimeouts;
  readonly contexts: SecureContexts;
  readonly sessions: TlsSessions;
}

/** A channel on its way. `connection` is replaced once, by the handshake. */
interface Opening extends Opener {
  readonly target: ChannelTarget;
  readonly watch: OpeningTerms['watch'];
  readonly dialogue: DialogueOptions;
  connection: SmtpConnection;
  hello: PeerHello;
  tls?: TlsFacts;
  clearReason?: FailureCode;
}

/** What only a bug could ask for. */
function checkTarget(target: ChannelTarget): void {
  if (isIP(target.address) === 0) {
    throw new TypeError('the address of a channel is a literal that was vetted');
  }
  if (target.credentials !== undefined && target.tls !== 'pkix') {
    throw new TypeError('credentials are for an authenticated channel only');
  }
  if ((target.tls === 'dane') !== (target.dane !== undefined)) {
    throw new TypeError('level dane and TLSA records go together');
  }
  if (target.implicitTls === true && target.tls === 'clear') {
    throw new TypeError('implicit TLS cannot be clear text');
  }
}

async function openChannel(
  opener: Opener,
  target: ChannelTarget,
  { deadlineMs, watch }: OpeningTerms,
): Promise<Channel> {
  const peer = describePeer(target);
  const socket = await connectSocket(opener, target, deadlineMs);
  const opening: Opening = {
    ...opener,
    target,
    watch,
    dialogue: { peer, ehloName: opener.ehloName, timeouts: opener.timeouts, deadlineMs },
    connection: createSmtpConnection(socket, { peer, now: opener.now }),
    hello: { peerName: '', capabilities: new Map() },
  };
  try {
    await establish(opening);
    if (opening.connection.lost !== undefined) {
      // RFC 5321 §3.8: a server may say 421 at any time, and so right behind the last reply that opening waited for.
      throw opening.connection.lost;
    }
  } catch (error) {
    dismiss(opening.connection);
    throw error;
  }
  return createChannel(opening);
}

async function establish(opening: Opening): Promise<void> {
  const { target, dialogue } = opening;
  if (target.implicitTls === true) {
    await takeTls(opening);
    await awaitGreeting(opening.connection, dialogue);
    await greet(opening);
  } else {
    await awaitGreeting(opening.connection, dialogue);
    await greet(opening);
    if (target.tls !== 'clear') {
      await upgrade(opening);
    }
  }
  if (target.credentials !== undefined) {
    const { capabilities } = opening.hello;
    const { credentials } = target;
    await authenticate(opening.connection, { ...dialogue, capabilities, credentials });
  }
}

async function greet(opening: Opening): Promise<void> {
  const { target, dialogue, connection } = opening;
  const needsExtensions = target.tls !== 'clear' && target.tls !== 'opportunistic';
  opening.hello = await sayHello(connection, { ...dialogue, needsExtensions });
  opening.watch?.greeted(opening.hello.peerName);
}

/** STARTTLS, or the reason why there is none where that is allowed. */
async function upgrade(opening: Opening): Promise<void> {
  const { target, dialogue, connection, hello } = opening;
  const outcome = await startTls(connection, { ...dialogue, capabilities: hello.capabilities });
  if (outcome.started) {
    await takeTls(opening);
    // RFC 3207 §4.2: what was known of the peer is forgotten, and asked again.
    await greet(opening);
  } else if (target.tls === 'opportunistic' && !outcome.isOver) {
    opening.clearReason = outcome.error.code;
  } else {
    throw outcome.error;
  }
}

/** The handshake and the verdict, before anything is said to the peer under TLS. */
async function takeTls(opening: Opening): Promise<void> {
  const { target, dialogue, timeouts, sessions, now } = opening;
  if (target.tls === 'clear') {
    throw new TypeError('no TLS on a channel in the clear');
  }
  const { socket, facts } = await secureSocket(opening.connection.release(), {
    target,
    context: opening.contexts(target.tls),
    sessions,
    now,
    limit: { timeoutMs: timeouts.tlsHandshakeMs, deadlineMs: dialogue.deadlineMs },
  });
  opening.tls = facts;
  opening.watch?.secured(facts);
  opening.connection = createSmtpConnection(socket, { peer: dialogue.peer, now });
  for (const verdict of demandedVerdicts(target, facts)) {
    if (!verdict.verified) {
      throw new TransportSecurityError(verdict.code, `${dialogue.peer}: ${verdict.reason}`);
    }
  }
}

/** The verdicts that have to be good before anything more is said to the peer. */
function demandedVerdicts(
  { tls, dane }: ChannelTarget,
  facts: TlsFacts,
): readonly (TlsFacts['pkix'] | NonNullable<TlsFacts['dane']>)[] {
  switch (tls) {
    case 'pkix':
      return [facts.pkix];
    case 'dane':
      if (facts.dane === undefined) {
        throw new TypeError('a session under DANE was not judged by its TLSA records');
      }
      return dane?.alsoPkix === true ? [facts.dane, facts.pkix] : [facts.dane];
    default:
      return [];
  }
}

function createChannel(opening: Opening): Channel {
  const { target, connection, hello, tls, clearReason, timeouts, finalReplyTimeoutMs, now } =
    opening;
  const runner = createTransactionRunner({
    connection,
    offer: { capabilities: hello.capabilities, isEncrypted: tls !== undefined },
    timeouts,
    finalReplyTimeoutMs,
    now,
  });
  let quitting: Promise<void> | undefined;
  return {
    target,
    peerName: hello.peerName,
    capabilities: hello.capabilities,
    ...(tls === undefined ? {} : { tls }),
    ...(clearReason === undefined ? {} : { clearReason }),
    get usable() {
      return quitting === undefined && connection.usable;
    },
    transact: (transaction, deadlineMs) => runner.run(transaction, deadlineMs),
    quit: () => {
      quitting ??= runner.finish().then(() => quit(connection, timeouts.quitMs));
      return quitting;
    },
  };
}

/** QUIT and its reply, for which we wait a little (RFC 5321 §4.1.1.10) but do not care. */
async function quit(connection: SmtpConnection, quitMs: number): Promise<void> {
  const limit = { timeoutMs: quitMs, deadlineMs: Number.POSITIVE_INFINITY };
  try {
    await connection.request('QUIT\r\n', limit);
  } catch {
    // Lost before or after QUIT: the connection is at its end either way.
  }
  connection.end();
}

/** Leaves a peer that is of no use, without waiting for its good-bye. */
function dismiss(connection: SmtpConnection): void {
  connection.write('QUIT\r\n');
  connection.end();
}

function connectSocket(opener: Opener, target: ChannelTarget, deadlineMs: number): Promise<Socket> {
  const peer = describePeer(target);
  const { waitMs, isCut } = resolveLimit(
    { timeoutMs: opener.timeouts.connectMs, deadlineMs },
    opener.now(),
  );
  return new Promise((resolve, reject) => {
    const socket = connect({ host: target.address, port: target.port, noDelay: true });
    socket.on('error', () => {}); // whatever comes between two listeners of ours
    const done = (error?: TransportSecurityError): void => {
      clearTimeout(timer);
      socket.off('connect', connected);
      socket.off('error', failed);
      if (error === undefined) {
        resolve(socket);
        return;
      }
      socket.destroy();
      reject(error);
    };
    const connected = (): void => done();
    const failed = (cause: Error): void =>
      done(new TransportSecurityError('connect-failed', `${peer}: ${cause.message}`, { cause }));
    const timer = setTimeout(() => {
      const message = `${peer}: no connection ${isCut ? 'in the time that was left' : 'in time'}`;
      done(new TransportSecurityError(isCut ? 'smtp-timeout' : 'connect-failed', message));
    }, waitMs);
    socket.on('connect', connected);
    socket.on('error', failed);
  });
}

function describePeer({ host, address, port }: ChannelTarget): string {
  return `${host} [${address}]:${port}`;
}
