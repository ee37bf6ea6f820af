/**
 * One question to one DNS server over a TCP connection of its own.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc7766.html#section-8 RFC 7766 §8} (two octets of length before each message)
 */
import { connect, type Socket } from 'node:net';
import type { DnsMessage } from '../../protocol/dns/message.ts';
import { receiveResponse } from '../../protocol/dns/query.ts';
import { TransportSecurityError } from '../../protocol/errors.ts';
import type { DnsEndpoint } from './dns-servers.ts';

/**
 * Connects, sends `query`, takes one message and closes.
 *
 * Nobody forges a message into a connection, so one that is no proper answer is the server's fault and not waited past.
 *
 * @throws {TransportSecurityError} `dns-timeout`, `dns-malformed`, or `dns-server-failure` for a connection refused or
 * closed before the answer
 */
export async function exchangeTcp(
  server: DnsEndpoint,
  query: Uint8Array,
  timeoutMs: number,
): Promise<DnsMessage> {
  const socket = connect({ host: server.address, port: server.port, noDelay: true });
  let timer: NodeJS.Timeout | undefined;
  try {
    const octets = await new Promise<Uint8Array>((resolve, reject) => {
      timer = setTimeout(() => {
        reject(new TransportSecurityError('dns-timeout', `no answer over TCP in ${timeoutMs} ms`));
      }, timeoutMs);
      // RFC 7766 §8: length and message in one write, which becomes one segment.
      socket.write(withLength(query));
      readMessage(socket).then(resolve, reject);
    });
    return judge(query, octets);
  } finally {
    clearTimeout(timer);
    socket.destroy();
  }
}

/** Collects what the length field announces, 64 KB at most, and lets anything behind it be. */
async function readMessage(socket: Socket): Promise<Uint8Array> {
  const received = Buffer.alloc(2 + 0xffff);
  let length = 0;
  try {
    for await (const chunk of socket as AsyncIterable<Uint8Array>) {
      const taken = chunk.subarray(0, received.length - length);
      received.set(taken, length);
      length += taken.length;
      const end = 2 + received.readUInt16BE(0);
      if (length >= 2 && length >= end) {
        return received.subarray(2, end);
      }
    }
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new TransportSecurityError('dns-server-failure', `no TCP: ${reason}`, { cause });
  }
  throw new TransportSecurityError(
    'dns-server-failure',
    `the TCP connection ended after ${length} octets`,
  );
}

function judge(query: Uint8Array, octets: Uint8Array): DnsMessage {
  const reception = receiveResponse(query, octets);
  if (reception.kind === 'response') {
    return reception.message;
  }
  const reason = reception.kind === 'truncated' ? 'truncated over TCP too' : reception.reason;
  throw new TransportSecurityError('dns-malformed', `malformed answer over TCP: ${reason}`);
}

function withLength(query: Uint8Array): Uint8Array {
  const framed = new Uint8Array(2 + query.length);
  new DataView(framed.buffer).setUint16(0, query.length);
  framed.set(query, 2);
  return framed;
}
