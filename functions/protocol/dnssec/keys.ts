/**
 * The keys of a zone.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc4034.html#section-2 RFC 4034 §2, Appendix B}
 * @see {@link https://www.rfc-editor.org/rfc/rfc5011.html#section-2.1 RFC 5011 §2.1} (REVOKE)
 */
import type { DnskeyData } from '../dns/dnssec-data.ts';
import { decodeRdata } from '../dns/record-data.ts';
import type { AlgorithmTable, Verifier } from './algorithms.ts';

/** A DNSKEY record that may sign a zone's data. */
export interface ZoneKey extends DnskeyData {
  readonly keyTag: number;
  readonly rdata: Uint8Array;
  /** False for a key that cannot be used as well. */
  readonly verify: Verifier;
}

const zoneKeyFlag = 0x0100;
const revokeFlag = 0x0080;
const dnssecProtocol = 3;

/** The key tag of a DNSKEY record's RDATA (RFC 4034 Appendix B): a hint at a key, shared by any number of them. */
export function keyTagOf(rdata: Uint8Array): number {
  let sum = 0;
  for (let at = 0; at < rdata.length; at += 1) {
    const octet = rdata[at] ?? 0;
    sum += at % 2 === 0 ? octet * 0x100 : octet;
  }
  return (sum + Math.floor(sum / 0x1_0000)) & 0xffff;
}

/**
 * Takes a DNSKEY record as a zone's key, its public key made usable when it is first needed; undefined where it may not
 * sign a zone's data or its algorithm is not in the table.
 */
export function toZoneKey(rdata: Uint8Array, algorithms: AlgorithmTable): ZoneKey | undefined {
  // Below four octets it has no algorithm; it is still part of what the zone signed.
  const key = rdata.length < 4 ? undefined : decodeRdata(rdata, 'DNSKEY');
  const algorithm = key && algorithms.get(key.algorithm);
  if (key === undefined || algorithm === undefined || !maySignZone(key)) {
    return undefined;
  }
  let verifier: Verifier | undefined | null = null;
  const verify: Verifier = (data, signature) => {
    if (verifier === null) {
      verifier = algorithm.createVerifier(key.publicKey);
    }
    return verifier?.(data, signature) ?? false;
  };
  return { ...key, keyTag: keyTagOf(rdata), rdata, verify };
}

/**
 * RFC 4034 §2.1.1 and §2.1.2: no key without the zone flag, and none of another protocol, verifies anything. RFC 5011
 * §2.1: nor does one that says itself that it is revoked.
 */
function maySignZone({ flags, protocol }: DnskeyData): boolean {
  return (flags & zoneKeyFlag) !== 0 && (flags & revokeFlag) === 0 && protocol === dnssecProtocol;
}

/** Reports whether the zone flag is set, the lack of which has a code of its own (RFC 8914 §4.12). */
export function hasZoneFlag({ flags }: DnskeyData): boolean {
  return (flags & zoneKeyFlag) !== 0;
}
