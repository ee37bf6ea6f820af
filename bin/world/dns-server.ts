/**
 * The one DNS server of the simulated internet, over UDP and TCP (RFC 1035 §4.2, RFC 7766). It has every zone there is,
 * so that it can stand where the functions expect their resolver.
 */
import { createSocket, type RemoteInfo, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { type DnsQuery, decodeQuery, encodeMalformed, encodeResponse } from './dns-message.ts';
import type { ZoneTable } from './zone.ts';

/** A question that was asked, whatever came of it. */
export interface DnsQuestion {
  readonly name: string;
  readonly type: string;
  readonly transport: 'udp' | 'tcp';
}

/** A running server; `address:port` is what a resolver setting names. */
export interface DnsServer {
  readonly address: string;
  readonly port: number;
  /** The latest questions, oldest first. */
  readonly questions: readonly DnsQuestion[];
  stop(): Promise<void>;
}

/** Questions kept; a world may run for days. */
const questionsMax = 10_000;

/** RFC 7766 §6.2.3 leaves it to the server how long an idle connection stays. */
const tcpIdleMs = 10_000;

/** Ports tried until one is free for UDP and TCP alike. */
const portsTriedMax = 20;

/** Starts answering from `zones` on a free port of `address`. */
export async function startDnsServer(options: {
  readonly zones: ZoneTable;
  readonly address: string;
}): Promise<DnsServer> {
  const { zones, address } = options;
  const questions: DnsQuestion[] = [];
  const answer = (message: Buffer, transport: 'udp' | 'tcp'): readonly Buffer[] => {
    const query = decodeQuery(message);
    if (query === undefined) {
      return [];
    }
    questions.push({ name: query.name, type: query.type, transport });
    questions.splice(0, questions.length - questionsMax);
    return respond(zones, query, transport);
  };
  const connections = new Set<Socket>();
  const { udp, tcp, port } = await bindBoth(address);
  udp.on('message', (message: Buffer, peer: RemoteInfo) => {
    for (const response of answer(message, 'udp')) {
      udp.send(response, peer.port, peer.address);
    }
  });
  tcp.on('connection', (socket) => {
    connections.add(socket);
    socket.on('close', () => connections.delete(socket));
    serveTcp(socket, (message) => answer(message, 'tcp'));
  });
  return {
    address,
    port,
    questions,
    async stop() {
      for (const socket of connections) {
        socket.destroy();
      }
      udp.close();
      tcp.close();
      await Promise.all([once(udp, 'close'), once(tcp, 'close')]);
    },
  };
}

/** The messages that answer a query: none, one, or a forged one and the true one. */
function respond(zones: ZoneTable, query: DnsQuery, transport: 'udp' | 'tcp'): readonly Buffer[] {
  const fault = zones.faultOf(query.name, query.type);
  const serial = zones.serial;
  if (fault === 'silence') {
    return [];
  }
  if (fault === 'malformed') {
    return [encodeMalformed(query)];
  }
  if (fault === 'SERVFAIL' || fault === 'REFUSED') {
    return [encodeResponse(query, { rcode: fault, records: [], serial })];
  }
  const response = { ...zones.lookup(query.name, query.type), serial };
  const whole = encodeResponse(query, response);
  const tooLarge = transport === 'udp' && whole.length > query.payloadMax;
  const cut = fault === 'truncated-always' || (fault === 'truncated' && transport === 'udp');
  if (tooLarge || cut) {
    return [encodeResponse(query, response, true)];
  }
  return fault === 'spoofed' && transport === 'udp' ? [forge(query), whole] : [whole];
}

/** What somebody off the path would send: the question is right, the id is a guess. */
function forge(query: DnsQuery): Buffer {
  return encodeResponse(
    { ...query, id: query.id ^ 1 },
    { rcode: 'NXDOMAIN', records: [], soaOf: query.name, serial: 0 },
  );
}

/** RFC 1035 §4.2.2: each message behind its length in two octets. */
function serveTcp(socket: Socket, answer: (message: Buffer) => readonly Buffer[]): void {
  let pending: Buffer = Buffer.alloc(0);
  socket.setTimeout(tcpIdleMs, () => socket.destroy());
  socket.on('error', () => {
    // A client that resets its connection has lost its answer; nothing else depends on it.
  });
  socket.on('data', (chunk: Buffer) => {
    pending = Buffer.concat([pending, chunk]);
    while (pending.length >= 2 && pending.length >= 2 + pending.readUInt16BE(0)) {
      const end = 2 + pending.readUInt16BE(0);
      for (const response of answer(pending.subarray(2, end))) {
        const length = Buffer.alloc(2);
        length.writeUInt16BE(response.length);
        socket.write(Buffer.concat([length, response]));
      }
      pending = pending.subarray(end);
    }
  });
}

async function bindBoth(
  address: string,
): Promise<{ readonly udp: UdpSocket; readonly tcp: Server; readonly port: number }> {
  for (let tried = 1; ; tried += 1) {
    const udp = createSocket('udp4');
    const tcp = createServer();
    udp.bind(0, address);
    await once(udp, 'listening');
    const { port } = udp.address();
    tcp.listen(port, address);
    try {
      await once(tcp, 'listening');
      return { udp, tcp, port };
    } catch (error) {
      udp.close();
      if (tried === portsTriedMax) {
        throw error;
      }
    }
  }
}
