/**
 * What can go wrong between a message and a channel it may use, and what each failure means to its
 * sender (RFC 3463 status), to the retry machinery and to TLS reporting (RFC 8460 §4.3).
 */
import type { ResultType } from './tlsrpt/result-type.ts';

/** Every failure that Sealpost tells apart. A code without a row in {@link failures} does not compile. */
export type FailureCode =
  // DNS
  | 'dns-malformed'
  | 'dns-timeout'
  | 'dns-server-failure'
  | 'dns-bogus'
  | 'null-mx'
  | 'domain-not-found'
  | 'no-mail-host'
  | 'address-private'
  // MTA-STS
  | 'sts-policy-fetch-error'
  | 'sts-policy-invalid'
  | 'sts-webpki-invalid'
  | 'sts-mx-mismatch'
  | 'sts-policy-unknown'
  // TLSRPT
  | 'tlsrpt-invalid'
  // the connection and its TLS
  | 'connect-failed'
  | 'connection-lost'
  | 'smtp-timeout'
  | 'reply-malformed'
  | 'greeting-refused'
  | 'ehlo-refused'
  | 'starttls-not-offered'
  | 'starttls-refused'
  | 'starttls-deferred'
  | 'starttls-injection'
  | 'tls-handshake-failed'
  | 'certificate-host-mismatch'
  | 'certificate-expired'
  | 'certificate-not-yet-valid'
  | 'certificate-not-trusted'
  | 'certificate-malformed'
  | 'mx-not-authenticated'
  | 'requiretls-not-offered'
  | 'requiretls-disabled'
  | 'authentication-failed'
  // DANE
  | 'tlsa-invalid'
  | 'dane-mismatch'
  | 'dane-required'
  // the transaction
  | 'rejected'
  | 'deferred-by-peer'
  | 'size-exceeded'
  | 'eightbitmime-not-offered'
  | 'smtputf8-not-offered'
  | 'in-doubt'
  | 'time-too-short'
  | 'expired'
  // what was handed to us
  | 'queue-message-invalid'
  | 'id-reused'
  | 'content-missing'
  | 'content-invalid'
  | 'address-invalid'
  | 'mail-loop'
  // an operator's word
  | 'cancelled'
  // a domain whose hosts cannot be reached
  | 'backing-off'
  | 'settings-invalid'
  // our own tables, queues and buckets
  | 'store-unavailable'
  | 'store-damaged';

/** What a failure entails. */
export interface FailureMeaning {
  /** The RFC 8460 §4.3 result type under an authenticating policy; null: no result of a TLS session. */
  readonly resultType: ResultType | null;
  /** Enhanced status code (RFC 3463, RFC 5248 registry) for a bounce or a delay notice. */
  readonly status: string;
  /**
   * Whether it says something lasting about the peer. A definite failure may end a REQUIRETLS message at once
   * (RFC 8689 §4.2.1); every other is tried again until the message expires.
   */
  readonly definite: boolean;
}

