/**
 * The net beneath the retry table; runs once an hour. A delivery whose next attempt is overdue by an hour has lost its
 * retry item, or nobody sends what is due: its item is put in again, made from the row.
 */
import type { DeliveryEvent } from './events.ts';
import type { RetryStore } from './ports.ts';
import {
  type DeliveryRow,
  nextMessage,
  type WaitingDelivery,
  type WaitingIndex,
  type WaitingPosition,
} from './stored-delivery.ts';
import { workUntil } from './work-until.ts';

/** Requeuing and the queue are minutes behind at worst, or do not work. */
const overdueMs = 60 * 60_000;

const pageItemsMax = 200;

/** Rows that are worked on at one time. */
const concurrency = 8;

export interface ReconcilePorts {
  /** Epoch milliseconds. */
  readonly now: () => number;
  readonly waiting: WaitingIndex;
  /** The row as it is now: the index may be behind. */
  readonly readDelivery: (id: string, domain: string) => Promise<DeliveryRow | undefined>;
  readonly retries: RetryStore;
  readonly observe: (event: DeliveryEvent) => void;
}

export interface ReconcileSummary {
  /** Deliveries that were put in again. */
  readonly overdue: number;
  /** Rows and shards that could not be read, each observed as a fault. */
  readonly failed: number;
}

/**
 * Puts in again what is overdue, until `deadlineMs`; what is left is found by the next run. Held deliveries wait for
 * their release. A row that cannot be read or written stops no other.
 */
export async function reconcileOverdue(
  ports: ReconcilePorts,
  deadlineMs: number,
): Promise<ReconcileSummary> {
  const { now, observe } = ports;
  const beforeMs = now() - overdueMs;
  let overdue = 0;
  let failed = 0;
  const fail = (error: unknown): void => {
    failed += 1;
    observe({ kind: 'fault', error });
  };
  const restore = async (listed: WaitingDelivery): Promise<undefined> => {
    try {
      const isPut = await putAgain(listed, beforeMs, ports);
      overdue += isPut ? 1 : 0;
    } catch (error) {
      fail(error);
    }
  };
  const mayGoOn = (): boolean => now() < deadlineMs;
  for (let shard = 0; shard < ports.waiting.shards && mayGoOn(); shard += 1) {
    try {
      for await (const page of pagesOf(shard, beforeMs, ports.waiting)) {
        await workUntil(page, { concurrency, mayGoOn }, restore);
        if (!mayGoOn()) {
          break;
        }
      }
    } catch (error) {
      fail(error);
    }
  }
  return { overdue, failed };
}

async function* pagesOf(
  shard: number,
  untilMs: number,
  waiting: WaitingIndex,
): AsyncGenerator<readonly WaitingDelivery[]> {
  let after: WaitingPosition | undefined;
  do {
    const page = await waiting.readWaiting({
      order: 'due',
      shard,
      untilMs,
      limit: pageItemsMax,
      ...(after !== undefined && { after }),
    });
    yield page.filter(({ held }) => held === undefined);
    const last = page.length < pageItemsMax ? undefined : page.at(-1);
    after = last && { id: last.id, domain: last.domain, atMs: last.nextDueAtMs ?? untilMs };
  } while (after !== undefined);
}

/** False where there is nothing to do: it was taken up, finished or held meanwhile. */
async function putAgain(
  { id, domain }: WaitingDelivery,
  beforeMs: number,
  { now, readDelivery, retries }: ReconcilePorts,
): Promise<boolean> {
  const row = await readDelivery(id, domain);
  // Only a row that waits has a due time: one that was put off, or released from a hold.
  const isOverdue =
    row?.nextDueAtMs !== undefined && row.held === undefined && row.nextDueAtMs <= beforeMs;
  const message = isOverdue ? nextMessage(row) : undefined;
  if (message === undefined) {
    return false;
  }
  await retries.put(message, now());
  return true;
}
