import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createAuthority, issueSelfSigned } from '../../../bin/world/ca.ts';
import type { TlsaRecord } from '../../../functions/protocol/dane/tlsa-record.ts';
import { type DaneVerdict, verifyDane } from '../../../functions/protocol/dane/verify-dane.ts';
import { readPublicKeyInfo } from '../../../functions/protocol/x509/certificate.ts';
import {
  certifyAuthority,
  certifyServer,
  dayMs,
  nowMs,
  party,
  publicKeyInfo,
} from '../x509/certificate-maker.ts';
import { base, type Certified, type Chain, chains, recordOf } from './chains.ts';

type Parameters = readonly [number, number, number];

const fields = [0, 1, 2] as const;
const leafParameters: readonly Parameters[] = [0, 1].flatMap((selector) =>
  fields.map((matchingType) => [3, selector, matchingType] as const),
);
const digestParameters: readonly Parameters[] = [
  [2, 0, 1],
  [2, 0, 2],
  [2, 1, 1],
  [2, 1, 2],
];

function verify(
  records: readonly TlsaRecord[],
  sent: readonly Uint8Array[],
  nextHop: readonly string[] = [],
): DaneVerdict {
  return verifyDane({ records, chain: sent, referenceIdentifiers: { base, nextHop }, nowMs });
}

/** `verified`, `unusable` or the code of the failure. */
function outcome(verdict: DaneVerdict): string {
  return verdict.kind === 'failed' ? verdict.code : verdict.kind;
}

function chainOf(what: string): Chain {
  const found = chains.find((chain) => chain.what === what);
  if (found === undefined) {
    throw new RangeError(`no chain: ${what}`);
  }
  return found;
}

function certifiedOf(what: string, id: string): Certified {
  const found = chainOf(what).certified.get(id);
  if (found === undefined) {
    throw new RangeError(`no ${id} in: ${what}`);
  }
  return found;
}

const plain = 'a leaf, an intermediate and a root';
const plainSent = chainOf(plain).sent;
const leaf = certifiedOf(plain, 'leaf');
const root = certifiedOf(plain, 'root');
const stranger = certifiedOf('unrelated authority appended', 'stranger');

describe('DANE-EE(3): RFC 7672 §3.1.1', () => {
  test.each(chains.map((chain) => [chain.what, chain] as const))(
    'the leaf is all that matters: %s',
    (_, { sent, certified }) => {
      const own = certified.get('leaf');
      for (const parameters of own === undefined ? [] : leafParameters) {
        const record = recordOf(parameters, own ?? leaf);
        expect(verify([record], sent)).toMatchObject({
          kind: 'verified',
          record,
          match: {
            usage: 'DANE-EE',
            selected: parameters[1] === 0 ? 'certificate' : 'public key',
          },
        });
      }
    },
  );

  test.each(leafParameters.map((parameters) => [parameters] as const))(
    'not the issuer, nor another leaf: %j',
    (parameters) => {
      for (const other of [root, stranger, certifiedOf('a leaf and a root', 'root')]) {
        expect(outcome(verify([recordOf(parameters, other)], plainSent))).toBe('dane-mismatch');
      }
    },
  );

  test('a record about a certificate that came second is not about the leaf', () => {
    const [, second = leaf.der] = plainSent;
    expect(outcome(verify([recordOf([3, 0, 1], leaf)], [second, leaf.der]))).toBe('dane-mismatch');
  });

  test('holds decades before and after, and for any name', () => {
    for (const time of [0, nowMs + 50 * 365 * dayMs]) {
      const verdict = verifyDane({
        records: [recordOf([3, 1, 1], leaf)],
        chain: [leaf.der],
        referenceIdentifiers: { base: 'elsewhere.test', nextHop: [] },
        nowMs: time,
      });
      expect(verdict.kind).toBe('verified');
    }
  });

  test('a certificate that cannot be read may match as a whole, and by its key never', () => {
    const garbage = Buffer.from('garbage');
    const whole = { der: garbage, publicKeyInfo: garbage };
    const ofNothing = { der: garbage, publicKeyInfo: new Uint8Array() };
    expect(outcome(verify([recordOf([3, 0, 1], whole)], [garbage]))).toBe('verified');
    expect(outcome(verify([recordOf([3, 1, 1], whole)], [garbage]))).toBe('dane-mismatch');
    expect(outcome(verify([recordOf([3, 1, 1], ofNothing)], [garbage]))).toBe('dane-mismatch');
    expect(outcome(verify([recordOf([2, 0, 1], whole)], [garbage]))).toBe('certificate-malformed');
  });
});

