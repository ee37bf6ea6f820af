/** What a run is asked for, and what its parts share. */
import type { VirtualClock } from './clock.ts';
import type { Installation, Spoil } from './functions.ts';
import type { SimulatedProcess } from './process.ts';

export interface SimulationOptions {
  readonly messages: number;
  readonly seed: number;
  /** Messages for one dead domain, all at once, an hour after the beginning. */
  readonly backlog?: number;
  /** Nothing fails: neither hosts, nor AWS, nor functions. */
  readonly isCalm?: boolean;
  /** Puts bugs in. */
  readonly spoil?: Spoil;
  /** How many invocations of the delivery function are killed half-way; default 2 %. */
  readonly deaths?: number;
  /** How many records come twice; default 0.5 %. */
  readonly duplicates?: number;
  /** Ends the run after so much time, and asks of nobody who waits how it will end. */
  readonly hours?: number;
  /** Ends the run at the first thing that must not happen. */
  readonly untilViolation?: boolean;
  /** How often an operator acts on the queue, as a share of the messages; default 3 %, none in a calm world. */
  readonly requests?: number;
  /** Leaves out the hourly search for what was lost. */
  readonly withoutReconciling?: boolean;
}

export interface Run extends Installation {
  readonly clock: VirtualClock;
  readonly counts: { invocations: number; killed: number; faults: number; redriven: number };
  /** When the last invocation of a process began. */
  readonly sinceMs: Map<SimulatedProcess, number>;
}
