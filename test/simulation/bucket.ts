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
  /** Who wrote it, where it is the row of a delivery: `id part`. */
  rowHandled(row: string, by: SimulatedProcess): void;
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
  /** The rows that have named a key. */
  const named = new Map<string, Set<string>>();
  const namedBy = new Map<string, Set<string>>();
  /** Who wrote last to a row that names a key: whoever finished it had to remove the object. */
  const handlers = new Map<string, Touch | undefined>();
  /** Keys of what was removed: who puts it again got its record a second time. */
  const removed = new Set<string>();
  const touches = new Map<string, Touch[]>();
  const touch = (key: string, by: SimulatedProcess): void => {
    touches.set(key, [...(touches.get(key) ?? []), { by, atMs: options.nowMs() }]);
  };
  /** A finished row needs nothing, whatever it names still or names no more. */
  const forget = (row: string): void => {
    for (const key of namedBy.get(row) ?? []) {
      const rows = needs.get(key);
      rows?.delete(row);
      if (rows?.size === 0) {
        needs.delete(key);
      }
    }
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
        named.set(key, (named.get(key) ?? new Set()).add(row));
        handlers.set(row, handlers.get(row));
        namedBy.set(row, (namedBy.get(row) ?? new Set()).add(key));
        needs.set(key, (needs.get(key) ?? new Set()).add(row));
      }
      if (isFinished) {
        forget(row);
      }
    },
    rowHandled: (row, by) => {
      if (handlers.has(row)) {
        handlers.set(row, { by, atMs: options.nowMs() });
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
          ![
            ...(touches.get(key) ?? []),
            ...[...(named.get(key) ?? [])].map((row) => handlers.get(row)),
          ].some((touched) => touched?.by.isTroubled(touched.atMs - touchMs)),
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
  return [item['content']?.S, item['redacted']?.S].flatMap((reference) => {
    const { key } = reference === undefined ? {} : (JSON.parse(reference) as { key?: string });
    return key === undefined ? [] : [key];
  });
}
