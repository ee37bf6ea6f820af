/** Messages and what waits, for people. */
import type {
  AdvanceNote,
  DeliveryRow,
  WaitingDelivery,
} from '../../functions/delivery/stored-delivery.ts';
import type { WhyRecord } from '../../functions/delivery/why.ts';
import type { ActResult } from '../../functions/operating/act-on-queue.ts';
import type { ListedDeadLetter } from '../../functions/operating/dead-letters.ts';
import type { QueueAction, StoredMessage } from '../../functions/operating/ports.ts';
import type { ShownMessage } from '../../functions/operating/show-message.ts';
import { formatFacts, formatTable, formatTime, printable } from './format-table.ts';
import { formatWhy } from './format-why.ts';

/** A line for each delivery that waits. */
export function formatWaiting(deliveries: readonly WaitingDelivery[]): string {
  return formatTable(
    ['submitted', 'id', 'to domain', 'from', 'attempts', 'next attempt'],
    deliveries.map((each) => [
      formatTime(each.submittedAtMs),
      each.id,
      each.domain,
      `<${each.mailFrom}>`,
      String(each.attempt),
      formatNext(each),
    ]),
  );
}

function formatNext({
  nextDueAtMs,
  ...stops
}: Pick<DeliveryRow, 'held' | 'cancelled' | 'nextDueAtMs'>): string {
  return formatStop(stops) ?? (nextDueAtMs === undefined ? 'under way' : formatTime(nextDueAtMs));
}

/** Why no attempt begins, by an operator's word; undefined where one may. */
function formatStop({
  held,
  cancelled,
}: Pick<DeliveryRow, 'held' | 'cancelled'>): string | undefined {
  if (cancelled !== undefined) {
    return `cancelled by ${cancelled.author}: ${cancelled.reason}`;
  }
  return held && `held by ${held.author}: ${held.reason}`;
}

/** A message and its deliveries, without the records of their attempts. */
export function formatMessage({ id, whole, parts, omittedParts }: ShownMessage): string {
  const head = formatFacts([
    ['message', id],
    ['from', whole && `<${whole.mailFrom}>`],
    ['submitted', whole && `${formatTime(whole.submittedAt)} by ${whole.by ?? whole.via}`],
    ['expires', whole && formatTime(whole.expiresAt)],
    ['bytes', whole && String(whole.bytes)],
  ]);
  const begun = new Set(
    parts.flatMap(({ deliveries, advance }) =>
      [...deliveries, ...advance].map(({ domain }) => domain),
    ),
  );
  const untouched = (whole?.parts ?? [])
    .filter(({ domain }) => !begun.has(domain))
    .map(({ domain, id: partId, demand, demandReason, recipients }) =>
      [
        `${domain}: in the delivery queue`,
        formatFacts([
          ['  id', partId],
          ['  demand', `${demand}: ${demandReason}`],
          ['  to', recipients.join(' ')],
        ]),
      ].join('\n'),
    );
  return [
    head,
    ...parts.flatMap(formatPart),
    ...(omittedParts === 0 ? untouched : []),
    ...(omittedParts === 0 ? [] : [`and ${omittedParts} parts more`]),
  ].join('\n\n');
}

function formatPart({ id, deliveries, advance, actions, truncated }: StoredMessage): string[] {
  return [
    ...deliveries.map((row) =>
      [formatDelivery(row), ...actions.filter(isOf(row)).map(formatAction)].join('\n'),
    ),
    ...advance.map((note) =>
      [formatAdvance(id, note), ...actions.filter(isOf(note)).map(formatAction)].join('\n'),
    ),
    ...(truncated ? ['some of it is left out for want of room'] : []),
  ];
}

function isOf({
  domain,
}: Pick<DeliveryRow, 'domain'>): (each: { readonly domain: string }) => boolean {
  return (each) => each.domain === domain;
}

