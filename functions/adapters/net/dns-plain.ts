/** One question to one DNS server: over UDP, and over TCP where the answer does not fit or UDP is not to be trusted. */
import { randomInt } from 'node:crypto';
import type { DnsMessage } from '../../protocol/dns/message.ts';
import type { DnsEndpoint } from './dns-servers.ts';
import { exchangeTcp } from './dns-tcp.ts';
import { exchangeUdp } from './dns-udp.ts';

/**
 * Sends `query`, with an id of its own, and gives the server's well-formed response to it, whatever its response code.
 *
 * `timeoutMs` is asked at the start of each of the two exchanges, so that TCP gets time of its own within the caller's
 * deadline.
 *
 * @throws {TransportSecurityError} `dns-timeout`, `dns-malformed`, `dns-server-failure`
 */
export async function exchangePlain(
  server: DnsEndpoint,
  query: Uint8Array,
  timeoutMs: () => number,
): Promise<DnsMessage> {
  // RFC 5452 §9.2: a fresh id and a fresh port for every try, so that guesses at one are of no use for the next.
  const sent = query.slice();
  new DataView(sent.buffer).setUint16(0, randomInt(0x1_0000));
  const outcome = await exchangeUdp(server, sent, timeoutMs());
  // RFC 2181 §9: what comes with TC set is not used, not even in part.
  return outcome.kind === 'response'
    ? outcome.message
    : await exchangeTcp(server, sent, timeoutMs());
}