/** The one table of failures. A reply of the peer carries its own status code, which goes before this one. */
export const failures: Readonly<Record<FailureCode, FailureMeaning>> = {
  'dns-malformed': { resultType: null, status: '4.4.3', definite: false },
  'dns-timeout': { resultType: null, status: '4.4.3', definite: false },
  'dns-server-failure': { resultType: null, status: '4.4.3', definite: false },
  'dns-bogus': { resultType: 'dnssec-invalid', status: '4.7.0', definite: false },
  'null-mx': { resultType: null, status: '5.1.10', definite: true },
  'domain-not-found': { resultType: null, status: '5.1.2', definite: true },
  'no-mail-host': { resultType: null, status: '5.4.4', definite: true },
  'address-private': { resultType: null, status: '5.4.4', definite: true },
  'sts-policy-fetch-error': {
    resultType: 'sts-policy-fetch-error',
    status: '4.7.5',
    definite: false,
  },
  'sts-policy-invalid': { resultType: 'sts-policy-invalid', status: '4.7.5', definite: false },
  'sts-webpki-invalid': { resultType: 'sts-webpki-invalid', status: '4.7.5', definite: false },
  'sts-mx-mismatch': { resultType: 'validation-failure', status: '4.7.5', definite: true },
  'sts-policy-unknown': { resultType: null, status: '4.7.5', definite: false },
  'tlsrpt-invalid': { resultType: null, status: '5.6.0', definite: true },
  'connect-failed': { resultType: null, status: '4.4.1', definite: false },
  'connection-lost': { resultType: null, status: '4.4.2', definite: false },
  'smtp-timeout': { resultType: null, status: '4.4.2', definite: false },
  'reply-malformed': { resultType: null, status: '4.5.0', definite: false },
  'greeting-refused': { resultType: null, status: '4.3.2', definite: false },
  'ehlo-refused': { resultType: null, status: '4.5.0', definite: false },
  'starttls-not-offered': {
    resultType: 'starttls-not-supported',
    status: '5.7.10',
    definite: true,
  },
  'starttls-refused': { resultType: 'starttls-not-supported', status: '5.7.10', definite: true },
  'starttls-deferred': { resultType: 'starttls-not-supported', status: '4.7.0', definite: false },
  'starttls-injection': { resultType: 'validation-failure', status: '4.7.0', definite: false },
  'tls-handshake-failed': { resultType: 'validation-failure', status: '4.7.5', definite: false },
  'certificate-host-mismatch': {
    resultType: 'certificate-host-mismatch',
    status: '4.7.5',
    definite: true,
  },
  'certificate-expired': { resultType: 'certificate-expired', status: '4.7.5', definite: true },
  'certificate-not-yet-valid': {
    resultType: 'validation-failure',
    status: '4.7.5',
    definite: true,
  },
  'certificate-not-trusted': {
    resultType: 'certificate-not-trusted',
    status: '4.7.5',
    definite: true,
  },
  'certificate-malformed': {
    resultType: 'certificate-not-trusted',
    status: '4.7.5',
    definite: true,
  },
  'mx-not-authenticated': { resultType: null, status: '5.7.10', definite: true },
  'requiretls-not-offered': { resultType: null, status: '5.7.30', definite: true },
  'requiretls-disabled': { resultType: null, status: '5.7.30', definite: true },
  'authentication-failed': { resultType: null, status: '4.7.8', definite: false },
  'tlsa-invalid': { resultType: 'tlsa-invalid', status: '4.7.5', definite: true },
  'dane-mismatch': { resultType: 'validation-failure', status: '4.7.5', definite: true },
  'dane-required': { resultType: 'dane-required', status: '4.7.5', definite: false },
  rejected: { resultType: null, status: '5.0.0', definite: true },
  'deferred-by-peer': { resultType: null, status: '4.0.0', definite: false },
  'size-exceeded': { resultType: null, status: '5.3.4', definite: true },
  'eightbitmime-not-offered': { resultType: null, status: '5.6.3', definite: true },
  'smtputf8-not-offered': { resultType: null, status: '5.6.7', definite: true },
  'in-doubt': { resultType: null, status: '4.4.2', definite: false },
  'time-too-short': { resultType: null, status: '4.4.7', definite: false },
  expired: { resultType: null, status: '5.4.7', definite: true },
  'queue-message-invalid': { resultType: null, status: '5.6.0', definite: true },
  'id-reused': { resultType: null, status: '5.6.0', definite: true },
  'content-missing': { resultType: null, status: '5.6.0', definite: true },
  'content-invalid': { resultType: null, status: '5.6.0', definite: true },
  'mail-loop': { resultType: null, status: '5.4.6', definite: true },
  cancelled: { resultType: null, status: '5.0.0', definite: true },
  'backing-off': { resultType: null, status: '4.4.1', definite: false },
  'address-invalid': { resultType: null, status: '5.1.3', definite: true },
  'settings-invalid': { resultType: null, status: '5.3.5', definite: true },
  'store-unavailable': { resultType: null, status: '4.3.0', definite: false },
  'store-damaged': { resultType: null, status: '4.3.0', definite: false },
};

/**
 * Malformed input or failed input/output, with one code of {@link FailureCode}.
 *
 * Not for verdicts (a host that is not in a policy is a value) and not for bugs (those throw TypeError).
 */
export class TransportSecurityError extends Error {
  readonly code: FailureCode;

  /** `message` is one line that names the field or the peer and what was wrong; `cause` carries the evidence. */
  constructor(code: FailureCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.name = 'TransportSecurityError';
    this.code = code;
  }
}
