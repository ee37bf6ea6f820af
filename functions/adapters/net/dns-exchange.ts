/** One question to one DNS server: over UDP, and over TCP where the answer does not fit or UDP is not to be trusted. */
import type { DnsMessage } from '../../protocol/dns/message.ts';
import type { DnsServer } from './dns-servers.ts';
import { exchangeTcp } from './dns-tcp.ts';
import { exchangeUdp } from './dns-udp.ts';

/**
 * Sends `query` and gives the server's well-formed response to it, whatever its response code.
 *
 * `timeoutMs` is asked at the start of each of the two exchanges, so that TCP gets time of its own within the caller's
 * deadline.
 *
 * @throws {TransportSecurityError} `dns-timeout`, `dns-malformed`, `dns-server-failure`
 */
export async function exchangeDns(
  server: DnsServer,
  query: Uint8Array,
  timeoutMs: () => number,
): Promise<DnsMessage> {
  const outcome = await exchangeUdp(server, query, timeoutMs());
  // RFC 2181 §9: what comes with TC set is not used, not even in part.
  return outcome.kind === 'response'
    ? outcome.message
    : await exchangeTcp(server, query, timeoutMs());
}
