/**
 * Reading octets of a DNS message in order, within a bound that is checked at each step.
 *
 * One bound serves both exactnesses of the format: a message has no octet after its last record, and RDATA none after
 * its last field (RFC 1035 §4.1.3, RDLENGTH).
 */
import { TransportSecurityError } from '../errors.ts';

/** A place in a message. `offset` moves as fields are read and never passes `end`. */
export interface Reader {
  /** The whole message: a compressed name points back into it from anywhere (RFC 1035 §4.1.4). */
  readonly message: Uint8Array;
  readonly end: number;
  offset: number;
}

/** The error of everything in `protocol/dns` that does not keep to the wire format: `dns-malformed`. */
export function malformed(reason: string): TransportSecurityError {
  return new TransportSecurityError('dns-malformed', reason);
}

/** Reads one octet. @throws {TransportSecurityError} `dns-malformed` at the bound */
export function readUint8(reader: Reader): number {
  const octet = reader.offset < reader.end ? reader.message[reader.offset] : undefined;
  if (octet === undefined) {
    throw malformed(`data ends at octet ${reader.offset}, inside a field`);
  }
  reader.offset += 1;
  return octet;
}

/** Reads two octets, most significant first. @throws {TransportSecurityError} `dns-malformed` at the bound */
export function readUint16(reader: Reader): number {
  return readUint8(reader) * 0x100 + readUint8(reader);
}

/** Reads four octets, most significant first. @throws {TransportSecurityError} `dns-malformed` at the bound */
export function readUint32(reader: Reader): number {
  return readUint16(reader) * 0x1_0000 + readUint16(reader);
}

/** Reads `length` octets as a view of the message. @throws {TransportSecurityError} `dns-malformed` at the bound */
export function readOctets(reader: Reader, length: number): Uint8Array {
  const start = reader.offset;
  if (length > reader.end - start) {
    throw malformed(`${length} octets announced at ${start}, ${reader.end - start} there`);
  }
  reader.offset += length;
  return reader.message.subarray(start, reader.offset);
}

/** Asserts that everything up to the bound was read. @throws {TransportSecurityError} `dns-malformed` */
export function expectEnd(reader: Reader, what: string): void {
  if (reader.offset !== reader.end) {
    throw malformed(`${reader.end - reader.offset} octets too many in ${what}`);
  }
}
