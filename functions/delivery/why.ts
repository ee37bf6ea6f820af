/** The `why` record: what one attempt looked up, tried and decided, for a reader who was not there. */

import type { DnssecStatus } from '../protocol/dns/answer.ts';
import type { FailureCode } from '../protocol/errors.ts';
import type { TlsDemand } from '../protocol/requiretls/demand.ts';
import type { ResultType } from '../protocol/tlsrpt/result-type.ts';

export interface WhyRecord {
  readonly version: 1;
  readonly id: string;
  readonly domain: string;
  readonly attempt: number;
  /** RFC 3339. */
  readonly startedAt: string;
  readonly endedAt: string;
  readonly demand: { readonly level: TlsDemand; readonly reason: string };
  readonly lookups: readonly LookupNote[];
  readonly policy?: PolicyNote;
  readonly hosts: readonly HostNote[];
  readonly recipients: readonly RecipientNote[];
  readonly decision: Decision;
  /** What the store left out to bound the record's size; absent on a record that is whole. */
  readonly shortened?: string;
}

export interface LookupNote {
  readonly name: string;
  readonly type: string;
  /** `records`, `nodata`, `nxdomain`, or the failure's code. */
  readonly outcome: string;
  readonly status?: DnssecStatus;
  readonly detail: string;
}

export interface PolicyNote {
  readonly kind: 'policy' | 'absent' | 'unknown' | 'not-asked';
  readonly source?: 'memory' | 'table' | 'wire';
  readonly mode?: string;
  readonly id?: string;
  readonly fetchedAt?: string;
  readonly mx?: readonly string[];
  /** Who put the policy into the cache by hand, and why; absent on what the domain served. */
  readonly setBy?: string;
  readonly reason?: string;
}

export interface HostNote {
  readonly host: string;
  readonly preference: number;
  /** Why the host was passed over before any connection. */
  readonly skipped?: FailureNote;
  /** Absent where TLSA records were not looked up. */
  readonly dane?: DaneNote;
  readonly tries: readonly TryNote[];
}

/** What the host's TLSA records ask (RFC 7672 §2.2). */
export interface DaneNote {
  readonly level: 'usable' | 'unusable' | 'absent' | 'failed';
  /** The TLSA base domain whose records are obeyed. */
  readonly base?: string;
  /** In presentation form. */
  readonly records?: readonly string[];
  readonly reason?: string;
}

/** One connection to one address. */
export interface TryNote {
  readonly address: string;
  readonly level: string;
  readonly tls?: {
    readonly version: string;
    readonly cipher: string;
    readonly fingerprint: string;
    readonly resumed: boolean;
    readonly verdict: string;
  };
  /** Why the connection came to nothing. */
  readonly failure?: FailureNote;
  /** What was wrong and stopped nothing: a `testing` policy, or TLS that was only opportunistic. */
  readonly noted?: FailureNote;
}

export interface FailureNote {
  readonly code: FailureCode;
  readonly reason: string;
  readonly resultType?: ResultType;
}

export interface RecipientNote {
  readonly address: string;
  readonly outcome: 'delivered' | 'deferred' | 'failed';
  readonly status: string;
  readonly reply?: string;
}

/** The row of the channel table (docs/architecture.md) that decided, and what it came to. */
export interface Decision {
  readonly row: string;
  readonly outcome: 'delivered' | 'deferred' | 'failed' | 'partly';
  readonly code?: FailureCode;
  readonly status?: string;
  readonly reason: string;
  readonly nextAttemptAt?: string;
}