/** A delivery of which only the queue has more. */
function formatAdvance(id: string, { domain, demand, ...stops }: AdvanceNote): string {
  const state = ['not begun', formatStop(stops)].filter((each) => each !== undefined).join(', ');
  return [
    printable(`${domain}: ${state}`),
    formatFacts([
      ['  id', id],
      ['  demand', demand && `${demand.demand}: ${demand.demandReason}`],
    ]),
  ].join('\n');
}

function formatDelivery(row: DeliveryRow): string {
  const { id, domain, state, attempt, demand, held, cancelled, recipients, envelope } = row;
  const states = { attempting: 'being tried', deferred: 'waiting', finished: 'finished' };
  const stopped = held === undefined ? states[state] : 'held';
  const is = cancelled === undefined ? stopped : 'cancelled';
  return [
    printable(`${domain}: ${is}, attempt ${attempt}`),
    formatFacts([
      ['  id', id],
      ['  from', `<${envelope.mailFrom}>`],
      ['  demand', `${demand.demand}: ${demand.demandReason}`],
      ['  next', state === 'finished' ? undefined : formatNext(row)],
      ...recipients.map(
        ({ address, state: at, status, diagnostic }) =>
          ['  to', [`${address}:`, at, status, diagnostic].filter(Boolean).join(' ')] as const,
      ),
    ]),
  ].join('\n');
}

function formatAction({ action, author, reason, atMs, detail }: QueueAction): string {
  const rest = [detail, reason].filter(Boolean).join('; ');
  return printable(`  ${formatTime(atMs)} ${action} by ${author}${rest === '' ? '' : `: ${rest}`}`);
}

/** The record of each attempt that is kept, oldest first, domain by domain. */
export function attemptsOf({ parts }: ShownMessage): readonly WhyRecord[] {
  const records = new Map<string, WhyRecord>();
  for (const { attempts, deliveries } of parts) {
    // The last one is in its row, and beside it too where the mail was put off.
    const last = deliveries.flatMap(({ why }) => why ?? []);
    for (const why of [...attempts, ...last]) {
      records.set(`${why.domain} ${String(why.attempt).padStart(4, '0')}`, why);
    }
  }
  return [...records].sort(([one], [two]) => (one < two ? -1 : 1)).map(([, why]) => why);
}

/** Several records, each under its attempt. */
export function formatAttempts(attempts: readonly WhyRecord[]): string {
  return attempts
    .map(
      (why) =>
        `attempt ${why.attempt}, ${formatTime(why.startedAt)} to ${formatTime(why.endedAt)}\n${formatWhy(why)}`,
    )
    .join('\n\n');
}

/** What an action came to. */
export function formatResult(action: string, { done, noted = 0, skipped }: ActResult): string {
  const reasons = {
    unknown: 'not known',
    finished: 'finished',
    busy: 'being tried at this moment',
    queued: 'in the delivery queue already',
    held: 'held',
    'not-held': 'not held',
  };
  return [
    `${action}: ${done} done`,
    ...(noted === 0 ? [] : [`noted for when its first attempt begins: ${noted}`]),
    ...skipped.map(({ reason, count, untilMs, examples }) => {
      const until = untilMs === undefined ? '' : ` until ${formatTime(untilMs)} at the latest`;
      const named = examples.map(({ id, domain }) => [id, domain].filter(Boolean).join(' to '));
      const more = count > examples.length ? ' …' : '';
      return printable(
        `left as it is: ${count} ${reasons[reason]}${until} (${named.join(', ')}${more})`,
      );
    }),
  ].join('\n');
}

/** A line for each dead letter. */
export function formatDeadLetters(letters: readonly ListedDeadLetter[]): string {
  return formatTable(
    ['sent', 'record', 'message', 'from', 'to', 'bytes', 'reason'],
    letters.map(({ sentAt, messageId, message, bytes, reason }) => [
      formatTime(sentAt),
      messageId,
      message?.id ?? '(cannot be read)',
      message === undefined ? '' : `<${message.mailFrom}>`,
      message === undefined ? '' : (message.domain ?? `${message.recipients} recipients`),
      String(bytes),
      reason ?? 'too many faults of ours',
    ]),
  );
}
