/**
 * RDATA of the record types of DNSSEC. Names in it stay in wire form, since whole proofs hang on their order and case.
 *
 * What the fields mean, and which values count, is for `protocol/dnssec` to say.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc4034.html RFC 4034} (DNSKEY, RRSIG, NSEC, DS)
 * @see {@link https://www.rfc-editor.org/rfc/rfc5155.html#section-3 RFC 5155 §3, §4} (NSEC3, NSEC3PARAM)
 */
import { type DnsName, readName } from './name.ts';
import { malformed, type Reader, readOctets, readUint8, readUint16, readUint32 } from './reader.ts';

/** RFC 4034 §2.1. */
export interface DnskeyData {
  readonly flags: number;
  readonly protocol: number;
  readonly algorithm: number;
  readonly publicKey: Uint8Array;
}

/** RFC 4034 §5.1. */
export interface DsData {
  readonly keyTag: number;
  readonly algorithm: number;
  readonly digestType: number;
  readonly digest: Uint8Array;
}

/** RFC 4034 §3.1. */
export interface RrsigData {
  readonly typeCovered: number;
  readonly algorithm: number;
  readonly labels: number;
  readonly originalTtlSeconds: number;
  /** Seconds since 1970 modulo 2^32, to be compared in serial arithmetic (RFC 4034 §3.1.5). */
  readonly expiration: number;
  readonly inception: number;
  readonly keyTag: number;
  readonly signer: DnsName;
  readonly signature: Uint8Array;
}

/**
 * A list of record types as sent, its windows checked (RFC 4034 §4.1.2); ask it with {@link bitmapHas}.
 *
 * Kept as octets: as a set of numbers, one message of 64 KB could blow up to half a million of them.
 */
export type TypeBitmap = Uint8Array;

/** RFC 4034 §4.1. */
export interface NsecData {
  readonly next: DnsName;
  readonly types: TypeBitmap;
}

/** RFC 5155 §4.2, and the beginning of NSEC3. */
export interface Nsec3ParamData {
  readonly hashAlgorithm: number;
  readonly flags: number;
  readonly iterations: number;
  readonly salt: Uint8Array;
}

/** RFC 5155 §3.2. */
export interface Nsec3Data extends Nsec3ParamData {
  readonly nextHash: Uint8Array;
  readonly types: TypeBitmap;
}

/** Record type -> form of its data. */
export interface DnssecData {
  readonly DS: DsData;
  readonly RRSIG: RrsigData;
  readonly NSEC: NsecData;
  readonly DNSKEY: DnskeyData;
  readonly NSEC3: Nsec3Data;
  readonly NSEC3PARAM: Nsec3ParamData;
}

/** Readers of one record's RDATA. @throws {TransportSecurityError} `dns-malformed` */
export const dnssecDecoders: {
  readonly [T in keyof DnssecData]: (rdata: Reader) => DnssecData[T];
} = {
  DS: (rdata) => ({
    keyTag: readUint16(rdata),
    algorithm: readUint8(rdata),
    digestType: readUint8(rdata),
    digest: readRest(rdata),
  }),
  RRSIG: (rdata) => ({
    typeCovered: readUint16(rdata),
    algorithm: readUint8(rdata),
    labels: readUint8(rdata),
    originalTtlSeconds: readUint32(rdata),
    expiration: readUint32(rdata),
    inception: readUint32(rdata),
    keyTag: readUint16(rdata),
    signer: readName(rdata),
    signature: readRest(rdata),
  }),
  NSEC: (rdata) => ({ next: readName(rdata), types: readTypeBitmap(rdata) }),
  DNSKEY: (rdata) => ({
    flags: readUint16(rdata),
    protocol: readUint8(rdata),
    algorithm: readUint8(rdata),
    publicKey: readRest(rdata),
  }),
  NSEC3: (rdata) => ({
    ...readNsec3Param(rdata),
    nextHash: readOctets(rdata, readUint8(rdata)),
    types: readTypeBitmap(rdata),
  }),
  NSEC3PARAM: readNsec3Param,
};

function readNsec3Param(rdata: Reader): Nsec3ParamData {
  return {
    hashAlgorithm: readUint8(rdata),
    flags: readUint8(rdata),
    iterations: readUint16(rdata),
    salt: readOctets(rdata, readUint8(rdata)),
  };
}

function readRest(rdata: Reader): Uint8Array {
  return readOctets(rdata, rdata.end - rdata.offset);
}

/** RFC 4034 §4.1.2: windows in ascending order, each with 1 to 32 octets. */
function readTypeBitmap(rdata: Reader): TypeBitmap {
  const start = rdata.offset;
  for (let previous = -1; rdata.offset < rdata.end; ) {
    const window = readUint8(rdata);
    const length = readUint8(rdata);
    if (window <= previous || length < 1 || length > 32) {
      throw malformed(`a type bitmap with window ${window} of ${length} octets`);
    }
    readOctets(rdata, length);
    previous = window;
  }
  return rdata.message.subarray(start, rdata.offset);
}

/** Reports whether a type is in the list. */
export function bitmapHas(types: TypeBitmap, type: number): boolean {
  const window = type >> 8;
  for (let at = 0; at < types.length; at += 2 + (types[at + 1] ?? 0)) {
    if (types[at] === window) {
      const index = (type & 0xff) >> 3;
      const octet = index < (types[at + 1] ?? 0) ? (types[at + 2 + index] ?? 0) : 0;
      return (octet & (0x80 >> (type & 7))) !== 0;
    }
  }
  return false;
}

/** All types in the list, in ascending order. */
export function listTypes(types: TypeBitmap): readonly number[] {
  const listed: number[] = [];
  for (let at = 0; at < types.length; at += 2 + (types[at + 1] ?? 0)) {
    const octets = types.subarray(at + 2, at + 2 + (types[at + 1] ?? 0));
    for (let bit = 0; bit < octets.length * 8; bit += 1) {
      if (((octets[bit >> 3] ?? 0) & (0x80 >> (bit & 7))) !== 0) {
        listed.push((types[at] ?? 0) * 0x100 + bit);
      }
    }
  }
  return listed;
}
