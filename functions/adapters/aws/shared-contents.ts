/**
 * Which deliveries still refer to a body in the bucket that several of them share: an item of the message table.
 *
 * Keys: `id` is `content#<key of the object>`, `part` is `open`. `open` is the set of the ordinals that have not left; DynamoDB
 * drops the attribute with its last element, and the item stays for a while, so that a set which was emptied is not
 * filled again by a record that SQS hands out late. TTL attribute: `removeAtSeconds`.
 */
import {
  ConditionalCheckFailedException,
  PutItemCommand,
  UpdateItemCommand,
} from '@aws-sdk/client-dynamodb';
import type { MessageStore } from '../../delivery/ports.ts';
import type { ContentReference } from '../../submission/queue-message.ts';
import type { Table } from './conditional-update.ts';
import { type Item, integer, text } from './item.ts';
import { storeUnavailable } from './store-failure.ts';

/** No message waits so long; the bucket's lifecycle removes what nobody left in time. */
const keptSeconds = 60 * 86_400;

export interface SharedContentsOptions extends Table {
  /** Epoch milliseconds; tells only when the item may be removed. */
  readonly now?: () => number;
}

/**
 * The part of the message store that counts who shares a body; one write for each call.
 *
 * Both methods reject with `store-unavailable`, and with a TypeError for a body within a record, which nobody can share.
 */
export function createSharedContents(
  options: SharedContentsOptions,
): Pick<MessageStore, 'shareContent' | 'leaveContent'> {
  const { client, tableName, now = Date.now } = options;
  return {
    shareContent: async (content, parts) => {
      const item = {
        ...keyOf(content),
        open: { NS: Array.from({ length: parts }, (_, part) => String(part)) },
        removeAtSeconds: integer(Math.floor(now() / 1_000) + keptSeconds),
      };
      await unlessRefused(`PutItem on table ${tableName}`, () =>
        client.send(
          new PutItemCommand({
            TableName: tableName,
            Item: item,
            ConditionExpression: 'attribute_not_exists(id)',
          }),
        ),
      );
    },
    // Where nobody wrote down that the body is shared it is left to the bucket's lifecycle.
    leaveContent: async (content, part) => {
      const updated = await unlessRefused(`UpdateItem on table ${tableName}`, () =>
        client.send(
          new UpdateItemCommand({
            TableName: tableName,
            Key: keyOf(content),
            // Without the condition an item would be made for a body that nobody shares.
            ConditionExpression: 'attribute_exists(id)',
            UpdateExpression: 'DELETE #open :part',
            ExpressionAttributeNames: { '#open': 'open' },
            ExpressionAttributeValues: { ':part': { NS: [String(part)] } },
            ReturnValues: 'ALL_NEW',
          }),
        ),
      );
      return updated !== undefined && updated.Attributes?.['open'] === undefined;
    },
  };
}

function keyOf(content: ContentReference): Item {
  if ('data' in content) {
    throw new TypeError('only a body in the bucket can be shared');
  }
  return { id: text(`content#${content.key}`), part: text('open') };
}

/** Undefined: the condition was not met. */
async function unlessRefused<T>(what: string, call: () => Promise<T>): Promise<T | undefined> {
  try {
    return await call();
  } catch (error) {
    if (error instanceof ConditionalCheckFailedException) {
      return undefined;
    }
    throw storeUnavailable(what, error);
  }
}
