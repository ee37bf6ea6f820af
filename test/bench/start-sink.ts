/** Starts the sink of smtp-sink.ts. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import type { SinkOrder, SinkPorts } from './smtp-sink.ts';

export async function startSink(
  order: SinkOrder,
): Promise<SinkPorts & { readonly stop: () => void }> {
  const child = fork(new URL('./smtp-sink.ts', import.meta.url).pathname, { stdio: 'inherit' });
  child.send(order);
  const [ports] = (await once(child, 'message')) as [SinkPorts];
  return { ...ports, stop: () => child.kill() };
}
