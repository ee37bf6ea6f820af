/**
 * A function and its processes: as many as there are events at once, each started when it is first needed.
 */
import { randomUUID } from 'node:crypto';
import type { FunctionError, ReportEvent } from './events.ts';
import type { FunctionSettings } from './lambda-function.ts';
import { type LambdaProcess, type Outcome, startLambdaProcess } from './lambda-process.ts';
import { createSlots } from './slots.ts';

/** What an invocation gave. */
export type Invocation =
  | { readonly ok: true; readonly requestId: string; readonly result: unknown }
  | { readonly ok: false; readonly requestId: string; readonly error: FunctionError };

/** A function that can be invoked. */
export interface LocalFunction {
  readonly settings: FunctionSettings;
  /** Invokes it with an event that can be put into JSON; a failure of the function is a value, not an exception. */
  invoke(event: unknown): Promise<Invocation>;
  /** Kills its processes; what is under way fails. */
  stop(): Promise<void>;
}

/** How many processes of one function a machine is expected to bear; more events wait. */
const processesMax = 20;

/** Prepares a function; its first process starts with the first event. */
export function createFunction(
  settings: FunctionSettings,
  bootstrap: string,
  report: ReportEvent,
): LocalFunction {
  const slots = createSlots(Math.min(settings.reservedConcurrency ?? processesMax, processesMax));
  const pool = createPool(() => startLambdaProcess(settings, bootstrap, report));
  const run = async (requestId: string, event: string): Promise<Outcome> => {
    const { process, isCold } = pool.take();
    const startedAt = performance.now();
    const start = isCold ? await process.started : undefined;
    const invokedAt = performance.now();
    const outcome = start?.ok === false ? start : await process.invoke(requestId, event);
    report({
      kind: 'invocation',
      function: settings.logicalId,
      requestId,
      durationMs: performance.now() - invokedAt,
      ...(isCold ? { initMs: invokedAt - startedAt } : {}),
      memorySizeMb: settings.memorySizeMb,
      memoryUsedMbMax: process.memoryUsedMbMax(),
      error: outcome.ok ? undefined : outcome.error,
    });
    pool.give(process);
    return outcome;
  };
  return {
    settings,
    invoke: async (event) => {
      const requestId = randomUUID();
      const payload = JSON.stringify(event);
      await slots.take();
      try {
        const outcome = pool.isStopped() ? stopped : await run(requestId, payload);
        return outcome.ok
          ? { ok: true, requestId, result: JSON.parse(outcome.payload) }
          : { ok: false, requestId, error: outcome.error };
      } finally {
        slots.give();
      }
    },
    stop: pool.stop,
  };
}

interface Pool {
  /** A warm process, or a new one. */
  take(): { readonly process: LambdaProcess; readonly isCold: boolean };
  give(process: LambdaProcess): void;
  isStopped(): boolean;
  stop(): Promise<void>;
}

function createPool(start: () => LambdaProcess): Pool {
  const processes = new Set<LambdaProcess>();
  let idle: readonly LambdaProcess[] = [];
  let isStopped = false;
  return {
    take: () => {
      idle = idle.filter((process) => process.isAlive());
      // The one used last, as on Lambda, so that the others stay idle.
      const warm = idle.at(-1);
      if (warm !== undefined) {
        idle = idle.slice(0, -1);
        return { process: warm, isCold: false };
      }
      const process = start();
      processes.add(process);
      return { process, isCold: true };
    },
    give: (process) => {
      if (process.isAlive()) {
        idle = [...idle, process];
      } else {
        processes.delete(process);
      }
    },
    isStopped: () => isStopped,
    stop: async () => {
      isStopped = true;
      await Promise.all([...processes].map((process) => process.stop()));
    },
  };
}

const stopped: Outcome = {
  ok: false,
  error: { errorType: 'ServiceException', errorMessage: 'the local cloud was stopped' },
};
