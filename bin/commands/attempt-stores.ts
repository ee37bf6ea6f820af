/** Stores for a delivery from this machine, in memory. */
import type { DeliveryContext } from '../../functions/delivery/context.ts';
import type { RecipientState } from '../../functions/delivery/ports.ts';
import type { WhyRecord } from '../../functions/delivery/why.ts';
import { isPrepared, type PreparedMessage } from '../../functions/submission/queue-message.ts';

/** What comes of an attempt. */
export interface Attempt {
  /** As handed in, and later as accepted where it is large. */
  content: Uint8Array;
  readonly whys: WhyRecord[];
  readonly refusals: string[];
  readonly parts: PreparedMessage[];
}

/** Stores of a single attempt: nothing outlives it but the `why` records. */
export function createAttemptStores(
  attempt: Attempt,
): Pick<DeliveryContext['ports'], 'messages' | 'retries' | 'backoffs' | 'queue' | 'contents'> {
  return {
    messages: {
      claim: async ({ message, token }) => ({
        kind: 'claimed',
        delivery: {
          id: message.id,
          domain: message.prepared.domain,
          attempt: message.attempt,
          token,
          recipients: message.rcptTo.map(
            (recipient): RecipientState => ({ ...recipient, state: 'pending' }),
          ),
          demand: message.prepared,
        },
      }),
      settle: async ({ why }) => {
        attempt.whys.push(why);
        return true;
      },
      park: async () => false,
      release: async () => {},
      shareContent: async () => {},
      leaveContent: async () => false,
    },
    retries: { put: async () => {} },
    backoffs: {
      read: async () => undefined,
      prolong: async () => {},
      takeProbe: async () => false,
      recover: async () => {},
    },
    queue: {
      enqueue: async (messages) => {
        // Whoever typed the command reads what became of it; no notification is sent.
        attempt.parts.push(...messages.filter(isPrepared));
      },
      deadLetter: async (_body, reason) => {
        attempt.refusals.push(reason);
      },
      hideUntil: async () => {},
    },
    contents: {
      read: async (reference) =>
        'data' in reference && reference.data !== ''
          ? Buffer.from(reference.data, 'base64')
          : attempt.content,
      // Too large to travel with its record: one is attempted after the other, all with the same content.
      keep: async (_name, content) => {
        attempt.content = content;
        return { data: '' };
      },
      remove: async () => {},
    },
  };
}
