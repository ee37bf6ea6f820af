/**
 * From a zone to its child: which DS records count, and which keys they vouch for.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc4035.html#section-5.2 RFC 4035 §5.2}
 * @see {@link https://www.rfc-editor.org/rfc/rfc4034.html#section-5.1.4 RFC 4034 §5.1.4} (digest)
 */
import { hash } from 'node:crypto';
import type { DsData } from '../dns/dnssec-data.ts';
import { type DnsName, foldName, formatName } from '../dns/name.ts';
import { decodeRdata } from '../dns/record-data.ts';
import type { AlgorithmTable } from './algorithms.ts';
import { hasZoneFlag, keyTagOf, toZoneKey, type ZoneKey } from './keys.ts';
import { type Reason, reason } from './reason.ts';
import type { RrSet } from './rrset.ts';
import { type SignatureVerdict, verifyRrSet } from './signature.ts';
import { spend, type ValidationTerms } from './work.ts';

interface Digest {
  readonly hash: string;
  readonly octets: number;
}

/** DS digest types (RFC 4034 Appendix A.2, RFC 4509, RFC 6605 §2). */
const digests: ReadonlyMap<number, Digest> = new Map([
  [1, { hash: 'sha1', octets: 20 }],
  [2, { hash: 'sha256', octets: 32 }],
  [4, { hash: 'sha384', octets: 48 }],
]);

const sha1Digest = 1;

/** The DS records that count; where none does, the child is insecure for this reason (RFC 4035 §5.2, RFC 6840 §5.2). */
export type DsChoice =
  | { readonly supported: true; readonly usable: readonly DsData[] }
  | { readonly supported: false; readonly reason: Reason };

/** Chooses among a delegation's DS records. */
export function chooseDs(
  name: DnsName,
  records: readonly DsData[],
  algorithms: AlgorithmTable,
): DsChoice {
  const known = records.filter(({ algorithm }) => algorithms.has(algorithm));
  const usable = known.filter(({ digestType }) => digests.has(digestType));
  if (usable.length === 0) {
    const zone = formatName(name) || '.';
    return {
      supported: false,
      reason:
        known.length === 0
          ? reason('unsupportedAlgorithm', `${zone} has no DS record of a supported algorithm`)
          : reason('unsupportedDigest', `${zone} has no DS record of a supported digest type`),
    };
  }
  // RFC 4509 §3: a SHA-1 digest does not count beside a better one. It has to be one that can be used, though: else an
  // unsupported algorithm could make a zone insecure that is signed by a supported one too.
  const better = usable.filter(({ digestType }) => digestType !== sha1Digest);
  return { supported: true, usable: better.length > 0 ? better : usable };
}

export type KeysVerdict =
  | (Extract<SignatureVerdict, { verified: true }> & {
      /** All that may sign the zone's data. */
      readonly keys: readonly ZoneKey[];
    })
  | { readonly verified: false; readonly reason: Reason };

/**
 * Verifies a zone's DNSKEY RRset: one of `usable` is of a key in it, and that key signed the set. One path that works is
 * enough (RFC 6840 §5.11).
 */
export function verifyKeys(
  set: RrSet,
  usable: readonly DsData[],
  terms: ValidationTerms,
): KeysVerdict {
  const keys = set.rdatas.flatMap((rdata) => toZoneKey(rdata, terms.algorithms) ?? []);
  const vouched = keys.filter((key) => isVouchedFor(key, set.name, { usable, terms }));
  if (vouched.length === 0) {
    return { verified: false, reason: terms.work.exceeded ?? explainNoKey(set, usable) };
  }
  const verdict = verifyRrSet(set, { apex: set.name, keys: vouched }, terms);
  return verdict.verified ? { ...verdict, keys } : verdict;
}

function isVouchedFor(
  key: ZoneKey,
  owner: DnsName,
  { usable, terms }: { readonly usable: readonly DsData[]; readonly terms: ValidationTerms },
): boolean {
  return usable
    .filter(({ keyTag, algorithm }) => keyTag === key.keyTag && algorithm === key.algorithm)
    .some(
      (ds) =>
        spend(terms, 'dsDigests') &&
        Buffer.compare(digestKey(owner, key.rdata, ds.digestType) ?? emptyDigest, ds.digest) === 0,
    );
}

/** Longer than no digest, so that it equals none. */
const emptyDigest = Uint8Array.of(0);

/** The digest of a DNSKEY record (RFC 4034 §5.1.4); undefined for an unsupported digest type. */
export function digestKey(
  owner: DnsName,
  rdata: Uint8Array,
  digestType: number,
): Uint8Array | undefined {
  const digest = digests.get(digestType);
  return digest && hash(digest.hash, Buffer.concat([foldName(owner), rdata]), 'buffer');
}

function explainNoKey(set: RrSet, usable: readonly DsData[]): Reason {
  const zone = formatName(set.name) || '.';
  const unflagged = set.rdatas.some(
    (rdata) =>
      rdata.length >= 4 &&
      !hasZoneFlag(decodeRdata(rdata, 'DNSKEY')) &&
      usable.some(({ keyTag }) => keyTag === keyTagOf(rdata)),
  );
  return unflagged
    ? reason('noZoneKeyBit', `the key of ${zone} that its DS record names is no zone key`)
    : reason('dnskeyMissing', `no key of ${zone} is one that its DS records name`);
}
