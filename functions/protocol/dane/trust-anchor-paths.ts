/**
 * Paths from a server's certificate to a trust anchor that its TLSA records name, by way of what the server sent.
 *
 * A certificate that merely lies among those sent proves nothing: everybody has a copy. Only what signed the one below it
 * belongs to a path, up from the leaf.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc7671.html#section-5.2 RFC 7671 §5.2}
 */
import type { KeyObject } from 'node:crypto';
import {
  isSignedBy,
  namesAsIssuer,
  type PathCertificate,
  readPublicKey,
} from '../x509/path-certificate.ts';
import type { CertificationPath } from '../x509/path-validation.ts';
import { isAbout } from './certificate-association.ts';
import {
  fullMatch,
  readAssociatedCertificate,
  readAssociatedKey,
  type TlsaRecord,
  tlsaSelector,
} from './tlsa-record.ts';

/** Certificates of one path, leaf and anchor included. */
const pathCertificatesMax = 10;

/** Signatures that are verified for one server. Cross-signed authorities multiply paths; ten certificates need nine. */
const signaturesMax = 64;

/** Where the trust anchor was: among what the server sent, or in the DNS alone as a certificate or as a key. */
export type AnchorPlace = 'presented' | 'certificate in the DNS' | 'key in the DNS';

/** A path whose signatures fit, and the record that names its end. Dates, rights and names have not been looked at. */
export interface AnchoredPath extends CertificationPath {
  readonly record: TlsaRecord;
  readonly place: AnchorPlace;
}

interface Search {
  readonly records: readonly TlsaRecord[];
  readonly issuers: readonly PathCertificate[];
  readonly presented: ReadonlySet<PathCertificate>;
  readonly keys: readonly { readonly key: KeyObject; readonly record: TlsaRecord }[];
  signaturesLeft: number;
}

/**
 * Finds paths, depth first, until `signaturesMax` signatures were verified.
 *
 * `presented`: what came with the leaf, in any order, without the leaf itself, which is no authority of its own. `records`:
 * usable ones with usage DANE-TA(2).
 */
export function* findAnchoredPaths(
  leaf: PathCertificate,
  presented: readonly PathCertificate[],
  records: readonly TlsaRecord[],
): Generator<AnchoredPath> {
  const issuers = new Map(presented.map((certificate) => [fingerprint(certificate), certificate]));
  // RFC 7671 §5.2.2: a whole certificate in the DNS need not be sent.
  for (const certificate of readCertificates(records)) {
    issuers.set(fingerprint(certificate), issuers.get(fingerprint(certificate)) ?? certificate);
  }
  issuers.delete(fingerprint(leaf));
  const search: Search = {
    records,
    issuers: [...issuers.values()],
    presented: new Set(presented),
    keys: readUnseenKeys(records, presented),
    signaturesLeft: signaturesMax,
  };
  yield* extend([leaf], search);
}

function* extend(path: readonly PathCertificate[], search: Search): Generator<AnchoredPath> {
  const top = path.at(-1);
  if (top === undefined || path.length === pathCertificatesMax) {
    return;
  }
  for (const issuer of search.issuers) {
    // Each certificate once in a path: authorities may have certified each other.
    if (path.includes(issuer) || !namesAsIssuer(top, issuer) || !verify(top, issuer, search)) {
      continue;
    }
    const certificates = [...path, issuer];
    const record = search.records.find((candidate) => isAbout(candidate, issuer));
    if (record !== undefined) {
      const place = search.presented.has(issuer) ? 'presented' : 'certificate in the DNS';
      yield { certificates, record, place };
    }
    // Also beyond an anchor: this one may be out of date, and another one above it not.
    yield* extend(certificates, search);
  }
  for (const { key, record } of search.keys) {
    if (spend(search) && isSignedBy(top, key)) {
      yield { certificates: path, anchorKey: key, record, place: 'key in the DNS' };
    }
  }
}

function verify(certificate: PathCertificate, issuer: PathCertificate, search: Search): boolean {
  const key = spend(search) ? readPublicKey(issuer) : undefined;
  return key !== undefined && isSignedBy(certificate, key);
}

function spend(search: Search): boolean {
  search.signaturesLeft -= 1;
  return search.signaturesLeft >= 0;
}

function readCertificates(records: readonly TlsaRecord[]): readonly PathCertificate[] {
  return records
    .filter((record) => isFull(record, tlsaSelector.certificate))
    .map(({ data }) => readAssociatedCertificate(data));
}

/** RFC 7671 §5.2.3: a bare key signs for an anchor that was not sent; one that was has its certificate to be judged by. */
function readUnseenKeys(
  records: readonly TlsaRecord[],
  presented: readonly PathCertificate[],
): Search['keys'] {
  return records
    .filter((record) => isFull(record, tlsaSelector.publicKey))
    .filter((record) => !presented.some((certificate) => isAbout(record, certificate)))
    .map((record) => ({ key: readAssociatedKey(record.data), record }));
}

function isFull({ selector, matchingType }: TlsaRecord, wanted: number): boolean {
  return matchingType === fullMatch && selector === wanted;
}

function fingerprint(certificate: PathCertificate): string {
  return certificate.openssl.fingerprint256;
}
