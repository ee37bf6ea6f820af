/**
 * A DNS message, walked strictly: all of it adds up or none of it counts.
 *
 * The walk finds the records and takes no RDATA apart, so a record of a type that nobody asked for may hold anything
 * (`decodeData` judges those that matter). Everything that DNSSEC validation needs is kept: owner names in the case
 * sent, RDATA octets, sections.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc1035.html#section-4.1 RFC 1035 §4.1}
 */
import { decodeEdns, type Edns } from './edns.ts';
import { type DnsName, readName } from './name.ts';
import {
  expectEnd,
  malformed,
  type Reader,
  readOctets,
  readUint8,
  readUint16,
  readUint32,
} from './reader.ts';
import { optType } from './record-type.ts';

/** The header's first four octets (RFC 1035 §4.1.1, RFC 4035 §3). */
export interface DnsHeader {
  readonly id: number;
  readonly response: boolean;
  readonly opcode: number;
  readonly authoritative: boolean;
  readonly truncated: boolean;
  readonly recursionDesired: boolean;
  readonly recursionAvailable: boolean;
  readonly authenticData: boolean;
  readonly checkingDisabled: boolean;
  /** The four bits in the header; {@link DnsMessage.rcode} is the whole code. */
  readonly rcode: number;
}

export interface DnsQuestion {
  readonly name: DnsName;
  readonly type: number;
  readonly class: number;
}

/** A record as sent. */
export interface ResourceRecord {
  readonly name: DnsName;
  readonly type: number;
  readonly class: number;
  readonly ttlSeconds: number;
  /** A view of the message, RDLENGTH octets; names in it may be compressed. */
  readonly rdata: Uint8Array;
  /** Where `rdata` begins in the message. */
  readonly rdataOffset: number;
}

export interface DnsMessage {
  /** What was decoded; compressed names in RDATA lead back into it. */
  readonly octets: Uint8Array;
  readonly header: DnsHeader;
  /** Response code with the upper bits from EDNS (RFC 6891 §6.1.3). */
  readonly rcode: number;
  readonly questions: readonly DnsQuestion[];
  readonly answers: readonly ResourceRecord[];
  readonly authorities: readonly ResourceRecord[];
  /** Without the OPT record, which is `edns`. */
  readonly additionals: readonly ResourceRecord[];
  readonly edns?: Edns;
}

interface Head {
  readonly header: DnsHeader;
  readonly counts: readonly [number, number, number, number];
}

/**
 * The most records that one message may hold. Real answers have dozens; 64 KB could hold 5,957, each with a name of 127
 * labels to take apart.
 */
const recordsMax = 1024;

/** RFC 2181 §8. */
const ttlMax = 0x7fff_ffff;

/**
 * Decodes a message: header, as many records as its counts say, and nothing behind them.
 *
 * @throws {TransportSecurityError} `dns-malformed`
 */
export function decodeMessage(octets: Uint8Array): DnsMessage {
  const reader: Reader = { message: octets, end: octets.length, offset: 0 };
  const { header, counts } = readHead(reader);
  const [questionCount, ...recordCounts] = counts;
  if (recordCounts.reduce((sum, count) => sum + count, questionCount) > recordsMax) {
    throw malformed(`over ${recordsMax} records in one message`);
  }
  const questions = times(questionCount, () => readQuestion(reader));
  const [answers = [], authorities = [], additionals = []] = recordCounts.map((count) =>
    times(count, () => readRecord(reader)),
  );
  expectEnd(reader, 'the message');
  const edns = findEdns(octets, additionals);
  return {
    octets,
    header,
    rcode: header.rcode + (edns?.extendedRcode ?? 0) * 16,
    questions,
    answers,
    authorities,
    additionals: additionals.filter(({ type }) => type !== optType),
    ...(edns === undefined ? {} : { edns }),
  };
}

/**
 * Reads the header alone, for a message whose rest may be missing.
 *
 * @throws {TransportSecurityError} `dns-malformed` under twelve octets
 */
export function decodeHeader(octets: Uint8Array): DnsHeader {
  return readHead({ message: octets, end: octets.length, offset: 0 }).header;
}

function readHead(reader: Reader): Head {
  const id = readUint16(reader);
  const first = readUint8(reader);
  const second = readUint8(reader);
  const header: DnsHeader = {
    id,
    response: (first & 0x80) !== 0,
    opcode: (first >> 3) & 0xf,
    authoritative: (first & 0x04) !== 0,
    truncated: (first & 0x02) !== 0,
    recursionDesired: (first & 0x01) !== 0,
    recursionAvailable: (second & 0x80) !== 0,
    authenticData: (second & 0x20) !== 0,
    checkingDisabled: (second & 0x10) !== 0,
    rcode: second & 0xf,
  };
  const counts = [
    readUint16(reader),
    readUint16(reader),
    readUint16(reader),
    readUint16(reader),
  ] as const;
  return { header, counts };
}

function readQuestion(reader: Reader): DnsQuestion {
  return { name: readName(reader), type: readUint16(reader), class: readUint16(reader) };
}

function readRecord(reader: Reader): ResourceRecord {
  const name = readName(reader);
  const type = readUint16(reader);
  const classField = readUint16(reader);
  const ttl = readUint32(reader);
  const length = readUint16(reader);
  const rdataOffset = reader.offset;
  const rdata = readOctets(reader, length);
  // RFC 2181 §8: a TTL with its top bit set counts as zero. In an OPT record the field is no TTL (RFC 6891 §6.1.3).
  const ttlSeconds = ttl > ttlMax && type !== optType ? 0 : ttl;
  return { name, type, class: classField, ttlSeconds, rdata, rdataOffset };
}

function findEdns(octets: Uint8Array, additionals: readonly ResourceRecord[]): Edns | undefined {
  const [opt, another] = additionals.filter(({ type }) => type === optType);
  if (opt === undefined) {
    return undefined;
  }
  // RFC 6891 §6.1.1 and §6.1.2: one of them at most, and its owner is the root.
  if (another !== undefined || opt.name.length !== 1) {
    throw malformed('more than one OPT record, or one that is not of the root');
  }
  return decodeEdns(opt.class, opt.ttlSeconds, rdataReader(octets, opt));
}

/** A reader over one record's RDATA, from which compressed names lead back into the message. */
export function rdataReader(octets: Uint8Array, record: ResourceRecord): Reader {
  const { rdataOffset, rdata } = record;
  return { message: octets, end: rdataOffset + rdata.length, offset: rdataOffset };
}

function times<T>(count: number, make: () => T): readonly T[] {
  const made: T[] = [];
  for (let number = 0; number < count; number += 1) {
    made.push(make());
  }
  return made;
}
