/**
 * An S3 bucket that knows who needs what is in it: no object may go while an unfinished row names it, and none may stay
 * of what is finished, unless a process died or a call failed while somebody was at it, or its record came twice.
 */
import type { Item } from './expressions.ts';
import type { SimulatedProcess } from './process.ts';

export interface SimulatedBucket {
  put(key: string, octets: Uint8Array, by?: SimulatedProcess): void;
  get(key: string, by: SimulatedProcess): Uint8Array | undefined;
  delete(key: string): void;
  /** An item of the message table was written. */
  rowWritten(item: Item): void;
  /** What stays at the end, and nothing explains. */
  leftBehind(): string[];
  readonly size: number;
}

interface Touch {
  readonly by: SimulatedProcess;
  readonly atMs: number;
}

/** From the last look at an object to the end of what is done with it, which may have failed. */
const touchMs = 20 * 60_000;

export function createBucket(options: {
  readonly nowMs: () => number;
  readonly complain: (what: string) => void;
}): SimulatedBucket {
  const objects = new Map<string, Uint8Array>();
  /** Unfinished rows that name an object, by its key. */
  const needs = new Map<string, Set<string>>();
  /** Every key that a row has named. */
  const named = new Set<string>();
  /** Keys of what was removed: who puts it again got its record a second time. */
  const removed = new Set<string>();
  const touches = new Map<string, Touch[]>();
  const touch = (key: string, by: SimulatedProcess): void => {
    touches.set(key, [...(touches.get(key) ?? []), { by, atMs: options.nowMs() }]);
  };
  return {
    put: (key, octets, by) => {
      objects.set(key, octets);
      if (by !== undefined) {
        touch(key, by);
      }
    },
    get: (key, by) => {
      if (objects.has(key)) {
        touch(key, by);
      }
      return objects.get(key);
    },
    delete: (key) => {
      const [row] = needs.get(key) ?? [];
      if (row !== undefined) {
        options.complain(`object ${key} was removed, and ${row} still needs it`);
      }
      touches.delete(key);
      objects.delete(key);
      removed.add(key);
    },
    rowWritten: (item) => {
      const row = `${item['id']?.S} ${item['part']?.S}`;
      const isFinished = item['removeAtSeconds'] !== undefined;
      for (const key of keysOf(item)) {
        named.add(key);
        const rows = needs.get(key) ?? new Set();
        if (isFinished) {
          rows.delete(row);
        } else {
          rows.add(row);
        }
        if (rows.size > 0) {
          needs.set(key, rows);
        } else {
          needs.delete(key);
        }
      }
    },
    leftBehind: () =>
      [...objects.keys()].filter(
        (key) =>
          key.startsWith('content/') &&
          !needs.has(key) &&
          !removed.has(key) &&
          // A notification as it was before it was accepted is the lifecycle's to remove.
          (named.has(key) || !key.startsWith('content/dsn-')) &&
          !(touches.get(key) ?? []).some(({ by, atMs }) => by.isTroubled(atMs - touchMs)),
      ),
    get size() {
      return objects.size;
    },
  };
}

/** The objects that the row of a delivery names: its body, and what goes in its place. */
function keysOf(item: Item): string[] {
  if (item['part']?.S?.startsWith('delivery#') !== true) {
    return [];
  }
  const content = item['content']?.S;
  const envelope = item['envelope']?.S ?? '';
  const { redacted } = envelope.includes('"redacted"')
    ? (JSON.parse(envelope) as { redacted?: { key?: string } })
    : {};
  const { key } = content === undefined ? {} : (JSON.parse(content) as { key?: string });
  return [key, redacted?.key].filter((each) => each !== undefined);
}
