/**
 * The one DNS server of the simulated internet, over UDP and TCP (RFC 1035 §4.2, RFC 7766). It has every zone there is,
 * so that it can stand where the functions expect their resolver. It validates nothing and hands on what validators need.
 */
import { createSocket, type RemoteInfo, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { type DnsQuery, decodeQuery, encodeMalformed, encodeResponse } from './dns-message.ts';
import { encodeSignedAnswer, readQuestion } from './dnssec-answers.ts';
import type { SignedTree } from './signed-tree.ts';
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

/**
 * Starts answering from `zones` on a free port of `address`. Clients that set DO (RFC 3225) are answered from `signed`;
 * absent: as all others.
 */
export async function startDnsServer(options: {
  readonly zones: ZoneTable;
  readonly signed?: SignedTree;
  readonly address: string;
}): Promise<DnsServer> {
  const { address } = options;
  const questions: DnsQuestion[] = [];
  const answer = (message: Buffer, transport: 'udp' | 'tcp'): readonly Buffer[] => {
    const query = decodeQuery(message);
    if (query === undefined) {
      return [];
    }
    questions.push({ name: query.name, type: query.type, transport });
    questions.splice(0, questions.length - questionsMax);
    return respond({ message, query, transport }, options);
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

interface Request {
  readonly message: Buffer;
  readonly query: DnsQuery;
  readonly transport: 'udp' | 'tcp';
}

interface Contents {
  readonly zones: ZoneTable;
  readonly signed?: SignedTree;
}

/** The messages that answer a query: none, one, or a forged one and the true one. */
function respond(request: Request, contents: Contents): readonly Buffer[] {
  const { query, transport } = request;
  const { zones } = contents;
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
  const whole = answerWhole(request, contents);
  const tooLarge = transport === 'udp' && whole.length > query.payloadMax;
  const cut = fault === 'truncated-always' || (fault === 'truncated' && transport === 'udp');
  if (tooLarge || cut) {
    return [encodeResponse(query, { rcode: 'NOERROR', records: [], serial }, true)];
  }
  return fault === 'spoofed' && transport === 'udp' ? [forge(query), whole] : [whole];
}

function answerWhole({ message, query }: Request, { zones, signed }: Contents): Buffer {
  const question = readQuestion(message);
  if (!query.dnssecOk || signed === undefined || question === undefined) {
    const response = { ...zones.lookup(query.name, query.type), serial: zones.serial };
    return encodeResponse(query, response);
  }
  const whole = Buffer.from(encodeSignedAnswer(message, signed.answer(question)));
  // RFC 1035 §4.1.1, RFC 4035 §3.2.2: RD and CD are the client's.
  whole.writeUInt16BE(
    (whole.readUInt16BE(2) & ~clientFlags) | (message.readUInt16BE(2) & clientFlags),
    2,
  );
  return whole;
}

/** RD and CD. */
const clientFlags = 0x0110;

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
