/**
 * A message as a whole, as it was submitted and split: kept beside its deliveries for whoever asks what became of it, and
 * so that a submission that is repeated is the same submission.
 */
import type { TlsDemand } from '../protocol/requiretls/demand.ts';
import type { PreparedMessage, QueueMessage } from './queue-message.ts';

/** One delivery of the whole: its recipients at one next-hop domain. */
export interface WholePart {
  /** The id of its delivery; that of the whole where there is one part only. */
  readonly id: string;
  /** The next-hop domain. */
  readonly domain: string;
  readonly demand: TlsDemand;
  readonly demandReason: string;
  /** As they are sent to: tags taken off, domains in A-labels. */
  readonly recipients: readonly string[];
}

/** By which door a message came. */
export type SubmissionWay = 'http' | 'sqs';

export interface WholeMessage {
  readonly id: string;
  /** '' for the null reverse-path. */
  readonly mailFrom: string;
  /** RFC 3339. */
  readonly submittedAt: string;
  readonly expiresAt: string;
  /** Octets as handed in. */
  readonly bytes: number;
  readonly via: SubmissionWay;
  /** The principal that submitted it, where its door knows one. */
  readonly by?: string;
  /** Of all that was asked for, envelope and content: a request with another one is another message. */
  readonly fingerprint: string;
  /** One for each next-hop domain, in the order in which the domains first appear. */
  readonly parts: readonly WholePart[];
  /** Whether it is on record that every part is in the queue; noted only of a message that may be handed in again. */
  readonly queued: boolean;
}

/** The whole of a message that was accepted as `parts`, none of which is on record as queued. */
export function describeWhole(
  message: Pick<QueueMessage, 'id' | 'mailFrom' | 'submittedAt' | 'expiresAt'>,
  parts: readonly PreparedMessage[],
  facts: Pick<WholeMessage, 'bytes' | 'via' | 'by' | 'fingerprint'>,
): WholeMessage {
  const { id, mailFrom, submittedAt, expiresAt } = message;
  return {
    id,
    mailFrom,
    submittedAt,
    expiresAt,
    ...facts,
    parts: parts.map(({ id: partId, rcptTo, prepared }) => ({
      id: partId,
      domain: prepared.domain,
      demand: prepared.demand,
      demandReason: prepared.demandReason,
      recipients: rcptTo.map(({ address }) => address),
    })),
    queued: false,
  };
}

/** Where whole messages are kept. Every method rejects with `store-unavailable`, `read` and `keep` also with `store-damaged`. */
export interface WholeMessageStore {
  /** Strongly consistent; undefined where there is none, or where its days of history are over. */
  read(id: string): Promise<WholeMessage | undefined>;
  /** Writes it, unless there is one under its id already; resolves to the one that is there then. */
  keep(message: WholeMessage): Promise<WholeMessage>;
  /** Notes that every part is in the queue. */
  markQueued(id: string): Promise<void>;
}
