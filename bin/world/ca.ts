/**
 * A certificate authority for the simulated internet (RFC 5280): roots, intermediates and leaves with every fault that
 * a certificate may have, keys that follow from names, and a clock that is handed in.
 *
 * Signatures differ from run to run (ECDSA draws a random number for each); keys and all other fields do not.
 */
import 'reflect-metadata';
import { createHash, createPublicKey, type KeyObject, webcrypto } from 'node:crypto';
import { isIP } from 'node:net';
import * as x509 from '@peculiar/x509';
import { deriveKey, type KeyType } from './keys.ts';

const dayMs = 86_400_000;

/** A private key and the certificates that go with it, ready for `tls.createSecureContext`. */
export interface Credential {
  /** PKCS #8, PEM. */
  readonly key: string;
  /** PEM: the leaf, then each intermediate as a server sends them; never the root. */
  readonly cert: string;
}

/** What a certificate says of its holder. */
export interface CertificateRequest {
  /** DNS names (`*.` allowed) and address literals for subjectAltName; the first one is the common name. */
  readonly names: readonly string[];
  /** Default: one day before now. */
  readonly notBefore?: Date;
  /** Default: ninety days after now. */
  readonly notAfter?: Date;
  /** Leaves subjectAltName out, so that the name is in the subject alone. */
  readonly commonNameOnly?: boolean;
  readonly keyType?: KeyType;
  /** What the key is derived from; default: who issues it and its names, so that a renewal keeps its key. */
  readonly seed?: string;
  /** Default `serverAuth`. */
  readonly usage?: 'serverAuth' | 'clientAuth';
}

/** An authority below another one. */
export interface IntermediateRequest {
  readonly name: string;
  readonly notBefore?: Date;
  readonly notAfter?: Date;
  /** False: a certificate that may sign nothing and signs all the same. Default true. */
  readonly mayIssue?: boolean;
}

/** Somebody who signs certificates. */
export interface Authority {
  readonly name: string;
  /** Its own certificate, PEM: what a client must trust, where it is a root. */
  readonly certificatePem: string;
  issue(request: CertificateRequest): Promise<Credential>;
  /** An authority below this one, whose leaves come with its certificate. */
  intermediate(request: IntermediateRequest): Promise<Authority>;
}

/** A root to be made. */
export interface AuthorityOptions {
  readonly name: string;
  /** Epoch milliseconds. Peers judge by their own clock, so it should agree with the machine's. */
  readonly now: () => number;
  /** Tells authorities of one name apart. */
  readonly seed?: string;
}

/** Makes a root. */
export async function createAuthority(options: AuthorityOptions): Promise<Authority> {
  const { name, now, seed = '' } = options;
  const key = deriveKey(`authority ${name} ${seed}`);
  const signer: Signer = { name, key, now, chain: [] };
  const certificatePem = await sign(signer, {
    commonName: name,
    key,
    notBefore: new Date(now() - 30 * dayMs),
    notAfter: new Date(now() + 3650 * dayMs),
    extensions: authorityExtensions(true),
  });
  return authority({ ...signer, certificatePem });
}

/** A certificate that vouches for itself. */
export async function issueSelfSigned(
  request: CertificateRequest,
  now: () => number,
): Promise<Credential> {
  const commonName = firstName(request);
  const key = deriveKey(request.seed ?? `self-signed ${commonName}`, request.keyType);
  return issueFrom({ name: commonName, key, now, chain: [] }, request, key);
}

/** Who signs, and the certificates that a leaf of theirs is sent with. */
interface Signer {
  readonly name: string;
  readonly key: KeyObject;
  readonly now: () => number;
  readonly chain: readonly string[];
}

interface Contents {
  readonly commonName: string;
  /** The holder's key. */
  readonly key: KeyObject;
  readonly notBefore: Date;
  readonly notAfter: Date;
  readonly extensions: readonly x509.Extension[];
}

function authority(signer: Signer & { readonly certificatePem: string }): Authority {
  return {
    name: signer.name,
    certificatePem: signer.certificatePem,
    issue(request) {
      const seed = request.seed ?? `leaf ${signer.name} ${request.names.join(' ')}`;
      return issueFrom(signer, request, deriveKey(seed, request.keyType));
    },
    async intermediate(request) {
      const key = deriveKey(`intermediate ${signer.name} ${request.name}`);
      const certificatePem = await sign(signer, {
        commonName: request.name,
        key,
        notBefore: request.notBefore ?? new Date(signer.now() - 10 * dayMs),
        notAfter: request.notAfter ?? new Date(signer.now() + 365 * dayMs),
        extensions: authorityExtensions(request.mayIssue ?? true),
      });
      const chain = [certificatePem, ...signer.chain];
      return authority({ name: request.name, key, now: signer.now, chain, certificatePem });
    },
  };
}

