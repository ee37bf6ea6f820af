/**
 * From a response to an answer: aliases followed, denials told apart, failures named.
 *
 * Nothing here is validated: every status is `insecure`.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc2308.html RFC 2308} (negative answers)
 * @see {@link https://www.rfc-editor.org/rfc/rfc1034.html#section-3.6.2 RFC 1034 §3.6.2} (aliases)
 */
import { TransportSecurityError } from '../errors.ts';
import type { AliasHop, Answer, RecordData, RecordType } from './answer.ts';
import { explainFailure } from './edns.ts';
import type { DnsMessage, ResourceRecord } from './message.ts';
import { type DnsName, foldName, formatName, isSubdomain, parseName, sameName } from './name.ts';
import { malformed } from './reader.ts';
import { decodeData } from './record-data.ts';
import { formatRcode, internetClass, nameError, noError, recordTypes } from './record-type.ts';

/** How far a look-up has come along a chain of aliases. */
export interface Trail {
  /** The name to be asked for now. */
  readonly name: DnsName;
  readonly aliases: readonly AliasHop[];
  /** The smallest TTL so far. */
  readonly ttlSeconds: number;
}

/** An answer, or the alias target that has to be asked for because the response did not go on to it. */
export type Step<T extends RecordType> =
  | { readonly kind: 'answer'; readonly answer: Answer<T> }
  | { readonly kind: 'ask'; readonly trail: Trail };

/** Chains of more aliases are given up; real ones have two or three. */
const aliasesMax = 12;

/** RRsets of more records are refused: a part of a set may lack the record that matters. */
const recordsPerSetMax = 100;

/** Longer than any TTL (RFC 2181 §8), for a trail that has not seen one. */
const ttlUnknown = 0x7fff_ffff;

/** The beginning of a look-up. */
export function startTrail(name: DnsName): Trail {
  return { name, aliases: [], ttlSeconds: ttlUnknown };
}

/**
 * Interprets the response to the question for `trail.name` and `type`.
 *
 * Response codes other than NOERROR and NXDOMAIN, and referrals, become `failed` with `dns-server-failure`.
 *
 * @throws {TransportSecurityError} `dns-malformed` where records that matter are malformed, over 100 in one set, at odds
 * with each other, or aliases that loop or have over 12 hops
 */
export function interpretResponse<T extends RecordType>(
  message: DnsMessage,
  type: T,
  trail: Trail,
): Step<T> {
  if (message.rcode !== noError && message.rcode !== nameError) {
    return fail(`${formatRcode(message.rcode)}${explainFailure(message)}`);
  }
  // An alias's own record is data to those who ask for it (RFC 1034 §3.6.2).
  const end = type === 'CNAME' ? trail : followAliases(message, type, trail);
  const set = findSet(message.answers, end.name, type);
  if (set.length > 0) {
    // RFC 2308 §2.1, RFC 6604 §3: the response code is about the name at the end of the chain.
    if (message.rcode === nameError) {
      throw malformed(`NXDOMAIN with ${type} records of the name`);
    }
    return answerWith(message, type, { set, trail: end });
  }
  return interpretDenial(message, trail, end);
}

/** What the absence of records means (RFC 2308 §2). */
function interpretDenial<T extends RecordType>(
  message: DnsMessage,
  start: Trail,
  end: Trail,
): Step<T> {
  const soa = message.authorities.find(
    (record) => isOf(record, 'SOA') && isSubdomain(end.name, record.name),
  );
  if (message.rcode === noError && soa === undefined) {
    if (end.aliases.length > start.aliases.length) {
      return { kind: 'ask', trail: end };
    }
    // RFC 2308 §2.2: NS without SOA is a referral. The server does not recurse, so it denies nothing.
    if (message.authorities.some((record) => isOf(record, 'NS'))) {
      return fail('a referral instead of an answer');
    }
  }
  return {
    kind: 'answer',
    answer: {
      kind: message.rcode === nameError ? 'nxdomain' : 'nodata',
      ...facts(end, soa === undefined ? 0 : denialTtl(message, soa)),
    },
  };
}

