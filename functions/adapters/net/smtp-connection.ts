/**
 * One TCP or TLS connection to an SMTP server: octets out, replies in, in order and in time.
 *
 * Every reply is asked for beforehand; one more than that, or one less in time, ends the connection. The socket's
 * listeners are set once, and one for `error` stays to the end, so that nothing is ever unhandled.
 */
import type { Socket } from 'node:net';
import { processTimers, type Timers } from '../../delivery/timers.ts';
import { TransportSecurityError } from '../../protocol/errors.ts';
import {
  createReplyReader,
  describeReply,
  interpretReply,
  type RawReply,
  type ReplyReader,
} from '../../protocol/smtp/reply.ts';
import { joinSmallPieces, type Piece } from './joined-pieces.ts';
import {
  createMovingTimer,
  type MovingTimer,
  resolveLimit,
  type TimeLimit,
} from './smtp-timeouts.ts';

/** A reply that is due. Its time runs from when it was asked for or the reply before it came, whichever is later. */
export interface AwaitedReply extends TimeLimit {
  readonly settle: (reply: RawReply) => void;
  readonly lose?: (error: TransportSecurityError) => void;
}

/** Who works with the connection. */
export interface ConnectionListener {
  /** A reply that nobody asked for, while content is going out. The connection ends after it. */
  readonly early: (reply: RawReply) => void;
  /** The end of the connection, told once, after those who awaited replies were told. */
  readonly lost: (error: TransportSecurityError) => void;
}

export interface SmtpConnection {
  /** Whether anything may still be written. */
  readonly usable: boolean;
  /** Why it ended. */
  readonly lost: TransportSecurityError | undefined;
  /** Whether the peer sent more than it was asked for; the end follows within the same event. */
  readonly outOfStep: boolean;
  /** Puts a reply at the end of those that are due. */
  expect(awaited: AwaitedReply): void;
  /**
   * Puts octets behind those that wait to leave. All that one event and its promises lead to leave as one piece: so the
   * reply to one message, the answer to it and what comes of that cost one write. Without effect on a connection that is
   * not usable.
   */
  write(octets: Piece): void;
  /** Lets what was written leave now: where nothing more can come of the event that is to leave with it. */
  handOver(): void;
  /** Calls back when the socket has all that was written so far; not if the connection ends before that. */
  whenHandedOver(call: () => void): void;
  /** With no reply due: `left` is called once all that was written has left, which the peer has to allow in time. */
  flush(limit: TimeLimit, left: () => void): void;
  /** Writes a line, or nothing for the greeting, and gives the reply. Rejects with what ended the connection. */
  request(line: string, limit: TimeLimit): Promise<RawReply>;
  listen(listener: ConnectionListener): void;
  /** Ends it now, for the reason given. */
  lose(error: TransportSecurityError): void;
  /** Gives the socket away, without a listener of ours but the one for `error`, to be wrapped in TLS. */
  release(): Socket;
  /** Ends it in good order: what was written still leaves. */
  end(): void;
}

export interface ConnectionOptions {
  /** Names it in errors. */
  readonly peer: string;
  /** The clock of deadlines, epoch milliseconds. */
  readonly now: () => number;
  /** Default: the process's own. */
  readonly timers?: Timers;
}

/** Takes over a connected socket. */
export function createSmtpConnection(socket: Socket, options: ConnectionOptions): SmtpConnection {
  const state = createState(socket, options);
  return {
    get usable() {
      return isUsable(state);
    },
    get lost() {
      return whyOver(state);
    },
    get outOfStep() {
      return state.outOfStep;
    },
    expect: (awaited) => expectReply(state, awaited),
    write: (octets) => write(state, octets),
    handOver: () => handOver(state),
    whenHandedOver: (call) => {
      state.whenHandedOver.push(call);
    },
    flush: (limit, left) => flush(state, limit, left),
    request: (line, limit) => request(state, line, limit),
    listen: (listener) => {
      state.listener = listener;
    },
    lose: (error) => lose(state, error),
    release: () => {
      retire(state);
      return socket;
    },
    end: () => {
      handOver(state);
      if (retire(state)) {
        socket.destroySoon();
      }
    },
  };
}

