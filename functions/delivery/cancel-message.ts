/**
 * Gives a message up by an operator's word: claims its next attempt as delivery does, so that none is under way, and
 * settles whoever is pending as failed.
 */
import type { PreparedMessage } from '../submission/queue-message.ts';
import type { ClaimedMessage } from './attempt.ts';
import type { SettlingContext } from './context.ts';
import type { Cancellation, ClaimResult } from './ports.ts';
import { pendingRecipients, settleDelivery } from './settle-delivery.ts';
import { withDemand } from './stored-delivery.ts';

export interface CancelRequest {
  readonly message: PreparedMessage;
  readonly cancellation: Cancellation;
  /** A claim token that nobody else has. */
  readonly token: string;
  /** How long the claim holds, epoch milliseconds. */
  readonly leaseEndMs: number;
  /** As handed in; read where its sender is to have it back. */
  readonly content: () => Promise<Uint8Array>;
}

/** `cancelled`, or why the claim was not granted: held or cancelled already is no reason. */
export type CancelResult =
  | { readonly kind: 'cancelled' }
  | Exclude<ClaimResult, { readonly kind: 'claimed' | 'held' | 'cancelled' }>;

/** Rejects when something could not be written: the claim is given back then, and the message is as it was before. */
export async function cancelMessage(
  { message, cancellation, token, leaseEndMs, content }: CancelRequest,
  context: SettlingContext,
): Promise<CancelResult> {
  const nowMs = context.ports.now();
  const claim = await context.ports.messages.claim({
    message,
    token,
    nowMs,
    leaseEndMs,
    evenIfStopped: true,
  });
  switch (claim.kind) {
    case 'claimed': {
      const { delivery } = claim;
      await settleCancelled(
        { message, delivery, startedAtMs: nowMs, content },
        cancellation,
        context,
      );
      return { kind: 'cancelled' };
    }
    case 'held':
    case 'cancelled':
      throw new TypeError('a claim that nothing stops is stopped by no operator');
    default:
      return claim;
  }
}

async function settleCancelled(
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
