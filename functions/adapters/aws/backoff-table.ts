/**
 * Domain back-off on DynamoDB: an item per domain that cannot be reached, in the retry table.
 *
 * Keys: `bucket`, `backoff#<shard>` by the domain's hash; `entry`, the domain. Each change is one conditional write,
 * so that of many invocations that find the same hosts dead one begins the back-off, and of many that want to probe
 * one does. `changeId` tells a write whose answer was lost from somebody else's.
 *
 * The contract is `BackoffStore` in functions/delivery/ports.ts, and `BackoffList` in requeue-ports.ts.
 */
import { randomUUID } from 'node:crypto';
import { ConditionalCheckFailedException, DeleteItemCommand } from '@aws-sdk/client-dynamodb';
import type { BackoffStore } from '../../delivery/ports.ts';
import type { BackoffList, BackoffState } from '../../delivery/requeue-ports.ts';
import type { BackoffControl } from '../../operating/ports.ts';
import { TransportSecurityError } from '../../protocol/errors.ts';
import { readItem, type Table, updateIf } from './conditional-update.ts';
import { flag, type Item, integer, itemReader, text } from './item.ts';
import { queryPages } from './query-pages.ts';
import { shardOf } from './shard.ts';
import { storeUnavailable } from './store-failure.ts';

/** All of them are listed once a minute; one partition gives 3,000 reads a second. */
export const backoffShards = 4;

/** What an item holds that cannot be read counts as absent: the next connection failure writes it anew. */
export function createBackoffTable(table: Table): BackoffStore & BackoffList & BackoffControl {
  return {
    read: async (domain) => {
      const item = await readItem(table, keyOf(domain));
      const state = item && decodeState(item);
      if (state === undefined || state.recovered) {
        return undefined;
      }
      const { recovered: _recovered, changeId: _changeId, ...backoff } = state;
      return backoff;
    },
    prolong: (domain, nextProbeAtMs, nowMs) => prolong(table, { domain, nextProbeAtMs, nowMs }),
    takeProbe: (domain, leaseEndMs, nowMs) => takeProbe(table, { domain, leaseEndMs, nowMs }),
    recover: (domain) => recover(table, domain),
    hasten: (domain, nowMs) => hasten(table, domain, nowMs),
    list: () => list(table),
    forget: (state) => forget(table, state),
  };
}

function keyOf(domain: string): Item {
  return {
    bucket: text(`backoff#${shardOf(domain, backoffShards)}`),
    entry: text(domain),
  };
}

interface FailedProbe {
  readonly domain: string;
  readonly nextProbeAtMs: number;
  readonly nowMs: number;
}

async function prolong(table: Table, failed: FailedProbe): Promise<void> {
  const { domain, nextProbeAtMs, nowMs } = failed;
  const key = keyOf(domain);
  const next = {
    nextProbeAtMs: integer(nextProbeAtMs),
    probeUntilMs: integer(0),
    changeId: text(randomUUID()),
  };
  const { met, item } = await updateIf(table, {
    key,
    condition: 'attribute_not_exists(#failures) OR #recovered = :yes',
    conditionValues: { yes: flag(true) },
    set: { ...next, sinceMs: integer(nowMs), failures: integer(1), recovered: flag(false) },
  });
  const state = met || item === undefined ? undefined : decodeState(item);
  if (state === undefined) {
    return;
  }
  // Of those that failed at the same time, one counts: the others find the next probe put off already.
  await updateIf(table, {
    key,
    condition: '#changeId = :known AND #nextProbeAtMs <= :nowMs AND #recovered = :no',
    conditionValues: { known: text(state.changeId), nowMs: integer(nowMs), no: flag(false) },
    set: { ...next, failures: integer(state.failures + 1) },
  });
}

async function takeProbe(
  table: Table,
  { domain, leaseEndMs, nowMs }: { domain: string; leaseEndMs: number; nowMs: number },
): Promise<boolean> {
  const changeId = randomUUID();
  const { met, item } = await updateIf(table, {
    key: keyOf(domain),
    condition: '#nextProbeAtMs <= :nowMs AND #probeUntilMs <= :nowMs AND #recovered = :no',
    conditionValues: { nowMs: integer(nowMs), no: flag(false) },
    set: { probeUntilMs: integer(leaseEndMs), changeId: text(changeId) },
  });
  // The write was applied, its answer was lost, and the SDK's second try met what the first had done.
  return met || item?.['changeId']?.S === changeId;
}

async function recover(table: Table, domain: string): Promise<void> {
  await updateIf(table, {
    key: keyOf(domain),
    condition: 'attribute_exists(#failures)',
    set: { recovered: flag(true), probeUntilMs: integer(0), changeId: text(randomUUID()) },
  });
}

async function hasten(table: Table, domain: string, nowMs: number): Promise<void> {
  await updateIf(table, {
    key: keyOf(domain),
    // Not met: nobody backs off, or a probe is due anyhow.
    condition: '#recovered = :no AND #nextProbeAtMs > :nowMs',
    conditionValues: { no: flag(false), nowMs: integer(nowMs) },
    set: { nextProbeAtMs: integer(nowMs), changeId: text(randomUUID()) },
  });
}

async function list(table: Table): Promise<readonly BackoffState[]> {
  const states: BackoffState[] = [];
  for (let shard = 0; shard < backoffShards; shard += 1) {
    const partition = ['bucket', `backoff#${shard}`] as const;
    for await (const items of queryPages(table, { partition, consistent: true })) {
      states.push(...items.flatMap((item) => decodeState(item) ?? []));
    }
  }
  return states;
}

async function forget({ client, tableName }: Table, state: BackoffState): Promise<void> {
  try {
    await client.send(
      new DeleteItemCommand({
        TableName: tableName,
        Key: { ...keyOf(state.domain) },
        ConditionExpression: '#changeId = :changeId',
        ExpressionAttributeNames: { '#changeId': 'changeId' },
        ExpressionAttributeValues: { ':changeId': text(state.changeId) },
      }),
    );
  } catch (error) {
    // Somebody found the hosts dead again, or alive, or has removed it.
    if (!(error instanceof ConditionalCheckFailedException)) {
      throw storeUnavailable(`DeleteItem on table ${tableName}`, error);
    }
  }
}

function decodeState(item: Item): BackoffState | undefined {
  const domain = item['entry']?.S ?? '';
  const row = itemReader(item, `back-off of ${domain}`);
  try {
    return {
      domain,
      sinceMs: row.integer('sinceMs'),
      failures: row.integer('failures'),
      nextProbeAtMs: row.integer('nextProbeAtMs'),
      probeUntilMs: row.integer('probeUntilMs'),
      recovered: row.flag('recovered'),
      changeId: row.text('changeId'),
    };
  } catch (error) {
    if (error instanceof TransportSecurityError) {
      return undefined;
    }
    throw error;
  }
}
