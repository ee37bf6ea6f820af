/**
 * Zones made to cost whoever validates them: CVE-2023-50387 (KeyTrap) and CVE-2023-50868 (NSEC3), each as costly as the
 * 64 KB of an answer allow.
 */
import type { WireRecord } from '../../bin/world/dnssec-answers.ts';
import { computeKeyTag, encodeDs, type SigningKey } from '../../bin/world/dnssec-keys.ts';
import type { SignedZone } from '../../bin/world/dnssec-signer.ts';
import { concat, typeNumbers, u16 } from '../../bin/world/dnssec-wire.ts';
import {
  type AlgorithmTable,
  signatureAlgorithms,
} from '../../functions/protocol/dnssec/algorithms.ts';
import type { Exchange } from '../../functions/resolving/ports.ts';
import type { Resolution } from '../../functions/resolving/resolution.ts';
import {
  createSignedExchange,
  createSignedWorld,
  deadlineMs,
  type Intercept,
  keyOf,
  signTree,
  type ZoneSpec,
} from '../resolving/signed-world.ts';
import { cpuSecondsSince } from './report.ts';

const { A, DNSKEY, DS, RRSIG } = typeNumbers;

/** A look-up that falls into a trap. */
export interface Trap {
  readonly what: string;
  readonly zone: Partial<ZoneSpec>;
  readonly name: string;
  readonly intercept?: Intercept;
}

export interface Sprung {
  readonly status: string;
  readonly cpuMs: number;
  readonly verifications: number;
  readonly queries: number;
}

const key = keyOf('trap.test', 8);
/** RSA of the largest modulus and exponent that are tried; 90 of these fill a message. */
const lookAlikes = makeLookAlikes(key, 90);
const chain = Array.from({ length: 13 }, (_, index) => `alias${index}.trap.test`);

export const traps: readonly Trap[] = [
  {
    what: '90 keys with one tag, 400 signatures of the data',
    zone: { keys: [key], otherKeys: lookAlikes },
    name: 'www.trap.test',
    intercept: repeatSignatures((name, type) => name === 'www.trap.test' && type === A, 400),
  },
  {
    what: '90 keys with one tag, 60 signatures of the keys',
    zone: { keys: [key], otherKeys: lookAlikes },
    name: 'www.trap.test',
    intercept: repeatSignatures((name, type) => name === 'trap.test' && type === DNSKEY, 60),
  },
  {
    what: '90 keys with one tag, 100 DS records',
    zone: {
      keys: [key],
      otherKeys: lookAlikes,
      ds: Array.from({ length: 100 }, (_, index) => ({
        name: 'trap.test',
        type: DS,
        rdata: concat(encodeDs('trap.test', key).subarray(0, 34), u16(index)),
      })),
    },
    name: 'www.trap.test',
  },
  {
    what: '90 keys with one tag, 30 signatures of each of 12 aliases',
    zone: {
      keys: [key],
      otherKeys: lookAlikes,
      records: chain.slice(0, -1).map((name, index) => ({
        name,
        type: 'CNAME',
        data: chain[index + 1] ?? '',
      })),
    },
    name: chain[0] ?? '',
    intercept: repeatSignatures((name, type) => name.startsWith('alias') && type === A, 30),
  },
  {
    what: '123 labels, 100 iterations of NSEC3, 255 octets of salt',
    zone: {
      denial: { kind: 'NSEC3', iterations: 100, salt: new Uint8Array(255), optOut: false },
    },
    name: `${'a.'.repeat(121)}trap.test`,
  },
  {
    what: '123 labels, 2,500 iterations of NSEC3',
    zone: {
      denial: { kind: 'NSEC3', iterations: 2_500, salt: new Uint8Array(255), optOut: false },
    },
    name: `${'a.'.repeat(121)}trap.test`,
  },
];

/** Looks the name up with a resolver that knows nothing; what the zone's servers do is done before. */
export async function spring({ zone, name, intercept }: Trap): Promise<Sprung> {
  const zones = signTrap(zone);
  const exchange = remember(createSignedExchange(zones, intercept && { intercept }));
  const { table, count } = counting();
  const resolve = (): Promise<Resolution> =>
    createSignedWorld(zones, { exchange: exchange.exchange, algorithms: table }).resolver.resolve(
      name,
      A,
      deadlineMs,
    );
  await resolve();
  exchange.count.queries = 0;
  count.verifications = 0;
  const begun = process.cpuUsage();
  const { status } = await resolve();
  return { status, cpuMs: cpuSecondsSince(begun) * 1_000, ...count, ...exchange.count };
}

function remember(inner: Exchange): {
  readonly exchange: Exchange;
  readonly count: { queries: number };
} {
  const answers = new Map<string, Promise<Uint8Array>>();
  const count = { queries: 0 };
  return {
    count,
    exchange: (query, deadline, rejected) => {
      count.queries += 1;
      const question = `${rejected.length} ${Buffer.from(query).toString('latin1')}`;
      const answer = answers.get(question) ?? inner(query, deadline, rejected);
      answers.set(question, answer);
      return answer;
    },
  };
}

function counting(): {
  readonly table: AlgorithmTable;
  readonly count: { verifications: number };
} {
  const count = { verifications: 0 };
  const table: AlgorithmTable = new Map(
    [...signatureAlgorithms].map(([number, algorithm]) => [
      number,
      {
        ...algorithm,
        createVerifier(publicKey) {
          const verify = algorithm.createVerifier(publicKey);
          return (
            verify &&
            ((data, signature) => {
              count.verifications += 1;
              return verify(data, signature);
            })
          );
        },
      },
    ]),
  );
  return { table, count };
}

function signTrap(zone: Partial<ZoneSpec>): readonly SignedZone[] {
  return signTree([
    { origin: '' },
    { origin: 'test' },
    {
      origin: 'trap.test',
      records: [{ name: 'www.trap.test', type: 'A', data: '192.0.2.1' }],
      ...zone,
    },
  ]);
}

/** RSA keys that sign nothing, with the tag of one that does. */
function makeLookAlikes({ flags, algorithm, keyTag }: SigningKey, count: number): Uint8Array[] {
  const exponent = new Uint8Array(8).fill(0xff);
  return Array.from({ length: count }, (_, index) => {
    const modulus = new Uint8Array(512).fill(0xc1);
    modulus.set(u16(index), 2);
    const head = Uint8Array.of(flags >> 8, flags & 0xff, 3, algorithm, exponent.length);
    const octets = concat(head, exponent, modulus);
    // An aligned pair of octets that makes up for all others; carries make it one more or less.
    const at = 100;
    octets.set([0, 0], at);
    const missing = keyTag - computeKeyTag(octets);
    for (const pair of [missing, missing - 1, missing + 1]) {
      octets.set(u16(pair), at);
      if (computeKeyTag(octets) === keyTag) {
        return octets;
      }
    }
    throw new RangeError('no such key');
  });
}

/** Puts `count` wrong signatures in the place of each one in the answers to some questions. */
function repeatSignatures(
  applies: (name: string, type: number) => boolean,
  count: number,
): Intercept {
  return (answer, { name, type }) =>
    applies(name, type)
      ? {
          ...answer,
          answers: answer.answers.flatMap((record): readonly WireRecord[] =>
            record.type === RRSIG
              ? Array.from({ length: count }, (_, index) => ({
                  ...record,
                  rdata: concat(record.rdata.subarray(0, -2), u16(index)),
                }))
              : [record],
          ),
        }
      : answer;
}
