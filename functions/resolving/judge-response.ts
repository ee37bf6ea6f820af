/**
 * What one response says: the aliases that it follows, and the records or the absence at their end, each with its status.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc1034.html#section-3.6.2 RFC 1034 §3.6.2} (CNAME)
 * @see {@link https://www.rfc-editor.org/rfc/rfc6672.html RFC 6672} (DNAME)
 */
import type { DnsMessage } from '../protocol/dns/message.ts';
import { type DnsName, foldName, formatName, isSubdomain, sameName } from '../protocol/dns/name.ts';
import { malformed } from '../protocol/dns/reader.ts';
import { checkRdata, decodeRdata } from '../protocol/dns/record-data.ts';
import { internetClass, nameError, noError, recordTypes } from '../protocol/dns/record-type.ts';
import { reason } from '../protocol/dnssec/reason.ts';
import { findOwners, findRrSet, formatSet, type RrSet } from '../protocol/dnssec/rrset.ts';
import { TransportSecurityError } from '../protocol/errors.ts';
import type { Bogus, Question } from './ask.ts';
import {
  type Bench,
  type Failed,
  findSoa,
  type JudgedDenial,
  type Judgement,
  judgeDenial,
  judgeSet,
} from './judge-sets.ts';

/** One alias: `name` leads to `target` by what `set` says. */
export interface Hop {
  readonly name: DnsName;
  readonly target: DnsName;
  /** A CNAME RRset of the name, or a DNAME RRset above it. */
  readonly set: RrSet;
  readonly judgement: Judgement;
}

export type ResponseJudgement =
  | {
      readonly kind: 'records';
      readonly hops: readonly Hop[];
      readonly set: RrSet;
      readonly judgement: Judgement;
    }
  | { readonly kind: 'absent'; readonly hops: readonly Hop[]; readonly judgement: JudgedDenial }
  /** The response ends at an alias; its target has to be asked for. */
  | { readonly kind: 'alias'; readonly hops: readonly Hop[] }
  | Bogus
  | Failed;

/** DNAME records of one answer that are looked at. */
const dnamesMax = 16;

/**
 * Judges the response to a question. `before`: the aliases that led to it.
 *
 * @throws {TransportSecurityError} `dns-malformed` where what matters is malformed or at odds with itself, or aliases
 * loop or are too many; `dns-server-failure` for a referral
 */
export async function judgeResponse(
  bench: Bench,
  question: Question,
  before: readonly Hop[],
): Promise<ResponseJudgement> {
  const { message, context } = bench;
  const hops = [...before];
  for (let { name } = question; ; name = hops.at(-1)?.target ?? name) {
    const set = findRrSet(message, 'answers', { name, type: question.type });
    if (set !== undefined) {
      return await judgeRecords(bench, set, hops);
    }
    const alias = findAlias(message, name);
    if (alias === undefined) {
      return await judgeEnd(bench, { name, type: question.type }, { hops, before });
    }
    const hop = await judgeAlias(bench, alias);
    if ('kind' in hop) {
      return hop;
    }
    hops.push(hop);
    checkHops(hops, context.limits.aliasesMax);
  }
}

async function judgeRecords(
  bench: Bench,
  set: RrSet,
  hops: readonly Hop[],
): Promise<ResponseJudgement> {
  // RFC 2308 §2.1, RFC 6604 §3: the response code is about the name at the end of the chain.
  if (bench.message.rcode === nameError) {
    throw malformed(`NXDOMAIN with ${formatSet(set)} records`);
  }
  for (const rdata of set.rdatas) {
    checkRdata(rdata, set.type);
  }
  const alias =
    set.type === recordTypes.CNAME && set.signatures.length === 0
      ? findAlias(bench.message, set.name)
      : undefined;
  if (alias?.set.type === recordTypes.DNAME) {
    // A CNAME made from a DNAME is signed by nobody, and as good as the DNAME (RFC 6672 §5.3.1).
    const hop = await judgeAlias(bench, alias);
    return 'kind' in hop ? hop : { kind: 'records', hops, set, judgement: hop.judgement };
  }
  const judgement = await judgeSet(bench, set);
  return judgement.kind === 'judged' ? { kind: 'records', hops, set, judgement } : judgement;
}

