/**
 * The status of what one message says: of an RRset in its answer section, or of an absence.
 *
 * What a zone signed is secure. What nobody signed, or not rightly, is insecure if the zone it is in is proven to be, and
 * else bogus (RFC 4035 §4.3).
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc4035.html#section-5 RFC 4035 §5}
 */
import type { RrsigData } from '../protocol/dns/dnssec-data.ts';
import type { DnsMessage, ResourceRecord } from '../protocol/dns/message.ts';
import { type DnsName, isSubdomain, sameName } from '../protocol/dns/name.ts';
import { countLabels, parentOf } from '../protocol/dns/name-tree.ts';
import { decodeData, decodeRdata } from '../protocol/dns/record-data.ts';
import { internetClass, nameError, recordTypes } from '../protocol/dns/record-type.ts';
import type { Absence, Denial } from '../protocol/dnssec/denial.ts';
import { collectProof, proveAbsence, proveExpansion } from '../protocol/dnssec/proof.ts';
import { type Reason, reason } from '../protocol/dnssec/reason.ts';
import { findRrSet, formatSet, type RrSet } from '../protocol/dnssec/rrset.ts';
import { verifyRrSet } from '../protocol/dnssec/signature.ts';
import type { ValidationTerms } from '../protocol/dnssec/work.ts';
import { TransportSecurityError } from '../protocol/errors.ts';
import type { Bogus, Question } from './ask.ts';
import type { Context } from './context.ts';
import { findZone } from './find-zone.ts';
import type { DnsFailureCode, SecureZone, Zone } from './zone.ts';

/** The servers did not give what a judgement needs. */
export interface Failed {
  readonly kind: 'failed';
  readonly code: DnsFailureCode;
  readonly reason: Reason;
  readonly zone: Zone;
}

/** A status that may be acted on. */
export interface Judgement {
  readonly kind: 'judged';
  readonly status: 'secure' | 'insecure' | 'indeterminate';
  /** Set unless it is secure. */
  readonly reason?: Reason;
  readonly zone: Zone;
  readonly ttlSeconds: number;
  /** Records that prove an absence, or that nothing is closer than a wildcard. */
  readonly proof: readonly RrSet[];
}

/** What judging takes besides what is judged. */
export interface Bench {
  readonly context: Context;
  readonly message: DnsMessage;
  readonly terms: ValidationTerms;
}

/** Signers of one RRset, or of one denial, that are gone into; honest ones have one. */
const signersMax = 2;

/** Judges an RRset of the answer section. */
export async function judgeSet(bench: Bench, set: RrSet): Promise<Judgement | Bogus | Failed> {
  const { context, terms } = bench;
  let refusal: Reason | undefined;
  for (const signer of chooseSigners(set.signatures, set)) {
    const zone = await findZone(context, signer, { likelyApex: true });
    if (zone.status !== 'secure' || !sameName(zone.apex, signer)) {
      continue;
    }
    const verdict = verifyRrSet(set, zone, terms);
    if (!verdict.verified) {
      refusal ??= verdict.reason;
    } else if (verdict.closestEncloser === undefined) {
      return { kind: 'judged', status: 'secure', zone, ttlSeconds: verdict.ttlSeconds, proof: [] };
    } else {
      const { closestEncloser: encloser, ttlSeconds } = verdict;
      const judged = judgeExpansion(bench, set, { zone, encloser, ttlSeconds });
      if (judged.kind === 'judged') {
        return judged;
      }
      refusal ??= judged.reason;
    }
  }
  return await judgeUnproven(bench, set, {
    refusal,
    missing: reason('rrsigsMissing', `${formatSet(set)} is not signed by its zone`),
    ttlSeconds: set.ttlSeconds,
  });
}

