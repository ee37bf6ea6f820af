/**
 * The retry table on DynamoDB: queue messages that wait for their next attempt, by the minute in which they are due.
 *
 * Keys: `bucket`, the minute (UTC) and a shard, e.g. `202611240415#3`; `entry`, `<id>#<domain>#<attempt>`. A bucket
 * holds what is due by the start of its minute, never later. Whoever reads a bucket once its minute has begun finds it
 * complete, clocks that differ aside: nothing is written into a bucket that begins within a minute of now. There is no
 * TTL: an item ends when it was sent, however late that is.
 *
 * A message that waits for a domain is listed there too: under `wait#<domain>#<shard>` a pointer, `<submitted>#<entry>`,
 * says in which bucket the item is. So the oldest come first, and no domain's backlog is in one partition. What else
 * is in the table: retry-reader.ts (`requeue`) and backoff-table.ts (`backoff#<shard>`).
 */
import { PutItemCommand } from '@aws-sdk/client-dynamodb';
import type { RetryStore } from '../../delivery/ports.ts';
import type { PreparedMessage } from '../../submission/queue-message.ts';
import { type BatchTable, writeItems } from './batch-calls.ts';
import { type Item, integer, text } from './item.ts';
import { shardOf } from './shard.ts';
import { orUnavailable } from './store-failure.ts';

/** Shards of one minute: DynamoDB takes 1,000 writes a second and partition, this many times that is enough. */
export const retryShardsDefault = 4;

/** Shards of what waits for one domain. */
export const waitShards = 16;

const minuteMs = 60_000;

export interface RetryTableOptions extends BatchTable {
  /** As many as the reader of the table asks for; default {@link retryShardsDefault}. */
  readonly shards?: number;
  readonly now: () => number;
}

/**
 * Puts are idempotent under one due time. The same attempt put again for another minute is there twice; the second to
 * be sent finds its attempt claimed (`MessageStore`).
 */
export function createRetryTable(options: RetryTableOptions): RetryStore {
  const { client, tableName, shards = retryShardsDefault, now } = options;
  return {
    put: async (message, dueAtMs, waitingFor) => {
      if (!('bucket' in message.content)) {
        throw new TypeError('content that waits for another attempt is kept in the bucket');
      }
      const startMs = retryBucketStartMs(dueAtMs, now());
      const item = {
        bucket: text(retryBucket(startMs, shardOf(message.id, shards))),
        entry: text(retryEntry(message)),
        dueAtMs: integer(dueAtMs),
        message: text(JSON.stringify(message)),
        ...(waitingFor !== undefined && { waitingFor: text(waitingFor) }),
      };
      if (waitingFor === undefined) {
        await orUnavailable(`PutItem on table ${tableName}`, () =>
          client.send(new PutItemCommand({ TableName: tableName, Item: item })),
        );
        return;
      }
      const pointer = {
        ...waitPointerKey(message, waitingFor),
        target: item.bucket,
        targetEntry: item.entry,
      };
      await writeItems(
        options,
        [item, pointer].map((Item) => ({ PutRequest: { Item } })),
      );
    },
  };
}

/** The key under which a message is listed that waits for a domain. */
export function waitPointerKey(message: PreparedMessage, domain: string): Item {
  const submittedAtMs = String(Date.parse(message.submittedAt)).padStart(13, '0');
  return {
    bucket: text(waitBucket(domain, shardOf(message.id, waitShards))),
    entry: text(`${submittedAtMs}#${retryEntry(message)}`),
  };
}

/** The partition key of one shard of what waits for a domain. */
export function waitBucket(domain: string, shard: number): string {
  return `wait#${domain}#${shard}`;
}

/** When the minute begins in whose bucket something goes that is due at `dueAtMs`. */
export function retryBucketStartMs(dueAtMs: number, nowMs: number): number {
  // A minute's head start, so that a reader whose clock is ahead has not passed the bucket by. Rounded up, so that
  // nothing is sent before it is due: a greylisting peer counts the seconds.
  return Math.ceil(Math.max(dueAtMs, nowMs + minuteMs) / minuteMs) * minuteMs;
}

/** The partition key of one shard of the minute that begins at `startMs`. */
export function retryBucket(startMs: number, shard: number): string {
  const minute = new Date(startMs).toISOString().slice(0, 16).replace(/\D/g, '');
  return `${minute}#${shard}`;
}

/** The sort key; neither an id nor a domain contains `#`. */
export function retryEntry({ id, prepared, attempt }: PreparedMessage): string {
  return `${id}#${prepared.domain}#${String(attempt).padStart(4, '0')}`;
}
