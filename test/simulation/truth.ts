/** What is true of the world's domains and hosts, and since when. Nothing here knows how mail is delivered. */

/** What a message asks for. */
export type Demand = 'require' | 'default' | 'optional';

/** A policy as published (RFC 8461 §3). */
export interface PublishedPolicy {
  readonly id: string;
  readonly mode: 'enforce' | 'testing' | 'none';
  readonly mx: readonly string[];
  readonly maxAgeSeconds: number;
}

export interface DomainTruth {
  /** What a look-up of its MX records comes to. */
  readonly mx: 'hosts' | 'implicit' | 'null' | 'nxdomain' | 'failing' | 'bogus';
  /** Its zone is signed. */
  readonly secure: boolean;
  /** By preference. */
  readonly hosts: readonly string[];
  readonly policy?: PublishedPolicy;
  readonly policyRecord: 'served' | 'failing';
  readonly policyHost: 'served' | 'failing';
}

export interface HostTruth {
  readonly addresses: 'found' | 'failing' | 'none';
  /** The zone of its address and TLSA records is signed. */
  readonly secure: boolean;
  /** `failing`: the look-up. Nobody asks where the zone is not signed. */
  readonly tlsa: 'none' | 'matching' | 'mismatching' | 'unusable' | 'failing';
  readonly connection: 'open' | 'refused' | 'silent';
  /** `broken`: offered, and the handshake fails. */
  readonly startTls: 'offered' | 'absent' | 'broken';
  readonly certificate: 'valid' | 'other-name' | 'untrusted';
  readonly requireTls: boolean;
}

/** How a host behaves, as probabilities. */
export interface Manner {
  /** Closes a connection at some octet of the dialogue, either way. */
  readonly closes: number;
  /** Falls silent at some octet. */
  readonly stalls: number;
  /** Answers a connection with 421. */
  readonly busy: number;
  /** Answers a command with 4yz. */
  readonly defers: number;
  /** Takes a message, says so, and dies. */
  readonly dies: number;
  /** Puts everybody off for this long first; 0: nobody. */
  readonly greylistMs: number;
  readonly pipelining: boolean;
  readonly chunking: boolean;
  readonly dsn: boolean;
}

/** Truths in the order of time; the first holds from the beginning. */
export type Timeline<T> = readonly { readonly fromMs: number; readonly truth: T }[];

export function truthAt<T>(timeline: Timeline<T>, ms: number): T {
  const found = timeline.findLast(({ fromMs }) => fromMs <= ms) ?? timeline[0];
  if (found === undefined) {
    throw new RangeError('a timeline begins somewhere');
  }
  return found.truth;
}

/** The moments within a span at which something changed, and its beginning. */
export function momentsOf(
  timelines: readonly Timeline<unknown>[],
  span: { readonly fromMs: number; readonly toMs: number },
): number[] {
  const changes = timelines.flatMap((timeline) => timeline.map(({ fromMs }) => fromMs));
  return [span.fromMs, ...changes.filter((ms) => ms > span.fromMs && ms <= span.toMs)];
}

/** A stretch of time in which something else is true; without an end it stays. */
export interface Episode<T> {
  readonly fromMs: number;
  readonly toMs?: number;
  readonly change: Partial<T>;
}

/** Lays episodes over what is true else. Where two overlap the later one adds to the earlier. */
export function layEpisodes<T extends object>(
  base: T,
  startMs: number,
  episodes: readonly Episode<T>[],
): Timeline<T> {
  const edges = episodes.flatMap(({ fromMs, toMs }) =>
    toMs === undefined ? [fromMs] : [fromMs, toMs],
  );
  const moments = [...new Set([startMs, ...edges])].sort((a, b) => a - b);
  return moments.map((ms) => ({
    fromMs: ms,
    truth: Object.assign(
      { ...base },
      ...episodes
        .filter(({ fromMs, toMs = Number.POSITIVE_INFINITY }) => fromMs <= ms && ms < toMs)
        .map(({ change }) => change),
    ),
  }));
}

/** From a policy, or from our own tagging. */
export interface DomainException {
  readonly policy: 'mta-sts' | 'dane' | 'tagging';
  readonly untilMs: number;
  /** Made at run time; absent: it stands in the config. */
  readonly madeAtMs?: number;
  /** Taken away before its time. */
  readonly removedAtMs?: number;
}

/** What the operator has set for a domain. */
export interface DomainSettings {
  readonly exceptions: readonly DomainException[];
  readonly daneOnly: boolean;
}

export interface Domain {
  readonly name: string;
  /** How often mail is written to it, beside others. */
  readonly share: number;
  readonly timeline: Timeline<DomainTruth>;
  readonly settings: DomainSettings;
}

export interface Host {
  readonly name: string;
  readonly address: string;
  readonly timeline: Timeline<HostTruth>;
  readonly manner: Manner;
}
