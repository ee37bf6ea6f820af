/**
 * The message table on DynamoDB: a row per (id, next-hop domain) in which each attempt is claimed, and settled.
 *
 * Keys: `id` and `part`, both texts. `part` is `delivery#<domain>` for the row, `why#<domain>#<attempt>` for the
 * record of an attempt that put mail off; other items under the id are in whole-messages.ts, bodies that several
 * deliveries share in shared-contents.ts. TTL attribute: `removeAtSeconds`. A delivery that succeeds at once costs two
 * writes and no read: the claim and the settling. Rows that were put off carry `waiting`, the shard under which the
 * two indexes of waiting-index.ts list them.
 *
 * The contract is `MessageStore` in functions/delivery/ports.ts; conditional writes alone keep it, without
 * transactions, streams or clocks of DynamoDB's own.
 */
import { randomUUID } from 'node:crypto';
import { PutItemCommand } from '@aws-sdk/client-dynamodb';
import type {
  ClaimedDelivery,
  ClaimRequest,
  ClaimResult,
  MessageStore,
  Settlement,
} from '../../delivery/ports.ts';
import type { DeliveryKey, DeliveryRow } from '../../delivery/stored-delivery.ts';
import type { WhyRecord } from '../../delivery/why.ts';
import type { PreparedMessage } from '../../submission/queue-message.ts';
import { readItem, type Table, updateIf } from './conditional-update.ts';
import {
  assertSettlement,
  cancellationSchema,
  decodeClaimed,
  decodeUnlessAdvance,
  deliveryKey,
  encodeDemand,
  encodeEnvelope,
  encodeRedacted,
  historyEndSeconds,
  newRecipients,
  rowReader,
  waitingShard,
  whyKey,
} from './delivery-row.ts';
import { flag, type Item, type ItemReader, integer, text } from './item.ts';
import { boundWhy, encodeNewRecipients, encodeSettledRecipients } from './row-limits.ts';
import { createSharedContents } from './shared-contents.ts';
import { storeUnavailable } from './store-failure.ts';

/** The message store, and a view of it for whoever asks what became of a message. */
export interface MessageTable extends MessageStore {
  /**
   * The delivery of message `id` to `domain` as it stands, strongly consistent; undefined where there is none (never
   * claimed or parked, or removed after its days of history).
   *
   * @throws {TransportSecurityError} `store-damaged`, `store-unavailable`
   */
  readDelivery(id: string, domain: string): Promise<DeliveryRow | undefined>;
}

export interface MessageTableOptions extends Table {
  /** Days for which a finished delivery can be looked up, with the record of each attempt; default 30. */
  readonly historyDays?: number;
}

interface Settings extends Table {
  readonly historyDays: number;
}

/** Every method rejects with `store-unavailable` when DynamoDB fails, and `store-damaged` for a row it cannot read. */
export function createMessageTable(options: MessageTableOptions): MessageTable {
  const { client, tableName, historyDays = 30 } = options;
  const settings = { client, tableName, historyDays };
  return {
    claim: (request) => claim(settings, request),
    settle: (settlement) => settle(settings, settlement),
    park: (message, nowMs) => park(settings, message, nowMs),
    release: (delivery) => release(settings, delivery),
    ...createSharedContents(settings),
    readDelivery: (id, domain) => readDelivery(settings, { id, domain }),
  };
}

/** As `MessageTable.readDelivery`. */
export async function readDelivery(
  table: Table,
  key: DeliveryKey,
): Promise<DeliveryRow | undefined> {
  return decodeUnlessAdvance(await readItem(table, deliveryKey(key)), key, table.tableName);
}

/**
 * The row does not exist, or nothing but what operators asked in advance (`advance`); or it is this message's and not
 * finished, and the attempt is due by the rule of `MessageStore`. Else `removeAtSeconds` marks a finished row. `held` and
 * `cancelled` are the operators' word.
 */
function claimCondition(evenIfStopped: boolean): string {
  // AND binds before OR. The local cloud's DynamoDB takes four times as long for each pair of parentheses within another.
  const isDue =
    '#advance = :yes OR #hash = :hash AND attribute_not_exists(#removeAtSeconds) AND (' +
    '#attempt < :attempt AND (#settled = :yes OR #leaseEndMs <= :nowMs) OR ' +
    '#attempt = :attempt AND #settled = :settled AND #leaseEndMs <= :nowMs)';
  const isFree = 'attribute_not_exists(#held) AND attribute_not_exists(#cancelled)';
  return `attribute_not_exists(#id) OR ${evenIfStopped ? isDue : `${isFree} AND (${isDue})`}`;
}

