/**
 * What an operator does to one delivery. Each is one conditional write on the row in which attempts are claimed, so that
 * it cannot pass an attempt by; whatever was done is noted in the delivery's history, with who and why.
 */

import { nextMessage } from '../delivery/stored-delivery.ts';
import type { TlsDemand } from '../protocol/requiretls/demand.ts';
import { cancelDelivery } from './cancel-delivery.ts';
import {
  type ActionOutcome,
  type ActionTarget,
  type MessageControl,
  outcomeOf,
  type QueueAction,
  type QueueContext,
  type Refusal,
} from './ports.ts';

/** An action, as it is asked for. */
export type Deed =
  | { readonly action: 'retry' | 'hold' | 'release' }
  /** `bounce`: whether the sender is told. */
  | { readonly action: 'cancel'; readonly bounce: boolean }
  | { readonly action: 'override'; readonly demand: TlsDemand };

/** Who acts, and why. */
export interface Actor {
  readonly author: string;
  readonly reason: string;
}

/**
 * Does one deed to one delivery.
 *
 * @throws {TransportSecurityError} `store-unavailable`, `store-damaged`; the deed may then be done, and doing it again does
 *   no harm.
 */
export async function actOnDelivery(
  target: ActionTarget,
  deed: Deed,
  { actor, context }: { readonly actor: Actor; readonly context: QueueContext },
): Promise<ActionOutcome> {
  const outcome = await doDeed(target, deed, { actor, context });
  if (outcome === 'done' || outcome === 'noted') {
    const { id, domain } = target;
    await context.ports.control.noteAction({
      id,
      domain,
      ...actor,
      action: deed.action,
      atMs: context.ports.now(),
      ...detailOf(deed),
    });
  }
  return outcome;
}

function detailOf(deed: Deed): Pick<QueueAction, 'detail'> {
  switch (deed.action) {
    case 'cancel':
      return { detail: deed.bounce ? 'the sender is told' : 'the sender is not told' };
    case 'override':
      return { detail: `demand: ${deed.demand}` };
    default:
      return {};
  }
}

function doDeed(
  target: ActionTarget,
  deed: Deed,
  acting: { readonly actor: Actor; readonly context: QueueContext },
): Promise<ActionOutcome> {
  const { actor, context } = acting;
  switch (deed.action) {
    case 'retry':
      return retryNow(target, context);
    case 'hold':
      return hold(target, actor, context);
    case 'release':
      return release(target, context);
    case 'cancel':
      return cancelDelivery(target, { ...actor, bounce: deed.bounce }, context);
    case 'override':
      return override(target, { ...actor, demand: deed.demand }, context);
  }
}

/**
 * Sends the next attempt's queue message now. Its retry item stays, and is dropped when it comes due. A domain that backs
 * off may be probed at once, else the message would only be put off again.
 */
async function retryNow(target: ActionTarget, { ports }: QueueContext): Promise<ActionOutcome> {
  const { id, domain } = target;
  const row = await ports.control.readDelivery(id, domain);
  if (row === undefined) {
    return target.mayCome === true ? judgeUnbegun(target, ports.control) : { kind: 'unknown' };
  }
  if (row.cancelled !== undefined) {
    return { kind: 'finished' };
  }
  if (row.held !== undefined) {
    return { kind: 'held' };
  }
  if (row.state === 'attempting' && row.leaseEndMs > ports.now()) {
    return { kind: 'busy', untilMs: row.leaseEndMs };
  }
  const message = nextMessage(row);
  if (message === undefined) {
    return { kind: row.state === 'finished' ? 'finished' : 'queued' };
  }
  await ports.backoffs.hasten(domain, ports.now());
  await ports.queue.enqueue([message]);
  return 'done';
}

/** Its first attempt is in the queue, and comes no sooner for being asked for. */
async function judgeUnbegun(
  { id, domain }: ActionTarget,
  control: Pick<MessageControl, 'readMessage'>,
): Promise<Refusal> {
  const stored = await control.readMessage(id);
  const note = stored?.advance.find((each) => each.domain === domain);
  if (note?.cancelled !== undefined) {
    return { kind: 'finished' };
  }
  return { kind: note?.held === undefined ? 'queued' : 'held' };
}

async function hold(
  target: ActionTarget,
  actor: Actor,
  { ports }: QueueContext,
): Promise<ActionOutcome> {
  const { author, reason } = actor;
  return outcomeOf(await ports.control.hold(target, { author, reason, sinceMs: ports.now() }));
}

/** The hold ends before the queue message is sent, which else would be let go; a message lost between is overdue. */
async function release(target: ActionTarget, { ports }: QueueContext): Promise<ActionOutcome> {
  const change = await ports.control.release(target, ports.now());
  const message = change.kind === 'changed' ? nextMessage(change.row) : undefined;
  if (message !== undefined) {
    await ports.queue.enqueue([message]);
  }
  return outcomeOf(change);
}

/**
 * RFC 8689 §4.1 leaves the demand to the sender: an operator who takes another one answers for it by name, in the row.
 * What he demands is explicit, so that no exception or toggle takes it away again.
 */
async function override(
  target: ActionTarget,
  { author, reason, demand }: Actor & { readonly demand: TlsDemand },
  { ports }: QueueContext,
): Promise<ActionOutcome> {
  const words = `overridden by ${author}: ${reason}`;
  const change = await ports.control.override(
    target,
    { demand, demandReason: words.slice(0, demandReasonCharsMax), explicit: demand === 'require' },
    ports.now(),
  );
  return outcomeOf(change);
}

/** Of a queue message. */
const demandReasonCharsMax = 500;
