import { createPublicKey, X509Certificate } from 'node:crypto';
import { connect, createServer, type TLSSocket } from 'node:tls';
import { describe, expect, test } from 'vitest';
import { type Credential, createAuthority } from '../../../bin/world/ca.ts';
import { type CertificateKind, createCertificates } from '../../../bin/world/certificates.ts';
import { deriveKey } from '../../../bin/world/keys.ts';

const name = 'mx1.example.test';
const certificates = await createCertificates(Date.now);

/** What node:tls says of a server that shows `credential`, asked for `name` and trusting the world's root. */
async function judge(credential: Credential): Promise<string> {
  const server = createServer({ ...credential });
  server.on('tlsClientError', () => {
    // A client that refuses the certificate says so in an alert; the client's side is what is tested.
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') {
    throw new TypeError('no port');
  }
  try {
    return await new Promise<string>((resolve) => {
      const socket: TLSSocket = connect(
        { host: '127.0.0.1', port: address.port, servername: name, ca: certificates.rootPem },
        () => {
          resolve('authorized');
          socket.destroy();
        },
      );
      socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    });
  } finally {
    server.close();
  }
}

const verdicts: readonly (readonly [CertificateKind, string, string])[] = [
  ['valid', 'authorized', 'for its name, by the root'],
  ['valid-p384', 'authorized', 'another curve'],
  ['wildcard', 'authorized', '* for the first label'],
  ['intermediate', 'authorized', 'the server sends the whole chain'],
  ['expired', 'CERT_HAS_EXPIRED', 'ended yesterday'],
  ['not-yet-valid', 'CERT_NOT_YET_VALID', 'begins tomorrow'],
  ['wrong-name', 'ERR_TLS_CERT_ALTNAME_INVALID', 'for another host'],
  ['self-signed', 'DEPTH_ZERO_SELF_SIGNED_CERT', 'vouches for itself'],
  ['other-authority', 'UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'a root nobody trusts'],
  ['private-authority', 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY', 'an intermediate of that root'],
  ['missing-intermediate', 'UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'no way up to the root'],
  ['not-an-authority', 'UNSPECIFIED', 'signed by one who may not; Node has no word for it'],
  ['client-only', 'INVALID_PURPOSE', 'extended key usage clientAuth alone'],
];

test.each(verdicts)('node:tls judges %s: %s (%s)', async (kind, verdict) => {
  expect(await judge(await certificates.credential(kind, name))).toBe(verdict);
});

test('without subjectAltName or with a partial wildcard a strict check finds no name', async () => {
  const strict = { subject: 'never', partialWildcards: false } as const;
  const commonName = await certificates.credential('common-name-only', name);
  const partial = await certificates.credential('partial-wildcard', name);
  const valid = await certificates.credential('valid', name);
  expect(new X509Certificate(commonName.cert).subject).toBe(`CN=${name}`);
  expect(new X509Certificate(commonName.cert).checkHost(name, strict)).toBeUndefined();
  expect(new X509Certificate(partial.cert).subjectAltName).toBe('DNS:m*.example.test');
  expect(new X509Certificate(partial.cert).checkHost(name, strict)).toBeUndefined();
  expect(new X509Certificate(valid.cert).checkHost(name, strict)).toBe(name);
});

describe('deterministic keys', () => {
  test('a name gives the same key on every run, whenever it is certified', async () => {
    const [first, later] = await Promise.all(
      [1_700_000_000_000, 1_800_000_000_000].map(async (nowMs) => {
        const root = await createAuthority({ name: 'R', now: () => nowMs });
        return new X509Certificate((await root.issue({ names: ['a.test', '127.0.0.9'] })).cert);
      }),
    );
    expect(first?.publicKey.equals(later?.publicKey ?? deriveKey('another'))).toBe(true);
    expect(first?.serialNumber).not.toBe(later?.serialNumber);
    expect(first?.validFromDate).toEqual(new Date(1_700_000_000_000 - 86_400_000));
    expect(first?.subjectAltName).toBe('DNS:a.test, IP Address:127.0.0.9');
  });

  test('seeds and key types keep keys apart, and the point belongs to the scalar', () => {
    const keys = [deriveKey('a'), deriveKey('b'), deriveKey('a', 'P-384')];
    const points = keys.map((key) => createPublicKey(key).export({ format: 'jwk' }).x);
    expect(new Set(points).size).toBe(3);
    expect(points[0]).toBe('DICD1r9bdjzDKblkzbtdAmMb0KVHZJzzWbR5e8XgQ-E');
  });
});

test('a chain may be of any length, and each leaf comes with its issuers but the root', async () => {
  const first = await certificates.root.intermediate({ name: 'I1' });
  const second = await first.intermediate({ name: 'I2' });
  const credential = await second.issue({ names: [name] });
  expect(credential.cert.match(/BEGIN CERTIFICATE/g)).toHaveLength(3);
  expect(await judge(credential)).toBe('authorized');
});

test('a certificate without a name is a mistake of the caller', async () => {
  await expect(certificates.root.issue({ names: [] })).rejects.toThrow(RangeError);
});
