/**
 * An action on a message, on all that waits for a domain or from a sender, or on all that waits: a page at a time, which
 * may be asked for again after a failure, since what is done already is passed over.
 */
import type { DeliveryKey } from '../delivery/stored-delivery.ts';
import { workUntil } from '../delivery/work-until.ts';
import { deriveId } from '../submission/prepare.ts';
import { type Actor, actOnDelivery, type Deed } from './delivery-actions.ts';
import { listWaiting } from './list-waiting.ts';
import type {
  ActionOutcome,
  ActionTarget,
  BackoffControl,
  QueueContext,
  Refusal,
} from './ports.ts';
import type { WaitingCursor } from './waiting-cursor.ts';

/** What to act upon. Without an id only what waits is found: deliveries that were put off, or are held. */
export type Selection =
  /** With a domain that part of it only, and then also where nothing is known of such a message yet. */
  | { readonly kind: 'message'; readonly id: string; readonly domain?: string }
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
  /** Deliveries whose first attempt was not begun: whoever begins it goes by what was asked. Absent: none. */
  readonly noted?: number;
  readonly skipped: readonly Skipped[];
  /** Present where there may be more. */
  readonly cursor?: string;
}

/** Deliveries that are acted upon at one time. */
const concurrency = 8;

const examplesMax = 3;

/** SQS keeps no record longer. */
const recordLifeMs = 14 * 86_400_000;

/**
 * Does one page of an action. The order is by age, which no action changes, so that none is passed over.
 *
 * @throws {TransportSecurityError} `store-unavailable`, `store-damaged`: some of the page may be done; ask for it again.
 */
export async function actOnQueue(request: ActRequest, context: QueueContext): Promise<ActResult> {
  const { deed, actor } = request;
  const { targets, cursor } = await findTargets(request, context);
  const outcomes: Outcome[] = [];
  const ports = { ...context.ports, backoffs: onceADomain(context.ports.backoffs) };
  const acting = { actor, context: { ...context, ports } };
  await workUntil(targets, { concurrency, mayGoOn: () => true }, async (target) => {
    const outcome = await actOnDelivery(target, deed, acting);
    if (target.isTwin !== true) {
      outcomes.push({ target, outcome });
    }
    return undefined;
  });
  const noted = outcomes.filter(({ outcome }) => outcome === 'noted').length;
  return {
    done: outcomes.filter(({ outcome }) => outcome === 'done').length,
    ...(noted > 0 && { noted }),
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

/** One of the deliveries that are meant. */
interface Target extends ActionTarget {
  /** Another name of the one before it: which of the two is right will be seen. It counts once. */
  readonly isTwin?: true;
}

interface Outcome {
  readonly target: Target;
  readonly outcome: ActionOutcome;
}

interface Targets {
  readonly targets: readonly Target[];
  readonly cursor?: string;
}

async function findTargets(request: ActRequest, context: QueueContext): Promise<Targets> {
  const { selection, limit, cursor } = request;
  if (selection.kind === 'message') {
    return { targets: await partsOf(selection, context) };
  }
  const { kind: _kind, ...filter } = selection;
  const page = await listWaiting(
    { ...filter, order: 'age', limit, ...(cursor !== undefined && { cursor }) },
    context.ports.waiting,
  );
  const targets = page.deliveries.map(({ id, domain }) => ({ id, domain }));
  return { targets, ...(page.cursor !== undefined && { cursor: page.cursor }) };
}

/**
 * All deliveries of a message, whole or part, or that for one domain; of an id that nobody knows, one that will be found
 * unknown, or, where its domain is named now or was before, may yet come: mail that comes by SQS is known when its first
 * attempt begins.
 */
async function partsOf(
  { id, domain }: Extract<Selection, { readonly kind: 'message' }>,
  { ports, settings }: QueueContext,
): Promise<readonly Target[]> {
  const stored = await ports.control.readMessage(id);
  const { deliveries = [], advance = [], whole } = stored ?? {};
  const own = deliveries.map((row) => ({ id, domain: row.domain }));
  // After that a part without a row was finished, and its days of history are over. Its own time may end before: where
  // nobody takes records from the queue, one that is past its expiry can still be held or given up.
  const mayCome = whole !== undefined && ports.now() < Date.parse(whole.submittedAt) + recordLifeMs;
  const parts = (whole?.parts ?? [])
    .filter((part) => part.id !== id || own.length === 0)
    .map((part) => ({ id: part.id, domain: part.domain, mayCome }));
  const found = [...own, ...parts].filter((each) => domain === undefined || each.domain === domain);
  if (found.length > 0) {
    return found;
  }
  const named = domain === undefined ? advance.map((note) => note.domain) : [domain];
  if (named.length === 0 || own.length > 0 || whole !== undefined) {
    return [{ id, domain: domain ?? '' }];
  }
  return named.flatMap((each) => unbegunParts(id, each, settings));
}

/** Under both of the ids that it may have: should the message be for several domains, its parts have ids of their own. */
function unbegunParts(
  id: string,
  domain: string,
  { smartHost }: QueueContext['settings'],
): readonly Target[] {
  // Whatever is noted for another domain than that of all mail would never be met.
  if (smartHost !== undefined && smartHost.host !== domain) {
    return [{ id, domain }];
  }
  const part = { id: deriveId(id, domain), domain, mayCome: true, isTwin: true } as const;
  return [{ id, domain, mayCome: true }, part];
}

function summarize(outcomes: readonly Outcome[]): Skipped[] {
  const refused = outcomes.flatMap(({ target, outcome }) =>
    outcome === 'done' || outcome === 'noted' ? [] : [{ target, refusal: outcome }],
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
      examples: group.slice(0, examplesMax).map(({ target: { id, domain } }) => ({ id, domain })),
    };
  });
}
