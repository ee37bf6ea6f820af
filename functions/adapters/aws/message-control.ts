/**
 * The message table as operators see and change it. The contract is `MessageControl` in functions/operating/ports.ts.
 *
 * Items beside those of message-table.ts and whole-messages.ts: `action#<time>#<random>`, what an operator did.
 * A change is one conditional write on the delivery's row, the same row in which attempts are claimed, so that the two
 * cannot pass each other by.
 */
import { randomUUID } from 'node:crypto';
import { PutItemCommand, QueryCommand, type QueryCommandInput } from '@aws-sdk/client-dynamodb';
import * as z from 'zod';
import type { DeliveryKey, DeliveryRow } from '../../delivery/stored-delivery.ts';
import type { WhyRecord } from '../../delivery/why.ts';
import type {
  MessageControl,
  QueueAction,
  Refusal,
  RowChange,
  StoredMessage,
} from '../../operating/ports.ts';
import { expiryDaysMax } from '../../submission/limits.ts';
import type { WholeMessage } from '../../submission/whole-message.ts';
import { type ConditionalUpdate, readItem, type Table, updateIf } from './conditional-update.ts';
import {
  decodeRow,
  deliveryKey,
  encodeDemand,
  rowReader,
  waitingShard,
  whySchema,
} from './delivery-row.ts';
import { flag, type Item, integer, itemReader, text } from './item.ts';
import { orUnavailable } from './store-failure.ts';
import { decodeWholeMessage, wholeMessagePart } from './whole-messages.ts';

export interface MessageControlOptions extends Table {
  /** Days for which a finished delivery can be looked up. */
  readonly historyDays: number;
}

export function createMessageControl(options: MessageControlOptions): MessageControl {
  return {
    readMessage: (id) => readMessage(options, id),
    readDelivery: (id, domain) => readDelivery(options, { id, domain }),
    hold: (key, note) =>
      change(options, key, {
        // Held, its record is let go: only a row that can make it again may be.
        condition: `${unfinished} AND attribute_exists(#content) AND attribute_not_exists(#held)`,
        set: { held: text(JSON.stringify(note)), waiting: text(waitingShard(key.id)) },
        explain: explainHold,
      }),
    release: (key, nowMs) =>
      change(options, key, {
        condition: `${unfinished} AND attribute_exists(#held)`,
        // Due now: should its queue message be lost, what looks for overdue rows finds it.
        set: { nextDueAtMs: integer(nowMs) },
        remove: ['held'],
        explain: () => ({ kind: 'not-held' }),
      }),
    override: (key, demand, nowMs) =>
      change(options, key, {
        condition: `${unfinished} AND (#settled = :yes OR #leaseEndMs <= :nowMs)`,
        conditionValues: { yes: flag(true), nowMs: integer(nowMs) },
        set: { demand: text(encodeDemand(demand)) },
        explain: ({ leaseEndMs }) => ({ kind: 'busy', untilMs: leaseEndMs }),
      }),
    noteAction: (action) => noteAction(options, action),
  };
}

const unfinished = 'attribute_exists(#id) AND attribute_not_exists(#removeAtSeconds)';

/** A write on a row, and why it was refused where that is not for want of an unfinished delivery. */
interface Change extends Omit<ConditionalUpdate, 'key'> {
  readonly explain: (row: DeliveryRow) => Refusal;
}

async function change(
  table: Table,
  key: DeliveryKey,
  { explain, ...update }: Change,
): Promise<RowChange> {
  const changeId = randomUUID();
  const { met, item } = await updateIf(table, {
    ...update,
    key: deliveryKey(key),
    set: { ...update.set, changeId: text(changeId) },
  });
  if (item === undefined) {
    return { kind: 'refused', refusal: { kind: 'unknown' } };
  }
  const reader = rowReader(item, key, table.tableName);
  const row = decodeRow(reader, key);
  // Also where the write was applied, its answer was lost, and the SDK's second try met what the first had done.
  if (met || (reader.has('changeId') && reader.text('changeId') === changeId)) {
    return { kind: 'changed', row };
  }
  const refusal = row.state === 'finished' ? ({ kind: 'finished' } as const) : explain(row);
  return { kind: 'refused', refusal };
}

function explainHold({ held }: DeliveryRow): Refusal {
  return { kind: held === undefined ? 'queued' : 'held' };
}

