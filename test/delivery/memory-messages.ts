/** The message store in memory. */
import {
  assertSettlement,
  encodeDemand,
  encodeEnvelope,
  newRecipients,
} from '../../functions/adapters/aws/delivery-row.ts';
import type { MessageTable } from '../../functions/adapters/aws/message-table.ts';
import {
  boundWhy,
  encodeNewRecipients,
  encodeSettledRecipients,
} from '../../functions/adapters/aws/row-limits.ts';
import type {
  Cancellation,
  ClaimedDelivery,
  ClaimRequest,
  ClaimResult,
  DeliveryDemand,
  RecipientState,
  Settlement,
} from '../../functions/delivery/ports.ts';
import type {
  AdvanceNote,
  DeliveryRow,
  HeldNote,
  RowEnvelope,
  StoredContent,
} from '../../functions/delivery/stored-delivery.ts';
import type { WhyRecord } from '../../functions/delivery/why.ts';
import type {
  ContentReference,
  PreparedMessage,
} from '../../functions/submission/queue-message.ts';
import { copy, type Run } from './boundaries.ts';

/** A delivery's row, and whether the lists of what waits show it. */
export interface MemoryRow {
  readonly hash: string;
  attempt: number;
  settled: boolean;
  token: string | undefined;
  leaseEndMs: number;
  recipients: readonly RecipientState[];
  envelope: RowEnvelope;
  waiting: boolean;
  demand: DeliveryDemand;
  held?: HeldNote;
  cancelled?: Cancellation;
  content?: StoredContent;
  delayNotified?: true;
  nextDueAtMs?: number;
  settledAtMs?: number;
  why?: WhyRecord;
  note?: string;
}

export function createMemoryMessages(run: Run): {
  readonly messages: MessageTable;
  readonly whyHistory: readonly WhyRecord[];
  /** By `id#domain`; what operators do to them is in test/operating/memory-control.ts. */
  readonly rows: Map<string, MemoryRow>;
  /** What is asked of deliveries without a row, by the same keys. */
  readonly advance: Map<string, AdvanceNote>;
} {
  const rows = new Map<string, MemoryRow>();
  const advance = new Map<string, AdvanceNote>();
  const whyHistory: WhyRecord[] = [];
  const ownRow = ({ id, domain, token, attempt }: ClaimedDelivery): MemoryRow | undefined => {
    const row = rows.get(`${id}#${domain}`);
    return row?.token === token && row.attempt === attempt ? row : undefined;
  };
  const messages: MessageTable = {
    claim: (request) => run('claim', () => claimRow({ rows, advance }, request)),
    settle: (settlement) =>
      run('settle', () => {
        assertSettlement(settlement);
        const row = ownRow(settlement.delivery);
        if (row !== undefined && !row.settled) {
          settleRow(row, settlement, whyHistory);
        }
        return row !== undefined;
      }),
    park: (message, nowMs) => run('park', () => parkRow({ rows, advance }, message, nowMs)),
    release: (delivery) =>
      run('release', () => {
        const row = ownRow(delivery);
        if (row !== undefined && !row.settled) {
          row.leaseEndMs = 0;
          row.token = undefined;
        }
      }),
    ...createMemoryShares(run),
    readDelivery: async (id, domain) => viewOf(rows.get(`${id}#${domain}`), id, domain),
  };
  return { messages, whyHistory, rows, advance };
}

function createMemoryShares(run: Run): Pick<MessageTable, 'shareContent' | 'leaveContent'> {
  const open = new Map<string, Set<number>>();
  return {
    shareContent: (content, parts) =>
      run('shareContent', () => {
        const { key } = assertKept(content);
        if (!open.has(key)) {
          open.set(key, new Set(Array.from({ length: parts }, (_, part) => part)));
        }
      }),
    leaveContent: (content, part) =>
      run('leaveContent', () => {
        const parts = open.get(assertKept(content).key);
        parts?.delete(part);
        return parts?.size === 0;
      }),
  };
}

interface Rows {
  readonly rows: Map<string, MemoryRow>;
  readonly advance: Map<string, AdvanceNote>;
}

function keyOf({ id, prepared }: PreparedMessage): string {
  return `${id}#${prepared.domain}`;
}

