/**
 * Settling an attempt, in the order that loses nothing: first the next attempt is written down, then the row is
 * settled under our claim; only after that may the queue message be let go.
 */
import { type FailureCode, failures } from '../protocol/errors.ts';
import type { RecipientResult } from '../protocol/smtp/transaction.ts';
import { contentName, type PreparedMessage } from '../submission/queue-message.ts';
import { type Conclusion, concludeExpired } from './conclude.ts';
import type { DeliveryContext } from './context.ts';
import { type DeliveryPlan, notePolicy } from './plan-delivery.ts';
import type { ClaimedDelivery, RecipientState } from './ports.ts';
import { nextAttemptAt } from './retry-schedule.ts';
import type { Decision, HostNote, RecipientNote, WhyRecord } from './why.ts';

/** A message under our claim. */
export interface ClaimedMessage {
  readonly message: PreparedMessage;
  readonly delivery: ClaimedDelivery;
  readonly startedAtMs: number;
  /** As handed in; read when it is first asked for, and not again. Rejects as `ContentStore.read` does. */
  readonly content: () => Promise<Uint8Array>;
}

/** What became of one recipient: the peer's word, or a verdict of ours with the status that goes with it. */
export type AttemptResult = RecipientResult | (Conclusion & { readonly reply?: never });

/** What an attempt came to, for every recipient that was pending, in their order. */
export interface AttemptOutcome {
  readonly results: readonly AttemptResult[];
  /** The row of the channel table that decided. */
  readonly row: string;
  readonly plan: DeliveryPlan;
  readonly hosts: readonly HostNote[];
}

/** Recipients of the delivery that are still to be done. */
export function pendingRecipients({ recipients }: ClaimedDelivery): RecipientState[] {
  return recipients.filter(({ state }) => state === 'pending');
}

/**
 * Writes an attempt's outcome. Rejects when something could not be written: then the queue message must stay.
 */
export async function settleDelivery(
  claimed: ClaimedMessage,
  outcome: AttemptOutcome,
  context: DeliveryContext,
): Promise<void> {
  const { ports } = context;
  const nowMs = ports.now();
  const expired = nowMs >= Date.parse(claimed.message.expiresAt);
  const notes = outcome.results.map((result) => judgeRecipient(result, expired));
  const recipients = mergeRecipients(claimed.delivery, notes);
  const isPending = recipients.some(({ state }) => state === 'pending');
  const next = isPending ? await scheduleNext(claimed, context, nowMs) : undefined;
  const why = describeAttempt(claimed, outcome, {
    notes: pendingRecipients(claimed.delivery).map(({ address }, index) => ({
      address,
      ...requireNote(notes[index]),
    })),
    nowMs,
    next,
  });
  const settled = await ports.messages.settle({
    delivery: claimed.delivery,
    recipients,
    ...(next === undefined ? {} : { next }),
    why,
    nowMs,
  });
  if (!settled) {
    // Somebody else took the attempt over after our lease ran out; what they do is in the row.
    ports.observe({ kind: 'fault', error: new Error(`claim of ${claimed.delivery.id} was lost`) });
  }
  observeOutcome(notes, nowMs - claimed.startedAtMs, ports.observe);
}

type Note = Omit<RecipientNote, 'address'> & {
  readonly code?: FailureCode;
  readonly reason: string;
};

/** A recipient's fate; what would be deferred beyond the message's time has failed (RFC 5321 §4.5.4.1). */
function judgeRecipient(result: AttemptResult, expired: boolean): Note {
  if (result.outcome === 'delivered') {
    const reply = describeReply(result);
    return { outcome: 'delivered', status: result.reply.enhanced ?? '2.0.0', reply, reason: reply };
  }
  const reply = result.reply === undefined ? undefined : describeReply(result);
  const status = result.reply?.enhanced ?? ownStatus(result);
  const note = {
    code: result.code,
    reason: result.reason,
    ...(reply === undefined ? {} : { reply }),
  };
  if (result.outcome === 'deferred' && expired) {
    const {
      code,
      reason,
      status: expiredStatus,
    } = concludeExpired({
      outcome: 'deferred',
      code: result.code,
      status,
      reason: reply ?? result.reason,
    });
    return { ...note, outcome: 'failed', code, reason, status: expiredStatus };
  }
  return { ...note, outcome: result.outcome, status };
}

