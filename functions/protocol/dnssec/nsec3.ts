/**
 * What NSEC3 records prove to be absent.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc5155.html#section-8 RFC 5155 §8}
 * @see {@link https://www.rfc-editor.org/rfc/rfc9276.html#section-3.2 RFC 9276 §3.2} (iterations)
 */
import { hash } from 'node:crypto';
import type { Nsec3Data, Nsec3ParamData } from '../dns/dnssec-data.ts';
import { type DnsName, foldName, isSubdomain, sameName } from '../dns/name.ts';
import { ancestorOf, countLabels, nameKey, parentOf, wildcardUnder } from '../dns/name-tree.ts';
import { type Absence, type Denial, judgeTypes, leadsElsewhere, unproven } from './denial.ts';
import { type Reason, reason } from './reason.ts';
import { spend, type ValidationTerms } from './work.ts';

/** An NSEC3 record that the zone signed under its own name, no wildcard's expansion. */
export interface Nsec3Record extends Nsec3Data {
  /** What its owner's first label spells. */
  readonly ownerHash: Uint8Array;
}

/** Records of one set of parameters, and the hashes of names by it that were made so far. */
export interface Nsec3Chain {
  readonly records: readonly Nsec3Record[];
  readonly hashName: (name: DnsName) => Uint8Array | undefined;
}

/** RFC 5155 §11: the one hash algorithm there is. */
const sha1Hash = 1;
const hashOctets = 20;
const optOutFlag = 1;

/**
 * Reads an NSEC3 record's owner name: its hash in base32hex directly under the apex (RFC 5155 §3); undefined for a record
 * that a validator has to ignore: another hash algorithm or place, unknown flags (§8.1, §8.2).
 */
export function toNsec3Record(
  owner: DnsName,
  data: Nsec3Data,
  apex: DnsName,
): Nsec3Record | undefined {
  const ownerHash = decodeBase32Hex(owner.subarray(1, 1 + (owner[0] ?? 0)));
  return ownerHash?.length === hashOctets &&
    data.nextHash.length === hashOctets &&
    data.hashAlgorithm === sha1Hash &&
    data.flags <= optOutFlag &&
    sameName(parentOf(owner), apex)
    ? { ...data, ownerHash }
    : undefined;
}

/**
 * Keeps the records that have the first one's parameters (RFC 5155 §8.2 lets us), if names may be hashed with these; else
 * says why not.
 */
export function chainNsec3(
  records: readonly Nsec3Record[],
  terms: ValidationTerms,
): Nsec3Chain | Extract<Denial, { readonly reason: Reason }> {
  const [first] = records;
  if (first === undefined) {
    return { records: [], hashName: () => undefined };
  }
  const { nsec3IterationsSecure, nsec3IterationsInsecure } = terms.limits;
  if (first.iterations > nsec3IterationsSecure) {
    const why = reason(
      'unsupportedNsec3Iterations',
      `the zone hashes names with ${first.iterations} iterations`,
    );
    return first.iterations > nsec3IterationsInsecure
      ? { kind: 'unproven', reason: why }
      : { kind: 'insecure', nameError: true, reason: why };
  }
  const alike = records.filter(
    ({ iterations, salt }) =>
      iterations === first.iterations && Buffer.compare(salt, first.salt) === 0,
  );
  return { records: alike, hashName: createHasher(first, terms) };
}

/** Hashes a name (RFC 5155 §5). */
export function hashNsec3Name(name: DnsName, { iterations, salt }: Nsec3ParamData): Uint8Array {
  let digest = hash('sha1', Buffer.concat([foldName(name), salt]), 'buffer');
  const again = new Uint8Array(hashOctets + salt.length);
  again.set(salt, hashOctets);
  for (let round = 0; round < iterations; round += 1) {
    again.set(digest);
    digest = hash('sha1', again, 'buffer');
  }
  return digest;
}

function createHasher(
  parameters: Nsec3ParamData,
  terms: ValidationTerms,
): (name: DnsName) => Uint8Array | undefined {
  const known = new Map<string, Uint8Array>();
  return (name) => {
    const key = nameKey(name);
    const before = known.get(key);
    if (before !== undefined || !spend(terms, 'nsec3Hashes')) {
      return before;
    }
    const digest = hashNsec3Name(name, parameters);
    known.set(key, digest);
    return digest;
  };
}

