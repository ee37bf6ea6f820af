/**
 * Decides what a sender is told of an attempt, and puts the notification into the queue.
 *
 * One attempt gives one notification at the most, about all recipients of whom the sender wants to hear. It goes the way
 * of any other mail: unprepared, so that it is accepted and signed like one.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc3461.html#section-5.2 RFC 3461 §5.2}
 */
import { createHash } from 'node:crypto';
import { composeNotification } from '../protocol/dsn/compose.ts';
import type { NoticedRecipient, Notification } from '../protocol/dsn/notification.ts';
import { wantsNotice } from '../protocol/dsn/notify.ts';
import { TransportSecurityError } from '../protocol/errors.ts';
import {
  type ContentReference,
  type QueueMessage,
  redactedBase64CharsMax,
} from '../submission/queue-message.ts';
import type { ClaimedMessage, Fate, Peer } from './attempt.ts';
import type { SettlingContext } from './context.ts';

/** Octets of a notification that its record carries; a larger one is kept in the bucket. */
const wholeInlineMax = 131_072;

/** The redacted form stays in row and retry item as it is. */
const redactedInlineMax = (redactedBase64CharsMax / 4) * 3;

/** What an attempt came to, as far as its sender may care. */
export interface AttemptToTell {
  /** Of all recipients that were pending. */
  readonly fates: readonly Fate[];
  /** Whom the message was offered to; absent where no transaction was begun. */
  readonly peer: Peer | undefined;
  readonly nowMs: number;
  /** When the next attempt is due; absent where nobody is pending. */
  readonly nextDueAtMs: number | undefined;
}

/** What the sender is told. */
export interface Told {
  /** Whether that somebody's mail is late is part of it; once is enough (`ClaimedDelivery.delayNotified`). */
  readonly delay: boolean;
}

/**
 * Tells the sender. Resolves once the notification is in the queue, or where there is nothing to tell. Under the same
 * outcome it has the same id and is the same message, however often the attempt is settled.
 *
 * Rejects with `store-unavailable`: then nothing may be settled.
 */
export async function notifySender(
  claimed: ClaimedMessage,
  attempt: AttemptToTell,
  context: SettlingContext,
): Promise<Told> {
  const recipients = selectRecipients(claimed, attempt, context);
  const { mailFrom } = claimed.message;
  if (mailFrom === '' || recipients.length === 0) {
    return { delay: false };
  }
  const message = await makeMessage(claimed, { recipients, nowMs: attempt.nowMs }, context);
  await context.ports.queue.enqueue([message]);
  for (const action of ['failed', 'delayed', 'relayed'] as const) {
    const count = recipients.filter((recipient) => recipient.action === action).length;
    if (count > 0) {
      context.ports.observe({ kind: 'notified', action, count });
    }
  }
  return { delay: recipients.some(({ action }) => action === 'delayed') };
}

/** RFC 3461 §5.2.8: those of whom the sender wants to hear, and nobody else. */
function selectRecipients(
  claimed: ClaimedMessage,
  attempt: AttemptToTell,
  context: SettlingContext,
): NoticedRecipient[] {
  const isDelayTold = mayTellOfDelay(claimed, attempt, context);
  return attempt.fates.flatMap((fate) => {
    const action = actionFor(fate, attempt.peer, isDelayTold);
    return action === undefined ? [] : [describeRecipient(fate, action, attempt.peer)];
  });
}

function actionFor(
  { recipient, outcome }: Fate,
  peer: Peer | undefined,
  isDelayTold: boolean,
): NoticedRecipient['action'] | undefined {
  switch (outcome) {
    case 'failed':
      return wantsNotice(recipient.notify, 'FAILURE') ? 'failed' : undefined;
    case 'deferred':
      return isDelayTold && wantsNotice(recipient.notify, 'DELAY') ? 'delayed' : undefined;
    case 'delivered':
      // RFC 3461 §5.2.1: a peer with DSN was asked to tell of success itself. §5.2.2 (b): for any other we do.
      return peer?.offersDsn === false && wantsNotice(recipient.notify, 'SUCCESS')
        ? 'relayed'
        : undefined;
  }
}

/** Once, after the hours that the operator set, and not where the next attempt is the last: the end is told anyway. */
function mayTellOfDelay(
  { message, delivery }: ClaimedMessage,
  { nowMs, nextDueAtMs }: AttemptToTell,
  { settings }: SettlingContext,
): boolean {
  const hours = settings.delayNoticeHours;
  return (
    hours > 0 &&
    delivery.delayNotified !== true &&
    nowMs - Date.parse(message.submittedAt) >= hours * 3_600_000 &&
    nextDueAtMs !== undefined &&
    nextDueAtMs < Date.parse(message.expiresAt)
  );
}

function describeRecipient(
  fate: Fate,
  action: NoticedRecipient['action'],
  peer: Peer | undefined,
): NoticedRecipient {
  const { recipient, status, code, lastCode, reason, peerReply } = fate;
  const remoteMta = peer?.host ?? fate.host;
  const { address, orcpt } = recipient;
  return {
    address,
    ...(orcpt === undefined ? {} : { orcpt }),
    action,
    status,
    ...(code === undefined
      ? {}
      : { failure: { code, ...(lastCode === undefined ? {} : { lastCode }), reason } }),
    ...(peerReply === undefined ? {} : { reply: peerReply }),
    ...(remoteMta === undefined ? {} : { remoteMta }),
  };
}