async function judgeEnd(
  bench: Bench,
  question: Question,
  { hops, before }: { readonly hops: readonly Hop[]; readonly before: readonly Hop[] },
): Promise<ResponseJudgement> {
  const { message } = bench;
  if (message.rcode === noError && findSoa(message, question.name) === undefined) {
    if (hops.length > before.length) {
      return { kind: 'alias', hops };
    }
    // RFC 2308 §2.2: NS without SOA is a referral. The server does not recurse, so it denies nothing.
    if (isReferral(message)) {
      throw new TransportSecurityError('dns-server-failure', 'a referral instead of an answer');
    }
  }
  const judgement = await judgeDenial(bench, question);
  return judgement.kind === 'judged' ? { kind: 'absent', hops, judgement } : judgement;
}

function isReferral({ authorities }: DnsMessage): boolean {
  const has = (type: number): boolean =>
    authorities.some((record) => record.type === type && record.class === internetClass);
  return has(recordTypes.NS) && !has(recordTypes.NSEC) && !has(recordTypes.NSEC3);
}

/** RFC 1034 §3.6.2 wants chains followed and loops noticed. */
function checkHops(hops: readonly Hop[], aliasesMax: number): void {
  const target = hops.at(-1)?.target;
  if (target !== undefined && hops.some(({ name }) => sameName(name, target))) {
    throw malformed(`aliases in a loop: ${formatName(target)} comes back to itself`);
  }
  if (hops.length > aliasesMax) {
    throw malformed(`over ${aliasesMax} aliases`);
  }
}

interface Alias {
  readonly name: DnsName;
  readonly set: RrSet;
  readonly target: DnsName;
  /** What the server says the DNAME comes to, where that is something else. */
  readonly contradiction?: DnsName;
}

function findAlias(message: DnsMessage, name: DnsName): Alias | undefined {
  const cname = findRrSet(message, 'answers', { name, type: recordTypes.CNAME });
  const target = cname && onlyTarget(cname);
  const dname =
    cname === undefined || cname.signatures.length === 0 ? findDname(message, name) : undefined;
  if (dname === undefined) {
    return cname && target && { name, set: cname, target };
  }
  const substituted = substitute(name, dname);
  return {
    name,
    set: dname,
    target: substituted,
    ...(target === undefined || sameName(target, substituted) ? {} : { contradiction: target }),
  };
}

/** RFC 6672 §2.3: a DNAME redirects what is below its owner, not the owner. */
function findDname(message: DnsMessage, name: DnsName): RrSet | undefined {
  const owner = findOwners(message.answers, recordTypes.DNAME, dnamesMax)
    .filter((candidate) => isSubdomain(name, candidate) && !sameName(name, candidate))
    .sort((a, b) => b.length - a.length)[0];
  return owner && findRrSet(message, 'answers', { name: owner, type: recordTypes.DNAME });
}

/** RFC 2181 §10.1, RFC 6672 §2.4: one target. */
function onlyTarget({ name, type, rdatas }: RrSet): DnsName {
  const [rdata, other] = rdatas;
  if (rdata === undefined || other !== undefined) {
    throw malformed(`${formatSet({ name, type })} has two targets`);
  }
  // Both have nothing but a name as their data.
  return decodeRdata(rdata, 'DNAME');
}

/** RFC 6672 §2.2: the owner's labels at the end of a name make way for the target's. */
function substitute(name: DnsName, dname: RrSet): DnsName {
  const target = onlyTarget(dname);
  const kept = foldName(name.subarray(0, name.length - dname.name.length));
  if (kept.length + target.length > 255) {
    throw malformed(`${formatSet(dname)} makes a name over 255 octets of ${formatName(name)}`);
  }
  return Uint8Array.of(...kept, ...target);
}

async function judgeAlias(bench: Bench, alias: Alias): Promise<Hop | Bogus | Failed> {
  const judgement = await judgeSet(bench, alias.set);
  if (judgement.kind !== 'judged') {
    return judgement;
  }
  if (alias.contradiction !== undefined) {
    // RFC 6672 §5.3.1: the CNAME that comes with a DNAME has to be what the DNAME makes of the name.
    const text = `${formatName(alias.name)} is not an alias for ${formatName(alias.contradiction)} by ${formatSet(alias.set)}`;
    if (judgement.status !== 'secure') {
      throw malformed(text);
    }
    return { kind: 'bogus', reason: reason('bogus', text) };
  }
  return { name: alias.name, target: alias.target, set: alias.set, judgement };
}
