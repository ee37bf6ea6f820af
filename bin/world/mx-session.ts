/**
 * One session with a simulated MX host (RFC 5321 §3): what is said in which order, and where the host leaves the path of
 * virtue because its behaviour says so.
 */
import type { Socket } from 'node:net';
import { setImmediate, setTimeout } from 'node:timers/promises';
import { type SecureContext, TLSSocket } from 'node:tls';
import type { MxBehaviour, MxStep, StepBehaviour } from './mx-behaviour.ts';
import { createInput, type Input } from './mx-input.ts';
import type {
  EnvelopePath,
  MxConnection,
  MxTls,
  MxTransaction,
  TranscriptLine,
  Violation,
  ViolationKind,
} from './mx-record.ts';

/** What a session knows of the host that it belongs to. */
export interface MxHostFacts {
  readonly name: string;
  behaviour(): MxBehaviour;
  /** The behaviour that a step has left, counting this use (`times`). */
  takeStep(key: string, behaviour: StepBehaviour | undefined): StepBehaviour | undefined;
  secureContext(): Promise<SecureContext>;
}

/** A transaction while it is under way. */
export interface OpenTransaction {
  mail: EnvelopePath;
  recipients: (EnvelopePath & { accepted: boolean })[];
  command: MxTransaction['command'];
  content: Buffer;
  complete: boolean;
  accepted: boolean;
  overTls: boolean;
}

/** A connection's record while it is under way. */
export interface OpenConnection extends MxConnection {
  tls: MxTls | undefined;
  tlsError: string | undefined;
  authenticated: boolean;
  transcript: TranscriptLine[];
  transactions: OpenTransaction[];
  violations: Violation[];
  ended: MxConnection['ended'];
}

/** The state of a session. */
export interface Session {
  readonly host: MxHostFacts;
  readonly input: Input;
  readonly record: OpenConnection;
  socket: Socket;
  /** Upper-case keywords of the last EHLO reply; undefined before it. */
  offered: ReadonlySet<string> | undefined;
  /** From MAIL on, until content or RSET. */
  transaction: OpenTransaction | undefined;
}

/** Characters of a line that the transcript keeps. */
const transcriptCharsMax = 1_000;

/** How long a client may take to close after the host has said its last word. */
const lingerMs = 2_000;

/** Commands that more may follow in the same group (RFC 2920 §3.1; chunks by RFC 3030 §4.2). */
const followable: ReadonlySet<string> = new Set(['MAIL', 'RCPT', 'RSET', 'BDAT', 'content']);

/** Begins a session, with an empty record, on a connection that was just accepted. */
export function createSession(host: MxHostFacts, socket: Socket): Session {
  const record: OpenConnection = {
    tls: undefined,
    tlsError: undefined,
    authenticated: false,
    transcript: [],
    transactions: [],
    violations: [],
    ended: undefined,
  };
  const input = createInput();
  input.attach(socket);
  return { host, input, record, socket, offered: undefined, transaction: undefined };
}

/** Whether nothing can be said any more. */
export function isOver({ socket, record }: Session): boolean {
  return record.ended !== undefined || socket.destroyed;
}

/** Records what the client must not have done. */
export function flag({ record }: Session, kind: ViolationKind, detail: string): void {
  record.violations.push({ kind, detail });
}

/** Adds a line to the transcript. */
export function note({ record }: Session, from: TranscriptLine['from'], text: string): void {
  const overTls = record.tls !== undefined;
  record.transcript.push({ from, text: text.slice(0, transcriptCharsMax), overTls });
}

/** What a reply answers: the verb as RFC 2920 counts it, and the step whose behaviour applies. */
export interface Answered {
  readonly verb: string;
  readonly step?: MxStep;
  /** Goes before the behaviour of `step`. */
  readonly behaviour?: StepBehaviour | undefined;
}

/**
 * Answers a command as the step's behaviour has it, else with `usual`. Returns the first digit of what was sent; 0 where
 * nothing was.
 */
