/**
 * Keys that the zones of the simulated internet are signed with, the same on every run (see `keys.ts`).
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc4034.html RFC 4034}, and for the forms of keys and signatures
 * {@link https://www.rfc-editor.org/rfc/rfc3110.html RFC 3110}, {@link https://www.rfc-editor.org/rfc/rfc6605.html RFC 6605}
 * and {@link https://www.rfc-editor.org/rfc/rfc8080.html RFC 8080}
 */
import {
  checkPrimeSync,
  createHash,
  createPrivateKey,
  createPublicKey,
  type KeyObject,
  sign,
} from 'node:crypto';
import { concat, encodeName, u8, u16 } from './dnssec-wire.ts';
import { deriveKey } from './keys.ts';

/** The algorithms that zones can be signed with. */
export type SigningAlgorithm = 5 | 7 | 8 | 10 | 13 | 14 | 15 | 16;

export interface SigningKey {
  readonly algorithm: SigningAlgorithm;
  readonly flags: number;
  readonly keyTag: number;
  /** The DNSKEY record's RDATA. */
  readonly dnskey: Uint8Array;
  sign(data: Uint8Array): Uint8Array;
}

export interface SigningKeyOptions {
  /** Equal seeds and algorithms give equal keys. */
  readonly seed: string;
  readonly algorithm?: SigningAlgorithm;
  /** Default: 257, a key-signing key; 256 is a zone-signing key. */
  readonly flags?: number;
  /** Default: 3. */
  readonly protocol?: number;
  /** For RSA; default: 1024, since larger ones take long to find. */
  readonly modulusBits?: number;
}

const hashes: Readonly<Record<SigningAlgorithm, string | null>> = {
  5: 'sha1',
  7: 'sha1',
  8: 'sha256',
  10: 'sha512',
  13: 'sha256',
  14: 'sha384',
  15: null,
  16: null,
};

/** Makes the key that belongs to a seed. */
export function createSigningKey(options: SigningKeyOptions): SigningKey {
  const { algorithm = 13, flags = 257, protocol = 3 } = options;
  const key = derivePrivateKey({ ...options, algorithm });
  const dnskey = concat(u16(flags), u8(protocol), u8(algorithm), encodePublicKey(key));
  return {
    algorithm,
    flags,
    dnskey,
    keyTag: computeKeyTag(dnskey),
    sign: (data) => sign(hashes[algorithm], data, { key, dsaEncoding: 'ieee-p1363' }),
  };
}

/** RFC 4034 Appendix B. */
export function computeKeyTag(dnskey: Uint8Array): number {
  let accumulator = 0;
  for (const [index, octet] of dnskey.entries()) {
    accumulator += index & 1 ? octet : octet << 8;
  }
  return (accumulator + ((accumulator >> 16) & 0xffff)) & 0xffff;
}

/** The RDATA of a DS record for a key (RFC 4034 §5.1). */
export function encodeDs(
  zone: string,
  { keyTag, algorithm, dnskey }: Pick<SigningKey, 'keyTag' | 'algorithm' | 'dnskey'>,
  digestType: 1 | 2 | 4 = 2,
): Uint8Array {
  const hash = { 1: 'sha1', 2: 'sha256', 4: 'sha384' }[digestType];
  const digest = createHash(hash).update(encodeName(zone)).update(dnskey).digest();
  return concat(u16(keyTag), u8(algorithm), u8(digestType), digest);
}

function derivePrivateKey(options: SigningKeyOptions & { algorithm: SigningAlgorithm }): KeyObject {
  switch (options.algorithm) {
    case 13:
      return deriveKey(options.seed, 'P-256');
    case 14:
      return deriveKey(options.seed, 'P-384');
    case 15:
      return edwardsKey(options.seed, { oid: 0x70, octets: 32 });
    case 16:
      return edwardsKey(options.seed, { oid: 0x71, octets: 57 });
    default:
      return rsaKey(options.seed, options.modulusBits ?? 1024);
  }
}

/** RFC 8410 §7: any octets of the right number are a private key. */
function edwardsKey(
  seed: string,
  { oid, octets }: { readonly oid: number; readonly octets: number },
): KeyObject {
  const secret = expandSeed(seed, octets);
  const der = [
    ...[0x30, 14 + octets, 0x02, 0x01, 0x00],
    ...[0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, oid],
    ...[0x04, 2 + octets, 0x04, octets, ...secret],
  ];
  return createPrivateKey({ key: Buffer.from(der), format: 'der', type: 'pkcs8' });
}

const rsaKeys = new Map<string, KeyObject>();

/** Two primes looked for from where the seed says; kept, because looking takes a while. */
function rsaKey(seed: string, modulusBits: number): KeyObject {
  const id = `${modulusBits} ${seed}`;
  const known = rsaKeys.get(id);
  if (known !== undefined) {
    return known;
  }
  const e = 65537n;
  const p = findPrime(`${id} p`, modulusBits / 2, e);
  const q = findPrime(`${id} q`, modulusBits / 2, e);
  const d = invert(e, (p - 1n) * (q - 1n));
  const numbers = { n: p * q, e, d, p, q, dp: d % (p - 1n), dq: d % (q - 1n), qi: invert(q, p) };
  const jwk = Object.fromEntries(
    Object.entries(numbers).map(([name, value]) => [name, encodeInteger(value)]),
  );
  const key = createPrivateKey({ format: 'jwk', key: { kty: 'RSA', ...jwk } });
  rsaKeys.set(id, key);
  return key;
}

function findPrime(seed: string, bits: number, e: bigint): bigint {
  const start = BigInt(`0x${Buffer.from(expandSeed(seed, bits / 8)).toString('hex')}`);
  // Both top bits set, so that a product of two has twice the bits.
  for (let candidate = start | (3n << BigInt(bits - 2)) | 1n; ; candidate += 2n) {
    if ((candidate - 1n) % e !== 0n && checkPrimeSync(candidate)) {
      return candidate;
    }
  }
}

/** The inverse of `value` modulo `modulus`, by Euclid's algorithm. */
function invert(value: bigint, modulus: bigint): bigint {
  let [rest, next] = [modulus, value % modulus];
  let [factor, nextFactor] = [0n, 1n];
  while (next !== 0n) {
    const quotient = rest / next;
    [rest, next] = [next, rest - quotient * next];
    [factor, nextFactor] = [nextFactor, factor - quotient * nextFactor];
  }
  return ((factor % modulus) + modulus) % modulus;
}

function encodeInteger(value: bigint): string {
  const hex = value.toString(16);
  return Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex').toString('base64url');
}

function expandSeed(seed: string, octets: number): Uint8Array {
  const blocks: Buffer[] = [];
  for (let block = 0; block * 64 < octets; block += 1) {
    blocks.push(createHash('sha512').update(`sealpost world zone key ${block} ${seed}`).digest());
  }
  return Buffer.concat(blocks).subarray(0, octets);
}

function encodePublicKey(key: KeyObject): Uint8Array {
  const { kty, n, e, x, y } = createPublicKey(key).export({ format: 'jwk' });
  const octets = (text: string | undefined): Uint8Array => Buffer.from(text ?? '', 'base64url');
  if (kty === 'RSA') {
    const exponent = octets(e);
    return concat(u8(exponent.length), exponent, octets(n));
  }
  return concat(octets(x), octets(y));
}
