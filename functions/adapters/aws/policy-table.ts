/**
 * The policy table on DynamoDB: an item per policy domain, with the policy and the latest failure to fetch one.
 *
 * Key: `domain`, a text. TTL attribute: `removeAtSeconds`; DynamoDB takes its time to remove an item, so whoever reads
 * one judges its age anew. Of the policy only the text is kept, and parsed when read: one truth, and the one that TLS
 * reports quote.
 *
 * The contract is `PolicyStore` in functions/policy/ports.ts.
 */
import { DeleteItemCommand, ScanCommand } from '@aws-sdk/client-dynamodb';
import type {
  CachedPolicy,
  FailedFetch,
  PolicyEntry,
  PolicyStore,
  StsFailureCode,
} from '../../policy/ports.ts';
import { TransportSecurityError } from '../../protocol/errors.ts';
import { parsePolicy } from '../../protocol/mta-sts/policy.ts';
import { readItem, type Table, updateIf } from './conditional-update.ts';
import { type Item, type ItemReader, integer, itemReader, text } from './item.ts';
import { orUnavailable } from './store-failure.ts';

/** A day beyond its use, an item may go. */
const graceSeconds = 86_400;

const reasonCharactersMax = 500;

const failureCodes: ReadonlyMap<string, StsFailureCode> = new Map(
  Object.entries({
    'sts-policy-fetch-error': 'sts-policy-fetch-error',
    'sts-policy-invalid': 'sts-policy-invalid',
    'sts-policy-unknown': 'sts-policy-unknown',
    'sts-webpki-invalid': 'sts-webpki-invalid',
  } satisfies { readonly [Code in StsFailureCode]: Code }),
);

/**
 * Every method rejects with `store-unavailable` when DynamoDB fails. What an item holds that cannot be read counts as
 * absent: it is fetched again.
 */
export function createPolicyTable(table: Table): PolicyStore {
  return {
    read: async (domain) => {
      const item = await readItem(table, key(domain));
      return item && decodeEntry(item, domain);
    },
    writePolicy: (policy) => writePolicy(table, policy),
    writeFailure: (domain, failed) => writeFailure(table, domain, failed),
    touch: async (domain, usedAtMs) => {
      await updateIf(table, {
        key: key(domain),
        condition: 'attribute_exists(#id)',
        set: { usedAtMs: integer(usedAtMs) },
      });
    },
    forget: (domain) => forget(table, domain),
    list: () => list(table),
  };
}

async function writePolicy(table: Table, policy: CachedPolicy): Promise<void> {
  const { setBy } = policy;
  const expiresAtSeconds = Math.ceil(policy.fetchedAtMs / 1000) + policy.policy.maxAgeSeconds;
  await updateIf(table, {
    key: key(policy.domain),
    // Two processes may have fetched at the same time; whatever the order of their writes, the later fetch stays.
    condition: 'attribute_not_exists(#fetchedAtMs) OR #fetchedAtMs <= :fetchedAtMs',
    set: {
      id: text(policy.id),
      text: text(policy.text),
      fetchedAtMs: integer(policy.fetchedAtMs),
      usedAtMs: integer(policy.usedAtMs),
      removeAtSeconds: integer(expiresAtSeconds + graceSeconds),
      ...(setBy !== undefined && { setAuthor: text(setBy.author), setReason: text(setBy.reason) }),
    },
    remove: [
      ...['failedId', 'failedAtMs', 'failedCode', 'failedReason'],
      ...(setBy === undefined ? ['setAuthor', 'setReason'] : []),
    ],
  });
}

async function forget({ client, tableName }: Table, domain: string): Promise<boolean> {
  const { Attributes: removed } = await orUnavailable(`DeleteItem on table ${tableName}`, () =>
    client.send(
      new DeleteItemCommand({ TableName: tableName, Key: key(domain), ReturnValues: 'ALL_OLD' }),
    ),
  );
  return removed !== undefined;
}

async function writeFailure(table: Table, domain: string, failed: FailedFetch): Promise<void> {
  await updateIf(table, {
    key: key(domain),
    condition: 'attribute_not_exists(#failedAtMs) OR #failedAtMs <= :failedAtMs',
    set: {
      failedId: text(failed.id),
      failedAtMs: integer(failed.failedAtMs),
      failedCode: text(failed.code),
      failedReason: text(failed.reason.slice(0, reasonCharactersMax).toWellFormed()),
    },
    // A policy's own time to go is never shortened by a failure beside it.
    setIfAbsent: { removeAtSeconds: integer(Math.ceil(failed.failedAtMs / 1000) + graceSeconds) },
  });
}

async function* list(table: Table): AsyncGenerator<CachedPolicy> {
  let startKey: Item | undefined;
  do {
    const page = await orUnavailable(`Scan on table ${table.tableName}`, () =>
      table.client.send(
        new ScanCommand({
          TableName: table.tableName,
          FilterExpression: 'attribute_exists(#id)',
          ExpressionAttributeNames: { '#id': 'id' },
          ExclusiveStartKey: startKey,
        }),
      ),
    );
    for (const item of page.Items ?? []) {
      const domain = item['domain']?.S;
      const cached = domain === undefined ? undefined : decodeEntry(item, domain).cached;
      if (cached !== undefined) {
        yield cached;
      }
    }
    startKey = page.LastEvaluatedKey;
  } while (startKey !== undefined);
}

function key(domain: string): Item {
  return { domain: text(domain) };
}

function decodeEntry(item: Item, domain: string): PolicyEntry {
  const row = itemReader(item, `policy of ${domain}`);
  const cached = unlessDamaged(() => (row.has('id') ? decodePolicy(row, domain) : undefined));
  const failed = unlessDamaged(() => (row.has('failedId') ? decodeFailure(row) : undefined));
  return { ...(cached && { cached }), ...(failed && { failed }) };
}

function decodePolicy(row: ItemReader, domain: string): CachedPolicy {
  const served = row.text('text');
  return {
    domain,
    id: row.text('id'),
    policy: parsePolicy(served),
    text: served,
    fetchedAtMs: row.integer('fetchedAtMs'),
    usedAtMs: row.integer('usedAtMs'),
    ...(row.has('setAuthor') && {
      setBy: { author: row.text('setAuthor'), reason: row.text('setReason') },
    }),
  };
}

function decodeFailure(row: ItemReader): FailedFetch | undefined {
  const code = failureCodes.get(row.text('failedCode'));
  return (
    code && {
      id: row.text('failedId'),
      failedAtMs: row.integer('failedAtMs'),
      code,
      reason: row.text('failedReason').slice(0, reasonCharactersMax),
    }
  );
}

/** Undefined for what was damaged, or is longer than any policy. */
function unlessDamaged<T>(decode: () => T): T | undefined {
  try {
    return decode();
  } catch (error) {
    if (error instanceof TransportSecurityError) {
      return undefined;
    }
    throw error;
  }
}
