/**
 * Whole messages in the message table: the item `message` under the id, beside the rows of its deliveries
 * (message-table.ts). TTL attribute: `removeAtSeconds`; no row of the message is removed later.
 *
 * The contract is `WholeMessageStore` in functions/submission/whole-message.ts.
 */
import * as z from 'zod';
import type { WholeMessage, WholeMessageStore, WholePart } from '../../submission/whole-message.ts';
import { readItem, type Table, updateIf } from './conditional-update.ts';
import { flag, type Item, integer, itemReader, text } from './item.ts';

const daySeconds = 86_400;

/** The part of the key that the item has in the place of `delivery#…` and `why#…`. */
export const wholeMessagePart = 'message';

export interface WholeMessagesOptions extends Table {
  /** Days for which a finished delivery can be looked up. */
  readonly historyDays: number;
}

/** Two writes for a message that may be repeated, one for any other. */
export function createWholeMessages(options: WholeMessagesOptions): WholeMessageStore {
  return {
    read: async (id) => {
      const item = await readItem(options, wholeMessageKey(id));
      return item && decodeWholeMessage(item, id, options.tableName);
    },
    keep: (message) => keep(options, message),
    markQueued: async (id) => {
      // Where the item is gone there is nobody left to tell.
      await updateIf(options, {
        key: wholeMessageKey(id),
        condition: 'attribute_exists(#id)',
        set: { queued: flag(true) },
      });
    },
  };
}

export function wholeMessageKey(id: string): Item {
  return { id: text(id), part: text(wholeMessagePart) };
}

async function keep(options: WholeMessagesOptions, message: WholeMessage): Promise<WholeMessage> {
  const { id, queued, ...rest } = message;
  const { item } = await updateIf(options, {
    key: wholeMessageKey(id),
    condition: 'attribute_not_exists(#id)',
    set: {
      message: text(JSON.stringify(rest)),
      queued: flag(queued),
      removeAtSeconds: integer(removalSeconds(message, options.historyDays)),
    },
  });
  // Also when the write was applied, its answer lost, and the SDK's second try met it: what is there is what was sent.
  return item === undefined ? message : decodeWholeMessage(item, id, options.tableName);
}

/** A delivery is finished at its expiry and one more attempt at the latest, and then looked up for the days of history. */
function removalSeconds({ expiresAt }: WholeMessage, historyDays: number): number {
  return Math.floor(Date.parse(expiresAt) / 1_000) + (historyDays + 1) * daySeconds;
}

const messageSchema = z.strictObject({
  mailFrom: z.string(),
  submittedAt: z.string(),
  expiresAt: z.string(),
  bytes: z.int(),
  via: z.enum(['http', 'sqs']),
  by: z.string().exactOptional(),
  fingerprint: z.string(),
  parts: z.array(
    z.strictObject({
      id: z.string(),
      domain: z.string(),
      demand: z.enum(['require', 'default', 'optional']),
      demandReason: z.string(),
      recipients: z.array(z.string()),
    } satisfies Record<keyof WholePart, z.ZodType>),
  ),
} satisfies Record<Exclude<keyof WholeMessage, 'id' | 'queued'>, z.ZodType>);

/** @throws {TransportSecurityError} `store-damaged` */
export function decodeWholeMessage(item: Item, id: string, tableName: string): WholeMessage {
  const reader = itemReader(item, `message ${id} of table ${tableName}`);
  return { id, ...reader.json('message', messageSchema), queued: reader.flag('queued') };
}
