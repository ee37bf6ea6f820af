/** Spreads what would crowd one partition: DynamoDB takes 1,000 writes a second and partition. */
import { createHash } from 'node:crypto';

/** The shard of a name, from 0: the same whenever it is asked for, evenly spread over names. */
export function shardOf(name: string, shards: number): number {
  return createHash('sha256').update(name).digest().readUInt32BE(0) % shards;
}