interface ToTell {
  readonly recipients: readonly NoticedRecipient[];
  readonly nowMs: number;
}

async function makeMessage(
  claimed: ClaimedMessage,
  toTell: ToTell,
  context: SettlingContext,
): Promise<QueueMessage> {
  const { message, delivery } = claimed;
  const { settings } = context;
  const { id: of, domain, attempt } = delivery;
  const protection = protectionOf(message, context);
  const content = await readReturned(claimed, context);
  const notification = describeNotification(claimed, toTell, { context, content, protection });
  const { id } = notification;
  const whole = composeNotification(notification);
  const redacted =
    protection === 'require'
      ? composeNotification({ ...notification, returned: 'withheld' })
      : undefined;
  return {
    version: 1,
    id,
    // RFC 3461 §6.1: the null reverse-path, so that nothing ever comes of a notification but itself.
    mailFrom: '',
    rcptTo: [{ address: message.mailFrom, notify: ['NEVER'] }],
    // RFC 8689 §5: the notification of a REQUIRETLS message has to be protected as the message was.
    ...(redacted === undefined ? {} : { requireTls: true }),
    ...(whole.smtpUtf8 ? { smtpUtf8: true } : {}),
    content: await refer(id, whole.content, { context, inlineMax: wholeInlineMax }),
    ...(redacted === undefined
      ? {}
      : {
          redacted: await refer(id, redacted.content, { context, inlineMax: redactedInlineMax }),
        }),
    notificationOf: { id: of, domain, attempt },
    attempt: 1,
    submittedAt: new Date(toTell.nowMs).toISOString(),
    expiresAt: new Date(toTell.nowMs + settings.expiryDays * 86_400_000).toISOString(),
  };
}

/**
 * How a notification is to travel: with REQUIRETLS, without it but with nothing of the message in it, as the message
 * itself that asked for no TLS, or like any other mail (RFC 8689 §5 and §6).
 */
type Protection = 'require' | 'redact' | 'optional' | 'default';

function protectionOf(
  { requireTls, prepared }: ClaimedMessage['message'],
  { settings }: SettlingContext,
): Protection {
  // An override of the one message takes nothing from what is told of it: the stricter of both demands holds.
  const demands = [prepared.demand, prepared.acceptedDemand ?? prepared.demand];
  if (demands.includes('require') || requireTls === true) {
    // Where REQUIRETLS is switched off no message that asks for it goes anywhere, and so would no notification.
    return settings.redactBounces || !settings.requireTls ? 'redact' : 'require';
  }
  return demands.includes('default') ? 'default' : 'optional';
}

interface Circumstances {
  readonly context: SettlingContext;
  readonly content: Uint8Array | undefined;
  readonly protection: Protection;
}

function describeNotification(
  { message, delivery }: ClaimedMessage,
  { recipients, nowMs }: ToTell,
  { context, content, protection }: Circumstances,
): Notification {
  const { ehloName, bounceFrom } = context.settings;
  const isProtected = protection === 'require' || protection === 'redact';
  // RFC 8689 §5: RET=FULL is disregarded. RFC 3461 §4.3: without a failure, and where nothing was said, the header does.
  const isFull =
    !isProtected && message.ret === 'FULL' && recipients.some(({ action }) => action === 'failed');
  const returned = protection === 'redact' ? 'withheld' : isFull ? 'full' : 'headers';
  return {
    id: notificationId(delivery, recipients),
    nowMs,
    reportingMta: ehloName,
    from: bounceFrom,
    returnPath: message.mailFrom,
    queueId: delivery.id,
    ...(message.envid === undefined ? {} : { envid: message.envid }),
    arrivedAtMs: Date.parse(message.submittedAt),
    retryUntilMs: Date.parse(message.expiresAt),
    recipients,
    content: content ?? new Uint8Array(0),
    returned: content === undefined ? 'lost' : returned,
    tlsOptional: protection === 'optional',
  };
}

/**
 * The same for an attempt that is made again after a crash and comes to the same; another where it comes to something
 * else, of which the sender has to hear too.
 */
function notificationId(
  { id, domain, attempt }: ClaimedMessage['delivery'],
  recipients: readonly NoticedRecipient[],
): string {
  const fates = recipients.map(({ address, action }) => [address, action]);
  const hash = createHash('sha256').update(JSON.stringify([id, domain, attempt, fates]));
  return `dsn-${hash.digest('base64url')}`;
}

/** Undefined: there is none any more. That is no reason to leave the sender in the dark. */
async function readReturned(
  { content, delivery }: ClaimedMessage,
  { ports }: SettlingContext,
): Promise<Uint8Array | undefined> {
  try {
    return await content();
  } catch (error) {
    const isLost =
      error instanceof TransportSecurityError &&
      (error.code === 'content-missing' || error.code === 'content-invalid');
    if (!isLost) {
      throw error;
    }
    ports.observe({ kind: 'content-lost', id: delivery.id, error });
    return undefined;
  }
}

async function refer(
  id: string,
  content: Uint8Array,
  { context, inlineMax }: { readonly context: SettlingContext; readonly inlineMax: number },
): Promise<ContentReference> {
  if (content.length <= inlineMax) {
    return { data: Buffer.from(content).toString('base64') };
  }
  const hash = createHash('sha256').update(content).digest('hex');
  return context.ports.contents.keep(`${id}/${hash}`, content);
}
