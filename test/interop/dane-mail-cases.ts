/** MX hosts with a chain and a TLSA RRset each: every way in which one can fit the other, or not. */
import type { KeyObject } from 'node:crypto';
import type { TlsaRecord } from '../../functions/protocol/dane/tlsa-record.ts';
import { type Certified, recordOf } from '../protocol/dane/chains.ts';
import {
  basicConstraints,
  type CertificateOptions,
  certifyAuthority,
  certifyServer,
  dayMs,
  name,
  type Party,
  party,
  publicKeyInfo,
} from '../protocol/x509/certificate-maker.ts';

/** A server to be judged. */
export interface MailCase {
  readonly what: string;
  /** The next-hop domain; `dane-mail-internet.ts` has its MX. */
  readonly domain: string;
  /** The certificates that its MX host sends, the leaf first. */
  readonly sent: readonly Uint8Array[];
  readonly key: KeyObject;
  readonly records: readonly TlsaRecord[];
  /** Below which name the records are. */
  readonly base: string;
  /** The records' signature is wrong. */
  readonly bogus?: boolean;
}

interface Chain {
  readonly what: string;
  readonly sent: readonly Uint8Array[];
  readonly certified: Readonly<Record<Place, Certified>>;
}

type Place = 'leaf' | 'intermediate' | 'root' | 'stranger';

interface ChainOptions {
  readonly names?: readonly string[];
  readonly commonName?: string;
  readonly leaf?: CertificateOptions;
  readonly intermediate?: CertificateOptions;
  readonly root?: CertificateOptions;
  /** How many are sent; default: all three. */
  readonly count?: number;
}

const domain = 'example.com';
const host = 'mx.example.com';

/** Postfix goes by the machine's clock. */
const nowMs = Date.now();
const current: CertificateOptions = { notBeforeMs: nowMs - dayMs, notAfterMs: nowMs + dayMs };
const past: CertificateOptions = { notBeforeMs: nowMs - 9 * dayMs, notAfterMs: nowMs - dayMs };
const future: CertificateOptions = { notBeforeMs: nowMs + dayMs, notAfterMs: nowMs + 9 * dayMs };

const root = party('Root');
const intermediate = party('Intermediate');
const server = party('server');
const stranger = party('Stranger');

function certified(der: Uint8Array, holder: Party): Certified {
  return { der, publicKeyInfo: publicKeyInfo(holder) };
}

function chain(what: string, options: ChainOptions = {}): Chain {
  const { names = [host], commonName = 'server', count = 3 } = options;
  const holder = { ...server, name: name(commonName) };
  const leaf = certifyServer(intermediate, holder, names, { ...current, ...options.leaf });
  const middle = certifyAuthority(root, intermediate, { ...current, ...options.intermediate });
  const top = certifyAuthority(root, root, { ...current, ...options.root });
  return {
    what,
    sent: [leaf, middle, top].slice(0, count),
    certified: {
      leaf: certified(leaf, server),
      intermediate: certified(middle, intermediate),
      root: certified(top, root),
      stranger: certified(certifyAuthority(stranger, stranger, current), stranger),
    },
  };
}

const plain = chain('right');

const chains: readonly Chain[] = [
  chain('leaf alone', { count: 1 }),
  chain('root left out', { count: 2 }),
  chain('leaf expired', { leaf: past }),
  chain('leaf not yet valid', { leaf: future }),
  chain('intermediate expired', { intermediate: past }),
  chain('root expired', { root: past }),
  chain('another name', { names: ['mx.example.net'] }),
  chain('name of the domain', { names: [domain] }),
  chain('wildcard', { names: ['*.example.com'] }),
  chain('part of a label as wildcard', { names: ['m*.example.com'] }),
  chain('upper case', { names: ['MX.Example.COM'] }),
  chain('name in the CN alone', { names: [], commonName: host }),
  chain('name in the CN, another as DNS-ID', { names: ['mx.example.net'], commonName: host }),
  chain('intermediate is no authority', {
    intermediate: { extensions: [basicConstraints(false)] },
  }),
];

/** `3 1 1 leaf`: a record of these parameters about that certificate. */
function parseRecord(text: string, of: Chain): TlsaRecord {
  const [usage, selector, matchingType, place] = text.split(' ');
  const parameters = [Number(usage), Number(selector), Number(matchingType)] as const;
  return recordOf(parameters, of.certified[place as Place]);
}

function mailCase(of: Chain, rrset: readonly string[], over: Partial<MailCase> = {}): MailCase {
  return {
    domain,
    sent: of.sent,
    key: server.key,
    base: host,
    records: rrset.map((text) => parseRecord(text, of)),
    ...over,
    what: [of.what, ...(rrset.length > 0 ? [rrset.join(' + ')] : []), over.what ?? '']
      .filter(Boolean)
      .join(', '),
  };
}

