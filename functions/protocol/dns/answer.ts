/** What a look-up says, with nothing left out that a decision may hang on. */
import type { FailureCode } from '../errors.ts';

/** RFC 4035 §4.3. */
export type DnssecStatus = 'secure' | 'insecure' | 'bogus' | 'indeterminate';

/** An MX record's data (RFC 5321 §5.1). `exchange` is a lower-case A-label name without trailing dot; '' for a null MX. */
export interface MxData {
  readonly preference: number;
  readonly exchange: string;
}

/** A TLSA record's data (RFC 6698 §2.1); what of it can be used is for `protocol/dane` to say. */
export interface TlsaData {
  readonly usage: number;
  readonly selector: number;
  readonly matchingType: number;
  /** Certificate association data. */
  readonly data: Uint8Array;
}

/** The types that Sealpost asks for, each with the form of one record's data. */
export interface RecordData {
  /** Dotted quad. */
  readonly A: string;
  /** RFC 5952 text. */
  readonly AAAA: string;
  readonly MX: MxData;
  /** The character-strings of one record joined without a separator, one char per octet (latin1). */
  readonly TXT: string;
  /** Lower-case name without trailing dot. */
  readonly CNAME: string;
  readonly TLSA: TlsaData;
}

export type RecordType = keyof RecordData;

/** One step of an alias chain: `name` is an alias for `target`, with the status of that CNAME RRset. */
export interface AliasHop {
  readonly name: string;
  readonly target: string;
  readonly status: DnssecStatus;
}

/** The outcome of one look-up. NXDOMAIN, NODATA and the ways to fail are kept apart. */
export type Answer<T extends RecordType> =
  | (AnswerFacts & { readonly kind: 'records'; readonly records: readonly RecordData[T][] })
  | (AnswerFacts & { readonly kind: 'nodata' })
  | (AnswerFacts & { readonly kind: 'nxdomain' })
  | {
      readonly kind: 'failed';
      readonly code: Extract<FailureCode, `dns-${string}`>;
      readonly reason: string;
      /** INFO-CODE of RFC 8914 for it, where there is one. */
      readonly infoCode?: number;
    };

interface AnswerFacts {
  /** Of the final RRset, or of the denial. */
  readonly status: DnssecStatus;
  /** What the name comes to after its aliases; the question's name where there are none. */
  readonly canonicalName: string;
  readonly aliases: readonly AliasHop[];
  readonly ttlSeconds: number;
}

/** Looks names up. Never rejects for what a server says or fails to say: that is a value. */
export interface Resolver {
  /** `name`: lower-case A-labels without trailing dot. `deadlineMs`: epoch milliseconds, given up then. */
  lookup<T extends RecordType>(
    name: string,
    type: T,
    deadlineMs: number,
    options?: LookupOptions,
  ): Promise<Answer<T>>;
}

export interface LookupOptions {
  /** Ask now, even where an answer is known whose time is not over. What it is validated by may be known. */
  readonly afresh?: boolean;
}
