/** What a zone, or somebody on the way, may do wrong, and that none of it is believed. */
import { describe, expect, test } from 'vitest';
import { type SignedAnswer, toRecords, type WireRecord } from '../../bin/world/dnssec-answers.ts';
import { createSigningKey, encodeDs } from '../../bin/world/dnssec-keys.ts';
import type { SignatureChange } from '../../bin/world/dnssec-signer.ts';
import {
  concat,
  encodeBase32Hex,
  encodeName,
  encodeRdata,
  hashName,
  typeNumbers,
  u8,
  u16,
} from '../../bin/world/dnssec-wire.ts';
import { infoCodes } from '../../functions/protocol/dnssec/reason.ts';
import {
  createSignedWorld,
  deadlineMs,
  expirationSeconds,
  type Intercept,
  inceptionSeconds,
  keyOf,
  nowSeconds,
  signTree,
  type ZoneSpec,
} from './signed-world.ts';

const { A, DS, DNSKEY, RRSIG, NSEC, NSEC3, SOA, MX, CNAME, TXT, NS } = typeNumbers;

const opposite = { kind: 'NSEC3', iterations: 0, salt: new Uint8Array(0), optOut: false } as const;

interface Tree {
  /** Changes to `example.test`. */
  readonly zone?: Partial<ZoneSpec>;
  /** Changes to its parent. */
  readonly parent?: Partial<ZoneSpec>;
  readonly more?: readonly ZoneSpec[];
  readonly intercept?: Intercept;
}

function build({ zone = {}, parent = {}, more = [], intercept }: Tree) {
  const zones = signTree([
    { origin: '' },
    { origin: 'test', ...parent },
    {
      origin: 'example.test',
      records: [
        { name: 'example.test', type: 'MX', preference: 10, exchange: 'mx.example.test' },
        { name: 'mx.example.test', type: 'A', data: '192.0.2.1' },
        { name: 'alias.example.test', type: 'CNAME', data: 'mx.example.test' },
        { name: '*.wild.example.test', type: 'TXT', data: 'anything' },
        { name: 'a.wild.example.test', type: 'A', data: '192.0.2.2' },
        { name: 'moved.example.test', type: 'DNAME', data: 'new.example.test' },
        { name: 'www.new.example.test', type: 'A', data: '192.0.2.3' },
        { name: 'host.new.example.test', type: 'A', data: '192.0.2.4' },
        { name: 'zz.example.test', type: 'A', data: '192.0.2.5' },
      ],
      ...zone,
    },
    {
      origin: 'sub.example.test',
      keys: 'none',
      records: [{ name: 'host.sub.example.test', type: 'A', data: '192.0.2.66' }],
    },
    {
      origin: 'other.test',
      records: [{ name: 'other.test', type: 'A', data: '192.0.2.77' }],
    },
    ...more,
  ]);
  return createSignedWorld(zones, intercept === undefined ? {} : { intercept });
}

/** Changes the signatures of one RRset. */
const changing =
  (name: string, type: number, change: SignatureChange): NonNullable<ZoneSpec['change']> =>
  (set) =>
    set.name === name && set.type === type ? change : undefined;

/** Changes the records of every answer to one question. */
const answering =
  (name: string, type: number, change: (answer: SignedAnswer) => SignedAnswer | Error): Intercept =>
  (answer, question) =>
    question.name === name && question.type === type ? change(answer) : answer;

const without =
  (...types: readonly number[]) =>
  (records: readonly WireRecord[]): readonly WireRecord[] =>
    records.filter(({ type }) => !types.includes(type));

const noSignatures = (answer: SignedAnswer): SignedAnswer => ({
  ...answer,
  answers: without(RRSIG)(answer.answers),
  authorities: without(RRSIG)(answer.authorities),
});

const a = (name: string, data: string): WireRecord => ({
  name,
  type: A,
  ttlSeconds: 300,
  rdata: encodeRdata({ name, type: 'A', data }),
});

/** Puts one answer in the place of another. */
const insteadOf =
  (name: string, type: number, other: () => SignedAnswer): Intercept =>
  (answer, question) =>
    question.name === name && question.type === type ? other() : answer;