async function claim(settings: Settings, request: ClaimRequest): Promise<ClaimResult> {
  const { message, token, nowMs, leaseEndMs, evenIfStopped = false } = request;
  const { id, attempt, content, prepared } = message;
  const key = { id, domain: prepared.domain };
  const claimId = randomUUID();
  const { met, item } = await updateIf(settings, {
    key: deliveryKey(key),
    condition: claimCondition(evenIfStopped),
    conditionValues: { nowMs: integer(nowMs), yes: flag(true) },
    set: {
      hash: text(prepared.hash),
      attempt: integer(attempt),
      settled: flag(false),
      token: text(token),
      claimId: text(claimId),
      leaseEndMs: integer(leaseEndMs),
      ...('bucket' in content && { content: text(JSON.stringify(content)) }),
    },
    setIfAbsent: newRow(message),
    remove: ['nextDueAtMs', ...advanceMarks],
  });
  if (met) {
    const delivery = decodeClaimed(rowReader(item, key, settings.tableName), key);
    return { kind: 'claimed', delivery };
  }
  return item === undefined
    ? leasedBySomebody(nowMs)
    : judgeRefusal(settings, item, { ...request, claimId });
}

/** What is still to do, and what is asked of the channel, is from then on the row's to say, never the queue message's. */
function newRow(message: PreparedMessage): Item {
  return {
    recipients: text(encodeNewRecipients(newRecipients(message))),
    envelope: text(encodeEnvelope(message)),
    ...encodeRedacted(message),
    demand: text(encodeDemand(message.prepared)),
    // For the lists of what waits, should it be put off.
    mailFrom: text(message.mailFrom),
    submittedAtMs: integer(Date.parse(message.submittedAt)),
  };
}

/** What tells a row that is only operators' word from one that is finished: it is removed when neither is true any more. */
const advanceMarks = ['advance', 'removeAtSeconds'] as const;

/** Why the row did not let itself be claimed. */
function judgeRefusal(
  { tableName }: Settings,
  item: Item,
  request: ClaimRequest & { readonly claimId: string },
): ClaimResult {
  const { message, nowMs, claimId } = request;
  const key = { id: message.id, domain: message.prepared.domain };
  const row = rowReader(item, key, tableName);
  const stop = request.evenIfStopped === true ? undefined : readStop(row);
  if (row.has('advance')) {
    return stop ?? leasedBySomebody(nowMs);
  }
  if (row.text('hash') !== message.prepared.hash) {
    return { kind: 'conflict' };
  }
  const attempt = row.integer('attempt');
  const settled = row.flag('settled');
  if (!settled && row.has('claimId') && row.text('claimId') === claimId) {
    // The write was applied, its answer was lost, and the SDK's second try met what the first had done.
    return { kind: 'claimed', delivery: decodeClaimed(row, key) };
  }
  const isPast = attempt > message.attempt || (attempt === message.attempt && settled);
  if (isPast || row.has('removeAtSeconds')) {
    return { kind: 'done' };
  }
  if (stop?.kind === 'held' && stop.isKept) {
    return stop;
  }
  const untilMs = row.integer('leaseEndMs');
  return untilMs > nowMs && !settled
    ? { kind: 'leased', untilMs }
    : (stop ?? leasedBySomebody(nowMs));
}

/** The operators' word that stopped the claim, if one did. */
function readStop(row: ItemReader): ClaimResult | undefined {
  if (row.has('cancelled')) {
    return { kind: 'cancelled', cancellation: row.json('cancelled', cancellationSchema) };
  }
  return row.has('held') ? { kind: 'held', isKept: row.has('content') } : undefined;
}

/** The row changed between the refusal and the look at it: somebody is at it this moment, ask again at once. */
function leasedBySomebody(nowMs: number): ClaimResult {
  return { kind: 'leased', untilMs: nowMs };
}

/** The claim is still the caller's. A release takes the token away, a later claim replaces it. */
const ownClaimCondition = '#token = :token AND #attempt = :attempt AND #settled = :no';

function ownClaim({ token, attempt }: ClaimedDelivery): Item {
  return { token: text(token), attempt: integer(attempt), no: flag(false) };
}

