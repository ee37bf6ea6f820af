/**
 * Validation of a certification path whose signatures fit: dates, the right to issue, what each certificate is for.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc5280.html#section-6.1 RFC 5280 §6.1}
 */
import type { KeyObject } from 'node:crypto';
import { type FailureCode, TransportSecurityError } from '../errors.ts';
import {
  extendedKeyUsageId,
  findUnknownCritical,
  readBasicConstraints,
  readExtendedKeyUsage,
  readKeyUsage,
} from './extensions.ts';
import { findForbiddenName, readNameConstraints } from './name-constraints.ts';
import {
  findWeakSignature,
  isSelfIssued,
  type PathCertificate,
  readPublicKey,
  showSubject,
} from './path-certificate.ts';

/** A path whose signatures have been verified. */
export interface CertificationPath {
  /** The leaf first, each one signed by the next. The last is the trust anchor, or signed by `anchorKey`. */
  readonly certificates: readonly PathCertificate[];
  /** The trust anchor, where it is a key alone. */
  readonly anchorKey?: KeyObject;
}

/** What is wrong with a path. */
export interface PathFault {
  readonly code: Extract<FailureCode, `certificate-${string}`>;
  readonly reason: string;
}

/**
 * Finds what makes a path unfit for a TLS server at `nowMs`, or undefined. Names of hosts are not looked at, and
 * signatures are taken as verified.
 */
export function findPathFault(path: CertificationPath, nowMs: number): PathFault | undefined {
  try {
    return (
      findDateFault(path, nowMs) ??
      findSignatureFault(path) ??
      findIssuerFault(path) ??
      findNameFault(path) ??
      findUsageFault(path)
    );
  } catch (error) {
    if (error instanceof TransportSecurityError) {
      return { code: 'certificate-malformed', reason: error.message };
    }
    throw error;
  }
}

/** Unclear: RFC 5280 §6.1 gives a trust anchor no dates. One that is shown as a certificate has them, and they count. */
function findDateFault({ certificates }: CertificationPath, nowMs: number): PathFault | undefined {
  for (const certificate of certificates) {
    const { notBeforeMs, notAfterMs } = certificate;
    if (nowMs < notBeforeMs) {
      return {
        code: 'certificate-not-yet-valid',
        reason: `${showSubject(certificate)} is not valid before ${showTime(notBeforeMs)}`,
      };
    }
    // RFC 5280 §4.1.2.5: the last second belongs to the period, and it has a thousand milliseconds.
    if (nowMs >= notAfterMs + 1000) {
      return {
        code: 'certificate-expired',
        reason: `${showSubject(certificate)} expired at ${showTime(notAfterMs)}`,
      };
    }
  }
  return undefined;
}

function findSignatureFault({ certificates, anchorKey }: CertificationPath): PathFault | undefined {
  for (const [index, certificate] of certificates.entries()) {
    const issuer = certificates[index + 1];
    const key = issuer === undefined ? anchorKey : readPublicKey(issuer);
    // The last certificate, where it is the anchor, is trusted for itself: who signed it does not matter.
    const weakness = key === undefined ? undefined : findWeakSignature(certificate, key);
    if (weakness !== undefined) {
      return distrust(`${showSubject(certificate)} is ${weakness}`);
    }
  }
  return undefined;
}

/** RFC 5280 §6.1.4 (k) to (n). */
function findIssuerFault({ certificates, anchorKey }: CertificationPath): PathFault | undefined {
  let authorities = 0;
  for (const [index, issuer] of certificates.entries()) {
    if (index === 0) {
      continue;
    }
    const constraints = readBasicConstraints(issuer);
    const isAnchor = anchorKey === undefined && index === certificates.length - 1;
    // RFC 5280 §6.1.4 (k): a root of version 1 cannot say that it is an authority's, which has to be known by other
    // means. Whoever took it for the anchor knows.
    const mayIssue = constraints?.ca ?? (isAnchor && issuer.version < 3 && isSelfIssued(issuer));
    if (!mayIssue) {
      return distrust(`${showSubject(issuer)} is not an authority`);
    }
    if (readKeyUsage(issuer)?.has('keyCertSign') === false) {
      return distrust(`the key of ${showSubject(issuer)} may not sign certificates`);
    }
    if (constraints?.pathLength !== undefined && authorities > constraints.pathLength) {
      return distrust(
        `${authorities} authorities below ${showSubject(issuer)}, which allows ${constraints.pathLength}`,
      );
    }
    // RFC 5280 §4.2.1.9: what is issued by an authority to itself, as for a new key, does not count.
    authorities += isSelfIssued(issuer) ? 0 : 1;
  }
  return undefined;
}

/** RFC 5280 §6.1.3 (b) and (c): each authority's constraints hold for all below it, but for its own renewals. */
function findNameFault({ certificates }: CertificationPath): PathFault | undefined {
  for (const [index, issuer] of certificates.entries()) {
    const constraints = index === 0 ? undefined : readNameConstraints(issuer);
    if (constraints === undefined) {
      continue;
    }
    for (const [below, certificate] of certificates.slice(0, index).entries()) {
      const exempt = below > 0 && isSelfIssued(certificate);
      const forbidden = exempt
        ? undefined
        : findForbiddenName(certificate, constraints, below === 0);
      if (forbidden !== undefined) {
        return distrust(`${showSubject(certificate)}: ${forbidden}`);
      }
    }
  }
  return undefined;
}

function findUsageFault({ certificates }: CertificationPath): PathFault | undefined {
  for (const [index, certificate] of certificates.entries()) {
    const unknown = findUnknownCritical(certificate);
    if (unknown !== undefined) {
      return distrust(`${showSubject(certificate)} has the critical extension ${unknown}`);
    }
    // Unclear: RFC 5280 §4.2.1.12 speaks of leaves. On an authority it bounds what may be issued below it, as
    // OpenSSL and all browsers read it.
    const uses = readExtendedKeyUsage(certificate);
    if (uses?.has(extendedKeyUsageId.serverAuth) === false && !uses.has(extendedKeyUsageId.any)) {
      return distrust(`${showSubject(certificate)} is not for TLS servers`);
    }
    const usage = index === 0 ? readKeyUsage(certificate) : undefined;
    const servesTls =
      usage?.has('digitalSignature') || usage?.has('keyEncipherment') || usage?.has('keyAgreement');
    if (servesTls === false) {
      return distrust(`the key of ${showSubject(certificate)} is not for TLS`);
    }
  }
  return undefined;
}

function distrust(reason: string): PathFault {
  return { code: 'certificate-not-trusted', reason };
}

function showTime(timeMs: number): string {
  return new Date(timeMs).toISOString();
}