/** RFC 4035 §5.3.4: a wildcard's records are the answer only where nothing closer exists. */
function judgeExpansion(
  { message, terms }: Bench,
  { name, type }: RrSet,
  origin: {
    readonly zone: SecureZone;
    readonly encloser: DnsName;
    readonly ttlSeconds: number;
  },
): Judgement | Bogus {
  const { zone, encloser } = origin;
  const proof = collectProof(message, zone, terms);
  const expansion = proveExpansion(proof, { name, type, encloser }, terms);
  if (expansion.kind === 'unproven') {
    return { kind: 'bogus', reason: expansion.reason };
  }
  const ttlSeconds = Math.min(origin.ttlSeconds, proof.ttlSeconds);
  const found = { kind: 'judged', zone, ttlSeconds, proof: proof.sets } as const;
  return expansion.kind === 'proven'
    ? { ...found, status: 'secure' }
    : { ...found, status: 'insecure', reason: expansion.reason };
}

/** The absence of what was asked for, and whether the name is there. */
export type JudgedDenial = Judgement & { readonly outcome: 'nodata' | 'nxdomain' };

/** Judges what a message without the records that were asked for says about them. */
export async function judgeDenial(
  bench: Bench,
  question: Question,
): Promise<JudgedDenial | Bogus | Failed> {
  const { context, message, terms } = bench;
  let refusal: Reason | undefined;
  for (const signer of chooseSigners(listProofSignatures(message), question)) {
    const zone = await findZone(context, signer, { likelyApex: true });
    if (zone.status !== 'secure' || !sameName(zone.apex, signer)) {
      continue;
    }
    const proof = collectProof(message, zone, terms);
    const denial = proveAbsence(proof, question, terms);
    if (claimsTooMuch(denial, message, { apex: signer, name: question.name })) {
      const text = `that no wildcard stands for ${formatSet(question)} is not proven`;
      return { kind: 'bogus', reason: reason('nsecMissing', text) };
    }
    const soa = denial.kind === 'unproven' ? undefined : verifySoa(bench, zone);
    if (denial.kind === 'unproven') {
      refusal ??= denial.reason;
    } else if (soa !== undefined && 'reason' in soa) {
      refusal ??= soa.reason;
    } else {
      const ttlSeconds = Math.min(proof.ttlSeconds, soa?.ttlSeconds ?? proof.ttlSeconds);
      const found = { kind: 'judged', zone, ttlSeconds, proof: proof.sets } as const;
      return denial.kind === 'insecure'
        ? { ...found, status: 'insecure', reason: denial.reason, outcome: outcomeOf(message) }
        : { ...found, status: 'secure', outcome: denial.kind };
    }
  }
  const judged = await judgeUnproven(bench, question, {
    refusal,
    missing: reason('nsecMissing', `the absence of ${formatSet(question)} is not proven`),
    ttlSeconds: unsignedDenialTtl(message, question.name),
  });
  return judged.kind === 'judged' ? { ...judged, outcome: outcomeOf(message) } : judged;
}

/**
 * Where the zone leaves it open whether a name is delegated, the server's word on it stands; but an NXDOMAIN of the zone
 * itself needs all that can be proven (RFC 5155 §8.4). It is of the zone itself if no zone further down denies.
 */
function claimsTooMuch(
  denial: Denial,
  { rcode, authorities }: DnsMessage,
  { apex, name }: Pick<Absence, 'apex' | 'name'>,
): boolean {
  return (
    denial.kind === 'insecure' &&
    !denial.nameError &&
    rcode === nameError &&
    !authorities.some(
      (record) =>
        isOf(record, recordTypes.SOA) &&
        isSubdomain(name, record.name) &&
        record.name.length > apex.length,
    )
  );
}

/** Not signed, so not for a secure answer (RFC 4035 §4.3). */
function outcomeOf(message: DnsMessage): 'nodata' | 'nxdomain' {
  return message.rcode === nameError ? 'nxdomain' : 'nodata';
}

/**
 * What no signature proves is as good as its zone. `refusal`: what its zone's signatures had to say against it;
 * `missing`: what there is to say where there were none.
 */
