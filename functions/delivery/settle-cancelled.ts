/**
 * Settles a delivery that an operator gave up: whoever is pending has failed, by nobody's word but his. The claim is the
 * caller's, so that no attempt is under way.
 */
import type { ClaimedMessage } from './attempt.ts';
import type { SettlingContext } from './context.ts';
import type { Cancellation } from './ports.ts';
import { pendingRecipients, settleDelivery } from './settle-delivery.ts';
import { withDemand } from './stored-delivery.ts';

/** Rejects when something could not be written: the claim is given back then, and the message is as it was before. */
export async function settleCancelled(
  claimed: ClaimedMessage,
  { author, reason, bounce }: Cancellation,
  context: SettlingContext,
): Promise<void> {
  const { message, delivery } = claimed;
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
        ...claimed,
        // How its notification is protected goes by the row, and by what the message was accepted with (RFC 8689 §5).
        message: { ...message, prepared: withDemand(message.prepared, delivery.demand) },
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
    await context.ports.messages.release(delivery);
    throw error;
  }
}