type Row = readonly [string, Tree, readonly [string, number], keyof typeof infoCodes, RegExp];

const mx: readonly [string, number] = ['example.test', MX];
const signatureRows: readonly Row[] = [
  [
    'expired',
    { zone: { change: changing('example.test', MX, { expirationSeconds: nowSeconds - 1 }) } },
    mx,
    'signatureExpired',
    /expired 2026-06-30T23:59:59Z/,
  ],
  [
    'not yet valid',
    { zone: { change: changing('example.test', MX, { inceptionSeconds: nowSeconds + 1 }) } },
    mx,
    'signatureNotYetValid',
    /not valid before 2026-07-01T00:00:01Z/,
  ],
  [
    'over before it begins',
    {
      zone: {
        change: changing('example.test', MX, {
          inceptionSeconds: expirationSeconds,
          expirationSeconds: inceptionSeconds,
        }),
      },
    },
    mx,
    'signatureExpiredBeforeValid',
    /expires before it is valid/,
  ],
  [
    'a bit turned',
    { zone: { change: changing('example.test', MX, { corrupt: true }) } },
    mx,
    'bogus',
    /does not verify/,
  ],
  [
    'missing from the zone',
    { zone: { change: changing('example.test', MX, { strip: true }) } },
    mx,
    'rrsigsMissing',
    /not signed/,
  ],
  [
    'stripped on the way',
    { intercept: answering(...mx, noSignatures) },
    mx,
    'rrsigsMissing',
    /not signed/,
  ],
  [
    'by the parent',
    { zone: { change: changing('example.test', MX, { signer: 'test' }) } },
    mx,
    'dnskeyMissing',
    /key \d+, which test does not have/,
  ],
  [
    'by the root',
    { zone: { change: changing('example.test', MX, { signer: '' }) } },
    mx,
    'dnskeyMissing',
    /which \. does not have/,
  ],
  [
    'by a zone that is beside it',
    { zone: { change: changing('mx.example.test', A, { signer: 'other.test' }) } },
    ['mx.example.test', A],
    'rrsigsMissing',
    /not signed by its zone/,
  ],
  [
    'by a name that ends alike, but not at a label',
    { zone: { change: changing('mx.example.test', A, { signer: 'ample.test' }) } },
    ['mx.example.test', A],
    'rrsigsMissing',
    /not signed by its zone/,
  ],
  [
    'by a name in the zone that is no zone',
    { zone: { change: changing('mx.example.test', A, { signer: 'mx.example.test' }) } },
    ['mx.example.test', A],
    'rrsigsMissing',
    /not signed by its zone/,
  ],
  [
    'by a key that the zone does not have',
    { zone: { change: changing('example.test', MX, { keyTag: 4711 }) } },
    mx,
    'dnskeyMissing',
    /key 4711/,
  ],
  [
    'of an algorithm that the key is not of',
    { zone: { change: changing('example.test', MX, { algorithm: 8 }) } },
    mx,
    'dnskeyMissing',
    /does not have/,
  ],
  [
    'of an algorithm that nobody knows, in a zone of a known one',
    { zone: { change: changing('example.test', MX, { algorithm: 200 }) } },
    mx,
    'rrsigsMissing',
    /supported algorithm/,
  ],
  [
    'with a label too many',
    { zone: { change: changing('example.test', MX, { labels: 3 }) } },
    mx,
    'bogus',
    /counts 3 labels/,
  ],
  [
    'with too few labels for the zone',
    { zone: { change: changing('example.test', MX, { labels: 1 }) } },
    mx,
    'bogus',
    /counts 1 labels/,
  ],
  [
    'with a label too few: then it is a wildcard, and that is not proven',
    { zone: { change: changing('mx.example.test', A, { labels: 2 }) } },
    ['mx.example.test', A],
    'bogus',
    /does not verify/,
  ],
  [
    'for another name',
    {
      intercept: answering('mx.example.test', A, (answer) => ({
        ...answer,
        answers: answer.answers.map((record) => ({ ...record, name: 'mx.example.test' })),
      })),
      zone: {
        records: [
          { name: 'mx.example.test', type: 'CNAME', data: 'other.example.test' },
          { name: 'other.example.test', type: 'A', data: '192.0.2.1' },
        ],
      },
    },
    ['mx.example.test', A],
    'bogus',
    /does not verify/,
  ],
];

