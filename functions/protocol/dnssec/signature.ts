/**
 * Whether an RRset is signed by a zone.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc4035.html#section-5.3 RFC 4035 §5.3}
 * @see {@link https://www.rfc-editor.org/rfc/rfc4034.html#section-3.1.8.1 RFC 4034 §3.1.8.1} (what is signed)
 */
import type { RrsigData } from '../dns/dnssec-data.ts';
import { type DnsName, foldName, formatName, isSubdomain, sameName } from '../dns/name.ts';
import { ancestorOf, countLabels, isWildcard } from '../dns/name-tree.ts';
import { internetClass } from '../dns/record-type.ts';
import type { ZoneKey } from './keys.ts';
import { type Reason, reason } from './reason.ts';
import { formatSet, type RrSet } from './rrset.ts';
import { spend, type ValidationTerms } from './work.ts';

/** Who signs: the name of a zone and those of its keys that may be believed. */
export interface Signer {
  readonly apex: DnsName;
  readonly keys: readonly ZoneKey[];
}

export type SignatureVerdict =
  | {
      readonly verified: true;
      readonly signature: RrsigData;
      /** How long the set may be believed (RFC 4035 §5.3.3). */
      readonly ttlSeconds: number;
      /** The set comes from the wildcard under this name; that nothing closer exists is still to be proven (§5.3.4). */
      readonly closestEncloser?: DnsName;
    }
  | { readonly verified: false; readonly reason: Reason };

/** Why a signature does not count, and how far it came: of several, the one that came furthest says most. */
interface Refusal {
  readonly stage: number;
  readonly reason: Reason;
}

const signaturePrefixOctets = 18;

/**
 * Verifies that one of the set's signatures is the signer's and counts now. Any that does is enough (RFC 6840 §5.4).
 *
 * A verified set is only what the zone once signed: whether the zone is the right one is for the caller to say.
 */
export function verifyRrSet(set: RrSet, signer: Signer, terms: ValidationTerms): SignatureVerdict {
  let furthest: Refusal = {
    stage: 0,
    reason: reason('rrsigsMissing', `${formatSet(set)} has no signature`),
  };
  const attempt: Attempt = { set, signer, terms, tried: 0 };
  for (const signature of set.signatures) {
    const refusal = refuse(signature, attempt);
    if (refusal === undefined) {
      return accept(set, signature, terms.nowSeconds);
    }
    furthest = refusal.stage > furthest.stage ? refusal : furthest;
  }
  return { verified: false, reason: terms.work.exceeded ?? furthest.reason };
}

interface Attempt {
  readonly set: RrSet;
  readonly signer: Signer;
  readonly terms: ValidationTerms;
  /** Signatures that were worth trying. */
  tried: number;
}

function refuse(signature: RrsigData, attempt: Attempt): Refusal | undefined {
  const { set, signer, terms } = attempt;
  const refusal = checkFields(signature, attempt) ?? checkTime(set, signature, terms.nowSeconds);
  if (refusal !== undefined) {
    return refusal;
  }
  if (attempt.tried === terms.limits.signaturesPerSet) {
    const text = `none of the first ${attempt.tried} signatures of ${formatSet(set)} verifies, and there are more`;
    return { stage: 5, reason: reason('bogus', text) };
  }
  attempt.tried += 1;
  const data = signedData(set, signature);
  for (const key of findKeys(signature, signer).slice(0, terms.limits.keysPerTag)) {
    if (!spend(terms, 'verifications')) {
      break;
    }
    if (key.verify(data, signature.signature)) {
      return undefined;
    }
  }
  const text = `the signature of ${formatSet(set)} by key ${signature.keyTag} does not verify`;
  return { stage: 4, reason: reason('bogus', text) };
}

/** RFC 4035 §5.3.1, all but the times: what the record has to say for a key of the zone to be tried. */
function checkFields(signature: RrsigData, { set, signer, terms }: Attempt): Refusal | undefined {
  if (!sameName(signature.signer, signer.apex) || !isSubdomain(set.name, signer.apex)) {
    const text = `${formatSet(set)} is signed by ${formatName(signature.signer) || '.'}, not by its zone`;
    return { stage: 1, reason: reason('bogus', text) };
  }
  if (!terms.algorithms.has(signature.algorithm)) {
    const text = `${formatSet(set)} has no signature of a supported algorithm`;
    return { stage: 1, reason: reason('rrsigsMissing', text) };
  }
  // More labels than the name has are impossible, and a wildcard above the zone's apex is not the zone's.
  if (
    signature.labels > countSignedLabels(set.name) ||
    signature.labels < countLabels(signer.apex)
  ) {
    const text = `a signature of ${formatSet(set)} counts ${signature.labels} labels`;
    return { stage: 2, reason: reason('bogus', text) };
  }
  if (findKeys(signature, signer).length === 0) {
    const text = `${formatSet(set)} is signed by key ${signature.keyTag}, which ${formatName(signer.apex) || '.'} does not have`;
    return { stage: 2, reason: reason('dnskeyMissing', text) };
  }
  return undefined;
}

