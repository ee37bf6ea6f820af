/** Which DNS servers are asked, as configuration and operating systems write them. */
import { getServers } from 'node:dns';
import { isIP } from 'node:net';
import { isDomainName } from '../../protocol/domain-name.ts';
import { TransportSecurityError } from '../../protocol/errors.ts';

/** Where a DNS server listens, over UDP and TCP alike. */
export interface DnsEndpoint {
  /** An address literal. An IPv6 one may have a zone id: an operator chose it, no stranger's DNS did. */
  readonly address: string;
  readonly port: number;
}

/** A server that is asked over UDP, and over TCP where the answer does not fit. */
export interface PlainDnsServer extends DnsEndpoint {
  readonly kind: 'plain';
}

/** A server that is asked over HTTPS (RFC 8484), at addresses that are known beforehand. */
export interface HttpsDnsServer {
  readonly kind: 'https';
  /** The name that its certificate must have; lower-case A-labels. */
  readonly host: string;
  readonly port: number;
  readonly path: string;
  /** Address literals, at least one. */
  readonly addresses: readonly string[];
}

export type DnsServer = PlainDnsServer | HttpsDnsServer;

const plainPort = 53;
const httpsPort = 443;

const httpsForm = /^https:\/\/([^/:@?#\s]+)(?::(\d{1,5}))?(\/[!-~]*)@([0-9A-Fa-f.:,]+)$/;

/**
 * Parses `192.0.2.1`, `192.0.2.1:5300`, `2001:db8::1`, `[2001:db8::1]:5300`, or, for DNS over HTTPS,
 * `https://dns.example/dns-query@192.0.2.1,2001:db8::1`. Names alone are refused: asking a resolver for the resolver has
 * no end.
 *
 * @throws {TransportSecurityError} `settings-invalid`
 */
export function parseDnsServer(text: string): DnsServer {
  return text.startsWith('https:') ? parseHttps(text) : parsePlain(text);
}

function parsePlain(text: string): PlainDnsServer {
  const bracketed = /^\[([^\]]+)\](?::(\d{1,5}))?$/.exec(text);
  const dotted = /^([^:]+):(\d{1,5})$/.exec(text);
  const [, address = text, portText = String(plainPort)] = bracketed ?? dotted ?? [];
  const port = Number(portText);
  if (isIP(address) === 0 || (bracketed && isIP(address) !== 6) || !isPort(port)) {
    throw invalid(text, 'give an IP address, with a port if it is not 53');
  }
  return { kind: 'plain', address, port };
}

function parseHttps(text: string): HttpsDnsServer {
  const [, host = '', portText = String(httpsPort), path = '', list = ''] =
    httpsForm.exec(text) ?? [];
  const port = Number(portText);
  const addresses = list.split(',');
  if (!isHostName(host) || !isPort(port) || !addresses.every((address) => isIP(address) !== 0)) {
    throw invalid(text, 'give a URL and addresses, like https://dns.example/dns-query@192.0.2.1');
  }
  if (/[{}#]/.test(path)) {
    // RFC 8484 §4.1: variables of a URI template are for GET, and a POST goes to the URL without them.
    throw invalid(text, 'give the URL without {?dns} and without a fragment');
  }
  return { kind: 'https', host, port, path, addresses };
}

function isPort(port: number): boolean {
  return port >= 1 && port <= 65535;
}

/** An address literal is none: certificates are checked by name. */
function isHostName(host: string): boolean {
  return isIP(host) === 0 && isDomainName(host);
}

function invalid(text: string, remedy: string): TransportSecurityError {
  return new TransportSecurityError(
    'settings-invalid',
    `not a DNS server: ${JSON.stringify(text)}; ${remedy}`,
  );
}

/** Formats a server for people; the addresses behind a URL are left out. */
export function formatDnsServer(server: DnsServer): string {
  if (server.kind === 'https') {
    const port = server.port === httpsPort ? '' : `:${server.port}`;
    return `https://${server.host}${port}${server.path}`;
  }
  const { address, port } = server;
  return isIP(address) === 6 ? `[${address}]:${port}` : `${address}:${port}`;
}

/** The DNS servers that this machine is set up with, in their order, as {@link parseDnsServer} takes them. */
export function machineServers(): readonly string[] {
  return getServers();
}
