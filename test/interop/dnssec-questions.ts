/** What is asked of the zones in `dnssec-zones.ts` and `dnssec-odd-zones.ts`. */
import { startRandom } from '../random.ts';
import { oddZones } from './dnssec-odd-zones.ts';
import { bindZones, knotZones, ownZones } from './dnssec-zones.ts';

export interface InteropQuestion {
  readonly name: string;
  /** As zone files write it. */
  readonly type: string;
}

/** Below each right zone; '' is its apex. */
const ofRightZones: readonly (readonly [string, ...string[]])[] = [
  ['', 'SOA', 'NS', 'MX', 'TXT', 'A', 'TLSA', 'DNSKEY', 'DS', 'CNAME', 'CAA'],
  ['www', 'A', 'AAAA', 'CNAME', 'DS'],
  ['mx', 'A', 'AAAA', 'MX'],
  ['_25._tcp.mx', 'TLSA', 'A'],
  ['_465._tcp.mx', 'TLSA'],
  ['_tcp.mx', 'TLSA'],
  ['_25._tcp.www', 'TLSA'],
  ['ent', 'A', 'DS'],
  ['deep.ent', 'A'],
  ['a.deep.ent', 'A'],
  ['b.deep.ent', 'A'],
  ['wild', 'A'],
  ['x.wild', 'A', 'MX', 'TXT', 'DS'],
  ['y.x.wild', 'A'],
  ['*.wild', 'A', 'TXT'],
  ['sub.wild', 'TXT', 'A'],
  ['x.sub.wild', 'A'],
  ['_25._tcp.wild-mx', 'TLSA', 'A'],
  ['_tcp.wild-mx', 'TLSA'],
  ['x.wild-alias', 'A', 'TXT', 'CNAME'],
  ['alias', 'A', 'TXT', 'CNAME', 'DS'],
  ['alias2', 'A', 'MX'],
  ['x.alias', 'A'],
  ['dangling', 'A'],
  ['to-secure', 'A', 'AAAA'],
  ['to-insecure', 'A', 'AAAA'],
  ['to-bogus', 'A', 'CNAME'],
  ['to-nothing', 'A'],
  ['dname', 'DNAME', 'A'],
  ['x.dname', 'TXT', 'A', 'CNAME'],
  ['y.dname', 'A'],
  ['www.dname-insecure', 'A'],
  ['nope', 'A', 'MX', 'DS'],
  ['nope.nope', 'A'],
  ['insecure', 'DS', 'NS', 'A'],
  ['www.insecure', 'A', 'MX', 'DS'],
  ['_25._tcp.www.insecure', 'TLSA'],
  ['nope.insecure', 'A'],
  ['child', 'DS', 'SOA', 'A'],
  ['www.child', 'A', 'AAAA'],
  ['x.wild.child', 'A'],
  ['nope.child', 'A'],
];

const ofOddZones: readonly (readonly [string, ...string[]])[] = [
  ['', 'SOA', 'MX', 'TXT', 'DNSKEY', 'DS'],
  ['www', 'A', 'AAAA'],
  ['_25._tcp.www', 'TLSA'],
  ['nope', 'A'],
  ['x.wild', 'A', 'MX'],
];

const ofAll: readonly InteropQuestion[] = [
  ...['SOA', 'NS', 'DNSKEY', 'A', 'DS'].map((type) => ({ name: '', type })),
  ...['test', 'optout', 'nowhere'].flatMap((name) =>
    ['SOA', 'DS', 'A'].map((type) => ({ name, type })),
  ),
  ...['nowhere.test', 'nowhere.optout', 'a.nowhere.optout'].flatMap((name) =>
    ['A', 'MX', 'DS'].map((type) => ({ name, type })),
  ),
];

const wordsAtRandom = [
  ...[
    'www',
    'mx',
    '_25',
    '_tcp',
    'ent',
    'deep',
    'a',
    'b',
    'wild',
    'x',
    '*',
    'sub',
    'alias',
    'dname',
  ],
  ...['child', 'insecure', 'target', 'nope', 'zzz', '0', 'wild-alias', 'wild-mx', 'to-secure'],
];
const typesAtRandom = ['A', 'AAAA', 'MX', 'TXT', 'TLSA', 'DS', 'NS', 'CNAME', 'SOA', 'DNAME'];
const atRandomPerZone = 15;

/** All questions, the same on every run, each once. */
export function listQuestions(): readonly InteropQuestion[] {
  const right = [...knotZones, ...bindZones, ...ownZones].map(([origin]) => origin);
  const odd = [...oddZones().map(({ origin }) => origin), ...['signed.optout', 'unsigned.optout']];
  const random = startRandom(4035);
  const questions = [
    ...ofAll,
    ...right.flatMap((origin) => place(ofRightZones, origin)),
    ...right.flatMap((origin) =>
      Array.from({ length: atRandomPerZone }, () => askAtRandom(random, origin)),
    ),
    ...odd.flatMap((origin) => place(ofOddZones, origin)),
  ];
  return [...new Map(questions.map((asked) => [`${asked.name} ${asked.type}`, asked])).values()];
}

function place(
  rows: readonly (readonly [string, ...string[]])[],
  origin: string,
): readonly InteropQuestion[] {
  return rows.flatMap(([label, ...types]) =>
    types.map((type) => ({ name: label === '' ? origin : `${label}.${origin}`, type })),
  );
}

function askAtRandom(random: (below: number) => number, origin: string): InteropQuestion {
  const pick = (words: readonly string[]): string => words[random(words.length)] ?? '';
  const labels = Array.from({ length: 1 + random(3) }, () => pick(wordsAtRandom));
  return { name: [...labels, origin].join('.'), type: pick(typesAtRandom) };
}
