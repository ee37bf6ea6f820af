/**
 * Cancels a delivery: claims its next attempt as delivery does, and settles whoever is pending as failed. The two cannot
 * race: whoever has the claim has the message.
 */
import type { ClaimedDelivery } from '../delivery/ports.ts';
import { pendingRecipients, settleDelivery } from '../delivery/settle-delivery.ts';
import { type DeliveryKey, nextMessage } from '../delivery/stored-delivery.ts';
import type { PreparedMessage } from '../submission/queue-message.ts';
import type { ActionOutcome, QueueContext } from './ports.ts';

/** As long as an invocation may take. */
const leaseMs = 15 * 60_000;

/** Who cancels, why, and whether the sender is told (NOTIFY permitting, RFC 3461 §4.1). */
export interface Cancellation {
  readonly author: string;
  readonly reason: string;
  readonly bounce: boolean;
}

/** Cancels what the table knows; held or not. */
export async function cancelDelivery(
  { id, domain }: DeliveryKey,
  cancellation: Cancellation,
  context: QueueContext,
): Promise<ActionOutcome> {
  const row = await context.ports.control.readDelivery(id, domain);
  if (row === undefined) {
    return { kind: 'unknown' };
  }
  const message = nextMessage(row);
  if (message === undefined) {
    return { kind: row.state === 'finished' ? 'finished' : 'queued' };
  }
  const { content } = message;
  const outcome = await cancelMessage(
    message,
    { ...cancellation, content: () => context.ports.contents.read(content) },
    context,
  );
  // The row was read a moment ago, under this id: no other message has it.
  return outcome === 'conflict' ? { kind: 'unknown' } : outcome;
}

/**
 * Cancels a queue message, whether its delivery has begun or not. `conflict`: its id is another message's.
 */
export async function cancelMessage(
  message: PreparedMessage,
  cancellation: Cancellation & { readonly content: () => Promise<Uint8Array> },
  context: QueueContext,
): Promise<ActionOutcome | 'conflict'> {
  const { ports } = context;
  const nowMs = ports.now();
  const claim = await ports.messages.claim({
    message,
    token: ports.newToken(),
    nowMs,
    leaseEndMs: nowMs + leaseMs,
    evenIfHeld: true,
  });
  switch (claim.kind) {
    case 'claimed':
      await settleCancelled(message, claim.delivery, { cancellation, context });
      return 'done';
    case 'leased':
      return { kind: 'busy', untilMs: claim.untilMs };
    case 'conflict':
      return 'conflict';
    case 'done':
      return { kind: 'finished' };
    case 'held':
      throw new TypeError('a claim that may pass a hold is not stopped by one');
  }
}

async function settleCancelled(
  message: PreparedMessage,
  delivery: ClaimedDelivery,
  {
    cancellation: { author, reason, bounce, content },
    context,
  }: {
    readonly cancellation: Cancellation & { readonly content: () => Promise<Uint8Array> };
    readonly context: QueueContext;
  },
): Promise<void> {
  const { ports } = context;
  const words = `cancelled by ${author}: ${reason}`;
  const conclusion = {
    outcome: 'failed',
    code: 'cancelled',
    status: '5.0.0',
    // The sender reads it: who decided is the operator's to keep.
    reason: `cancelled by the operator of the sending system: ${reason}`,
  } as const;
  try {
    await settleDelivery(
      {
        // How its notification is protected goes by what holds now, in the row, and not by what the queue message said.
        message: { ...message, prepared: { ...message.prepared, ...delivery.demand } },
        delivery,
        startedAtMs: ports.now(),
        content,
      },
      {
        results: pendingRecipients(delivery).map(() => conclusion),
        row: words,
        plan: {
          kind: 'none',
          domain: delivery.domain,
          demand: delivery.demand.demand,
          dane: 'off',
          lookups: [],
          sts: undefined,
          code: 'cancelled',
          reason: words,
        },
        hosts: [],
        isSilent: !bounce,
      },
      context,
    );
  } catch (error) {
    // Not settled: the claim is given back, and the message goes on as before.
    await ports.messages.release(delivery);
    throw error;
  }
}