/** Judges what the records say about a name and type. */
export function denyByNsec3(chain: Nsec3Chain, absence: Absence): Denial {
  const match = findMatch(chain, absence.name);
  if (match !== undefined) {
    return judgeTypes(match.types, absence);
  }
  const proof = findClosestEncloser(chain, absence);
  if ('kind' in proof) {
    return proof;
  }
  const wildcard = wildcardUnder(proof.encloser);
  const denial: Denial =
    wildcard === undefined ? { kind: 'nxdomain' } : denyWildcard(chain, absence, wildcard);
  if (!isOptOut(proof.cover)) {
    return denial;
  }
  // RFC 5155 §9.2: the gap may hold an unsigned delegation, and with it the name. For DS that is the proof (§8.6).
  return {
    kind: 'insecure',
    nameError: denial.kind === 'nxdomain',
    reason: optOutReason,
  };
}

/** RFC 5155 §8.4 and §8.7. */
function denyWildcard(chain: Nsec3Chain, absence: Absence, wildcard: DnsName): Denial {
  const match = findMatch(chain, wildcard);
  if (match !== undefined) {
    const denial = judgeTypes(match.types, { ...absence, name: wildcard });
    return denial.kind === 'nodata' ? { kind: 'nodata' } : denial;
  }
  return findCover(chain, wildcard) === undefined
    ? unproven(absence, 'no NSEC3 record covers the wildcard')
    : { kind: 'nxdomain' };
}

/**
 * Judges whether the records prove that nothing is closer to `name` than the wildcard under `encloser`, so that the
 * wildcard's expansion is the answer (RFC 5155 §8.8).
 */
export function deniesCloserByNsec3(
  chain: Nsec3Chain,
  name: DnsName,
  encloser: DnsName,
): boolean | Reason {
  const cover = findCover(chain, ancestorOf(name, countLabels(encloser) + 1));
  if (cover === undefined) {
    return false;
  }
  return isOptOut(cover) ? optOutReason : true;
}

interface EncloserProof {
  readonly encloser: DnsName;
  /** The record whose gap the next closer name falls into. */
  readonly cover: Nsec3Record;
}

/** RFC 5155 §8.3: the longest ancestor that exists, and that the name one label longer does not. */
function findClosestEncloser(chain: Nsec3Chain, absence: Absence): EncloserProof | Denial {
  let nextCloser = absence.name;
  while (!sameName(nextCloser, absence.apex) && isSubdomain(nextCloser, absence.apex)) {
    const encloser = parentOf(nextCloser);
    const match = findMatch(chain, encloser);
    if (match !== undefined) {
      const cover = findCover(chain, nextCloser);
      if (cover === undefined) {
        return unproven(absence, 'no NSEC3 record covers the next closer name');
      }
      // RFC 5155 §8.3, RFC 6840 §4.1: else an ancestor would deny what a child zone, or a DNAME's target, has.
      return leadsElsewhere(match.types)
        ? unproven(absence, 'its closest encloser is a delegation or a DNAME')
        : { encloser, cover };
    }
    nextCloser = encloser;
  }
  return unproven(absence, 'no NSEC3 record is of an ancestor');
}

function findMatch({ records, hashName }: Nsec3Chain, name: DnsName): Nsec3Record | undefined {
  const hashed = records.length === 0 ? undefined : hashName(name);
  return hashed && records.find(({ ownerHash }) => Buffer.compare(ownerHash, hashed) === 0);
}

function findCover({ records, hashName }: Nsec3Chain, name: DnsName): Nsec3Record | undefined {
  const hashed = records.length === 0 ? undefined : hashName(name);
  return hashed && records.find((record) => covers(record, hashed));
}

/** The record with the greatest hash leads back to the one with the least (RFC 5155 §3.1.7). */
function covers({ ownerHash, nextHash }: Nsec3Record, hashed: Uint8Array): boolean {
  const behind = Buffer.compare(ownerHash, hashed) < 0;
  const before = Buffer.compare(hashed, nextHash) < 0;
  if (Buffer.compare(ownerHash, nextHash) < 0) {
    return behind && before;
  }
  // An only record covers all but its own hash.
  return Buffer.compare(ownerHash, hashed) !== 0 && (behind || before);
}

function isOptOut({ flags }: Nsec3Record): boolean {
  return (flags & optOutFlag) !== 0;
}

const optOutReason = reason('other', 'the zone leaves unsigned delegations out of its proofs');

/** RFC 4648 §7, without padding, in either case; undefined for anything else. */
function decodeBase32Hex(label: Uint8Array): Uint8Array | undefined {
  const octets = new Uint8Array(Math.floor((label.length * 5) / 8));
  let bits = 0;
  let value = 0;
  let at = 0;
  for (const octet of label) {
    const digit = Number.parseInt(String.fromCharCode(octet), 32);
    if (Number.isNaN(digit)) {
      return undefined;
    }
    value = ((value << 5) | digit) & 0xfff;
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      octets[at] = (value >> bits) & 0xff;
      at += 1;
    }
  }
  return octets;
}