/** All keys that the signature may be of: tags are no identities (RFC 4034 §8). */
function findKeys({ keyTag, algorithm }: RrsigData, { keys }: Signer): readonly ZoneKey[] {
  return keys.filter((key) => key.keyTag === keyTag && key.algorithm === algorithm);
}

/** RFC 4034 §3.1.3: neither the root nor a leading asterisk counts. */
function countSignedLabels(name: DnsName): number {
  return countLabels(name) - (isWildcard(name) ? 1 : 0);
}

/** RFC 4034 §3.1.5: serial arithmetic (RFC 1982), so that times may pass the end of 32 bits. */
function checkTime(
  set: RrSet,
  { inception, expiration }: RrsigData,
  nowSeconds: number,
): Refusal | undefined {
  if (serialDistance(inception, expiration) < 0) {
    const text = `a signature of ${formatSet(set)} expires before it is valid`;
    return { stage: 3, reason: reason('signatureExpiredBeforeValid', text) };
  }
  const early = -serialDistance(inception, nowSeconds);
  if (early > 0) {
    const text = `the signature of ${formatSet(set)} is not valid before ${formatTime(nowSeconds + early)}`;
    return { stage: 3, reason: reason('signatureNotYetValid', text) };
  }
  const left = serialDistance(nowSeconds, expiration);
  if (left < 0) {
    const text = `the signature of ${formatSet(set)} expired ${formatTime(nowSeconds + left)}`;
    return { stage: 3, reason: reason('signatureExpired', text) };
  }
  return undefined;
}

/** How many seconds `to` is behind `from`, both modulo 2^32; negative if it is before. */
function serialDistance(from: number, to: number): number {
  return (to - from) | 0;
}

function formatTime(epochSeconds: number): string {
  return new Date(epochSeconds * 1_000).toISOString().replace('.000Z', 'Z');
}

function accept(set: RrSet, signature: RrsigData, nowSeconds: number): SignatureVerdict {
  return {
    verified: true,
    signature,
    // RFC 4035 §5.3.3: no longer than the zone said, and not past the signature's end.
    ttlSeconds: Math.min(
      set.ttlSeconds,
      signature.originalTtlSeconds,
      serialDistance(nowSeconds, signature.expiration),
    ),
    ...(signature.labels < countSignedLabels(set.name)
      ? { closestEncloser: ancestorOf(set.name, signature.labels) }
      : {}),
  };
}

/** RFC 4034 §3.1.8.1: the RRSIG without its signature, then each record in canonical form and order. */
function signedData(set: RrSet, signature: RrsigData): Uint8Array {
  const owner = signedOwner(set.name, signature.labels);
  const signer = foldName(signature.signer);
  const head = owner.length + 10;
  const length = set.rdatas.reduce((sum, rdata) => sum + head + rdata.length, 0);
  const octets = new Uint8Array(signaturePrefixOctets + signer.length + length);
  const view = new DataView(octets.buffer);
  view.setUint16(0, signature.typeCovered);
  view.setUint8(2, signature.algorithm);
  view.setUint8(3, signature.labels);
  view.setUint32(4, signature.originalTtlSeconds);
  view.setUint32(8, signature.expiration);
  view.setUint32(12, signature.inception);
  view.setUint16(16, signature.keyTag);
  octets.set(signer, signaturePrefixOctets);
  let at = signaturePrefixOctets + signer.length;
  for (const rdata of set.rdatas) {
    octets.set(owner, at);
    view.setUint16(at + owner.length, set.type);
    view.setUint16(at + owner.length + 2, internetClass);
    view.setUint32(at + owner.length + 4, signature.originalTtlSeconds);
    view.setUint16(at + owner.length + 8, rdata.length);
    octets.set(rdata, at + head);
    at += head + rdata.length;
  }
  return octets;
}

/** RFC 4035 §5.3.2: what a wildcard was expanded to is signed as the wildcard. */
function signedOwner(name: DnsName, labels: number): DnsName {
  const owner = foldName(name);
  const surplus = countLabels(owner) - labels;
  return surplus === 0 || (surplus === 1 && isWildcard(owner))
    ? owner
    : Uint8Array.of(1, 0x2a, ...ancestorOf(owner, labels));
}
