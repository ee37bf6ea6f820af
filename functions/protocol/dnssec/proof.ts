/**
 * The records of a message by which a zone proves that something is absent.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc4035.html#section-5.4 RFC 4035 §5.4}
 */
import type { DnsMessage } from '../dns/message.ts';
import { type DnsName, isSubdomain } from '../dns/name.ts';
import { decodeRdata } from '../dns/record-data.ts';
import { recordTypes } from '../dns/record-type.ts';
import { TransportSecurityError } from '../errors.ts';
import { type Absence, type Denial, unproven } from './denial.ts';
import { deniesCloserByNsec, denyByNsec, type NsecRecord } from './nsec.ts';
import {
  chainNsec3,
  deniesCloserByNsec3,
  denyByNsec3,
  type Nsec3Record,
  toNsec3Record,
} from './nsec3.ts';
import type { Reason } from './reason.ts';
import { findOwners, findRrSet, type RrSet } from './rrset.ts';
import { type Signer, verifyRrSet } from './signature.ts';
import type { ValidationTerms } from './work.ts';

/** NSEC and NSEC3 records that one zone signed. */
export interface Proof {
  readonly apex: DnsName;
  readonly nsec: readonly NsecRecord[];
  readonly nsec3: readonly Nsec3Record[];
  readonly sets: readonly RrSet[];
  /** The smallest of their TTLs; Infinity where there is none. */
  readonly ttlSeconds: number;
  /** Why a record that would belong here does not count. */
  readonly refusal?: Reason;
}

/** A denial takes three records, and each alias by wildcard on the way to it one more. */
const ownersMax = 16;

/** Collects the NSEC and NSEC3 records of the authority section that `signer` signed; all others prove nothing. */
export function collectProof(message: DnsMessage, signer: Signer, terms: ValidationTerms): Proof {
  const nsec: NsecRecord[] = [];
  const nsec3: Nsec3Record[] = [];
  const sets: RrSet[] = [];
  let ttlSeconds = Number.POSITIVE_INFINITY;
  let refusal: Reason | undefined;
  for (const type of [recordTypes.NSEC, recordTypes.NSEC3]) {
    for (const name of findOwners(message.authorities, type, ownersMax)) {
      const set = isSubdomain(name, signer.apex) ? findSet(message, name, type) : undefined;
      const verdict = set && verifyRrSet(set, signer, terms);
      if (verdict?.verified === false) {
        refusal ??= verdict.reason;
      } else if (set !== undefined && verdict !== undefined && !verdict.closestEncloser) {
        // A wildcard's own record served under a name that it stands for would deny that name; none is ever expanded.
        sets.push(set);
        ttlSeconds = Math.min(ttlSeconds, verdict.ttlSeconds);
        nsec.push(...readNsec(set));
        nsec3.push(...readNsec3(set, signer.apex));
      }
    }
  }
  const found = { apex: signer.apex, nsec, nsec3, sets, ttlSeconds };
  return refusal === undefined ? found : { ...found, refusal };
}

/** Judges what the records prove about a name and type. */
export function proveAbsence(
  proof: Proof,
  { name, type }: Pick<Absence, 'name' | 'type'>,
  terms: ValidationTerms,
): Denial {
  const absence: Absence = { apex: proof.apex, name, type };
  let denial: Denial = unproven(absence, 'there is no record that proves it');
  if (proof.nsec.length > 0) {
    denial = denyByNsec(proof.nsec, absence);
  }
  if (denial.kind === 'unproven' && proof.nsec3.length > 0) {
    const chain = chainNsec3(proof.nsec3, terms);
    denial = 'kind' in chain ? chain : denyByNsec3(chain, absence);
  }
  if (denial.kind !== 'unproven') {
    return denial;
  }
  return { kind: 'unproven', reason: terms.work.exceeded ?? proof.refusal ?? denial.reason };
}

/** Whether a wildcard's expansion is the answer. `insecure`: the zone leaves open whether something is closer. */
export type Expansion =
  | { readonly kind: 'proven' }
  | { readonly kind: 'insecure' | 'unproven'; readonly reason: Reason };

/** Judges whether the records prove that nothing is closer to a name than the wildcard under `encloser`. */
export function proveExpansion(
  proof: Proof,
  { name, type, encloser }: Pick<Absence, 'name' | 'type'> & { readonly encloser: DnsName },
  terms: ValidationTerms,
): Expansion {
  if (deniesCloserByNsec(proof.nsec, { apex: proof.apex, name }, encloser)) {
    return { kind: 'proven' };
  }
  const chain = chainNsec3(proof.nsec3, terms);
  if ('kind' in chain) {
    return { kind: chain.kind, reason: chain.reason };
  }
  const denied = deniesCloserByNsec3(chain, name, encloser);
  if (denied === true) {
    return { kind: 'proven' };
  }
  if (denied !== false) {
    return { kind: 'insecure', reason: denied };
  }
  const denial = unproven({ name, type }, 'a wildcard was expanded though the name may exist');
  const missing = terms.work.exceeded ?? proof.refusal;
  return { kind: 'unproven', reason: missing ?? denial.reason };
}

/** A malformed record proves nothing, and what it was to prove is then missing. */
function findSet(message: DnsMessage, name: DnsName, type: number): RrSet | undefined {
  return orNothing(() => findRrSet(message, 'authorities', { name, type }));
}

function readNsec({ name, type, rdatas }: RrSet): readonly NsecRecord[] {
  return type === recordTypes.NSEC
    ? rdatas.flatMap(
        (rdata) => orNothing(() => [{ owner: name, ...decodeRdata(rdata, 'NSEC') }]) ?? [],
      )
    : [];
}

function readNsec3({ name, type, rdatas }: RrSet, apex: DnsName): readonly Nsec3Record[] {
  return type === recordTypes.NSEC3
    ? rdatas.flatMap(
        (rdata) =>
          orNothing(() => toNsec3Record(name, decodeRdata(rdata, 'NSEC3'), apex) ?? []) ?? [],
      )
    : [];
}

function orNothing<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof TransportSecurityError) {
      return undefined;
    }
    throw error;
  }
}
