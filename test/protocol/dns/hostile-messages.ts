/** Messages of a signed zone, changed at random, and a walk through all that can be read in them. */
import { answerSigned, encodeSignedAnswer } from '../../../bin/world/dnssec-answers.ts';
import { decodeMessage, type ResourceRecord } from '../../../functions/protocol/dns/message.ts';
import { parseName } from '../../../functions/protocol/dns/name.ts';
import { encodeQuery } from '../../../functions/protocol/dns/query.ts';
import { type DecodedData, decodeData } from '../../../functions/protocol/dns/record-data.ts';
import { recordTypes } from '../../../functions/protocol/dns/record-type.ts';
import { findRrSet } from '../../../functions/protocol/dnssec/rrset.ts';
import { TransportSecurityError } from '../../../functions/protocol/errors.ts';
import { signTree } from '../../resolving/signed-world.ts';

const decoded = [
  ...['A', 'AAAA', 'MX', 'TXT', 'CNAME', 'TLSA', 'SOA'],
  ...['DNAME', 'DS', 'RRSIG', 'NSEC', 'DNSKEY', 'NSEC3'],
] as readonly (keyof DecodedData & keyof typeof recordTypes)[];

/** Well-formed answers of all kinds that validation meets. */
export function makeSeeds(): readonly Uint8Array[] {
  const zones = [
    ...signTree([{ origin: '' }, { origin: 'test' }, { origin: 'seed.test', records }]),
    ...signTree([{ origin: 'hashed.test', denial: nsec3, records: [] }]),
  ];
  return questions.map(([name, type]) => {
    const query = encodeQuery({ id: 0, name: parseName(name), type, dnssec: true });
    return encodeSignedAnswer(query, answerSigned(zones, { name, type }));
  });
}

const nsec3 = { kind: 'NSEC3', iterations: 1, salt: Uint8Array.of(1, 2), optOut: true } as const;
const records = [
  { name: 'seed.test', type: 'MX', preference: 10, exchange: 'mx.seed.test' },
  { name: 'seed.test', type: 'TXT', data: ['one', 'two'] },
  { name: 'mx.seed.test', type: 'A', data: '192.0.2.1' },
  { name: 'mx.seed.test', type: 'AAAA', data: '2001:db8::1' },
  { name: 'alias.seed.test', type: 'CNAME', data: 'mx.seed.test' },
  { name: 'dname.seed.test', type: 'DNAME', data: 'seed.test' },
  { name: '*.wild.seed.test', type: 'A', data: '192.0.2.2' },
  {
    name: '_25._tcp.mx.seed.test',
    type: 'TLSA',
    usage: 3,
    selector: 1,
    matchingType: 1,
    data: new Uint8Array(32),
  },
] as const;

const { A, AAAA, MX, TXT, TLSA, DS, DNSKEY, SOA } = recordTypes;
const questions: readonly (readonly [string, number])[] = [
  ['seed.test', MX],
  ['seed.test', TXT],
  ['seed.test', DNSKEY],
  ['seed.test', DS],
  ['seed.test', SOA],
  ['mx.seed.test', AAAA],
  ['alias.seed.test', A],
  ['mx.dname.seed.test', A],
  ['x.wild.seed.test', A],
  ['_25._tcp.mx.seed.test', TLSA],
  ['nope.seed.test', A],
  ['nope.hashed.test', A],
  ['hashed.test', MX],
];

/** As many of a section are looked for as a validator looks for. */
const setsMax = 16;

type Random = (below: number) => number;

/** Makes a message that is wrong in one to six places, or right by chance. */
export function mutate(seeds: readonly Uint8Array[], random: Random): Uint8Array {
  let octets: Uint8Array = Uint8Array.from(seeds[random(seeds.length)] ?? []);
  for (let changes = 1 + random(6); changes > 0 && octets.length > 0; changes -= 1) {
    octets = change(octets, random);
  }
  return octets;
}

function change(octets: Uint8Array, random: Random): Uint8Array {
  const at = random(octets.length);
  const to = at + random(Math.min(200, octets.length - at) + 1);
  switch (random(8)) {
    case 0:
      return octets.with(at, random(256));
    case 1:
      return octets.with(at, (octets[at] ?? 0) ^ (1 << random(8)));
    case 2:
      return setPair(octets, at, 0xc000 + random(octets.length));
    case 3:
      return setPair(octets, at, [0, 1, 0xff, 0xffff][random(4)] ?? 0);
    case 4:
      // One of the counts.
      return setPair(octets, 4 + 2 * random(4), random(8));
    case 5:
      return octets.slice(0, at);
    case 6:
      return Uint8Array.of(...octets.subarray(0, to), ...octets.subarray(at));
    default:
      return Uint8Array.of(...octets.subarray(0, at), ...octets.subarray(to));
  }
}

function setPair(octets: Uint8Array, at: number, value: number): Uint8Array {
  const changed = octets.slice();
  changed.set(
    [value >> 8, value & 0xff].slice(0, Math.max(0, octets.length - at)),
    Math.min(at, octets.length),
  );
  return changed;
}

/**
 * Reads all of a message: every record as what it is and as something else, every RRset in canonical form. True where the message is well-formed.
 *
 * Throws what is not a {@link TransportSecurityError} for malformed octets.
 */
export function walkMessage(octets: Uint8Array): boolean {
  const message = refuse(() => decodeMessage(octets));
  if (message === undefined) {
    return false;
  }
  for (const section of ['answers', 'authorities'] as const) {
    for (const { name, type } of message[section].slice(0, setsMax)) {
      refuse(() => findRrSet(message, section, { name, type }));
    }
  }
  const all: readonly ResourceRecord[] = [
    ...message.answers,
    ...message.authorities,
    ...message.additionals,
  ];
  for (const [index, record] of all.entries()) {
    const own = decoded.filter((type) => recordTypes[type] === record.type);
    const other = decoded[index % decoded.length] ?? 'A';
    for (const type of [...own, other]) {
      refuse(() => decodeData(message, record, type));
    }
  }
  return true;
}

function refuse<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof TransportSecurityError && error.code === 'dns-malformed') {
      return undefined;
    }
    throw error;
  }
}
