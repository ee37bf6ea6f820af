/**
 * What a recursive server answers from signed zones: records with signatures, aliases followed, absence proven (RFC
 * 4035 §3.1, RFC 5155 §7.2).
 */

import { parentName, type SignedSet, type SignedZone } from './dnssec-signer.ts';
import {
  compareNames,
  concat,
  encodeBase32Hex,
  encodeName,
  hashName,
  labelsOf,
  typeNumbers,
  u16,
  u32,
} from './dnssec-wire.ts';

/** One record of an answer. */
export interface WireRecord {
  readonly name: string;
  readonly type: number;
  readonly ttlSeconds: number;
  readonly rdata: Uint8Array;
}

export interface SignedAnswer {
  /** RFC 1035 §4.1.1: 0, 2 SERVFAIL, 3 NXDOMAIN. */
  readonly rcode: number;
  readonly answers: readonly WireRecord[];
  readonly authorities: readonly WireRecord[];
}

const aliasesMax = 16;

/** Answers a question from all zones there are; SERVFAIL where none holds the name. */
export function answerSigned(
  zones: readonly SignedZone[],
  question: { readonly name: string; readonly type: number },
): SignedAnswer {
  const answers: WireRecord[] = [];
  const authorities: WireRecord[] = [];
  let { name } = question;
  for (let hop = 0; hop < aliasesMax; hop += 1) {
    const zone = findZone(zones, name, question.type);
    const part = zone && answerFrom(zone, name, question.type);
    if (part === undefined) {
      return { rcode: 2, answers: [], authorities: [] };
    }
    answers.push(...part.answers);
    authorities.push(...part.authorities);
    if (part.next === undefined) {
      return { rcode: part.rcode, answers, authorities: unique(authorities) };
    }
    name = part.next;
  }
  return { rcode: 2, answers: [], authorities: [] };
}

/** RFC 4035 §2.4: a delegation's DS is answered by its parent. */
function findZone(
  zones: readonly SignedZone[],
  name: string,
  type: number,
): SignedZone | undefined {
  const from = type === typeNumbers.DS && name !== '' ? parentName(name) : name;
  return zones
    .filter(({ origin }) => isBelow(from, origin))
    .sort((a, b) => b.origin.length - a.origin.length)[0];
}

function isBelow(name: string, ancestor: string): boolean {
  return ancestor === '' || name === ancestor || name.endsWith(`.${ancestor}`);
}

interface Part extends SignedAnswer {
  /** Where an alias leads. */
  readonly next?: string;
}

function answerFrom(zone: SignedZone, name: string, type: number): Part {
  const dname = findDname(zone, name);
  if (dname !== undefined) {
    return followDname(dname, name);
  }
  const sets = zone.names.get(name);
  if (sets !== undefined) {
    return answerWith(sets, type) ?? deny(zone, 0, [...proveAt(zone, name)]);
  }
  const encloser = closestEncloser(zone, name);
  const wildcard = encloser === '' ? '*' : `*.${encloser}`;
  const wild = zone.names.get(wildcard);
  const nextCloser = ancestor(name, labelsOf(encloser).length + 1);
  if (wild === undefined) {
    const proof = proveEncloser(zone, { name, encloser, nextCloser });
    return deny(zone, 3, [...proof, ...proveAt(zone, wildcard)]);
  }
  const expanded = answerWith(wild, type, name);
  if (expanded === undefined) {
    const proof = proveEncloser(zone, { name, encloser, nextCloser });
    return deny(zone, 0, [...proof, ...proveAt(zone, wildcard)]);
  }
  const covers = zone.denial.kind === 'NSEC' ? name : nextCloser;
  return { ...expanded, authorities: [...proveAt(zone, covers)].flatMap((set) => toRecords(set)) };
}

function answerWith(
  sets: ReadonlyMap<number, SignedSet>,
  type: number,
  expandedTo?: string,
): Part | undefined {
  const set = sets.get(type);
  if (set !== undefined) {
    return { rcode: 0, answers: toRecords(set, expandedTo), authorities: [] };
  }
  const cname = sets.get(typeNumbers.CNAME);
  const [target] = cname?.rdatas ?? [];
  return cname && target
    ? { rcode: 0, answers: toRecords(cname, expandedTo), authorities: [], next: nameOf(target) }
    : undefined;
}

function findDname(zone: SignedZone, name: string): SignedSet | undefined {
  for (let above = name; above !== zone.origin; ) {
    above = parentName(above);
    const set = zone.names.get(above)?.get(typeNumbers.DNAME);
    if (set !== undefined) {
      return set;
    }
  }
  return undefined;
}

function followDname(dname: SignedSet, name: string): Part {
  const target = nameOf(dname.rdatas[0] ?? new Uint8Array(1));
  const kept = name.slice(0, name.length - dname.name.length);
  const next = target === '' ? kept.slice(0, -1) : kept + target;
  const cname = {
    name,
    type: typeNumbers.CNAME,
    ttlSeconds: dname.ttlSeconds,
    rdata: encodeName(next),
  };
  return { rcode: 0, answers: [...toRecords(dname), cname], authorities: [], next };
}

/** RFC 2308 §3: the SOA record, and the proof. */
function deny(zone: SignedZone, rcode: number, proof: readonly SignedSet[]): Part {
  const soa = zone.names.get(zone.origin)?.get(typeNumbers.SOA);
  const sets = [...(soa === undefined ? [] : [soa]), ...proof];
  return { rcode, answers: [], authorities: sets.flatMap((set) => toRecords(set)) };
}

