/** What signed trees come to, for each algorithm and each way to prove absence. */
import { describe, expect, test } from 'vitest';
import type { SigningAlgorithm } from '../../bin/world/dnssec-keys.ts';
import type { DenialKind } from '../../bin/world/dnssec-signer.ts';
import { typeNumbers } from '../../bin/world/dnssec-wire.ts';
import type { RecordType } from '../../functions/protocol/dns/answer.ts';
import { sha1Algorithms, signatureAlgorithms } from '../../functions/protocol/dnssec/algorithms.ts';
import {
  createSignedWorld,
  deadlineMs,
  keyOf,
  type SignedWorld,
  signTree,
  type ZoneSpec,
} from './signed-world.ts';

const plain: DenialKind = { kind: 'NSEC' };
const hashed = (iterations: number, salt: readonly number[], optOut: boolean): DenialKind => ({
  kind: 'NSEC3',
  iterations,
  salt: Uint8Array.from(salt),
  optOut,
});

const zones = (algorithm: SigningAlgorithm, denial: DenialKind): readonly ZoneSpec[] => [
  { origin: '' },
  { origin: 'test', denial },
  {
    origin: 'example.test',
    keys: [keyOf('example.test', algorithm)],
    denial,
    records: [
      { name: 'example.test', type: 'MX', preference: 10, exchange: 'mx.example.test' },
      { name: 'example.test', type: 'MX', preference: 20, exchange: 'mx2.open.test' },
      { name: 'mx.example.test', type: 'A', data: '192.0.2.1' },
      { name: 'mx.example.test', type: 'AAAA', data: '2001:db8::1' },
      {
        name: '_25._tcp.mx.example.test',
        type: 'TLSA',
        usage: 3,
        selector: 1,
        matchingType: 1,
        data: Uint8Array.from({ length: 32 }, (_, index) => index),
      },
      { name: 'alias.example.test', type: 'CNAME', data: 'mx.example.test' },
      { name: 'far.example.test', type: 'CNAME', data: 'alias.example.test' },
      { name: 'out.example.test', type: 'CNAME', data: 'mx2.open.test' },
      { name: 'void.example.test', type: 'CNAME', data: 'nothing.example.test' },
      { name: 'bare.example.test', type: 'CNAME', data: 'mx.example.test' },
      { name: 'moved.example.test', type: 'DNAME', data: 'child.example.test' },
      { name: '*.wild.example.test', type: 'TXT', data: 'anything' },
      { name: 'there.wild.example.test', type: 'A', data: '192.0.2.9' },
      { name: '*.walias.example.test', type: 'CNAME', data: 'mx.example.test' },
      { name: 'a.deep.ent.example.test', type: 'A', data: '192.0.2.3' },
      { name: 'x.*.star.example.test', type: 'A', data: '192.0.2.4' },
    ],
  },
  {
    origin: 'child.example.test',
    denial,
    records: [{ name: 'host.child.example.test', type: 'A', data: '192.0.2.5' }],
  },
  {
    origin: 'open.test',
    keys: 'none',
    records: [
      { name: 'open.test', type: 'MX', preference: 1, exchange: 'mx2.open.test' },
      { name: 'mx2.open.test', type: 'A', data: '192.0.2.6' },
      { name: 'back.open.test', type: 'CNAME', data: 'mx.example.test' },
      { name: '*.open.test', type: 'TXT', data: 'unsigned' },
    ],
  },
  {
    origin: 'un.example.test',
    keys: 'none',
    records: [{ name: 'host.un.example.test', type: 'A', data: '192.0.2.7' }],
  },
  // Signed, and nobody vouches for it.
  {
    origin: 'island.test',
    ds: [],
    records: [{ name: 'www.island.test', type: 'A', data: '192.0.2.8' }],
  },
];

type Row = readonly [string, RecordType, object];

const secure = (kind: string, more: object = {}): object => ({ kind, status: 'secure', ...more });
const insecure = (kind: string, more: object = {}): object => ({
  kind,
  status: 'insecure',
  ...more,
});
const hop = (name: string, target: string, status = 'secure'): object => ({ name, target, status });

const rows: readonly Row[] = [
  ['example.test', 'MX', secure('records', { ttlSeconds: 300 })],
  ['mx.example.test', 'A', secure('records', { records: ['192.0.2.1'] })],
  ['mx.example.test', 'AAAA', secure('records', { records: ['2001:db8::1'] })],
  ['_25._tcp.mx.example.test', 'TLSA', secure('records')],
  ['mx.example.test', 'MX', secure('nodata', { ttlSeconds: 60 })],
  ['example.test', 'A', secure('nodata')],
  ['ent.example.test', 'A', secure('nodata')],
  ['deep.ent.example.test', 'TXT', secure('nodata')],
  ['_tcp.mx.example.test', 'TLSA', secure('nodata')],
  [
    'alias.example.test',
    'A',
    secure('records', {
      canonicalName: 'mx.example.test',
      aliases: [hop('alias.example.test', 'mx.example.test')],
    }),
  ],
  [
    'far.example.test',
    'AAAA',
    secure('records', {
      aliases: [
        hop('far.example.test', 'alias.example.test'),
        hop('alias.example.test', 'mx.example.test'),
      ],
    }),
  ],
  ['alias.example.test', 'CNAME', secure('records', { records: ['mx.example.test'], aliases: [] })],
  ['alias.example.test', 'MX', secure('nodata', { canonicalName: 'mx.example.test' })],
  [
    'out.example.test',
    'A',
    insecure('records', { aliases: [hop('out.example.test', 'mx2.open.test')] }),
  ],
  [
    'moved.example.test',
    'A',
    secure('nodata', { aliases: [], canonicalName: 'moved.example.test' }),
  ],
  [
    'host.moved.example.test',
    'A',
    secure('records', {
      records: ['192.0.2.5'],
      aliases: [hop('host.moved.example.test', 'host.child.example.test')],
    }),
  ],
  ['host.moved.example.test', 'CNAME', secure('records', { records: ['host.child.example.test'] })],
  ['there.wild.example.test', 'A', secure('records')],
  ['there.wild.example.test', 'TXT', secure('nodata')],
  ['wild.example.test', 'TXT', secure('nodata')],
  ['host.child.example.test', 'A', secure('records')],
  ['child.example.test', 'A', secure('nodata')],
  [
    'open.test',
    'MX',
    insecure('records', { records: [{ preference: 1, exchange: 'mx2.open.test' }] }),
  ],
  ['mx2.open.test', 'A', insecure('records')],
  ['mx2.open.test', 'AAAA', insecure('nodata')],
  ['*.open.test', 'A', insecure('nodata')],
  ['any.open.test', 'TXT', insecure('records', { records: ['unsigned'] })],
  [
    'back.open.test',
    'A',
    secure('records', { aliases: [hop('back.open.test', 'mx.example.test', 'insecure')] }),
  ],
  ['host.un.example.test', 'A', insecure('records')],
  ['nothing.un.example.test', 'A', insecure('nxdomain')],
  ['www.island.test', 'A', insecure('records')],
];