describe('DANE-TA(2): RFC 7672 §3.1.2', () => {
  // By digest, in all four forms; then, where these differ, as whole certificate and as whole key (RFC 7671 §5.2.2, §5.2.3).
  test.each<[string, string, string, string?, string?]>([
    ['a leaf, an intermediate and a root', 'intermediate', 'verified'],
    ['a leaf, an intermediate and a root', 'root', 'verified'],
    ['a leaf and a root', 'root', 'verified'],
    ['a leaf that signed itself', 'leaf', 'dane-mismatch', 'dane-mismatch', 'verified'],
    [
      'an authority that serves',
      'leaf',
      'dane-mismatch',
      'dane-mismatch',
      'certificate-not-trusted',
    ],
    ['out of order', 'intermediate', 'verified'],
    ['out of order', 'root', 'verified'],
    ['unrelated authority appended', 'intermediate', 'verified'],
    ['unrelated authority appended', 'root', 'verified'],
    ['unrelated authority appended', 'stranger', 'dane-mismatch'],
    ['unrelated authority of the right name', 'impostor', 'dane-mismatch'],
    ['root left out', 'intermediate', 'verified'],
    ['root left out', 'root', 'dane-mismatch', 'verified', 'verified'],
    ['intermediate left out', 'intermediate', 'dane-mismatch', 'verified', 'verified'],
    ['intermediate left out', 'root', 'dane-mismatch'],
    ['leaf alone', 'intermediate', 'dane-mismatch', 'verified', 'verified'],
    ['leaf alone', 'root', 'dane-mismatch'],
    ['sent twice', 'intermediate', 'verified'],
    ['sent twice', 'root', 'verified'],
    ['cross-signed, the other way expired', 'intermediate', 'verified'],
    ['cross-signed, the other way expired', 'root', 'verified'],
    ['cross-signed, the other way expired', 'stranger', 'certificate-expired'],
    ['two authorities that certify each other', 'a', 'verified'],
    ['two authorities that certify each other', 'b', 'verified'],
    ['renewed key of the root', 'renewed', 'verified'],
    ['renewed key of the root', 'root', 'verified'],
    ['leaf expired', 'intermediate', 'certificate-expired'],
    ['leaf expired', 'root', 'certificate-expired'],
    ['leaf not yet valid', 'intermediate', 'certificate-not-yet-valid'],
    ['leaf not yet valid', 'root', 'certificate-not-yet-valid'],
    ['intermediate expired', 'intermediate', 'certificate-expired'],
    ['intermediate expired', 'root', 'certificate-expired'],
    ['root expired', 'intermediate', 'verified'],
    ['root expired', 'root', 'certificate-expired'],
    ['another name', 'intermediate', 'certificate-host-mismatch'],
    ['another name', 'root', 'certificate-host-mismatch'],
    ['wildcard', 'intermediate', 'verified'],
    ['wildcard', 'root', 'verified'],
    ['wildcard one label too high', 'intermediate', 'certificate-host-mismatch'],
    ['wildcard one label too high', 'root', 'certificate-host-mismatch'],
    ['part of a label as wildcard', 'intermediate', 'certificate-host-mismatch'],
    ['part of a label as wildcard', 'root', 'certificate-host-mismatch'],
    ['upper case', 'intermediate', 'verified'],
    ['upper case', 'root', 'verified'],
    ['name in the CN alone', 'intermediate', 'verified'],
    ['name in the CN alone', 'root', 'verified'],
    ['name in the CN, another as DNS-ID', 'intermediate', 'certificate-host-mismatch'],
    ['name in the CN, another as DNS-ID', 'root', 'certificate-host-mismatch'],
    ['wildcard in the CN', 'intermediate', 'verified'],
    ['wildcard in the CN', 'root', 'verified'],
    ['no name', 'intermediate', 'certificate-host-mismatch'],
    ['no name', 'root', 'certificate-host-mismatch'],
    ['intermediate is no authority', 'intermediate', 'certificate-not-trusted'],
    ['intermediate is no authority', 'root', 'certificate-not-trusted'],
    ['intermediate without basicConstraints', 'intermediate', 'certificate-not-trusted'],
    ['intermediate without basicConstraints', 'root', 'certificate-not-trusted'],
    ['intermediate may not sign certificates', 'intermediate', 'certificate-not-trusted'],
    ['intermediate may not sign certificates', 'root', 'certificate-not-trusted'],
    ['path length kept', 'intermediate', 'verified'],
    ['path length kept', 'root', 'verified'],
    ['path length of the root exceeded', 'intermediate', 'verified'],
    ['path length of the root exceeded', 'root', 'certificate-not-trusted'],
    ['root of version 1', 'intermediate', 'verified'],
    ['root of version 1', 'root', 'verified'],
    ['intermediate of version 1', 'intermediate', 'certificate-not-trusted'],
    ['intermediate of version 1', 'root', 'certificate-not-trusted'],
    ['root is no authority', 'intermediate', 'verified'],
    ['root is no authority', 'root', 'certificate-not-trusted'],
    ['leaf for clients', 'intermediate', 'certificate-not-trusted'],
    ['leaf for clients', 'root', 'certificate-not-trusted'],
    ['intermediate for clients', 'intermediate', 'certificate-not-trusted'],
    ['intermediate for clients', 'root', 'certificate-not-trusted'],
    ['leaf with a key for signing certificates only', 'intermediate', 'certificate-not-trusted'],
    ['leaf with a key for signing certificates only', 'root', 'certificate-not-trusted'],
    ['unknown critical extension in the leaf', 'intermediate', 'certificate-not-trusted'],
    ['unknown critical extension in the leaf', 'root', 'certificate-not-trusted'],
    ['unknown critical extension in the intermediate', 'intermediate', 'certificate-not-trusted'],
    ['unknown critical extension in the intermediate', 'root', 'certificate-not-trusted'],
    ['name permitted', 'intermediate', 'verified'],
    ['name permitted', 'root', 'verified'],
    ['name not permitted', 'intermediate', 'certificate-not-trusted'],
    ['name not permitted', 'root', 'certificate-not-trusted'],
    ['name excluded', 'intermediate', 'certificate-not-trusted'],
    ['name excluded', 'root', 'certificate-not-trusted'],
    ['part of a label is not the domain', 'intermediate', 'certificate-not-trusted'],
    ['part of a label is not the domain', 'root', 'certificate-not-trusted'],
    ['name in the CN not permitted', 'intermediate', 'certificate-not-trusted'],
    ['name in the CN not permitted', 'root', 'certificate-not-trusted'],
    ['RSA root', 'root', 'verified'],
    ['RSA root of 1024 bits', 'root', 'certificate-not-trusted'],
    ['signed by SHA-1', 'root', 'certificate-not-trusted'],
    ['root that signed itself by SHA-1', 'root', 'verified'],
  ])(
    '%s, anchored at the %s: %s',
    (what, id, byDigest, byCertificate = byDigest, byKey = byDigest) => {
      const { sent } = chainOf(what);
      const certified = certifiedOf(what, id);
      for (const parameters of digestParameters) {
        expect(outcome(verify([recordOf(parameters, certified)], sent))).toBe(byDigest);
      }
      expect(outcome(verify([recordOf([2, 0, 0], certified)], sent))).toBe(byCertificate);
      expect(outcome(verify([recordOf([2, 1, 0], certified)], sent))).toBe(byKey);
    },
  );

  test('the leaf is no anchor of its own, but for a leaf that signed itself and its whole key', () => {
    for (const { what, sent, certified } of chains) {
      const own = certified.get('leaf') ?? leaf;
      const outcomes = digestParameters.map((parameters) =>
        verify([recordOf(parameters, own)], sent),
      );
      expect(outcomes.map(outcome), what).toEqual(digestParameters.map(() => 'dane-mismatch'));
    }
  });

  test('of two cross-certificates with one key the record on the whole one means that one', () => {
    const what = 'cross-signed, the other way expired';
    const { sent } = chainOf(what);
    const crossed = certifiedOf(what, 'crossed');
    expect(outcome(verify([recordOf([2, 0, 1], crossed)], sent))).toBe('certificate-expired');
    expect(outcome(verify([recordOf([2, 1, 1], crossed)], sent))).toBe('verified');
  });

  test('says where the anchor was and which name matched', () => {
    const whole = recordOf([2, 0, 0], root);
    const [first = leaf.der, second = leaf.der] = plainSent;
    const match = { usage: 'DANE-TA', intermediates: 1, name: base };
    expect(verify([whole], plainSent)).toMatchObject({ match: { ...match, anchor: 'presented' } });
    expect(verify([whole], [first, second])).toMatchObject({
      match: { ...match, anchor: 'certificate in the DNS' },
    });
    expect(verify([recordOf([2, 1, 0], root)], [first, second])).toMatchObject({
      match: { ...match, anchor: 'key in the DNS' },
    });
  });

  test('an anchor that everybody can copy proves nothing for a chain that does not lead there', () => {
    const mallory = party('Mallory');
    const forged = [
      certifyServer(mallory, party('evil'), [base]),
      certifyAuthority(mallory, mallory),
      ...plainSent.slice(1),
    ];
    for (const parameters of [...digestParameters, [2, 0, 0], [2, 1, 0]] as const) {
      expect(outcome(verify([recordOf(parameters, root)], forged))).toBe('dane-mismatch');
    }
  });

  test('nor does one of the same name and another key', () => {
    const impostor = party('Intermediate', 'impostor');
    const forged = [certifyServer(impostor, party('evil'), [base]), ...plainSent.slice(1)];
    expect(outcome(verify([recordOf([2, 0, 1], root)], forged))).toBe('dane-mismatch');
    expect(outcome(verify([recordOf([2, 0, 0], root)], forged))).toBe('dane-mismatch');
  });

  test('RFC 7672 §3.2.2: the next-hop domain will do where it is vouched for', () => {
    const records = [recordOf([2, 0, 1], certifiedOf('another name', 'root'))];
    const { sent } = chainOf('another name');
    const names = ['example.org', 'mx.example.net'];
    expect(verify(records, sent, names)).toMatchObject({
      kind: 'verified',
      match: { name: 'mx.example.net' },
    });
    expect(outcome(verify(records, sent, ['example.org']))).toBe('certificate-host-mismatch');
  });

  test.each<readonly [number, string, string]>([
    [nowMs - dayMs - 1, 'certificate-not-yet-valid', 'the millisecond before'],
    [nowMs - dayMs, 'verified', 'RFC 5280 §4.1.2.5: the first second belongs to it'],
    [nowMs + dayMs + 999, 'verified', 'RFC 5280 §4.1.2.5: so does the last'],
    [nowMs + dayMs + 1000, 'certificate-expired', 'the second after'],
  ])('dates: %i', (time, expected) => {
    const verdict = verifyDane({
      records: [recordOf([2, 0, 1], root)],
      chain: plainSent,
      referenceIdentifiers: { base, nextHop: [] },
      nowMs: time,
    });
    expect(outcome(verdict)).toBe(expected);
  });

  test('what cannot be read among the certificates is not there', () => {
    const sent = [leaf.der, Buffer.from('garbage'), ...plainSent.slice(1), new Uint8Array()];
    expect(outcome(verify([recordOf([2, 0, 1], root)], sent))).toBe('verified');
  });

  test('a thicket of certificates that all certify each other ends soon', () => {
    const key = party('Thicket');
    const thicket = Array.from({ length: 30 }, (_, serial) =>
      certifyAuthority(key, key, { serial: serial + 1 }),
    );
    const sent = [certifyServer(key, party('server'), [base]), ...thicket];
    const before = performance.now();
    expect(outcome(verify([recordOf([2, 0, 1], root)], sent))).toBe('dane-mismatch');
    expect(performance.now() - before).toBeLessThan(2000);
    const record = recordOf([2, 1, 1], { der: leaf.der, publicKeyInfo: publicKeyInfo(key) });
    expect(outcome(verify([record], sent))).toBe('verified');
  });

  test('a path of ten certificates holds, one of eleven is not looked for', () => {
    const parties = Array.from({ length: 12 }, (_, index) => party(`Authority ${index}`));
    const sentOver = (authorities: number): readonly Uint8Array[] => {
      const used = parties.slice(0, authorities);
      const [lowest = party('none')] = used;
      const certificates = used.map((one, index) => certifyAuthority(used[index + 1] ?? one, one));
      return [certifyServer(lowest, party('server'), [base]), ...certificates];
    };
    const anchorOf = (sent: readonly Uint8Array[]): TlsaRecord => {
      const der = sent.at(-1) ?? leaf.der;
      return recordOf([2, 0, 1], { der, publicKeyInfo: readPublicKeyInfo(der) });
    };
    const [ten, eleven] = [sentOver(9), sentOver(10)];
    expect(outcome(verify([anchorOf(ten)], ten))).toBe('verified');
    expect(outcome(verify([anchorOf(eleven)], eleven))).toBe('dane-mismatch');
  });
});

