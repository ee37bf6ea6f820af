/**
 * The right zones of a small internet, signed by Knot, by BIND's tools and by our own signer, each with all that a zone can
 * hold. The wrong ones are in `dnssec-odd-zones.ts`, what is asked of them in `dnssec-questions.ts`.
 */
import {
  createSigningKey,
  type SigningAlgorithm,
  type SigningKey,
} from '../../bin/world/dnssec-keys.ts';
import {
  type DenialKind,
  dsRecords,
  type SigningOptions,
  signZone,
} from '../../bin/world/dnssec-signer.ts';
import type { SignableRecord } from '../../bin/world/dnssec-wire.ts';
import { formatSignedZone, formatZone } from './zone-file.ts';

export const daySeconds = 86_400;

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

export function key(
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

export const nsec3 = (iterations: number, salt = '', optOut = false): DenialKind => ({
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
