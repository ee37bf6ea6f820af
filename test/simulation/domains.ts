/** Makes the domains of a world: what they publish, what goes wrong with them, and when. */
import type { Chance } from './chance.ts';
import {
  type Domain,
  type DomainException,
  type DomainTruth,
  type Episode,
  type Host,
  type HostTruth,
  layEpisodes,
  type Manner,
  type PublishedPolicy,
} from './truth.ts';

export interface World {
  readonly domains: ReadonlyMap<string, Domain>;
  readonly hosts: ReadonlyMap<string, Host>;
}

interface Span {
  readonly startMs: number;
  /** Messages come in until here. */
  readonly endMs: number;
}

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;

const profiles = {
  plain: 28,
  clear: 5,
  enforce: 20,
  testing: 4,
  dane: 16,
  'dane and enforce': 5,
  signed: 6,
  implicit: 4,
  null: 1,
  'no such domain': 1,
  dead: 1,
  'unusable TLSA': 2,
  'failing TLSA': 0.4,
  'mismatching TLSA': 0.4,
  'unlisted host': 0.4,
  'enforce and a bad certificate': 0.4,
  'DANE only': 3,
} as const;

type Profile = keyof typeof profiles;

/** Profiles to which no mail gets through. Each message for them is tried for days, so they are written to less. */
const lost: ReadonlySet<Profile> = new Set([
  'dead',
  'failing TLSA',
  'mismatching TLSA',
  'unlisted host',
  'enforce and a bad certificate',
]);

/** The profiles that every world has, so that none is left out by chance. */
const always = Object.keys(profiles) as Profile[];

export function makeWorld(count: number, span: Span, chance: Chance): World {
  const domains = new Map<string, Domain>();
  const hosts = new Map<string, Host>();
  for (let index = 0; index < count; index += 1) {
    const profile = always[index] ?? chance.weigh(profiles);
    const name = `d${index}.test`;
    const made = makeDomain({ name, index, profile }, span, chance);
    domains.set(name, made.domain);
    for (const host of made.hosts) {
      hosts.set(host.name, host);
    }
  }
  return { domains, hosts };
}

/** A world in which nothing goes wrong: what delays mail in it is Sealpost's own. */
export function makeCalmWorld(count: number, startMs: number): World {
  const all = Array.from({ length: count }, (_, index) =>
    makeQuietDomain(`d${index}.test`, startMs, false),
  );
  return {
    domains: new Map(all.map(({ domain }) => [domain.name, domain])),
    hosts: new Map(
      all.map(({ host }, index) => [host.name, { ...host, address: `203.0.114.${index + 10}` }]),
    ),
  };
}

/** A domain whose only host answers nobody, ever. */
export function makeDeadDomain(
  name: string,
  { startMs }: Pick<Span, 'startMs'>,
): { domain: Domain; host: Host } {
  const { domain, host } = makeQuietDomain(name, startMs, false);
  const timeline = layEpisodes<HostTruth>({ ...plainHost, connection: 'silent' }, startMs, []);
  return { domain, host: { ...host, timeline } };
}

/** A domain that publishes nothing, whose only host takes everything; or puts everybody off for an hour first. */
export function makeQuietDomain(
  name: string,
  startMs: number,
  isGreylisting: boolean,
): { domain: Domain; host: Host } {
  return {
    domain: {
      name,
      share: 1,
      timeline: layEpisodes<DomainTruth>(
        {
          mx: 'hosts',
          secure: false,
          hosts: [`mx1.${name}`],
          policyRecord: 'served',
          policyHost: 'served',
        },
        startMs,
        [],
      ),
      settings: { exceptions: [], daneOnly: false },
    },
    host: {
      name: `mx1.${name}`,
      address: '203.0.114.9',
      timeline: layEpisodes<HostTruth>(plainHost, startMs, []),
      manner: { ...goodManner, greylistMs: isGreylisting ? hourMs : 0 },
    },
  };
}

const plainHost: HostTruth = {
  addresses: 'found',
  secure: false,
  tlsa: 'none',
  connection: 'open',
  startTls: 'offered',
  certificate: 'valid',
  requireTls: false,
};

