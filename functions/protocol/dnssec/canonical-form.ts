/**
 * The canonical form of RDATA: the octets that are signed.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc4034.html#section-6.2 RFC 4034 §6.2}
 * @see {@link https://www.rfc-editor.org/rfc/rfc6840.html#section-5.1 RFC 6840 §5.1} (which types have their names folded)
 */
import { type DnsMessage, type ResourceRecord, rdataReader } from '../dns/message.ts';
import { foldName, readName } from '../dns/name.ts';
import { readOctets, readUint8 } from '../dns/reader.ts';

/** A run of so many octets, a name to be expanded and folded, a character-string, or whatever is left. */
type Field = number | 'name' | 'string' | 'rest';

/**
 * The types that have names in their RDATA, by number, as RFC 4034 §6.2 lists them. Of its list, HINFO has no names and
 * NSEC keeps their case (RFC 6840 §5.1).
 *
 * Deviation: A6, given up in RFC 6563, is taken as it comes.
 */
const layouts: ReadonlyMap<number, readonly Field[]> = new Map([
  [2, ['name']], // NS
  [3, ['name']], // MD
  [4, ['name']], // MF
  [5, ['name']], // CNAME
  [6, ['name', 'name', 20]], // SOA
  [7, ['name']], // MB
  [8, ['name']], // MG
  [9, ['name']], // MR
  [12, ['name']], // PTR
  [14, ['name', 'name']], // MINFO
  [15, [2, 'name']], // MX
  [17, ['name', 'name']], // RP
  [18, [2, 'name']], // AFSDB
  [21, [2, 'name']], // RT
  [24, [18, 'name', 'rest']], // SIG
  [26, [2, 'name', 'name']], // PX
  [30, ['name', 'rest']], // NXT
  [33, [6, 'name']], // SRV
  [35, [4, 'string', 'string', 'string', 'name']], // NAPTR
  [36, [2, 'name']], // KX
  [39, ['name']], // DNAME
  [46, [18, 'name', 'rest']], // RRSIG
]);

/**
 * A record's RDATA with its names uncompressed and in lower case, in octets of its own, so that what is kept of a message
 * does not keep the message.
 *
 * @throws {TransportSecurityError} `dns-malformed`
 */
export function canonicalRdata(message: DnsMessage, record: ResourceRecord): Uint8Array {
  const layout = layouts.get(record.type);
  if (layout === undefined) {
    return record.rdata.slice();
  }
  const reader = rdataReader(message.octets, record);
  const pieces = layout.map((field) => {
    switch (field) {
      case 'name':
        return foldName(readName(reader));
      case 'string': {
        const length = readUint8(reader);
        return Uint8Array.of(length, ...readOctets(reader, length));
      }
      default:
        return readOctets(reader, field === 'rest' ? reader.end - reader.offset : field);
    }
  });
  // Octets behind the last field are no part of any such record; left here they make the signature fail.
  pieces.push(readOctets(reader, reader.end - reader.offset));
  return Buffer.concat(pieces);
}
