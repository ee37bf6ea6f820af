/**
 * Why a validation came out as it did: a code that other resolvers use too, and a sentence for people.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc8914.html#section-4 RFC 8914 §4}
 */

/** An INFO-CODE of RFC 8914, and what happened in one clause without a final full stop. */
export interface Reason {
  readonly infoCode: number;
  readonly text: string;
}

/** INFO-CODEs that validation gives (RFC 8914 §4; 27 is RFC 9276 §3.2). */
export const infoCodes = {
  other: 0,
  unsupportedAlgorithm: 1,
  unsupportedDigest: 2,
  indeterminate: 5,
  bogus: 6,
  signatureExpired: 7,
  signatureNotYetValid: 8,
  dnskeyMissing: 9,
  rrsigsMissing: 10,
  noZoneKeyBit: 11,
  nsecMissing: 12,
  noReachableAuthority: 22,
  signatureExpiredBeforeValid: 25,
  unsupportedNsec3Iterations: 27,
} as const;

export function reason(code: keyof typeof infoCodes, text: string): Reason {
  return { infoCode: infoCodes[code], text };
}
