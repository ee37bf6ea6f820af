/**
 * One execution environment of a function: a process of its own, which handles one event at a time.
 *
 * It has the function's environment and nothing of this process's. It is killed at the function's timeout
 * and when its resident size goes beyond the function's memory, as Lambda does.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { FunctionError, ReportEvent } from './events.ts';
import type { ChildMessage, InvokeMessage } from './lambda-bootstrap.ts';
import type { FunctionSettings } from './lambda-function.ts';
import { watchMemory } from './resident-size.ts';

/** What became of an event, or of the start of a process; the payload is JSON. */
export type Outcome =
  | { readonly ok: true; readonly payload: string }
  | { readonly ok: false; readonly error: FunctionError };

/** A process of a function. */
export interface LambdaProcess {
  /** Resolves when the handler is loaded; a failed process has ended. Does not reject. */
  readonly started: Promise<Outcome>;
  /** Hands an event (JSON) over; only one at a time, after `started`. Does not reject. */
  invoke(requestId: string, event: string): Promise<Outcome>;
  isAlive(): boolean;
  /** The largest resident size seen, in MiB. */
  memoryUsedMbMax(): number;
  /** Kills it; resolves when it has ended. */
  stop(): Promise<void>;
}

/** Lambda gives a cold start 10 s before it starts over; a laptop under load needs more for the same work. */
const initTimeoutMs = 30_000;

/** What a function may return, by Lambda's quota for synchronous invocations. */
const payloadBytesMax = 6 * 1024 * 1024;

/**
 * Starts a process.
 *
 * @param bootstrap - the text of `lambda-bootstrap.ts` in JavaScript
 */
export function startLambdaProcess(
  settings: FunctionSettings,
  bootstrap: string,
  report: ReportEvent,
): LambdaProcess {
  const child = spawnFunction(settings, bootstrap);
  const supervised = supervise(child);
  let requestId: string | undefined;
  let memoryUsedMbMax = 0;
  forwardLines(child, (line) =>
    report({ kind: 'log', function: settings.logicalId, requestId, line }),
  );
  const step = async (timeoutMs: number): Promise<Outcome> => {
    const timer = setTimeout(() => supervised.kill(timeoutError(timeoutMs)), timeoutMs);
    const watch = watchMemory(child.pid, (usedMb) => {
      memoryUsedMbMax = Math.max(memoryUsedMbMax, usedMb);
      if (usedMb > settings.memorySizeMb) {
        supervised.kill(outOfMemory);
      }
    });
    const outcome = await supervised.nextOutcome();
    clearTimeout(timer);
    await watch.stop();
    return withRequestId(outcome, requestId);
  };
  return {
    started: step(initTimeoutMs),
    invoke: async (id, event) => {
      requestId = id;
      const deadlineMs = Date.now() + settings.timeoutMs;
      const message: InvokeMessage = {
        requestId: id,
        event,
        deadlineMs,
        functionArn: settings.arn,
      };
      child.send(message);
      const outcome = await step(settings.timeoutMs);
      return outcome.ok && Buffer.byteLength(outcome.payload) > payloadBytesMax
        ? failed(responseTooLarge)
        : outcome;
    },
    isAlive: supervised.isAlive,
    memoryUsedMbMax: () => memoryUsedMbMax,
    stop: async () => {
      supervised.kill(exitError('the local cloud was stopped'));
      await supervised.ended;
    },
  };
}

function spawnFunction(settings: FunctionSettings, bootstrap: string): ChildProcess {
  const { memorySizeMb } = settings;
  const options = [
    `--max-old-space-size=${Math.floor(memorySizeMb * 0.9)}`,
    `--max-semi-space-size=${Math.ceil(memorySizeMb * 0.05)}`,
  ];
  return spawn(process.execPath, [...options, '--input-type=module', '--eval', bootstrap], {
    cwd: settings.codeDirectory,
    env: { ...settings.environment },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
}

interface Supervised {
  /** The child's next word, or its end. */
  nextOutcome(): Promise<Outcome>;
  /** Kills it; the first reason given is what its end is put down to. */
  kill(reason: FunctionError): void;
  isAlive(): boolean;
  readonly ended: Promise<Outcome>;
}

function supervise(child: ChildProcess): Supervised {
  let killedFor: FunctionError | undefined;
  let settle: (outcome: Outcome) => void = () => {};
  const kill = (reason: FunctionError): void => {
    killedFor ??= reason;
    child.kill('SIGKILL');
  };
  child.on('message', (message) => {
    const answer = message as ChildMessage;
    if (answer.type === 'fatal') {
      kill(answer.error);
    } else {
      settle(
        answer.type === 'error' ? failed(answer.error) : { ok: true, payload: answer.payload },
      );
    }
  });
  const ended = new Promise<Outcome>((resolve) => {
    child.on('error', (error) => {
      kill(exitError(error.message));
      // A process that never started has no exit to wait for.
      if (child.pid === undefined) {
        resolve(failed(exitError(error.message)));
      }
    });
    child.once('exit', (code, signal) =>
      resolve(failed(killedFor ?? exitError(endOf(code, signal)))),
    );
  });
  return {
    kill,
    ended,
    isAlive: () => child.exitCode === null && child.signalCode === null && killedFor === undefined,
    nextOutcome: async () =>
      await Promise.race([
        ended,
        new Promise<Outcome>((resolve) => {
          settle = resolve;
        }),
      ]),
  };
}

function forwardLines(child: ChildProcess, forward: (line: string) => void): void {
  for (const stream of [child.stdout, child.stderr]) {
    if (stream !== null) {
      createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY }).on('line', forward);
    }
  }
}

function failed(error: FunctionError): Outcome {
  return { ok: false, error };
}

const responseTooLarge: FunctionError = {
  errorType: 'Function.ResponseSizeTooLarge',
  errorMessage: `Response payload size exceeded maximum allowed payload size (${payloadBytesMax} bytes).`,
};

const outOfMemory: FunctionError = {
  errorType: 'Runtime.OutOfMemory',
  errorMessage: 'Runtime exited with error: signal: killed',
};

function timeoutError(timeoutMs: number): FunctionError {
  return {
    errorType: 'Sandbox.Timedout',
    errorMessage: `Task timed out after ${(timeoutMs / 1000).toFixed(2)} seconds`,
  };
}

function exitError(errorMessage: string): FunctionError {
  return { errorType: 'Runtime.ExitError', errorMessage };
}

function endOf(code: number | null, signal: NodeJS.Signals | null): string {
  if (code === 0) {
    return 'Runtime exited without providing a reason';
  }
  // V8 aborts the process when the heap limit is reached.
  const how = signal === 'SIGABRT' ? 'signal: aborted' : (signal ?? `exit status ${code}`);
  return `Runtime exited with error: ${how}`;
}

/** Lambda puts the request before what it says itself, not before what the handler threw. */
function withRequestId(outcome: Outcome, requestId: string | undefined): Outcome {
  if (outcome.ok || outcome.error.trace !== undefined || requestId === undefined) {
    return outcome;
  }
  const { errorType, errorMessage } = outcome.error;
  return failed({ errorType, errorMessage: `RequestId: ${requestId} Error: ${errorMessage}` });
}
