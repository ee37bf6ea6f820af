import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type JsonWebKey,
  type KeyObject,
  sign,
} from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createSigningKey, type SigningAlgorithm } from '../../../bin/world/dnssec-keys.ts';
import {
  sha1Algorithms,
  signatureAlgorithms,
} from '../../../functions/protocol/dnssec/algorithms.ts';

const all = new Map([...signatureAlgorithms, ...sha1Algorithms]);
const data = Uint8Array.from({ length: 90 }, (_, index) => index);

const octets = (text: string | undefined): Uint8Array => Buffer.from(text ?? '', 'base64url');

/** RFC 3110 §2, each part as given. */
const rsaKey = (exponent: Uint8Array, modulus: Uint8Array, long = false): Uint8Array =>
  Uint8Array.from([
    ...(long ? [0, exponent.length >> 8, exponent.length & 0xff] : [exponent.length]),
    ...exponent,
    ...modulus,
  ]);

function rsa(modulusLength: number): { readonly e: Uint8Array; readonly n: Uint8Array } {
  const { publicKey } = generateKeyPairSync('rsa', { modulusLength });
  const { e, n } = publicKey.export({ format: 'jwk' }) as JsonWebKey;
  return { e: octets(e), n: octets(n) };
}

test('what is supported by default, and what takes a switch', () => {
  expect([...signatureAlgorithms.keys()]).toEqual([8, 10, 13, 14, 15, 16]);
  expect([...sha1Algorithms.keys()]).toEqual([5, 7]);
});

describe.each([5, 7, 8, 10, 13, 14, 15, 16] as const)(
  'algorithm %d',
  (number: SigningAlgorithm) => {
    const key = createSigningKey({ seed: 'algorithms', algorithm: number });
    const verifier = all.get(number)?.createVerifier(key.dnskey.subarray(4));
    const signature = Uint8Array.from(key.sign(data));

    test('verifies what was signed, and nothing else', () => {
      expect(verifier?.(data, signature)).toBe(true);
      expect(verifier?.(data.with(3, 99), signature)).toBe(false);
      expect(verifier?.(data, signature.with(5, (signature[5] ?? 0) ^ 4))).toBe(false);
    });

    test.each([
      ['empty', () => new Uint8Array(0)],
      ['cut short', () => signature.subarray(0, -1)],
      ['an octet too long', () => Uint8Array.of(...signature, 0)],
      ['all zeros', () => new Uint8Array(signature.length)],
      ['all ones', () => new Uint8Array(signature.length).fill(255)],
    ])('a signature that is %s', (_, make) => {
      expect(verifier?.(data, make())).toBe(false);
    });

    test('any octets as key and signature: false, or no key at all', () => {
      fc.assert(
        fc.property(
          fc.uint8Array({ maxLength: 140 }),
          fc.uint8Array({ maxLength: 130 }),
          (publicKey, octetsOf) => {
            expect(all.get(number)?.createVerifier(publicKey)?.(data, octetsOf) ?? false).toBe(
              false,
            );
            expect(verifier?.(data, octetsOf)).toBe(false);
          },
        ),
        { numRuns: 50 },
      );
    });
  },
);

