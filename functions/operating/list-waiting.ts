/**
 * Lists deliveries that wait, oldest first or by next attempt, a page at a time.
 *
 * The shards of the index are merged in order. A page reads a bounded number of rows, however few of them match: it may
 * then be short, or empty, and its cursor goes on.
 */
import type {
  WaitingDelivery,
  WaitingIndex,
  WaitingPosition,
} from '../delivery/stored-delivery.ts';
import { encodeCursor, type ShardPlace, type WaitingCursor } from './waiting-cursor.ts';

/** What of the list is asked for; all that is given must hold. */
export interface WaitingFilter {
  /** Next-hop domain, in A-labels. */
  readonly domain?: string;
  /** Reverse-path, compared without case; '' for the null one. */
  readonly sender?: string;
  readonly held?: boolean;
}

export interface ListRequest extends WaitingFilter {
  readonly order: 'age' | 'due';
  /** Deliveries of one page. */
  readonly limit: number;
  readonly cursor?: WaitingCursor;
}

export interface WaitingList {
  readonly deliveries: readonly WaitingDelivery[];
  /** Absent at the end of the list. */
  readonly cursor?: string;
}

/** Rows that are asked for at a time, of one shard; some 300 octets each. */
const chunkRows = 100;

/** Such questions for one page: with them 6,400 rows, some 2 MB. */
const chunksMax = 64;

/**
 * One page of the list.
 *
 * @throws {TransportSecurityError} `store-unavailable`, `store-damaged`
 */
export async function listWaiting(
  request: ListRequest,
  waiting: WaitingIndex,
): Promise<WaitingList> {
  const { order, limit, cursor } = request;
  const lanes = Array.from({ length: waiting.shards }, (_, shard) =>
    openLane(shard, cursor?.order === order ? cursor.places[shard] : undefined),
  );
  const deliveries: WaitingDelivery[] = [];
  let chunks = 0;
  while (deliveries.length < limit) {
    const empty = lanes.filter(({ rows, atEnd }) => rows.length === 0 && !atEnd);
    if (chunks + empty.length > chunksMax) {
      break;
    }
    chunks += empty.length;
    await Promise.all(empty.map((lane) => refill(lane, order, waiting)));
    const first = lanes.reduce((one, other) => (precedes(other, one, order) ? other : one));
    const next = first.rows.shift();
    if (next !== undefined) {
      first.after = positionOf(next, order);
      deliveries.push(...(matches(next, request) ? [next] : []));
    } else if (lanes.every(({ atEnd }) => atEnd)) {
      return { deliveries };
    }
  }
  return { deliveries, cursor: encodeCursor({ order, places: lanes.map(placeOf) }) };
}

interface Lane {
  readonly shard: number;
  /** What was read and not handed out. */
  rows: WaitingDelivery[];
  after: WaitingPosition | undefined;
  /** Nothing is behind `rows`. */
  atEnd: boolean;
}

function openLane(shard: number, place: ShardPlace | undefined): Lane {
  const atEnd = place === 'end';
  return { shard, rows: [], after: atEnd ? undefined : (place ?? undefined), atEnd };
}

function placeOf({ rows, after, atEnd }: Lane): ShardPlace {
  return atEnd && rows.length === 0 ? 'end' : (after ?? null);
}

async function refill(lane: Lane, order: 'age' | 'due', waiting: WaitingIndex): Promise<void> {
  const { shard, after } = lane;
  const query = { order, shard, limit: chunkRows, ...(after !== undefined && { after }) };
  lane.rows = [...(await waiting.readWaiting(query))];
  lane.atEnd = lane.rows.length < chunkRows;
}

/** Whether the next delivery of `one` comes before that of `other`; a lane without any comes last. */
function precedes(one: Lane, other: Lane, order: 'age' | 'due'): boolean {
  const [mine] = one.rows;
  const [others] = other.rows;
  return mine !== undefined && (others === undefined || atMs(mine, order) < atMs(others, order));
}

function positionOf(delivery: WaitingDelivery, order: 'age' | 'due'): WaitingPosition {
  const { id, domain } = delivery;
  return { id, domain, atMs: atMs(delivery, order) };
}

function atMs({ submittedAtMs, nextDueAtMs = 0 }: WaitingDelivery, order: 'age' | 'due'): number {
  return order === 'age' ? submittedAtMs : nextDueAtMs;
}

function matches(delivery: WaitingDelivery, { domain, sender, held }: WaitingFilter): boolean {
  return (
    (domain === undefined || delivery.domain === domain) &&
    (sender === undefined || delivery.mailFrom.toLowerCase() === sender.toLowerCase()) &&
    (held === undefined || (delivery.held !== undefined) === held)
  );
}