async function settle(settings: Settings, settlement: Settlement): Promise<boolean> {
  const { delivery, next, nowMs } = settlement;
  assertSettlement(settlement);
  const why = boundWhy(settlement.why);
  // The row keeps the last attempt's record only, so that of an attempt with a successor is also kept apart.
  const whyNote = next === undefined ? undefined : await keepWhy(settings, settlement, why);
  const recipients = encodeSettledRecipients(settlement.recipients);
  const note = [whyNote, recipients.note].filter((each) => each !== undefined).join('; ');
  const removeAtSeconds = Math.floor(nowMs / 1_000) + settings.historyDays * 86_400;
  const { met, item } = await updateIf(settings, {
    key: deliveryKey(delivery),
    condition: ownClaimCondition,
    conditionValues: ownClaim(delivery),
    set: {
      settled: flag(true),
      settledAtMs: integer(nowMs),
      recipients: text(recipients.json),
      why: text(JSON.stringify(why)),
      ...(settlement.delayNotified === true && { delayNotified: flag(true) }),
      ...(note !== '' && { note: text(note) }),
      ...(next === undefined
        ? { removeAtSeconds: integer(removeAtSeconds) }
        : {
            waiting: text(waitingShard(delivery.id)),
            nextDueAtMs: integer(next.dueAtMs),
            content: text(JSON.stringify(next.content)),
          }),
    },
    remove: [
      ...(note === '' ? ['note'] : []),
      // What is finished waits no more, nobody needs to release it, and nothing of it goes out again.
      ...(next === undefined ? ['waiting', 'held', 'cancelled', 'nextDueAtMs', 'redacted'] : []),
    ],
  });
  return met || (item !== undefined && isSettledBy(settings, item, delivery));
}

/** Whether the row is settled under this very claim: by a write whose answer was lost, or by an earlier call. */
function isSettledBy({ tableName }: Settings, item: Item, delivery: ClaimedDelivery): boolean {
  const row = rowReader(item, delivery, tableName);
  return (
    row.has('token') &&
    row.text('token') === delivery.token &&
    row.integer('attempt') === delivery.attempt &&
    row.flag('settled')
  );
}

/**
 * Writes the attempt's record as an item of its own; returns a note where it could not. The record is for people:
 * for want of it the row must not stay unsettled after SMTP, or a second copy would go out.
 */
async function keepWhy(
  { client, tableName, historyDays }: Settings,
  { delivery, nowMs }: Settlement,
  why: WhyRecord,
): Promise<string | undefined> {
  const item = {
    ...whyKey(delivery, delivery.attempt),
    why: text(JSON.stringify(why)),
    removeAtSeconds: integer(historyEndSeconds(nowMs, historyDays)),
  };
  try {
    await client.send(new PutItemCommand({ TableName: tableName, Item: item }));
    return undefined;
  } catch (error) {
    const { message } = storeUnavailable(`PutItem on table ${tableName}`, error);
    return `why record of attempt ${delivery.attempt} not kept apart: ${message}`.slice(0, 500);
  }
}

async function park(settings: Settings, message: PreparedMessage, nowMs: number): Promise<boolean> {
  const { id, attempt, content, prepared } = message;
  if (!('bucket' in content)) {
    throw new TypeError('content that waits is kept in the bucket');
  }
  const { hash, domain } = prepared;
  const { met, item } = await updateIf(settings, {
    key: deliveryKey({ id, domain }),
    condition:
      'attribute_exists(#held) AND attribute_not_exists(#cancelled) AND attribute_not_exists(#content) AND ' +
      '(#advance = :yes OR #hash = :hash AND attribute_not_exists(#removeAtSeconds) AND #leaseEndMs <= :nowMs)',
    conditionValues: { yes: flag(true), nowMs: integer(nowMs) },
    set: {
      hash: text(hash),
      content: text(JSON.stringify(content)),
      waiting: text(waitingShard(id)),
      nextDueAtMs: integer(nowMs),
    },
    setIfAbsent: {
      attempt: integer(attempt - 1),
      settled: flag(true),
      leaseEndMs: integer(0),
      ...newRow(message),
    },
    remove: advanceMarks,
  });
  // Also where the write was applied, its answer was lost, and the SDK's second try met what the first had done.
  return (
    met ||
    (item?.['held'] !== undefined && item['content'] !== undefined && item['hash']?.S === hash)
  );
}

async function release(settings: Settings, delivery: ClaimedDelivery): Promise<void> {
  // Where the condition is not met the claim is not ours to end, or has been ended: nothing to do.
  await updateIf(settings, {
    key: deliveryKey(delivery),
    condition: ownClaimCondition,
    conditionValues: ownClaim(delivery),
    set: { leaseEndMs: integer(0) },
    remove: ['token', 'claimId'],
  });
}
