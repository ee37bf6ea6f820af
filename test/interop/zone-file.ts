/** Zones as files: every record in the form that any server reads, whatever its type (RFC 3597 §5). */
import type { SignedZone } from '../../bin/world/dnssec-signer.ts';
import {
  concat,
  encodeName,
  encodeRdata,
  type SignableRecord,
  typeNumbers,
  typeOf,
  u32,
} from '../../bin/world/dnssec-wire.ts';

const ttlSeconds = 300;

/** A zone that is to be signed by somebody else, or not at all; a SOA record is added. */
export function formatZone(origin: string, records: readonly SignableRecord[]): string {
  const soa = concat(
    encodeName(`ns.${origin}`),
    encodeName(`hostmaster.${origin}`),
    ...[1, 3_600, 600, 86_400, 60].map(u32),
  );
  return [
    formatRecord({ name: origin, type: typeNumbers.SOA, ttlSeconds, rdata: soa }),
    ...records.map((record) =>
      formatRecord({
        name: record.name,
        type: typeOf(record),
        ttlSeconds: record.ttlSeconds ?? ttlSeconds,
        rdata: encodeRdata(record),
      }),
    ),
  ].join('');
}

/** A zone of our own signer, with all that is wrong in it. */
export function formatSignedZone({ names, hashed }: SignedZone): string {
  const sets = [
    ...[...names.values()].flatMap((types) => [...types.values()]),
    ...hashed.map(({ set }) => set),
  ];
  return sets
    .flatMap(({ name, type, ttlSeconds: ttl, rdatas, signatures }) => [
      ...rdatas.map((rdata) => formatRecord({ name, type, ttlSeconds: ttl, rdata })),
      ...signatures.map((rdata) =>
        formatRecord({ name, type: typeNumbers.RRSIG, ttlSeconds: ttl, rdata }),
      ),
    ])
    .join('');
}

function formatRecord(record: {
  readonly name: string;
  readonly type: number;
  readonly ttlSeconds: number;
  readonly rdata: Uint8Array;
}): string {
  const { name, type, ttlSeconds: ttl, rdata } = record;
  const octets = Buffer.from(rdata).toString('hex');
  return `${name}. ${ttl} IN TYPE${type} \\# ${rdata.length} ${octets}\n`;
}
