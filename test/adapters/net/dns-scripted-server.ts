/** A DNS server on loopback that does as the test says, over UDP and TCP on one port. */
import { createSocket, type RemoteInfo, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';

/** A datagram that came in, and a way to answer it. */
export interface UdpQuery {
  readonly octets: Uint8Array;
  readonly client: RemoteInfo;
  readonly reply: (...datagrams: readonly Uint8Array[]) => void;
}

/** A message that came in over TCP, without its length. */
export interface TcpQuery {
  readonly octets: Uint8Array;
  readonly socket: Socket;
  /** Sends a message with its length. */
  readonly reply: (octets: Uint8Array) => void;
}

export interface Script {
  /** Absent: silence. */
  readonly udp?: (query: UdpQuery) => void;
  /** Absent: nobody listens. */
  readonly tcp?: (query: TcpQuery) => void;
  /** Default: 127.0.0.1. */
  readonly address?: string;
  /** Default: a free one. */
  readonly port?: number;
}

export interface ScriptedServer {
  /** `address:port`. */
  readonly server: string;
  /** Every query received, in order, with how it came. */
  readonly received: readonly { readonly by: 'udp' | 'tcp'; readonly octets: Uint8Array }[];
  /** The ports from which datagrams came. */
  readonly ports: readonly number[];
}

/** Starts a server that ends with the test. */
export async function startScriptedServer(script: Script): Promise<ScriptedServer> {
  const address = script.address ?? '127.0.0.1';
  const received: { by: 'udp' | 'tcp'; octets: Uint8Array }[] = [];
  const ports: number[] = [];
  const tcp = script.tcp && createServer((socket) => serve(socket, script.tcp, received));
  const udp = await listen(address, script.port ?? 0, tcp);
  udp.on('message', (octets, client) => {
    received.push({ by: 'udp', octets });
    ports.push(client.port);
    const reply = (...datagrams: readonly Uint8Array[]): void => {
      for (const datagram of datagrams) {
        udp.send(datagram, client.port, client.address);
      }
    };
    script.udp?.({ octets, client, reply });
  });
  onTestFinished(() => {
    udp.close();
    tcp?.close();
  });
  return { server: `${address}:${udp.address().port}`, received, ports };
}

/** Binds UDP to the port, or a free one for 0, and TCP to the same one, and tries again where that one is taken. */
async function listen(address: string, port: number, tcp: Server | undefined): Promise<UdpSocket> {
  for (let attempt = 0; attempt < 20; attempt += 1) {
    const udp = createSocket('udp4');
    udp.bind(port, address);
    await once(udp, 'listening');
    try {
      if (tcp !== undefined) {
        tcp.listen(udp.address().port, address);
        await once(tcp, 'listening');
      }
      return udp;
    } catch {
      // Somebody else's TCP port; the next one will do.
      udp.close();
    }
  }
  throw new Error('no port free for both UDP and TCP');
}

function serve(
  socket: Socket,
  script: Script['tcp'],
  received: { by: 'udp' | 'tcp'; octets: Uint8Array }[],
): void {
  let pending = Buffer.alloc(0);
  socket.on('error', () => {
    // The client hangs up when it pleases.
  });
  socket.on('data', (chunk) => {
    pending = Buffer.concat([pending, chunk]);
    if (pending.length >= 2 && pending.length >= 2 + pending.readUInt16BE(0)) {
      const octets = pending.subarray(2, 2 + pending.readUInt16BE(0));
      received.push({ by: 'tcp', octets });
      script?.({ octets, socket, reply: (message) => socket.end(framed(message)) });
    }
  });
}

/** A message as TCP carries it (RFC 1035 §4.2.2). */
export function framed(octets: Uint8Array): Uint8Array {
  return Uint8Array.from([octets.length >> 8, octets.length & 0xff, ...octets]);
}

/** A port on which nobody listens, neither UDP nor TCP. */
export async function closedPort(address = '127.0.0.1'): Promise<number> {
  const server = createServer();
  server.listen(0, address);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** A response to `query` with its id and question, the given flags and whole records. */
export function respond(
  query: Uint8Array,
  answers: readonly (readonly number[])[] = [],
  flags = 0x8180,
): Uint8Array {
  const question = query.subarray(12, query.length - 11);
  return Uint8Array.from([
    ...query.subarray(0, 2),
    flags >> 8,
    flags & 0xff,
    ...[0, 1, answers.length >> 8, answers.length & 0xff, 0, 0, 0, 0],
    ...question,
    ...answers.flat(),
  ]);
}
