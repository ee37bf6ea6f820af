/**
 * Whole messages in the message table: the item `message` under the id, beside the rows of its deliveries
 * (message-table.ts). TTL attribute: `removeAtSeconds`; no row of the message is removed later.
 *
 * The contract is `WholeMessageStore` in functions/submission/whole-message.ts.
 */
import * as z from 'zod';
import { TransportSecurityError } from '../../protocol/errors.ts';
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
  const { id, queued } = message;
  const { item } = await updateIf(options, {
    key: wholeMessageKey(id),
    condition: 'attribute_not_exists(#id)',
    set: {
      message: text(encodeWhole(message)),
      queued: flag(queued),
      removeAtSeconds: integer(removalSeconds(message, options.historyDays)),
    },
  });
  // Also when the write was applied, its answer lost, and the SDK's second try met it: what is there is what was sent.
  return item === undefined ? message : decodeWholeMessage(item, id, options.tableName);
}

/** DynamoDB takes 400 KB an item; key and flags need some of it. */
const messageBytesMax = 390_000;

/**
 * Parts as lists, and what they were decided by once each: 2,000 parts have to fit.
 *
 * @throws {TransportSecurityError} `queue-message-invalid` where they do not.
 */
function encodeWhole({ id: _id, queued: _queued, parts, ...facts }: WholeMessage): string {
  const decisions = [
    ...new Map(
      parts.map(({ demand, demandReason }) => [
        `${demand} ${demandReason}`,
        [demand, demandReason] as const,
      ]),
    ).values(),
  ];
  const json = JSON.stringify({
    ...facts,
    decisions,
    parts: parts.map(({ id, domain, demand, demandReason, recipients }) => [
      id,
      domain,
      decisions.findIndex(([level, reason]) => level === demand && reason === demandReason),
      recipients,
    ]),
  });
  const bytes = Buffer.byteLength(json);
  if (bytes > messageBytesMax) {
    throw new TransportSecurityError(
      'queue-message-invalid',
      `rcptTo: ${parts.length} domains and their recipients take ${bytes} bytes, the limit is ${messageBytesMax}: send several messages`,
    );
  }
  return json;
}

/** A delivery is finished at its expiry and one more attempt at the latest, and then looked up for the days of history. */
function removalSeconds({ expiresAt }: WholeMessage, historyDays: number): number {
  return Math.floor(Date.parse(expiresAt) / 1_000) + (historyDays + 1) * daySeconds;
}

type WholeFacts = Omit<WholeMessage, 'id' | 'queued' | 'parts'>;

const messageSchema = z.strictObject({
  mailFrom: z.string(),
  submittedAt: z.string(),
  expiresAt: z.string(),
  bytes: z.int(),
  via: z.enum(['http', 'sqs']),
  by: z.string().exactOptional(),
  fingerprint: z.string(),
  decisions: z.array(z.tuple([z.enum(['require', 'default', 'optional']), z.string()])),
  parts: z.array(z.tuple([z.string(), z.string(), z.int(), z.array(z.string())])),
} satisfies Record<keyof WholeFacts | 'decisions' | 'parts', z.ZodType>);

/** @throws {TransportSecurityError} `store-damaged` */
export function decodeWholeMessage(item: Item, id: string, tableName: string): WholeMessage {
  const what = `message ${id} of table ${tableName}`;
  const reader = itemReader(item, what);
  const { decisions, parts, ...facts } = reader.json('message', messageSchema);
  const decode = ([partId, domain, decision, recipients]: (typeof parts)[number]): WholePart => {
    const [demand, demandReason] = decisions[decision] ?? [];
    if (demand === undefined || demandReason === undefined) {
      throw new TransportSecurityError('store-damaged', `${what}: a part has no decision`);
    }
    return { id: partId, domain, demand, demandReason, recipients };
  };
  return { id, ...facts, parts: parts.map(decode), queued: reader.flag('queued') };
}