async function judgeUnproven(
  { context, terms }: Bench,
  { name, type }: Pick<Absence, 'name' | 'type'>,
  {
    refusal,
    missing,
    ttlSeconds,
  }: {
    readonly refusal: Reason | undefined;
    readonly missing: Reason;
    readonly ttlSeconds: number;
  },
): Promise<Judgement | Bogus | Failed> {
  if (terms.work.exceeded !== undefined) {
    // Whoever made it this costly is not followed any further.
    return { kind: 'bogus', reason: terms.work.exceeded };
  }
  const zone = await findZone(context, type === recordTypes.DS ? parentOf(name) : name);
  if (zone.status === 'secure') {
    return { kind: 'bogus', reason: refusal ?? missing };
  }
  if (zone.status === 'bogus') {
    return refusal === undefined
      ? { kind: 'bogus', reason: zone.reason, settled: true }
      : { kind: 'bogus', reason: refusal };
  }
  return zone.failure === undefined
    ? { kind: 'judged', status: zone.status, reason: zone.reason, zone, ttlSeconds, proof: [] }
    : { kind: 'failed', code: zone.failure, reason: zone.reason, zone };
}

/**
 * The zones that signatures name and that could be the one of `name`, the closest first. A delegation's DS is its
 * parent's (RFC 4035 §2.4).
 */
function chooseSigners(
  signatures: readonly Pick<RrsigData, 'signer'>[],
  { name, type }: Pick<Absence, 'name' | 'type'>,
): readonly DnsName[] {
  const strictly = type === recordTypes.DS && name.length > 1;
  const signers: DnsName[] = [];
  for (const { signer } of signatures) {
    const encloses = isSubdomain(name, signer) && !(strictly && sameName(name, signer));
    if (encloses && !signers.some((other) => sameName(other, signer))) {
      signers.push(signer);
    }
  }
  return signers.sort((a, b) => countLabels(b) - countLabels(a)).slice(0, signersMax);
}

/** The signatures of the authority section over records that can prove an absence. */
function listProofSignatures(message: DnsMessage): readonly RrsigData[] {
  return message.authorities.flatMap((record) => {
    const signature = isOf(record, recordTypes.RRSIG) ? decodeRrsig(message, record) : undefined;
    const type = signature?.typeCovered;
    return signature && (type === recordTypes.NSEC || type === recordTypes.NSEC3)
      ? [signature]
      : [];
  });
}

function decodeRrsig(message: DnsMessage, record: ResourceRecord): RrsigData | undefined {
  try {
    return decodeData(message, record, 'RRSIG');
  } catch (error) {
    if (error instanceof TransportSecurityError) {
      // It names no zone that could be asked for its keys.
      return undefined;
    }
    throw error;
  }
}

/**
 * How long the zone lets a denial be kept (RFC 2308 §5), by its SOA record, which has to be signed as all else; undefined
 * where the message has none.
 */
function verifySoa(
  { message, terms }: Bench,
  zone: SecureZone,
): { readonly ttlSeconds: number } | { readonly reason: Reason } | undefined {
  const set = findRrSet(message, 'authorities', { name: zone.apex, type: recordTypes.SOA });
  const [rdata] = set?.rdatas ?? [];
  if (set === undefined || rdata === undefined) {
    return undefined;
  }
  const verdict = verifyRrSet(set, zone, terms);
  return verdict.verified
    ? { ttlSeconds: Math.min(verdict.ttlSeconds, decodeRdata(rdata, 'SOA').minimumSeconds) }
    : { reason: verdict.reason };
}

/** RFC 2308 §5; a denial without a SOA record is not kept. */
function unsignedDenialTtl(message: DnsMessage, name: DnsName): number {
  const soa = findSoa(message, name);
  try {
    return soa === undefined
      ? 0
      : Math.min(soa.ttlSeconds, decodeData(message, soa, 'SOA').minimumSeconds);
  } catch (error) {
    if (error instanceof TransportSecurityError) {
      // Nobody asked for the SOA record. Malformed, it still denies, only not for how long.
      return 0;
    }
    throw error;
  }
}

/** The SOA record of a zone that a name may be in. */
export function findSoa(message: DnsMessage, name: DnsName): ResourceRecord | undefined {
  return message.authorities.find(
    (record) => isOf(record, recordTypes.SOA) && isSubdomain(name, record.name),
  );
}

function isOf(record: ResourceRecord, type: number): boolean {
  return record.type === type && record.class === internetClass;
}
