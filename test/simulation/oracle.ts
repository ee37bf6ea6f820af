/**
 * Says whether content may go over a channel, by the truth about the world and the table of docs/architecture.md.
 *
 * Written from the table alone: it shares no code with what it judges. Where knowledge takes time to spread (a policy in
 * memory, a channel opened before a record changed) a channel is in order if it was so at any moment of that time.
 */
import { type KnownException, mayBeExcepted } from './control-ledger.ts';
import {
  type Demand,
  type Domain,
  type DomainTruth,
  type Host,
  type HostTruth,
  momentsOf,
  type PublishedPolicy,
  truthAt,
} from './truth.ts';

/** What the channel was when content went over it. */
export interface ShownChannel {
  readonly host: Host;
  readonly openedAtMs: number;
  readonly encrypted: boolean;
  /** MAIL had the parameter REQUIRETLS. */
  readonly requireTls: boolean;
}

/** Policies that were in the table, and from when on. */
export type KnownPolicies = readonly {
  readonly fromMs: number;
  readonly fetchedAtMs: number;
  readonly policy: PublishedPolicy;
}[];

export interface Question {
  readonly domain: Domain;
  readonly demand: Demand;
  /** REQUIRETLS that no exception may take away: it was asked for in the envelope. */
  readonly explicit: boolean;
  /** For the domain. */
  readonly exceptions: readonly KnownException[];
  /** Who sent it may not have seen what operators decided since his process began. */
  readonly isInDoubt: boolean;
  readonly channel: ShownChannel;
  readonly known: KnownPolicies;
  /** When the invocation began that sent it. */
  readonly sinceMs: number;
  readonly nowMs: number;
}

/** A policy is remembered for five minutes, a failed fetch stands for five more, and clocks differ by as much. */
const knowledgeMs = 15 * 60_000;

/** By how much the clock of a function may be ahead. */
const skewMsMax = 5 * 60_000;

/** Undefined where the channel was in order; else what was wrong with it. */
export function judgeChannel(question: Question): string | undefined {
  const { domain, channel, sinceMs, nowMs } = question;
  const span = { fromMs: sinceMs - knowledgeMs, toMs: nowMs };
  const moments = momentsOf([domain.timeline, channel.host.timeline], span);
  // What was known may have run out meanwhile.
  moments.push(nowMs);
  // A policy learnt within the time holds from then on; before it another may have held.
  moments.push(
    ...question.known.map(({ fromMs }) => fromMs).filter((ms) => ms > span.fromMs && ms <= nowMs),
  );
  let complaint = 'never looked at';
  for (const ms of moments) {
    const policies = policiesAt(question, ms);
    for (const demand of demandsAt(question, ms)) {
      for (const policy of policies) {
        const found = complain({ ...question, demand }, ms, policy);
        if (found === undefined) {
          return undefined;
        }
        complaint = found;
      }
    }
  }
  return complaint;
}

/** The policies that may have been applied at a moment; undefined: none. */
function policiesAt({ domain, known }: Question, ms: number): (PublishedPolicy | undefined)[] {
  const toleranceMs = 10 * 60_000;
  const cached = known.findLast(({ fromMs }) => fromMs <= ms);
  const ageMs =
    cached === undefined ? 0 : ms - cached.fetchedAtMs - cached.policy.maxAgeSeconds * 1_000;
  const mayApply = cached !== undefined && ageMs <= toleranceMs;
  const mayBeOver = cached === undefined || ageMs >= -toleranceMs;
  const remembered = [...(mayApply ? [cached.policy] : []), ...(mayBeOver ? [undefined] : [])];
  const { policy, policyRecord } = truthAt(domain.timeline, ms);
  if (policyRecord === 'failing' || policy === undefined) {
    return remembered;
  }
  const isNew = cached?.policy.id !== policy.id;
  // RFC 8461 §3.3: what cannot be fetched, now or within the last minutes, leaves what is known in force.
  const wasFailing = momentsOf([domain.timeline], { fromMs: ms - knowledgeMs, toMs: ms }).some(
    (moment) => truthAt(domain.timeline, moment).policyHost === 'failing',
  );
  return isNew && !wasFailing ? [policy] : [policy, ...remembered];
}

/** While an exception for a domain lasts, it takes the word of tags and rules away there. */
function demandsAt(question: Question, ms: number): Demand[] {
  const { demand, explicit } = question;
  if (demand !== 'require' || explicit) {
    return [demand];
  }
  return exceptedAt(question, 'any', ms).map((isExcepted) => (isExcepted ? 'default' : 'require'));
}

