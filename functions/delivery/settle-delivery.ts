/**
 * Settling an attempt, in the order that loses nothing: first the next attempt is written down and the sender told,
 * then the row is settled under our claim; only after that may the queue message be let go.
 */
import { failures } from '../protocol/errors.ts';
import { type Greylisting, readGreylisting } from '../protocol/smtp/greylisting.ts';
import { attemptsMax } from '../submission/limits.ts';
import {
  type ContentReference,
  contentName,
  type PreparedMessage,
} from '../submission/queue-message.ts';
import type { AttemptOutcome, AttemptResult, ClaimedMessage, Fate } from './attempt.ts';
import { concludeExpired } from './conclude.ts';
import type { SettlingContext } from './context.ts';
import { freeContent } from './free-content.ts';
import { notifySender, type Told } from './notify-sender.ts';
import { notePolicy } from './plan-delivery.ts';
import type { ClaimedDelivery, ContentStore, RecipientState } from './ports.ts';
import { scheduleAttempt } from './retry-schedule.ts';
import type { Decision, WhyRecord } from './why.ts';

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
  context: SettlingContext,
): Promise<void> {
  const { ports } = context;
  const { delivery } = claimed;
  const nowMs = ports.now();
  const fates = judgeRecipients(claimed, outcome.results, nowMs);
  const isPending = fates.some((fate) => fate.outcome === 'deferred');
  const next = isPending ? await scheduleNext(claimed, outcome, context) : undefined;
  const told = await tellSender(claimed, { outcome, fates, next, nowMs }, context);
  const settled = await ports.messages.settle({
    delivery,
    recipients: mergeRecipients(delivery, fates),
    ...(next === undefined ? {} : { next }),
    why: describeAttempt(claimed, outcome, { fates, nowMs, next }),
    ...(told.delay ? { delayNotified: true as const } : {}),
    nowMs,
  });
  if (!settled) {
    // Somebody else took the attempt over after our lease ran out; what they do is in the row.
    ports.observe({ kind: 'fault', error: new Error(`claim of ${delivery.id} was lost`) });
  } else if (next === undefined) {
    await freeContent(claimed, context);
  }
  observeFates(claimed, fates, context);
  ports.observe({ kind: 'attempt', seconds: (nowMs - claimed.startedAtMs) / 1_000 });
}

async function tellSender(
  claimed: ClaimedMessage,
  attempt: {
    readonly outcome: AttemptOutcome;
    readonly fates: readonly Fate[];
    readonly next: { readonly dueAtMs: number } | undefined;
    readonly nowMs: number;
  },
  context: SettlingContext,
): Promise<Told> {
  const { outcome, fates, next, nowMs } = attempt;
  return outcome.isSilent === true
    ? { delay: false }
    : notifySender(
        claimed,
        { fates, peer: outcome.peer, nowMs, nextDueAtMs: next?.dueAtMs },
        context,
      );
}

function judgeRecipients(
  { message, delivery }: ClaimedMessage,
  results: readonly AttemptResult[],
  nowMs: number,
): Fate[] {
  // Beyond the last attempt that a queue message can have there is none, whatever an operator repeats.
  const expired = nowMs >= Date.parse(message.expiresAt) || delivery.attempt >= attemptsMax;
  return pendingRecipients(delivery).map((recipient, index) => {
    const result = results[index];
    if (result === undefined) {
      throw new RangeError('an attempt has a result for every pending recipient');
    }
    return { recipient, ...judgeResult(result, expired) };
  });
}

/** A recipient's fate; what would be deferred beyond the message's time has failed (RFC 5321 §4.5.4.1). */
function judgeResult(result: AttemptResult, expired: boolean): Omit<Fate, 'recipient'> {
  if (result.outcome === 'delivered') {
    const { reply: peerReply } = result;
    const reply = describeReply(result);
    const status = peerReply.enhanced ?? '2.0.0';
    return { outcome: 'delivered', status, reply, reason: reply, peerReply };
  }
  const { code, reason, reply: peerReply } = result;
  const reply = peerReply === undefined ? undefined : describeReply(result);
  const status = peerReply?.enhanced ?? ownStatus(result);
  const words = {
    ...(reply === undefined ? {} : { reply }),
    ...(peerReply === undefined ? describeHost(result) : { peerReply }),
  };
  if (result.outcome === 'deferred' && expired) {
    const end = concludeExpired({ outcome: 'deferred', code, status, reason: reply ?? reason });
    return { ...words, ...end, lastCode: code };
  }
  return { ...words, outcome: result.outcome, status, code, reason };
}

