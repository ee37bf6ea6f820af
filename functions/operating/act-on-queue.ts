/**
 * An action on a message, on all that waits for a domain or from a sender, or on all that waits: a page at a time, which
 * may be asked for again after a failure, since what is done already is passed over.
 */
import type { DeliveryKey } from '../delivery/stored-delivery.ts';
import { workUntil } from '../delivery/work-until.ts';
import { type Actor, actOnDelivery, type Deed } from './delivery-actions.ts';
import { listWaiting } from './list-waiting.ts';
import type { ActionOutcome, BackoffControl, QueueContext, Refusal } from './ports.ts';
import type { WaitingCursor } from './waiting-cursor.ts';

/** What to act upon. Without an id only what waits is found: deliveries that were put off, or are held. */
export type Selection =
  | { readonly kind: 'message'; readonly id: string }
  | { readonly kind: 'domain'; readonly domain: string }
  | { readonly kind: 'sender'; readonly sender: string }
  | { readonly kind: 'all' };

export interface ActRequest {
  readonly selection: Selection;
  readonly deed: Deed;
  readonly actor: Actor;
  /** From the page before; for selections without an id. */
  readonly cursor?: WaitingCursor;
  /** Deliveries of one page. */
  readonly limit: number;
}

/** Deliveries that were left as they are, for one reason. */
export interface Skipped {
  readonly reason: Refusal['kind'];
  readonly count: number;
  /** With `busy`: when the last of them is free at the latest, epoch milliseconds. */
  readonly untilMs?: number;
  /** The first few. */
  readonly examples: readonly DeliveryKey[];
}

export interface ActResult {
  readonly done: number;
  readonly skipped: readonly Skipped[];
  /** Present where there may be more. */
  readonly cursor?: string;
}

/** Deliveries that are acted upon at one time. */
const concurrency = 8;

const examplesMax = 3;

/**
 * Does one page of an action. The order is by age, which no action changes, so that none is passed over.
 *
 * @throws {TransportSecurityError} `store-unavailable`, `store-damaged`: some of the page may be done; ask for it again.
 */
export async function actOnQueue(request: ActRequest, context: QueueContext): Promise<ActResult> {
  const { deed, actor } = request;
  const { targets, queued, cursor } = await findTargets(request, context);
  const outcomes: { readonly key: DeliveryKey; readonly outcome: ActionOutcome }[] = [];
  const ports = { ...context.ports, backoffs: onceADomain(context.ports.backoffs) };
  const acting = { actor, context: { ...context, ports } };
  await workUntil(targets, { concurrency, mayGoOn: () => true }, async (key) => {
    const outcome = await actOnDelivery(key, deed, acting);
    outcomes.push({ key, outcome: isUnknown(outcome) && queued.has(key) ? stillQueued : outcome });
    return undefined;
  });
  return {
    done: outcomes.filter(({ outcome }) => outcome === 'done').length,
    skipped: summarize(outcomes),
    ...(cursor !== undefined && { cursor }),
  };
}

/** However many of a domain's messages are sent, one of them is the probe. */
function onceADomain({ hasten }: BackoffControl): BackoffControl {
  const hastened = new Map<string, Promise<void>>();
  return {
    hasten: (domain, nowMs) => {
      const known = hastened.get(domain) ?? hasten(domain, nowMs);
      hastened.set(domain, known);
      return known;
    },
  };
}

function isUnknown(outcome: ActionOutcome): boolean {
  return outcome !== 'done' && outcome.kind === 'unknown';
}

/** It was accepted and has no row: the row is made when its first attempt begins. */
const stillQueued: Refusal = { kind: 'queued' };

interface Targets {
  readonly targets: readonly DeliveryKey[];
  /** Of these, the ones that are in the delivery queue where they have no row. */
  readonly queued: ReadonlySet<DeliveryKey>;
  readonly cursor?: string;
}

async function findTargets(request: ActRequest, context: QueueContext): Promise<Targets> {
  const { selection, limit, cursor } = request;
  if (selection.kind === 'message') {
    return partsOf(selection.id, context);
  }
  const { kind: _kind, ...filter } = selection;
  const page = await listWaiting(
    { ...filter, order: 'age', limit, ...(cursor !== undefined && { cursor }) },
    context.ports.waiting,
  );
  const targets = page.deliveries.map(({ id, domain }) => ({ id, domain }));
  return { targets, queued: new Set(), ...(page.cursor !== undefined && { cursor: page.cursor }) };
}

/** All deliveries of a message, whole or part; of an id that nobody knows, one that will be found unknown. */
async function partsOf(id: string, { ports }: QueueContext): Promise<Targets> {
  const stored = await ports.control.readMessage(id);
  if (stored === undefined) {
    return { targets: [{ id, domain: '' }], queued: new Set() };
  }
  const { deliveries, whole } = stored;
  const own = deliveries.map(({ domain }) => ({ id, domain }));
  const parts = (whole?.parts ?? [])
    .map((part) => ({ id: part.id, domain: part.domain }))
    .filter((part) => part.id !== id || own.length === 0);
  // After its time a part without a row was finished, and its days of history are over.
  const mayWait = whole !== undefined && ports.now() < Date.parse(whole.expiresAt);
  return { targets: [...own, ...parts], queued: new Set(mayWait ? parts : []) };
}

function summarize(
  outcomes: readonly { readonly key: DeliveryKey; readonly outcome: ActionOutcome }[],
): Skipped[] {
  const refused = outcomes.flatMap(({ key, outcome }) =>
    outcome === 'done' ? [] : [{ key, refusal: outcome }],
  );
  const byReason = Map.groupBy(refused, ({ refusal }) => refusal.kind);
  return [...byReason].map(([reason, group]) => {
    const untilMs = Math.max(
      ...group.map(({ refusal }) => (refusal.kind === 'busy' ? refusal.untilMs : 0)),
    );
    return {
      reason,
      count: group.length,
      ...(untilMs > 0 && { untilMs }),
      examples: group.slice(0, examplesMax).map(({ key }) => key),
    };
  });
}
