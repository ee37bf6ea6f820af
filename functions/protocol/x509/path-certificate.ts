/**
 * A certificate as a member of a certification path: who may have issued it, and whose signature it bears.
 *
 * The signature is OpenSSL's to verify; the fields are read by our own strict reader. Both have to see the same octets.
 */
import { type KeyObject, X509Certificate } from 'node:crypto';
import {
  type AlgorithmIdentifier,
  type Certificate,
  readAlgorithmIdentifier,
  readCertificate,
} from './certificate.ts';
import { contextTag, derTag, malformed, readElement, readerOf, readOptional } from './der.ts';

/** A certificate that both readers understand alike. */
export interface PathCertificate extends Certificate {
  readonly openssl: X509Certificate;
}

/** Reads one DER certificate. @throws {TransportSecurityError} `certificate-malformed` */
export function readPathCertificate(der: Uint8Array): PathCertificate {
  const certificate = readCertificate(der);
  const openssl = parse(der);
  // OpenSSL takes PEM where DER is expected, lengths that are not the shortest, and octets behind the end.
  if (Buffer.compare(openssl.raw, der) !== 0) {
    throw malformed('a certificate that is not in DER');
  }
  return { ...certificate, openssl };
}

function parse(der: Uint8Array): X509Certificate {
  try {
    return new X509Certificate(der);
  } catch (cause) {
    throw malformed(`not a certificate: ${String(cause)}`);
  }
}

/** The certificate's key; undefined where OpenSSL knows no such key. */
export function readPublicKey(certificate: PathCertificate): KeyObject | undefined {
  try {
    return certificate.openssl.publicKey;
  } catch {
    // An algorithm that is not supported, or a point that is not on its curve: a key that verifies nothing.
    return undefined;
  }
}

/**
 * Reports whether `issuer` has the name that `certificate` gives for its issuer. Key identifiers are not compared where the
 * octets of the names are the same: they only help to find an issuer (RFC 5280 §4.2.1.1), its signature proves it.
 */
export function namesAsIssuer(certificate: PathCertificate, issuer: PathCertificate): boolean {
  return (
    Buffer.compare(certificate.issuer, issuer.subject) === 0 ||
    certificate.openssl.checkIssued(issuer.openssl)
  );
}

/** Reports whether a certificate is issued to who issued it (RFC 5280 §3.2), which does not say that it signs itself. */
export function isSelfIssued({ issuer, subject }: Certificate): boolean {
  return Buffer.compare(issuer, subject) === 0;
}

/** Verifies a certificate's signature with a key. */
export function isSignedBy(certificate: PathCertificate, key: KeyObject): boolean {
  try {
    return certificate.openssl.verify(key);
  } catch {
    // A key of another kind than the signature: not signed by it, whatever OpenSSL finds to complain of.
    return false;
  }
}

const sha1 = '1.3.14.3.2.26';
const rsaPss = '1.2.840.113549.1.1.10';

/** Signature algorithms whose hash has known collisions: a signature over one certificate fits another. */
const brokenAlgorithms: ReadonlyMap<string, string> = new Map([
  ['1.2.840.113549.1.1.2', 'RSA with MD2'],
  ['1.2.840.113549.1.1.3', 'RSA with MD4'],
  ['1.2.840.113549.1.1.4', 'RSA with MD5'],
  ['1.2.840.113549.1.1.5', 'RSA with SHA-1'],
  ['1.3.14.3.2.29', 'RSA with SHA-1'],
  ['1.2.840.10040.4.3', 'DSA with SHA-1'],
  ['1.2.840.10045.4.1', 'ECDSA with SHA-1'],
]);

/** What OpenSSL's security level 2 demands, by which Node judges every other chain. */
const modulusBitsMin = 2048;

/**
 * Says why a signature proves nothing though it verifies; undefined for one that does.
 *
 * Unclear: RFC 7671 leaves weak algorithms to the client's policy (RFC 6698 §4.1). We hold chains to an anchor in DNS
 * to what holds for all others.
 *
 * @throws {TransportSecurityError} `certificate-malformed`
 */
export function findWeakSignature(
  { signatureAlgorithm }: Certificate,
  key: KeyObject,
): string | undefined {
  const broken =
    brokenAlgorithms.get(signatureAlgorithm.algorithm) ??
    (hashesWithSha1(signatureAlgorithm) ? 'RSA-PSS with SHA-1' : undefined);
  if (broken !== undefined) {
    return `signed by ${broken}`;
  }
  const bits = key.asymmetricKeyDetails?.modulusLength;
  return bits !== undefined && bits < modulusBitsMin
    ? `signed by a key of ${bits} bits`
    : undefined;
}

/** RFC 4055 §3.1: the hash of RSASSA-PSS is SHA-1 unless the parameters name another. */
function hashesWithSha1({ algorithm, parameters }: AlgorithmIdentifier): boolean {
  if (algorithm !== rsaPss) {
    return false;
  }
  const reader = readerOf(parameters?.contents ?? new Uint8Array());
  const hash = readOptional(reader, contextTag(0, 'constructed'), 'hash of RSASSA-PSS');
  if (hash === undefined) {
    return true;
  }
  const element = readElement(readerOf(hash.contents), derTag.sequence, 'hash of RSASSA-PSS');
  return readAlgorithmIdentifier(element).algorithm === sha1;
}

/** The subject in one line of at most 100 printable ASCII characters, for people. */
export function showSubject({ openssl }: PathCertificate): string {
  // Node's types promise a string; for an empty subject Node gives undefined.
  const subject: string | undefined = openssl.subject;
  return subject === undefined || subject === ''
    ? 'a certificate without subject'
    : subject
        .replaceAll('\n', ', ')
        .replace(/[^ -~]/g, '?')
        .slice(0, 100);
}