async function issueFrom(
  signer: Signer,
  request: CertificateRequest,
  key: KeyObject,
): Promise<Credential> {
  const leaf = await sign(signer, {
    commonName: firstName(request),
    key,
    notBefore: request.notBefore ?? new Date(signer.now() - dayMs),
    notAfter: request.notAfter ?? new Date(signer.now() + 90 * dayMs),
    extensions: leafExtensions(request),
  });
  return {
    key: key.export({ type: 'pkcs8', format: 'pem' }).toString(),
    cert: [leaf, ...signer.chain].join('\n'),
  };
}

function firstName(request: CertificateRequest): string {
  const [name] = request.names;
  if (name === undefined) {
    throw new RangeError('a certificate needs a name');
  }
  return name;
}

function authorityExtensions(mayIssue: boolean): x509.Extension[] {
  const usages = mayIssue
    ? x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign
    : x509.KeyUsageFlags.digitalSignature;
  return [
    new x509.BasicConstraintsExtension(mayIssue, undefined, true),
    new x509.KeyUsagesExtension(usages, true),
  ];
}

function leafExtensions(request: CertificateRequest): x509.Extension[] {
  const usage = x509.ExtendedKeyUsage[request.usage ?? 'serverAuth'];
  const extensions: x509.Extension[] = [
    new x509.BasicConstraintsExtension(false, undefined, true),
    new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
    new x509.ExtendedKeyUsageExtension([usage]),
  ];
  if (request.commonNameOnly !== true) {
    const names = request.names.map(
      (value) => ({ type: isIP(value) === 0 ? 'dns' : 'ip', value }) as const,
    );
    extensions.push(new x509.SubjectAlternativeNameExtension(names));
  }
  return extensions;
}

async function sign(signer: Signer, contents: Contents): Promise<string> {
  const publicKey = await importPublicKey(contents.key);
  const certificate = await x509.X509CertificateGenerator.create(
    {
      serialNumber: serialNumber(signer, contents),
      subject: [{ CN: [contents.commonName] }],
      issuer: [{ CN: [signer.name] }],
      notBefore: contents.notBefore,
      notAfter: contents.notAfter,
      signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
      publicKey,
      signingKey: await importSigningKey(signer.key),
      extensions: [
        ...contents.extensions,
        await x509.SubjectKeyIdentifierExtension.create(publicKey, false, webcrypto),
        await x509.AuthorityKeyIdentifierExtension.create(
          await importPublicKey(signer.key),
          false,
          webcrypto,
        ),
      ],
    },
    webcrypto,
  );
  return certificate.toString('pem');
}

/** Follows from what is certified, so that two certificates of one issuer differ in it (RFC 5280 §4.1.2.2). */
function serialNumber(signer: Signer, contents: Contents): string {
  const { commonName, key, notBefore, notAfter } = contents;
  const publicKey = createPublicKey(key).export({ type: 'spki', format: 'der' });
  const digest = createHash('sha256')
    .update(`${signer.name}\n${commonName}\n${notBefore.getTime()}\n${notAfter.getTime()}\n`)
    .update(publicKey)
    .digest();
  // A positive integer of 16 octets, without a leading zero octet.
  digest[0] = ((digest[0] ?? 0) & 0x7f) | 0x40;
  return digest.subarray(0, 16).toString('hex');
}

function importSigningKey(key: KeyObject): Promise<webcrypto.CryptoKey> {
  const jwk = key.export({ format: 'jwk' });
  return webcrypto.subtle.importKey('jwk', jwk, algorithmOf(jwk.crv), false, ['sign']);
}

function importPublicKey(key: KeyObject): Promise<webcrypto.CryptoKey> {
  const jwk = createPublicKey(key).export({ format: 'jwk' });
  return webcrypto.subtle.importKey('jwk', jwk, algorithmOf(jwk.crv), true, ['verify']);
}

function algorithmOf(curve: string | undefined): webcrypto.EcKeyImportParams {
  if (curve === undefined) {
    throw new TypeError('only keys on a curve sign certificates here');
  }
  return { name: 'ECDSA', namedCurve: curve };
}
