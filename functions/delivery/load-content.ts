/** The content of a claimed message, on its way to a channel. */
import { TransportSecurityError } from '../protocol/errors.ts';
import { type ClaimedRecord, freeClaim } from './claim-messages.ts';
import type { Conclusion } from './conclude.ts';
import type { DeliveryContext } from './context.ts';
import type { HostLog } from './host-log.ts';
import type { DeliveryPlan } from './plan-delivery.ts';
import { refuseRecord } from './prepared-record.ts';
import { pendingRecipients, settleDelivery } from './settle-delivery.ts';

/** Where a message was to go when its content was asked for. */
export interface Loading {
  readonly plan: DeliveryPlan;
  readonly log: HostLog;
  readonly context: DeliveryContext;
}

/**
 * Reads what goes out of a claimed message; undefined where it cannot be had, and then its record is finished.
 *
 * A body that is not there any more comes back by no attempt: the message has failed, and its sender hears that its
 * content is lost. In the dead letters it would be nobody's, while its row waits for ever. After any other fault the
 * claim is freed, and the record refused.
 */
export async function loadContent(
  claimed: ClaimedRecord,
  loading: Loading,
): Promise<Uint8Array | undefined> {
  try {
    return await claimed.outgoing();
  } catch (error) {
    if (error instanceof TransportSecurityError && error.code === 'content-missing') {
      await settleLost(claimed, error, loading);
    } else {
      await freeClaim(claimed.delivery, loading.context);
      claimed.record.finish(await refuseRecord(claimed.record, error, loading.context));
    }
    return undefined;
  }
}

async function settleLost(
  claimed: ClaimedRecord,
  { message: evidence }: TransportSecurityError,
  { plan, log, context }: Loading,
): Promise<void> {
  const conclusion: Conclusion = {
    outcome: 'failed',
    code: 'content-missing',
    status: '5.3.0',
    // The sender reads it: where we keep bodies is ours to know.
    reason: 'the content of the message is lost',
  };
  const results = pendingRecipients(claimed.delivery).map(() => conclusion);
  try {
    await settleDelivery(
      claimed,
      { results, row: `content lost: ${evidence}`, plan, hosts: log.noted() },
      context,
    );
    claimed.record.finish('done');
  } catch (error) {
    context.ports.observe({ kind: 'fault', error });
    claimed.record.finish('keep');
  }
}
