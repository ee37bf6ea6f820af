/**
 * What submission reaches for, in memory: with the real acceptance, and at each call a moment before and one after it at
 * which the process may end or the call fail.
 */
import { TransportSecurityError } from '../../functions/protocol/errors.ts';
import type { Controls } from '../../functions/submission/ports.ts';
import type {
  ContentReference,
  PreparedMessage,
} from '../../functions/submission/queue-message.ts';
import type { SubmitContext } from '../../functions/submission/submit-message.ts';
import type { WholeMessage } from '../../functions/submission/whole-message.ts';
import { deliverySettings } from '../delivery-settings.ts';

export const bucket = 'sealpost-mail';
export const upload: string = 'u'.repeat(32);
export const noonMs: number = Date.UTC(2026, 10, 24, 12);

export interface SubmitWorld {
  readonly context: SubmitContext;
  /** May be set. */
  nowMs: number;
  controls: Controls;
  readonly wholes: Map<string, WholeMessage>;
  readonly sent: PreparedMessage[];
  /** Key -> octets, uploads too. */
  readonly objects: Map<string, Buffer>;
  readonly shared: Map<string, number>;
  /** Names of calls so far. */
  readonly calls: string[];
  /** Called before and after each call; what it throws, the call throws; a promise that never settles ends the process. */
  at: (moment: Moment) => void | Promise<void>;
}

export interface Moment {
  readonly call: string;
  readonly phase: 'before' | 'after';
  /** Counts moments of this world from 0. */
  readonly index: number;
}

export function createSubmitWorld(
  settings: Partial<SubmitContext['accept']['settings']> = {},
): SubmitWorld {
  let moments = 0;
  let ids = 0;
  const run = async <T>(call: string, work: () => T): Promise<T> => {
    world.calls.push(call);
    await world.at({ call, phase: 'before', index: moments++ });
    const result = work();
    await world.at({ call, phase: 'after', index: moments++ });
    return result;
  };
  const world: SubmitWorld = {
    nowMs: noonMs,
    controls: { rules: [], exceptions: [] },
    wholes: new Map(),
    sent: [],
    objects: new Map(),
    shared: new Map(),
    calls: [],
    at: () => {},
    context: {
      bucket,
      expiryDays: 5,
      historyDays: 30,
      now: () => world.nowMs,
      newId: () => `random-${++ids}`,
      wholes: {
        read: (id) => run('read whole', () => world.wholes.get(id)),
        keep: (message) =>
          run('keep whole', () => {
            const kept = world.wholes.get(message.id) ?? structuredClone(message);
            world.wholes.set(message.id, kept);
            return structuredClone(kept);
          }),
        markQueued: (id) =>
          run('mark', () => {
            const kept = world.wholes.get(id);
            if (kept !== undefined) {
              world.wholes.set(id, { ...kept, queued: true });
            }
          }),
      },
      enqueue: (messages) => run('enqueue', () => void world.sent.push(...messages)),
      accept: {
        settings: { ...deliverySettings, ...settings },
        ports: {
          now: () => world.nowMs,
          readControls: () => run('controls', () => world.controls),
          signContent: async () => [],
          contents: {
            read: (reference) => run('read', () => readObject(world, reference)),
            keep: (name, content) =>
              run('keep', () => {
                const key = `content/${name}`;
                world.objects.set(key, Buffer.from(content));
                return { bucket, key };
              }),
          },
          shareContent: (content, parts) =>
            run('share', () => void world.shared.set('key' in content ? content.key : '', parts)),
        },
      },
    },
  };
  return world;
}

function readObject({ objects }: SubmitWorld, reference: ContentReference): Buffer {
  const key = 'key' in reference ? reference.key : '';
  const object = objects.get(key);
  if (object === undefined) {
    throw new TransportSecurityError('content-missing', `no object ${key}`);
  }
  return object;
}

/** A failure as a store has it. */
export function outage(): TransportSecurityError {
  return new TransportSecurityError('store-unavailable', 'throttled');
}

/** Runs `work` until the process ends at moment `index`; false where it came to its end before. */
export async function dieAt(
  index: number,
  world: SubmitWorld,
  work: () => Promise<unknown>,
): Promise<boolean> {
  const { promise: death, resolve } = Promise.withResolvers<'died'>();
  world.at = (moment) => {
    if (moment.index < index) {
      return undefined;
    }
    resolve('died');
    return new Promise<void>(() => {});
  };
  const end = await Promise.race([work(), death]);
  world.at = () => {};
  return end === 'died';
}

/** What a queue delivers of what was sent: a record that is there twice is claimed once. */
export function deliveredOnce(sent: readonly PreparedMessage[]): readonly PreparedMessage[] {
  return [...new Map(sent.map((part) => [`${part.id} ${part.prepared.domain}`, part])).values()];
}
