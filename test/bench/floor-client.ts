/**
 * The least that a client can do to hand messages over: one connection, STARTTLS, and groups back to back as in RFC 2920
 * §3.1, with no look at any reply but for the 354 in it.
 */
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls, type SecureContext, type TLSSocket } from 'node:tls';

export interface FloorTarget {
  readonly port: number;
  readonly host: string;
  /** Trusts the sink's root. */
  readonly context: SecureContext;
}

/** Connects, says EHLO, takes TLS and verifies the certificate; as far as that is the work of Node alone. */
export async function connectFloor(target: FloorTarget): Promise<TLSSocket> {
  const socket = connectTcp({ host: '127.0.0.1', port: target.port, noDelay: true });
  await heard(socket);
  socket.write('EHLO floor.test\r\n');
  await heard(socket);
  socket.write('STARTTLS\r\n');
  await heard(socket);
  const secured = connectTls({
    socket,
    servername: target.host,
    secureContext: target.context,
  });
  await new Promise<void>((resolve, reject) => {
    secured.once('secureConnect', resolve);
    secured.once('error', reject);
  });
  secured.write('EHLO floor.test\r\n');
  await heard(secured);
  return secured;
}

/** Sends the same octets `count` times over a connection. */
export async function sendFloor(
  socket: TLSSocket,
  message: { readonly from: string; readonly to: string; readonly content: Buffer },
  count: number,
): Promise<void> {
  const group = `MAIL FROM:<${message.from}>\r\nRCPT TO:<${message.to}>\r\nDATA\r\n`;
  const middle = Buffer.concat([message.content, Buffer.from(`.\r\n${group}`)]);
  const last = Buffer.concat([message.content, Buffer.from('.\r\n')]);
  let left = count;
  let tail = '';
  await new Promise<void>((resolve, reject) => {
    const take = (octets: Buffer): void => {
      const text = tail + octets.toString('latin1');
      tail = '';
      if (left === 0) {
        if (text.includes('250 2.0.0')) {
          socket.off('data', take);
          socket.off('error', reject);
          resolve();
        }
      } else if (text.includes('354')) {
        left -= 1;
        socket.write(left === 0 ? last : middle);
      } else {
        tail = text.slice(-12);
      }
    };
    socket.on('data', take);
    socket.once('error', reject);
    socket.write(group);
  });
}

/** Says QUIT and, when that is answered, leaves. */
export async function quitFloor(socket: TLSSocket): Promise<void> {
  socket.write('QUIT\r\n');
  await heard(socket);
  socket.destroySoon();
}

function heard(socket: Socket): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    socket.once('data', resolve);
    socket.once('error', reject);
  });
}
