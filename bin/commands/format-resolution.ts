/** The outcome of a look-up, for people and as JSON. */
import { findChainStatus } from '../../functions/protocol/dane/chain-status.ts';
import type { AliasHop, DnssecStatus } from '../../functions/protocol/dns/answer.ts';
import type { DsData } from '../../functions/protocol/dns/dnssec-data.ts';
import { formatName } from '../../functions/protocol/dns/name.ts';
import { formatRdata } from '../../functions/protocol/dns/presentation.ts';
import { formatType } from '../../functions/protocol/dns/record-type.ts';
import type { Reason } from '../../functions/protocol/dnssec/reason.ts';
import type { RrSet } from '../../functions/protocol/dnssec/rrset.ts';
import type { Resolution } from '../../functions/resolving/resolution.ts';
import type { ChainLink } from '../../functions/resolving/zone.ts';

/** A look-up as plain data: names without trailing dot, RDATA in presentation form, digests in hex. */
export interface DescribedResolution {
  readonly name: string;
  readonly type: string;
  readonly outcome: Resolution['kind'];
  /** Of the whole, aliases included. */
  readonly status: DnssecStatus;
  /** RFC 8914: INFO-CODE and text. */
  readonly reason?: Reason;
  /** Where it failed: what delivery would say. */
  readonly code?: string;
  readonly canonicalName: string;
  readonly aliases: readonly (AliasHop & { readonly reason?: Reason })[];
  readonly records: readonly DescribedRecord[];
  /** NSEC and NSEC3 records that were believed. */
  readonly proof: readonly DescribedRecord[];
  /** From the trust anchor down. */
  readonly chain: readonly (Omit<ChainLink, 'ds'> & {
    readonly ds: readonly (Omit<DsData, 'digest'> & { readonly digest: string })[];
  })[];
  readonly ttlSeconds: number;
}

/** One record in presentation form. */
export interface DescribedRecord {
  readonly name: string;
  readonly ttlSeconds: number;
  readonly type: string;
  readonly data: string;
}

/** Turns a look-up into plain data. */
export function describeResolution(resolution: Resolution): DescribedResolution {
  const { name, type, kind, reason, canonicalName, aliases, ttlSeconds } = resolution;
  return {
    name,
    type: formatType(type),
    outcome: kind,
    status: findChainStatus(resolution),
    ...(reason === undefined ? {} : { reason }),
    ...(kind === 'failed' ? { code: resolution.code } : {}),
    canonicalName,
    aliases,
    records: resolution.sets.flatMap(describeSet),
    proof: resolution.proof.flatMap(describeSet),
    chain: resolution.chain.map((link) => ({
      ...link,
      ds: link.ds.map((ds) => ({ ...pickDs(ds), digest: toHex(ds.digest) })),
    })),
    ttlSeconds,
  };
}

function pickDs({ keyTag, algorithm, digestType }: DsData): Omit<DsData, 'digest'> {
  return { keyTag, algorithm, digestType };
}

function describeSet({ name, type, ttlSeconds, rdatas }: RrSet): DescribedRecord[] {
  return rdatas.map((rdata) => ({
    name: formatName(name),
    ttlSeconds,
    type: formatType(type),
    data: formatRdata(type, rdata),
  }));
}

function toHex(octets: Uint8Array): string {
  return Buffer.from(octets).toString('hex');
}

/** Several lines: the verdict, the records or the proof that there are none, and the chain of trust as a tree. */
export function formatResolution(resolution: Resolution): string {
  const described = describeResolution(resolution);
  const { name, type, status, reason, aliases, records, proof, chain } = described;
  const lines = [`${name}. ${type}: ${describeOutcome(described)}${status}${formatReason(reason)}`];
  for (const alias of aliases) {
    lines.push(
      `  alias   ${alias.name}. of ${alias.target}.: ${alias.status}${formatReason(alias.reason)}`,
    );
  }
  lines.push(...records.map((record) => `  record  ${formatRecord(record)}`));
  lines.push(...proof.map((record) => `  proof   ${formatRecord(record)}`));
  const tree = chain.length === 0 ? [] : ['', 'Chain of trust:', ...formatChain(chain)];
  return [...lines, ...tree].join('\n');
}

function describeOutcome({ outcome, code }: DescribedResolution): string {
  const outcomes = {
    records: '',
    nodata: 'no such records, ',
    nxdomain: 'no such name, ',
    // A bogus answer is told by the status that follows.
    failed: code === 'dns-bogus' ? '' : `${code}, `,
  };
  return outcomes[outcome];
}

function formatReason(reason: Reason | undefined): string {
  if (reason === undefined) {
    return '';
  }
  // RFC 8914 §4.1: 0 is Other Error, which says nothing.
  return `, ${reason.text}${reason.infoCode === 0 ? '' : ` (EDE ${reason.infoCode})`}`;
}

function formatRecord({ name, ttlSeconds, type, data }: DescribedRecord): string {
  return `${name}. ${ttlSeconds} IN ${type} ${data}`;
}

/** Each zone hangs from the closest one above it that the chain passed. */
function formatChain(chain: DescribedResolution['chain']): string[] {
  const zones = chain.map(({ zone }) => zone);
  const depths = new Map<string, number>();
  return chain.flatMap((link) => {
    const above = zones
      .filter((zone) => zone !== link.zone && (zone === '' || link.zone.endsWith(`.${zone}`)))
      .sort((a, b) => b.length - a.length)[0];
    const depth = link.anchored || above === undefined ? 0 : (depths.get(above) ?? 0) + 1;
    depths.set(link.zone, depth);
    return formatLink(link, depth);
  });
}

function formatLink(link: DescribedResolution['chain'][number], depth: number): string[] {
  const branch = (level: number): string => (level === 0 ? '' : `${'    '.repeat(level - 1)}|---`);
  const { zone, status, reason, anchored, ds, keys } = link;
  return [
    `${branch(depth)}${zone}. ${status}${formatReason(reason)}`,
    ...ds.map(
      ({ keyTag, algorithm, digestType, digest }) =>
        `${branch(depth + 1)}${anchored ? 'trust anchor' : 'DS'} keytag: ${keyTag} alg: ${algorithm} digest type: ${digestType} ${digest}`,
    ),
    ...keys.map(
      ({ keyTag, algorithm, flags }) =>
        `${branch(depth + 1)}DNSKEY keytag: ${keyTag} alg: ${algorithm} flags: ${flags}`,
    ),
  ];
}
