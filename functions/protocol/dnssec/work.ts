/**
 * How much validating one answer may cost.
 *
 * Whoever runs a zone decides how many keys share a tag, how many signatures an RRset has and how often a name is hashed
 * (CVE-2023-50387 "KeyTrap", CVE-2023-50868), so each of these ends at a bound. What is not done for want of budget
 * counts as not proven: the answer is then bogus, and says that this is why.
 */
import type { AlgorithmTable } from './algorithms.ts';
import { type Reason, reason } from './reason.ts';

export interface ValidationLimits {
  /** Keys with the tag and algorithm of a signature that are tried for it. */
  readonly keysPerTag: number;
  /** Signatures of one RRset that are tried. */
  readonly signaturesPerSet: number;
  readonly verificationsPerAnswer: number;
  /** Digests of keys compared with DS records, when one zone's keys are looked at. */
  readonly dsDigestsPerAnswer: number;
  /** Names hashed for NSEC3, whatever the number of iterations. */
  readonly nsec3HashesPerAnswer: number;
  /** Zones with more NSEC3 iterations are insecure (RFC 9276 §3.2). */
  readonly nsec3IterationsSecure: number;
  /** Answers with more NSEC3 iterations are bogus (RFC 9276 §3.2). */
  readonly nsec3IterationsInsecure: number;
}

/** Honest zones stay far below: two signatures, one key a tag, three or four verifications, eight hashes. */
export const defaultValidationLimits: ValidationLimits = {
  keysPerTag: 4,
  signaturesPerSet: 8,
  verificationsPerAnswer: 64,
  dsDigestsPerAnswer: 32,
  nsec3HashesPerAnswer: 32,
  nsec3IterationsSecure: 100,
  nsec3IterationsInsecure: 500,
};

/** What has been done for one answer. The only thing in `protocol/dnssec` that changes. */
export interface Work {
  verifications: number;
  dsDigests: number;
  nsec3Hashes: number;
  /** The first bound that was hit; a validation that fails then failed because of it. */
  exceeded: Reason | undefined;
}

/** What an answer is validated by. */
export interface ValidationTerms {
  /** Seconds since 1970. */
  readonly nowSeconds: number;
  readonly algorithms: AlgorithmTable;
  readonly limits: ValidationLimits;
  readonly work: Work;
}

export function startWork(): Work {
  return { verifications: 0, dsDigests: 0, nsec3Hashes: 0, exceeded: undefined };
}

const counters = {
  verifications: ['verificationsPerAnswer', 'signatures to verify'],
  dsDigests: ['dsDigestsPerAnswer', 'keys to compare with DS records'],
  nsec3Hashes: ['nsec3HashesPerAnswer', 'names to hash for NSEC3'],
} as const;

/** Takes one unit of the budget; false when there is none left, and the deed must not be done. */
export function spend({ work, limits }: ValidationTerms, counter: keyof typeof counters): boolean {
  const [limit, what] = counters[counter];
  if (work[counter] >= limits[limit]) {
    work.exceeded ??= reason('bogus', `over ${limits[limit]} ${what} for one answer`);
    return false;
  }
  work[counter] += 1;
  return true;
}