describe('RRsets', () => {
  const right = (parameters: Parameters): TlsaRecord => recordOf(parameters, leaf);
  const wrong = (parameters: Parameters): TlsaRecord => recordOf(parameters, stranger);

  test.each<readonly [readonly TlsaRecord[], string, string]>([
    [[wrong([3, 1, 1]), right([3, 1, 1])], 'verified', 'RFC 7671 §8.1: a key being rolled over'],
    [[wrong([3, 1, 1]), recordOf([2, 0, 1], root)], 'verified', 'either usage'],
    [[right([3, 1, 1]), wrong([2, 0, 1])], 'verified', 'either usage'],
    [
      [right([3, 1, 1]), wrong([3, 1, 2])],
      'dane-mismatch',
      'RFC 7671 §9: the weaker digest is out',
    ],
    [[wrong([3, 1, 1]), right([3, 1, 2])], 'verified', 'RFC 7671 §9: the stronger one is in'],
    [[right([3, 1, 0]), wrong([3, 1, 2])], 'verified', 'RFC 7671 §9: no digest, never out'],
    [[right([3, 1, 1]), wrong([3, 0, 2])], 'verified', 'RFC 7671 §9: by usage and selector'],
    [[right([3, 1, 1]), wrong([2, 1, 2])], 'verified', 'RFC 7671 §9: by usage and selector'],
    [
      [right([3, 1, 1]), { ...wrong([3, 1, 2]), data: new Uint8Array(63) }],
      'verified',
      'RFC 7671 §9: what is malformed puts nothing out',
    ],
    [
      [right([0, 0, 1]), right([1, 1, 1])],
      'unusable',
      'RFC 7672 §3.1.3: they match and are not used',
    ],
    [[recordOf([0, 0, 1], root)], 'unusable', 'RFC 7672 §3.1.3: PKIX-TA'],
    [[right([1, 1, 1]), right([3, 1, 1])], 'verified', 'beside one that can be used'],
    [[right([1, 1, 1]), wrong([3, 1, 1])], 'dane-mismatch', 'one that can be used decides'],
    [[right([3, 2, 1]), right([3, 1, 3]), right([4, 1, 1])], 'unusable', 'unknown parameters'],
    [[{ ...right([3, 1, 1]), matchingType: 2 }], 'unusable', 'a digest of the wrong length'],
  ])('%#', (records, expected) => {
    expect(outcome(verify(records, plainSent))).toBe(expected);
    expect(outcome(verify(records.toReversed(), plainSent))).toBe(expected);
  });

  test('no records: nobody should have asked', () => {
    expect(() => verify([], plainSent)).toThrow(RangeError);
  });

  test('no certificate: failed', () => {
    expect(outcome(verify([right([3, 1, 1])], []))).toBe('dane-mismatch');
  });

  test('reasons tell the record and the key', () => {
    const verdict = verify([wrong([3, 1, 1])], plainSent);
    const digest = createHash('sha256').update(leaf.publicKeyInfo).digest('hex');
    expect(verdict.reason).toMatch(/^no TLSA record matches: 3 1 1 [0-9a-f]{34}…/);
    expect(verdict.reason).toContain(digest);
  });
});