const changedRows: readonly Row[] = [
  [
    'another address',
    {
      intercept: answering('mx.example.test', A, (answer) => ({
        ...answer,
        answers: [a('mx.example.test', '203.0.113.9'), ...without(A)(answer.answers)],
      })),
    },
    ['mx.example.test', A],
    'bogus',
    /does not verify/,
  ],
  [
    'an address more',
    {
      intercept: answering('mx.example.test', A, (answer) => ({
        ...answer,
        answers: [a('mx.example.test', '203.0.113.9'), ...answer.answers],
      })),
    },
    ['mx.example.test', A],
    'bogus',
    /does not verify/,
  ],
  [
    'an alias that the zone does not have',
    {
      intercept: answering('mx.example.test', A, () => ({
        rcode: 0,
        answers: [
          {
            name: 'mx.example.test',
            type: CNAME,
            ttlSeconds: 300,
            rdata: encodeName('host.sub.example.test'),
          },
          a('host.sub.example.test', '203.0.113.9'),
        ],
        authorities: [],
      })),
    },
    ['mx.example.test', A],
    'rrsigsMissing',
    /CNAME is not signed/,
  ],
  [
    'a synthesized alias that leads elsewhere',
    {
      intercept: answering('www.moved.example.test', A, (answer) => ({
        ...answer,
        answers: answer.answers.map((record) =>
          record.type === CNAME
            ? { ...record, rdata: encodeName('host.new.example.test') }
            : record,
        ),
      })),
    },
    ['www.moved.example.test', A],
    'bogus',
    /not an alias for host\.new\.example\.test/,
  ],
  [
    'a DNAME that the zone does not have',
    {
      intercept: answering('www.moved.example.test', A, (answer) => ({
        ...answer,
        answers: answer.answers.map((record) =>
          record.type === 39 ? { ...record, rdata: encodeName('sub.example.test') } : record,
        ),
      })),
    },
    ['www.moved.example.test', A],
    'bogus',
    /DNAME by key \d+ does not verify/,
  ],
];

const absent: readonly [string, number] = ['absent.example.test', A];
const onlySoa = (answer: SignedAnswer): SignedAnswer => ({
  ...answer,
  authorities: answer.authorities.filter(
    ({ type, rdata }) => type === SOA || (type === RRSIG && rdata[1] === SOA),
  ),
});

/** What another question is answered with, proofs and all. */
function recorded(tree: Tree, name: string, type: number): () => SignedAnswer {
  let seen: SignedAnswer | undefined;
  const world = build({
    ...tree,
    intercept: (answer, question) => {
      seen = question.name === name && question.type === type ? answer : seen;
      return answer;
    },
  });
  return () => {
    void world.resolver.resolve(name, type, deadlineMs);
    if (seen === undefined) {
      throw new TypeError('nothing recorded');
    }
    return seen;
  };
}

const both: readonly (readonly [string, Partial<ZoneSpec>])[] = [
  ['NSEC', {}],
  ['NSEC3', { denial: opposite }],
];

/** A gap that begins at a delegation covers, by the order of names, all that is in the child. */
function delegatedBelowWildcard(zone: Partial<ZoneSpec>): Tree {
  return {
    zone: { ...zone, records: [{ name: '*.example.test', type: 'A', data: '192.0.2.99' }] },
    more: [
      {
        origin: 'child.example.test',
        records: [{ name: 'mx.child.example.test', type: 'A', data: '192.0.2.10' }],
      },
    ],
  };
}

