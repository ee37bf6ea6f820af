/**
 * What TLS is offered and which roots are trusted: one SecureContext for each kind of policy, made when first needed.
 *
 * A context takes tens of milliseconds to make, most of them for the roots, and a third of one to use.
 */

import { X509Certificate } from 'node:crypto';
import { createSecureContext, getCACertificates, type SecureContext } from 'node:tls';
import type { TlsLevel } from '../../delivery/channel.ts';
import { TransportSecurityError } from '../../protocol/errors.ts';

/** Which certificates are trusted. */
export interface TrustedRoots {
  /** PEM, one certificate each. Default: the Mozilla roots that Node bundles, whatever the environment adds to them. */
  readonly roots?: readonly string[];
  /** PEM, any number of certificates, beside those. */
  readonly extraRoots?: string;
}

/** The context for a level of TLS. */
export type SecureContexts = (level: Exclude<TlsLevel, 'clear'>) => SecureContext;

/**
 * Prepares the contexts.
 *
 * @throws {TransportSecurityError} `settings-invalid` if `extraRoots` is not PEM of certificates.
 */
export function createSecureContexts(trusted: TrustedRoots): SecureContexts {
  const extraRoots = splitPem(trusted.extraRoots ?? '');
  const contexts = new Map<boolean, SecureContext>();
  return (level) => {
    const isAuthenticated = level === 'pkix' || level === 'dane';
    const known = contexts.get(isAuthenticated);
    if (known !== undefined) {
      return known;
    }
    const roots = trusted.roots ?? getCACertificates('bundled');
    // RFC 8996: nothing below TLS 1.2, not even where the alternative is clear text, since who is in the way then
    // would choose it. The roots are there without authentication too: TLS reports tell what would have failed.
    const context = createSecureContext({ minVersion: 'TLSv1.2', ca: [...roots, ...extraRoots] });
    contexts.set(isAuthenticated, context);
    return context;
  };
}

function splitPem(pem: string): string[] {
  const certificates = pem.match(/-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----/gs) ?? [];
  if (pem.trim() !== '' && certificates.length === 0) {
    throw new TransportSecurityError('settings-invalid', 'extraRoots holds no PEM certificate');
  }
  for (const certificate of certificates) {
    try {
      new X509Certificate(certificate);
    } catch (cause) {
      const message = 'extraRoots holds a certificate that cannot be read';
      throw new TransportSecurityError('settings-invalid', message, { cause });
    }
  }
  return certificates;
}
