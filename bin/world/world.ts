/**
 * The simulated internet: one DNS server for zones that are signed or not, policy hosts and MX hosts, each at an address
 * of its own in 127.0.0.0/8, all MX hosts on one port and all policy hosts on another, and an authority that vouches for
 * them. `npm start` and the tests share it.
 */
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import type { NetworkSetting } from '../../functions/environment.ts';
import { type Certificates, createCertificates } from './certificates.ts';
import { type DnsServer, startDnsServer } from './dns-server.ts';
import type { MxBehaviour } from './mx-behaviour.ts';
import { type MxHost, startMxHost } from './mx-host.ts';
import { type PolicyHost, type PolicyHostBehaviour, startPolicyHost } from './policy-host.ts';
import { createSignedTree, type SignedTree } from './signed-tree.ts';
import { demand, fillZones, ownerName, type ZoneDefinition } from './world-zones.ts';
import { createZoneTable, type DnsFault, type ZoneRecord, type ZoneTable } from './zone.ts';

/** That questions for a name fail, and how. */
export interface FaultDefinition {
  /** For type TLSA that of the host. */
  readonly name: string;
  /** Default: every type. */
  readonly type?: string;
  /** Undefined heals. */
  readonly fault: DnsFault | undefined;
}

/** What there is in a world: zones below a signed root, whose top-level domains need not be among them, and hosts. */
export interface WorldDefinition {
  readonly zones: readonly ZoneDefinition[];
  readonly faults?: readonly FaultDefinition[];
  readonly mxHosts: readonly { readonly name: string; readonly behaviour: MxBehaviour }[];
  /** By policy domain. */
  readonly policyHosts: readonly {
    readonly domain: string;
    readonly behaviour: PolicyHostBehaviour;
  }[];
}

/** Something that happens while the world runs. */
export type WorldChange =
  | {
      readonly kind: 'policy-host';
      readonly domain: string;
      readonly behaviour: Partial<PolicyHostBehaviour>;
    }
  | { readonly kind: 'mx-host'; readonly name: string; readonly behaviour: Partial<MxBehaviour> }
  | {
      readonly kind: 'records';
      readonly name: string;
      readonly type: ZoneRecord['type'];
      readonly records: readonly ZoneRecord[];
    }
  | ({ readonly kind: 'fault' } & FaultDefinition);

/** A place in the world for a server that somebody else runs. */
export interface ReservedPlace {
  readonly name: string;
  readonly address: string;
  /** The world's HTTPS port. */
  readonly port: number;
  /** PEM, for `name`. */
  readonly key: string;
  readonly cert: string;
}

/** What a function needs to live in this world. */
export type WorldNetwork = NetworkSetting &
  Required<
    Pick<NetworkSetting, 'resolvers' | 'trustAnchors' | 'smtpPort' | 'httpsPort' | 'extraRoots'>
  >;

/** A running world. */
export interface World {
  readonly network: WorldNetwork;
  readonly certificates: Certificates;
  readonly dns: DnsServer;
  readonly zones: ZoneTable;
  /** @throws {RangeError} where there is no such host. */
  mx(name: string): MxHost;
  /** By policy domain. @throws {RangeError} where there is no such host. */
  policyHost(domain: string): PolicyHost;
  change(change: WorldChange): Promise<void>;
  /** Gives a name an address, a certificate and an A record, for an HTTPS server that the caller starts there. */
  reserve(name: string): Promise<ReservedPlace>;
  stop(): Promise<void>;
}

/** Ports tried until one is free at every address. */
const portsTriedMax = 20;

/** Starts a world. `now`: epoch milliseconds, default the machine's clock, by which real TLS clients verify. */
export async function startWorld(
  definition: WorldDefinition,
  options: { readonly now?: () => number } = {},
): Promise<World> {
  const now = options.now ?? Date.now;
  const certificates = await createCertificates(now);
  const addresses = allocateAddresses(definition);
  const started: { stop(): Promise<void> }[] = [];
  const kept = <T extends { stop(): Promise<void> }>(part: T): T => {
    started.push(part);
    return part;
  };
  try {
    const smtp = kept(
      await startAtOnePort('127.25.255.254', (port) =>
        definition.mxHosts.map((host) =>
          startMxHost({ ...host, address: addressOf(addresses, host.name), port, certificates }),
        ),
      ),
    );
    const https = kept(
      await startAtOnePort('127.44.255.254', (port) =>
        definition.policyHosts.map((host) => {
          const address = addressOf(addresses, `mta-sts.${host.domain}`);
          return startPolicyHost({ ...host, address, port, certificates });
        }),
      ),
    );
    const { mxHosts } = definition;
    const facts = { addresses, mxHosts, certificates, smtpPort: smtp.port };
    const zones = createZoneTable(await fillZones(definition.zones, facts));
    const signed = createSignedTree(zones, now);
    const dns = kept(await startDnsServer({ zones, signed, address: '127.53.0.1' }));
    for (const fault of definition.faults ?? []) {
      setFault(zones, fault, smtp.port);
    }
    return assemble({ certificates, addresses, zones, signed, smtp, https, dns });
  } catch (error) {
    await Promise.all(started.map((part) => part.stop()));
    throw error;
  }
}