const denialRows: readonly Row[] = both.flatMap(([kind, zone]): readonly Row[] => [
  [
    `${kind}: NXDOMAIN without any proof`,
    {
      zone,
      intercept: answering(...absent, (answer) => ({ ...answer, authorities: [] })),
    },
    absent,
    'nsecMissing',
    /not proven/,
  ],
  [
    `${kind}: NXDOMAIN with nothing but the SOA record`,
    { zone, intercept: answering(...absent, onlySoa) },
    absent,
    'nsecMissing',
    /not proven/,
  ],
  [
    `${kind}: NXDOMAIN for a name that exists`,
    {
      zone,
      intercept: insteadOf('mx.example.test', A, recorded({ zone }, ...absent)),
    },
    ['mx.example.test', A],
    'nsecMissing',
    /not proven/,
  ],
  [
    `${kind}: NODATA for a type that exists`,
    {
      zone,
      intercept: insteadOf('mx.example.test', A, recorded({ zone }, 'mx.example.test', MX)),
    },
    ['mx.example.test', A],
    'nsecMissing',
    /by its own record/,
  ],
  [
    `${kind}: NODATA for an alias (RFC 6840 §4.3)`,
    {
      zone,
      intercept: insteadOf('alias.example.test', A, () => ({
        ...recorded({ zone }, 'alias.example.test', 4711)(),
        answers: [],
      })),
    },
    ['alias.example.test', A],
    'nsecMissing',
    /./,
  ],
  [
    `${kind}: NXDOMAIN where a wildcard stands`,
    {
      zone,
      intercept: insteadOf('b.wild.example.test', TXT, () => ({
        ...recorded({ zone }, 'b.wild.example.test', TXT)(),
        rcode: 3,
        answers: [],
      })),
    },
    ['b.wild.example.test', TXT],
    'nsecMissing',
    /./,
  ],
  [
    `${kind}: a wildcard's answer without its proof`,
    {
      zone,
      intercept: answering('b.wild.example.test', TXT, (answer) => ({
        ...answer,
        authorities: [],
      })),
    },
    ['b.wild.example.test', TXT],
    'nsecMissing',
    /wildcard/,
  ],
  [
    `${kind}: a wildcard's answer for a name that exists`,
    {
      zone,
      intercept: insteadOf('a.wild.example.test', TXT, () => {
        const other = recorded({ zone }, 'b.wild.example.test', TXT)();
        return {
          ...other,
          answers: other.answers.map((record) => ({ ...record, name: 'a.wild.example.test' })),
        };
      }),
    },
    ['a.wild.example.test', TXT],
    'nsecMissing',
    /wildcard/,
  ],
  [
    `${kind}: a wildcard's answer for a name behind a delegation (RFC 6840 §4.1)`,
    {
      ...delegatedBelowWildcard(zone),
      intercept: insteadOf('mx.child.example.test', A, () => {
        const other = recorded(delegatedBelowWildcard(zone), 'q.example.test', A)();
        return {
          ...other,
          answers: other.answers.map((record) => ({ ...record, name: 'mx.child.example.test' })),
        };
      }),
    },
    ['mx.child.example.test', A],
    'nsecMissing',
    /wildcard/,
  ],
  [
    `${kind}: a proof whose signature is wrong`,
    {
      zone: {
        ...zone,
        change: (set) => (set.type === NSEC || set.type === NSEC3 ? { corrupt: true } : undefined),
      },
    },
    absent,
    'bogus',
    /does not verify/,
  ],
  [
    `${kind}: a proof that is out of date`,
    {
      zone: {
        ...zone,
        change: (set) =>
          set.type === NSEC || set.type === NSEC3
            ? { expirationSeconds: nowSeconds - 60 }
            : undefined,
      },
    },
    absent,
    'signatureExpired',
    /expired/,
  ],
  [
    `${kind}: a denial whose SOA record is wrongly signed`,
    { zone: { ...zone, change: changing('example.test', SOA, { corrupt: true }) } },
    absent,
    'bogus',
    /SOA by key \d+ does not verify/,
  ],
  [
    `${kind}: a child's names denied by its parent`,
    {
      parent: zone,
      intercept: insteadOf('mx.example.test', A, recorded({ parent: zone }, 'mx.nowhere.test', A)),
    },
    ['mx.example.test', A],
    'nsecMissing',
    /not proven/,
  ],
  [
    `${kind}: a child's records denied by its parent's own record of it`,
    {
      parent: zone,
      zone: { denial: opposite },
      intercept: insteadOf('example.test', MX, () => ({
        rcode: 0,
        answers: [],
        authorities: parentsRecordOf('example.test', zone),
      })),
    },
    mx,
    'nsecMissing',
    /parent's side/,
  ],
]);

