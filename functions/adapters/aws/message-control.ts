/**
 * The message table as operators see and change it. The contract is `MessageControl` in functions/operating/ports.ts.
 *
 * Items beside those of message-table.ts and whole-messages.ts: `action#<time>#<random>`, what an operator did.
 * A change is one conditional write on the delivery's row, the same row in which attempts are claimed, so that the two
 * cannot pass each other by. Where there is no row yet, one is made that holds nothing but what is asked (`advance`); it
 * has a time to be removed, since its message may never come.
 */
import { randomUUID } from 'node:crypto';
import { PutItemCommand, QueryCommand, type QueryCommandInput } from '@aws-sdk/client-dynamodb';
import * as z from 'zod';
import type { AdvanceNote, DeliveryKey, DeliveryRow } from '../../delivery/stored-delivery.ts';
import type { WhyRecord } from '../../delivery/why.ts';
import type {
  ActionTarget,
  MessageControl,
  QueueAction,
  Refusal,
  RowChange,
  StoredMessage,
} from '../../operating/ports.ts';
import type { WholeMessage } from '../../submission/whole-message.ts';
import { type ConditionalUpdate, type Table, updateIf } from './conditional-update.ts';
import {
  decodeAdvance,
  decodeUnlessAdvance,
  deliveryKey,
  encodeDemand,
  historyEndSeconds,
  waitingShard,
  whySchema,
} from './delivery-row.ts';
import { flag, type Item, integer, itemReader, text } from './item.ts';
import { readDelivery } from './message-table.ts';
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
    hold: (target, note) =>
      change(options, target, {
        atMs: note.sinceMs,
        condition: 'attribute_not_exists(#held)',
        set: { held: text(JSON.stringify(note)) },
        rowOnly: { set: { waiting: text(waitingShard(target.id)) } },
        explain: (row) =>
          row !== undefined && row.held === undefined ? undefined : { kind: 'held' },
      }),
    release: (target, nowMs) =>
      change(options, target, {
        atMs: nowMs,
        condition: 'attribute_exists(#held)',
        remove: ['held'],
        // Due now: should its queue message be lost, what looks for overdue rows finds it.
        rowOnly: { set: { nextDueAtMs: integer(nowMs) } },
        explain: (row) => (row?.held === undefined ? { kind: 'not-held' } : undefined),
      }),
    override: (target, demand, nowMs) =>
      change(options, target, {
        atMs: nowMs,
        set: { demand: text(encodeDemand(demand)) },
        rowOnly: {
          condition: '(#settled = :yes OR #leaseEndMs <= :nowMs)',
          conditionValues: { yes: flag(true), nowMs: integer(nowMs) },
        },
        explain: (row) => ({ kind: 'busy', untilMs: row?.leaseEndMs ?? nowMs }),
      }),
    cancel: (target, cancellation, nowMs) =>
      change(options, target, {
        atMs: nowMs,
        set: { cancelled: text(JSON.stringify(cancellation)) },
        rowOnly: {
          condition: 'attribute_not_exists(#content) AND #leaseEndMs <= :nowMs',
          conditionValues: { nowMs: integer(nowMs) },
        },
        explain: (row) => ({ kind: 'busy', untilMs: Math.max(nowMs, row?.leaseEndMs ?? nowMs) }),
      }),
    noteAction: (action) => noteAction(options, action),
  };
}

/** What a write adds to the condition and the attributes that all of them have. */
type Addition = Partial<Pick<ConditionalUpdate, 'condition' | 'conditionValues' | 'set'>>;

/** A write on a row, or in advance of it. */
interface Change extends Addition, Pick<ConditionalUpdate, 'remove'> {
  /** When it is asked for, epoch milliseconds. */
  readonly atMs: number;
  /** What is added where there is a row. */
  readonly rowOnly?: Addition;
  /**
   * Why it is refused, where that is not for want of a delivery that goes on; without a row in advance of it. Undefined
   * where this row would have let itself be changed: it came, or changed, between the refusal and the look at it.
   */
  readonly explain: (row?: DeliveryRow) => Refusal | undefined;
}

const goesOn =
  'attribute_exists(#id) AND attribute_not_exists(#removeAtSeconds) AND attribute_not_exists(#cancelled)';

