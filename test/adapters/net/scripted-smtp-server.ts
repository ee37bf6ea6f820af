/** An SMTP server that does what a test tells it, step by step, and remembers what it was sent. */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import {
  createSecureContext,
  type SecureContext,
  type SecureContextOptions,
  TLSSocket,
} from 'node:tls';

/** One connection, seen from the server. */
export interface ServerSession {
  readonly socket: Socket;
  /** Every line and content that was read, in order. */
  readonly log: string[];
  /** Sends text as it is. */
  send(text: string): void;
  /** The next line without its CRLF; undefined at the end of the connection. */
  line(): Promise<string | undefined>;
  /** Content up to the final dot, as it was on the wire, without the dot's line. */
  content(): Promise<string | undefined>;
  octets(count: number): Promise<string | undefined>;
  /** What arrived and was not read yet. */
  buffered(): string;
  /** Waits until something is buffered or the connection is over. */
  arrival(): Promise<void>;
  startTls(options: SecureContextOptions, demandsCertificate?: boolean): Promise<void>;
  ended(): Promise<void>;
}

/** A listening server. */
export interface ScriptedServer {
  readonly port: number;
  readonly sessions: ServerSession[];
  close(): Promise<void>;
}

/** Runs `script` for every connection to 127.0.0.1; an error in it fails `close`. */
export async function scriptedServer(
  script: (session: ServerSession, index: number) => Promise<void>,
): Promise<ScriptedServer> {
  const sessions: ServerSession[] = [];
  const failures: unknown[] = [];
  const running: Promise<void>[] = [];
  const server: Server = createServer({ noDelay: true }, (socket) => {
    const session = createSession(socket);
    sessions.push(session);
    running.push(
      script(session, sessions.length - 1)
        .catch((error: unknown) => {
          failures.push(error);
        })
        .finally(() => session.socket.destroy()),
    );
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    sessions,
    close: async () => {
      server.close();
      for (const session of sessions) {
        session.socket.destroy();
      }
      await Promise.all(running);
      if (failures.length > 0) {
        throw failures[0];
      }
    },
  };
}

function createSession(first: Socket): ServerSession {
  let socket = first;
  let text = '';
  /** The last piece that arrived, and a little before it. */
  let latest = '';
  let isOver = false;
  let waiters: (() => void)[] = [];
  const wake = (): void => {
    const woken = waiters;
    waiters = [];
    for (const waiter of woken) {
      waiter();
    }
  };
  const log: string[] = [];
  const onData = (octets: Buffer): void => {
    const arrived = octets.toString('latin1');
    text += arrived;
    latest = latest.slice(-4) + arrived;
    wake();
  };
  const onEnd = (): void => {
    isOver = true;
    wake();
  };
  const attach = (): void => {
    socket.on('data', onData);
    socket.on('end', onEnd);
    socket.on('close', onEnd);
    socket.on('error', onEnd);
  };
  const arrival = async (): Promise<void> => {
    await new Promise<void>((resolve) => {
      waiters.push(resolve);
    });
  };
  const take = async (find: () => number, skip: number): Promise<string | undefined> => {
    for (;;) {
      const end = find();
      if (end >= 0) {
        const taken = text.slice(0, end);
        text = text.slice(end + skip);
        log.push(taken);
        return taken;
      }
      if (isOver) {
        return undefined;
      }
      await arrival();
    }
  };
  attach();
  return {
    get socket() {
      return socket;
    },
    log,
    send: (reply) => {
      if (socket.writable) {
        socket.write(reply, 'latin1');
      }
    },
    line: () => take(() => text.indexOf('\r\n'), 2),
    content: () => {
      latest = text;
      // Reading all of a large message again for each piece of it would take longer than sending it.
      return take(() => (latest.includes('.\r\n') ? findContentEnd(text) : -1), 3);
    },
    octets: (count) => take(() => (text.length >= count ? count : -1), 0),
    buffered: () => text,
    arrival: async () => {
      if (text === '' && !isOver) {
        await arrival();
      }
    },
    startTls: async (options, demandsCertificate = false) => {
      socket.off('data', onData);
      socket.off('end', onEnd);
      socket.off('close', onEnd);
      const secured = new TLSSocket(socket, {
        isServer: true,
        secureContext: contextOf(options),
        requestCert: demandsCertificate,
        rejectUnauthorized: demandsCertificate,
      });
      socket = secured;
      attach();
      await Promise.race([once(secured, 'secure'), once(secured, 'close')]).catch(() => {});
    },
    ended: async () => {
      while (!isOver) {
        await arrival();
      }
    },
  };
}

const contexts = new WeakMap<SecureContextOptions, SecureContext>();

/** One context for one set of options: its ticket keys let sessions be resumed. */
function contextOf(options: SecureContextOptions): SecureContext {
  const context = contexts.get(options) ?? createSecureContext(options);
  contexts.set(options, context);
  return context;
}

/** Where the line of the final dot begins. */
function findContentEnd(text: string): number {
  if (text.startsWith('.\r\n')) {
    return 0;
  }
  const lineEnd = text.indexOf('\r\n.\r\n');
  return lineEnd < 0 ? -1 : lineEnd + 2;
}

/** How a {@link standardScript} differs from a friendly server. */
export interface StandardOptions {
  readonly capabilities?: readonly string[];
  /** After TLS; default: the same without STARTTLS. */
  readonly securedCapabilities?: readonly string[];
  readonly credential?: SecureContextOptions;
  /** Whether the client has to show a certificate, too. */
  readonly demandsCertificate?: boolean;
  /** The reply to a command, by verb; `.` for the final reply. `undefined` gives the friendly one, '' none. */
  readonly reply?: (command: string, session: ServerSession) => string | undefined;
  readonly greeting?: string;
}

/** A whole server: greeting, EHLO, STARTTLS, and transactions until QUIT or the end. */
export function standardScript(
  options: StandardOptions,
): (session: ServerSession) => Promise<void> {
  const { capabilities = ['PIPELINING', '8BITMIME', 'SMTPUTF8', 'DSN', 'SIZE 50000000'] } = options;
  return async (session) => {
    let offered = capabilities;
    let hasMail = false;
    let recipients = 0;
    const answer = (command: string, friendly: string): boolean => {
      const reply = options.reply?.(command, session) ?? friendly;
      session.send(reply);
      return reply.startsWith('2') || reply.startsWith('3');
    };
    session.send(options.greeting ?? '220 mx.test ESMTP\r\n');
    for (let line = await session.line(); line !== undefined; line = await session.line()) {
      const verb = line.split(' ', 1)[0]?.toUpperCase() ?? '';
      if (verb === 'EHLO') {
        answer(line, formatEhloReply(offered));
      } else if (verb === 'STARTTLS') {
        if (answer(line, '220 2.0.0 go ahead\r\n') && options.credential !== undefined) {
          await session.startTls(options.credential, options.demandsCertificate);
          offered =
            options.securedCapabilities ?? offered.filter((keyword) => keyword !== 'STARTTLS');
        }
      } else if (verb === 'MAIL' || verb === 'RSET') {
        recipients = 0;
        hasMail = answer(line, '250 2.1.0 ok\r\n') && verb === 'MAIL';
      } else if (verb === 'RCPT') {
        const friendly = hasMail ? '250 2.1.5 ok\r\n' : '503 5.5.1 MAIL first\r\n';
        recipients += answer(line, friendly) ? 1 : 0;
      } else if (verb === 'DATA') {
        const friendly = recipients > 0 ? '354 go on\r\n' : '554 5.5.1 no valid recipients\r\n';
        if (answer(line, friendly) && (await session.content()) !== undefined) {
          recipients = 0;
          answer('.', '250 2.0.0 taken\r\n');
        }
      } else if (verb === 'BDAT') {
        if ((await session.octets(Number(line.split(' ')[1]))) !== undefined) {
          recipients = 0;
          answer('.', '250 2.0.0 taken\r\n');
        }
      } else if (verb === 'QUIT') {
        answer(line, '221 2.0.0 bye\r\n');
        return;
      } else {
        answer(line, '500 5.5.2 what?\r\n');
      }
    }
  };
}

function formatEhloReply(capabilities: readonly string[]): string {
  const texts = ['mx.test greets you', ...capabilities];
  return texts
    .map((text, index) => `250${index === texts.length - 1 ? ' ' : '-'}${text}\r\n`)
    .join('');
}