/** The NSEC or NSEC3 record of a signed delegation, which no question brings out by itself. */
function parentsRecordOf(name: string, parent: Partial<ZoneSpec>): readonly WireRecord[] {
  const world = build({ parent, zone: { denial: opposite } });
  const zone = world.zones.find(({ origin }) => origin === 'test');
  const sets = [
    ...(zone?.hashed ?? []).map(({ set }) => set),
    ...[...(zone?.names.get(name)?.values() ?? [])].filter(({ type }) => type === NSEC),
  ];
  return sets.flatMap((set) => [
    ...set.rdatas.map((rdata) => ({ ...set, rdata })),
    ...set.signatures.map((rdata) => ({ ...set, type: RRSIG, rdata })),
  ]);
}

const rogue = createSigningKey({ seed: 'rogue', algorithm: 13 });
const childDs: readonly [string, number] = ['example.test', DS];

/** Records of one RRset of a zone, as if they had been asked for under another name. */
function expanded(
  tree: Tree,
  { origin, name, type }: { readonly origin: string; readonly name: string; readonly type: number },
  to: string,
): readonly WireRecord[] {
  const zone = build(tree).zones.find((other) => other.origin === origin);
  const set = zone?.names.get(name)?.get(type);
  return set === undefined ? [] : toRecords(set, to);
}

const withWildcard: Tree = {
  zone: {
    records: [
      { name: '*.example.test', type: 'TXT', data: 'anything' },
      { name: 'mx.example.test', type: 'A', data: '192.0.2.1' },
    ],
  },
};

const wildcardDs: Tree = {
  parent: {
    records: [{ name: '*.test', type: DS, rdata: concat(u16(1), u8(200), u8(2), u16(7)) }],
  },
};

const trickRows: readonly Row[] = [
  [
    "a wildcard's NSEC record served as the name's own (RFC 4035 §5.3.4 does not say that none is expanded)",
    {
      ...withWildcard,
      intercept: answering('mx.example.test', A, (answer) => ({
        ...answer,
        answers: [],
        authorities: expanded(
          withWildcard,
          { origin: 'example.test', name: '*.example.test', type: NSEC },
          'mx.example.test',
        ),
      })),
    },
    ['mx.example.test', A],
    'nsecMissing',
    /no record that proves it/,
  ],
  [
    "a wildcard's DS records, of an algorithm that nobody knows, served for a delegation (RFC 4592 §4.6)",
    {
      ...wildcardDs,
      intercept: answering('example.test', DS, () => ({
        rcode: 0,
        answers: expanded(wildcardDs, { origin: 'test', name: '*.test', type: DS }, 'example.test'),
        authorities: [],
      })),
    },
    mx,
    'bogus',
    /DS comes from a wildcard/,
  ],
  [
    'all DS records taken away but one of an algorithm that nobody knows',
    {
      zone: {
        ds: [
          {
            name: 'example.test',
            type: DS,
            rdata: encodeDs('example.test', keyOf('example.test')),
          },
          { name: 'example.test', type: DS, rdata: concat(u16(1), u8(200), u8(2), u16(7)) },
        ],
      },
      intercept: answering('example.test', DS, (answer) => ({
        ...answer,
        answers: answer.answers.filter(({ type, rdata }) => type !== DS || rdata[2] === 200),
      })),
    },
    mx,
    'bogus',
    /DS by key \d+ does not verify/,
  ],
  [
    'an alias without its signature: the way down ends at the alias, which is signed there',
    {
      intercept: answering('alias.example.test', A, (answer) => ({
        ...answer,
        answers: answer.answers.filter(
          ({ name, type }) => name !== 'alias.example.test' || type !== RRSIG,
        ),
      })),
    },
    ['alias.example.test', A],
    'rrsigsMissing',
    /alias\.example\.test CNAME is not signed/,
  ],
  [
    'a DNAME without its signature: nothing is delegated below it',
    {
      intercept: answering('www.moved.example.test', A, (answer) => ({
        ...answer,
        answers: answer.answers.filter(
          ({ name, type }) => name !== 'moved.example.test' || type !== RRSIG,
        ),
      })),
    },
    ['www.moved.example.test', A],
    'rrsigsMissing',
    /moved\.example\.test DNAME is not signed/,
  ],
  [
    'an unsigned record below a name that does not exist',
    {
      intercept: answering('a.b.absent.example.test', A, () => ({
        rcode: 0,
        answers: [a('a.b.absent.example.test', '203.0.113.9')],
        authorities: [],
      })),
    },
    ['a.b.absent.example.test', A],
    'rrsigsMissing',
    /not signed by its zone/,
  ],
  [
    'an insecure delegation that is only claimed, by an unsigned NSEC record',
    {
      intercept: answering('example.test', DS, () => ({
        rcode: 0,
        answers: [],
        authorities: [
          {
            name: 'example.test',
            type: NSEC,
            ttlSeconds: 60,
            rdata: concat(encodeName('f.test'), Uint8Array.of(0, 1, 0x20)),
          },
        ],
      })),
    },
    mx,
    'rrsigsMissing',
    /NSEC has no signature/,
  ],
];