/** Of a verdict that was reached without a transaction: whose it is, and by what word. */
function describeHost(result: AttemptResult): Pick<Fate, 'host' | 'peerReply'> {
  if (!('status' in result)) {
    return {};
  }
  const { host, refusal: peerReply } = result;
  return {
    ...(host === undefined ? {} : { host }),
    ...(peerReply === undefined ? {} : { peerReply }),
  };
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

/** All of the delivery's recipients; the fates are of those that were pending, in order. */
function mergeRecipients(delivery: ClaimedDelivery, fates: readonly Fate[]): RecipientState[] {
  const left = [...fates];
  return delivery.recipients.map((recipient) => {
    const fate = recipient.state === 'pending' ? left.shift() : undefined;
    if (fate === undefined) {
      return recipient;
    }
    const { outcome, status, reply, reason } = fate;
    const state = outcome === 'deferred' ? 'pending' : outcome;
    return { ...recipient, state, status, diagnostic: reply ?? reason };
  });
}

/** Step 1: the retry item n+1, with the content where it will outlive the queue message. */
async function scheduleNext(
  { message, delivery, content }: ClaimedMessage,
  { results, isUnreachable = false }: AttemptOutcome,
  { ports, settings }: SettlingContext,
): Promise<{ dueAtMs: number; content: PreparedMessage['content'] }> {
  const kept = await keepContent(message, content, ports.contents);
  const { attempt, domain } = delivery;
  const dueAtMs = scheduleAttempt({
    attempt,
    nowMs: ports.now(),
    id: message.id,
    submittedAtMs: Date.parse(message.submittedAt),
    expiresAtMs: Date.parse(message.expiresAt),
    hasSender: message.mailFrom !== '',
    greylisting: findGreylisting(results),
    isBackingOff: results.some(
      (each) => each.outcome === 'deferred' && each.code === 'backing-off',
    ),
    settings,
  });
  const next = { ...message, content: kept, attempt: attempt + 1 };
  await ports.retries.put(next, dueAtMs, isUnreachable ? domain : undefined);
  return { dueAtMs, content: kept };
}

/** The content where it will outlive the queue message. */
export async function keepContent(
  message: PreparedMessage,
  read: () => Promise<Uint8Array>,
  contents: Pick<ContentStore, 'keep'>,
): Promise<ContentReference> {
  return 'data' in message.content
    ? contents.keep(contentName(message), await read())
    : message.content;
}

/** Of several recipients that are greylisted the longest wait, so that one attempt serves all. */
function findGreylisting(results: readonly AttemptResult[]): Greylisting | undefined {
  const found = results.flatMap(({ outcome, reply }) =>
    outcome === 'deferred' && reply !== undefined ? (readGreylisting(reply) ?? []) : [],
  );
  if (found.length === 0) {
    return undefined;
  }
  const announced = found.flatMap(({ waitSeconds }) => waitSeconds ?? []);
  return announced.length === 0 ? {} : { waitSeconds: Math.max(...announced) };
}

function describeAttempt(
  { message, delivery, startedAtMs }: ClaimedMessage,
  { plan, hosts, row }: AttemptOutcome,
  outcome: {
    readonly fates: readonly Fate[];
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
    recipients: outcome.fates.map(({ recipient, outcome: fate, status, reply }) => ({
      address: recipient.address,
      outcome: fate,
      status,
      ...(reply === undefined ? {} : { reply }),
    })),
    decision: decide(row, outcome.fates, outcome.next),
  };
}

/** One line over all recipients; the worst of them speaks. */
function decide(
  row: string,
  fates: readonly Fate[],
  next: { readonly dueAtMs: number } | undefined,
): Decision {
  const kinds = new Set(fates.map(({ outcome }) => outcome));
  const [only] = kinds;
  const worst =
    fates.find(({ outcome }) => outcome === 'failed') ??
    fates.find(({ outcome }) => outcome === 'deferred') ??
    fates[0];
  if (worst === undefined) {
    throw new RangeError('an attempt has at least one pending recipient');
  }
  return {
    row,
    outcome: kinds.size === 1 && only !== undefined ? only : 'partly',
    ...(worst.code === undefined ? {} : { code: worst.code }),
    status: worst.status,
    reason: worst.reason,
    ...(next === undefined ? {} : { nextAttemptAt: new Date(next.dueAtMs).toISOString() }),
  };
}

function observeFates(
  { message, delivery }: ClaimedMessage,
  fates: readonly Fate[],
  { ports: { observe } }: SettlingContext,
): void {
  for (const outcome of ['delivered', 'deferred', 'failed'] as const) {
    const count = fates.filter((fate) => fate.outcome === outcome).length;
    if (count > 0) {
      observe({ kind: 'recipients', outcome, count });
    }
  }
  const inDoubt = fates.filter(({ code, lastCode }) => (lastCode ?? code) === 'in-doubt').length;
  if (inDoubt > 0) {
    observe({ kind: 'in-doubt', count: inDoubt });
  }
  const dropped =
    message.mailFrom === '' ? fates.filter(({ outcome }) => outcome === 'failed') : [];
  const [first] = dropped;
  if (first !== undefined) {
    const { id, domain } = delivery;
    observe({ kind: 'dropped', id, domain, count: dropped.length, reason: first.reason });
  }
}