function answerWith<T extends RecordType>(
  message: DnsMessage,
  type: T,
  { set, trail }: { readonly set: readonly ResourceRecord[]; readonly trail: Trail },
): Step<T> {
  // RFC 2181 §5: an RRset has no record twice.
  const records = new Map<string, RecordData[T]>();
  for (const record of set) {
    const data: RecordData[T] = decodeData(message, record, type);
    records.set(JSON.stringify(data), data);
  }
  const ttlSeconds = Math.min(...set.map((record) => record.ttlSeconds));
  return {
    kind: 'answer',
    answer: { kind: 'records', ...facts(trail, ttlSeconds), records: [...records.values()] },
  };
}

/** Goes from alias to target for as long as the message has the next CNAME and not what was asked for. */
function followAliases(message: DnsMessage, type: RecordType, start: Trail): Trail {
  let trail = start;
  while (findSet(message.answers, trail.name, type).length === 0) {
    const set = findSet(message.answers, trail.name, 'CNAME');
    const [target, other] = new Set(set.map((record) => decodeData(message, record, 'CNAME')));
    if (target === undefined) {
      return trail;
    }
    if (other !== undefined) {
      // RFC 2181 §10.1
      throw malformed(`${textOf(trail.name)} is an alias for two names`);
    }
    trail = step(trail, target, Math.min(...set.map((record) => record.ttlSeconds)));
  }
  return trail;
}

function step(trail: Trail, target: string, ttlSeconds: number): Trail {
  const name = textOf(trail.name);
  const aliases: readonly AliasHop[] = [...trail.aliases, { name, target, status: 'insecure' }];
  if (aliases.some((hop) => hop.name === target)) {
    throw malformed(`aliases in a loop: ${target} comes back to itself`);
  }
  if (aliases.length > aliasesMax) {
    throw malformed(`over ${aliasesMax} aliases, the last one ${name}`);
  }
  return {
    name: parseName(target),
    aliases,
    ttlSeconds: Math.min(trail.ttlSeconds, ttlSeconds),
  };
}

/** The records of one name and type, whatever else the section holds and in whatever order. */
function findSet(
  section: readonly ResourceRecord[],
  name: DnsName,
  type: RecordType,
): readonly ResourceRecord[] {
  const set = section.filter((record) => isOf(record, type) && sameName(record.name, name));
  if (set.length > recordsPerSetMax) {
    throw malformed(`${set.length} ${type} records of one name, over ${recordsPerSetMax}`);
  }
  return set;
}

function isOf(record: ResourceRecord, type: keyof typeof recordTypes): boolean {
  return record.type === recordTypes[type] && record.class === internetClass;
}

/** RFC 2308 §5: a denial lasts for the lesser of the SOA record's TTL and its MINIMUM field. */
function denialTtl(message: DnsMessage, soa: ResourceRecord): number {
  try {
    return Math.min(soa.ttlSeconds, decodeData(message, soa, 'SOA').minimumSeconds);
  } catch (error) {
    if (error instanceof TransportSecurityError) {
      // Nobody asked for the SOA record. Malformed, it still says NODATA, only not for how long.
      return 0;
    }
    throw error;
  }
}

function facts(
  { name, aliases, ttlSeconds }: Trail,
  finalTtlSeconds: number,
): {
  readonly status: 'insecure';
  readonly canonicalName: string;
  readonly aliases: readonly AliasHop[];
  readonly ttlSeconds: number;
} {
  return {
    status: 'insecure',
    canonicalName: textOf(name),
    aliases,
    ttlSeconds: Math.min(ttlSeconds, finalTtlSeconds),
  };
}

function fail<T extends RecordType>(reason: string): Step<T> {
  return { kind: 'answer', answer: { kind: 'failed', code: 'dns-server-failure', reason } };
}

function textOf(name: DnsName): string {
  return formatName(foldName(name));
}
