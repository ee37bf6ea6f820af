/** One mail transaction (RFC 5321 §3.3) as the client sees it: what is asked for and what came of it. */
import type { FailureCode } from '../errors.ts';

/** An SMTP reply (RFC 5321 §4.2). */
export interface Reply {
  readonly code: number;
  /** RFC 3463, RFC 2034; only where present, well-formed and of the class of `code`. */
  readonly enhanced?: string;
  /** The text of each line, without code and enhanced code; non-ASCII and control octets escaped. */
  readonly lines: readonly string[];
}

/** A forward-path with its DSN parameters (RFC 3461 §4). */
export interface TransactionRecipient {
  /** `local-part@domain`, domain in A-labels (U-labels only with SMTPUTF8). */
  readonly address: string;
  readonly notify?: readonly ('NEVER' | 'SUCCESS' | 'FAILURE' | 'DELAY')[];
  /** `addr-type;address`, not yet xtext. */
  readonly orcpt?: string;
}

export interface Transaction {
  /** '' for the null reverse-path. */
  readonly mailFrom: string;
  readonly recipients: readonly TransactionRecipient[];
  /** The message as it goes on the wire but for dot-stuffing; line ends are made CRLF by the client. */
  readonly content: Uint8Array;
  /** Adds REQUIRETLS to MAIL. The caller has made sure that the channel may carry it (RFC 8689 §4.2.1). */
  readonly requireTls: boolean;
  readonly smtpUtf8: boolean;
  readonly ret?: 'FULL' | 'HDRS';
  readonly envid?: string;
}

/** What became of one recipient. */
export type RecipientResult =
  | { readonly outcome: 'delivered'; readonly reply: Reply }
  | {
      readonly outcome: 'deferred' | 'failed';
      readonly code: FailureCode;
      readonly reason: string;
      readonly reply?: Reply;
    };

/** How far the content got: `complete` once the final dot or the BDAT LAST chunk was handed to the socket. */
export type ContentSent = 'none' | 'partial' | 'complete';

export interface TransactionResult {
  /** In the order of the transaction's recipients. */
  readonly recipients: readonly RecipientResult[];
  readonly contentSent: ContentSent;
  /** The session cannot be used any more. */
  readonly sessionLost: boolean;
}
