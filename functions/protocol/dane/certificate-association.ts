/**
 * Whether a TLSA record and a certificate belong together.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc6698.html#section-2.1 RFC 6698 §2.1.2 to §2.1.4}
 */
import { createHash } from 'node:crypto';
import { digestAlgorithms, fullMatch, type TlsaRecord, tlsaSelector } from './tlsa-record.ts';

/** The two things that a selector may mean. */
export interface AssociableCertificate {
  /** The certificate, DER. */
  readonly der: Uint8Array;
  /** Its SubjectPublicKeyInfo, DER; undefined where it cannot be found, and then no record on a key is about it. */
  readonly publicKeyInfo: Uint8Array | undefined;
}

/** Reports whether a usable record is about this certificate. The certificate usage is not looked at. */
export function isAbout(record: TlsaRecord, certificate: AssociableCertificate): boolean {
  const { selector, matchingType, data } = record;
  const selected =
    selector === tlsaSelector.certificate ? certificate.der : certificate.publicKeyInfo;
  if (selected === undefined) {
    return false;
  }
  if (matchingType === fullMatch) {
    return Buffer.compare(selected, data) === 0;
  }
  const digest = digestAlgorithms.find((algorithm) => algorithm.matchingType === matchingType);
  return (
    digest !== undefined &&
    Buffer.compare(createHash(digest.name).update(selected).digest(), data) === 0
  );
}