/** In an opt-out zone, a gap may hold an unsigned delegation, and then so may what is in it (RFC 5155 §9.2). */
const inGaps: readonly (readonly [string, RecordType, string, object?])[] = [
  ['nothing.example.test', 'A', 'nxdomain'],
  ['zzz.example.test', 'MX', 'nxdomain'],
  ['a.b.c.d.example.test', 'A', 'nxdomain'],
  ['_25._tcp.alias.example.test', 'TLSA', 'nxdomain'],
  ['nothing.child.example.test', 'A', 'nxdomain'],
  [
    'void.example.test',
    'A',
    'nxdomain',
    { aliases: [hop('void.example.test', 'nothing.example.test')] },
  ],
  ['any.wild.example.test', 'TXT', 'records', { records: ['anything'] }],
  ['a.b.c.wild.example.test', 'TXT', 'records'],
  ['any.wild.example.test', 'A', 'nodata'],
  ['x.star.example.test', 'A', 'nodata'],
  ['nothing.test', 'MX', 'nxdomain'],
];

const worlds: readonly (readonly [string, SigningAlgorithm, DenialKind])[] = [
  ...([5, 7, 8, 10, 13, 14, 15, 16] as const).map(
    (algorithm) => [`algorithm ${algorithm}, NSEC`, algorithm, plain] as const,
  ),
  ['NSEC3 as RFC 9276 §3.1 wants it', 13, hashed(0, [], false)],
  ['NSEC3 with salt and iterations', 13, hashed(12, [0xaa, 0xbb, 0xcc, 0xdd], false)],
  ['NSEC3 with 100 iterations', 15, hashed(100, [1], false)],
  ['NSEC3 with opt-out', 13, hashed(1, [7, 7], true)],
];

describe.each(worlds)('%s', (_, algorithm, denial) => {
  const optOut = denial.kind === 'NSEC3' && denial.optOut;
  const { resolver }: SignedWorld = createSignedWorld(signTree(zones(algorithm, denial)), {
    algorithms: new Map([...signatureAlgorithms, ...sha1Algorithms]),
  });

  test.each(rows)('%s %s', async (name, type, expected) => {
    expect(await resolver.lookup(name, type, deadlineMs)).toMatchObject(expected);
  });

  test.each(inGaps.map(([name, type, kind, more = {}]) => [name, type, kind, more] as const))(
    '%s %s: %s',
    async (name, type, kind, more) => {
      expect(await resolver.lookup(name, type, deadlineMs)).toMatchObject({
        kind,
        status: optOut ? 'insecure' : 'secure',
        ...more,
      });
    },
  );

  test('an alias by wildcard is one thing, what it leads to another', async () => {
    expect(await resolver.lookup('any.walias.example.test', 'A', deadlineMs)).toMatchObject(
      secure('records', {
        aliases: [
          hop('any.walias.example.test', 'mx.example.test', optOut ? 'insecure' : 'secure'),
        ],
      }),
    );
  });

  test.each([
    ['example.test', 'records', 'secure'],
    ['child.example.test', 'records', 'secure'],
    ['', 'nodata', 'secure'],
    ['mx.example.test', 'nodata', 'secure'],
    ['open.test', 'nodata', optOut ? 'insecure' : 'secure'],
    ['host.un.example.test', 'nodata', 'insecure'],
  ])("%j DS is its parent's: %s", async (name, kind, status) => {
    expect(await resolver.resolve(name, typeNumbers.DS, deadlineMs)).toMatchObject({
      kind,
      status,
    });
  });

  test('the chain of trust, with its evidence', async () => {
    const resolution = await resolver.resolve('host.child.example.test', 1, deadlineMs);
    expect(resolution.chain.map(({ zone, status, anchored }) => [zone, status, anchored])).toEqual([
      ['', 'secure', true],
      ['test', 'secure', false],
      ['example.test', 'secure', false],
      ['child.example.test', 'secure', false],
    ]);
    expect(resolution.chain[2]).toMatchObject({
      ds: [{ algorithm }],
      keys: [{ algorithm, flags: 257 }],
    });
    const open = await resolver.resolve('mx2.open.test', 1, deadlineMs);
    expect(open).toMatchObject({ reason: { infoCode: 0 } });
    expect(open.chain.map(({ zone, status }) => [zone, status])).toEqual([
      ['', 'secure'],
      ['test', 'secure'],
      ['open.test', 'insecure'],
    ]);
  });
});
