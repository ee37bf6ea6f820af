/**
 * A small internet of some 150 zones: signed by Knot, by BIND's tools and by our own signer, each with all that a zone can
 * hold; and zones that are each wrong in one way. What of it is asked is in `dnssec-questions.ts`.
 */
import {
  createSigningKey,
  encodeDs,
  type SigningAlgorithm,
  type SigningKey,
} from '../../bin/world/dnssec-keys.ts';
import {
  type DenialKind,
  dsRecords,
  type SignatureChange,
  type SigningOptions,
  signZone,
} from '../../bin/world/dnssec-signer.ts';
import { type SignableRecord, typeNumbers } from '../../bin/world/dnssec-wire.ts';
import { formatSignedZone, formatZone } from './zone-file.ts';

const { A, DS, DNSKEY, NSEC, SOA } = typeNumbers;
const daySeconds = 86_400;

/** A zone ready to be served, and what its parent has of it. */
export interface MadeZone {
  readonly origin: string;
  readonly text: string;
  readonly ds: readonly SignableRecord[];
}

/** What every zone holds that is to be right. */
export function contentOf(origin: string): readonly SignableRecord[] {
  const at = (label: string): string => `${label}.${origin}`;
  const address = (label: string, data = '192.0.2.1'): SignableRecord => ({
    name: at(label),
    type: 'A',
    data,
  });
  const alias = (label: string, data: string): SignableRecord => ({
    name: at(label),
    type: 'CNAME',
    data,
  });
  const text = (label: string): SignableRecord => ({ name: at(label), type: 'TXT', data: label });
  return [
    { name: origin, type: 'NS', data: at('ns') },
    { name: origin, type: 'MX', preference: 10, exchange: at('mx') },
    { name: origin, type: 'MX', preference: 20, exchange: 'www.own-13.test' },
    { name: origin, type: 'TXT', data: ['v=spf1', ' -all'] },
    address('ns', '127.0.0.1'),
    address('mx', '192.0.2.25'),
    { name: at('mx'), type: 'AAAA', data: '2001:db8::25' },
    tlsa(at('_25._tcp.mx'), 1),
    tlsa(at('_25._tcp.mx'), 2),
    address('www'),
    address('www', '192.0.2.2'),
    // Names between these and the apex are there, and empty.
    address('a.deep.ent'),
    address('*.wild'),
    { name: at('*.wild'), type: 'MX', preference: 0, exchange: at('mx') },
    text('sub.wild'),
    tlsa(at('*._tcp.wild-mx'), 3),
    alias('*.wild-alias', at('www')),
    alias('alias', at('www')),
    alias('alias2', at('alias')),
    alias('dangling', at('nowhere')),
    alias('to-secure', 'www.own-13.test'),
    alias('to-insecure', 'www.unsigned.test'),
    alias('to-bogus', 'www.expired.test'),
    alias('to-nothing', 'nowhere.own-13-nsec3.test'),
    { name: at('dname'), type: 'DNAME', data: at('target') },
    { name: at('dname-insecure'), type: 'DNAME', data: 'unsigned.test' },
    text('x.target'),
    { name: at('insecure'), type: 'NS', data: at('ns.insecure') },
    address('ns.insecure', '127.0.0.1'),
    { name: at('child'), type: 'NS', data: at('ns') },
    ...dsRecords(childOf(origin)),
  ];
}

function tlsa(name: string, octet: number): SignableRecord {
  const data = new Uint8Array(32).fill(octet);
  return { name, type: 'TLSA', usage: 3, selector: 1, matchingType: 1, data };
}

/** The zones that every right zone delegates. */
export function zonesBelow(origin: string): readonly MadeZone[] {
  const child = childOf(origin);
  return [
    { origin: child.origin, text: formatSignedZone(child), ds: dsRecords(child) },
    { origin: `insecure.${origin}`, text: unsignedText(`insecure.${origin}`), ds: [] },
  ];
}

function childOf(origin: string): ReturnType<typeof signZone> {
  return sign(`child.${origin}`, {});
}

/** A zone without signatures. */
export function unsignedText(origin: string): string {
  return formatZone(origin, simpleContent(origin));
}

function simpleContent(origin: string): readonly SignableRecord[] {
  return [
    { name: origin, type: 'NS', data: `ns.${origin}` },
    { name: origin, type: 'MX', preference: 10, exchange: `www.${origin}` },
    { name: `ns.${origin}`, type: 'A', data: '127.0.0.1' },
    { name: `www.${origin}`, type: 'A', data: '192.0.2.3' },
    tlsa(`_25._tcp.www.${origin}`, 4),
    { name: `*.wild.${origin}`, type: 'A', data: '192.0.2.4' },
  ];
}

