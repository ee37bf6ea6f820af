/**
 * Delivers a group: the messages of a batch that go to one next-hop domain with one demand. They share the plan, and
 * the channels that satisfy it.
 */
import { type DomainBackOff, enterBackOff, judgeReach } from './back-off.ts';
import {
  type ClaimedRecord,
  type ClaimSource,
  createClaimSource,
  mayBePutBack,
  putBackToNow,
  redact,
} from './claim-messages.ts';
import { type Conclusion, isForWantOfRequireTls, isPolicyFailure } from './conclude.ts';
import type { DeliveryContext } from './context.ts';
import { once } from './once.ts';
import { type DeliveryGroup, type DeliveryPlan, planDelivery, policyKey } from './plan-delivery.ts';
import type { PreparedRecord } from './prepared-record.ts';
import { concludeRun, type PlanRun, type PlanSurroundings, runPlan } from './run-plan.ts';
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
  const backOff = once(() => enterBackOff(group.domain, context));
  const plans = createPlans(group, context);
  const lanes = Math.min(
    context.settings.connectionsPerMxMax,
    Math.ceil(records.length / messagesPerLane),
  );
  await Promise.all(
    Array.from({ length: lanes }, () => runLane({ group, source, plans, backOff, context })),
  );
}

/** Messages that are settled at one time; as many as a batch has. */
const settledAtOnce = 10;

/** The group's plan, made once, and made again after the policy was looked up afresh. */
interface Plans {
  current(): Promise<DeliveryPlan>;
  /** The plan under the policy as published right now; undefined where that changes nothing that counts. */
  afresh(): Promise<DeliveryPlan | undefined>;
}

function createPlans(
  group: DeliveryGroup,
  context: DeliveryContext,
  instead: Partial<Pick<DeliveryPlan, 'demand' | 'demandReason'>> = {},
): Plans {
  const plan = async (afresh: boolean): Promise<DeliveryPlan> => ({
    ...(await planDelivery(group, context, { afresh })),
    ...instead,
  });
  const current = once(() => plan(false));
  const again = once(() => plan(true));
  return {
    current,
    afresh: async () => {
      const [before, after] = await Promise.all([current(), again()]);
      return policyKey(before) === policyKey(after) || isMereDoubt(before, after)
        ? undefined
        : after;
    },
  };
}

/**
 * A look-up that fails does not show that the policy is gone: what would go without one then does not. REQUIRETLS asks
 * more of a domain of which nothing is known, and does not bounce on it.
 */
function isMereDoubt(before: DeliveryPlan, after: DeliveryPlan): boolean {
  return (
    before.sts?.kind === 'policy' && after.sts?.kind === 'unknown' && after.demand !== 'require'
  );
}

interface Lane {
  readonly group: DeliveryGroup;
  readonly source: ClaimSource;
  readonly plans: Plans;
  readonly backOff: () => Promise<DomainBackOff>;
  readonly context: DeliveryContext;
}

/** One connection's worth of work. After a fault what is left stays in the queue. Never rejects. */
async function runLane(lane: Lane): Promise<void> {
  try {
    await followPlans(lane);
  } catch (error) {
    lane.context.ports.observe({ kind: 'fault', error });
    await lane.source.keepRest();
  }
}

/** Runs the plan, and where it leads nowhere the plans that may follow it, and settles what is left then. */
async function followPlans(lane: Lane): Promise<void> {
  const { group, plans } = lane;
  if (group.refusal !== undefined) {
    await settleRest(await runPlan(await plans.current(), lane), lane);
    return;
  }
  const backOff = await lane.backOff();
  if (backOff.isWaiting) {
    const run = await runPlan(planWaiting(group), lane);
    await settleRest({ ...run, isUnreachable: true }, lane);
    return;
  }
  const redacted: ClaimedRecord[] = [];
  const run = await runByPolicy(plans, { ...lane, redacted, opened: () => backOff.reached() });
  if (run.kind !== 'finished') {
    redacted.push(...(await settleRest(await noteReach(run, backOff), lane)));
  }
  if (redacted.length > 0) {
    await sendRedacted(redacted, run, lane);
  }
}

/** Runs the plan and, where a policy stood in the way that does not stand any more, the plan by that of now. */
async function runByPolicy(plans: Plans, surroundings: PlanSurroundings): Promise<RunToSettle> {
  const run = await runPlan(await plans.current(), surroundings);
  if (run.kind === 'finished' || !isPolicyFailure(concludeRun(run)?.code)) {
    return run;
  }
  // RFC 8461 §5.1: before a policy has the last word, at expiry as ever, see whether it still stands. Where the time
  // for content is over, that for a look-up is not.
  const fresh = await plans.afresh();
  return fresh === undefined
    ? run
    : { ...(await runPlan(fresh, { ...surroundings, earlier: run.log.noted() })), isRenewed: true };
}

/** No plan: while the domain is out of reach nothing is looked up for the messages that wait for it. */
function planWaiting({ domain, demand }: DeliveryGroup): DeliveryPlan {
  return {
    kind: 'none',
    code: 'backing-off',
    reason: `no mail server of ${domain} could be reached lately; one message at a time tries again`,
    domain,
    demand,
    sts: undefined,
    dane: 'off',
    lookups: [],
  };
}

