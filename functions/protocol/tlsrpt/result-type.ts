/**
 * The result types of SMTP TLS reporting.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc8460.html#section-4.3 RFC 8460 §4.3}
 */

/** RFC 8460 §4.3.1 (negotiation), §4.3.2.1 (DANE), §4.3.2.2 (MTA-STS) and §4.3.3 (general), spelt as there. */
export type ResultType =
  | 'starttls-not-supported'
  | 'certificate-host-mismatch'
  | 'certificate-expired'
  | 'certificate-not-trusted'
  | 'validation-failure'
  | 'tlsa-invalid'
  | 'dnssec-invalid'
  | 'dane-required'
  | 'sts-policy-fetch-error'
  | 'sts-policy-invalid'
  | 'sts-webpki-invalid';