interface SocketEvents {
  readonly data: (octets: Buffer) => void;
  readonly closed: () => void;
  readonly error: (error: NodeJS.ErrnoException) => void;
}

interface State {
  readonly socket: Socket;
  readonly peer: string;
  readonly now: () => number;
  readonly reader: ReplyReader;
  readonly due: AwaitedReply[];
  /** Written and not yet handed to the socket. */
  outgoing: Piece[];
  readonly whenHandedOver: (() => void)[];
  readonly timers: Timers;
  readonly timer: MovingTimer;
  readonly events: SocketEvents;
  listener: ConnectionListener | undefined;
  isFlushing: boolean;
  isCutByDeadline: boolean;
  /** Whether the reply that is due next had no time set yet, since more may have arrived with the one before it. */
  isTimeUnset: boolean;
  hasHeardPeer: boolean;
  outOfStep: boolean;
  /** Released or ended by us. */
  isRetired: boolean;
  lost: TransportSecurityError | undefined;
}

function createState(socket: Socket, options: ConnectionOptions): State {
  const { peer, now, timers = processTimers } = options;
  const state: State = {
    peer,
    now,
    timers,
    socket,
    reader: createReplyReader(),
    due: [],
    outgoing: [],
    whenHandedOver: [],
    timer: createMovingTimer(() => {
      const within = state.isCutByDeadline ? 'in the time that was left' : 'in time';
      lose(state, failure(state, 'smtp-timeout', `no answer ${within}`));
    }, timers),
    events: {
      data: (octets) => takeOctets(state, octets),
      closed: () => lose(state, failure(state, 'connection-lost', 'closed by the peer')),
      error: (error) => loseByError(state, error),
    },
    listener: undefined,
    isFlushing: false,
    isCutByDeadline: false,
    isTimeUnset: false,
    hasHeardPeer: false,
    outOfStep: false,
    isRetired: false,
    lost: undefined,
  };
  attach(state);
  return state;
}

function attach(state: State): void {
  const { socket, events } = state;
  // Stays to the end: an error after ours has nobody left to tell.
  socket.on('error', () => {});
  if (socket.destroyed) {
    // It ended between its event and our turn.
    queueMicrotask(() => (socket.errored ? loseByError(state, socket.errored) : events.closed()));
    return;
  }
  socket.on('data', events.data);
  socket.on('end', events.closed);
  socket.on('close', events.closed);
  socket.on('error', events.error);
}

function detach(state: State): void {
  const { socket, events } = state;
  state.timer.stop();
  socket.off('data', events.data);
  socket.off('end', events.closed);
  socket.off('close', events.closed);
  socket.off('error', events.error);
}

function isOver(state: State): boolean {
  return state.isRetired || state.lost !== undefined;
}

function isUsable(state: State): boolean {
  return !isOver(state) && !state.outOfStep;
}

/** An error takes long to make, and most connections are given up without anybody asking why. */
function whyOver(state: State): TransportSecurityError | undefined {
  return state.isRetired
    ? failure(state, 'connection-lost', 'the connection was given up')
    : state.lost;
}

function expectReply(state: State, awaited: AwaitedReply): void {
  const error = whyOver(state);
  if (error !== undefined) {
    awaited.lose?.(error);
    return;
  }
  state.due.push(awaited);
  if (state.due.length === 1) {
    arm(state, awaited);
  }
}

function request(state: State, line: string, limit: TimeLimit): Promise<RawReply> {
  return new Promise((resolve, reject) => {
    expectReply(state, { ...limit, settle: resolve, lose: reject });
    write(state, line);
  });
}

function write(state: State, octets: Piece): void {
  if (octets.length === 0 || !isUsable(state)) {
    return;
  }
  state.outgoing.push(octets);
  if (state.outgoing.length === 1) {
    state.timers.soon(() => handOver(state));
  }
}

