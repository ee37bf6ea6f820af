/**
 * The row of a delivery in the message table: what is in it, and how it is written as a DynamoDB item.
 *
 * Compound values are JSON, one attribute each. What a delivery is made of: functions/delivery/stored-delivery.ts.
 */
import * as z from 'zod';
import type {
  Cancellation,
  ClaimedDelivery,
  DeliveryDemand,
  RecipientState,
  Settlement,
} from '../../delivery/ports.ts';
import type {
  AdvanceNote,
  DeliveryKey,
  DeliveryRow,
  HeldNote,
  RowEnvelope,
} from '../../delivery/stored-delivery.ts';
import type { WhyRecord } from '../../delivery/why.ts';
import { type FailureCode, failures } from '../../protocol/errors.ts';
import { expiryDaysMax } from '../../submission/limits.ts';
import type { PreparedMessage, PreparedPart } from '../../submission/queue-message.ts';
import { type Item, type ItemReader, itemReader, text } from './item.ts';
import { shardOf } from './shard.ts';

export function deliveryKey({ id, domain }: DeliveryKey): Item {
  return { id: text(id), part: text(`delivery#${domain}`) };
}

/** Key of the `why` record of one attempt; attempts sort as numbers do (the queue message allows 1,000). */
export function whyKey({ id, domain }: DeliveryKey, attempt: number): Item {
  return { id: text(id), part: text(`why#${domain}#${String(attempt).padStart(4, '0')}`) };
}

export function encodeEnvelope(message: PreparedMessage): string {
  const {
    id: _id,
    rcptTo: _rcptTo,
    content: _content,
    redacted: _redacted,
    attempt: _attempt,
    ...envelope
  } = message;
  return JSON.stringify(envelope satisfies Omit<RowEnvelope, 'redacted'>);
}

/** Apart from the envelope: a finished delivery's row keeps that, and nothing of the body. */
export function encodeRedacted({ redacted }: Pick<PreparedMessage, 'redacted'>): Item {
  return redacted === undefined ? {} : { redacted: text(JSON.stringify(redacted)) };
}

export function encodeDemand({ demand, demandReason, explicit }: DeliveryDemand): string {
  return JSON.stringify({ demand, demandReason, explicit } satisfies DeliveryDemand);
}

/** Shards of the lists of what waits. */
export const waitingShards = 8;

/** The shard of a message: the same for all its deliveries. */
export function waitingShard(id: string): string {
  return String(shardOf(id, waitingShards));
}

/** The recipients of a message that nobody has tried to deliver yet. */
export function newRecipients(message: PreparedMessage): readonly RecipientState[] {
  return message.rcptTo.map(({ address, notify, orcpt }) => ({
    address,
    ...(notify !== undefined && { notify }),
    ...(orcpt !== undefined && { orcpt }),
    state: 'pending',
  }));
}

/**
 * Refuses a settlement that would lose mail: nobody would ever look again at a recipient who is left out, or pending
 * without a due time.
 *
 * @throws {TypeError} a bug of the delivery room.
 */
export function assertSettlement({ delivery, recipients, next }: Settlement): void {
  const addresses = new Set(recipients.map(({ address }) => address));
  if (
    recipients.length !== delivery.recipients.length ||
    delivery.recipients.some(({ address }) => !addresses.has(address))
  ) {
    throw new TypeError('a settlement names every recipient of its delivery');
  }
  if (recipients.some(({ state }) => state === 'pending') !== (next !== undefined)) {
    throw new TypeError('a settlement has a next attempt exactly where a recipient is pending');
  }
  if (next !== undefined && !('bucket' in next.content)) {
    throw new TypeError('content that waits for another attempt is kept in the bucket');
  }
}

// `satisfies`: a field added to one of these types must be added here, or it does not compile; a strict schema that
// lags behind would call good rows damaged.
const recipientStateSchema = z.strictObject({
  address: z.string(),
  notify: z.array(z.enum(['NEVER', 'SUCCESS', 'FAILURE', 'DELAY'])).exactOptional(),
  orcpt: z.string().exactOptional(),
  state: z.enum(['pending', 'delivered', 'failed']),
  status: z.string().exactOptional(),
  diagnostic: z.string().exactOptional(),
} satisfies Record<keyof RecipientState, z.ZodType>);

const recipientsSchema = z.array(recipientStateSchema).min(1);

const envelopeSchema = z.strictObject({
  version: z.literal(1),
  mailFrom: z.string(),
  requireTls: z.boolean().exactOptional(),
  ret: z.enum(['FULL', 'HDRS']).exactOptional(),
  envid: z.string().exactOptional(),
  smtpUtf8: z.boolean().exactOptional(),
  notificationOf: z
    .strictObject({ id: z.string(), domain: z.string(), attempt: z.int() })
    .exactOptional(),
  submittedAt: z.string(),
  expiresAt: z.string(),
  prepared: z.strictObject({
    domain: z.string(),
    demand: z.enum(['require', 'default', 'optional']),
    demandReason: z.string(),
    explicit: z.boolean(),
    acceptedDemand: z.enum(['require', 'default', 'optional']).exactOptional(),
    hash: z.string(),
    wholeId: z.string().exactOptional(),
    part: z.int().exactOptional(),
    tlsReport: z.literal(true).exactOptional(),
    refusal: z
      .strictObject({
        code: z.enum(Object.keys(failures) as FailureCode[]),
        reason: z.string(),
      })
      .exactOptional(),
  } satisfies Record<keyof PreparedPart, z.ZodType>),
} satisfies Record<Exclude<keyof RowEnvelope, 'redacted'>, z.ZodType>);

