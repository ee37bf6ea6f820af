/**
 * Cancels a delivery: claims its next attempt as delivery does, and settles whoever is pending as failed. The two cannot
 * race: whoever has the claim has the message. Of a delivery whose content is only in the queue, the cancellation is
 * noted, and whoever is given the queue message carries it out.
 */
import { cancelMessage } from '../delivery/cancel-message.ts';
import type { Cancellation } from '../delivery/ports.ts';
import { nextMessage } from '../delivery/stored-delivery.ts';
import type { PreparedMessage } from '../submission/queue-message.ts';
import { type ActionOutcome, type ActionTarget, outcomeOf, type QueueContext } from './ports.ts';

/** As long as an invocation may take. */
const leaseMs = 15 * 60_000;

/** Cancels what the table knows, held or not, and what may be on its way. */
export async function cancelDelivery(
  target: ActionTarget,
  cancellation: Cancellation,
  context: QueueContext,
): Promise<ActionOutcome> {
  const { control, contents, now } = context.ports;
  const row = await control.readDelivery(target.id, target.domain);
  const message = row && nextMessage(row);
  if (message === undefined) {
    return outcomeOf(await control.cancel(target, cancellation, now()));
  }
  const outcome = await cancelQueueMessage(
    message,
    cancellation,
    () => contents.read(message.content),
    context,
  );
  // The row was read a moment ago, under this id: no other message has it.
  return outcome === 'conflict' ? { kind: 'unknown' } : outcome;
}

/**
 * Cancels a queue message, whether its delivery has begun or not. `conflict`: its id is another message's.
 */
export async function cancelQueueMessage(
  message: PreparedMessage,
  cancellation: Cancellation,
  content: () => Promise<Uint8Array>,
  context: QueueContext,
): Promise<ActionOutcome | 'conflict'> {
  const { now, newToken } = context.ports;
  const leaseEndMs = now() + leaseMs;
  const request = { message, cancellation, token: newToken(), leaseEndMs, content };
  const result = await cancelMessage(request, context);
  switch (result.kind) {
    case 'cancelled':
      return 'done';
    case 'leased':
      return { kind: 'busy', untilMs: result.untilMs };
    case 'conflict':
      return 'conflict';
    case 'done':
      return { kind: 'finished' };
  }
}