/** The row as it is, or as it would be made now. */
function rowOf({ rows, advance }: Rows, message: PreparedMessage): MemoryRow {
  const { attempt, prepared } = message;
  const recipientsJson = encodeNewRecipients(newRecipients(message));
  const { domain: _domain, ...asked } = advance.get(keyOf(message)) ?? {};
  return (
    rows.get(keyOf(message)) ?? {
      hash: prepared.hash,
      attempt: attempt - 1,
      settled: true,
      token: undefined,
      leaseEndMs: 0,
      recipients: JSON.parse(recipientsJson) as readonly RecipientState[],
      envelope: {
        ...(JSON.parse(encodeEnvelope(message)) as RowEnvelope),
        ...(message.redacted !== undefined && { redacted: copy(message.redacted) }),
      },
      waiting: false,
      demand: JSON.parse(encodeDemand(prepared)) as DeliveryDemand,
      ...copy(asked),
    }
  );
}

function claimRow(stored: Rows, request: ClaimRequest): ClaimResult {
  const { message, token, nowMs, leaseEndMs, evenIfStopped = false } = request;
  const { id, attempt, prepared } = message;
  const row = rowOf(stored, message);
  if (row.hash !== prepared.hash) {
    return { kind: 'conflict' };
  }
  const isFinished = row.recipients.every(({ state }) => state !== 'pending');
  if (isFinished || row.attempt > attempt || (row.attempt === attempt && row.settled)) {
    return { kind: 'done' };
  }
  const stop = evenIfStopped ? undefined : stopOf(row);
  if (stop?.kind === 'held' && stop.isKept) {
    return stop;
  }
  if (!row.settled && row.leaseEndMs > nowMs) {
    return { kind: 'leased', untilMs: row.leaseEndMs };
  }
  if (stop !== undefined) {
    return stop;
  }
  Object.assign(row, { attempt, settled: false, token, leaseEndMs });
  if ('bucket' in message.content) {
    row.content = copy(message.content);
  }
  delete row.nextDueAtMs;
  keep(stored, message, row);
  const { domain } = prepared;
  const { recipients, demand, delayNotified } = row;
  const told = delayNotified === undefined ? {} : { delayNotified };
  return { kind: 'claimed', delivery: { id, domain, attempt, token, recipients, demand, ...told } };
}

function stopOf({ cancelled, held, content }: MemoryRow): ClaimResult | undefined {
  if (cancelled !== undefined) {
    return { kind: 'cancelled', cancellation: copy(cancelled) };
  }
  return held === undefined ? undefined : { kind: 'held', isKept: content !== undefined };
}

function keep({ rows, advance }: Rows, message: PreparedMessage, row: MemoryRow): void {
  rows.set(keyOf(message), row);
  advance.delete(keyOf(message));
}

function parkRow(stored: Rows, message: PreparedMessage, nowMs: number): boolean {
  const content = assertKept(copy(message.content));
  const row = rowOf(stored, message);
  if (row.hash !== message.prepared.hash || row.held === undefined) {
    return false;
  }
  if (row.content !== undefined) {
    return true;
  }
  if (row.cancelled !== undefined || (!row.settled && row.leaseEndMs > nowMs)) {
    return false;
  }
  Object.assign(row, { content, waiting: true, nextDueAtMs: nowMs });
  keep(stored, message, row);
  return true;
}

function settleRow(row: MemoryRow, settlement: Settlement, whyHistory: WhyRecord[]): void {
  const { recipients, next, nowMs } = settlement;
  const { json, note } = encodeSettledRecipients(recipients);
  const why = copy(boundWhy(settlement.why));
  Object.assign(row, { settled: true, settledAtMs: nowMs, recipients: JSON.parse(json), why });
  if (note !== undefined) {
    row.note = note;
  }
  if (settlement.delayNotified === true) {
    row.delayNotified = true;
  }
  if (next === undefined) {
    delete row.held;
    delete row.cancelled;
    delete row.nextDueAtMs;
    const { redacted: _redacted, ...envelope } = row.envelope;
    row.envelope = envelope;
    row.waiting = false;
  } else {
    row.waiting = true;
    row.nextDueAtMs = next.dueAtMs;
    row.content = assertKept(copy(next.content));
    whyHistory.push(why);
  }
}

export function viewOf(
  row: MemoryRow | undefined,
  id: string,
  domain: string,
): DeliveryRow | undefined {
  if (row === undefined) {
    return undefined;
  }
  const { hash: _hash, settled, token: _token, waiting: _waiting, ...rest } = row;
  const pending = row.recipients.some(({ state }) => state === 'pending');
  const settledState = pending ? 'deferred' : 'finished';
  return copy({ id, domain, state: settled ? settledState : 'attempting', ...rest });
}

/** A bug where it is not so: an inline body would end with its queue message. */
export function assertKept(content: ContentReference): StoredContent {
  if (!('bucket' in content)) {
    throw new TypeError('content that waits for another attempt is kept in the bucket');
  }
  return content;
}
