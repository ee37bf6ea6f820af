/** The simulated internet's DNS messages on the wire (RFC 1035 §4, EDNS(0) by RFC 6891). */
import {
  type Answer,
  AUTHORITATIVE_ANSWER,
  type DecodedPacket,
  decode,
  encode,
  type OptAnswer,
  type Question,
  RECURSION_AVAILABLE,
  RECURSION_DESIRED,
  TRUNCATED_RESPONSE,
} from 'dns-packet';
import type { ZoneRecord } from './zone.ts';

/** Header values of RFC 1035 §4.1.1. */
const rcodes = { NOERROR: 0, FORMERR: 1, SERVFAIL: 2, NXDOMAIN: 3, REFUSED: 5 } as const;

/** The response codes that this server sends. */
export type Rcode = keyof typeof rcodes;

/** What this server takes and sends by UDP (RFC 6891 §6.2.3; larger ones would be fragmented on a real network). */
const udpPayloadMax = 1232;

/** RFC 1035 §4.2.1, for a client that does not speak EDNS. */
const plainPayloadMax = 512;

/** A question with what else the query said. */
export interface DnsQuery {
  readonly id: number;
  /** As the client spelt it; answers repeat that (a client may check the case). */
  readonly question: Question;
  /** Lower case, without trailing dot. */
  readonly name: string;
  readonly type: string;
  readonly recursionDesired: boolean;
  /** Whether the client speaks EDNS, and whether it wants signatures (RFC 3225). */
  readonly edns: boolean;
  readonly dnssecOk: boolean;
  /** Octets that it takes by UDP. */
  readonly payloadMax: number;
}

/** What goes into a response beside the question. */
export interface DnsResponse {
  readonly rcode: Rcode;
  readonly records: readonly ZoneRecord[];
  /** The origin whose SOA goes into the authority section. */
  readonly soaOf?: string;
  readonly serial: number;
}

/** Reads a query; undefined where it is none that deserves an answer. */
export function decodeQuery(message: Buffer): DnsQuery | undefined {
  let packet: DecodedPacket;
  try {
    packet = decode(message);
  } catch {
    // Whoever sends this has no question that could be answered.
    return undefined;
  }
  const [question, ...more] = packet.questions ?? [];
  if (packet.flag_qr || question === undefined || more.length > 0) {
    return undefined;
  }
  const opt = packet.additionals?.find((record): record is OptAnswer => record.type === 'OPT');
  return {
    id: packet.id ?? 0,
    question,
    name: question.name.toLowerCase().replace(/\.$/, ''),
    type: question.type,
    recursionDesired: packet.flag_rd,
    edns: opt !== undefined,
    dnssecOk: opt?.flag_do ?? false,
    payloadMax: Math.min(Math.max(opt?.udpPayloadSize ?? 0, plainPayloadMax), udpPayloadMax),
  };
}

/** Writes a response; with `truncated`, TC and no records (RFC 2181 §9). */
export function encodeResponse(query: DnsQuery, response: DnsResponse, truncated = false): Buffer {
  const { rcode, records, soaOf, serial } = response;
  const flags =
    // The functions ask this server as they ask a resolver, so it says both: this is mine, and I recurse.
    AUTHORITATIVE_ANSWER |
    RECURSION_AVAILABLE |
    (query.recursionDesired ? RECURSION_DESIRED : 0) |
    (truncated ? TRUNCATED_RESPONSE : 0) |
    rcodes[rcode];
  const soa = soaOf === undefined || truncated ? [] : [soaAnswer(soaOf, serial)];
  return encode({
    type: 'response',
    id: query.id,
    flags,
    questions: [query.question],
    answers: truncated ? [] : records.map((record) => toAnswer(record, query)),
    authorities: soa,
    additionals: query.edns ? [optAnswer(query.dnssecOk)] : [],
  });
}

/** A header that promises one answer, and octets that are none. */
export function encodeMalformed(query: DnsQuery): Buffer {
  const message = encodeResponse(query, { rcode: 'NOERROR', records: [], serial: 0 });
  message.writeUInt16BE(1, 6);
  return Buffer.concat([message, Buffer.from([0xc0, 0xff, 0x00, 0x0f, 0x00])]);
}

function toAnswer(record: ZoneRecord, query: DnsQuery): Answer {
  const name = record.name === query.name ? query.question.name : record.name;
  // Default 0: the world changes while it runs, and a change shall be seen at once.
  const common = { name, ttl: record.ttlSeconds ?? 0, class: 'IN' } as const;
  switch (record.type) {
    case 'MX':
      return {
        ...common,
        type: 'MX',
        data: { preference: record.preference, exchange: record.exchange },
      };
    case 'TXT':
      return { ...common, type: 'TXT', data: characterStrings(record.data) };
    case 'TLSA': {
      const { usage, selector, matchingType, data } = record;
      const certificate = Buffer.from(data);
      return { ...common, type: 'TLSA', data: { usage, selector, matchingType, certificate } };
    }
    default:
      return { ...common, type: record.type, data: record.data };
  }
}

/** RFC 1035 §3.3: at most 255 octets each. */
function characterStrings(data: string | readonly string[]): Buffer[] {
  if (typeof data !== 'string') {
    return data.map((text) => Buffer.from(text));
  }
  const octets = Buffer.from(data);
  const strings: Buffer[] = [];
  for (let offset = 0; offset === 0 || offset < octets.length; offset += 255) {
    strings.push(octets.subarray(offset, offset + 255));
  }
  return strings;
}

function soaAnswer(origin: string, serial: number): Answer {
  const below = (label: string): string => (origin === '' ? label : `${label}.${origin}`);
  return {
    type: 'SOA',
    name: origin === '' ? '.' : origin,
    ttl: 0,
    class: 'IN',
    data: {
      mname: below('ns'),
      rname: below('hostmaster'),
      serial,
      refresh: 3_600,
      retry: 600,
      expire: 86_400,
      minimum: 0,
    },
  };
}

function optAnswer(dnssecOk: boolean): OptAnswer {
  return {
    type: 'OPT',
    name: '.',
    udpPayloadSize: udpPayloadMax,
    extendedRcode: 0,
    ednsVersion: 0,
    flags: dnssecOk ? 0x8000 : 0,
    flag_do: dnssecOk,
    options: [],
  };
}