/** Every selector and matching type, for the certificate that it fits and for one that it does not. */
const parameters = [0, 1].flatMap((selector) =>
  [0, 1, 2].map((matchingType) => `${selector} ${matchingType}`),
);
const single = ['3 % leaf', '3 % root', '2 % leaf', '2 % intermediate', '2 % root', '2 % stranger'];

/** Digest agility, and records of both usages (RFC 7671 §9). */
const rrsets = [
  ['3 1 1 stranger', '3 1 1 leaf'],
  ['3 1 1 leaf', '3 1 2 stranger'],
  ['3 1 1 stranger', '3 1 2 leaf'],
  ['3 1 0 leaf', '3 1 2 stranger'],
  ['3 1 1 leaf', '3 0 2 stranger'],
  ['3 1 1 leaf', '2 1 2 stranger'],
  ['2 1 1 root', '2 1 2 stranger'],
  ['3 1 1 stranger', '2 0 1 root'],
  ['3 1 1 stranger', '2 1 1 stranger'],
  ['1 1 1 stranger', '3 1 1 leaf'],
  ['3 1 9 stranger', '3 1 1 leaf'],
  ['3 1 9 leaf', '3 1 1 stranger'],
];

/** None of these can be used. */
const unusable = [
  ['0 1 1 root'],
  ['1 1 1 leaf'],
  ['4 1 1 leaf'],
  ['255 1 1 leaf'],
  ['3 2 1 leaf'],
  ['3 1 3 leaf'],
  ['3 1 9 leaf', '1 1 1 leaf'],
];

const malformed: readonly (readonly [string, TlsaRecord])[] = [
  ['digest too short', { usage: 3, selector: 1, matchingType: 1, data: new Uint8Array(31) }],
  ['digest too long', { usage: 3, selector: 1, matchingType: 2, data: new Uint8Array(65) }],
  ['no certificate', { usage: 2, selector: 0, matchingType: 0, data: new Uint8Array(40) }],
  ['no key', { usage: 3, selector: 1, matchingType: 0, data: new Uint8Array(40) }],
];

/** How the domain leads to the records. */
const ways: readonly (readonly [Chain, string, Partial<MailCase>])[] = [
  [plain, '3 1 1 leaf', { what: 'bogus', bogus: true }],
  [plain, '3 1 1 stranger', { what: 'bogus', bogus: true }],
  [plain, '3 1 1 leaf', { what: 'MX not secure', domain: 'insecure.test' }],
  [plain, '2 1 1 root', { what: 'MX not secure', domain: 'insecure.test' }],
  [
    chain('name of the domain', { names: ['insecure.test'] }),
    '2 1 1 root',
    { what: 'MX not secure', domain: 'insecure.test' },
  ],
  [
    plain,
    '3 1 1 leaf',
    { what: 'host not secure', domain: 'example.org', base: 'mx.insecure.test' },
  ],
  [plain, '3 1 1 leaf', { what: 'alias as host', domain: 'example.net' }],
  [plain, '2 1 1 root', { what: 'alias as host', domain: 'example.net' }],
  [
    chain('name of the alias', { names: ['alias.example.net'] }),
    '2 1 1 root',
    { what: 'records at the alias', domain: 'example.net', base: 'alias.example.net' },
  ],
  [
    chain('name of the alias', { names: ['alias.example.net'] }),
    '2 1 1 root',
    { what: 'records at the name that it is for', domain: 'example.net' },
  ],
  [plain, '2 1 1 root', { what: 'alias as domain', domain: 'alias.example.org' }],
  [
    chain('name of the domain', { names: ['alias.example.org'] }),
    '2 1 1 root',
    { what: 'alias as domain', domain: 'alias.example.org' },
  ],
  [
    chain('name that the domain is an alias for', { names: [domain] }),
    '2 1 1 root',
    { what: 'alias as domain', domain: 'alias.example.org' },
  ],
  [
    plain,
    '3 1 1 leaf',
    {
      what: 'secure alias for a host that is not',
      domain: 'example.edu',
      base: 'alias.example.edu',
    },
  ],
];

export const mailCases: readonly MailCase[] = [
  ...single.flatMap((form) => parameters.map((pair) => mailCase(plain, [form.replace('%', pair)]))),
  ...chains.flatMap((of) =>
    ['3 1 1 leaf', '2 0 1 intermediate', '2 1 1 root'].map((text) => mailCase(of, [text])),
  ),
  mailCase(chain('leaf alone', { count: 1 }), ['2 0 0 intermediate']),
  mailCase(chain('root left out', { count: 2 }), ['2 0 0 root']),
  mailCase(chain('root left out', { count: 2 }), ['2 1 0 root']),
  ...rrsets.map((rrset) => mailCase(plain, rrset)),
  ...unusable.map((rrset) => mailCase(plain, rrset)),
  ...malformed.map(([what, record]) => mailCase(plain, [], { what, records: [record] })),
  ...ways.map(([of, text, over]) => mailCase(of, [text], over)),
  mailCase(plain, [], { what: 'no records' }),
];
