/** An SMTP client with no manners of its own, for tests of the simulated MX hosts: it sends what it is told. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';

/** A connection to a host under test. */
export interface RawClient {
  /** Sends octets as they are; CRLF is the caller's. */
  send(text: string | Uint8Array): void;
  /** The next reply, lines joined by `\n`; undefined once the host has closed. */
  reply(): Promise<string | undefined>;
  /** Sends a line and gives the reply. */
  ask(line: string): Promise<string | undefined>;
  /** TLS by handshake now, unverified; the negotiated version. */
  startTls(options?: { servername?: string; maxVersion?: 'TLSv1.2' }): Promise<string | null>;
  /** Octets received and not read as replies yet. */
  received(): string;
  close(): void;
}

/** Connects; nothing has been said yet. */
export async function connectRaw(at: { address: string; port: number }): Promise<RawClient> {
  let socket: Socket = connect(at.port, at.address);
  let text = '';
  let over = false;
  let wake = (): void => {};
  const listen = (): void => {
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      wake();
    });
    for (const event of ['close', 'error']) {
      socket.on(event, () => {
        over = true;
        wake();
      });
    }
  };
  listen();
  await once(socket, 'connect');
  const reply = async (): Promise<string | undefined> => {
    for (;;) {
      const matched = /^(?:\d{3}-.*\r\n)*\d{3}(?: .*)?\r\n/.exec(text);
      if (matched !== null) {
        text = text.slice(matched[0].length);
        return matched[0].trimEnd().replaceAll('\r\n', '\n');
      }
      if (over) {
        return undefined;
      }
      const { promise, resolve } = Promise.withResolvers<void>();
      wake = resolve;
      await promise;
    }
  };
  return {
    send: (octets) => socket.write(octets),
    reply,
    ask(line) {
      socket.write(`${line}\r\n`);
      return reply();
    },
    async startTls(options = {}) {
      const { servername = 'mx1.example.test', ...rest } = options;
      socket.removeAllListeners('data');
      const tls = connectTls({ socket, servername, rejectUnauthorized: false, ...rest });
      socket = tls;
      listen();
      await once(tls, 'secureConnect');
      return tls.getProtocol();
    },
    received: () => text,
    close: () => socket.destroy(),
  };
}
