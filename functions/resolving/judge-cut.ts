/**
 * What the answers to questions for DS and DNSKEY say of a zone cut.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc4035.html#section-5.2 RFC 4035 §5.2}
 * @see {@link https://www.rfc-editor.org/rfc/rfc6840.html#section-4.4 RFC 6840 §4.4}
 */
import type { DsData } from '../protocol/dns/dnssec-data.ts';
import type { DnsMessage } from '../protocol/dns/message.ts';
import { type DnsName, formatName, isSubdomain, sameName } from '../protocol/dns/name.ts';
import { decodeRdata } from '../protocol/dns/record-data.ts';
import { recordTypes } from '../protocol/dns/record-type.ts';
import { verifyKeys } from '../protocol/dnssec/delegation.ts';
import { isDelegation } from '../protocol/dnssec/denial.ts';
import type { ZoneKey } from '../protocol/dnssec/keys.ts';
import { collectProof, proveAbsence } from '../protocol/dnssec/proof.ts';
import { type Reason, reason } from '../protocol/dnssec/reason.ts';
import { findOwners, findRrSet, formatSet, type RrSet } from '../protocol/dnssec/rrset.ts';
import { verifyRrSet } from '../protocol/dnssec/signature.ts';
import type { ValidationTerms } from '../protocol/dnssec/work.ts';
import type { Bogus } from './ask.ts';
import type { SecureZone } from './zone.ts';

/** A zone's keys, vouched for by the zone above or by an anchor. */
export type Keys = {
  readonly kind: 'keys';
  readonly keys: readonly ZoneKey[];
  readonly ttlSeconds: number;
};

/** Judges the answer to a question for a zone's keys. `usable`: the DS records that count. */
export function judgeKeys(
  message: DnsMessage,
  { apex, usable }: { readonly apex: DnsName; readonly usable: readonly DsData[] },
  terms: ValidationTerms,
): Keys | Bogus {
  const set = findRrSet(message, 'answers', { name: apex, type: recordTypes.DNSKEY });
  if (set === undefined) {
    const text = `${formatName(apex) || '.'} has DS records and no keys`;
    return { kind: 'bogus', reason: reason('dnskeyMissing', text) };
  }
  const verdict = verifyKeys(set, usable, terms);
  return verdict.verified
    ? { kind: 'keys', keys: verdict.keys, ttlSeconds: verdict.ttlSeconds }
    : { kind: 'bogus', reason: verdict.reason };
}

/** What the zone above says of a name in it. */
export type Finding = { readonly ttlSeconds: number } & (
  | { readonly kind: 'ds'; readonly records: readonly DsData[] }
  | { readonly kind: 'insecure'; readonly reason: Reason }
  | { readonly kind: 'none' | 'nothing' }
);

/** A name, and the zone above it. */
interface Place {
  readonly parent: SecureZone;
  readonly apex: DnsName;
}

/**
 * Judges the answer to a question for DS, by the parent's signatures alone: the child's word on it does not count (RFC
 * 4035 §5.2).
 */
export function judgeCut(
  message: DnsMessage,
  { parent, apex }: Place,
  terms: ValidationTerms,
): Finding | Bogus {
  const set = findRrSet(message, 'answers', { name: apex, type: recordTypes.DS });
  if (set !== undefined) {
    return judgeDs(set, parent, terms);
  }
  const alias = findAlias(message, { parent, apex });
  if (alias !== undefined) {
    // Nothing is delegated where there is an alias (RFC 1034 §3.6.2), nor below a DNAME (RFC 6672 §2.4).
    const verdict = verifyRrSet(alias, parent, terms);
    const kind = alias.type === recordTypes.CNAME ? 'none' : 'nothing';
    return verdict.verified
      ? { kind, ttlSeconds: verdict.ttlSeconds }
      : { kind: 'bogus', reason: verdict.reason };
  }
  return judgeNoDs(message, { parent, apex }, terms);
}

function judgeDs(set: RrSet, parent: SecureZone, terms: ValidationTerms): Finding | Bogus {
  const verdict = verifyRrSet(set, parent, terms);
  if (!verdict.verified) {
    return { kind: 'bogus', reason: verdict.reason };
  }
  if (verdict.closestEncloser !== undefined) {
    // RFC 4592 §4.6: a wildcard delegates nothing.
    return { kind: 'bogus', reason: reason('bogus', `${formatSet(set)} comes from a wildcard`) };
  }
  return {
    kind: 'ds',
    records: set.rdatas.map((rdata) => decodeRdata(rdata, 'DS')),
    ttlSeconds: verdict.ttlSeconds,
  };
}

/** The signed records that send the question elsewhere. A synthesized CNAME has no signature; its DNAME does. */
function findAlias(message: DnsMessage, { parent, apex }: Place): RrSet | undefined {
  const cname = findRrSet(message, 'answers', { name: apex, type: recordTypes.CNAME });
  if (cname !== undefined && cname.signatures.length > 0) {
    return cname;
  }
  const owner = findOwners(message.answers, recordTypes.DNAME, 4).find(
    (name) => isSubdomain(apex, name) && !sameName(apex, name) && isSubdomain(name, parent.apex),
  );
  const dname = owner && findRrSet(message, 'answers', { name: owner, type: recordTypes.DNAME });
  return dname ?? cname;
}

function judgeNoDs(
  message: DnsMessage,
  { parent, apex }: Place,
  terms: ValidationTerms,
): Finding | Bogus {
  const proof = collectProof(message, parent, terms);
  const denial = proveAbsence(proof, { name: apex, type: recordTypes.DS }, terms);
  const { ttlSeconds } = proof;
  switch (denial.kind) {
    case 'nxdomain':
      return { kind: 'nothing', ttlSeconds };
    case 'insecure':
      return { kind: 'insecure', reason: denial.reason, ttlSeconds };
    case 'nodata': {
      // RFC 6840 §4.4: without the NS bit there is no delegation, so the name is still the parent's, and signed.
      const delegated = denial.types !== undefined && isDelegation(denial.types);
      const text = `${formatName(parent.apex) || '.'} proves that ${formatName(apex)} has no DS record`;
      return delegated
        ? { kind: 'insecure', reason: reason('other', text), ttlSeconds }
        : { kind: 'none', ttlSeconds };
    }
    default:
      return { kind: 'bogus', reason: denial.reason };
  }
}