function setFault(zones: ZoneTable, { name, type, fault }: FaultDefinition, port: number): void {
  zones.fault(ownerName(name, type, port), fault, type);
}

interface Parts {
  readonly certificates: Certificates;
  readonly addresses: Map<string, string>;
  readonly zones: ZoneTable;
  readonly signed: SignedTree;
  readonly smtp: HostsAtOnePort<MxHost>;
  readonly https: HostsAtOnePort<PolicyHost>;
  readonly dns: DnsServer;
}

function assemble(parts: Parts): World {
  const { certificates, addresses, zones, signed, smtp, https, dns } = parts;
  const mxHosts = new Map(smtp.hosts.map((host) => [host.name, host]));
  const policyHosts = new Map(https.hosts.map((host) => [host.domain, host]));
  const mx = (name: string): MxHost => demand(mxHosts.get(name), name);
  const policyHost = (domain: string): PolicyHost => demand(policyHosts.get(domain), domain);
  return {
    network: {
      resolvers: [`${dns.address}:${dns.port}`],
      trustAnchors: signed.trustAnchors,
      smtpPort: smtp.port,
      httpsPort: https.port,
      extraRoots: certificates.rootPem,
      allowPrivateAddresses: true,
      ipv6: false,
    },
    certificates,
    dns,
    zones,
    mx,
    policyHost,
    async change(change) {
      switch (change.kind) {
        case 'policy-host':
          return policyHost(change.domain).behave(change.behaviour);
        case 'mx-host':
          return mx(change.name).behave(change.behaviour);
        case 'records':
          return zones.replace(change.name, change.type, change.records);
        case 'fault':
          return setFault(zones, change, smtp.port);
      }
    },
    async reserve(name) {
      const address = nextAddress(addresses, 'https');
      addresses.set(name, address);
      zones.put({ origin: name, records: [{ name, type: 'A', data: address }] });
      const credential = await certificates.credential('valid', name);
      return { name, address, port: https.port, ...credential };
    },
    async stop() {
      await Promise.all([smtp.stop(), https.stop(), dns.stop()]);
    },
  };
}

/** Name -> address. MX hosts live in 127.25.0.0/16, HTTPS servers in 127.44.0.0/16, one address each. */
function allocateAddresses({ mxHosts, policyHosts }: WorldDefinition): Map<string, string> {
  const addresses = new Map<string, string>();
  const allocate = (name: string, kind: 'smtp' | 'https'): void => {
    if (addresses.has(name)) {
      throw new RangeError(`two hosts are called ${name}`);
    }
    addresses.set(name, nextAddress(addresses, kind));
  };
  for (const { name } of mxHosts) {
    allocate(name, 'smtp');
  }
  for (const { domain } of policyHosts) {
    allocate(`mta-sts.${domain}`, 'https');
  }
  return addresses;
}

function nextAddress(addresses: ReadonlyMap<string, string>, kind: 'smtp' | 'https'): string {
  const prefix = kind === 'smtp' ? '127.25' : '127.44';
  const taken = [...addresses.values()].filter((address) => address.startsWith(`${prefix}.`));
  const index = taken.length;
  return `${prefix}.${Math.floor(index / 250)}.${(index % 250) + 1}`;
}

function addressOf(addresses: ReadonlyMap<string, string>, name: string): string {
  return demand(addresses.get(name), name);
}

interface HostsAtOnePort<T> {
  readonly port: number;
  readonly hosts: readonly T[];
  stop(): Promise<void>;
}

/**
 * Starts hosts at different addresses on one port that is free at all of them. The port is held at `holderAddress` as long
 * as the world lives, so that worlds of other processes get other ports although their hosts have the same addresses.
 */
async function startAtOnePort<T extends { stop(): Promise<void> }>(
  holderAddress: string,
  start: (port: number) => readonly Promise<T>[],
): Promise<HostsAtOnePort<T>> {
  for (let tried = 1; ; tried += 1) {
    const { holder, port } = await holdPort(holderAddress);
    const results = await Promise.allSettled(start(port));
    const hosts = results.flatMap((result) => (result.status === 'fulfilled' ? result.value : []));
    const stop = async (): Promise<void> => {
      holder.close();
      await Promise.all(hosts.map((host) => host.stop()));
    };
    const failed = results.find((result) => result.status === 'rejected');
    if (failed === undefined) {
      return { port, hosts, stop };
    }
    await stop();
    if (tried === portsTriedMax || failed.reason?.code !== 'EADDRINUSE') {
      throw failed.reason;
    }
  }
}

async function holdPort(
  address: string,
): Promise<{ readonly holder: Server; readonly port: number }> {
  const holder = createServer((socket) => socket.destroy());
  holder.listen(0, address);
  await once(holder, 'listening');
  const bound = holder.address();
  if (bound === null || typeof bound === 'string') {
    throw new TypeError('a TCP server has an address and a port');
  }
  return { holder, port: bound.port };
}