describe('certificates of the simulated internet', () => {
  const now = (): number => nowMs;

  function toDer(pem: string): readonly Uint8Array[] {
    return [...pem.matchAll(/-----BEGIN CERTIFICATE-----([^-]*)-----END/g)].map(([, text = '']) =>
      Buffer.from(text, 'base64'),
    );
  }

  function recordsOf(der: Uint8Array, usage: number): readonly TlsaRecord[] {
    const certified = { der, publicKeyInfo: readPublicKeyInfo(der) };
    return [0, 1].flatMap((selector) =>
      fields.map((matchingType) => recordOf([usage, selector, matchingType], certified)),
    );
  }

  test('verify by every record made from them, root sent', async () => {
    const authority = await createAuthority({ name: 'World Root', now });
    const intermediate = await authority.intermediate({ name: 'World Intermediate' });
    const { cert } = await intermediate.issue({ names: [base] });
    const sent = [...toDer(cert), ...toDer(authority.certificatePem)];
    expect(sent).toHaveLength(3);
    for (const [depth, der] of sent.entries()) {
      for (const record of recordsOf(der, depth === 0 ? 3 : 2)) {
        expect(outcome(verify([record], sent))).toBe('verified');
      }
    }
    expect(outcome(verify(recordsOf(sent[2] ?? leaf.der, 2).slice(1, 3), sent.slice(0, 2)))).toBe(
      'dane-mismatch',
    );
  });

  test('a self-signed one verifies by its own key', async () => {
    const { cert } = await issueSelfSigned({ names: ['elsewhere.test'] }, now);
    const [der = leaf.der] = toDer(cert);
    for (const record of recordsOf(der, 3)) {
      expect(outcome(verify([record], [der]))).toBe('verified');
    }
  });
});

