/**
 * The other side of the retry table (retry-table.ts): what is due, what waits for a domain, and how far back all of
 * it has been sent.
 *
 * The item `requeue`, `drained` holds that last moment, `drainedMs`. So a run that could not send everything, or none
 * for hours, leaves nothing behind that no later run would look at.
 */
import { type AttributeValue, QueryCommand } from '@aws-sdk/client-dynamodb';
import * as z from 'zod';
import type {
  DamagedEntry,
  RetryBucket,
  RetryCursor,
  RetryEntry,
  RetryKey,
  RetryPage,
  RetryReader,
  WaitingPage,
} from '../../delivery/requeue-ports.ts';
import { TransportSecurityError } from '../../protocol/errors.ts';
import type { PreparedMessage } from '../../submission/queue-message.ts';
import { type BatchTable, readItems, writeItems } from './batch-calls.ts';
import { readItem, type Table, updateIf } from './conditional-update.ts';
import { type Item, integer, itemReader, text } from './item.ts';
import {
  retryBucket,
  retryShardsDefault,
  waitBucket,
  waitPointerKey,
  waitShards,
} from './retry-table.ts';
import { orUnavailable } from './store-failure.ts';

const minuteMs = 60_000;

/** Items of one page of a bucket: as many as are sent before the first of them is removed. */
const pageItemsMax = 100;

const drainedKey: Item = { bucket: text('requeue'), entry: text('drained') };

export interface RetryReaderOptions extends BatchTable {
  /** As many as the writer of the table has; default as there. */
  readonly shards?: number;
  /** Uniform in [0, 1): with which shard a search begins. */
  readonly random: () => number;
}

/** Every method rejects with `store-unavailable` when DynamoDB fails. */
export function createRetryReader(options: RetryReaderOptions): RetryReader {
  const { shards = retryShardsDefault } = options;
  return {
    buckets: (fromMs, toMs) => bucketsBetween(fromMs, toMs, shards),
    readBucket: (bucket, after) => readBucket(options, bucket, after),
    readWaiting: (domain, limit) => readWaiting(options, domain, limit),
    remove: (keys) => remove(options, keys),
    readDrainedMs: async () => {
      const item = await readItem(options, drainedKey);
      const drainedMs = Number(item?.['drainedMs']?.N ?? Number.NaN);
      return Number.isSafeInteger(drainedMs) ? drainedMs : undefined;
    },
    writeDrainedMs: async (drainedMs) => {
      await updateIf(options, {
        key: drainedKey,
        condition: 'attribute_not_exists(#drainedMs) OR #drainedMs < :drainedMs',
        set: { drainedMs: integer(drainedMs) },
      });
    },
  };
}

function* bucketsBetween(fromMs: number, toMs: number, shards: number): Generator<RetryBucket> {
  for (
    let startMs = Math.ceil(fromMs / minuteMs) * minuteMs;
    startMs <= toMs;
    startMs += minuteMs
  ) {
    for (let shard = 0; shard < shards; shard += 1) {
      yield { startMs, shard };
    }
  }
}

async function readBucket(
  table: Table,
  { startMs, shard }: RetryBucket,
  after: RetryCursor | undefined,
): Promise<RetryPage> {
  const { items, next } = await queryPage(table, {
    partition: retryBucket(startMs, shard),
    limit: pageItemsMax,
    after: after as Item | undefined,
  });
  return { ...decodeAll(items), ...(next !== undefined && { next: next as RetryCursor }) };
}

async function readWaiting(
  options: RetryReaderOptions,
  domain: string,
  limit: number,
): Promise<WaitingPage> {
  const first = Math.floor(options.random() * waitShards);
  const found = { entries: [], damaged: [], stale: [] } as {
    entries: RetryEntry[];
    damaged: DamagedEntry[];
    stale: RetryKey[];
  };
  for (let turn = 0; turn < waitShards && found.entries.length < limit; turn += 1) {
    const { items: pointers } = await queryPage(options, {
      partition: waitBucket(domain, (first + turn) % waitShards),
      limit: Math.ceil(limit / waitShards),
    });
    const { entries, damaged, stale } = await followPointers(options, pointers);
    found.entries.push(...entries);
    found.damaged.push(...damaged);
    found.stale.push(...stale);
  }
  return found;
}