/** Gives what waits to the socket, in as few writes as it is worth. */
function handOver(state: State, left?: () => void): void {
  const { outgoing, whenHandedOver, socket } = state;
  if (outgoing.length > 0 && isUsable(state)) {
    state.outgoing = [];
    const { alone, joined } = joinSmallPieces(outgoing);
    for (const piece of alone) {
      socket.write(piece);
    }
    socket.write(joined, left);
    for (const call of whenHandedOver.splice(0)) {
      call();
    }
  }
}

function flush(state: State, limit: TimeLimit, left: () => void): void {
  state.isFlushing = true;
  arm(state, limit);
  handOver(state, () => {
    state.isFlushing = false;
    if (!isOver(state)) {
      state.timer.disarm();
      left();
    }
  });
}

function arm(state: State, limit: TimeLimit): void {
  state.isTimeUnset = false;
  const { waitMs, isCut } = resolveLimit(limit, state.now());
  state.isCutByDeadline = isCut;
  state.timer.arm(waitMs);
}

function takeOctets(state: State, octets: Buffer): void {
  state.reader.push(octets);
  try {
    for (
      let reply = state.reader.next();
      reply !== undefined && !isOver(state);
      reply = state.reader.next()
    ) {
      state.hasHeardPeer = true;
      takeReply(state, reply);
    }
  } catch (error) {
    if (!(error instanceof TransportSecurityError)) {
      throw error;
    }
    lose(state, failure(state, error.code, error.message));
  }
  const [next] = state.due;
  if (state.isTimeUnset && next !== undefined) {
    arm(state, next);
  }
  // An early reply to content may be half here; anything else that nobody waits for is one too many.
  const isUnasked = state.due.length === 0 && state.reader.hasRest && !state.isFlushing;
  if (state.outOfStep || isUnasked) {
    lose(state, failure(state, 'reply-malformed', 'more was sent than was asked for'));
  }
}

function takeReply(state: State, reply: RawReply): void {
  const awaited = state.outOfStep ? undefined : state.due.shift();
  if (awaited === undefined) {
    takeUnaskedReply(state, reply);
    return;
  }
  if (state.due.length === 0) {
    state.isTimeUnset = false;
    state.timer.disarm();
    // RFC 2920 §3.1 has replies matched by counting alone. One that is here before its command is written would pass
    // for that command's answer; so nothing more is written.
    state.outOfStep = state.reader.hasRest;
  } else {
    state.isTimeUnset = true;
  }
  awaited.settle(reply);
}

function takeUnaskedReply(state: State, reply: RawReply): void {
  if (state.isFlushing) {
    state.listener?.early(reply);
  }
  const cause = interpretReply(reply);
  const text = describeReply(cause);
  // RFC 5321 §3.8: a server that has to shut down may say 421 at any time.
  const error =
    reply.code === 421
      ? failure(state, 'connection-lost', `the session was ended: ${text}`, cause)
      : failure(state, 'reply-malformed', `answered unasked: ${text}`);
  lose(state, error);
}

function loseByError(state: State, cause: NodeJS.ErrnoException): void {
  // A TLS 1.3 server judges our part of the handshake after we hold it for done (RFC 8446 §2): an alert before its
  // first reply is a handshake that failed.
  const isAlert = !state.hasHeardPeer && cause.code?.startsWith('ERR_SSL_') === true;
  const code = isAlert ? 'tls-handshake-failed' : 'connection-lost';
  lose(state, failure(state, code, cause.message, cause));
}

/** Takes no further part in the socket; tells nobody. False if it was over already. */
function retire(state: State): boolean {
  if (isOver(state)) {
    return false;
  }
  state.isRetired = true;
  detach(state);
  return true;
}

function lose(state: State, error: TransportSecurityError): void {
  if (isOver(state)) {
    return;
  }
  state.lost = error;
  detach(state);
  state.socket.destroy();
  for (const awaited of state.due.splice(0)) {
    awaited.lose?.(error);
  }
  state.listener?.lost(error);
}

function failure(
  state: State,
  code: TransportSecurityError['code'],
  what: string,
  cause?: unknown,
): TransportSecurityError {
  return new TransportSecurityError(
    code,
    `${state.peer}: ${what}`,
    cause === undefined ? {} : { cause },
  );
}