const goodManner: Manner = {
  closes: 0,
  stalls: 0,
  busy: 0,
  defers: 0,
  dies: 0,
  greylistMs: 0,
  pipelining: true,
  chunking: false,
  dsn: true,
};

function makeDomain(
  { name, index, profile }: { name: string; index: number; profile: Profile },
  span: Span,
  chance: Chance,
): { domain: Domain; hosts: Host[] } {
  const hostNames =
    profile === 'implicit'
      ? [name]
      : Array.from({ length: chance.between(1, 3) }, (_, host) => `mx${host + 1}.${name}`);
  const facts = factsOf(profile, { name, hostNames });
  const domain: Domain = {
    name,
    share: lost.has(profile) ? 1 : 4,
    timeline: layEpisodes(
      facts.domain,
      span.startMs,
      drawDomainEpisodes(facts.domain, span, chance),
    ),
    settings: {
      daneOnly: profile === 'DANE only',
      exceptions:
        always.length <= index && chance.happens(0.15)
          ? [drawException(profile, span, chance)]
          : [],
    },
  };
  const hosts = hostNames.map((host, at): Host => {
    const requireTls = chance.happens(0.6);
    const base = { ...facts.host, requireTls };
    return {
      name: host,
      address: `203.0.${113 + (at % 3) + 1}.${1 + (index % 250)}`,
      timeline: layEpisodes(base, span.startMs, drawHostEpisodes(base, span, chance)),
      manner: drawManner(chance),
    };
  });
  return { domain, hosts };
}

function drawException(profile: Profile, span: Span, chance: Chance): DomainException {
  // Refused: an exception from DANE where nothing but DANE is asked for.
  const policy =
    profile === 'DANE only'
      ? chance.pick(['mta-sts', 'tagging'] as const)
      : chance.pick(['mta-sts', 'dane', 'tagging'] as const);
  if (chance.happens(0.4)) {
    return { policy, untilMs: chance.between(span.startMs, span.endMs) };
  }
  const madeAtMs = chance.between(span.startMs, span.endMs - 4 * hourMs);
  const untilMs = madeAtMs + chance.between(hourMs, 12 * hourMs);
  return {
    policy,
    madeAtMs,
    untilMs,
    ...(chance.happens(0.4) && { removedAtMs: chance.between(madeAtMs + hourMs / 2, untilMs) }),
  };
}

interface Facts {
  readonly domain: DomainTruth;
  readonly host: HostTruth;
}

function factsOf(
  profile: Profile,
  { name, hostNames }: { readonly name: string; readonly hostNames: readonly string[] },
): Facts {
  const domain: DomainTruth = {
    mx: 'hosts',
    secure: false,
    hosts: hostNames,
    policyRecord: 'served',
    policyHost: 'served',
  };
  const policy = (
    mode: PublishedPolicy['mode'],
    mx: readonly string[] = [`*.${name}`],
  ): DomainTruth => ({
    ...domain,
    policy: { id: 'p1', mode, mx, maxAgeSeconds: 3 * 86_400 },
  });
  const secure = { ...domain, secure: true };
  const dane = (tlsa: HostTruth['tlsa']): HostTruth => ({ ...plainHost, secure: true, tlsa });
  switch (profile) {
    case 'plain':
      return { domain, host: plainHost };
    case 'clear':
      return { domain, host: { ...plainHost, startTls: 'absent' } };
    case 'enforce':
      return { domain: policy('enforce'), host: plainHost };
    case 'testing':
      return { domain: policy('testing', ['mx.elsewhere.test']), host: plainHost };
    case 'dane':
    case 'DANE only':
      return { domain: secure, host: { ...dane('matching'), certificate: 'untrusted' } };
    case 'dane and enforce':
      return { domain: { ...policy('enforce'), secure: true }, host: dane('matching') };
    case 'signed':
      return { domain: secure, host: dane('none') };
    case 'implicit':
      return { domain: { ...domain, mx: 'implicit' }, host: plainHost };
    case 'null':
      return { domain: { ...domain, mx: 'null' }, host: plainHost };
    case 'no such domain':
      return { domain: { ...domain, mx: 'nxdomain' }, host: plainHost };
    case 'dead':
      return { domain, host: { ...plainHost, connection: 'silent' } };
    case 'unusable TLSA':
      return { domain: secure, host: { ...dane('unusable'), certificate: 'untrusted' } };
    case 'failing TLSA':
      return { domain: secure, host: dane('failing') };
    case 'mismatching TLSA':
      return { domain: secure, host: dane('mismatching') };
    case 'unlisted host':
      return { domain: policy('enforce', ['mx.elsewhere.test']), host: plainHost };
    case 'enforce and a bad certificate':
      return { domain: policy('enforce'), host: { ...plainHost, certificate: 'other-name' } };
  }
}

