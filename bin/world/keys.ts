/**
 * Key pairs that are the same on every run: the private scalar is a hash of a seed, so that a certificate's or a
 * zone's key can be told from its name alone. For the simulated internet only, since anybody can derive them.
 */
import { createECDH, createHash, createPrivateKey, type KeyObject } from 'node:crypto';

/** The curves that the world's certificates use. */
export type KeyType = 'P-256' | 'P-384';

interface Curve {
  readonly name: string;
  readonly digest: string;
  readonly scalarOctets: number;
}

const curves: Readonly<Record<KeyType, Curve>> = {
  'P-256': { name: 'prime256v1', digest: 'sha256', scalarOctets: 32 },
  'P-384': { name: 'secp384r1', digest: 'sha384', scalarOctets: 48 },
};

/** Derives the private key that belongs to `seed`; equal seeds and types give equal keys. */
export function deriveKey(seed: string, type: KeyType = 'P-256'): KeyObject {
  const { name, digest, scalarOctets } = curves[type];
  const scalar = createHash(digest).update(`sealpost world key ${type} ${seed}`).digest();
  // The order of both curves begins with 32 set bits; a scalar below that is inside it, and zero does not happen.
  scalar[0] = (scalar[0] ?? 0) & 0x7f;
  const pair = createECDH(name);
  pair.setPrivateKey(scalar);
  const point = pair.getPublicKey();
  return createPrivateKey({
    format: 'jwk',
    key: {
      kty: 'EC',
      crv: type,
      d: scalar.toString('base64url'),
      x: point.subarray(1, 1 + scalarOctets).toString('base64url'),
      y: point.subarray(1 + scalarOctets).toString('base64url'),
    },
  });
}
