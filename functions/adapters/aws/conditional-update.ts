/**
 * One UpdateItem under a condition: the only way in which this project changes state that somebody else may change.
 */
import {
  ConditionalCheckFailedException,
  type DynamoDBClient,
  GetItemCommand,
  UpdateItemCommand,
} from '@aws-sdk/client-dynamodb';
import type { Item } from './item.ts';
import { orUnavailable, storeUnavailable } from './store-failure.ts';

export interface Table {
  readonly client: DynamoDBClient;
  readonly tableName: string;
}

/** What an update does, and when it may. Attributes are `#name`, values `:name` in the condition. */
export interface ConditionalUpdate {
  readonly key: Item;
  readonly condition: string;
  /** Values that only the condition uses. */
  readonly conditionValues?: Item;
  readonly set: Item;
  /** Set where the attribute is absent, else left as it is. */
  readonly setIfAbsent?: Item;
  readonly remove?: readonly string[];
}

/**
 * `met`: with the item as it is now. Otherwise with the item that did not meet the condition; undefined where there
 * is none.
 */
export type UpdateResult =
  | { readonly met: true; readonly item: Item }
  | { readonly met: false; readonly item: Item | undefined };

/**
 * Applies an update, in one write.
 *
 * An update that was applied while its answer was lost is tried again by the SDK and then finds its own condition
 * unmet: whoever asks for one must be able to recognise its own work in the item.
 *
 * @throws {TransportSecurityError} `store-unavailable`
 */
export async function updateIf(table: Table, update: ConditionalUpdate): Promise<UpdateResult> {
  const { client, tableName } = table;
  try {
    const { Attributes } = await client.send(
      new UpdateItemCommand({
        TableName: tableName,
        Key: update.key,
        ...expressions(update),
        ReturnValues: 'ALL_NEW',
        ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
      }),
    );
    return { met: true, item: Attributes ?? {} };
  } catch (error) {
    if (!(error instanceof ConditionalCheckFailedException)) {
      throw storeUnavailable(`UpdateItem on table ${tableName}`, error);
    }
    // Not every DynamoDB look-alike returns the item with the refusal.
    return { met: false, item: error.Item ?? (await readItem(table, update.key)) };
  }
}

/**
 * Reads one item, strongly consistent; undefined where there is none.
 *
 * @throws {TransportSecurityError} `store-unavailable`
 */
export async function readItem(table: Table, key: Item): Promise<Item | undefined> {
  const { client, tableName } = table;
  const { Item: item } = await orUnavailable(`GetItem on table ${tableName}`, () =>
    client.send(new GetItemCommand({ TableName: tableName, Key: key, ConsistentRead: true })),
  );
  return item;
}

interface Expressions {
  readonly UpdateExpression: string;
  readonly ConditionExpression: string;
  readonly ExpressionAttributeNames: Record<string, string>;
  readonly ExpressionAttributeValues: Item;
}

/** Every attribute goes by a placeholder: too many plain words are reserved (`hash`, `token`). */
function expressions(update: ConditionalUpdate): Expressions {
  const { condition, conditionValues = {}, set, setIfAbsent = {}, remove = [] } = update;
  const assignments = [
    ...Object.keys(set).map((name) => `#${name} = :${name}`),
    ...Object.keys(setIfAbsent).map((name) => `#${name} = if_not_exists(#${name}, :${name})`),
  ];
  const removals = remove.length === 0 ? '' : ` REMOVE ${remove.map((n) => `#${n}`).join(', ')}`;
  const updateExpression = `SET ${assignments.join(', ')}${removals}`;
  const placeholders = `${updateExpression} ${condition}`.matchAll(/#(\w+)/g);
  const values = Object.entries({ ...conditionValues, ...set, ...setIfAbsent });
  return {
    UpdateExpression: updateExpression,
    ConditionExpression: condition,
    ExpressionAttributeNames: Object.fromEntries(
      [...placeholders].map(([placeholder, name = '']) => [placeholder, name]),
    ),
    ExpressionAttributeValues: Object.fromEntries(
      values.map(([name, value]) => [`:${name}`, value]),
    ),
  };
}
