/**
 * RDATA of the types that Sealpost understands, each decoded from exactly its octets.
 *
 * Own code instead of dns-packet's record codecs: those read past RDLENGTH, take a name's dots for label boundaries and
 * cannot follow a compressed name from a slice.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc1035.html#section-3.3 RFC 1035 §3.3, §3.4}
 * @see {@link https://www.rfc-editor.org/rfc/rfc3596.html#section-2.2 RFC 3596 §2.2} (AAAA)
 * @see {@link https://www.rfc-editor.org/rfc/rfc6698.html#section-2.1 RFC 6698 §2.1} (TLSA)
 * @see {@link https://www.rfc-editor.org/rfc/rfc6672.html#section-2.1 RFC 6672 §2.1} (DNAME)
 */
import { formatIpAddress } from '../ip-address.ts';
import type { RecordData } from './answer.ts';
import { type DnssecData, dnssecDecoders } from './dnssec-data.ts';
import { type DnsMessage, type ResourceRecord, rdataReader } from './message.ts';
import { type DnsName, foldName, formatName, readName } from './name.ts';
import {
  expectEnd,
  malformed,
  type Reader,
  readOctets,
  readUint8,
  readUint16,
  readUint32,
} from './reader.ts';
import { formatType } from './record-type.ts';

/** An SOA record's data (RFC 1035 §3.3.13), as far as negative answers need it. */
export interface SoaData {
  readonly serial: number;
  /** The longest that a denial may be kept (RFC 2308 §4). */
  readonly minimumSeconds: number;
}

/** Record type -> form of its data. */
export interface DecodedData extends RecordData, DnssecData {
  readonly SOA: SoaData;
  /** Lower-case name without trailing dot. */
  readonly NS: string;
  readonly DNAME: DnsName;
}

const decoders: { readonly [T in keyof DecodedData]: (rdata: Reader) => DecodedData[T] } = {
  A: (rdata) => formatIpAddress({ family: 4, octets: readOctets(rdata, 4) }),
  AAAA: (rdata) => formatIpAddress({ family: 6, octets: readOctets(rdata, 16) }),
  MX: (rdata) => ({ preference: readUint16(rdata), exchange: readHostText(rdata) }),
  TXT: readText,
  CNAME: readHostText,
  SOA: readSoa,
  NS: readHostText,
  DNAME: readName,
  TLSA: (rdata) => ({
    usage: readUint8(rdata),
    selector: readUint8(rdata),
    matchingType: readUint8(rdata),
    data: readOctets(rdata, rdata.end - rdata.offset),
  }),
  ...dnssecDecoders,
};

/**
 * Decodes a record's data. The data has to end where RDLENGTH says, no earlier and no later.
 *
 * Host names come in lower case, escaped where they are not plain (`formatName`); the root, as in a null MX, is ''.
 *
 * @throws {TransportSecurityError} `dns-malformed`
 */
export function decodeData<T extends keyof DecodedData>(
  message: DnsMessage,
  record: ResourceRecord,
  type: T,
): DecodedData[T] {
  return decodeWith(rdataReader(message.octets, record), type);
}

/**
 * Decodes RDATA that stands for itself, in which no name is compressed.
 *
 * @throws {TransportSecurityError} `dns-malformed`
 */
export function decodeRdata<T extends keyof DecodedData>(
  rdata: Uint8Array,
  type: T,
): DecodedData[T] {
  return decodeWith({ message: rdata, end: rdata.length, offset: 0 }, type);
}

/**
 * Holds RDATA that stands for itself against its type, if that is one of those understood here.
 *
 * @throws {TransportSecurityError} `dns-malformed`
 */
export function checkRdata(rdata: Uint8Array, type: number): void {
  const name = formatType(type);
  if (isDecoded(name)) {
    decodeRdata(rdata, name);
  }
}

function isDecoded(name: string): name is keyof DecodedData {
  return Object.hasOwn(decoders, name);
}

function decodeWith<T extends keyof DecodedData>(rdata: Reader, type: T): DecodedData[T] {
  const data = decoders[type](rdata);
  expectEnd(rdata, `${type} data`);
  return data;
}

function readHostText(rdata: Reader): string {
  return formatName(foldName(readName(rdata)));
}

/** RFC 1035 §3.3.14: one character-string or more; without a separator between them, as RFC 8461 §3.1 wants them. */
function readText(rdata: Reader): string {
  if (rdata.offset === rdata.end) {
    throw malformed('TXT data without a character-string');
  }
  const strings: string[] = [];
  while (rdata.offset < rdata.end) {
    const octets = readOctets(rdata, readUint8(rdata));
    strings.push(String.fromCharCode(...octets));
  }
  return strings.join('');
}

function readSoa(rdata: Reader): SoaData {
  readName(rdata); // primary server
  readName(rdata); // mailbox of who is responsible
  const serial = readUint32(rdata);
  readOctets(rdata, 12); // refresh, retry, expire: for secondaries
  return { serial, minimumSeconds: readUint32(rdata) };
}
