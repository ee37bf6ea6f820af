/** Chains of certificates, each right or wrong in one way, and the TLSA records that can be made from them. */
import { createHash, generateKeyPairSync } from 'node:crypto';
import type { TlsaRecord } from '../../../functions/protocol/dane/tlsa-record.ts';
import {
  basicConstraints,
  type CertificateOptions,
  certify,
  certifyAuthority,
  certifyServer,
  dayMs,
  extendedKeyUsage,
  generalName,
  keyUsage,
  name,
  nameConstraints,
  nowMs,
  type Party,
  party,
  publicKeyInfo,
} from '../x509/certificate-maker.ts';

/** The TLSA base domain of every chain. */
export const base = 'mx.example.com';

/** A certificate and its holder's key. */
export interface Certified {
  readonly der: Uint8Array;
  readonly publicKeyInfo: Uint8Array;
}

export interface Chain {
  readonly what: string;
  /** As the server sends them, the leaf first. */
  readonly sent: readonly Uint8Array[];
  /** Whose key the server has. */
  readonly server: Party;
  /** What TLSA records can be about, by the name that tests give it: `leaf`, `root`... */
  readonly certified: ReadonlyMap<string, Certified>;
}

const root = party('Root');
const intermediate = party('Intermediate');
const second = party('Second Intermediate');
const server = party('server');
const stranger = party('Stranger');
const rsa2048: Party = {
  name: name('RSA Root'),
  key: generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey,
};
const rsa1024: Party = {
  name: name('Small Root'),
  key: generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey,
};

const rootDer = certifyAuthority(root, root);
const intermediateDer = certifyAuthority(root, intermediate);
const leafDer = certifyServer(intermediate, server, [base]);
const strangerDer = certifyAuthority(stranger, stranger);

const expired: CertificateOptions = { notBeforeMs: nowMs - 9 * dayMs, notAfterMs: nowMs - dayMs };
const future: CertificateOptions = { notBeforeMs: nowMs + dayMs, notAfterMs: nowMs + 9 * dayMs };

type Parts = readonly (readonly [string, Uint8Array, Party])[];

/** `parts`: name, certificate, holder; sent in this order unless `sent` says otherwise. */
function chain(what: string, parts: Parts, sent?: readonly Uint8Array[]): Chain {
  return {
    what,
    sent: sent ?? parts.map(([, der]) => der),
    server: parts[0]?.[2] ?? server,
    certified: new Map(
      parts.map(([id, der, holder]) => [id, { der, publicKeyInfo: publicKeyInfo(holder) }]),
    ),
  };
}

/** A leaf below a root. */
function two(
  what: string,
  leaf: Uint8Array,
  top: Uint8Array = rootDer,
  holder: Party = root,
): Chain {
  return chain(what, [
    ['leaf', leaf, server],
    ['root', top, holder],
  ]);
}

/** A leaf below an intermediate below a root. */
function three(
  what: string,
  leaf: Uint8Array,
  middle: Uint8Array,
  top: Uint8Array = rootDer,
): Chain {
  return chain(what, [
    ['leaf', leaf, server],
    ['intermediate', middle, intermediate],
    ['root', top, root],
  ]);
}

function authority(options: CertificateOptions): Uint8Array {
  return certifyAuthority(root, intermediate, options);
}

function constrained(...constraints: Parameters<typeof nameConstraints>): Uint8Array {
  return authority({
    extensions: [basicConstraints(true), keyUsage(0x06), nameConstraints(...constraints)],
  });
}

const plain = three('a leaf, an intermediate and a root', leafDer, intermediateDer);

const crossed = certifyAuthority(stranger, intermediate, expired);
const loopA = certifyAuthority(second, intermediate);
const loopB = certifyAuthority(intermediate, second);
const renewedRoot = party('Root', 'renewed');

