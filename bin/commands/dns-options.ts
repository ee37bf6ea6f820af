/** The options by which commands say whom to ask about names, and what to believe. */
import { machineServers, parseDnsServer } from '../../functions/adapters/net/dns-servers.ts';
import type { NetworkSetting } from '../../functions/environment.ts';
import { parseTrustAnchors } from '../../functions/protocol/dnssec/anchors.ts';
import { readInputFile } from './input-file.ts';
import { UsageError } from './usage.ts';

/** For `parseArgs`. */
export const dnsOptions = {
  dns: { type: 'string', multiple: true },
  doh: { type: 'string', multiple: true },
  anchor: { type: 'string', multiple: true },
  ca: { type: 'string' },
} as const;

/** Their lines in a usage text. */
export const dnsUsage = `  --dns ADDRESS[:PORT]       DNS server, or "system" for those of this machine (repeatable)
  --doh URL@ADDRESS,…        DNS over HTTPS: https://dns.example/dns-query@192.0.2.1 (repeatable)
                             They need not be trusted, but have to hand DNSSEC records on.
                             Default, as in the function: two public services over HTTPS
  --anchor FILE              DS or DNSKEY records to trust beside the root's keys, or in their place where some are
                             of the root (repeatable)`;

/** What `parseArgs` makes of {@link dnsOptions}. */
export interface DnsValues {
  readonly dns?: readonly string[] | undefined;
  readonly doh?: readonly string[] | undefined;
  readonly anchor?: readonly string[] | undefined;
  readonly ca?: string | undefined;
}

/**
 * Reads them, and the files that they name.
 *
 * @throws {UsageError}
 */
export async function readDnsOptions(
  values: DnsValues,
): Promise<Pick<NetworkSetting, 'resolvers' | 'trustAnchors' | 'extraRoots'>> {
  const { dns = [], doh = [], anchor, ca } = values;
  const resolvers = [
    ...dns.flatMap((server) => (server === 'system' ? machineServers() : [server])),
    ...doh,
  ];
  checkServers('--dns', dns, (server) => server === 'system' || !isHttps(server));
  checkServers('--doh', doh, isHttps);
  return {
    ...(resolvers.length === 0 ? {} : { resolvers }),
    ...(anchor === undefined ? {} : { trustAnchors: await readAnchors(anchor) }),
    ...(ca === undefined ? {} : { extraRoots: await readRoots(ca) }),
  };
}

function isHttps(server: string): boolean {
  return server.startsWith('https:');
}

function checkServers(
  option: string,
  servers: readonly string[],
  isKind: (server: string) => boolean,
): void {
  for (const server of servers) {
    if (!isKind(server)) {
      throw new UsageError(`${option}: ${JSON.stringify(server)} is for the other of --dns, --doh`);
    }
    if (server !== 'system') {
      refuseUnless(option, () => parseDnsServer(server));
    }
  }
}

async function readAnchors(files: readonly string[]): Promise<string> {
  const texts: string[] = [];
  for (const file of files) {
    const text = (await readInputFile(file)).toString('latin1');
    if (refuseUnless(`--anchor ${file}`, () => parseTrustAnchors(text)).length === 0) {
      throw new UsageError(`--anchor ${file}: no DS or DNSKEY record in it`);
    }
    texts.push(text);
  }
  return texts.join('\n');
}

async function readRoots(file: string): Promise<string> {
  const pem = await readInputFile(file);
  if (!pem.includes('-----BEGIN CERTIFICATE-----')) {
    throw new UsageError(`--ca ${file}: no PEM certificate in it`);
  }
  return pem.toString('latin1');
}

function refuseUnless<T>(option: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new UsageError(`${option}: ${error instanceof Error ? error.message : String(error)}`);
  }
}
