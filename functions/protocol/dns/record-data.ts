/**
 * RDATA of the types that Sealpost asks for, each decoded from exactly its octets.
 *
 * Own code instead of dns-packet's record codecs: those read past RDLENGTH, take a name's dots for label boundaries and
 * cannot follow a compressed name from a slice.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc1035.html#section-3.3 RFC 1035 §3.3, §3.4}
 * @see {@link https://www.rfc-editor.org/rfc/rfc3596.html#section-2.2 RFC 3596 §2.2} (AAAA)
 */
import { formatIpAddress } from '../ip-address.ts';
import type { RecordData } from './answer.ts';
import { type DnsMessage, type ResourceRecord, rdataReader } from './message.ts';
import { foldName, formatName, readName } from './name.ts';
import {
  expectEnd,
  malformed,
  type Reader,
  readOctets,
  readUint8,
  readUint16,
  readUint32,
} from './reader.ts';

/** An SOA record's data (RFC 1035 §3.3.13), as far as negative answers need it. */
export interface SoaData {
  readonly serial: number;
  /** The longest that a denial may be kept (RFC 2308 §4). */
  readonly minimumSeconds: number;
}

/** Record type -> form of its data. */
export interface DecodedData extends RecordData {
  readonly SOA: SoaData;
}

const decoders: { readonly [T in keyof DecodedData]: (rdata: Reader) => DecodedData[T] } = {
  A: (rdata) => formatIpAddress({ family: 4, octets: readOctets(rdata, 4) }),
  AAAA: (rdata) => formatIpAddress({ family: 6, octets: readOctets(rdata, 16) }),
  MX: (rdata) => ({ preference: readUint16(rdata), exchange: readHostText(rdata) }),
  TXT: readText,
  CNAME: readHostText,
  SOA: readSoa,
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
  const rdata = rdataReader(message.octets, record);
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
