/** What is called by the clock; and the end of a run, when there is nothing left to do. */
import type { Cloud } from './aws.ts';
import { endMs, hourMs, minuteMs, startMs } from './calendar.ts';
import { tableOf } from './cloud.ts';
import { reconcile, requeue } from './functions.ts';
import { createProcess, type SimulatedProcess } from './process.ts';
import type { Run, SimulationOptions } from './run-parts.ts';

/** Starts it all. `isDone` is asked each minute. */
export function startTimetable(
  run: Run,
  { withoutReconciling = false }: SimulationOptions,
  isDone: () => boolean,
): void {
  const { clock, chance } = run;
  const every = (intervalMs: number, work: () => void): void => {
    const tick = (): void => {
      work();
      clock.at(clock.now() + intervalMs, tick);
    };
    clock.at(startMs + intervalMs, tick);
  };
  const start = (work: (process: SimulatedProcess) => Promise<void>): void => {
    const process = createProcess(run);
    if (chance.happens(0.01)) {
      process.dieAfter(chance.between(1, 200));
    }
    clock.at(clock.now() + 60_000, process.die);
    work(process).catch((error: unknown) => run.observe({ kind: 'fault', error }));
  };
  every(minuteMs, () => {
    if (isDone() || clock.now() > endMs) {
      clock.stop();
    } else if (isAnythingDue(run)) {
      start((process) => requeue(run, process));
      if (chance.happens(0.1)) {
        // Schedulers deliver at least once, too.
        start((process) => requeue(run, process));
      }
    }
  });
  every(hourMs, () => {
    if (!withoutReconciling) {
      start((process) => reconcile(run, process));
    }
  });
}

/** Runs of requeuing that would find nothing at all are left out: an idle night costs nothing. */
function isAnythingDue({ cloud, clock }: Run): boolean {
  const retries = tableOf(cloud, 'retries');
  const soonMs = clock.now() + minuteMs;
  const soon = new Date(soonMs).toISOString().slice(0, 16).replace(/\D/g, '');
  for (const name of retries.partitionKeys()) {
    if (/^\d/.test(name) && name < soon) {
      return true;
    }
    // Back-offs; nearly every other partition is a minute, or of what waits for a domain that has one.
    if (name.startsWith('backoff#')) {
      const isProbeDue = retries
        .itemsOf(name)
        .some(
          ({ nextProbeAtMs, recovered }) =>
            recovered?.BOOL === true || Number(nextProbeAtMs?.N) <= soonMs,
        );
      if (isProbeDue) {
        return true;
      }
    }
  }
  return false;
}

/** Nothing in the queue, nothing under way, and nothing that waits. */
export function isEmpty({ cloud }: Run): boolean {
  const isAnyDriven = cloud.deadLetters.all().some(({ reason }) => reason === undefined);
  if (cloud.queue.open > 0 || isAnyDriven) {
    return false;
  }
  for (const item of tableOf(cloud, 'retries').items()) {
    if (item['message'] !== undefined) {
      return false;
    }
  }
  return !hasPendingRow(cloud);
}

function hasPendingRow(cloud: Cloud): boolean {
  for (const item of tableOf(cloud, 'messages').items()) {
    if (
      item['part']?.S?.startsWith('delivery#') === true &&
      item['removeAtSeconds'] === undefined
    ) {
      return true;
    }
  }
  return false;
}
