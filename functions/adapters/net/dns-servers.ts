/** Which DNS servers are asked, as configuration and operating systems write them. */
import { getServers } from 'node:dns';
import { isIP } from 'node:net';
import { TransportSecurityError } from '../../protocol/errors.ts';

/** Where a DNS server listens, over UDP and TCP alike. */
export interface DnsServer {
  /** An address literal. An IPv6 one may have a zone id: an operator chose it, no stranger's DNS did. */
  readonly address: string;
  readonly port: number;
}

const defaultPort = 53;

/**
 * Parses `192.0.2.1`, `192.0.2.1:5300`, `2001:db8::1` or `[2001:db8::1]:5300`. Names are refused: asking a resolver for
 * the resolver has no end.
 *
 * @throws {TransportSecurityError} `settings-invalid`
 */
export function parseDnsServer(text: string): DnsServer {
  const bracketed = /^\[([^\]]+)\](?::(\d{1,5}))?$/.exec(text);
  const dotted = /^([^:]+):(\d{1,5})$/.exec(text);
  const [, address = text, portText = String(defaultPort)] = bracketed ?? dotted ?? [];
  const port = Number(portText);
  if (isIP(address) === 0 || (bracketed && isIP(address) !== 6) || port < 1 || port > 65535) {
    throw new TransportSecurityError(
      'settings-invalid',
      `not a DNS server: ${JSON.stringify(text)}; give an IP address, with a port if it is not 53`,
    );
  }
  return { address, port };
}

/** Formats a server for people. */
export function formatDnsServer({ address, port }: DnsServer): string {
  return isIP(address) === 6 ? `[${address}]:${port}` : `${address}:${port}`;
}

/** The DNS servers that this machine is set up with, in their order, as {@link parseDnsServer} takes them. */
export function machineServers(): readonly string[] {
  return getServers();
}
