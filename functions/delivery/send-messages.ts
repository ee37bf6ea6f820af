/** Sends messages over one open channel, each riding behind the end of the last (RFC 2920 §3.1). */
import type { Transaction, TransactionResult } from '../protocol/smtp/transaction.ts';
import type { Peer } from './attempt.ts';
import {
  type ClaimedRecord,
  type ClaimSource,
  mayBePutBack,
  putBackToNow,
  redact,
} from './claim-messages.ts';
import type { DeliveryContext } from './context.ts';
import type { HostLog } from './host-log.ts';
import { loadContent } from './load-content.ts';
import type { OpenedChannel } from './open-channels.ts';
import type { DeliveryPlan } from './plan-delivery.ts';
import { pendingRecipients, settleDelivery } from './settle-delivery.ts';

/** Kept back for settling after the last reply, out of the time that the invocation has. */
export const settlingMs = 10_000;

/**
 * Messages that one channel has in hand: the one whose end is awaited, the one whose MAIL rides behind it, and one that is
 * claimed and read meanwhile. So a peer that answers sooner than our stores do finds the next envelope behind each content.
 */
const inHandMax = 3;

interface Sending {
  readonly plan: DeliveryPlan;
  readonly log: HostLog;
  readonly source: ClaimSource;
  readonly context: DeliveryContext;
  /** Takes notifications, redacted, that a host refused under REQUIRETLS; without it they are settled as any other. */
  readonly redacted?: ClaimedRecord[];
}

/**
 * Sends until the source is empty, the channel unusable or the time over. Resolves, when all that was sent is settled,
 * to whether the address is worth another channel: this one carried a message, or still can.
 */
export async function sendMessages(opened: OpenedChannel, sending: Sending): Promise<boolean> {
  const { source, context } = sending;
  const deadlineMs = context.deadlineMs - settlingMs;
  let carried = false;
  const inHand: Promise<void>[] = [];
  while (opened.channel.usable && context.ports.now() < context.contentDeadlineMs) {
    const claimed = await source.next();
    if (claimed === undefined) {
      break;
    }
    // The slot that this may wait for comes free without us: nobody waits for a channel and holds one.
    const content = await loadContent(claimed, sending);
    if (content === undefined) {
      continue;
    }
    const transaction = describeTransaction(claimed, content, opened);
    const result = opened.channel.transact(transaction, deadlineMs);
    const handled = result.then(async (what) => {
      carried = (await handleResult(what, claimed, opened, sending)) || carried;
    });
    // A bug in it is met below, and must not end the process meanwhile.
    handled.catch(() => {});
    inHand.push(handled);
    if (inHand.length === inHandMax) {
      await inHand.shift();
    }
  }
  await Promise.all(inHand);
  // Another lane may have taken the message that this channel was opened for, and may give it back yet.
  return carried || opened.channel.usable;
}

function describeTransaction(
  { message, delivery }: ClaimedRecord,
  content: Uint8Array,
  opened: OpenedChannel,
): Transaction {
  const recipients = pendingRecipients(delivery).map(({ address, notify, orcpt }) => ({
    address,
    ...(notify === undefined ? {} : { notify }),
    ...(orcpt === undefined ? {} : { orcpt }),
  }));
  return {
    mailFrom: message.mailFrom,
    recipients,
    content,
    requireTls: opened.requireTls,
    smtpUtf8: message.smtpUtf8 ?? false,
    ...(message.ret === undefined ? {} : { ret: message.ret }),
    ...(message.envid === undefined ? {} : { envid: message.envid }),
  };
}

function describePeer({ channel }: OpenedChannel): Peer {
  return { host: channel.target.host, offersDsn: channel.capabilities.has('DSN') };
}

/**
 * Whether the host refused the message for REQUIRETLS alone: by the two codes of RFC 8689 §7 (it relays with REQUIRETLS,
 * and finds that the next host cannot have the message).
 */
function isRefusedUnderRequireTls(
  { contentSent, recipients }: TransactionResult,
  { requireTls }: OpenedChannel,
): boolean {
  return (
    requireTls &&
    contentSent === 'none' &&
    recipients.every(({ reply }) => requireTlsStatuses.has(reply?.enhanced ?? ''))
  );
}

const requireTlsStatuses: ReadonlySet<string> = new Set(['5.7.10', '5.7.30']);

/** Settles a transaction, or gives its message back. Resolves to whether the channel was of use. */
async function handleResult(
  result: TransactionResult,
  claimed: ClaimedRecord,
  opened: OpenedChannel,
  { plan, log, source, context, redacted }: Sending,
): Promise<boolean> {
  context.pool.heed(opened.channel.target, result);
  const [first] = result.recipients;
  const isRefused = result.recipients.some(({ outcome }) => outcome === 'failed');
  if (
    result.contentSent === 'none' &&
    !isRefused &&
    first !== undefined &&
    first.outcome !== 'delivered'
  ) {
    if (first.code === 'time-too-short' && mayBePutBack(claimed, context)) {
      await putBackToNow(claimed, context);
      return false;
    }
    if (result.sessionLost && first.code !== 'time-too-short') {
      // Nothing of this message went out: it costs the next channel a transaction, not the message an attempt.
      const { code, reason, reply: refusal } = first;
      opened.fail({ code, reason, ...(refusal !== undefined && { refusal }) });
      source.putBack(claimed);
      return false;
    }
  }
  const instead = isRefusedUnderRequireTls(result, opened) ? redact(claimed, context) : undefined;
  if (instead !== undefined && redacted !== undefined) {
    instead.dropContent();
    redacted.push(instead);
    return true;
  }
  try {
    const { recipients: results } = result;
    await settleDelivery(
      claimed,
      { results, row: opened.row, plan, hosts: log.noted(), peer: describePeer(opened) },
      context,
    );
    claimed.record.finish('done');
  } catch (error) {
    context.ports.observe({ kind: 'fault', error });
    claimed.record.finish('keep');
  }
  return true;
}
