/**
 * Signature algorithms: how each one's public keys and signatures lie in DNSKEY and RRSIG records.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc3110.html RFC 3110} and {@link https://www.rfc-editor.org/rfc/rfc5702.html RFC 5702} (RSA)
 * @see {@link https://www.rfc-editor.org/rfc/rfc6605.html RFC 6605} (ECDSA)
 * @see {@link https://www.rfc-editor.org/rfc/rfc8080.html RFC 8080} (EdDSA)
 * @see {@link https://www.rfc-editor.org/rfc/rfc8624.html RFC 8624} (which of them to support)
 */
import { createPublicKey, type JsonWebKey, type KeyObject, verify } from 'node:crypto';

/** Whether `signature` is one of the key's over `data`. */
export type Verifier = (data: Uint8Array, signature: Uint8Array) => boolean;

export interface SignatureAlgorithm {
  /** The mnemonic of IANA's registry. */
  readonly name: string;
  /** Makes a public key of a DNSKEY record usable; undefined for one that is malformed or out of bounds. */
  createVerifier(publicKey: Uint8Array): Verifier | undefined;
}

/** Number in DNSKEY, DS and RRSIG records -> algorithm. What is not in the table is unsupported. */
export type AlgorithmTable = ReadonlyMap<number, SignatureAlgorithm>;

/** RFC 3110 §2 and RFC 5702 §2 end here. Larger keys cost an attacker nothing, and a validator much. */
const modulusBitsMax = 4096;

/** 2^64 is beyond any exponent in use, and the time of a verification grows with it. */
const exponentOctetsMax = 8;

/** Default: what RFC 8624 §3.1 has validators implement and RFC 9905 leaves in use. */
export const signatureAlgorithms: AlgorithmTable = new Map([
  [8, rsa('RSASHA256', 'sha256', 512)],
  [10, rsa('RSASHA512', 'sha512', 1024)],
  [13, ecdsa('ECDSAP256SHA256', { curve: 'P-256', hash: 'sha256', octets: 32 })],
  [14, ecdsa('ECDSAP384SHA384', { curve: 'P-384', hash: 'sha384', octets: 48 })],
  [15, eddsa('ED25519', { curve: 'Ed25519', keyOctets: 32, signatureOctets: 64 })],
  [16, eddsa('ED448', { curve: 'Ed448', keyOctets: 57, signatureOctets: 114 })],
]);

/**
 * The algorithms with SHA-1. RFC 9905 §2 has implementations keep them and operators treat them as unsupported, so they
 * are not in the default table; a zone signed with nothing else is then insecure.
 */
export const sha1Algorithms: AlgorithmTable = new Map([
  [5, rsa('RSASHA1', 'sha1', 512)],
  [7, rsa('RSASHA1-NSEC3-SHA1', 'sha1', 512)],
]);

/** `modulusBitsMin`: RFC 3110 §2, RFC 5702 §2.1 and §2.2. */
function rsa(name: string, hash: string, modulusBitsMin: number): SignatureAlgorithm {
  return {
    name,
    createVerifier(publicKey) {
      const jwk = readRsaKey(publicKey, modulusBitsMin);
      return (
        jwk &&
        createKeyVerifier(jwk, (key) => (data, signature) => verify(hash, data, key, signature))
      );
    },
  };
}

/** RFC 3110 §2: length of the exponent in one octet, or in two behind a zero; exponent; modulus. */
function readRsaKey(publicKey: Uint8Array, modulusBitsMin: number): JsonWebKey | undefined {
  const [first = 0, second = 0, third = 0] = publicKey;
  const start = first === 0 ? 3 : 1;
  const exponentOctets = first === 0 ? second * 0x100 + third : first;
  const exponent = publicKey.subarray(start, start + exponentOctets);
  const modulus = publicKey.subarray(start + exponentOctets);
  // "Leading zero octets are prohibited in the exponent and modulus": else one key could have many key tags.
  const top = modulus[0] ?? 0;
  const modulusBits = modulus.length * 8 - Math.clz32(top) + 24;
  const sound =
    exponent.length > 0 &&
    exponent.length <= exponentOctetsMax &&
    exponent[0] !== 0 &&
    top !== 0 &&
    modulusBits >= modulusBitsMin &&
    modulusBits <= modulusBitsMax;
  return sound ? { kty: 'RSA', e: base64Url(exponent), n: base64Url(modulus) } : undefined;
}

function ecdsa(
  name: string,
  {
    curve,
    hash,
    octets,
  }: { readonly curve: string; readonly hash: string; readonly octets: number },
): SignatureAlgorithm {
  return {
    name,
    createVerifier(publicKey) {
      if (publicKey.length !== octets * 2) {
        return undefined;
      }
      // RFC 6605 §4: the point as x and y, without the octet that says it is uncompressed.
      const x = base64Url(publicKey.subarray(0, octets));
      const y = base64Url(publicKey.subarray(octets));
      return createKeyVerifier({ kty: 'EC', crv: curve, x, y }, (key) => {
        // RFC 6605 §4: the signature as r and s, one behind the other.
        const input = { key, dsaEncoding: 'ieee-p1363' } as const;
        return (data, signature) =>
          signature.length === octets * 2 && verify(hash, data, input, signature);
      });
    },
  };
}

function eddsa(
  name: string,
  fields: {
    readonly curve: string;
    readonly keyOctets: number;
    readonly signatureOctets: number;
  },
): SignatureAlgorithm {
  return {
    name,
    createVerifier(publicKey) {
      if (publicKey.length !== fields.keyOctets) {
        return undefined;
      }
      const jwk = { kty: 'OKP', crv: fields.curve, x: base64Url(publicKey) };
      return createKeyVerifier(
        jwk,
        (key) => (data, signature) =>
          signature.length === fields.signatureOctets && verify(null, data, key, signature),
      );
    },
  };
}

function createKeyVerifier(
  jwk: JsonWebKey,
  bind: (key: KeyObject) => Verifier,
): Verifier | undefined {
  try {
    return bind(createPublicKey({ format: 'jwk', key: jwk }));
  } catch {
    // OpenSSL takes no such key: a point that is not on its curve, say. Nothing can be signed by it.
    return undefined;
  }
}

function base64Url(octets: Uint8Array): string {
  return Buffer.from(octets.buffer, octets.byteOffset, octets.length).toString('base64url');
}
