/** One plan, run to its end: messages sent over its channels, and what is concluded where it leads nowhere. */
import type { ClaimedRecord, ClaimSource } from './claim-messages.ts';
import {
  type Conclusion,
  concludeExhausted,
  concludeOutOfTime,
  concludeRefused,
  concludeWithoutHosts,
} from './conclude.ts';
import type { DeliveryContext } from './context.ts';
import { createHostLog, type HostLog } from './host-log.ts';
import { openChannels } from './open-channels.ts';
import type { DeliveryPlan } from './plan-delivery.ts';
import { sendMessages } from './send-messages.ts';
import type { HostNote } from './why.ts';

/** How a plan ended: nothing left to send, no host left, or no time. */
export interface PlanRun {
  readonly kind: 'finished' | 'exhausted' | 'out-of-time';
  readonly plan: DeliveryPlan;
  readonly log: HostLog;
}

/** Where a plan's messages come from, and go back to that it could not send. */
export interface PlanSurroundings {
  readonly source: ClaimSource;
  readonly context: DeliveryContext;
  /** Takes notifications, redacted, that a host refused under REQUIRETLS; without it they are settled as any other. */
  readonly redacted?: ClaimedRecord[];
  /** Of the plans before this one. */
  readonly earlier?: readonly HostNote[];
  /** Told at every channel that is open, before a message goes over it. */
  readonly opened?: () => Promise<void>;
}

/** Sends what the source has over the plan's channels, until one of the two or the time is used up. */
export async function runPlan(
  plan: DeliveryPlan,
  { source, context, earlier, opened, redacted }: PlanSurroundings,
): Promise<PlanRun> {
  const log = createHostLog(earlier);
  if (plan.kind === 'none') {
    return { kind: 'exhausted', plan, log };
  }
  const channels = openChannels(plan, context, log);
  for (let isWorthAnother = false; ; ) {
    const head = await source.next();
    if (head === undefined) {
      await channels.return();
      return { kind: 'finished', plan, log };
    }
    source.putBack(head);
    if (context.ports.now() >= context.contentDeadlineMs) {
      return { kind: 'out-of-time', plan, log };
    }
    const step = await channels.next(isWorthAnother);
    if (step.done === true) {
      return { kind: log.outOfTime ? 'out-of-time' : 'exhausted', plan, log };
    }
    log.hasOpened = true;
    try {
      await opened?.();
      const sending = { plan, log, source, context, ...(redacted && { redacted }) };
      isWorthAnother = await sendMessages(step.value, sending);
    } finally {
      await context.pool.release(step.value.channel);
    }
  }
}

/** The verdict on the messages that a run has left. Undefined: no host was to blame, only the clock. */
export function concludeRun({ kind, plan, log }: PlanRun): Conclusion | undefined {
  if (kind === 'exhausted') {
    return concludeExhaustedRun(plan, log);
  }
  return concludeOutOfTime(log.failures());
}

function concludeExhaustedRun(plan: DeliveryPlan, log: HostLog): Conclusion {
  if (plan.kind === 'hosts') {
    return concludeExhausted(plan.demand, log.failures(), plan.hostsLeftOut);
  }
  const conclude = plan.refused === true ? concludeRefused : concludeWithoutHosts;
  return conclude(plan.code, plan.reason);
}