const delegationRows: readonly Row[] = [
  [
    'DS stripped',
    { intercept: answering(...childDs, () => ({ rcode: 0, answers: [], authorities: [] })) },
    mx,
    'nsecMissing',
    /example\.test DS is not proven/,
  ],
  [
    "DS denied by the child's own records",
    { intercept: insteadOf(...childDs, recorded({}, 'example.test', 4711)) },
    mx,
    'bogus',
    /signed by example\.test, not by its zone/,
  ],
  [
    'DS denied with the record of an unsigned sibling',
    {
      more: [{ origin: 'un.test', keys: 'none' }],
      intercept: insteadOf(
        ...childDs,
        recorded({ more: [{ origin: 'un.test', keys: 'none' }] }, 'un.test', DS),
      ),
    },
    mx,
    'nsecMissing',
    /./,
  ],
  [
    'DS denied with the record of a name that is not delegated (RFC 6840 §4.4)',
    {
      parent: { records: [{ name: 'plain.test', type: 'A', data: '192.0.2.8' }] },
      intercept: insteadOf(
        ...childDs,
        recorded(
          { parent: { records: [{ name: 'plain.test', type: 'A', data: '192.0.2.8' }] } },
          'plain.test',
          DS,
        ),
      ),
    },
    mx,
    'nsecMissing',
    /./,
  ],
  [
    'DS signature wrong',
    { parent: { change: changing('example.test', DS, { corrupt: true }) } },
    mx,
    'bogus',
    /example\.test DS by key \d+ does not verify/,
  ],
  [
    'DS signature expired',
    { parent: { change: changing('example.test', DS, { expirationSeconds: nowSeconds - 5 }) } },
    mx,
    'signatureExpired',
    /DS expired/,
  ],
  [
    'DS signed by the child itself',
    {
      intercept: answering(...childDs, (answer) => ({
        ...answer,
        answers: answer.answers.map((record) =>
          record.type === RRSIG
            ? {
                ...record,
                rdata: concat(
                  record.rdata.subarray(0, 18),
                  encodeName('example.test'),
                  record.rdata.subarray(18 + 6),
                ),
              }
            : record,
        ),
      })),
    },
    mx,
    'bogus',
    /signed by example\.test, not by its zone/,
  ],
  [
    'DS of a key that the child does not have',
    { zone: { ds: [{ name: 'example.test', type: DS, rdata: encodeDs('example.test', rogue) }] } },
    mx,
    'dnskeyMissing',
    /no key of example\.test/,
  ],
  [
    'DS of the right key for another name',
    {
      zone: {
        ds: [
          {
            name: 'example.test',
            type: DS,
            rdata: encodeDs('exbmple.test', keyOf('example.test')),
          },
        ],
      },
    },
    mx,
    'dnskeyMissing',
    /no key of example\.test/,
  ],
  [
    'one DS that is supported and fails, beside one that is not',
    {
      zone: {
        ds: [
          { name: 'example.test', type: DS, rdata: encodeDs('example.test', rogue) },
          { name: 'example.test', type: DS, rdata: concat(u16(1), u8(200), u8(2), u16(7)) },
        ],
      },
    },
    mx,
    'dnskeyMissing',
    /no key of example\.test/,
  ],
  [
    'DNSKEY stripped',
    {
      intercept: answering('example.test', DNSKEY, () => ({
        rcode: 0,
        answers: [],
        authorities: [],
      })),
    },
    mx,
    'dnskeyMissing',
    /has DS records and no keys/,
  ],
  [
    'DNSKEY signatures stripped',
    { intercept: answering('example.test', DNSKEY, noSignatures) },
    mx,
    'rrsigsMissing',
    /DNSKEY has no signature/,
  ],
  [
    'a foreign key among the DNSKEY records',
    {
      intercept: answering('example.test', DNSKEY, (answer) => ({
        ...answer,
        answers: [
          ...answer.answers,
          { name: 'example.test', type: DNSKEY, ttlSeconds: 300, rdata: rogue.dnskey },
        ],
      })),
    },
    mx,
    'bogus',
    /DNSKEY by key \d+ does not verify/,
  ],
  [
    'a DNSKEY set that only a zone-signing key signed',
    {
      zone: {
        keys: [keyOf('example.test', 13, { flags: 256, seed: 'zsk' })],
        otherKeys: [keyOf('example.test').dnskey],
        ds: [
          {
            name: 'example.test',
            type: DS,
            rdata: encodeDs('example.test', keyOf('example.test')),
          },
        ],
      },
    },
    mx,
    'dnskeyMissing',
    /which example\.test does not have/,
  ],
  [
    'a key without the zone flag (RFC 4034 §2.1.1)',
    {
      zone: {
        keys: [keyOf('example.test', 13, { flags: 1 })],
        ds: [
          {
            name: 'example.test',
            type: DS,
            rdata: encodeDs('example.test', keyOf('example.test', 13, { flags: 1 })),
          },
        ],
      },
    },
    mx,
    'noZoneKeyBit',
    /no zone key/,
  ],
  [
    'a revoked key (RFC 5011 §2.1)',
    { zone: { keys: [keyOf('example.test', 13, { flags: 257 | 0x80 })] } },
    mx,
    'dnskeyMissing',
    /no key of example\.test/,
  ],
  [
    'a key of another protocol (RFC 4034 §2.1.2)',
    { zone: { keys: [keyOf('example.test', 13, { protocol: 2 })] } },
    mx,
    'dnskeyMissing',
    /no key of example\.test/,
  ],
  [
    "the root's keys signed by somebody else",
    {
      intercept: answering('', DNSKEY, (answer) => ({
        ...answer,
        answers: [{ name: '', type: DNSKEY, ttlSeconds: 300, rdata: rogue.dnskey }],
      })),
    },
    mx,
    'dnskeyMissing',
    /no key of \./,
  ],
  [
    'an unsigned answer where the parent says the zone is signed, though the child has no keys left',
    {
      zone: {
        keys: 'none',
        ds: [{ name: 'example.test', type: DS, rdata: encodeDs('example.test', rogue) }],
      },
    },
    mx,
    'dnskeyMissing',
    /has DS records and no keys/,
  ],
];

