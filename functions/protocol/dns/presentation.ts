/**
 * RDATA as zone files write it, for people.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc1035.html#section-5 RFC 1035 §5}
 * @see {@link https://www.rfc-editor.org/rfc/rfc3597.html#section-5 RFC 3597 §5} (types without a form of their own)
 * @see {@link https://www.rfc-editor.org/rfc/rfc4034.html RFC 4034} and {@link https://www.rfc-editor.org/rfc/rfc5155.html RFC 5155} (DNSSEC)
 */
import { TransportSecurityError } from '../errors.ts';
import { formatIpAddress } from '../ip-address.ts';
import { listTypes, type TypeBitmap } from './dnssec-data.ts';
import { type DnsName, formatName, readName } from './name.ts';
import { expectEnd, type Reader, readOctets, readUint8, readUint16, readUint32 } from './reader.ts';
import { decodeRdata } from './record-data.ts';
import { formatType, recordTypes } from './record-type.ts';

/** Formats a name with its trailing dot, as it has to be where it is not to be relative to anything. */
export function formatAbsoluteName(name: DnsName): string {
  return `${formatName(name)}.`;
}

/** Formats RDATA that stands for itself, in which no name is compressed. What does not fit its type is shown as octets. */
export function formatRdata(type: number, rdata: Uint8Array): string {
  const format = formats.get(type);
  const reader: Reader = { message: rdata, end: rdata.length, offset: 0 };
  try {
    const text = format?.(reader);
    if (text !== undefined) {
      expectEnd(reader, 'data');
      return text;
    }
  } catch (error) {
    if (!(error instanceof TransportSecurityError)) {
      throw error;
    }
    // Malformed for its type, so that octets are all that can be said of it.
  }
  return `\\# ${rdata.length} ${toHex(rdata)}`.trimEnd();
}

const readText = (reader: Reader): string => formatAbsoluteName(readName(reader));

const formats: ReadonlyMap<number, (reader: Reader) => string> = new Map([
  [recordTypes.A, (reader) => formatIpAddress({ family: 4, octets: readOctets(reader, 4) })],
  [recordTypes.AAAA, (reader) => formatIpAddress({ family: 6, octets: readOctets(reader, 16) })],
  [recordTypes.NS, readText],
  [recordTypes.CNAME, readText],
  [recordTypes.PTR, readText],
  [recordTypes.DNAME, readText],
  [recordTypes.MX, (reader) => `${readUint16(reader)} ${readText(reader)}`],
  [recordTypes.SOA, formatSoa],
  [recordTypes.TXT, formatTxt],
  [recordTypes.SRV, formatSrv],
  [recordTypes.DS, (reader) => `${readUint16(reader)} ${readUint8s(reader, 2)} ${readHex(reader)}`],
  [
    recordTypes.DNSKEY,
    (reader) => `${readUint16(reader)} ${readUint8s(reader, 2)} ${readBase64(reader)}`,
  ],
  [recordTypes.TLSA, (reader) => `${readUint8s(reader, 3)} ${readHex(reader)}`],
  [recordTypes.RRSIG, formatRrsig],
  [recordTypes.NSEC, formatNsec],
  [recordTypes.NSEC3, formatNsec3],
  [recordTypes.NSEC3PARAM, formatNsec3Param],
  [recordTypes.CAA, formatCaa],
]);

function readUint8s(reader: Reader, count: number): string {
  return Array.from({ length: count }, () => readUint8(reader)).join(' ');
}

function readRest(reader: Reader): Uint8Array {
  return readOctets(reader, reader.end - reader.offset);
}

function readHex(reader: Reader): string {
  return toHex(readRest(reader));
}

function readBase64(reader: Reader): string {
  return Buffer.from(readRest(reader)).toString('base64');
}

function toHex(octets: Uint8Array): string {
  return Buffer.from(octets).toString('hex').toUpperCase();
}

function formatSoa(reader: Reader): string {
  const names = [readText(reader), readText(reader)];
  const timers = Array.from({ length: 5 }, () => readUint32(reader));
  return [...names, ...timers].join(' ');
}

function formatTxt(reader: Reader): string {
  const strings: string[] = [];
  while (reader.offset < reader.end) {
    strings.push(quote(readOctets(reader, readUint8(reader))));
  }
  return strings.join(' ');
}

/** RFC 1035 §5.1: what is not plain, and what would end the string, as `\DDD`. */
function quote(octets: Uint8Array): string {
  const text = Array.from(octets, (octet) => {
    const char = String.fromCharCode(octet);
    return octet < 0x20 || octet > 0x7e || char === '"' || char === '\\'
      ? `\\${octet.toString().padStart(3, '0')}`
      : char;
  });
  return `"${text.join('')}"`;
}

function formatSrv(reader: Reader): string {
  const numbers = Array.from({ length: 3 }, () => readUint16(reader));
  return `${numbers.join(' ')} ${readText(reader)}`;
}

function formatRrsig(reader: Reader): string {
  const data = decodeRdata(readRest(reader), 'RRSIG');
  return [
    formatType(data.typeCovered),
    data.algorithm,
    data.labels,
    data.originalTtlSeconds,
    formatTime(data.expiration),
    formatTime(data.inception),
    data.keyTag,
    formatAbsoluteName(data.signer),
    Buffer.from(data.signature).toString('base64'),
  ].join(' ');
}

/** RFC 4034 §3.2: YYYYMMDDHHmmSS. */
function formatTime(epochSeconds: number): string {
  return new Date(epochSeconds * 1_000).toISOString().replace(/\.\d+Z$|\D/g, '');
}

function formatNsec(reader: Reader): string {
  const { next, types } = decodeRdata(readRest(reader), 'NSEC');
  return [formatAbsoluteName(next), ...formatTypes(types)].join(' ');
}

function formatNsec3(reader: Reader): string {
  const { nextHash, types, ...parameters } = decodeRdata(readRest(reader), 'NSEC3');
  return [...describeHashing(parameters), formatBase32Hex(nextHash), ...formatTypes(types)].join(
    ' ',
  );
}

function formatNsec3Param(reader: Reader): string {
  return describeHashing(decodeRdata(readRest(reader), 'NSEC3PARAM')).join(' ');
}

/** RFC 5155 §3.3: `-` stands for no salt. */
function describeHashing(parameters: {
  readonly hashAlgorithm: number;
  readonly flags: number;
  readonly iterations: number;
  readonly salt: Uint8Array;
}): readonly (string | number)[] {
  const { hashAlgorithm, flags, iterations, salt } = parameters;
  return [hashAlgorithm, flags, iterations, salt.length === 0 ? '-' : toHex(salt)];
}

function formatTypes(types: TypeBitmap): readonly string[] {
  return listTypes(types).map(formatType);
}

/** RFC 4648 §7, in lower case and without padding. */
function formatBase32Hex(octets: Uint8Array): string {
  const bits = Array.from(octets, (octet) => octet.toString(2).padStart(8, '0')).join('');
  const groups = bits.match(/.{1,5}/g) ?? [];
  return groups.map((group) => Number.parseInt(group.padEnd(5, '0'), 2).toString(32)).join('');
}

/** RFC 8659 §4.1.1. */
function formatCaa(reader: Reader): string {
  const flags = readUint8(reader);
  const tag = readOctets(reader, readUint8(reader));
  return `${flags} ${Buffer.from(tag)
    .toString('latin1')
    .replace(/[^A-Za-z0-9]/g, '?')} ${quote(readRest(reader))}`;
}
