/**
 * An MX host in a process of its own that takes everything over STARTTLS and looks at as little as can be, and the same
 * behind a proxy that holds every octet back for a while, each way.
 *
 * Told its certificate by its parent; says on which ports it listens.
 */
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { createSecureContext, type SecureContext, TLSSocket } from 'node:tls';

export interface SinkOrder {
  readonly key: string;
  readonly cert: string;
  /** Of the proxy, each way. */
  readonly delayMs: number;
}

export interface SinkPorts {
  readonly port: number;
  readonly delayedPort: number;
}

const capabilities = '250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SIZE 0\r\n';

process.once('message', (order: SinkOrder) => {
  void serve(order);
});

async function serve({ key, cert, delayMs }: SinkOrder): Promise<void> {
  const context = createSecureContext({ key, cert });
  const port = await listen(createServer({ noDelay: true }, (socket) => greet(socket, context)));
  const delayedPort = await listen(
    createServer({ noDelay: true }, (socket) => holdBack(socket, port, delayMs)),
  );
  process.send?.({ port, delayedPort } satisfies SinkPorts);
}

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

function greet(socket: Socket, context: SecureContext): void {
  socket.on('error', () => socket.destroy());
  socket.write('220 sink\r\n');
  const beforeTls = (octets: Buffer): void => {
    const line = octets.toString('latin1');
    if (line.startsWith('EHLO')) {
      socket.write(`${capabilities}250 STARTTLS\r\n`);
    } else if (line.startsWith('STARTTLS')) {
      socket.off('data', beforeTls);
      socket.write('220 go\r\n');
      const secured = new TLSSocket(socket, { isServer: true, secureContext: context });
      secured.on('error', () => secured.destroy());
      converse(secured);
    } else {
      socket.end('221 bye\r\n');
    }
  };
  socket.on('data', beforeTls);
}

/** Commands are told apart by their first letter; content ends with its dot. */
function converse(socket: TLSSocket): void {
  let text = '';
  let isContent = false;
  socket.on('data', (octets: Buffer) => {
    text += octets.toString('latin1');
    let replies = '';
    for (;;) {
      const mark = isContent ? '\r\n.\r\n' : '\r\n';
      const end = text.indexOf(mark);
      if (end < 0) {
        // Of content only what may be the beginning of its end matters.
        text = isContent ? text.slice(-4) : text;
        break;
      }
      if (isContent) {
        replies += '250 2.0.0 ok\r\n';
        isContent = false;
      } else {
        const letter = text.charCodeAt(0) & 0xdf;
        isContent = letter === 0x44;
        replies +=
          letter === 0x44
            ? '354 go\r\n'
            : letter === 0x45
              ? `${capabilities}250 ENHANCEDSTATUSCODES\r\n`
              : letter === 0x51
                ? '221 2.0.0 bye\r\n'
                : '250 2.1.0 ok\r\n';
      }
      text = text.slice(end + mark.length);
    }
    if (replies !== '') {
      socket.write(replies);
      if (replies.endsWith('bye\r\n')) {
        socket.end();
      }
    }
  });
}

function holdBack(client: Socket, port: number, delayMs: number): void {
  const server = connect({ host: '127.0.0.1', port, noDelay: true });
  const pass = (from: Socket, to: Socket): void => {
    from.on('data', (octets) => setTimeout(() => to.write(octets), delayMs));
    from.on('end', () => setTimeout(() => to.end(), delayMs));
    from.on('error', () => to.destroy());
  };
  pass(client, server);
  pass(server, client);
}