/** Without an enhanced code of the peer's: the table's, with the class that fits (RFC 3463 §2). */
function ownStatus(result: Exclude<AttemptResult, { outcome: 'delivered' }>): string {
  if ('status' in result) {
    return result.status;
  }
  const { status } = failures[result.code];
  return `${result.outcome === 'deferred' ? '4' : '5'}${status.slice(1)}`;
}

function describeReply({ reply }: AttemptResult): string {
  return reply === undefined
    ? ''
    : [reply.code, reply.enhanced, reply.lines.join(' ')].filter(Boolean).join(' ').slice(0, 1_000);
}

function mergeRecipients(delivery: ClaimedDelivery, notes: readonly Note[]): RecipientState[] {
  let index = 0;
  return delivery.recipients.map((recipient) => {
    if (recipient.state !== 'pending') {
      return recipient;
    }
    const { outcome, status, reply, reason } = requireNote(notes[index]);
    index += 1;
    const state = outcome === 'deferred' ? 'pending' : outcome;
    return { ...recipient, state, status, diagnostic: reply ?? reason };
  });
}

function requireNote(note: Note | undefined): Note {
  if (note === undefined) {
    throw new RangeError('an attempt has a result for every pending recipient');
  }
  return note;
}

/** Step 1: the retry item n+1, with the content where it will outlive the queue message. */
async function scheduleNext(
  { message, delivery, content }: ClaimedMessage,
  { ports }: DeliveryContext,
  nowMs: number,
): Promise<{ dueAtMs: number; content: PreparedMessage['content'] }> {
  const kept =
    'data' in message.content
      ? await ports.contents.keep(contentName(message), await content())
      : message.content;
  const { attempt } = delivery;
  const dueAtMs = nextAttemptAt({ attempt, nowMs, id: message.id });
  await ports.retries.put({ ...message, content: kept, attempt: attempt + 1 }, dueAtMs);
  return { dueAtMs, content: kept };
}

function describeAttempt(
  { message, delivery, startedAtMs }: ClaimedMessage,
  { plan, hosts, row }: AttemptOutcome,
  outcome: {
    readonly notes: readonly (Note & RecipientNote)[];
    readonly nowMs: number;
    readonly next: { dueAtMs: number } | undefined;
  },
): WhyRecord {
  const { prepared } = message;
  return {
    version: 1,
    id: delivery.id,
    domain: delivery.domain,
    attempt: delivery.attempt,
    startedAt: new Date(startedAtMs).toISOString(),
    endedAt: new Date(outcome.nowMs).toISOString(),
    demand: {
      level: plan.demand,
      reason: plan.demandReason ?? prepared.demandReason,
    },
    lookups: plan.lookups,
    policy: notePolicy(plan.sts),
    hosts,
    recipients: outcome.notes.map(({ address, outcome: fate, status, reply }) => ({
      address,
      outcome: fate,
      status,
      ...(reply === undefined ? {} : { reply }),
    })),
    decision: decide(row, outcome.notes, outcome.next),
  };
}

/** One line over all recipients; the worst of them speaks. */
function decide(
  row: string,
  notes: readonly Note[],
  next: { dueAtMs: number } | undefined,
): Decision {
  const kinds = new Set(notes.map(({ outcome }) => outcome));
  const [only] = kinds;
  const worst =
    notes.find(({ outcome }) => outcome === 'failed') ??
    notes.find(({ outcome }) => outcome === 'deferred') ??
    requireNote(notes[0]);
  return {
    row,
    outcome: kinds.size === 1 && only !== undefined ? only : 'partly',
    ...(worst.code === undefined ? {} : { code: worst.code }),
    status: worst.status,
    reason: worst.reason,
    ...(next === undefined ? {} : { nextAttemptAt: new Date(next.dueAtMs).toISOString() }),
  };
}

function observeOutcome(
  notes: readonly Note[],
  elapsedMs: number,
  observe: DeliveryContext['ports']['observe'],
): void {
  for (const outcome of ['delivered', 'deferred', 'failed'] as const) {
    const count = notes.filter((note) => note.outcome === outcome).length;
    if (count > 0) {
      observe({ kind: 'recipients', outcome, count });
    }
  }
  observe({ kind: 'attempt', seconds: elapsedMs / 1000 });
}