export async function reply(session: Session, answered: Answered, usual: string): Promise<number> {
  const { step, verb } = answered;
  const behaviour =
    answered.behaviour ??
    (step === undefined
      ? undefined
      : session.host.takeStep(step, session.host.behaviour().steps?.[step])) ??
    {};
  if (behaviour.delayMs !== undefined) {
    await pause(session, behaviour.delayMs);
  }
  // Whatever the client sent in one go with this command is here after a turn of the event loop.
  await setImmediate();
  if (isOver(session)) {
    return 0;
  }
  checkGroup(session, verb);
  if (behaviour.silent === true) {
    await session.input.closed;
    return 0;
  }
  if (behaviour.close === 'instead') {
    end(session, 'host');
    return 0;
  }
  const text = behaviour.reply ?? usual;
  await send(session, repeat(text, behaviour.repeatLines ?? 0), behaviour.dripMs);
  if (behaviour.close === 'after') {
    end(session, 'host', true);
  }
  return Number(text[0]);
}

/**
 * Ends the connection. `gently`: what was written still arrives, and the peer may close first, since octets of its that
 * nobody reads would reset the connection and take the last reply with it.
 */
export function end(
  { record, socket, input }: Session,
  by: NonNullable<MxConnection['ended']>,
  gently = false,
): void {
  record.ended ??= by;
  if (!gently) {
    socket.destroy();
    return;
  }
  input.detach();
  socket.resume();
  socket.end();
  socket.setTimeout(lingerMs, () => socket.destroy());
}

/** Takes the connection over into TLS, as the server; false when no handshake came about. */
export async function startTls(session: Session): Promise<boolean> {
  const secureContext = await session.host.secureContext();
  const tls = new TLSSocket(session.socket, { isServer: true, secureContext });
  const { promise, resolve } = Promise.withResolvers<boolean>();
  tls.on('error', (error: NodeJS.ErrnoException) => {
    session.record.tlsError ??= error.code ?? error.message;
    resolve(false);
  });
  tls.once('close', () => resolve(false));
  tls.once('secure', () => resolve(true));
  session.input.attach(tls);
  const done = await promise;
  session.socket = tls;
  session.offered = undefined;
  if (done) {
    const serverName: unknown = Reflect.get(tls, 'servername');
    session.record.tls = {
      version: tls.getProtocol() ?? '',
      cipher: tls.getCipher().standardName,
      serverName: typeof serverName === 'string' ? serverName : undefined,
      resumed: tls.isSessionReused(),
    };
  }
  return done;
}

/** What a client has sent before it could know the reply tells whether it keeps to its groups. */
function checkGroup(session: Session, verb: string): void {
  const { waiting } = session.input;
  if (waiting.length === 0) {
    return;
  }
  const next = waiting.subarray(0, 20).toString('latin1').split(/[\s:]/)[0] ?? '';
  const detail = `${next} behind ${verb}`;
  if (verb === 'greeting') {
    flag(session, 'early-talker', next);
  } else if (verb !== 'EHLO' && session.offered?.has('PIPELINING') !== true) {
    flag(session, 'pipelining-not-offered', detail);
  } else if (!followable.has(verb)) {
    flag(session, 'group-not-ended', detail);
  } else if ((verb === 'MAIL' || verb === 'RCPT') && next.toUpperCase() === 'BDAT') {
    flag(session, 'chunk-before-replies', detail);
  }
}

function repeat(text: string, times: number): string {
  const filler = `${text.slice(0, 3)}-${'filler '.repeat(8)}\n`;
  return filler.repeat(times) + text;
}

async function send(session: Session, text: string, dripMs: number | undefined): Promise<void> {
  note(session, 'server', text);
  const octets = Buffer.from(`${text.replaceAll('\n', '\r\n')}\r\n`);
  if (dripMs === undefined) {
    session.socket.write(octets);
    return;
  }
  for (const octet of octets) {
    if (isOver(session)) {
      return;
    }
    session.socket.write(Buffer.from([octet]));
    await pause(session, dripMs);
  }
}

/** Waits, unless the peer closes first. The timer keeps no process alive. */
function pause({ input }: Session, milliseconds: number): Promise<void> {
  return Promise.race([setTimeout(milliseconds, undefined, { ref: false }), input.closed]);
}
