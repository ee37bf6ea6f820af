/**
 * Destinations that are not sent to, in the report table: `suppressions`, the SHA-256 of the destination (which may be longer
 * than a sort key).
 *
 * The contract is `SuppressionStore` in functions/reporting/ports.ts.
 */
import { createHash } from 'node:crypto';
import {
  ConditionalCheckFailedException,
  DeleteItemCommand,
  PutItemCommand,
} from '@aws-sdk/client-dynamodb';
import type { Suppression, SuppressionStore } from '../../reporting/ports.ts';
import type { Table } from './conditional-update.ts';
import { type Item, integer, itemReader, text } from './item.ts';
import { queryPages } from './query-pages.ts';
import { orUnavailable } from './store-failure.ts';

const partition = 'suppressions';

/** One that is over can still be looked up for this long. */
const graceSeconds = 30 * 86_400;

/** Reads are strongly consistent: whoever was told that one is there finds it. */
export function createReportSuppressions(table: Table): SuppressionStore {
  const { client, tableName } = table;
  return {
    list: async () => {
      const found: Suppression[] = [];
      for await (const items of queryPages(table, {
        partition: ['key', partition],
        consistent: true,
      })) {
        found.push(...items.map((item) => decode(item, tableName)));
      }
      return found;
    },
    put: async (suppression) => {
      await orUnavailable(`PutItem on table ${tableName}`, () =>
        client.send(new PutItemCommand({ TableName: tableName, Item: encode(suppression) })),
      );
    },
    extend: (suppression) =>
      orUnavailable(`PutItem on table ${tableName}`, async () => {
        const Item = encode(suppression);
        try {
          await client.send(
            new PutItemCommand({
              TableName: tableName,
              Item,
              ConditionExpression: 'attribute_not_exists(#end) OR #end < :end',
              ExpressionAttributeNames: { '#end': 'removeAtSeconds' },
              ExpressionAttributeValues: { ':end': Item['removeAtSeconds'] ?? integer(0) },
            }),
          );
        } catch (error) {
          if (!(error instanceof ConditionalCheckFailedException)) {
            throw error;
          }
        }
      }),
    remove: async (uri) => {
      const { Attributes: removed } = await orUnavailable(`DeleteItem on table ${tableName}`, () =>
        client.send(
          new DeleteItemCommand({ TableName: tableName, Key: keyOf(uri), ReturnValues: 'ALL_OLD' }),
        ),
      );
      return removed !== undefined;
    },
  };
}

function keyOf(uri: string): Item {
  return { key: text(partition), entry: text(createHash('sha256').update(uri).digest('hex')) };
}

function encode({ uri, reason, author, expires, addedAtMs }: Suppression): Item {
  return {
    ...keyOf(uri),
    uri: text(uri),
    reason: text(reason),
    author: text(author),
    expires: text(expires),
    addedAtMs: integer(addedAtMs),
    removeAtSeconds: integer(Math.ceil(Date.parse(expires) / 1_000) + graceSeconds),
  };
}

function decode(item: Item, tableName: string): Suppression {
  const row = itemReader(item, `a suppression of table ${tableName}`);
  return {
    uri: row.text('uri'),
    reason: row.text('reason'),
    author: row.text('author'),
    expires: row.text('expires'),
    addedAtMs: row.integer('addedAtMs'),
  };
}
