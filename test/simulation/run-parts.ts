/** What the parts of a run share. */
import type { VirtualClock } from './clock.ts';
import type { Installation } from './functions.ts';
import type { SimulatedProcess } from './process.ts';

export interface Run extends Installation {
  readonly clock: VirtualClock;
  readonly counts: { invocations: number; killed: number; faults: number; redriven: number };
  /** When the last invocation of a process began. */
  readonly sinceMs: Map<SimulatedProcess, number>;
}
