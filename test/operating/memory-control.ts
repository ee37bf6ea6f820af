/** The message table in memory as operators see and change it, over the rows that delivery claims and settles. */
import { waitingShard, waitingShards } from '../../functions/adapters/aws/delivery-row.ts';
import type {
  AdvanceNote,
  DeliveryKey,
  DeliveryRow,
  WaitingDelivery,
  WaitingIndex,
  WaitingQuery,
} from '../../functions/delivery/stored-delivery.ts';
import type { WhyRecord } from '../../functions/delivery/why.ts';
import type {
  ActionTarget,
  MessageControl,
  QueueAction,
  Refusal,
  RowChange,
  StoredMessage,
} from '../../functions/operating/ports.ts';
import type { WholeMessage } from '../../functions/submission/whole-message.ts';
import { copy, createBoundaries, type Run } from '../delivery/boundaries.ts';
import { type MemoryRow, viewOf } from '../delivery/memory-messages.ts';
import type { MemoryPorts } from '../delivery/memory-ports.ts';

/** What is shared with the rest of the stores in memory. */
export interface ControlledRows {
  readonly rows: Map<string, MemoryRow>;
  readonly advance: Map<string, AdvanceNote>;
  readonly whyHistory: readonly WhyRecord[];
  /** By id. */
  readonly wholes: ReadonlyMap<string, WholeMessage>;
  readonly actions: QueueAction[];
}

/** Operates on what the delivery room's stores hold, without histories. */
export function controlOf({
  messageRows: rows,
  advance,
}: Pick<MemoryPorts, 'messageRows' | 'advance'>): MessageControl {
  const stored = { rows, advance, whyHistory: [], wholes: new Map(), actions: [] };
  return createMemoryControl(createBoundaries().run, stored);
}

export function createMemoryControl(run: Run, stored: ControlledRows): MessageControl {
  const { rows, advance, actions } = stored;
  const view = ({ id, domain }: DeliveryKey): DeliveryRow | undefined =>
    viewOf(rows.get(`${id}#${domain}`), id, domain);
  const change = (
    target: ActionTarget,
    refuse: (delivery: DeliveryRow | AdvanceNote) => Refusal | undefined,
    apply: (delivery: Changeable) => void,
  ): RowChange => {
    const { id, domain, mayCome } = target;
    const before = view(target);
    const row = rows.get(`${id}#${domain}`);
    const note = { ...(advance.get(`${id}#${domain}`) ?? { domain }) };
    if (row === undefined && mayCome !== true) {
      return { kind: 'refused', refusal: { kind: 'unknown' } };
    }
    const isOver = before?.state === 'finished' || (row ?? note).cancelled !== undefined;
    const refusal = isOver ? ({ kind: 'finished' } as const) : refuse(before ?? note);
    if (refusal !== undefined) {
      return { kind: 'refused', refusal };
    }
    apply(row ?? note);
    if (row === undefined) {
      advance.set(`${id}#${domain}`, note);
      return { kind: 'noted' };
    }
    return { kind: 'changed', row: view(target) as DeliveryRow };
  };
  return {
    readDelivery: async (id, domain) => view({ id, domain }),
    readMessage: async (id) => readMessage(id, stored, view),
    hold: (key, note) =>
      run('hold', () =>
        change(
          key,
          ({ held }) => (held === undefined ? undefined : { kind: 'held' }),
          (delivery) => {
            delivery.held = copy(note);
            if (isRow(delivery)) {
              delivery.waiting = true;
            }
          },
        ),
      ),
    release: (key, nowMs) =>
      run('release', () =>
        change(
          key,
          ({ held }) => (held === undefined ? { kind: 'not-held' } : undefined),
          (delivery) => {
            delete delivery.held;
            if (isRow(delivery)) {
              delivery.nextDueAtMs = nowMs;
            }
          },
        ),
      ),
    override: (key, demand, nowMs) =>
      run('override', () =>
        change(
          key,
          (delivery) => refuseBusy(delivery, nowMs),
          (delivery) => {
            delivery.demand = copy(demand);
          },
        ),
      ),
    cancel: (key, cancellation, nowMs) =>
      run('cancel', () =>
        change(
          key,
          (delivery) =>
            'content' in delivery
              ? { kind: 'busy', untilMs: Math.max(nowMs, delivery.leaseEndMs) }
              : refuseBusy(delivery, nowMs),
          (delivery) => {
            delivery.cancelled = copy(cancellation);
          },
        ),
      ),
    noteAction: (action) => run('noteAction', () => void actions.push(copy(action))),
  };
}

