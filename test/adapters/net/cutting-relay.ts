/** A relay between an SMTP client and a server, which cuts the connection after an octet of the test's choosing. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export interface Cut {
  /** Whose octets are counted. */
  readonly of: 'peer' | 'client';
  /** So many of them come through. */
  readonly after: number;
  /**
   * `aborted`: both ends lose the connection at once. `ended`: who was to get the next octet is told that there is none,
   * as by somebody who has no more to say; the answers to what did come through are still passed on.
   */
  readonly how: 'aborted' | 'ended';
}

export interface Relay {
  readonly port: number;
  /** False while fewer octets were said. */
  readonly hasCut: boolean;
  close(): void;
}

/** Listens on 127.0.0.1 and relays to `port` there, with the same cut in each connection. */
export async function cuttingRelay(port: number, cut: Cut): Promise<Relay> {
  const sockets: Socket[] = [];
  let hasCut = false;
  const server = createServer({ noDelay: true, allowHalfOpen: true }, (client) => {
    const peer = connect({ port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true });
    const pair = [client, peer] as const;
    sockets.push(...pair);
    for (const socket of pair) {
      socket.on('error', () => {}); // it writes to an end that is no more
    }
    const speaker = cut.of === 'client' ? client : peer;
    let left = cut.after;
    const spend = (count: number, listener: Socket): void => {
      left -= count;
      if (left > 0) {
        return;
      }
      hasCut = true;
      for (const socket of cut.how === 'ended' ? [listener] : pair) {
        socket.end();
      }
    };
    const pass = (from: Socket, to: Socket): void => {
      from.on('data', (octets: Buffer) => {
        const isCounted = from === speaker;
        const passed = isCounted ? octets.subarray(0, Math.max(0, left)) : octets;
        if (to.writable && passed.length > 0) {
          to.write(passed);
        }
        if (isCounted && left > 0) {
          spend(octets.length, to);
        }
      });
      from.on('end', () => to.end());
      from.on('close', () => to.end());
    };
    pass(client, peer);
    pass(peer, client);
    if (left === 0) {
      spend(0, speaker === client ? peer : client);
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    get hasCut() {
      return hasCut;
    },
    close: () => {
      server.close();
      for (const socket of sockets) {
        socket.destroy();
      }
    },
  };
}
