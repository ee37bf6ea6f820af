/** What is known of a zone: the links of a chain of trust. */
import type { DnssecStatus } from '../protocol/dns/answer.ts';
import type { DsData } from '../protocol/dns/dnssec-data.ts';
import { type DnsName, formatName } from '../protocol/dns/name.ts';
import type { ZoneKey } from '../protocol/dnssec/keys.ts';
import type { Reason } from '../protocol/dnssec/reason.ts';
import type { FailureCode } from '../protocol/errors.ts';

/** Codes of a look-up that failed. */
export type DnsFailureCode = Extract<FailureCode, `dns-${string}`>;

interface ZoneFacts {
  readonly apex: DnsName;
  /** The zone that vouches for it; undefined for a trust anchor's. */
  readonly parent: Zone | undefined;
  /** DS records that its keys were held against: the parent's, or the trust anchors. */
  readonly ds: readonly DsData[];
  /** What a chain of trust shows of it. */
  readonly link: ChainLink;
}

/** A zone whose keys are known, or the first one on a way down for which there is no proof of any. */
export type Zone =
  | (ZoneFacts & { readonly status: 'secure'; readonly keys: readonly ZoneKey[] })
  | (ZoneFacts & {
      readonly status: 'insecure' | 'bogus' | 'indeterminate';
      readonly reason: Reason;
      /** Set where it was not the zone that failed: its servers did, or the look-up came to the end of its bounds. */
      readonly failure?: DnsFailureCode;
    });

export type SecureZone = Extract<Zone, { readonly status: 'secure' }>;

/** One zone of a chain of trust, for people. */
export interface ChainLink {
  /** Without trailing dot; '' for the root. */
  readonly zone: string;
  readonly status: DnssecStatus;
  readonly reason?: Reason;
  /** Whether `ds` are trust anchors. */
  readonly anchored: boolean;
  readonly ds: readonly DsData[];
  readonly keys: readonly {
    readonly keyTag: number;
    readonly algorithm: number;
    readonly flags: number;
  }[];
}

/** A zone without the link that follows from the rest of it. */
export type ZoneDraft = Omit<SecureZone, 'link'> | Omit<Exclude<Zone, SecureZone>, 'link'>;

export function finishZone(draft: ZoneDraft): Zone {
  const keys = draft.status === 'secure' ? draft.keys : [];
  const link: ChainLink = {
    zone: formatName(draft.apex),
    status: draft.status,
    ...(draft.status === 'secure' ? {} : { reason: draft.reason }),
    anchored: draft.parent === undefined,
    ds: draft.ds,
    keys: keys.map(({ keyTag, algorithm, flags }) => ({ keyTag, algorithm, flags })),
  };
  return { ...draft, link };
}

/** The chains that lead to some zones, from the anchors down, each zone once. */
export function listChain(zones: readonly Zone[]): readonly ChainLink[] {
  const links = new Map<string, ChainLink>();
  for (const zone of zones) {
    const path: ChainLink[] = [];
    for (let at: Zone | undefined = zone; at !== undefined; at = at.parent) {
      path.push(at.link);
    }
    for (const link of path.reverse()) {
      links.set(link.zone, link);
    }
  }
  return [...links.values()];
}
