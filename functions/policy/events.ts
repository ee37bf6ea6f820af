/** What the policy room tells its operator as it works; handlers turn it into metrics and log lines. */
import type { FailureCode } from '../protocol/errors.ts';
import type { StsFailureCode } from './ports.ts';

export type PolicyEvent =
  /** One HTTPS exchange with a policy host. */
  | {
      readonly kind: 'policy-fetched';
      readonly domain: string;
      readonly outcome: 'policy' | StsFailureCode;
      readonly seconds: number;
    }
  /**
   * A cached policy is applied although what is published now could not be seen: an outage, a mistake of its owner, or
   * somebody who would like the policy to be forgotten (RFC 8461 §10.2).
   */
  | {
      readonly kind: 'policy-kept';
      readonly domain: string;
      readonly code?: FailureCode;
      readonly reason: string;
    }
  /** A cached policy could not be refreshed; unless that changes it is gone at `expiresAtMs`. */
  | {
      readonly kind: 'refresh-failed';
      readonly domain: string;
      readonly code: StsFailureCode;
      readonly reason: string;
      readonly expiresAtMs: number;
    }
  /** The policy table did not take or give what it should. */
  | { readonly kind: 'policy-store-failed'; readonly domain: string; readonly error: unknown };

export type ObservePolicies = (event: PolicyEvent) => void;