describe.each([
  ['signatures', signatureRows],
  ['records changed on the way', changedRows],
  ['denials', denialRows],
  ['delegations', delegationRows],
  ['tricks', trickRows],
] as const)('bogus: %s', (_, rows) => {
  test.each(rows)('%s', async (_title, tree, [name, type], code, text) => {
    const { resolver } = build(tree);
    const resolution = await resolver.resolve(name, type, deadlineMs);
    expect(resolution).toMatchObject({ kind: 'failed', status: 'bogus', code: 'dns-bogus' });
    expect(resolution.reason?.text).toMatch(text);
    expect(resolution.reason?.infoCode).toBe(infoCodes[code]);
  });
});

test('what is bogus is a failure to those who look up, and no records come with it', async () => {
  const { resolver } = build({ zone: { change: changing('example.test', MX, { corrupt: true }) } });
  expect(await resolver.lookup('example.test', 'MX', deadlineMs)).toEqual({
    kind: 'failed',
    code: 'dns-bogus',
    reason: expect.stringMatching(/^the signature of example\.test MX by key \d+ does not verify$/),
    infoCode: infoCodes.bogus,
  });
});

describe('a question for DS, when the way down is known', () => {
  /** Spoils answers once the world is warm. */
  async function askDs(name: string, tree: Tree, spoil: (answer: SignedAnswer) => SignedAnswer) {
    let warm = false;
    const { resolver } = build({
      ...tree,
      intercept: (answer, question) => (warm && question.type === DS ? spoil(answer) : answer),
    });
    await resolver.resolve('mx.example.test', A, deadlineMs);
    await resolver.resolve('host.sub.example.test', A, deadlineMs);
    warm = true;
    return await resolver.resolve(name, DS, deadlineMs);
  }

  test("the child's signature of it is not the parent's", async () => {
    const [own] = signTree([
      {
        origin: 'example.test',
        records: [{ name: 'example.test', type: DS, rdata: encodeDs('example.test', rogue) }],
      },
    ]);
    const set = own?.names.get('example.test')?.get(DS);
    const resolution = await askDs('example.test', {}, () => ({
      rcode: 0,
      answers: set === undefined ? [] : toRecords(set),
      authorities: [],
    }));
    expect(resolution).toMatchObject({ status: 'bogus' });
  });

  test('an unsigned child does not make its DS unsigned', async () => {
    const resolution = await askDs('sub.example.test', {}, () => ({
      rcode: 0,
      answers: [
        { name: 'sub.example.test', type: DS, ttlSeconds: 300, rdata: encodeDs('x', rogue) },
      ],
      authorities: [],
    }));
    expect(resolution).toMatchObject({ status: 'bogus' });
  });
});

