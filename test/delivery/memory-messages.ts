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
  ClaimedDelivery,
  ClaimRequest,
  ClaimResult,
  DeliveryDemand,
  RecipientState,
  Settlement,
} from '../../functions/delivery/ports.ts';
import type {
  DeliveryRow,
  HeldNote,
  RowEnvelope,
  StoredContent,
} from '../../functions/delivery/stored-delivery.ts';
import type { WhyRecord } from '../../functions/delivery/why.ts';
import type { ContentReference } from '../../functions/submission/queue-message.ts';
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
} {
  const rows = new Map<string, MemoryRow>();
  const whyHistory: WhyRecord[] = [];
  const ownRow = ({ id, domain, token, attempt }: ClaimedDelivery): MemoryRow | undefined => {
    const row = rows.get(`${id}#${domain}`);
    return row?.token === token && row.attempt === attempt ? row : undefined;
  };
  const messages: MessageTable = {
    claim: (request) => run('claim', () => claimRow(rows, request)),
    settle: (settlement) =>
      run('settle', () => {
        assertSettlement(settlement);
        const row = ownRow(settlement.delivery);
        if (row !== undefined && !row.settled) {
          settleRow(row, settlement, whyHistory);
        }
        return row !== undefined;
      }),
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
  return { messages, whyHistory, rows };
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

function claimRow(rows: Map<string, MemoryRow>, request: ClaimRequest): ClaimResult {
  const { message, token, nowMs, leaseEndMs } = request;
  const { id, attempt, prepared } = message;
  const key = `${id}#${prepared.domain}`;
  const recipientsJson = encodeNewRecipients(newRecipients(message));
  const row = rows.get(key) ?? {
    hash: prepared.hash,
    attempt: 0,
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
  };
  if (row.hash !== prepared.hash) {
    return { kind: 'conflict' };
  }
  const isFinished = row.recipients.every(({ state }) => state !== 'pending');
  if (isFinished || row.attempt > attempt || (row.attempt === attempt && row.settled)) {
    return { kind: 'done' };
  }
  if (row.held !== undefined && request.evenIfHeld !== true) {
    return { kind: 'held' };
  }
  if (!row.settled && row.leaseEndMs > nowMs) {
    return { kind: 'leased', untilMs: row.leaseEndMs };
  }
  Object.assign(row, { attempt, settled: false, token, leaseEndMs });
  if ('bucket' in message.content) {
    row.content = copy(message.content);
  }
  delete row.nextDueAtMs;
  rows.set(key, row);
  const { domain } = prepared;
  const { recipients, demand, delayNotified } = row;
  const told = delayNotified === undefined ? {} : { delayNotified };
  return { kind: 'claimed', delivery: { id, domain, attempt, token, recipients, demand, ...told } };
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
