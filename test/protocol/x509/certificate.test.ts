import { createPublicKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { rootCertificates } from 'node:tls';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { TransportSecurityError } from '../../../functions/protocol/errors.ts';
import {
  expectPublicKeyInfo,
  readCertificate,
  readPublicKeyInfo,
} from '../../../functions/protocol/x509/certificate.ts';
import {
  isNameOf,
  readPresentedNames,
} from '../../../functions/protocol/x509/certificate-names.ts';
import {
  findUnknownCritical,
  readBasicConstraints,
  readExtendedKeyUsage,
  readKeyUsage,
} from '../../../functions/protocol/x509/extensions.ts';
import { readNameConstraints } from '../../../functions/protocol/x509/name-constraints.ts';
import {
  findWeakSignature,
  readPathCertificate,
} from '../../../functions/protocol/x509/path-certificate.ts';
import { findPathFault } from '../../../functions/protocol/x509/path-validation.ts';
import {
  alternativeNames,
  basicConstraints,
  bits,
  bool,
  certify,
  certifyAuthority,
  certifyServer,
  der,
  type ExtensionOctets,
  extendedKeyUsage,
  generalName,
  integer,
  keyUsage,
  name,
  nameConstraints,
  nowMs,
  oid,
  party,
  publicKeyInfo,
  sequence,
  text,
  time,
} from './certificate-maker.ts';

const malformed = expect.objectContaining({ code: 'certificate-malformed' });
const root = party('Root');
const server = party('server');

function withExtensions(...extensions: readonly ExtensionOctets[]): Uint8Array {
  return certify(root, server, { extensions });
}

describe('fields', () => {
  test('agree with OpenSSL on every root that Node trusts', () => {
    expect(rootCertificates.length).toBeGreaterThan(100);
    for (const pem of rootCertificates) {
      const openssl = new X509Certificate(pem);
      const certificate = readCertificate(openssl.raw);
      expect({
        notBeforeMs: certificate.notBeforeMs,
        notAfterMs: certificate.notAfterMs,
        ca: readBasicConstraints(certificate)?.ca ?? false,
        key: Buffer.from(certificate.publicKeyInfo).toString('hex'),
        unknown: findUnknownCritical(certificate),
      }).toEqual({
        notBeforeMs: openssl.validFromDate.getTime(),
        notAfterMs: openssl.validToDate.getTime(),
        ca: openssl.ca,
        key: openssl.publicKey.export({ type: 'spki', format: 'der' }).toString('hex'),
        unknown: undefined,
      });
    }
  });

  test.each<readonly [string, number, string]>([
    ['491231235959Z', Date.UTC(2049, 11, 31, 23, 59, 59), 'RFC 5280 §4.1.2.5.1: below 50 is 20YY'],
    ['500101000000Z', Date.UTC(1950, 0, 1), 'RFC 5280 §4.1.2.5.1: from 50 on is 19YY'],
    ['20500101000000Z', Date.UTC(2050, 0, 1), 'GeneralizedTime'],
    ['99991231235959Z', 253_402_300_799_000, 'RFC 5280 §4.1.2.5: no end that is known'],
    ['240229000000Z', Date.UTC(2024, 1, 29), 'a leap day'],
  ])('time %s', (value, ms) => {
    const notAfter = text(value, value.length === 13 ? 0x17 : 0x18);
    const certificate = certify(root, server, { validity: sequence(time(0), notAfter) });
    expect(readCertificate(certificate).notAfterMs).toBe(ms);
  });

  test.each<readonly [string, number, string]>([
    ['230229000000Z', 0x17, 'no leap day'],
    ['231301000000Z', 0x17, 'month 13'],
    ['230100000000Z', 0x17, 'day 0'],
    ['230101240000Z', 0x17, 'hour 24'],
    ['2301010000Z', 0x17, 'no seconds'],
    ['230101000000+0100', 0x17, 'not in UTC'],
    ['20230101000000.5Z', 0x18, 'a fraction'],
    ['230101000000Z', 0x18, 'two digits of a year in GeneralizedTime'],
    ['230101000000Z', 0x0c, 'text'],
  ])('time %s is refused: %#', (value, tag) => {
    const certificate = certify(root, server, { validity: sequence(time(0), text(value, tag)) });
    expect(() => readCertificate(certificate)).toThrow(malformed);
  });

  test.each<readonly [Uint8Array, string]>([
    [new Uint8Array(), 'nothing'],
    [Buffer.concat([withExtensions(), Uint8Array.of(0)]), 'an octet behind'],
    [withExtensions().subarray(0, -1), 'an octet short'],
    [
      certify(root, server, { version: 1, extensions: [keyUsage(0x80)] }),
      'extensions in version 1',
    ],
    [withExtensions(keyUsage(0x80), keyUsage(0x04)), 'RFC 5280 §4.2: two extensions of a kind'],
    [Buffer.alloc(65_536, 0x30), 'over 65535 octets'],
    [Buffer.from('-----BEGIN CERTIFICATE-----'), 'PEM'],
  ])('refused: %#', (octets) => {
    expect(() => readCertificate(octets)).toThrow(malformed);
    expect(() => readPathCertificate(octets)).toThrow(malformed);
  });

  test('a key is found in a certificate that is odd elsewhere', () => {
    const odd = certify(root, server, { validity: sequence() });
    expect(() => readCertificate(odd)).toThrow(malformed);
    expect(Buffer.from(readPublicKeyInfo(odd))).toEqual(publicKeyInfo(server));
  });

  test.each<readonly [Uint8Array, boolean, string]>([
    [publicKeyInfo(server), true, 'a key'],
    [Buffer.concat([publicKeyInfo(server), Uint8Array.of(0)]), false, 'an octet behind'],
    [sequence(sequence(oid('1.3.101.112')), bits(1)), true, 'any algorithm'],
    [sequence(sequence(oid('1.3.101.112')), der(0x03, Uint8Array.of(1, 1))), false, 'a spare bit'],
    [sequence(sequence(oid('1.3.101.112'))), false, 'no key'],
  ])('SubjectPublicKeyInfo %#', (octets, valid) => {
    const check = (): void => expectPublicKeyInfo(octets);
    valid ? expect(check).not.toThrow() : expect(check).toThrow(malformed);
  });
});

describe('extensions', () => {
  test.each<readonly [ExtensionOctets | undefined, unknown, string]>([
    [undefined, undefined, 'absent'],
    [basicConstraints(false), { ca: false }, 'an empty sequence is no authority'],
    [basicConstraints(true), { ca: true }, 'an authority'],
    [basicConstraints(true, 0), { ca: true, pathLength: 0 }, 'of leaves only'],
    [
      { id: '2.5.29.19', value: sequence(bool(false)) },
      { ca: false },
      'FALSE written out, as many do against X.690 §11.5',
    ],
  ])('basicConstraints %#', (extension, value) => {
    const certificate = readCertificate(withExtensions(...(extension ? [extension] : [])));
    expect(readBasicConstraints(certificate)).toEqual(value);
  });

  test.each<readonly [Uint8Array, string]>([
    [integer(1), 'no sequence'],
    [sequence(integer(1), bool(true)), 'out of order'],
    [sequence(bool(true), der(0x02, Uint8Array.of(0xff))), 'a negative length'],
    [sequence(bool(true), integer(1), integer(1)), 'one element too many'],
  ])('basicConstraints refused: %#', (value) => {
    const certificate = readCertificate(withExtensions({ id: '2.5.29.19', value }));
    expect(() => readBasicConstraints(certificate)).toThrow(malformed);
  });

  test('keyUsage: bits from the left (RFC 5280 §4.2.1.3)', () => {
    const read = (octet: number): unknown =>
      readKeyUsage(readCertificate(withExtensions(keyUsage(octet))));
    expect(read(0x04)).toEqual(new Set(['keyCertSign']));
    expect(read(0xa8)).toEqual(new Set(['digitalSignature', 'keyEncipherment', 'keyAgreement']));
    expect(read(0x40)).toEqual(new Set());
    expect(readKeyUsage(readCertificate(withExtensions()))).toBeUndefined();
  });

  test('extKeyUsage has one use at least', () => {
    const read = (extension: ExtensionOctets): unknown =>
      readExtendedKeyUsage(readCertificate(withExtensions(extension)));
    expect(read(extendedKeyUsage('1.3.6.1.5.5.7.3.1', '2.5.29.37.0'))).toEqual(
      new Set(['1.3.6.1.5.5.7.3.1', '2.5.29.37.0']),
    );
    expect(() => read(extendedKeyUsage())).toThrow(malformed);
  });

  test('only a critical extension that is not processed is unknown', () => {
    const find = (id: string, critical: boolean): unknown =>
      findUnknownCritical(readCertificate(withExtensions({ id, critical, value: sequence() })));
    expect(find('2.5.29.36', true)).toBe('2.5.29.36');
    expect(find('2.5.29.36', false)).toBeUndefined();
    expect(find('2.5.29.32', true)).toBeUndefined();
  });
});

describe('names', () => {
  test.each<readonly [string[], string, string[], string]>([
    [['mx.example.com'], 'other', ['mx.example.com'], 'RFC 7672 §3.2.3: a DNS-ID rules the CN out'],
    [[], 'mx.example.com', ['mx.example.com'], 'RFC 7672 §3.2.3: the CN where there is no DNS-ID'],
    [['*.example.com'], '', ['*.example.com'], 'a wildcard'],
    [['MX.Example.COM'], '', ['mx.example.com'], 'folded'],
    [['smtp*.example.com', '*smtp.example.com'], '', [], 'RFC 7672 §3.2.3: part of a label'],
    [['mx.*.com', '*', '*.*.com'], '', [], 'a wildcard elsewhere'],
    [['mx.example.com\0.example.net'], 'x', [], 'a NUL; and a DNS-ID is one all the same'],
    [['mx.example.com.', '', '.example.com', '-a.example'], '', [], 'no host names'],
    [['192.0.2.1'], '', ['192.0.2.1'], 'digits: matches no name that is asked for'],
    [[], 'Example Mail Server', [], 'a CN that is no host name'],
  ])('presented %#', (dnsIds, commonName, expected) => {
    const extensions = dnsIds.length === 0 ? [] : [alternativeNames(...dnsIds.map(generalName))];
    const subject = { ...server, name: name(commonName) };
    expect(readPresentedNames(readCertificate(certify(root, subject, { extensions })))).toEqual(
      expected,
    );
  });

  test('an address in subjectAltName is no DNS-ID', () => {
    const extensions = [alternativeNames(generalName(Uint8Array.of(192, 0, 2, 1)))];
    const subject = { ...server, name: name('mx.example.com') };
    const certificate = readCertificate(certify(root, subject, { extensions }));
    expect(readPresentedNames(certificate)).toEqual(['mx.example.com']);
  });

  test('a CN in UTF-16 is no host name', () => {
    const subject = { ...server, name: name('\0m\0x', 0x1e) };
    expect(readPresentedNames(readCertificate(certify(root, subject)))).toEqual([]);
  });

  test.each<readonly [string, string, boolean, string]>([
    ['mx.example.com', 'mx.example.com', true, 'equal'],
    ['*.example.com', 'mx1.example.com', true, 'RFC 7672 §3.2.3: the example'],
    ['*.example.com', 'example.com', false, 'no label'],
    ['*.example.com', 'a.mx1.example.com', false, 'two labels'],
    ['*.example.com', 'mx.example.com.evil.test', false, 'a longer name'],
    ['*.com', 'example.com', true, 'RFC 7672 §3.2.3: any first label'],
    ['*.example.com', '.example.com', false, 'an empty label'],
    ['example.com', 'mx.example.com', false, 'the parent'],
  ])('%s for %s: %s', (presented, host, expected) => {
    expect(isNameOf(presented, host)).toBe(expected);
  });

  test('agree with OpenSSL where there are three labels, the least it takes a wildcard for', () => {
    const label = fc.constantFrom('a', 'b', 'xn--a', 'ab', 'a-b');
    const host = fc.array(label, { minLength: 3, maxLength: 4 }).map((labels) => labels.join('.'));
    const wild = host.map((value) => value.replace(/^[^.]+/, '*'));
    const partial = host.map((value) => `a*${value}`);
    const options = { subject: 'default', partialWildcards: false } as const;
    fc.assert(
      fc.property(host, fc.oneof(host, wild, partial), (asked, presented) => {
        const octets = certifyServer(root, server, [presented]);
        const names = readPresentedNames(readCertificate(octets));
        expect(names.some((one) => isNameOf(one, asked))).toBe(
          new X509Certificate(octets).checkHost(asked, options) !== undefined,
        );
      }),
      { numRuns: 60 },
    );
  });
});

describe('name constraints', () => {
  const intermediate = party('Intermediate');
  const anchor = readPathCertificate(certifyAuthority(root, root));

  function judge(constraint: ExtensionOctets, leaf: Uint8Array): string | undefined {
    const issuer = certifyAuthority(root, intermediate, {
      extensions: [basicConstraints(true), constraint],
    });
    const certificates = [readPathCertificate(leaf), readPathCertificate(issuer), anchor];
    return findPathFault({ certificates }, nowMs)?.reason;
  }

  const address = (...octets: readonly number[]): Uint8Array =>
    generalName(Uint8Array.from(octets));
  const directory = (commonName: string): Uint8Array => der(0xa4, name(commonName));
  const ok = undefined;
  const outside = 'outside of what its issuers may certify';
  const within = 'within what its issuers must not certify';

  test.each<readonly [Uint8Array[], Uint8Array[], Uint8Array[], string | undefined, string]>([
    [[generalName('example.com')], [], [generalName('mx.example.com')], ok, 'below'],
    [
      [generalName('Example.COM')],
      [],
      [generalName('example.com')],
      ok,
      'the name itself, any case',
    ],
    [[generalName('example.com')], [], [generalName('myexample.com')], outside, 'not at a dot'],
    [[generalName('.example.com')], [], [generalName('mx.example.com')], ok, 'a leading dot'],
    [[generalName('.example.com')], [], [generalName('example.com')], outside, 'and only below'],
    [[generalName('')], [], [generalName('mx.example.com')], ok, 'everything'],
    [[], [generalName('')], [generalName('mx.example.com')], within, 'nothing'],
    [[], [generalName('example.com')], [generalName('mx.example.net')], ok, 'another name'],
    [[], [generalName('example.com')], [generalName('mx.example.com')], within, 'excluded'],
    [
      [],
      [generalName('mx.example.com')],
      [generalName('*.example.com')],
      within,
      'wildcard over it',
    ],
    [[], [generalName('a.mx.example.com')], [generalName('*.example.com')], ok, 'out of its reach'],
    [[generalName('mx.example.com')], [], [generalName('*.example.com')], outside, 'too wide'],
    [
      [generalName('example.com')],
      [],
      [generalName('mx.example.com'), generalName('mx.example.net')],
      outside,
      'every name counts',
    ],
    [
      [generalName('example.com')],
      [],
      [text('a@example.net', 0x81)],
      outside,
      'the CN, for want of a DNS-ID',
    ],
    [[], [generalName('example.com')], [address(192, 0, 2, 1)], ok, 'another form'],
    [[address(192, 0, 2, 0, 255, 255, 255, 0)], [], [address(192, 0, 2, 9)], ok, 'in the block'],
    [[address(192, 0, 2, 0, 255, 255, 255, 0)], [], [address(192, 0, 3, 9)], outside, 'out of it'],
    [[], [address(0, 0, 0, 0, 0, 0, 0, 0)], [address(192, 0, 2, 9)], within, 'no address at all'],
    [[], [address(0, 0, 0, 0, 0, 0, 0, 0)], [generalName('a.example')], ok, 'names only'],
    [[address(192, 0, 2, 1)], [], [address(192, 0, 2, 1)], 'no address and mask', 'no mask'],
    [[directory('server')], [], [generalName('a.example')], ok, 'the subject permitted'],
    [[directory('someone')], [], [generalName('a.example')], outside, 'another subject'],
    [[], [directory('Server')], [generalName('a.example')], within, 'perhaps the same subject'],
    [[], [text('example.com', 0x81)], [text('a@example.net', 0x81)], within, 'mail: not processed'],
    [[], [text('example.com', 0x81)], [generalName('a.example')], ok, 'mail: none there'],
  ])('%#', (permitted, excluded, names, expected) => {
    const leaf = certify(root, server, { extensions: [alternativeNames(...names)] });
    const reason = judge(nameConstraints(permitted, excluded), leaf);
    expected === undefined ? expect(reason).toBeUndefined() : expect(reason).toContain(expected);
  });

  test('hold for a CN that would be taken for the host', () => {
    const leaf = certify(root, { ...server, name: name('mx.example.net') });
    expect(judge(nameConstraints([generalName('example.com')], []), leaf)).toContain(outside);
  });

  test('do not hold for the CN of an authority, which is no host name', () => {
    const top = certifyAuthority(root, root, {
      extensions: [basicConstraints(true), nameConstraints([generalName('example.com')], [])],
    });
    const certificates = [
      certifyServer(intermediate, server, ['mx.example.com']),
      certifyAuthority(root, { ...intermediate, name: name('Intermediate') }),
      top,
    ].map(readPathCertificate);
    expect(findPathFault({ certificates }, nowMs)).toBeUndefined();
  });

  test('with so many names that comparing takes long are refused', () => {
    const many = Array.from({ length: 300 }, (_, index) => generalName(`h${index}.example.com`));
    const leaf = certify(root, server, { extensions: [alternativeNames(...many)] });
    expect(judge(nameConstraints([generalName('example.com')], []), leaf)).toBeUndefined();
    expect(judge(nameConstraints(many, []), leaf)).toContain('can be compared');
  });

  test.each<readonly [Uint8Array, string]>([
    [sequence(der(0xa0, sequence(generalName('a'), der(0x80, Uint8Array.of(1))))), 'a minimum'],
    [sequence(der(0xa2, sequence(generalName('a')))), 'neither permitted nor excluded'],
    [sequence(der(0xa0, generalName('a'))), 'no subtree'],
  ])('refused: %#', (value) => {
    const certificate = readCertificate(withExtensions({ id: '2.5.29.30', value }));
    expect(() => readNameConstraints(certificate)).toThrow(malformed);
  });
});

describe('weak signatures', () => {
  const { publicKey: large } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const { publicKey: small } = generateKeyPairSync('rsa', { modulusLength: 1024 });
  const pss = '1.2.840.113549.1.1.10';
  const pssHash = (id: string): Uint8Array => sequence(der(0xa0, sequence(oid(id), der(0x05))));

  test.each<readonly [string, Uint8Array | undefined, string | undefined, string]>([
    ['1.2.840.113549.1.1.11', der(0x05), undefined, 'RSA with SHA-256'],
    ['1.2.840.113549.1.1.5', der(0x05), 'RSA with SHA-1', 'the usual identifier'],
    ['1.3.14.3.2.29', der(0x05), 'RSA with SHA-1', 'the other one'],
    ['1.2.840.113549.1.1.4', der(0x05), 'RSA with MD5', 'broken since 2004'],
    ['1.2.840.10045.4.1', undefined, 'ECDSA with SHA-1', 'ECDSA'],
    ['1.3.101.112', undefined, undefined, 'Ed25519'],
    [pss, pssHash('2.16.840.1.101.3.4.2.1'), undefined, 'RSA-PSS with SHA-256'],
    [pss, pssHash('1.3.14.3.2.26'), 'RSA-PSS with SHA-1', 'named'],
    [pss, sequence(), 'RSA-PSS with SHA-1', 'RFC 4055 §3.1: the default'],
    [pss, undefined, 'RSA-PSS with SHA-1', 'without parameters'],
  ])('%s: %#', (id, parameters, weakness) => {
    const identifier = sequence(oid(id), ...(parameters === undefined ? [] : [parameters]));
    const certificate = readCertificate(certify(root, server, { identifier }));
    const found = weakness === undefined ? undefined : `signed by ${weakness}`;
    expect(findWeakSignature(certificate, large)).toBe(found);
  });

  test('keys below 2048 bits', () => {
    const certificate = readCertificate(certify(root, server));
    expect(findWeakSignature(certificate, small)).toBe('signed by a key of 1024 bits');
    expect(findWeakSignature(certificate, createPublicKey(root.key))).toBeUndefined();
  });
});

test('a certificate without subject has one in reasons', () => {
  const nobody = { ...server, name: name('') };
  const certificate = readPathCertificate(certify(root, nobody, { notAfterMs: nowMs - 5000 }));
  expect(findPathFault({ certificates: [certificate] }, nowMs)).toEqual({
    code: 'certificate-expired',
    reason: 'a certificate without subject expired at 2026-05-31T23:59:55.000Z',
  });
});

test('reasons are one line of printable ASCII', () => {
  const odd = { ...server, name: name('a\nb\x1b[2J\u00c3\u00a9') };
  const certificate = readPathCertificate(certify(root, odd, { notAfterMs: nowMs - 5000 }));
  expect(findPathFault({ certificates: [certificate] }, nowMs)?.reason).toMatch(/^CN=a[ -~]+$/);
});

test('octets changed at random are read or refused, and nothing else happens', () => {
  const original = certifyServer(root, server, ['mx.example.com'], {
    extensions: [nameConstraints([generalName('example.com')], [])],
  });
  const change = fc.tuple(fc.nat(original.length - 1), fc.nat(255));
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), (changes) => {
      const octets = Uint8Array.from(original);
      for (const [at, octet] of changes) {
        octets[at] = octet;
      }
      try {
        const certificate = readPathCertificate(octets);
        findPathFault({ certificates: [certificate, certificate] }, nowMs);
        readPresentedNames(certificate);
      } catch (error) {
        expect(error).toBeInstanceOf(TransportSecurityError);
      }
    }),
    { numRuns: 1000 },
  );
});
