/** What accepting a message needs of the world. */
import type { PolicyException, TaggingRule } from '../environment.ts';
import type { DkimKey } from '../protocol/dkim/sign-message.ts';
import type { MessageParts, RawField } from '../protocol/message/message-parts.ts';
import type { ContentReference } from './queue-message.ts';

/** What an operator decided at run time, on top of the config. */
export interface Controls {
  /** In order; they come before those of the config. */
  readonly rules: readonly TaggingRule[];
  /** None that is over. */
  readonly exceptions: readonly PolicyException[];
}

/**
 * The controls as of now, at most a minute old.
 *
 * Rejects with `store-unavailable` where they could never be read: without them a message might go out with less than
 * a rule asks for. Once read, an outage leaves them as they were.
 */
export type ReadControls = () => Promise<Controls>;

/**
 * The DKIM keys of a domain (lower-case A-labels), in the order of the config; none where it has none.
 *
 * Rejects with `store-unavailable` where a key could not be had, `settings-invalid` where it is none.
 */
export type ReadDkimKeys = (domain: string) => Promise<readonly DkimKey[]>;

/**
 * The DKIM-Signature fields that a message gets in front of its header, one for every key of its From domains
 * (RFC 6376); none where there is no key, or where the domain has signed it already.
 *
 * Rejects as {@link ReadDkimKeys} does.
 */
export type SignContent = (message: MessageParts, nowMs: number) => Promise<readonly RawField[]>;

/** Where the bodies of messages are. Rejects with `store-unavailable`. */
export interface AcceptedContents {
  /** Rejects with `content-missing` or `content-invalid` too. */
  read(reference: ContentReference): Promise<Uint8Array>;
  /** Keeps a body as `content/<name>`; the same name must always stand for the same octets. */
  keep(name: string, content: Uint8Array): Promise<ContentReference>;
}

/**
 * Writes down that `parts` deliveries, 0 to parts - 1, refer to one body in the bucket: each leaves it when it is finished, and
 * the last one deletes it. Done before the parts are enqueued. Asking again changes nothing; parts that have left meanwhile stay
 * away. Rejects with `store-unavailable`.
 */
export type ShareContent = (content: ContentReference, parts: number) => Promise<void>;

/** What accepting a message reaches for. */
export interface AcceptPorts {
  /** Epoch milliseconds. */
  readonly now: () => number;
  readonly readControls: ReadControls;
  readonly signContent: SignContent;
  readonly contents: AcceptedContents;
  readonly shareContent: ShareContent;
}
