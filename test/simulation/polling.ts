/** Calls the delivery function with what is in the queue, as the event source mapping does; and kills it half-way. */
import { createDelivery, type Deliver, invocationMs } from './functions.ts';
import { createProcess, type SimulatedProcess } from './process.ts';
import type { Receipt } from './queue.ts';
import type { Run, SimulationOptions } from './run-parts.ts';

/** As in lib/delivery-stack.ts. */
const invocationsMax = 20;
const batchMax = 10;
const batchingWindowMs = 1_000;

/** How long Lambda takes to fetch a batch that is there. */
const pollMs = 20;

/** Gives what is to be called when there is something to receive. */
export function startPolling(
  run: Run,
  { isCalm = false, deaths = isCalm ? 0 : 0.02 }: SimulationOptions,
): () => void {
  const { clock, cloud, counts } = run;
  const idle: { process: SimulatedProcess; deliver: Deliver }[] = [];
  let active = 0;
  /** Of the next poll. */
  let due: { readonly atMs: number; readonly callOff: () => void } | undefined;

  const invoke = (receipts: readonly Receipt[]): void => {
    const free = idle.pop();
    const process = free?.process ?? createProcess(run);
    const deliver = free?.deliver ?? createDelivery(run, process);
    active += 1;
    counts.invocations += 1;
    run.sinceMs.set(process, clock.now());
    const end = (): void => {
      callOffTimeout();
      callOffDeath();
      active -= 1;
      wake();
    };
    const kill = (): void => {
      counts.killed += 1;
      end();
    };
    process.onDeath(kill);
    const callOffTimeout = clock.at(clock.now() + invocationMs, process.die);
    // At a call, or at any time: in the middle of a dialogue too.
    const callOffDeath = run.chance.happens(deaths / 2)
      ? clock.at(clock.now() + run.chance.below(10_000), process.die)
      : () => {};
    if (run.chance.happens(deaths / 2)) {
      process.dieAfter(run.chance.between(1, 60));
    }
    const records = receipts.map(({ handle, message }) => ({
      messageId: message.messageId,
      body: message.body,
      receiptHandle: handle,
      sentAtMs: message.sentAtMs,
    }));
    deliver(records).then(
      (kept) => {
        if (process.isDead) {
          return;
        }
        for (const { handle, message } of receipts) {
          // A delete that is lost makes the record come again.
          if (!kept.includes(message.messageId) && !run.chance.happens(0.001)) {
            cloud.queue.delete(handle);
          }
        }
        process.onDeath(() => {});
        process.dieAfter(Number.POSITIVE_INFINITY);
        if (run.chance.happens(0.98)) {
          idle.push({ process, deliver });
        }
        end();
      },
      (error: unknown) => {
        run.observe({ kind: 'fault', error });
        end();
      },
    );
  };
  const poll = (): void => {
    due = undefined;
    while (active < invocationsMax) {
      const receipts = cloud.queue.receive(batchMax);
      if (receipts.length === 0) {
        return;
      }
      invoke(receipts);
    }
  };
  /** A batch that is full is handed over at once, any other at the end of the window. */
  const wake = (): void => {
    if (active >= invocationsMax || cloud.queue.visible === 0) {
      return;
    }
    const waitMs = cloud.queue.visible >= batchMax ? pollMs : batchingWindowMs;
    const atMs = clock.now() + waitMs;
    if (due === undefined || due.atMs > atMs) {
      due?.callOff();
      due = { atMs, callOff: clock.at(atMs, poll) };
    }
  };
  return wake;
}
