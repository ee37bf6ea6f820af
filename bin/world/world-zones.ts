/** A world's zones before it runs: addresses, ports and certificates in them are filled in once the hosts are there. */
import { createHash, X509Certificate } from 'node:crypto';
import type { Certificates } from './certificates.ts';
import type { MxBehaviour } from './mx-behaviour.ts';
import type { SigningTerms, ZoneRecord } from './zone.ts';

/** A record whose address is known only once the world runs: that of an MX host, by name, or of a policy host. */
export interface AddressOfHost {
  readonly name: string;
  readonly type: 'A';
  /** `mx1.example.test`, or `mta-sts.example.test`. */
  readonly addressOf: string;
}

/**
 * A TLSA record about the certificate that an MX host shows when the world starts, at `_<port>._tcp.<name>` with the
 * port of all MX hosts (RFC 6698 §3). The parameters may be any octets.
 */
export interface TlsaOfHost {
  /** The TLSA base domain. */
  readonly name: string;
  readonly type: 'TLSA';
  readonly usage: number;
  readonly selector: number;
  readonly matchingType: number;
  /**
   * What the record is about: the host's own certificate; the one that the host shows behind it, or the world's root where
   * there is none; or the certificate of somebody else. Octets stand for themselves.
   */
  readonly about: 'leaf' | 'issuer' | 'stranger' | Uint8Array;
  /** The MX host; default: `name`. */
  readonly host?: string;
}

/** A record of a world that does not run yet. */
export type WorldRecord = ZoneRecord | AddressOfHost | TlsaOfHost;

/** A zone, with what its hosts will be like still to be filled in. */
export interface ZoneDefinition {
  readonly origin: string;
  readonly records: readonly WorldRecord[];
  /** Default: not signed. Names of TLSA records in it are those of their hosts. */
  readonly signed?: Omit<SigningTerms, 'forged'> & { readonly forged?: readonly WorldRecord[] };
}

/** A zone as it is served. */
export interface ServedZone {
  readonly origin: string;
  readonly records: readonly ZoneRecord[];
  readonly signed?: SigningTerms;
}

/** What there is to be filled in. */
export interface HostFacts {
  /** Host name -> address. */
  readonly addresses: ReadonlyMap<string, string>;
  readonly mxHosts: readonly { readonly name: string; readonly behaviour: MxBehaviour }[];
  readonly smtpPort: number;
  readonly certificates: Certificates;
}

/** Where the records of a type are for which somebody names a host: TLSA records have an owner name of their own. */
export function ownerName(name: string, type: string | undefined, smtpPort: number): string {
  return type === 'TLSA' ? `_${smtpPort}._tcp.${name}` : name;
}

/**
 * Fills everything in. A host gets an A record in the zone that holds its name, unless the zone already says where that
 * name leads.
 *
 * @throws {RangeError} for two zones of one name, or a host that there is not
 */
export function fillZones(
  zones: readonly ZoneDefinition[],
  facts: HostFacts,
): Promise<readonly ServedZone[]> {
  const origins = zones.map(({ origin }) => origin);
  const twice = origins.find((origin, index) => origins.indexOf(origin) !== index);
  if (twice !== undefined) {
    throw new RangeError(`two zones are called ${twice}`);
  }
  const hosts = placeHosts(new Set(origins), facts);
  return Promise.all(zones.map((zone) => fillZone(zone, facts, hosts.get(zone.origin) ?? [])));
}

/** Origin -> A records of the hosts whose names its zone holds. */
function placeHosts(
  origins: ReadonlySet<string>,
  { addresses }: HostFacts,
): ReadonlyMap<string, readonly ZoneRecord[]> {
  const placed = new Map<string, ZoneRecord[]>();
  for (const [name, data] of addresses) {
    const labels = name.split('.');
    const names = labels.map((_, index) => labels.slice(index).join('.'));
    const origin = names.find((one) => origins.has(one));
    if (origin !== undefined) {
      placed.set(origin, [...(placed.get(origin) ?? []), { name, type: 'A', data }]);
    }
  }
  return placed;
}

async function fillZone(
  { origin, records, signed }: ZoneDefinition,
  facts: HostFacts,
  hosts: readonly ZoneRecord[],
): Promise<ServedZone> {
  const given = new Set(
    records.filter(({ type }) => /^(?:A|AAAA|CNAME)$/.test(type)).map(({ name }) => name),
  );
  const fill = (some: readonly WorldRecord[]): Promise<readonly ZoneRecord[]> =>
    Promise.all(some.map((record) => fillRecord(record, facts)));
  return {
    origin,
    records: [...(await fill(records)), ...hosts.filter(({ name }) => !given.has(name))],
    ...(signed === undefined
      ? {}
      : { signed: fillTerms(signed, await fill(signed.forged ?? []), facts) }),
  };
}

function fillTerms(
  signed: NonNullable<ZoneDefinition['signed']>,
  forged: readonly ZoneRecord[],
  { smtpPort }: HostFacts,
): SigningTerms {
  const faults = (signed.faults ?? []).map((fault) =>
    fault.name === undefined
      ? fault
      : { ...fault, name: ownerName(fault.name, fault.type, smtpPort) },
  );
  return { ...signed, forged, faults };
}

async function fillRecord(record: WorldRecord, facts: HostFacts): Promise<ZoneRecord> {
  if ('addressOf' in record) {
    const data = demand(facts.addresses.get(record.addressOf), record.addressOf);
    return { name: record.name, type: 'A', data };
  }
  if (!('about' in record)) {
    return record;
  }
  const { usage, selector, matchingType } = record;
  const name = ownerName(record.name, record.type, facts.smtpPort);
  const data = await associate(record, facts);
  return { name, type: 'TLSA', usage, selector, matchingType, data };
}

/** Certificate association data (RFC 6698 §2.1.4); parameters that are not registered select the certificate itself. */
async function associate(record: TlsaOfHost, facts: HostFacts): Promise<Uint8Array> {
  const { about, selector, matchingType } = record;
  if (typeof about !== 'string') {
    return about;
  }
  const certificate = await findCertificate(about, record.host ?? record.name, facts);
  const selected =
    selector === 1
      ? certificate.publicKey.export({ type: 'spki', format: 'der' })
      : certificate.raw;
  const digest = { 1: 'sha256', 2: 'sha512' }[matchingType];
  return Uint8Array.from(
    digest === undefined ? selected : createHash(digest).update(selected).digest(),
  );
}

async function findCertificate(
  about: 'leaf' | 'issuer' | 'stranger',
  host: string,
  { mxHosts, certificates }: HostFacts,
): Promise<X509Certificate> {
  if (about === 'stranger') {
    const { cert } = await certificates.credential('valid', `stranger.${host}`);
    return new X509Certificate(cert);
  }
  const mx = mxHosts.find(({ name }) => name === host);
  const { certificate = 'valid', certificateName = host } = demand(mx, host).behaviour.tls ?? {};
  const { cert } = await certificates.credential(certificate, certificateName);
  const [leaf = cert, issuer = certificates.rootPem] = splitPem(cert);
  return new X509Certificate(about === 'leaf' ? leaf : issuer);
}

function splitPem(chain: string): readonly string[] {
  return chain.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
}

/** What there is for a name. @throws {RangeError} where there is nothing */
export function demand<T>(found: T | undefined, name: string): T {
  if (found === undefined) {
    throw new RangeError(`the world has no host for ${name}`);
  }
  return found;
}