describe('properties', () => {
  const verifiable = chains.flatMap(({ sent, certified }) =>
    [...certified.entries()].flatMap(([id, one]) =>
      (id === 'leaf' ? leafParameters : digestParameters)
        .map((parameters) => ({ record: recordOf(parameters, one), sent }))
        .filter(({ record }) => verify([record], sent).kind === 'verified'),
    ),
  );

  function flip(octets: Uint8Array, at: number, bit: number): Uint8Array {
    const flipped = Uint8Array.from(octets);
    const index = at % flipped.length;
    flipped[index] = (flipped[index] ?? 0) ^ (1 << bit);
    return flipped;
  }

  test('a bit flipped in a record that verified: it never does', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...verifiable),
        fc.nat(),
        fc.nat(7),
        ({ record, sent }, at, bit) => {
          const data = flip(record.data, at, bit);
          expect(verify([{ ...record, data }], sent).kind).not.toBe('verified');
        },
      ),
      { numRuns: 400 },
    );
  });

  test('a bit flipped in the leaf under DANE-TA(2): it never verifies', () => {
    const records = [recordOf([2, 0, 1], root)];
    fc.assert(
      fc.property(fc.nat(), fc.nat(7), (at, bit) => {
        const sent = [flip(leaf.der, at, bit), ...plainSent.slice(1)];
        expect(verify(records, sent).kind).not.toBe('verified');
      }),
      { numRuns: 400 },
    );
  });

  test('a bit flipped in a whole anchor in the DNS: only the same key verifies', () => {
    const anchors = [recordOf([2, 0, 0], root), recordOf([2, 1, 0], root)] as const;
    const sent = plainSent.slice(0, 2);
    fc.assert(
      fc.property(fc.constantFrom(...anchors), fc.nat(), fc.nat(7), (record, at, bit) => {
        const data = flip(record.data, at, bit);
        if (verify([{ ...record, data }], sent).kind === 'verified') {
          // The last 64 octets of a P-256 key are the coordinates of its point.
          const key = record.selector === 0 ? readPublicKeyInfo(data) : data;
          expect(Buffer.from(key).subarray(-64)).toEqual(
            Buffer.from(root.publicKeyInfo).subarray(-64),
          );
        }
      }),
      { numRuns: 400 },
    );
  });

  test('the order of records and of issuers does not matter, nor what else is sent', () => {
    const extra = fc.constantFrom(...chains.flatMap(({ sent }) => sent));
    fc.assert(
      fc.property(
        fc.constantFrom(...verifiable),
        fc.array(extra, { maxLength: 4 }),
        fc.infiniteStream(fc.nat()),
        ({ record, sent }, extras, order) => {
          const [own = leaf.der, ...others] = sent;
          const shuffled = [...others, ...extras]
            .map((der) => ({ der, rank: order.next().value }))
            .toSorted((a, b) => a.rank - b.rank)
            .map(({ der }) => der);
          const records = [recordOf([3, 0, 1], stranger), record];
          const agreed = record.usage === 3 ? [record] : records;
          expect(verify(agreed, [own, ...shuffled]).kind).toBe('verified');
        },
      ),
      { numRuns: 200 },
    );
  });

  test('any octets as records and certificates give a verdict', () => {
    const octet = fc.nat(4);
    const octets = fc.oneof(
      fc.uint8Array({ maxLength: 80 }),
      fc.constantFrom(...chains.flatMap(({ sent }) => sent)),
    );
    const record = fc.record({ usage: octet, selector: octet, matchingType: octet, data: octets });
    fc.assert(
      fc.property(
        fc.array(record, { minLength: 1, maxLength: 5 }),
        fc.array(octets, { maxLength: 5 }),
        (records, sent) => {
          expect(['verified', 'unusable', 'failed']).toContain(verify(records, sent).kind);
        },
      ),
      { numRuns: 300 },
    );
  });
});