/** Tells the back-off before anything is settled: what waits is listed for a domain that backs off. */
async function noteReach(run: RunToSettle, backOff: DomainBackOff): Promise<RunToSettle> {
  const reach = run.kind === 'exhausted' ? judgeReach(run.log) : 'unknown';
  if (reach === 'reached') {
    await backOff.reached();
  } else if (reach === 'unreachable') {
    await backOff.unreachable();
  }
  return { ...run, isUnreachable: reach === 'unreachable' };
}

/** A run that has left something. */
interface RunToSettle extends PlanRun {
  /** What is put off waits for the domain. */
  readonly isUnreachable?: boolean;
  /** By the policy of now, which is another one than the one that stood in the way. */
  readonly isRenewed?: boolean;
}

/**
 * The redacted forms of notifications that no host may have whole go by `default` (RFC 8689 §5). The messages
 * themselves stay as they are: should this come to nothing, the next attempt begins with the full form again.
 */
async function sendRedacted(
  messages: readonly ClaimedRecord[],
  { plan, log }: PlanRun,
  { group, context }: Lane,
): Promise<void> {
  const source = createClaimSource([], context, messages);
  try {
    const redacting = {
      demand: 'default',
      demandReason: 'no host may have it with REQUIRETLS, so its redacted form goes (RFC 8689 §5)',
    } as const;
    const plans =
      plan.kind === 'hosts'
        ? { current: async () => ({ ...plan, ...redacting }), afresh: async () => undefined }
        : createPlans({ ...group, demand: 'default', explicit: false }, context, redacting);
    const run = await runByPolicy(plans, { source, context, earlier: log.noted() });
    if (run.kind !== 'finished') {
      await settleRest(run, { source, context });
    }
  } catch (error) {
    context.ports.observe({ kind: 'fault', error });
    await source.keepRest();
  }
}

/**
 * The same verdict for all that found no channel. Resolves to those for which it is not the last word, with their
 * redacted form in place of the full one.
 */
async function settleRest(
  run: RunToSettle,
  { source, context }: Pick<Lane, 'source' | 'context'>,
): Promise<ClaimedRecord[]> {
  const conclusion = concludeRun(run);
  const redacted: ClaimedRecord[] = [];
  const settleOne = async (next: ClaimedRecord): Promise<void> => {
    const instead = mayGoRedacted(run, next, context) ? redact(next, context) : undefined;
    if (instead !== undefined) {
      redacted.push(instead);
    } else if (
      conclusion === undefined &&
      (mayBePutBack(next, context) || mayBeRenewed(run, next, context))
    ) {
      await putBackToNow(next, context);
    } else {
      await settleAlike(next, { run, conclusion: conclusion ?? outOfTime, context });
    }
  };
  // Nobody waits for a channel here: one after the other, what a dead domain's mail costs would hold up all other mail.
  const worker = async (): Promise<void> => {
    for (let next = await source.next(); next !== undefined; next = await source.next()) {
      await settleOne(next);
    }
  };
  await Promise.all(Array.from({ length: settledAtOnce }, worker));
  return redacted;
}

/** A policy that is another one each time it is looked at keeps nobody's message longer than this past its time. */
const renewalMs = 3_600_000;

/** What has expired and was not tried by the policy of now yet, which the next attempt begins with. */
function mayBeRenewed(
  { isRenewed = false }: RunToSettle,
  { message }: ClaimedRecord,
  { ports }: DeliveryContext,
): boolean {
  const overMs = ports.now() - Date.parse(message.expiresAt);
  return isRenewed && overMs >= 0 && overMs < renewalMs;
}

/**
 * Only after every host was tried and none may have the full form: for good, or when the message's time is over. Before
 * that it waits like any other, since a host that may have it can come back.
 */
function mayGoRedacted(
  run: PlanRun,
  { message }: ClaimedRecord,
  { ports }: DeliveryContext,
): boolean {
  const conclusion = concludeRun(run);
  return (
    run.kind === 'exhausted' &&
    run.plan.demand === 'require' &&
    isForWantOfRequireTls(conclusion?.code) &&
    (conclusion?.outcome === 'failed' || ports.now() >= Date.parse(message.expiresAt))
  );
}

/** For a message that had time, and whose time went into channels that carried others. */
const outOfTime: Conclusion = {
  outcome: 'deferred',
  code: 'time-too-short',
  status: '4.4.7',
  reason: 'no channel was at hand in the time that there was',
};

interface SharedVerdict {
  readonly run: RunToSettle;
  readonly conclusion: Conclusion;
  readonly context: DeliveryContext;
}

async function settleAlike(
  claimed: ClaimedRecord,
  { run, conclusion, context }: SharedVerdict,
): Promise<void> {
  const { plan, log, isUnreachable = false } = run;
  try {
    const results = pendingRecipients(claimed.delivery).map(() => conclusion);
    const hosts = log.noted();
    await settleDelivery(claimed, { results, row: log.row, plan, hosts, isUnreachable }, context);
    claimed.record.finish('done');
  } catch (error) {
    context.ports.observe({ kind: 'fault', error });
    claimed.record.finish('keep');
  }
}
