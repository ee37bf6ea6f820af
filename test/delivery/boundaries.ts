/** The moments at which a process can fail or end: around each operation of the delivery room's stores. */
import type { MessageTable } from '../../functions/adapters/aws/message-table.ts';
import type {
  BackoffStore,
  ContentStore,
  MailQueue,
  RetryStore,
} from '../../functions/delivery/ports.ts';
import type { BackoffList, RetryReader } from '../../functions/delivery/requeue-ports.ts';
import type { MessageControl } from '../../functions/operating/ports.ts';
import { TransportSecurityError } from '../../functions/protocol/errors.ts';

/** Every operation of the stores, by the name of its method; `BackoffStore.read` has a name of its own. */
export type PortOperation =
  | Exclude<keyof MessageTable, 'readDelivery'>
  | keyof RetryStore
  | Exclude<keyof RetryReader, 'buckets'>
  | Exclude<keyof BackoffStore, 'read'>
  | 'readBackoff'
  | keyof BackoffList
  | Exclude<keyof MessageControl, 'readDelivery' | 'readMessage'>
  | keyof MailQueue
  | keyof ContentStore;

/** A moment at which a process can fail or end: before an operation has any effect, or after it had all of it. */
export interface Boundary {
  readonly operation: PortOperation;
  readonly phase: 'before' | 'after';
  /** Counts boundaries of these ports from 0. */
  readonly index: number;
}

/** One operation: notes the call, passes the boundaries, and does the work between them. */
export type Run = <T>(operation: PortOperation, work: () => T) => Promise<T>;

export interface Boundaries {
  readonly run: Run;
  /** Operations in the order in which they were asked for. */
  readonly calls: readonly PortOperation[];
  /** Lets the next `times` (1) calls of `operation` fail: `before` as throttled, `after` as a lost answer. */
  fail(operation: PortOperation, phase: Boundary['phase'], times?: number): void;
  /**
   * Called at every boundary from now on. What it throws, the operation throws; where it returns a promise that never
   * settles, the process has ended there as far as the caller can tell.
   */
  intercept(interceptor: (boundary: Boundary) => void | Promise<void>): void;
}

export function createBoundaries(): Boundaries {
  const calls: PortOperation[] = [];
  const failures: { readonly operation: PortOperation; readonly phase: Boundary['phase'] }[] = [];
  let interceptor: (boundary: Boundary) => void | Promise<void> = () => {};
  let index = 0;
  const pass = async (operation: PortOperation, phase: Boundary['phase']): Promise<void> => {
    await interceptor({ operation, phase, index: index++ });
    const at = failures.findIndex((each) => each.operation === operation && each.phase === phase);
    if (at >= 0) {
      failures.splice(at, 1);
      const reason = phase === 'before' ? 'throttled' : 'the answer was lost';
      throw new TransportSecurityError('store-unavailable', `${operation}: ${reason}`);
    }
  };
  return {
    calls,
    run: async (operation, work) => {
      calls.push(operation);
      await pass(operation, 'before');
      const result = copy(work());
      await pass(operation, 'after');
      return result;
    },
    fail: (operation, phase, times = 1) => {
      failures.push(...Array.from({ length: times }, () => ({ operation, phase })));
    },
    intercept: (next) => {
      interceptor = next;
    },
  };
}

/** What comes of a value that is written and read again. */
export function copy<T>(value: T): T {
  if (value instanceof Uint8Array) {
    return value.slice() as typeof value;
  }
  return value === undefined ? value : (JSON.parse(JSON.stringify(value)) as T);
}
