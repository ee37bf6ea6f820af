/** Accepting in delivery: records that came straight by SQS, notifications of our own included. */
import { type AcceptContext, acceptMessage } from './accept-message.ts';
import { hashQueueMessage, type PreparedMessage, type QueueMessage } from './queue-message.ts';
import { describeWhole, type WholeMessageStore } from './whole-message.ts';

/** Accepts what is not prepared yet; `content` is what its `content` refers to. Rejects as `acceptMessage` does. */
export type AcceptFromQueue = (
  message: QueueMessage,
  content: Uint8Array,
) => Promise<PreparedMessage[]>;

export interface AcceptFromQueueOptions extends Omit<AcceptContext, 'way'> {
  /** Where the whole of a message that is split can be looked up. */
  readonly wholeMessages: Pick<WholeMessageStore, 'keep'>;
}

/**
 * Makes the acceptance. A message for one next-hop domain is its own whole, and costs no write here; what is split is kept
 * as a whole first, so that its id leads to its parts.
 */
export function createAcceptFromQueue(options: AcceptFromQueueOptions): AcceptFromQueue {
  const { wholeMessages, ...context } = options;
  return async (message, content) => {
    const parts = await acceptMessage(message, content, { ...context, way: 'sqs' });
    if (parts.length > 1) {
      const facts = {
        bytes: content.length,
        via: 'sqs',
        fingerprint: hashQueueMessage(message),
      } as const;
      await wholeMessages.keep(describeWhole(message, parts, facts));
    }
    return parts;
  };
}
