/** The processes of benchmarks: of delivery the sink and each client by itself, and one that builds reports. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import type { ClientOrder, LoadOrder, Taken } from './client-process.ts';
import type { Built } from './report-building.ts';
import type { SinkOrder, SinkPorts } from './smtp-sink.ts';
import type { DaySize } from './tlsrpt-day.ts';

/** Leaves room for the rest of a process of 512 MB. */
const heapMegabytes = 320;

export async function startSink(
  order: SinkOrder,
): Promise<SinkPorts & { readonly stop: () => void }> {
  const child = start('./smtp-sink.ts', order);
  const ports = await answer<SinkPorts>(child);
  return { ...ports, stop: () => child.kill() };
}

export interface ClientProcess {
  run(order: LoadOrder): Promise<Taken>;
  stop(): void;
}

export function startClient(order: ClientOrder): ClientProcess {
  const child = start('./client-process.ts', order);
  return {
    run: (load) => {
      child.send(load);
      return answer<Taken>(child);
    },
    stop: () => child.kill(),
  };
}

/** Builds the reports of a day, as far as 512 MB of memory allow it. */
export async function buildInProcess(size: DaySize): Promise<Built> {
  const child = start('./report-building.ts', size, [`--max-old-space-size=${heapMegabytes}`]);
  try {
    return await answer<Built>(child);
  } finally {
    child.kill();
  }
}

function start(file: string, order: object, execArgv: readonly string[] = []): ChildProcess {
  const child = fork(new URL(file, import.meta.url).pathname, {
    stdio: 'inherit',
    execArgv: [...execArgv],
  });
  child.send(order);
  return child;
}

/** Rejects where the process ends instead of answering. */
async function answer<T>(child: ChildProcess): Promise<T> {
  const ended = new AbortController();
  const end = (): void => ended.abort(new Error('a process of the benchmark has ended'));
  child.once('exit', end);
  try {
    const [message] = await once(child, 'message', { signal: ended.signal });
    return message as T;
  } finally {
    child.off('exit', end);
  }
}
