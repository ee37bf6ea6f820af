/**
 * What the local cloud tells of itself while it runs.
 */

/** How Lambda reports a failed invocation. */
export interface FunctionError {
  readonly errorType: string;
  readonly errorMessage: string;
  readonly trace?: readonly string[];
}

/** A line that a function wrote; `requestId` is absent for what was written before the first invocation. */
export interface LogEvent {
  readonly kind: 'log';
  readonly function: string;
  readonly requestId?: string | undefined;
  readonly line: string;
}

/** The end of an invocation: what Lambda writes as its REPORT line. */
export interface InvocationEvent {
  readonly kind: 'invocation';
  readonly function: string;
  readonly requestId: string;
  readonly durationMs: number;
  /** The time that a cold start took, before the invocation's own. */
  readonly initMs?: number;
  readonly memorySizeMb: number;
  readonly memoryUsedMbMax: number;
  readonly error?: FunctionError | undefined;
}

/** The end of a batch that an event source mapping handed over. */
export interface BatchEvent {
  readonly kind: 'batch';
  readonly function: string;
  readonly queue: string;
  /** SQS message ids. */
  readonly deleted: readonly string[];
  readonly returned: readonly string[];
}

/** A request that the edge answered. */
export interface EdgeEvent {
  readonly kind: 'edge';
  readonly host: string;
  readonly method: string;
  readonly path: string;
  readonly status: number;
  readonly cache: 'hit' | 'miss' | 'none';
}

/** A schedule that came due, or was run on demand. */
export interface ScheduleEvent {
  readonly kind: 'schedule';
  readonly schedule: string;
  readonly function: string;
}

/** A fault of the local cloud or of what it was given, which no function was told of. */
export interface FaultEvent {
  readonly kind: 'fault';
  readonly where: string;
  readonly message: string;
}

export type LocalEvent =
  | LogEvent
  | InvocationEvent
  | BatchEvent
  | EdgeEvent
  | ScheduleEvent
  | FaultEvent;

export type ReportEvent = (event: LocalEvent) => void;