function key(
  origin: string,
  algorithm: SigningAlgorithm = 13,
  options: {
    readonly flags?: number;
    readonly protocol?: number;
    readonly modulusBits?: number;
  } = {},
): SigningKey {
  return createSigningKey({ seed: `interop ${origin}`, algorithm, ...options });
}

export function sign(
  origin: string,
  options: Partial<SigningOptions>,
): ReturnType<typeof signZone> {
  const nowSeconds = Math.floor(Date.now() / 1_000);
  return signZone({
    origin,
    records: simpleContent(origin),
    keys: [key(origin)],
    inceptionSeconds: nowSeconds - daySeconds,
    expirationSeconds: nowSeconds + 7 * daySeconds,
    ...options,
  });
}

const nsec3 = (iterations: number, salt = '', optOut = false): DenialKind => ({
  kind: 'NSEC3',
  iterations,
  salt: Buffer.from(salt, 'hex'),
  optOut,
});

/** Right zones of Knot's, and the policy of each. */
export const knotZones: readonly (readonly [string, Readonly<Record<string, string | number>>])[] =
  [
    ['knot-rsa256.test', { algorithm: 'rsasha256', 'ksk-size': 2048, 'zsk-size': 1024 }],
    [
      'knot-rsa512-nsec3.test',
      {
        algorithm: 'rsasha512',
        'ksk-size': 2048,
        'zsk-size': 1024,
        nsec3: 'on',
        'nsec3-iterations': 5,
      },
    ],
    ['knot-p256.test', { algorithm: 'ecdsap256sha256' }],
    [
      'knot-p256-nsec3.test',
      { algorithm: 'ecdsap256sha256', nsec3: 'on', 'nsec3-iterations': 0, 'nsec3-salt-length': 0 },
    ],
    ['knot-p256-single.test', { algorithm: 'ecdsap256sha256', 'single-type-signing': 'on' }],
    [
      'knot-p384-nsec3.test',
      { algorithm: 'ecdsap384sha384', nsec3: 'on', 'nsec3-opt-out': 'on', 'nsec3-iterations': 0 },
    ],
    ['knot-ed25519.test', { algorithm: 'ed25519', nsec3: 'on', 'nsec3-iterations': 20 }],
    ['knot-ed448.test', { algorithm: 'ed448' }],
  ];

/** Right zones of BIND's: algorithm and options of dnssec-signzone. */
export const bindZones: readonly (readonly [string, string, readonly string[]])[] = [
  ['bind-rsa256.test', 'RSASHA256', []],
  ['bind-rsa512.test', 'RSASHA512', ['-3', 'aabbccdd', '-H', '10']],
  ['bind-p256.test', 'ECDSAP256SHA256', []],
  ['bind-p256-nsec3.test', 'ECDSAP256SHA256', ['-3', '-', '-H', '0']],
  ['bind-p384.test', 'ECDSAP384SHA384', ['-3', '-', '-H', '0', '-A']],
  ['bind-ed25519.test', 'ED25519', []],
  ['bind-ed25519-nsec3.test', 'ED25519', ['-3', '0123456789abcdef', '-H', '100']],
  ['bind-ed448.test', 'ED448', ['-3', '-', '-H', '1']],
  ['bind-sha1.test', 'RSASHA1', []],
  ['bind-sha1-nsec3.test', 'NSEC3RSASHA1', ['-3', 'ab', '-H', '1']],
];

/** Right zones of our own signer. */
export const ownZones: readonly (readonly [string, Partial<SigningOptions>])[] = [
  ['own-8.test', { keys: [key('own-8', 8)] }],
  ['own-10.test', { keys: [key('own-10', 10)], denial: nsec3(0) }],
  ['own-13.test', {}],
  ['own-13-nsec3.test', { denial: nsec3(0) }],
  ['own-13-optout.test', { denial: nsec3(0, '', true) }],
  ['own-14.test', { keys: [key('own-14', 14)], denial: nsec3(12, 'ab', true) }],
  ['own-15.test', { keys: [key('own-15', 15)] }],
  ['own-16.test', { keys: [key('own-16', 16)], denial: nsec3(100, 'aabbccdd') }],
  [
    'own-rollover.test',
    {
      keys: [
        key('own-rollover-1'),
        key('own-rollover-2'),
        key('own-rollover-3', 13, { flags: 256 }),
      ],
    },
  ],
  ['own-two-algorithms.test', { keys: [key('own-two', 8), key('own-two', 13)] }],
  ['own-long-salt.test', { denial: nsec3(2, 'ab'.repeat(255)) }],
];