function complain(
  question: Question,
  ms: number,
  policy: PublishedPolicy | undefined,
): string | undefined {
  const { domain, channel, demand } = question;
  const at = truthAt(domain.timeline, ms);
  const host = truthAt(channel.host.timeline, ms);
  const shown = truthAt(channel.host.timeline, channel.openedAtMs);
  if (at.mx !== 'hosts' && at.mx !== 'implicit') {
    return `the MX look-up was ${at.mx}`;
  }
  const hosts = at.mx === 'implicit' ? [domain.name] : at.hosts;
  if (!hosts.includes(channel.host.name)) {
    return 'not a host of the domain';
  }
  if (demand === 'require' ? !channel.requireTls : channel.requireTls) {
    return `MAIL ${channel.requireTls ? 'with' : 'without'} REQUIRETLS`;
  }
  if (demand === 'optional') {
    return undefined;
  }
  let complaint: string | undefined;
  for (const isStsExcepted of exceptedAt(question, 'mta-sts', ms)) {
    for (const isDaneExcepted of exceptedAt(question, 'dane', ms)) {
      const enforced = policy?.mode === 'enforce' && !isStsExcepted ? policy : undefined;
      complaint =
        complainOfPolicy(enforced, channel, shown) ??
        (isDaneExcepted ? undefined : complainOfDane(host, channel, shown)) ??
        (domain.settings.daneOnly ? complainOfDaneOnly(at, host) : undefined) ??
        (demand === 'require'
          ? complainOfRequire({ at, host, shown, channel, enforced })
          : undefined);
      if (complaint === undefined) {
        return undefined;
      }
    }
  }
  return complaint;
}

/** Whether an exception counts: close to its ends clocks differ, and both may be. */
function exceptedAt(
  { exceptions, isInDoubt }: Question,
  policy: Parameters<typeof mayBeExcepted>[1],
  ms: number,
): readonly boolean[] {
  const span = { fromMs: ms - knowledgeMs, toMs: ms + skewMsMax, isInDoubt };
  return mayBeExcepted(exceptions, policy, span);
}

function complainOfPolicy(
  policy: PublishedPolicy | undefined,
  channel: ShownChannel,
  shown: HostTruth,
): string | undefined {
  if (policy === undefined) {
    return undefined;
  }
  const listed = policy.mx.some((pattern) =>
    pattern.startsWith('*.')
      ? channel.host.name.split('.').slice(1).join('.') === pattern.slice(2)
      : channel.host.name === pattern,
  );
  if (!listed) {
    return `policy ${policy.id} does not list the host`;
  }
  return channel.encrypted && shown.certificate === 'valid'
    ? undefined
    : `policy ${policy.id}: ${channel.encrypted ? `a certificate that is ${shown.certificate}` : 'in the clear'}`;
}

function complainOfDane(
  host: HostTruth,
  channel: ShownChannel,
  shown: HostTruth,
): string | undefined {
  if (!host.secure || host.tlsa === 'none') {
    return undefined;
  }
  if (host.tlsa === 'failing') {
    return 'the TLSA look-up failed';
  }
  if (!channel.encrypted) {
    return 'TLSA records, and in the clear';
  }
  const isMatched = host.tlsa === 'unusable' || shown.tlsa === 'matching';
  return isMatched ? undefined : 'a certificate that no TLSA record matches';
}

function complainOfDaneOnly(at: DomainTruth, host: HostTruth): string | undefined {
  return at.secure && host.secure && host.tlsa === 'matching' ? undefined : 'not by verified DANE';
}

function complainOfRequire(facts: {
  readonly at: DomainTruth;
  readonly host: HostTruth;
  readonly shown: HostTruth;
  readonly channel: ShownChannel;
  readonly enforced: PublishedPolicy | undefined;
}): string | undefined {
  const { at, host, shown, channel, enforced } = facts;
  if (!channel.encrypted) {
    return 'REQUIRETLS, and in the clear';
  }
  if (!shown.requireTls) {
    return 'REQUIRETLS was not offered';
  }
  if (!at.secure && at.mx !== 'implicit' && enforced === undefined) {
    return 'REQUIRETLS, and nothing authenticates the MX';
  }
  const byDane = host.secure && host.tlsa === 'matching';
  return byDane || shown.certificate === 'valid'
    ? undefined
    : 'REQUIRETLS, and no certificate that holds';
}