/** Every one is built for `base` at `nowMs`. */
export const chains: readonly Chain[] = [
  plain,
  two('a leaf and a root', certifyServer(root, server, [base])),
  chain('a leaf that signed itself', [['leaf', certifyServer(server, server, [base]), server]]),
  chain('an authority that serves', [['leaf', certifyAuthority(server, server), server]]),
  chain(
    'out of order',
    [
      ['leaf', leafDer, server],
      ['intermediate', intermediateDer, intermediate],
      ['root', rootDer, root],
    ],
    [leafDer, rootDer, intermediateDer],
  ),
  chain('unrelated authority appended', [
    ['leaf', leafDer, server],
    ['intermediate', intermediateDer, intermediate],
    ['root', rootDer, root],
    ['stranger', strangerDer, stranger],
  ]),
  chain('unrelated authority of the right name', [
    ['leaf', leafDer, server],
    [
      'impostor',
      certifyAuthority(party('Root', 'x'), party('Intermediate', 'x')),
      party('Intermediate', 'x'),
    ],
  ]),
  chain(
    'root left out',
    [
      ['leaf', leafDer, server],
      ['intermediate', intermediateDer, intermediate],
      ['root', rootDer, root],
    ],
    [leafDer, intermediateDer],
  ),
  chain(
    'intermediate left out',
    [
      ['leaf', leafDer, server],
      ['intermediate', intermediateDer, intermediate],
      ['root', rootDer, root],
    ],
    [leafDer, rootDer],
  ),
  chain(
    'leaf alone',
    [
      ['leaf', leafDer, server],
      ['intermediate', intermediateDer, intermediate],
      ['root', rootDer, root],
    ],
    [leafDer],
  ),
  chain(
    'sent twice',
    [
      ['leaf', leafDer, server],
      ['intermediate', intermediateDer, intermediate],
      ['root', rootDer, root],
    ],
    [leafDer, leafDer, intermediateDer, intermediateDer, rootDer],
  ),
  chain(
    'cross-signed, the other way expired',
    [
      ['leaf', leafDer, server],
      ['intermediate', intermediateDer, intermediate],
      ['root', rootDer, root],
      ['crossed', crossed, intermediate],
      ['stranger', strangerDer, stranger],
    ],
    [leafDer, crossed, intermediateDer, strangerDer, rootDer],
  ),
  chain('two authorities that certify each other', [
    ['leaf', leafDer, server],
    ['a', loopA, intermediate],
    ['b', loopB, second],
  ]),
  chain('renewed key of the root', [
    ['leaf', certifyServer(renewedRoot, server, [base]), server],
    ['renewed', certifyAuthority(root, renewedRoot), renewedRoot],
    ['root', rootDer, root],
  ]),
  three('leaf expired', certifyServer(intermediate, server, [base], expired), intermediateDer),
  three('leaf not yet valid', certifyServer(intermediate, server, [base], future), intermediateDer),
  three('intermediate expired', leafDer, authority(expired)),
  three('root expired', leafDer, intermediateDer, certifyAuthority(root, root, expired)),
  three('another name', certifyServer(intermediate, server, ['mx.example.net']), intermediateDer),
  three('wildcard', certifyServer(intermediate, server, ['*.example.com']), intermediateDer),
  three(
    'wildcard one label too high',
    certifyServer(intermediate, server, ['*.com']),
    intermediateDer,
  ),
  three(
    'part of a label as wildcard',
    certifyServer(intermediate, server, ['m*.example.com']),
    intermediateDer,
  ),
  three('upper case', certifyServer(intermediate, server, ['MX.Example.COM']), intermediateDer),
  three(
    'name in the CN alone',
    certifyServer(intermediate, { ...server, name: name(base) }, []),
    intermediateDer,
  ),
  three(
    'name in the CN, another as DNS-ID',
    certifyServer(intermediate, { ...server, name: name(base) }, ['mx.example.net']),
    intermediateDer,
  ),
  three(
    'wildcard in the CN',
    certifyServer(intermediate, { ...server, name: name('*.example.com') }, []),
    intermediateDer,
  ),
  three('no name', certifyServer(intermediate, { ...server, name: name('') }, []), intermediateDer),
  three(
    'intermediate is no authority',
    leafDer,
    authority({ extensions: [basicConstraints(false)] }),
  ),
  three('intermediate without basicConstraints', leafDer, authority({ extensions: [] })),
  three(
    'intermediate may not sign certificates',
    leafDer,
    authority({ extensions: [basicConstraints(true), keyUsage(0x80)] }),
  ),
  three(
    'path length kept',
    leafDer,
    authority({ extensions: [basicConstraints(true, 0)] }),
    certifyAuthority(root, root, { extensions: [basicConstraints(true, 1)] }),
  ),
  three(
    'path length of the root exceeded',
    leafDer,
    intermediateDer,
    certifyAuthority(root, root, { extensions: [basicConstraints(true, 0)] }),
  ),
  three(
    'root of version 1',
    leafDer,
    intermediateDer,
    certifyAuthority(root, root, { version: 1, extensions: [] }),
  ),
  three('intermediate of version 1', leafDer, authority({ version: 1, extensions: [] })),
  three(
    'root is no authority',
    leafDer,
    intermediateDer,
    certifyAuthority(root, root, { extensions: [basicConstraints(false)] }),
  ),
  three(
    'leaf for clients',
    certify(intermediate, server, {
      extensions: [
        extendedKeyUsage('1.3.6.1.5.5.7.3.2'),
        { id: '2.5.29.17', value: new Uint8Array(certifyNames([base])) },
      ],
    }),
    intermediateDer,
  ),
  three(
    'intermediate for clients',
    leafDer,
    authority({ extensions: [basicConstraints(true), extendedKeyUsage('1.3.6.1.5.5.7.3.2')] }),
  ),
  three(
    'leaf with a key for signing certificates only',
    certify(intermediate, server, {
      extensions: [keyUsage(0x04), { id: '2.5.29.17', value: certifyNames([base]) }],
    }),
    intermediateDer,
  ),
  three(
    'unknown critical extension in the leaf',
    certifyServer(intermediate, server, [base], {
      extensions: [{ id: '1.3.6.1.4.1.99999.1', critical: true, value: new Uint8Array([5, 0]) }],
    }),
    intermediateDer,
  ),
  three(
    'unknown critical extension in the intermediate',
    leafDer,
    authority({
      extensions: [
        basicConstraints(true),
        { id: '1.3.6.1.4.1.99999.1', critical: true, value: new Uint8Array([5, 0]) },
      ],
    }),
  ),
  three('name permitted', leafDer, constrained([generalName('example.com')], [])),
  three('name not permitted', leafDer, constrained([generalName('example.net')], [])),
  three('name excluded', leafDer, constrained([], [generalName('mx.example.com')])),
  three('part of a label is not the domain', leafDer, constrained([generalName('ample.com')], [])),
  three(
    'name in the CN not permitted',
    certifyServer(intermediate, { ...server, name: name(base) }, []),
    constrained([generalName('example.net')], []),
  ),
  two(
    'RSA root',
    certifyServer(rsa2048, server, [base], { algorithm: 'rsa-sha256' }),
    certifyAuthority(rsa2048, rsa2048, { algorithm: 'rsa-sha256' }),
    rsa2048,
  ),
  two(
    'RSA root of 1024 bits',
    certifyServer(rsa1024, server, [base], { algorithm: 'rsa-sha256' }),
    certifyAuthority(rsa1024, rsa1024, { algorithm: 'rsa-sha256' }),
    rsa1024,
  ),
  two(
    'signed by SHA-1',
    certifyServer(rsa2048, server, [base], { algorithm: 'rsa-sha1' }),
    certifyAuthority(rsa2048, rsa2048, { algorithm: 'rsa-sha256' }),
    rsa2048,
  ),
  two(
    'root that signed itself by SHA-1',
    certifyServer(rsa2048, server, [base], { algorithm: 'rsa-sha256' }),
    certifyAuthority(rsa2048, rsa2048, { algorithm: 'rsa-sha1' }),
    rsa2048,
  ),
];

function certifyNames(names: readonly string[]): Uint8Array {
  const parts = Buffer.concat(names.map(generalName));
  return Buffer.concat([Uint8Array.of(0x30, parts.length), parts]);
}

/** A record about a certificate. */
export function recordOf(
  [usage, selector, matchingType]: readonly [number, number, number],
  { der, publicKeyInfo: key }: Certified,
): TlsaRecord {
  const selected = selector === 0 ? der : key;
  const digests: Readonly<Record<number, string>> = { 1: 'sha256', 2: 'sha512' };
  const digest = digests[matchingType];
  return {
    usage,
    selector,
    matchingType,
    data: digest === undefined ? selected : createHash(digest).update(selected).digest(),
  };
}