/** A zone that is odd or wrong in one way. */
export interface OddZone {
  readonly origin: string;
  readonly signing?: Partial<SigningOptions>;
  /** What its parent has; default: what belongs to its keys. */
  readonly ds?: readonly Uint8Array[];
}

type Change = NonNullable<SigningOptions['change']>;

function oddSignatures(): readonly (readonly [string, SignatureChange, number?])[] {
  const now = Math.floor(Date.now() / 1_000);
  const past = { inceptionSeconds: now - 9 * daySeconds, expirationSeconds: now - daySeconds };
  const future = { inceptionSeconds: now + daySeconds, expirationSeconds: now + 9 * daySeconds };
  return [
    ['expired', past],
    ['expired-keys', past, DNSKEY],
    ['expired-data', past, A],
    ['expired-nsec', past, NSEC],
    ['expired-soa', past, SOA],
    ['future', future],
    ['future-keys', future, DNSKEY],
    ['backwards', { inceptionSeconds: now + 60, expirationSeconds: now - 60 }],
    ['corrupt', { corrupt: true }],
    ['corrupt-keys', { corrupt: true }, DNSKEY],
    ['corrupt-data', { corrupt: true }, A],
    ['corrupt-nsec', { corrupt: true }, NSEC],
    ['corrupt-soa', { corrupt: true }, SOA],
    ['stripped', { strip: true }],
    ['stripped-keys', { strip: true }, DNSKEY],
    ['stripped-data', { strip: true }, A],
    ['stripped-nsec', { strip: true }, NSEC],
    ['stripped-soa', { strip: true }, SOA],
    ['signer-above', { signer: 'test' }, A],
    ['signer-beside', { signer: 'own-13.test' }, A],
    ['signer-root', { signer: '' }, A],
    ['labels-more', { labels: 9 }, A],
    ['labels-less', { labels: 2 }, A],
    ['labels-none', { labels: 0 }, A],
    ['tag-other', { keyTag: 4711 }, A],
    ['algorithm-other', { algorithm: 8 }, A],
    ['algorithm-unknown', { algorithm: 200 }, A],
    ['ttl-less', { originalTtlSeconds: 100 }, A],
    ['ttl-more', { originalTtlSeconds: 3_000 }, A],
  ];
}

/** Zones that are odd or wrong in what signs them. */
export function oddZones(): readonly OddZone[] {
  const changed = oddSignatures().map(([label, change, type]): OddZone => {
    const apply: Change = (set) => (type === undefined || set.type === type ? change : undefined);
    return { origin: `${label}.test`, signing: { change: apply } };
  });
  const iterated = [1, 50, 101, 150, 151, 500, 501, 2500].map(
    (iterations): OddZone => ({
      origin: `iterations-${iterations}.test`,
      signing: { denial: nsec3(iterations) },
    }),
  );
  return [...changed, ...iterated, ...oddKeys(), ...oddDelegations()];
}

function oddKeys(): readonly OddZone[] {
  const withKeys = (label: string, ...keys: readonly SigningKey[]): OddZone => ({
    origin: `${label}.test`,
    signing: { keys },
    ds: keys.slice(0, 1).map((signing) => encodeDs(`${label}.test`, signing)),
  });
  return [
    withKeys('no-zone-flag', key('no-zone-flag', 13, { flags: 1 })),
    withKeys('protocol-2', key('protocol-2', 13, { protocol: 2 })),
    withKeys('revoked', key('revoked', 13, { flags: 0x181 })),
    withKeys('no-sep-flag', key('no-sep-flag', 13, { flags: 256 })),
    withKeys('rsa-512', key('rsa-512', 8, { modulusBits: 512 })),
    withKeys('rsa-768', key('rsa-768', 8, { modulusBits: 768 })),
    withKeys('sha1', key('sha1', 5)),
    withKeys('sha1-and-13', key('sha1-and-13', 5), key('sha1-and-13', 13)),
    withKeys('split', key('split-ksk'), key('split-zsk', 13, { flags: 256 })),
    { origin: 'standby.test', signing: { otherKeys: [key('standby-2').dnskey] } },
    { origin: 'incomplete.test', signing: { otherKeys: [key('incomplete', 8).dnskey] } },
  ];
}