async function readDelivery(table: Table, key: DeliveryKey): Promise<DeliveryRow | undefined> {
  const item = await readItem(table, deliveryKey(key));
  return item && decodeRow(rowReader(item, key, table.tableName), key);
}

/** Rows have up to 400 KB, records 16 KB: this much is a delivery with a few hundred attempts. */
const itemsMax = 500;

/** Of what operators did, the newest. */
const actionsMax = 100;

async function readMessage(table: Table, id: string): Promise<StoredMessage | undefined> {
  const [rest, actions] = await Promise.all([
    readItems(table, itemsMax, {
      KeyConditionExpression: '#id = :id AND #part > :part',
      ExpressionAttributeValues: { ':id': text(id), ':part': text('delivery#') },
    }),
    readItems(table, actionsMax, {
      KeyConditionExpression: '#id = :id AND begins_with(#part, :part)',
      ExpressionAttributeValues: { ':id': text(id), ':part': text('action#') },
      ScanIndexForward: false,
    }),
  ]);
  if (rest.items.length === 0) {
    return undefined;
  }
  const found: Found = { deliveries: [], attempts: [], actions: [] };
  for (const item of [...rest.items, ...actions.items.toReversed()]) {
    sortInto(found, item, { id, tableName: table.tableName });
  }
  return { id, ...found, truncated: rest.truncated || actions.truncated };
}

async function readItems(
  { client, tableName }: Table,
  limit: number,
  input: Omit<QueryCommandInput, 'TableName'>,
): Promise<{ readonly items: readonly Item[]; readonly truncated: boolean }> {
  const items: Item[] = [];
  let start: Item | undefined;
  do {
    const { Items = [], LastEvaluatedKey } = await orUnavailable(
      `Query on table ${tableName}`,
      () =>
        client.send(
          new QueryCommand({
            ...input,
            TableName: tableName,
            ExpressionAttributeNames: { '#id': 'id', '#part': 'part' },
            ConsistentRead: true,
            Limit: limit - items.length,
            ExclusiveStartKey: start,
          }),
        ),
    );
    items.push(...Items);
    start = LastEvaluatedKey;
  } while (start !== undefined && items.length < limit);
  return { items, truncated: start !== undefined };
}

interface Found {
  whole?: WholeMessage;
  readonly deliveries: DeliveryRow[];
  readonly attempts: WhyRecord[];
  readonly actions: QueueAction[];
}

/** Items of a kind that this version does not know are passed over. */
function sortInto(
  found: Found,
  item: Item,
  { id, tableName }: { readonly id: string; readonly tableName: string },
): void {
  const part = item['part']?.S ?? '';
  const [kind, domain = ''] = part.split('#');
  const reader = itemReader(item, `item (${id}, ${part}) of table ${tableName}`);
  if (part === wholeMessagePart) {
    found.whole = decodeWholeMessage(item, id, tableName);
  } else if (kind === 'delivery') {
    found.deliveries.push(decodeRow(rowReader(item, { id, domain }, tableName), { id, domain }));
  } else if (kind === 'why') {
    found.attempts.push(reader.json('why', whySchema));
  } else if (kind === 'action') {
    found.actions.push({ id, ...reader.json('action', actionSchema) });
  }
}

type ActionBody = Omit<QueueAction, 'id'>;

const actionSchema: z.ZodType<ActionBody> = z.strictObject({
  domain: z.string(),
  action: z.enum(['retry', 'hold', 'release', 'cancel', 'override']),
  author: z.string(),
  reason: z.string(),
  atMs: z.int(),
  detail: z.string().exactOptional(),
} satisfies Record<keyof ActionBody, z.ZodType>);

async function noteAction(
  { client, tableName, historyDays }: MessageControlOptions,
  { id, ...body }: QueueAction,
): Promise<void> {
  const at = new Date(body.atMs).toISOString();
  // The message may wait for as long before its history begins.
  const removeAtSeconds = Math.floor(body.atMs / 1_000) + (historyDays + expiryDaysMax) * 86_400;
  await orUnavailable(`PutItem on table ${tableName}`, () =>
    client.send(
      new PutItemCommand({
        TableName: tableName,
        Item: {
          id: text(id),
          part: text(`action#${at}#${randomUUID().slice(0, 8)}`),
          action: text(JSON.stringify(body)),
          removeAtSeconds: integer(removeAtSeconds),
        },
      }),
    ),
  );
}
