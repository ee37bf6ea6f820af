/** BatchWriteItem and BatchGetItem, in as many calls as it takes: what DynamoDB leaves unprocessed is asked for again. */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  BatchGetItemCommand,
  BatchWriteItemCommand,
  type WriteRequest,
} from '@aws-sdk/client-dynamodb';
import { TransportSecurityError } from '../../protocol/errors.ts';
import type { Table } from './conditional-update.ts';
import type { Item } from './item.ts';
import { orUnavailable } from './store-failure.ts';

/** DynamoDB: requests of one BatchWriteItem, keys of one BatchGetItem. */
const writesMax = 25;
const readsMax = 100;

/** Pauses before what was left unprocessed is asked for again; DynamoDB is over its capacity then. */
const pausesMs = [50, 100, 200, 400, 800, 1_600] as const;

/** A table that is asked in batches. */
export interface BatchTable extends Table {
  /** Resolves after so many milliseconds; default: on the machine's clock. */
  readonly pause?: (ms: number) => Promise<unknown>;
}

/**
 * Puts and deletes, each by itself: some may be done where the call rejects. No two may name the same key.
 *
 * @throws {TransportSecurityError} `store-unavailable`
 */
export async function writeItems(
  table: BatchTable,
  requests: readonly WriteRequest[],
): Promise<void> {
  const { client, tableName, pause = sleep } = table;
  for (let start = 0; start < requests.length; start += writesMax) {
    await untilProcessed(
      { doing: `BatchWriteItem on table ${tableName}`, pause },
      requests.slice(start, start + writesMax),
      async (left) => {
        const { UnprocessedItems } = await client.send(
          new BatchWriteItemCommand({ RequestItems: { [tableName]: [...left] } }),
        );
        return UnprocessedItems?.[tableName] ?? [];
      },
    );
  }
}

/**
 * Reads items by their keys, strongly consistent, in no order; a key without an item gives none.
 *
 * @throws {TransportSecurityError} `store-unavailable`
 */
export async function readItems(
  table: BatchTable,
  keys: readonly Item[],
): Promise<readonly Item[]> {
  const { client, tableName, pause = sleep } = table;
  const items: Item[] = [];
  for (let start = 0; start < keys.length; start += readsMax) {
    await untilProcessed(
      { doing: `BatchGetItem on table ${tableName}`, pause },
      keys.slice(start, start + readsMax),
      async (left) => {
        const { Responses, UnprocessedKeys } = await client.send(
          new BatchGetItemCommand({
            RequestItems: { [tableName]: { Keys: [...left], ConsistentRead: true } },
          }),
        );
        items.push(...(Responses?.[tableName] ?? []));
        return UnprocessedKeys?.[tableName]?.Keys ?? [];
      },
    );
  }
  return items;
}

async function untilProcessed<T>(
  { doing, pause }: { readonly doing: string; readonly pause: (ms: number) => Promise<unknown> },
  requests: readonly T[],
  send: (left: readonly T[]) => Promise<readonly T[]>,
): Promise<void> {
  let left = await orUnavailable(doing, () => send(requests));
  for (const pauseMs of pausesMs) {
    if (left.length === 0) {
      return;
    }
    await pause(pauseMs);
    const again = left;
    left = await orUnavailable(doing, () => send(again));
  }
  if (left.length > 0) {
    throw new TransportSecurityError(
      'store-unavailable',
      `${doing}: ${left.length} of ${requests.length} left unprocessed`,
    );
  }
}