describe('RSA keys', () => {
  const small = rsa(512);
  const usual = rsa(1024);
  const take = (publicKey: Uint8Array): boolean =>
    signatureAlgorithms.get(8)?.createVerifier(publicKey) !== undefined;

  test.each([
    ['512 bits', rsaKey(small.e, small.n), true],
    ["a long form of the exponent's length", rsaKey(usual.e, usual.n, true), true],
    ['an exponent of eight octets', rsaKey(Uint8Array.of(128, 0, 0, 0, 0, 0, 0, 1), usual.n), true],
    [
      'an exponent of nine octets',
      rsaKey(Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0, 1), usual.n),
      false,
    ],
    ['511 bits', rsaKey(small.e, small.n.with(0, 0x7f)), false],
    ['4,097 bits', rsaKey(usual.e, Uint8Array.of(1, ...new Uint8Array(512).fill(0xff))), false],
    ['4,096 bits', rsaKey(usual.e, new Uint8Array(512).fill(0xff)), true],
    [
      'a zero before the exponent (RFC 3110 §2)',
      rsaKey(Uint8Array.of(0, ...usual.e), usual.n),
      false,
    ],
    [
      'a zero before the modulus (RFC 3110 §2)',
      rsaKey(usual.e, Uint8Array.of(0, ...usual.n)),
      false,
    ],
    ['no exponent', rsaKey(new Uint8Array(0), usual.n), false],
    ['no modulus', rsaKey(usual.e, new Uint8Array(0)), false],
    ['an exponent longer than all there is', Uint8Array.of(200, 1, 0, 1), false],
    ['a length in two octets, cut short', Uint8Array.of(0, 1), false],
    ['nothing', new Uint8Array(0), false],
  ])('%s: %s', (_, publicKey, taken) => {
    expect(take(publicKey)).toBe(taken);
  });

  test('RFC 5702 §2.2: RSA/SHA-512 begins at 1,024 bits', () => {
    const algorithm = signatureAlgorithms.get(10);
    expect(algorithm?.createVerifier(rsaKey(small.e, small.n))).toBeUndefined();
    expect(algorithm?.createVerifier(rsaKey(usual.e, usual.n))).toBeDefined();
  });

  test('an exponent of 2^32 + 1 verifies: some zones have it', () => {
    const key = withExponent(0x1_0000_0001n);
    const { e, n } = createPublicKey(key).export({ format: 'jwk' }) as JsonWebKey;
    expect(octets(e)).toHaveLength(5);
    const verifier = signatureAlgorithms.get(8)?.createVerifier(rsaKey(octets(e), octets(n)));
    expect(verifier?.(data, sign('sha256', data, key))).toBe(true);
  });
});

/** An RSA key with the exponent that is wanted, which none of Node's own has. */
function withExponent(e: bigint): KeyObject {
  for (;;) {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 1024 });
    const jwk = privateKey.export({ format: 'jwk' }) as JsonWebKey;
    const [p = 1n, q = 1n] = [jwk.p, jwk.q].map((text) =>
      BigInt(`0x${Buffer.from(octets(text)).toString('hex')}`),
    );
    const order = (p - 1n) * (q - 1n);
    // d = (1 + k·order) / e for the k that makes it whole.
    const inverse = (e - power(order % e, carmichael - 1n, e)) % e;
    const d = (1n + inverse * order) / e;
    if ((d * e) % order === 1n) {
      const text = (value: bigint): string => {
        const hex = value.toString(16);
        return Buffer.from(hex.padStart(hex.length + (hex.length % 2), '0'), 'hex').toString(
          'base64url',
        );
      };
      const [dp, dq] = [text(d % (p - 1n)), text(d % (q - 1n))];
      const numbers = { ...jwk, e: text(e), d: text(d), dp, dq };
      return createPrivateKey({ format: 'jwk', key: numbers });
    }
  }
}

/** The order of any number modulo 2^32 + 1 = 641 · 6700417 divides this. */
const carmichael = 640n * 6_700_416n;

function power(base: bigint, exponent: bigint, modulus: bigint): bigint {
  let result = 1n;
  for (let [square, rest] = [base % modulus, exponent]; rest > 0n; rest >>= 1n) {
    result = rest & 1n ? (result * square) % modulus : result;
    square = (square * square) % modulus;
  }
  return result;
}

test.each([
  [13, 'a point that is not on the curve', 64],
  [14, 'a point that is not on the curve', 96],
])('algorithm %d: %s is no key', (number, _, length) => {
  expect(all.get(number)?.createVerifier(new Uint8Array(length).fill(3))).toBeUndefined();
});