/** A row, or what is asked in advance of it. */
type Changeable = MemoryRow | { -readonly [Key in keyof AdvanceNote]: AdvanceNote[Key] };

function isRow(delivery: Changeable): delivery is MemoryRow {
  return 'hash' in delivery;
}

function refuseBusy(delivery: DeliveryRow | AdvanceNote, nowMs: number): Refusal | undefined {
  const isUnderWay =
    'state' in delivery && delivery.state === 'attempting' && delivery.leaseEndMs > nowMs;
  return isUnderWay ? { kind: 'busy', untilMs: delivery.leaseEndMs } : undefined;
}

function readMessage(
  id: string,
  { rows, advance, whyHistory, wholes, actions }: ControlledRows,
  view: (key: DeliveryKey) => DeliveryRow | undefined,
): StoredMessage | undefined {
  const whole = wholes.get(id);
  const deliveries = [...rows.keys()]
    .map((key) => key.split('#') as [string, string])
    .filter(([of]) => of === id)
    .map(([, domain]) => view({ id, domain }))
    .filter((row) => row !== undefined);
  const notes = [...advance].flatMap(([key, note]) => (key.split('#')[0] === id ? [note] : []));
  if (whole === undefined && deliveries.length === 0 && notes.length === 0) {
    return undefined;
  }
  return copy({
    id,
    ...(whole !== undefined && { whole }),
    deliveries,
    advance: notes,
    attempts: whyHistory.filter((why) => why.id === id),
    actions: actions.filter((action) => action.id === id),
    truncated: false,
  });
}

export function createMemoryWaiting({ rows }: Pick<ControlledRows, 'rows'>): WaitingIndex {
  return {
    shards: waitingShards,
    readWaiting: async (query) => {
      const behind = query.after && sortKey(query.after.atMs, query.after);
      return [...rows]
        .filter(([, row]) => row.waiting)
        .map(([key, row]) => describe(key, row))
        .filter((each) => waitingShard(each.id) === String(query.shard))
        .map((each) => ({ each, atMs: orderedBy(query, each) }))
        .filter(({ atMs }) => atMs !== undefined && atMs <= (query.untilMs ?? Infinity))
        .map(({ each, atMs = 0 }) => ({ each, key: sortKey(atMs, each) }))
        .filter(({ key }) => behind === undefined || key > behind)
        .sort((one, other) => (one.key < other.key ? -1 : 1))
        .slice(0, query.limit)
        .map(({ each }) => copy(each));
    },
  };
}

function describe(key: string, row: MemoryRow): WaitingDelivery {
  const [id = '', domain = ''] = key.split('#');
  return {
    id,
    domain,
    mailFrom: row.envelope.mailFrom,
    attempt: row.attempt,
    submittedAtMs: Date.parse(row.envelope.submittedAt),
    ...(row.nextDueAtMs !== undefined && { nextDueAtMs: row.nextDueAtMs }),
    ...(row.held !== undefined && { held: row.held }),
  };
}

function orderedBy({ order }: WaitingQuery, each: WaitingDelivery): number | undefined {
  return order === 'age' ? each.submittedAtMs : each.nextDueAtMs;
}

function sortKey(atMs: number, { id, domain }: DeliveryKey): string {
  return `${String(atMs).padStart(15, '0')} ${id} ${domain}`;
}