/** The record of a name, or else the one whose gap the name falls into. */
function proveAt(zone: SignedZone, name: string): readonly SignedSet[] {
  if (zone.denial.kind === 'NSEC3') {
    const { salt, iterations } = zone.denial;
    const hash = encodeBase32Hex(hashName(name, salt, iterations));
    const before = zone.hashed.findLast((entry) => entry.hash <= hash) ?? zone.hashed.at(-1);
    const match = zone.hashed.find((entry) => entry.hash === hash);
    if (match === undefined && zone.names.has(name)) {
      // Left out of the chain by opt-out (RFC 5155 §7.2.4).
      const encloser = closestEncloser(zone, name);
      const nextCloser = ancestor(name, labelsOf(encloser).length + 1);
      return proveEncloser(zone, { name, encloser, nextCloser });
    }
    const found = match ?? before;
    return found === undefined ? [] : [found.set];
  }
  const nsec = [...zone.names]
    .flatMap(([owner, sets]) => {
      const set = sets.get(typeNumbers.NSEC);
      return set === undefined || compareNames(owner, name) > 0 ? [] : [set];
    })
    .sort((a, b) => compareNames(a.name, b.name))
    .at(-1);
  return nsec === undefined ? [] : [nsec];
}

interface Encloser {
  readonly name: string;
  readonly encloser: string;
  readonly nextCloser: string;
}

/** That the name does not exist, and for NSEC3 what its closest encloser is (RFC 5155 §7.2.1). */
function proveEncloser(zone: SignedZone, place: Encloser): readonly SignedSet[] {
  if (zone.denial.kind !== 'NSEC3') {
    return proveAt(zone, place.name);
  }
  const { salt, iterations } = zone.denial;
  const hash = encodeBase32Hex(hashName(place.nextCloser, salt, iterations));
  const cover = zone.hashed.findLast((entry) => entry.hash < hash) ?? zone.hashed.at(-1);
  return [...proveAt(zone, place.encloser), ...(cover === undefined ? [] : [cover.set])];
}

/** The longest ancestor that exists, in an NSEC3 zone one that is in its chain. */
function closestEncloser(zone: SignedZone, name: string): string {
  for (let above = parentName(name); above !== zone.origin; above = parentName(above)) {
    if (zone.names.has(above) && isChained(zone, above)) {
      return above;
    }
  }
  return zone.origin;
}

function isChained(zone: SignedZone, name: string): boolean {
  if (zone.denial.kind !== 'NSEC3') {
    return true;
  }
  const hash = encodeBase32Hex(hashName(name, zone.denial.salt, zone.denial.iterations));
  return zone.hashed.some((entry) => entry.hash === hash);
}

function ancestor(name: string, labels: number): string {
  return name.split('.').slice(-labels).join('.');
}

/** An RRset and its signatures as records, under the name that a wildcard was expanded to. */
export function toRecords(set: SignedSet, expandedTo?: string): readonly WireRecord[] {
  const common = { name: expandedTo ?? set.name, ttlSeconds: set.ttlSeconds };
  return [
    ...set.rdatas.map((rdata) => ({ ...common, type: set.type, rdata })),
    ...set.signatures.map((rdata) => ({ ...common, type: typeNumbers.RRSIG, rdata })),
  ];
}

function unique(records: readonly WireRecord[]): readonly WireRecord[] {
  const seen = new Map(
    records.map((record) => [
      `${record.name} ${record.type} ${Buffer.from(record.rdata).toString('hex')}`,
      record,
    ]),
  );
  return [...seen.values()];
}

/** The text of an uncompressed name whose labels are plain. */
function nameOf(rdata: Uint8Array): string {
  const labels: string[] = [];
  for (let at = 0; rdata[at]; at += 1 + (rdata[at] ?? 0)) {
    const label = rdata.subarray(at + 1, at + 1 + (rdata[at] ?? 0));
    labels.push(Buffer.from(label).toString('latin1'));
  }
  return labels.join('.');
}

/** Reads the question of a query; undefined for octets that are none. */
export function readQuestion(
  query: Uint8Array,
): { readonly name: string; readonly type: number } | undefined {
  const name = nameOf(query.subarray(12)).toLowerCase();
  const behind = 12 + encodeName(name).length;
  const [high, low] = query.subarray(behind, behind + 2);
  return high === undefined || low === undefined ? undefined : { name, type: high * 256 + low };
}

/** Encodes an answer to a query (RFC 1035 §4.1), with QR, RD, RA and CD set, and no name compressed. */
export function encodeSignedAnswer(query: Uint8Array, answer: SignedAnswer): Uint8Array {
  const question = readQuestion(query);
  const end = 12 + encodeName(question?.name ?? '').length + 4;
  const { rcode, answers, authorities } = answer;
  return concat(
    query.subarray(0, 2),
    u16(0x8190 + rcode),
    u16(1),
    u16(answers.length),
    u16(authorities.length),
    u16(1),
    query.subarray(12, end),
    ...[...answers, ...authorities].map(({ name, type, ttlSeconds, rdata }) =>
      concat(encodeName(name), u16(type), u16(1), u32(ttlSeconds), u16(rdata.length), rdata),
    ),
    // OPT with DO (RFC 6891 §6.1.2).
    Uint8Array.of(0, 0, 41, 0x04, 0xd0, 0, 0, 0x80, 0, 0, 0),
  );
}
