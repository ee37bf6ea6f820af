/**
 * The steps of an SMTP session before its first transaction: greeting, EHLO, STARTTLS, AUTH.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc5321.html#section-4.1.1.1 RFC 5321 §4.1.1.1}
 * @see {@link https://www.rfc-editor.org/rfc/rfc3207.html RFC 3207}
 * @see {@link https://www.rfc-editor.org/rfc/rfc4954.html RFC 4954}
 */
import { type FailureCode, TransportSecurityError } from '../../protocol/errors.ts';
import {
  type Capabilities,
  offersSaslPlain,
  parseCapabilities,
  readPeerName,
} from '../../protocol/smtp/capabilities.ts';
import { encodeSaslPlain, formatAuthPlain, formatHello } from '../../protocol/smtp/command.ts';
import { isIntermediate, isPositive } from '../../protocol/smtp/recipient-result.ts';
import { describeReply, interpretReply, type RawReply } from '../../protocol/smtp/reply.ts';
import type { SmtpConnection } from './smtp-connection.ts';
import type { SmtpTimeouts } from './smtp-timeouts.ts';

/** What the steps need to know. */
export interface DialogueOptions {
  readonly peer: string;
  readonly ehloName: string;
  readonly timeouts: SmtpTimeouts;
  readonly deadlineMs: number;
}

/** What the peer said of itself. */
export interface PeerHello {
  readonly peerName: string;
  readonly capabilities: Capabilities;
}

/** Awaits the greeting (RFC 5321 §3.1). Throws `greeting-refused`. */
export async function awaitGreeting(
  connection: SmtpConnection,
  options: DialogueOptions,
): Promise<void> {
  const reply = await connection.request('', {
    timeoutMs: options.timeouts.greetingMs,
    deadlineMs: options.deadlineMs,
  });
  if (!isPositive(reply)) {
    throw refusal('greeting-refused', options.peer, 'the connection', reply);
  }
}

/**
 * Says EHLO; HELO after it where that will do (RFC 5321 §3.2) and EHLO is answered 5yz. Throws `ehlo-refused`.
 */
export async function sayHello(
  connection: SmtpConnection,
  options: DialogueOptions & { readonly needsExtensions: boolean },
): Promise<PeerHello> {
  const reply = await say(connection, formatHello('EHLO', options.ehloName), options);
  if (isPositive(reply)) {
    return { peerName: readPeerName(reply.texts), capabilities: parseCapabilities(reply.texts) };
  }
  if (options.needsExtensions || reply.code < 500) {
    throw refusal('ehlo-refused', options.peer, 'EHLO', reply);
  }
  const plainReply = await say(connection, formatHello('HELO', options.ehloName), options);
  if (!isPositive(plainReply)) {
    throw refusal('ehlo-refused', options.peer, 'HELO', plainReply);
  }
  return { peerName: readPeerName(plainReply.texts), capabilities: new Map() };
}

/** What came of asking for TLS. A refusal leaves the session as it was. */
export type StartTlsOutcome =
  | { readonly started: true }
  | { readonly started: false; readonly error: TransportSecurityError; readonly isOver: boolean };

/**
 * Says STARTTLS if it is offered. After `started` nothing may be written but the handshake.
 *
 * @throws {TransportSecurityError} `starttls-injection` if anything came behind the 220 (RFC 3207 §6 and CVE-2011-0411:
 * what is buffered across the handshake would pass for what the peer says under TLS).
 */
export async function startTls(
  connection: SmtpConnection,
  options: DialogueOptions & { readonly capabilities: Capabilities },
): Promise<StartTlsOutcome> {
  const { peer, capabilities } = options;
  if (!capabilities.has('STARTTLS')) {
    const message = `${peer} does not offer STARTTLS`;
    const error = new TransportSecurityError('starttls-not-offered', message);
    return { started: false, error, isOver: false };
  }
  const reply = await say(connection, 'STARTTLS\r\n', options);
  if (reply.code === 220 && (connection.outOfStep || connection.lost !== undefined)) {
    const message = `${peer} sent more behind its reply to STARTTLS`;
    throw new TransportSecurityError('starttls-injection', message, { cause: connection.lost });
  }
  if (reply.code === 220) {
    return { started: true };
  }
  // RFC 3207 §4: 220 is the only yes. Of any other 2yz or 3yz it cannot be said what the peer waits for now.
  const code = reply.code >= 500 ? 'starttls-refused' : 'starttls-deferred';
  return {
    started: false,
    error: refusal(code, peer, 'STARTTLS', reply),
    isOver: reply.code < 400 || reply.code === 421,
  };
}

/** RFC 4954 §4: a command line with an initial response keeps to the limit of RFC 5321 §4.5.3.1.4. */
const initialResponseCharsMax = 512 - 'AUTH PLAIN \r\n'.length;

/**
 * Authenticates by SASL PLAIN (RFC 4616). Only to be called on a channel whose peer is authenticated.
 *
 * `Unclear:` RFC 4616 §2 has name and password prepared by SASLprep; they are sent as they were configured.
 *
 * @throws {TransportSecurityError} `authentication-failed`; no message has the credentials in it.
 */
export async function authenticate(
  connection: SmtpConnection,
  options: DialogueOptions & {
    readonly capabilities: Capabilities;
    readonly credentials: { readonly username: string; readonly password: string };
  },
): Promise<void> {
  const { peer, capabilities, credentials } = options;
  if (!offersSaslPlain(capabilities)) {
    const message = `${peer} does not offer AUTH PLAIN`;
    throw new TransportSecurityError('authentication-failed', message);
  }
  const { username, password } = credentials;
  if (username === '' || password === '' || `${username}${password}`.includes('\0')) {
    const message = 'the credentials are empty or hold NUL (RFC 4616 §2)';
    throw new TransportSecurityError('authentication-failed', message);
  }
  const response = encodeSaslPlain(username, password);
  const isShort = response.length <= initialResponseCharsMax;
  let reply = await say(connection, formatAuthPlain(isShort ? response : undefined), options);
  if (!isShort && isIntermediate(reply)) {
    reply = await say(connection, `${response}\r\n`, options);
  }
  if (!isPositive(reply)) {
    throw refusal('authentication-failed', peer, 'AUTH', reply);
  }
}

function say(
  connection: SmtpConnection,
  line: string,
  options: DialogueOptions,
): Promise<RawReply> {
  return connection.request(line, {
    timeoutMs: options.timeouts.commandMs,
    deadlineMs: options.deadlineMs,
  });
}

function refusal(
  code: FailureCode,
  peer: string,
  command: string,
  reply: RawReply,
): TransportSecurityError {
  // Who asks why needs more of it than the text: whether fewer connections would do.
  const cause = interpretReply(reply);
  const text = describeReply(cause);
  return new TransportSecurityError(code, `${peer} answered ${command} with ${text}`, { cause });
}
