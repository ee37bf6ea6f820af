/**
 * Questions to a recursive resolver, and which octets that come back are an answer to them.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc1035.html#section-4.1 RFC 1035 §4.1}
 * @see {@link https://www.rfc-editor.org/rfc/rfc6891.html RFC 6891} (EDNS)
 */
import { TransportSecurityError } from '../errors.ts';
import { type DnsMessage, decodeHeader, decodeMessage } from './message.ts';
import type { DnsName } from './name.ts';
import { internetClass, optType } from './record-type.ts';

/**
 * The UDP payload that we announce: what fits through any path without fragments, which are easier to forge than whole
 * datagrams.
 */
export const udpPayloadBytes = 1232;

const headerOctets = 12;
const optOctets = 11;

export interface QueryFields {
  /** 0 to 65535, not to be guessed by anybody who could forge an answer (RFC 5452 §9.2). */
  readonly id: number;
  readonly name: DnsName;
  readonly type: number;
  /**
   * Whether signatures are wanted (DO, RFC 3225), and data that the server itself could not validate too (CD, RFC 6840
   * §5.9). Default: false.
   */
  readonly dnssec?: boolean;
}

/** Encodes a query with one question of class IN, RD set, and an OPT record. */
export function encodeQuery({ id, name, type, dnssec = false }: QueryFields): Uint8Array {
  const octets = new Uint8Array(headerOctets + name.length + 4 + optOctets);
  const view = new DataView(octets.buffer);
  view.setUint16(0, id);
  view.setUint16(2, dnssec ? 0x0110 : 0x0100); // RD, CD
  view.setUint16(4, 1); // one question
  view.setUint16(10, 1); // one additional record
  octets.set(name, headerOctets);
  const behindName = headerOctets + name.length;
  view.setUint16(behindName, type);
  view.setUint16(behindName + 2, internetClass);
  // OPT: the root as owner, type, payload size, then extended RCODE and version, which stay zero, flags, and RDLENGTH 0.
  view.setUint16(behindName + 5, optType);
  view.setUint16(behindName + 7, udpPayloadBytes);
  view.setUint16(behindName + 11, dnssec ? 0x8000 : 0); // DO
  return octets;
}

/**
 * What some octets are to a query that is waiting.
 *
 * `foreign`: not an answer to it, so somebody else's or a forgery; `truncated`: the answer is to be had over TCP;
 * `malformed`: an answer to it by id and question, and beyond use.
 */
export type Reception =
  | { readonly kind: 'response'; readonly message: DnsMessage }
  | { readonly kind: 'truncated' }
  | { readonly kind: 'foreign' | 'malformed'; readonly reason: string };

/**
 * Judges octets received in answer to `query`, one of {@link encodeQuery}.
 *
 * An answer has the id, QR set, the opcode and the one question of the query, octet by octet (RFC 5452 §9.1). With TC set
 * nothing behind the question is looked at: it may end anywhere (RFC 2181 §9).
 */
export function receiveResponse(query: Uint8Array, octets: Uint8Array): Reception {
  try {
    const header = decodeHeader(octets);
    if (!header.response || header.opcode !== 0 || !echoes(query, octets)) {
      return { kind: 'foreign', reason: 'another id or question' };
    }
    return header.truncated
      ? { kind: 'truncated' }
      : { kind: 'response', message: decodeMessage(octets) };
  } catch (error) {
    if (!(error instanceof TransportSecurityError)) {
      throw error;
    }
    const kind = octets.length < headerOctets ? 'foreign' : 'malformed';
    return { kind, reason: error.message };
  }
}

/** Whether id, QDCOUNT and question section are those of the query. */
function echoes(query: Uint8Array, octets: Uint8Array): boolean {
  const sameOctets = (start: number, end: number): boolean =>
    octets.length >= end &&
    query.subarray(start, end).every((octet, index) => octet === octets[start + index]);
  return sameOctets(0, 2) && sameOctets(4, 6) && sameOctets(headerOctets, query.length - optOctets);
}
