/**
 * An action on a message, on all that waits for a domain or from a sender, or on all that waits: a page at a time, which
 * may be asked for again after a failure, since what is done already is passed over.
 */
import type { DeliveryKey } from '../delivery/stored-delivery.ts';
import { workUntil } from '../delivery/work-until.ts';
import { type Actor, actOnDelivery, type Deed } from './delivery-actions.ts';
import { listWaiting } from './list-waiting.ts';
import type { ActionOutcome, QueueContext, Refusal } from './ports.ts';
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
  const { targets, cursor } = await findTargets(request, context);
  const outcomes: { readonly key: DeliveryKey; readonly outcome: ActionOutcome }[] = [];
  await workUntil(targets, { concurrency, mayGoOn: () => true }, async (key) => {
    outcomes.push({ key, outcome: await actOnDelivery(key, deed, { actor, context }) });
    return undefined;
  });
  return {
    done: outcomes.filter(({ outcome }) => outcome === 'done').length,
    skipped: summarize(outcomes),
    ...(cursor !== undefined && { cursor }),
  };
}

interface Targets {
  readonly targets: readonly DeliveryKey[];
  readonly cursor?: string;
}

async function findTargets(request: ActRequest, { ports }: QueueContext): Promise<Targets> {
  const { selection, limit, cursor } = request;
  if (selection.kind === 'message') {
    return { targets: await partsOf(selection.id, ports.control) };
  }
  const { kind: _kind, ...filter } = selection;
  const page = await listWaiting(
    { ...filter, order: 'age', limit, ...(cursor !== undefined && { cursor }) },
    ports.waiting,
  );
  const targets = page.deliveries.map(({ id, domain }) => ({ id, domain }));
  return { targets, ...(page.cursor !== undefined && { cursor: page.cursor }) };
}

/** All deliveries of a message, whole or part; of an id that nobody knows, one that will be found unknown. */
async function partsOf(
  id: string,
  control: QueueContext['ports']['control'],
): Promise<readonly DeliveryKey[]> {
  const stored = await control.readMessage(id);
  if (stored === undefined) {
    return [{ id, domain: '' }];
  }
  const own = stored.deliveries.map(({ domain }) => ({ id, domain }));
  const parts = (stored.whole?.parts ?? []).map((part) => ({ id: part.id, domain: part.domain }));
  return [...own, ...parts.filter((part) => part.id !== id || own.length === 0)];
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
