/**
 * Delivers a group: the messages of a batch that go to one next-hop domain with one demand. They share the plan, and
 * the channels that satisfy it.
 */
import {
  type ClaimedRecord,
  type ClaimSource,
  createClaimSource,
  mayBePutBack,
  type PreparedRecord,
  putBackToNow,
} from './claim-messages.ts';
import {
  type Conclusion,
  concludeExhausted,
  concludeWithoutHosts,
  isPolicyFailure,
} from './conclude.ts';
import type { DeliveryContext } from './context.ts';
import { createHostLog, type HostLog } from './host-log.ts';
import { openChannels } from './open-channels.ts';
import { type DeliveryGroup, type DeliveryPlan, planDelivery, policyKey } from './plan-delivery.ts';
import { sendMessages } from './send-messages.ts';
import { pendingRecipients, settleDelivery } from './settle-delivery.ts';

/** Messages that one connection carries before another one is worth its handshake. */
const messagesPerLane = 10;

/** Attempts every record of the group; each is finished when this resolves. Never rejects. */
export async function deliverGroup(
  group: DeliveryGroup,
  records: readonly PreparedRecord[],
  context: DeliveryContext,
): Promise<void> {
  const source = createClaimSource(records, context);
  const plans = createPlans(group, context);
  const lanes = Math.min(
    context.settings.connectionsPerMxMax,
    Math.ceil(records.length / messagesPerLane),
  );
  await Promise.all(
    Array.from({ length: lanes }, async () => {
      try {
        await runLane({ group, source, plans, context });
      } catch (error) {
        context.ports.observe({ kind: 'fault', error });
        await source.keepRest();
      }
    }),
  );
}

/** The group's plan, made once, and made again after the policy was looked up afresh. */
interface Plans {
  current(): Promise<DeliveryPlan>;
  /** The plan under the policy as published right now; undefined where that changes nothing. */
  afresh(): Promise<DeliveryPlan | undefined>;
}

function createPlans(group: DeliveryGroup, context: DeliveryContext): Plans {
  let plan: Promise<DeliveryPlan> | undefined;
  let again: Promise<DeliveryPlan> | undefined;
  const current = (): Promise<DeliveryPlan> => {
    plan ??= planDelivery(group, context);
    return plan;
  };
  return {
    current,
    afresh: async () => {
      again ??= planDelivery(group, context, { afresh: true });
      const [before, after] = await Promise.all([current(), again]);
      return policyKey(before) === policyKey(after) ? undefined : after;
    },
  };
}

interface Lane {
  readonly group: DeliveryGroup;
  readonly source: ClaimSource;
  readonly plans: Plans;
  readonly context: DeliveryContext;
}

/** Runs the plan, and where it leads nowhere the plans that may follow it, and settles what is left then. */
async function runLane(lane: Lane): Promise<void> {
  let plan = await lane.plans.current();
  let end = await runPlan(plan, lane);
  if (end.kind === 'exhausted' && isPolicyFailure(concludePlan(plan, end.log).code)) {
    // RFC 8461 §5.1: before a policy has the last word, see whether it still stands.
    const fresh = await lane.plans.afresh();
    if (fresh !== undefined) {
      plan = fresh;
      end = await runPlan(plan, lane);
    }
  }
  if (end.kind === 'exhausted' && mayGoWithoutRequireTls(plan, end.log, lane.group)) {
    plan = { ...plan, demand: 'default' };
    end = await runPlan(plan, lane);
  }
  if (end.kind !== 'finished') {
    await settleRest(plan, end, lane);
  }
}

/** RFC 8689 §4.2.1 and §5: with an empty return-path want of REQUIRETLS is no reason to drop a message. */
function mayGoWithoutRequireTls(plan: DeliveryPlan, log: HostLog, group: DeliveryGroup): boolean {
  return (
    plan.kind === 'hosts' &&
    plan.demand === 'require' &&
    group.nullReversePath &&
    concludePlan(plan, log).outcome === 'failed'
  );
}

type PlanEnd =
  | { readonly kind: 'finished' }
  | { readonly kind: 'exhausted' | 'out-of-time'; readonly log: HostLog };

/** Sends what the source has over the plan's channels, until one of the two or the time is used up. */
async function runPlan(
  plan: DeliveryPlan,
  { source, context }: Pick<Lane, 'source' | 'context'>,
): Promise<PlanEnd> {
  const log = createHostLog();
  if (plan.kind === 'none') {
    return { kind: 'exhausted', log };
  }
  const channels = openChannels(plan, context, log);
  for (let isWorthAnother = false; ; ) {
    const head = await source.next();
    if (head === undefined) {
      await channels.return();
      return { kind: 'finished' };
    }
    source.putBack(head);
    if (context.ports.now() >= context.contentDeadlineMs) {
      return { kind: 'out-of-time', log };
    }
    const step = await channels.next(isWorthAnother);
    if (step.done === true) {
      return { kind: log.outOfTime ? 'out-of-time' : 'exhausted', log };
    }
    try {
      isWorthAnother = await sendMessages(step.value, { plan, log, source, context });
    } finally {
      await context.pool.release(step.value.channel);
    }
  }
}

/** The same verdict for all that found no channel. */
async function settleRest(
  plan: DeliveryPlan,
  end: Exclude<PlanEnd, { kind: 'finished' }>,
  { source, context }: Lane,
): Promise<void> {
  const conclusion = concludeEnd(plan, end);
  for (let next = await source.next(); next !== undefined; next = await source.next()) {
    await (conclusion === undefined && mayBePutBack(next, context)
      ? putBackToNow(next, context)
      : settleAlike(next, { plan, log: end.log, conclusion: conclusion ?? outOfTime, context }));
  }
}

/** For a message that had time, and whose time went into channels that carried others. */
const outOfTime: Conclusion = {
  outcome: 'deferred',
  code: 'time-too-short',
  status: '4.4.7',
  reason: 'no channel was at hand in the time that there was',
};

/** Undefined: no host was to blame, only the clock. */
function concludeEnd(
  plan: DeliveryPlan,
  { kind, log }: Exclude<PlanEnd, { kind: 'finished' }>,
): Conclusion | undefined {
  if (kind === 'exhausted') {
    return concludePlan(plan, log);
  }
  const [failure] = log.failures().flatMap((host) => host.failures);
  // Hosts were left to try, so nothing is definite, whatever the ones before have shown.
  return failure && { ...failure, outcome: 'deferred', status: '4.4.7' };
}

function concludePlan(plan: DeliveryPlan, log: HostLog): Conclusion {
  return plan.kind === 'none'
    ? concludeWithoutHosts(plan.code, plan.reason)
    : concludeExhausted(plan.demand, log.failures());
}

interface SharedVerdict {
  readonly plan: DeliveryPlan;
  readonly log: HostLog;
  readonly conclusion: Conclusion;
  readonly context: DeliveryContext;
}

async function settleAlike(
  claimed: ClaimedRecord,
  { plan, log, conclusion, context }: SharedVerdict,
): Promise<void> {
  try {
    const results = pendingRecipients(claimed.delivery).map(() => conclusion);
    await settleDelivery(claimed, { results, row: log.row, plan, hosts: log.hosts }, context);
    claimed.record.finish('done');
  } catch (error) {
    context.ports.observe({ kind: 'fault', error });
    claimed.record.finish('keep');
  }
}
