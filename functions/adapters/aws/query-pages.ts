/** Query, page by page, as long as DynamoDB has more. */
import { QueryCommand } from '@aws-sdk/client-dynamodb';
import type { Table } from './conditional-update.ts';
import { type Item, text } from './item.ts';
import { orUnavailable } from './store-failure.ts';

/** The items of one partition, in the order of their sort keys. */
export interface PartitionQuery {
  /** The name of the partition key, and its value. */
  readonly partition: readonly [name: string, value: string];
  /** Only what begins so: the name of the sort key, and the beginning. */
  readonly beginsWith?: readonly [name: string, beginning: string];
  /** Only what lies between and includes two: the name of the sort key, and the two. Not together with the other. */
  readonly between?: readonly [name: string, from: string, to: string];
  /** Default: false, at half the price. */
  readonly consistent?: boolean;
}

/**
 * Yields pages, none of them empty.
 *
 * @throws {TransportSecurityError} `store-unavailable`
 */
export async function* queryPages(
  { client, tableName }: Table,
  { partition, beginsWith, between, consistent = false }: PartitionQuery,
): AsyncGenerator<readonly Item[], void> {
  const range = [
    ...(beginsWith === undefined ? [] : [' AND begins_with(#sort, :beginning)']),
    ...(between === undefined ? [] : [' AND #sort BETWEEN :from AND :to']),
  ].join('');
  const sort = beginsWith?.[0] ?? between?.[0];
  let startKey: Item | undefined;
  do {
    const { Items: items = [], LastEvaluatedKey } = await orUnavailable(
      `Query on table ${tableName}`,
      () =>
        client.send(
          new QueryCommand({
            TableName: tableName,
            KeyConditionExpression: `#partition = :partition${range}`,
            ExpressionAttributeNames: {
              '#partition': partition[0],
              ...(sort !== undefined && { '#sort': sort }),
            },
            ExpressionAttributeValues: {
              ':partition': text(partition[1]),
              ...(beginsWith !== undefined && { ':beginning': text(beginsWith[1]) }),
              ...(between !== undefined && { ':from': text(between[1]), ':to': text(between[2]) }),
            },
            ConsistentRead: consistent,
            ExclusiveStartKey: startKey,
          }),
        ),
    );
    if (items.length > 0) {
      yield items;
    }
    startKey = LastEvaluatedKey;
  } while (startKey !== undefined);
}