function drawManner(chance: Chance): Manner {
  const isOdd = chance.happens(0.4);
  return {
    closes: isOdd ? 0.2 : 0.02,
    stalls: isOdd ? 0.03 : 0.003,
    busy: isOdd ? 0.1 : 0.01,
    defers: isOdd ? 0.05 : 0.003,
    dies: isOdd ? 0.03 : 0.003,
    greylistMs: chance.happens(0.15) ? 4 * minuteMs : 0,
    pipelining: chance.happens(0.9),
    chunking: chance.happens(0.2),
    dsn: chance.happens(0.4),
  };
}

function drawSpan({ startMs, endMs }: Span, chance: Chance): { fromMs: number; toMs: number } {
  const fromMs = chance.between(startMs, endMs);
  return { fromMs, toMs: fromMs + chance.between(20 * minuteMs, 8 * hourMs) };
}

function drawDomainEpisodes(base: DomainTruth, span: Span, chance: Chance): Episode<DomainTruth>[] {
  const episodes: Episode<DomainTruth>[] = [];
  const passing = (probability: number, change: Partial<DomainTruth>): void => {
    if (chance.happens(probability)) {
      episodes.push({ ...drawSpan(span, chance), change });
    }
  };
  if (base.mx === 'hosts') {
    passing(0.2, { mx: 'failing' });
    passing(0.1, { mx: 'bogus' });
  }
  passing(0.2, { policyRecord: 'failing' });
  passing(0.2, { policyHost: 'failing' });
  const { policy } = base;
  if (policy !== undefined && chance.happens(0.4)) {
    // Policies change mid-way, for good.
    const mode = chance.pick(['enforce', 'testing', 'none'] as const);
    const { fromMs } = drawSpan(span, chance);
    episodes.push({ fromMs, change: { policy: { ...policy, id: 'p2', mode } } });
  } else if (policy === undefined && base.mx === 'hosts' && chance.happens(0.1)) {
    const { fromMs } = drawSpan(span, chance);
    const mx = [...base.hosts];
    episodes.push({
      fromMs,
      change: { policy: { id: 'n1', mode: 'enforce', mx, maxAgeSeconds: 6 * 3_600 } },
    });
  }
  return episodes;
}

function drawHostEpisodes(base: HostTruth, span: Span, chance: Chance): Episode<HostTruth>[] {
  const episodes: Episode<HostTruth>[] = [];
  const passing = (probability: number, change: Partial<HostTruth>): void => {
    if (chance.happens(probability)) {
      episodes.push({ ...drawSpan(span, chance), change });
    }
  };
  if (base.connection === 'open') {
    passing(0.2, { connection: 'silent' });
    passing(0.2, { connection: 'refused' });
  }
  passing(0.1, { addresses: 'failing' });
  // Somebody on the way strips STARTTLS, or answers in the host's place.
  passing(0.25, { startTls: 'absent' });
  passing(0.1, { startTls: 'broken' });
  passing(0.2, { certificate: 'other-name' });
  passing(0.2, { certificate: 'untrusted' });
  passing(0.1, { requireTls: !base.requireTls });
  if (base.secure && base.tlsa === 'matching') {
    passing(0.3, { tlsa: 'mismatching' });
    passing(0.2, { tlsa: 'failing' });
  }
  return episodes;
}
