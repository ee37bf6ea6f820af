/** One of the clients in a process of its own, so that none pays for another's garbage. Does what its parent says. */
import { type ClientName, createClient, type Target } from './smtp-clients.ts';

/** The first message of the parent. */
export interface ClientOrder {
  readonly name: ClientName;
  readonly target: Target;
  /** The content, latin1. */
  readonly content: string;
}

/** Every other one. */
export interface LoadOrder {
  readonly count: number;
  readonly isFresh: boolean;
}

/** The answer to it. */
export interface Taken {
  readonly seconds: number;
  readonly cpuMicroseconds: number;
}

process.once('message', ({ name, target, content }: ClientOrder) => {
  const client = createClient(name, target, Buffer.from(content, 'latin1'));
  process.on('message', (order: LoadOrder) => {
    void measure(order).then((taken) => process.send?.(taken));
  });
  async function measure({ count, isFresh }: LoadOrder): Promise<Taken> {
    const begun = process.cpuUsage();
    const begunMs = performance.now();
    await (isFresh ? client.sendFresh(count) : client.sendKept(count));
    const seconds = (performance.now() - begunMs) / 1_000;
    const { user, system } = process.cpuUsage(begun);
    return { seconds, cpuMicroseconds: user + system };
  }
});
