/**
 * Whether a mail that carries a report was signed by whoever reports.
 *
 * RFC 8460 §3: a report without a valid DKIM signature by the reporting domain MUST be ignored. The reporting domain is that
 * of `contact-info`, which TLS-Report-Submitter repeats (§5.3).
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc8460.html#section-3 RFC 8460 §3}
 */

/** What was found of one DKIM signature. */
export interface CheckedSignature {
  /** d=, in A-labels. */
  readonly domain: string;
  /** `unknown`: its key could not be looked up now. */
  readonly outcome: 'valid' | 'invalid' | 'unknown';
  readonly detail: string;
  /** Without l=. */
  readonly coversBody: boolean;
  /** The one domain of From, where it and d= are of one organization (RFC 7489 §3.1.1, relaxed). */
  readonly authorDomain?: string;
}

/** When; epoch milliseconds. */
export interface SignatureTimes {
  /** That by which a signature has expired or not (RFC 6376 §3.5, x=), however long the mail lay. */
  readonly receivedAtMs: number;
  /** For look-ups. */
  readonly deadlineMs: number;
}

/** Verifies the DKIM signatures of a mail, each of them, as far as there are few. Never rejects for what is in it. */
export type CheckSignatures = (
  mail: Uint8Array,
  times: SignatureTimes,
) => Promise<readonly CheckedSignature[]>;

/** `unknown`: ask again. */
export type Judgement =
  | { readonly kind: 'verified'; readonly signer: string }
  | { readonly kind: 'unverified' | 'unknown'; readonly reason: string };

/** Judges by the submitter's domain. A signature of that domain counts, of one above it, or of its organization where it is From's. */
export function judgeSignatures(
  signatures: readonly CheckedSignature[],
  submitter: string,
): Judgement {
  const judged = signatures.map((signature) => ({
    signature,
    fault: faultOf(signature, submitter),
  }));
  const good = judged.find(({ fault }) => fault === undefined);
  if (good !== undefined) {
    return { kind: 'verified', signer: good.signature.domain };
  }
  const unknown = signatures.find(
    (signature) => signature.outcome === 'unknown' && isAligned(signature, submitter),
  );
  if (unknown !== undefined) {
    return { kind: 'unknown', reason: `${unknown.domain}: ${unknown.detail}` };
  }
  const reasons = judged.map(({ fault }) => fault).slice(0, 3);
  return {
    kind: 'unverified',
    reason:
      reasons.length === 0
        ? 'not signed (RFC 8460 §3)'
        : `not signed by ${submitter} (RFC 8460 §3): ${reasons.join('; ')}`,
  };
}

function faultOf(signature: CheckedSignature, submitter: string): string | undefined {
  const { domain, outcome, detail, coversBody } = signature;
  if (outcome !== 'valid') {
    return `${domain}: ${detail}`;
  }
  if (!coversBody) {
    // RFC 8460 §3: whoever passes the mail on could append another report.
    return `${domain}: covers a part of the body only (l=)`;
  }
  return isAligned(signature, submitter) ? undefined : `${domain}: another domain`;
}

function isAligned({ domain, authorDomain }: CheckedSignature, submitter: string): boolean {
  // Whoever has a domain has what is beneath it. Not so the other way round: strangers may have names beneath mine.
  const isAbove = domain.includes('.') && submitter.endsWith(`.${domain}`);
  return domain === submitter || isAbove || authorDomain === submitter;
}