/** A pointer without its item is stale, and so is one that points nowhere. */
async function followPointers(table: BatchTable, pointers: readonly Item[]): Promise<WaitingPage> {
  const targets = new Map<string, Item>();
  const stale: RetryKey[] = [];
  for (const pointer of pointers) {
    const { target, targetEntry } = pointer;
    if (target?.S === undefined || targetEntry?.S === undefined) {
      stale.push(keyOf(pointer));
    } else {
      targets.set(`${target.S} ${targetEntry.S}`, pointer);
    }
  }
  const keys = [...targets.values()].map(({ target, targetEntry }) => ({
    bucket: target as AttributeValue,
    entry: targetEntry as AttributeValue,
  }));
  const items = await readItems(table, keys);
  for (const { bucket, entry } of items) {
    targets.delete(`${bucket?.S} ${entry?.S}`);
  }
  stale.push(...[...targets.values()].map(keyOf));
  return { ...decodeAll(items), stale };
}

interface PageQuery {
  readonly partition: string;
  readonly limit: number;
  readonly after?: Item | undefined;
}

async function queryPage(
  { client, tableName }: Table,
  { partition, limit, after }: PageQuery,
): Promise<{ readonly items: readonly Item[]; readonly next: Item | undefined }> {
  const { Items = [], LastEvaluatedKey } = await orUnavailable(`Query on table ${tableName}`, () =>
    client.send(
      new QueryCommand({
        TableName: tableName,
        KeyConditionExpression: '#bucket = :bucket',
        ExpressionAttributeNames: { '#bucket': 'bucket' },
        ExpressionAttributeValues: { ':bucket': text(partition) },
        ConsistentRead: true,
        Limit: limit,
        ExclusiveStartKey: after,
      }),
    ),
  );
  return { items: Items, next: LastEvaluatedKey };
}

function decodeAll(items: readonly Item[]): Pick<RetryPage, 'entries' | 'damaged'> {
  const entries: RetryEntry[] = [];
  const damaged: DamagedEntry[] = [];
  for (const item of items) {
    try {
      entries.push(decodeEntry(item));
    } catch (error) {
      if (!(error instanceof TransportSecurityError)) {
        throw error;
      }
      damaged.push({
        key: keyOf(item),
        body: item['message']?.S ?? '',
        reason: error.message,
      });
    }
  }
  return { entries, damaged };
}

/** As much of a queue message as it takes to name it: whoever receives it parses all of it. */
const messageSchema = z.looseObject({
  id: z.string(),
  attempt: z.int(),
  submittedAt: z.iso.datetime({ offset: true }),
  prepared: z.looseObject({ domain: z.string() }),
});

function decodeEntry(item: Item): RetryEntry {
  const { bucket, entry } = keyOf(item);
  const row = itemReader(item, `retry item (${bucket}, ${entry})`);
  const message = row.json('message', messageSchema) as unknown as PreparedMessage;
  const pointer = row.has('waitingFor')
    ? { pointer: keyOf(waitPointerKey(message, row.text('waitingFor'))) }
    : {};
  return { key: { bucket, entry, ...pointer }, message, dueAtMs: row.integer('dueAtMs') };
}

function keyOf({ bucket, entry }: Item): { readonly bucket: string; readonly entry: string } {
  return { bucket: bucket?.S ?? '', entry: entry?.S ?? '' };
}

async function remove(table: BatchTable, keys: readonly RetryKey[]): Promise<void> {
  // A call that names a key twice is refused.
  const distinct = new Map(
    keys
      .flatMap(({ bucket, entry, pointer }) => [{ bucket, entry }, ...(pointer ? [pointer] : [])])
      .map((key) => [`${key.bucket} ${key.entry}`, key]),
  );
  await writeItems(
    table,
    [...distinct.values()].map(({ bucket, entry }) => ({
      DeleteRequest: { Key: { bucket: text(bucket), entry: text(entry) } },
    })),
  );
}
