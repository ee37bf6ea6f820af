/**
 * One question to one DNS server over UDP.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc5452.html RFC 5452} (resilience against forged answers)
 */
import { createSocket } from 'node:dgram';
import { isIP } from 'node:net';
import { type Reception, receiveResponse } from '../../protocol/dns/query.ts';
import { TransportSecurityError } from '../../protocol/errors.ts';
import type { DnsEndpoint } from './dns-servers.ts';

/**
 * Datagrams that are no answer to the question, after which the rest is done over TCP. Servers send none; somebody who
 * guesses ids sends thousands, and this many give one chance in 4,000 to somebody who knows the port already.
 */
const foreignMax = 16;

/** How a question over UDP ended. `truncated`: ask again over TCP. */
export type UdpOutcome = Extract<Reception, { readonly kind: 'response' | 'truncated' }>;

/**
 * Sends `query` from a socket of its own, and so from a port that the kernel picks at random, connected so that only the
 * server's address and port get through. Datagrams that are not an answer, or not a well-formed one, are passed over: the
 * real answer may be behind them.
 *
 * @throws {TransportSecurityError} `dns-timeout`; `dns-malformed` where time ran out with nothing but malformed answers;
 * `dns-server-failure` where the server cannot be reached
 */
export async function exchangeUdp(
  server: DnsEndpoint,
  query: Uint8Array,
  timeoutMs: number,
): Promise<UdpOutcome> {
  const socket = createSocket(isIP(server.address) === 6 ? 'udp6' : 'udp4');
  let timer: NodeJS.Timeout | undefined;
  try {
    return await new Promise<UdpOutcome>((resolve, reject) => {
      const judge = judgeDatagrams(query);
      socket.on('message', (datagram) => {
        const outcome = judge.receive(datagram);
        if (outcome !== undefined) {
          resolve(outcome);
        }
      });
      // ICMP errors arrive here too: the port is closed, or there is no route.
      socket.on('error', (cause) => {
        reject(
          new TransportSecurityError('dns-server-failure', `no UDP: ${cause.message}`, { cause }),
        );
      });
      socket.once('connect', () => socket.send(query));
      socket.connect(server.port, server.address);
      timer = setTimeout(() => reject(judge.timedOut(timeoutMs)), timeoutMs);
    });
  } finally {
    clearTimeout(timer);
    socket.close();
  }
}

interface DatagramJudge {
  /** The outcome, where the datagram brings it. */
  receive(datagram: Uint8Array): UdpOutcome | undefined;
  timedOut(timeoutMs: number): TransportSecurityError;
}

function judgeDatagrams(query: Uint8Array): DatagramJudge {
  let foreign = 0;
  let malformedReason: string | undefined;
  return {
    receive(datagram) {
      const reception = receiveResponse(query, datagram);
      if (reception.kind === 'response' || reception.kind === 'truncated') {
        return reception;
      }
      if (reception.kind === 'malformed') {
        malformedReason = reception.reason;
        return undefined;
      }
      foreign += 1;
      return foreign >= foreignMax ? { kind: 'truncated' } : undefined;
    },
    timedOut(timeoutMs) {
      const ignored = foreign === 0 ? '' : `, ${foreign} datagrams were no answer to it`;
      return malformedReason === undefined
        ? new TransportSecurityError('dns-timeout', `no answer in ${timeoutMs} ms${ignored}`)
        : new TransportSecurityError('dns-malformed', `malformed answer: ${malformedReason}`);
    },
  };
}
