/**
 * RRsets: the records of one name and type, which are signed together.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc2181.html#section-5 RFC 2181 §5}
 * @see {@link https://www.rfc-editor.org/rfc/rfc4034.html#section-6.3 RFC 4034 §6.3} (order)
 */
import type { RrsigData } from '../dns/dnssec-data.ts';
import type { DnsMessage, ResourceRecord } from '../dns/message.ts';
import { type DnsName, formatName, sameName } from '../dns/name.ts';
import { malformed } from '../dns/reader.ts';
import { decodeData } from '../dns/record-data.ts';
import { formatType, internetClass, recordTypes } from '../dns/record-type.ts';
import { TransportSecurityError } from '../errors.ts';
import { canonicalRdata } from './canonical-form.ts';

export interface RrSet {
  /** As its first record spelt it. */
  readonly name: DnsName;
  readonly type: number;
  /** The smallest of its records (RFC 2181 §5.2). */
  readonly ttlSeconds: number;
  /** In canonical form and order, none twice. */
  readonly rdatas: readonly Uint8Array[];
  /** The RRSIG records of the same section that cover it. */
  readonly signatures: readonly RrsigData[];
}

/** RRsets of more records are refused: a part of a set may lack the record that matters. */
const recordsPerSetMax = 100;

/**
 * Collects the RRset of a name and type, wherever its records stand in the section; undefined where there is none.
 *
 * @throws {TransportSecurityError} `dns-malformed` for a malformed record, or over 100 of them
 */
export function findRrSet(
  message: DnsMessage,
  section: 'answers' | 'authorities',
  { name, type }: { readonly name: DnsName; readonly type: number },
): RrSet | undefined {
  const records = message[section].filter(
    (record) => isOf(record, type) && sameName(record.name, name),
  );
  const [first] = records;
  if (first === undefined) {
    return undefined;
  }
  if (records.length > recordsPerSetMax) {
    throw malformed(
      `${records.length} ${formatType(type)} records of one name, over ${recordsPerSetMax}`,
    );
  }
  return {
    name: first.name.slice(),
    type,
    ttlSeconds: Math.min(...records.map(({ ttlSeconds }) => ttlSeconds)),
    rdatas: sortRdatas(records.map((record) => canonicalRdata(message, record))),
    signatures: message[section].flatMap((record) =>
      isOf(record, recordTypes.RRSIG) && sameName(record.name, name)
        ? decodeCovering(message, record, type)
        : [],
    ),
  };
}

/** The owner names in a section of records of a type, each once, at most `max` of them. */
export function findOwners(
  section: readonly ResourceRecord[],
  type: number,
  max: number,
): readonly DnsName[] {
  const owners: DnsName[] = [];
  for (const record of section) {
    if (owners.length === max) {
      break;
    }
    if (isOf(record, type) && !owners.some((owner) => sameName(owner, record.name))) {
      owners.push(record.name);
    }
  }
  return owners;
}

/** A set for people: `example.com MX`. */
export function formatSet({ name, type }: Pick<RrSet, 'name' | 'type'>): string {
  return `${formatName(name) || '.'} ${formatType(type)}`;
}

function isOf(record: ResourceRecord, type: number): boolean {
  return record.type === type && record.class === internetClass;
}

/** A signature that cannot be read verifies nothing, and is no reason to lose those beside it. */
function decodeCovering(
  message: DnsMessage,
  record: ResourceRecord,
  type: number,
): readonly RrsigData[] {
  try {
    const signature = decodeData(message, record, 'RRSIG');
    return signature.typeCovered === type
      ? [{ ...signature, signature: signature.signature.slice() }]
      : [];
  } catch (error) {
    if (error instanceof TransportSecurityError) {
      return [];
    }
    throw error;
  }
}

/** RFC 4034 §6.3: as octet strings, what is missing before what is there, and none twice. */
function sortRdatas(rdatas: readonly Uint8Array[]): readonly Uint8Array[] {
  return [...rdatas]
    .sort(Buffer.compare)
    .filter(
      (rdata, index, all) => index === 0 || Buffer.compare(all[index - 1] ?? rdata, rdata) !== 0,
    );
}
