/**
 * The MTA-STS policy.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc8461.html#section-3.2 RFC 8461 §3.2}
 */

/** A parsed policy. `mx` patterns are lower-case A-labels, `*.` at most in front. */
export interface StsPolicy {
  readonly mode: 'enforce' | 'testing' | 'none';
  readonly mx: readonly string[];
  /** 0 to 31557600. */
  readonly maxAgeSeconds: number;
}