function oddDelegations(): readonly OddZone[] {
  const delegated = (
    label: string,
    make: (signing: SigningKey, origin: string) => readonly Uint8Array[],
    signing?: Partial<SigningOptions>,
  ): OddZone => {
    const origin = `${label}.test`;
    return { origin, ds: make(key(origin), origin), ...(signing === undefined ? {} : { signing }) };
  };
  const right = (signing: SigningKey, origin: string, digest: 1 | 2 | 4 = 2): Uint8Array =>
    encodeDs(origin, signing, digest);
  const altered = (ds: Uint8Array, index: number, octet: number): Uint8Array =>
    ds.with(index, octet);
  const wrong = (ds: Uint8Array): Uint8Array => altered(ds, 10, (ds[10] ?? 0) ^ 1);
  const digestAt = 3;
  const algorithmAt = 2;
  return [
    delegated('ds-wrong', (k, o) => [wrong(right(k, o))]),
    delegated('ds-wrong-tag', (k, o) => [altered(right(k, o), 1, (right(k, o)[1] ?? 0) ^ 1)]),
    delegated('ds-other-key', (_, o) => [right(key('other'), o)]),
    delegated('ds-without-keys', (k, o) => [right(k, o)], { keys: [] }),
    delegated('ds-unknown-algorithm', (k, o) => [altered(right(k, o), algorithmAt, 200)]),
    delegated('ds-unknown-digest', (k, o) => [altered(right(k, o), digestAt, 100)]),
    delegated('ds-sha1', (k, o) => [right(k, o, 1)]),
    delegated('ds-sha384', (k, o) => [right(k, o, 4)]),
    delegated('ds-sha1-wrong', (k, o) => [wrong(right(k, o, 1)), right(k, o)]),
    delegated('ds-sha256-wrong', (k, o) => [right(k, o, 1), wrong(right(k, o))]),
    delegated('ds-sha384-wrong', (k, o) => [right(k, o), wrong(right(k, o, 4))]),
    delegated('ds-two', (k, o) => [right(k, o), right(key('other'), o)]),
    delegated('ds-unknown-and-right', (k, o) => [
      altered(right(k, o), algorithmAt, 200),
      right(k, o),
    ]),
    delegated('ds-unknown-and-wrong', (k, o) => [
      altered(right(k, o), algorithmAt, 200),
      wrong(right(k, o)),
    ]),
    delegated('ds-two-algorithms', (k, o) => [right(k, o), right(key(o, 8), o)]),
    delegated('ds-short', (k, o) => [right(k, o).subarray(0, 20)]),
    delegated('ds-none', () => []),
    delegated('unsigned', () => [], { keys: [] }),
    delegated('parent-ds-expired', (k, o) => [right(k, o)]),
    delegated('parent-ds-stripped', (k, o) => [right(k, o)]),
    delegated('parent-ds-corrupt', (k, o) => [right(k, o)]),
    delegated('parent-nsec-expired', () => [], { keys: [] }),
    delegated('parent-nsec-stripped', () => [], { keys: [] }),
    delegated('parent-nsec-corrupt', () => [], { keys: [] }),
  ];
}

export function makeOddZone({ origin, signing = {}, ds }: OddZone): MadeZone {
  const zone = sign(origin, { ...('keys' in signing ? {} : { keys: [key(origin)] }), ...signing });
  return {
    origin,
    text: formatSignedZone(zone),
    ds: ds?.map((rdata) => ({ name: origin, type: DS, rdata })) ?? dsRecords(zone),
  };
}

/** What is wrong in `test` with what it says of the zones named for it. */
export function parentChange({ name, type }: Parameters<Change>[0]): SignatureChange | undefined {
  const [, kind, fault] = /^parent-(ds|nsec)-(expired|stripped|corrupt)\.test$/.exec(name) ?? [];
  if ((kind === 'ds' && type === DS) || (kind === 'nsec' && type === NSEC)) {
    const now = Math.floor(Date.now() / 1_000);
    switch (fault) {
      case 'expired':
        return { inceptionSeconds: now - 9 * daySeconds, expirationSeconds: now - daySeconds };
      case 'stripped':
        return { strip: true };
      default:
        return { corrupt: true };
    }
  }
  return undefined;
}
