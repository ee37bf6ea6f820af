/**
 * A delivery status notification as data: what the sender of a message is to be told.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc3464.html RFC 3464}
 */
import type { FailureCode } from '../errors.ts';
import type { Reply } from '../smtp/transaction.ts';

/** What is reported of one recipient (RFC 3464 §2.3). */
export interface NoticedRecipient {
  /** As in the envelope. */
  readonly address: string;
  /** `addr-type;address`, not xtext; only where the sender gave it (RFC 3461 §6.3 d). */
  readonly orcpt?: string;
  /** RFC 3464 §2.3.3. `relayed`: handed to a peer that reports no success (RFC 3461 §5.2.2 b). */
  readonly action: 'failed' | 'delayed' | 'relayed';
  /** RFC 3463. */
  readonly status: string;
  /** Why it failed or is delayed. */
  readonly failure?: {
    readonly code: FailureCode;
    /** Where the time was over (`expired`): what stood in the way at last. */
    readonly lastCode?: FailureCode;
    /** One line, for administrators. */
    readonly reason: string;
  };
  /** What the peer said, of this recipient or to our connection; absent where the verdict is ours. */
  readonly reply?: Reply;
  /** The name of the MX host that was tried; absent where none was (RFC 3461 §6.3 h). */
  readonly remoteMta?: string;
}

/** A notification about one attempt. */
export interface Notification {
  /** Names the notification; letters, digits, `-` and `_`. Message-ID and boundary come of it. */
  readonly id: string;
  readonly nowMs: number;
  /** Our name: an FQDN, or an address literal. */
  readonly reportingMta: string;
  /** The From address. */
  readonly from: string;
  /** Whom the notification is for: the reverse-path of the message. */
  readonly returnPath: string;
  /** The id of the message in our queue. */
  readonly queueId: string;
  /** Not xtext; only where the sender gave it (RFC 3461 §6.3 a). */
  readonly envid?: string;
  readonly arrivedAtMs: number;
  /** When the message is given up. */
  readonly retryUntilMs: number;
  /** Not empty. */
  readonly recipients: readonly NoticedRecipient[];
  /** The message itself. */
  readonly content: Uint8Array;
  /**
   * How much of it goes back. `withheld`: nothing, and not even which message it answers, since the way back may not
   * protect it (RFC 8689 §5); `lost`: nothing, since it is not there any more.
   */
  readonly returned: 'full' | 'headers' | 'withheld' | 'lost';
  /** RFC 8689 §6: the message said `TLS-Required: No`, and so does what is told of it. */
  readonly tlsOptional: boolean;
}