const notBegun =
  '(attribute_not_exists(#id) OR #advance = :advance) AND attribute_not_exists(#cancelled)';

async function change(
  options: MessageControlOptions,
  target: ActionTarget,
  wanted: Change,
): Promise<RowChange> {
  const changed = await changeRow(options, target, wanted);
  if (changed !== undefined) {
    return changed;
  }
  const unknown = { kind: 'refused', refusal: { kind: 'unknown' } } as const;
  if (target.mayCome !== true) {
    return unknown;
  }
  // Where it was begun with between the two writes, it has a row now.
  return (
    (await noteInAdvance(options, target, wanted)) ??
    (await changeRow(options, target, wanted)) ??
    unknown
  );
}

/** Undefined where there was no row, or only what is asked in advance. */
async function changeRow(
  table: Table,
  { id, domain }: ActionTarget,
  { condition, conditionValues, set, remove = [], rowOnly = {}, explain }: Change,
): Promise<RowChange | undefined> {
  const key = { id, domain };
  const { isDone, item } = await write(table, key, {
    condition: allOf(goesOn, condition, rowOnly.condition),
    conditionValues: { ...conditionValues, ...rowOnly.conditionValues },
    set: { ...set, ...rowOnly.set },
    remove,
  });
  const row = decodeUnlessAdvance(item, key, table.tableName);
  if (row === undefined) {
    return undefined;
  }
  if (isDone) {
    return { kind: 'changed', row };
  }
  const isOver = row.state === 'finished' || row.cancelled !== undefined;
  return refusedFor(isOver ? { kind: 'finished' } : explain(row));
}

function refusedFor(refusal: Refusal | undefined): RowChange | undefined {
  return refusal && { kind: 'refused', refusal };
}

/** Undefined where there is a row. */
async function noteInAdvance(
  table: MessageControlOptions,
  { id, domain }: ActionTarget,
  { atMs, condition, conditionValues, set, remove = [], explain }: Change,
): Promise<RowChange | undefined> {
  const { isDone, item } = await write(
    table,
    { id, domain },
    {
      condition: allOf(notBegun, condition),
      conditionValues: { ...conditionValues, advance: flag(true) },
      set: {
        ...set,
        advance: flag(true),
        removeAtSeconds: integer(historyEndSeconds(atMs, table.historyDays)),
      },
      remove,
    },
  );
  if (isDone) {
    return { kind: 'noted' };
  }
  if (item !== undefined && item['advance'] === undefined) {
    return undefined;
  }
  return refusedFor(item?.['cancelled'] === undefined ? explain() : { kind: 'finished' });
}

function allOf(...conditions: readonly (string | undefined)[]): string {
  return conditions.filter((each) => each !== undefined).join(' AND ');
}

/** `isDone` also where the write was applied, its answer was lost, and the SDK's second try met what the first had done. */
async function write(
  table: Table,
  key: DeliveryKey,
  update: Omit<ConditionalUpdate, 'key'>,
): Promise<{ readonly isDone: boolean; readonly item: Item | undefined }> {
  const changeId = randomUUID();
  const { met, item } = await updateIf(table, {
    ...update,
    key: deliveryKey(key),
    set: { ...update.set, changeId: text(changeId) },
  });
  return { isDone: met || item?.['changeId']?.S === changeId, item };
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
  const found: Found = { deliveries: [], advance: [], attempts: [], actions: [] };
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
  readonly advance: AdvanceNote[];
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
    const row = decodeUnlessAdvance(item, { id, domain }, tableName);
    if (row === undefined) {
      found.advance.push(decodeAdvance(reader, domain));
    } else {
      found.deliveries.push(row);
    }
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
  options: MessageControlOptions,
  { id, ...body }: QueueAction,
): Promise<void> {
  const { client, tableName, historyDays } = options;
  const at = new Date(body.atMs).toISOString();
  await orUnavailable(`PutItem on table ${tableName}`, () =>
    client.send(
      new PutItemCommand({
        TableName: tableName,
        Item: {
          id: text(id),
          part: text(`action#${at}#${randomUUID().slice(0, 8)}`),
          action: text(JSON.stringify(body)),
          removeAtSeconds: integer(historyEndSeconds(body.atMs, historyDays)),
        },
      }),
    ),
  );
}