describe('opt-out (RFC 5155 §8.4)', () => {
  const denial = { ...opposite, optOut: true } as const;

  test.each([
    [3, 'bogus', 'failed'],
    [0, 'insecure', 'nodata'],
  ])(
    'with response code %d and no proof that no wildcard stands for the name: %s',
    async (rcode, status, kind) => {
      const whole = build({ zone: { denial } });
      const zone = whole.zones.find(({ origin }) => origin === 'example.test');
      const name = 'absent.example.test';
      const { resolver } = build({
        zone: { denial },
        intercept: answering(name, A, (answer) => ({
          ...answer,
          rcode,
          authorities: withoutCoverOf('*.example.test', answer.authorities, zone?.hashed ?? []),
        })),
      });
      expect(await whole.resolver.resolve(name, A, deadlineMs)).toMatchObject({
        kind: 'nxdomain',
        status: 'insecure',
      });
      expect(await resolver.resolve(name, A, deadlineMs)).toMatchObject({ kind, status });
    },
  );
});

/** Takes the NSEC3 record out that covers a name, unless it is needed for another reason. */
function withoutCoverOf(
  name: string,
  records: readonly WireRecord[],
  hashed: readonly { readonly hash: string }[],
): readonly WireRecord[] {
  const cover = (text: string): string => {
    const hash = encodeBase32Hex(hashName(text, opposite.salt, opposite.iterations));
    return (hashed.findLast((entry) => entry.hash < hash) ?? hashed.at(-1))?.hash ?? '';
  };
  const owner = `${cover(name)}.example.test`;
  if (owner === `${cover('absent.example.test')}.example.test`) {
    throw new RangeError('one record covers both names; choose others');
  }
  return records.filter((record) => record.name !== owner);
}

test.each([
  ['absent.example.test', 'A', 0, 'nxdomain'],
  ['mx.example.test', 'MX', 3, 'nodata'],
] as const)(
  'the response code is not signed: %s %s is no other with %d',
  async (name, type, rcode, kind) => {
    const { resolver } = build({
      intercept: answering(name, typeNumbers[type], (answer) => ({ ...answer, rcode })),
    });
    expect(await resolver.lookup(name, type, deadlineMs)).toMatchObject({ kind, status: 'secure' });
  },
);

test("glue and NS records of a delegation are nobody's to believe", async () => {
  const { resolver } = build({});
  expect(await resolver.resolve('sub.example.test', NS, deadlineMs)).toMatchObject({
    status: 'insecure',
  });
});
