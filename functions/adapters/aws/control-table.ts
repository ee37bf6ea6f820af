/**
 * The control table on DynamoDB: what operators decide at run time.
 *
 * Keys: `kind`, `rule` or `exception`; `name`, the rule's name or `<domain>#<policy>`. TTL attribute:
 * `removeAtSeconds`, on exceptions, some time after they are over. Compound values are JSON.
 *
 * The contract is `ControlStore` in functions/operating/control-store.ts.
 */
import { isDeepStrictEqual } from 'node:util';
import {
  ConditionalCheckFailedException,
  DeleteItemCommand,
  PutItemCommand,
} from '@aws-sdk/client-dynamodb';
import type {
  ControlStore,
  ExceptionKey,
  StoredException,
  StoredRule,
} from '../../operating/control-store.ts';
import { TransportSecurityError } from '../../protocol/errors.ts';
import { taggingRuleSchema } from '../../submission/tagging-rule.ts';
import { readItem, type Table } from './conditional-update.ts';
import { type Item, type ItemReader, integer, itemReader, text } from './item.ts';
import { queryPages } from './query-pages.ts';
import { orUnavailable, storeUnavailable } from './store-failure.ts';

/** An exception that is over can still be looked up for this long. */
const graceSeconds = 30 * 86_400;

const policies: ReadonlyMap<string, StoredException['policy']> = new Map(
  Object.entries({
    'mta-sts': 'mta-sts',
    dane: 'dane',
    tagging: 'tagging',
  } satisfies { readonly [Policy in StoredException['policy']]: Policy }),
);

/** Reads are strongly consistent: whoever was told that a rule is there finds it. */
export function createControlTable(table: Table): ControlStore {
  return {
    listRules: async () => (await readAll(table, 'rule', decodeRule)).sort(byPosition),
    listExceptions: () => readAll(table, 'exception', decodeException),
    putRule: (stored, options) => putRule(table, stored, options),
    removeRule: (name) => remove(table, ruleKey(name)),
    putException: async (stored) => {
      await orUnavailable(`PutItem on table ${table.tableName}`, () =>
        table.client.send(
          new PutItemCommand({ TableName: table.tableName, Item: encodeException(stored) }),
        ),
      );
    },
    removeException: (key) => remove(table, exceptionKey(key)),
  };
}

function ruleKey(name: string): Item {
  return { kind: text('rule'), name: text(name) };
}

function exceptionKey({ domain, policy }: ExceptionKey): Item {
  return { kind: text('exception'), name: text(`${domain}#${policy}`) };
}

function byPosition(one: StoredRule, two: StoredRule): number {
  return one.position - two.position || (one.rule.name < two.rule.name ? -1 : 1);
}

/** All items of a kind, by name. They are few: whoever adds one counts those there are. */
async function readAll<T>(
  table: Table,
  kind: 'rule' | 'exception',
  decode: (row: ItemReader) => T,
): Promise<T[]> {
  const decoded: T[] = [];
  for await (const items of queryPages(table, { partition: ['kind', kind], consistent: true })) {
    for (const item of items) {
      const what = `${kind} ${item['name']?.S} of table ${table.tableName}`;
      decoded.push(decode(itemReader(item, what)));
    }
  }
  return decoded;
}

async function putRule(
  table: Table,
  stored: StoredRule,
  { replace }: { readonly replace: boolean },
): Promise<boolean> {
  const { client, tableName } = table;
  const item = encodeRule(stored);
  const isNew = {
    ConditionExpression: 'attribute_not_exists(#kind)',
    ExpressionAttributeNames: { '#kind': 'kind' },
  };
  try {
    await client.send(
      new PutItemCommand({ TableName: tableName, Item: item, ...(!replace && isNew) }),
    );
    return true;
  } catch (error) {
    if (!(error instanceof ConditionalCheckFailedException)) {
      throw storeUnavailable(`PutItem on table ${tableName}`, error);
    }
    // The write may have been applied and its answer lost: the SDK's second try then meets what the first had done.
    return isDeepStrictEqual(await readItem(table, ruleKey(stored.rule.name)), item);
  }
}

async function remove({ client, tableName }: Table, key: Item): Promise<boolean> {
  const { Attributes: removed } = await orUnavailable(`DeleteItem on table ${tableName}`, () =>
    client.send(new DeleteItemCommand({ TableName: tableName, Key: key, ReturnValues: 'ALL_OLD' })),
  );
  return removed !== undefined;
}

function encodeRule({ rule, position, author, addedAtMs }: StoredRule): Item {
  return {
    ...ruleKey(rule.name),
    rule: text(JSON.stringify(rule)),
    position: integer(position),
    author: text(author),
    addedAtMs: integer(addedAtMs),
  };
}

function decodeRule(row: ItemReader): StoredRule {
  return {
    rule: row.json('rule', taggingRuleSchema),
    position: row.integer('position'),
    author: row.text('author'),
    addedAtMs: row.integer('addedAtMs'),
  };
}

function encodeException(stored: StoredException): Item {
  const { domain, policy, reason, author, expires, addedAtMs } = stored;
  return {
    ...exceptionKey(stored),
    domain: text(domain),
    policy: text(policy),
    reason: text(reason),
    author: text(author),
    expires: text(expires),
    addedAtMs: integer(addedAtMs),
    removeAtSeconds: integer(Math.ceil(Date.parse(expires) / 1_000) + graceSeconds),
  };
}

function decodeException(row: ItemReader): StoredException {
  const domain = row.text('domain');
  const policy = policies.get(row.text('policy'));
  const expires = row.text('expires');
  if (policy === undefined || Number.isNaN(Date.parse(expires))) {
    // Not ignored: an exception can only be lifted, never widened, by somebody who repairs or removes the item.
    throw new TransportSecurityError(
      'store-damaged',
      `exception of ${domain}: attribute policy or expires is not as written; remove the item from the control table`,
    );
  }
  return {
    domain,
    policy,
    reason: row.text('reason'),
    author: row.text('author'),
    expires,
    addedAtMs: row.integer('addedAtMs'),
  };
}
