/**
 * The lists of what waits: two indexes of the message table, `WaitingByAge` and `WaitingByDue`.
 *
 * Partition: `waiting`, the shard of the message's id; a row without it is in neither. Order: `submittedAtMs`, or
 * `nextDueAtMs`, which a row has only while no attempt is under way. Both indexes are eventually consistent.
 */
import { QueryCommand, type QueryCommandInput } from '@aws-sdk/client-dynamodb';
import type {
  WaitingDelivery,
  WaitingIndex,
  WaitingPosition,
  WaitingQuery,
} from '../../delivery/stored-delivery.ts';
import { TransportSecurityError } from '../../protocol/errors.ts';
import type { Table } from './conditional-update.ts';
import { deliveryKey, heldSchema, waitingShard, waitingShards } from './delivery-row.ts';
import { type Item, integer, itemReader, text } from './item.ts';
import { orUnavailable } from './store-failure.ts';

const orders = {
  age: { indexName: 'WaitingByAge', orderedBy: 'submittedAtMs' },
  due: { indexName: 'WaitingByDue', orderedBy: 'nextDueAtMs' },
} as const;

/** Reads one shard at a time, with as many calls as DynamoDB makes of it (one a MB). */
export function createWaitingIndex(table: Table): WaitingIndex {
  return {
    shards: waitingShards,
    readWaiting: async (query) => {
      const found: WaitingDelivery[] = [];
      let start = query.after && startKey(query, query.after);
      while (found.length < query.limit) {
        const { Items = [], LastEvaluatedKey } = await orUnavailable(
          `Query on table ${table.tableName}`,
          () =>
            table.client.send(
              new QueryCommand({
                ...conditions(query),
                TableName: table.tableName,
                Limit: query.limit - found.length,
                ExclusiveStartKey: start,
              }),
            ),
        );
        found.push(...Items.map((item) => decodeWaiting(item, table.tableName)));
        if (LastEvaluatedKey === undefined) {
          break;
        }
        start = LastEvaluatedKey;
      }
      return found;
    },
  };
}

function conditions({ order, shard, untilMs }: WaitingQuery): Omit<QueryCommandInput, 'TableName'> {
  const { indexName, orderedBy } = orders[order];
  const bounded = untilMs !== undefined;
  return {
    IndexName: indexName,
    KeyConditionExpression: `#waiting = :shard${bounded ? ' AND #at <= :untilMs' : ''}`,
    ExpressionAttributeNames: { '#waiting': 'waiting', ...(bounded && { '#at': orderedBy }) },
    ExpressionAttributeValues: {
      ':shard': text(String(shard)),
      ...(bounded && { ':untilMs': integer(untilMs) }),
    },
  };
}

/** The index's own key and the table's; the row that it names need not be there any more. */
function startKey({ order, shard }: WaitingQuery, { id, domain, atMs }: WaitingPosition): Item {
  return {
    ...deliveryKey({ id, domain }),
    waiting: text(String(shard)),
    [orders[order].orderedBy]: integer(atMs),
  };
}

function decodeWaiting(item: Item, tableName: string): WaitingDelivery {
  const id = item['id']?.S ?? '';
  const part = item['part']?.S ?? '';
  const domain = part.replace(/^delivery#/, '');
  if (part === domain || waitingShard(id) !== item['waiting']?.S) {
    throw new TransportSecurityError(
      'store-damaged',
      `row (${id}, ${part}) of table ${tableName} is listed as waiting and is no delivery of its shard`,
    );
  }
  const row = itemReader(item, `row (${id}, ${domain}) of table ${tableName}`);
  return {
    id,
    domain,
    mailFrom: row.text('mailFrom'),
    attempt: row.integer('attempt'),
    submittedAtMs: row.integer('submittedAtMs'),
    ...(row.has('nextDueAtMs') && { nextDueAtMs: row.integer('nextDueAtMs') }),
    ...(row.has('held') && { held: row.json('held', heldSchema) }),
  };
}