const demandSchema = z.strictObject({
  demand: z.enum(['require', 'default', 'optional']),
  demandReason: z.string(),
  explicit: z.boolean(),
} satisfies Record<keyof DeliveryDemand, z.ZodType>);

/** Of an item, or of what an index shows of it. */
export const heldSchema: z.ZodType<HeldNote> = z.strictObject({
  author: z.string(),
  reason: z.string(),
  sinceMs: z.int(),
} satisfies Record<keyof HeldNote, z.ZodType>);

export const cancellationSchema: z.ZodType<Cancellation> = z.strictObject({
  author: z.string(),
  reason: z.string(),
  bounce: z.boolean(),
} satisfies Record<keyof Cancellation, z.ZodType>);

const contentSchema = z.strictObject({ bucket: z.string(), key: z.string() });

const redactedSchema = z.union([z.strictObject({ data: z.string() }), contentSchema]);

/** For people to read; nothing is decided by it, so its inner shape is taken on trust. */
export const whySchema: z.ZodType<WhyRecord> = z.custom<WhyRecord>(
  (value) =>
    typeof value === 'object' && value !== null && 'version' in value && value.version === 1,
);

export function rowReader(item: Item, key: DeliveryKey, tableName: string): ItemReader {
  return itemReader(item, `row (${key.id}, ${key.domain}) of table ${tableName}`);
}

/**
 * What a claim needs of a row. Reads nothing else, so that damage elsewhere stops no mail.
 *
 * @throws {TransportSecurityError} `store-damaged`
 */
export function decodeClaimed(row: ItemReader, { id, domain }: DeliveryKey): ClaimedDelivery {
  return {
    id,
    domain,
    attempt: row.integer('attempt'),
    token: row.text('token'),
    recipients: row.json('recipients', recipientsSchema),
    demand: row.json('demand', demandSchema),
    ...(row.has('delayNotified') && { delayNotified: true as const }),
  };
}

/** @throws {TransportSecurityError} `store-damaged` */
function decodeRow(row: ItemReader, { id, domain }: DeliveryKey): DeliveryRow {
  const recipients = row.json('recipients', recipientsSchema);
  return {
    id,
    domain,
    attempt: row.integer('attempt'),
    state: stateOf(row.flag('settled'), recipients),
    leaseEndMs: row.integer('leaseEndMs'),
    recipients,
    envelope: {
      ...row.json('envelope', envelopeSchema),
      ...(row.has('redacted') && { redacted: row.json('redacted', redactedSchema) }),
    },
    demand: row.json('demand', demandSchema),
    ...(row.has('content') && { content: row.json('content', contentSchema) }),
    ...readStops(row),
    ...(row.has('delayNotified') && { delayNotified: true as const }),
    ...(row.has('nextDueAtMs') && { nextDueAtMs: row.integer('nextDueAtMs') }),
    ...(row.has('settledAtMs') && { settledAtMs: row.integer('settledAtMs') }),
    ...(row.has('why') && { why: row.json('why', whySchema) }),
    ...(row.has('note') && { note: row.text('note') }),
    ...(row.has('removeAtSeconds') && { removeAtSeconds: row.integer('removeAtSeconds') }),
  };
}

function readStops(row: ItemReader): Pick<DeliveryRow, 'held' | 'cancelled'> {
  return {
    ...(row.has('held') && { held: row.json('held', heldSchema) }),
    ...(row.has('cancelled') && { cancelled: row.json('cancelled', cancellationSchema) }),
  };
}

/** @throws {TransportSecurityError} `store-damaged` */
export function decodeAdvance(row: ItemReader, domain: string): AdvanceNote {
  return {
    domain,
    ...readStops(row),
    ...(row.has('demand') && { demand: row.json('demand', demandSchema) }),
  };
}

/** Undefined where there is no row, or one that is nothing but operators' word in advance. */
export function decodeUnlessAdvance(
  item: Item | undefined,
  key: DeliveryKey,
  tableName: string,
): DeliveryRow | undefined {
  return item === undefined || item['advance'] !== undefined
    ? undefined
    : decodeRow(rowReader(item, key, tableName), key);
}

/**
 * When DynamoDB may remove what was noted of a message at some time, epoch seconds: it may wait for as long as any
 * before its days of history begin.
 */
export function historyEndSeconds(atMs: number, historyDays: number): number {
  return Math.floor(atMs / 1_000) + (historyDays + expiryDaysMax) * 86_400;
}

function stateOf(settled: boolean, recipients: readonly RecipientState[]): DeliveryRow['state'] {
  if (!settled) {
    return 'attempting';
  }
  return recipients.some(({ state }) => state === 'pending') ? 'deferred' : 'finished';
}
