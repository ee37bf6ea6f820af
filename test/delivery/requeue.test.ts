/** Requeuing with stores in memory: what is due, what probes, what is let go; and nothing lost on the way. */
import { describe, expect, test } from 'vitest';
import { type DueSummary, requeueDue } from '../../functions/delivery/requeue-due.ts';
import type { DamagedEntry, RetryReader } from '../../functions/delivery/requeue-ports.ts';
import {
  freedMax,
  requeueWaiting,
  type WaitingPorts,
  type WaitingSummary,
} from '../../functions/delivery/requeue-waiting.ts';
import { TransportSecurityError } from '../../functions/protocol/errors.ts';
import type { PreparedMessage, QueueMessage } from '../../functions/submission/queue-message.ts';
import { createMemoryPorts, type MemoryPorts } from './memory-ports.ts';
import { minuteMs, noonMs, preparedMessage } from './port-fixtures.ts';

const domain = 'example.org';

interface World {
  nowMs: number;
  readonly stores: MemoryPorts;
  readonly faults: unknown[];
  /** Those of a run whose clock differs by `skewMs`. */
  ports(skewMs?: number): WaitingPorts;
  due(skewMs?: number, forMs?: number): Promise<DueSummary>;
  waiting(): Promise<WaitingSummary>;
}

/** A world with one clock that the test moves. */
function createWorld(): World {
  const faults: unknown[] = [];
  const stores = createMemoryPorts(() => world.nowMs);
  const world: World = {
    nowMs: noonMs,
    stores,
    faults,
    ports: (skewMs = 0) => ({
      ...stores,
      now: () => world.nowMs + skewMs,
      random: () => 0.5,
      observe: (event) => {
        if (event.kind === 'fault') {
          faults.push(event.error);
        }
      },
    }),
    due: (skewMs = 0, forMs = minuteMs) =>
      requeueDue(world.ports(skewMs), world.nowMs + skewMs + forMs),
    waiting: () => requeueWaiting(world.ports(), world.nowMs + minuteMs),
  };
  return world;
}

function nth(n: number, changes: Partial<PreparedMessage> = {}): PreparedMessage {
  return preparedMessage({ id: `m-${n}`, attempt: 2, ...changes });
}

async function putMany(stores: MemoryPorts, count: number, dueAtMs: number, waitingFor?: string) {
  for (let n = 0; n < count; n += 1) {
    await stores.retries.put(nth(n), dueAtMs, waitingFor);
  }
}

const idsOf = (messages: readonly { readonly id: string }[]): string[] =>
  messages.map(({ id }) => id).sort();

describe('what is due', () => {
  test('comes in its minute, once', async () => {
    const world = createWorld();
    await world.stores.retries.put(nth(1), noonMs + 5 * minuteMs);
    await world.stores.retries.put(nth(2), noonMs + 6 * minuteMs);
    world.nowMs += 5 * minuteMs - 1;
    expect(await world.due()).toMatchObject({ sent: 0 });
    world.nowMs += 1;
    expect(await world.due()).toEqual({ sent: 1, oldestSeconds: 0, isDrained: true });
    expect(await world.due()).toMatchObject({ sent: 0 });
    expect(world.stores.sent).toEqual([nth(1)]);
    expect(world.stores.retryEntries()).toMatchObject([{ message: { id: 'm-2' } }]);
  });

  test.each([
    [15, 'a quarter of an hour of silence'],
    [16, 'a minute more'],
    [60 * 24 * 3, 'three days without a run'],
  ])('is found however late: after %i minutes, %s', async (minutes) => {
    const world = createWorld();
    await world.due();
    await world.stores.retries.put(nth(1), noonMs + 5 * minuteMs);
    world.nowMs = noonMs + (5 + minutes) * minuteMs;
    expect(await world.due(0, 10 * minuteMs)).toEqual({
      sent: 1,
      oldestSeconds: minutes * 60,
      isDrained: true,
    });
  });

  test('is found though a clock five minutes slow wrote it, and one five minutes fast reads', async () => {
    const world = createWorld();
    const fast = 5 * minuteMs;
    await world.due(fast);
    world.nowMs -= fast;
    await world.stores.retries.put(nth(1), noonMs - fast);
    world.nowMs += fast;
    expect(await world.due(fast)).toMatchObject({ sent: 1 });
  });
});

describe('a backlog', () => {
  test('of one minute holds up no other, and takes as many runs as it must', async () => {
    const world = createWorld();
    await putMany(world.stores, 1_000, noonMs + 2 * minuteMs);
    const others = [3, 4, 5].map((minute) => nth(2_000 + minute));
    for (const [index, message] of others.entries()) {
      await world.stores.retries.put(message, noonMs + (3 + index) * minuteMs);
    }
    world.nowMs += 10 * minuteMs;
    // A page takes a second of its time.
    const { enqueue } = world.stores.queue;
    const slow = {
      ...world.ports(),
      queue: {
        ...world.stores.queue,
        enqueue: (messages: readonly QueueMessage[]) => {
          world.nowMs += 1_000;
          return enqueue(messages);
        },
      },
    };
    const first = await requeueDue(slow, world.nowMs + 5_000);
    expect(first.isDrained).toBe(false);
    expect(first.sent).toBe(world.stores.sent.length);
    expect(idsOf(world.stores.sent)).toEqual(expect.arrayContaining(idsOf(others)));
    expect(world.stores.sent.length).toBeLessThan(1_000);
    for (let run = 0; run < 5; run += 1) {
      world.nowMs += 20 * minuteMs;
      await requeueDue(slow, world.nowMs + 5_000);
    }
    expect(new Set(idsOf(world.stores.sent)).size).toBe(1_003);
    expect(world.stores.retryEntries()).toEqual([]);
  });
});

describe('two runs at once', () => {
  test.each([
    [0, 0],
    [-5 * minuteMs, 5 * minuteMs],
  ])(
    'clocks off by %i and %i ms: everything is sent, nothing twice but at the same time',
    async (one, other) => {
      const world = createWorld();
      await putMany(world.stores, 300, noonMs + 6 * minuteMs);
      world.nowMs += 12 * minuteMs;
      await Promise.all([world.due(one), world.due(other)]);
      expect(new Set(idsOf(world.stores.sent)).size).toBe(300);
      expect(world.stores.sent.length).toBeLessThanOrEqual(600);
      expect(world.stores.retryEntries()).toEqual([]);
      world.nowMs += minuteMs;
      await Promise.all([world.due(one), world.due(other)]);
      expect(world.stores.sent.length).toBeLessThanOrEqual(600);
      expect(world.faults).toEqual([]);
    },
  );
});

describe('a run that dies or fails', () => {
  const all = new Set(['m-0', 'm-1', 'm-2']);

  test.each([
    ['enqueue', 'before', 0],
    ['enqueue', 'after', 3],
    ['remove', 'before', 3],
    ['remove', 'after', 3],
    ['writeDrainedMs', 'before', 3],
    ['writeDrainedMs', 'after', 3],
  ] as const)(
    'dies at %s, %s its work: %i were sent, none is lost, and the next run has it all',
    async (operation, phase, sentBefore) => {
      const world = createWorld();
      await putMany(world.stores, 3, noonMs + 2 * minuteMs);
      world.nowMs += 2 * minuteMs;
      const { promise: death, resolve: die } = Promise.withResolvers<void>();
      world.stores.intercept((boundary) => {
        if (boundary.operation === operation && boundary.phase === phase) {
          die();
          return new Promise<void>(() => {});
        }
        return undefined;
      });
      await Promise.race([world.due(), death]);
      expect(world.stores.sent).toHaveLength(sentBefore);
      const left = world.stores.retryEntries().map(({ message }) => message.id);
      expect(new Set([...left, ...idsOf(world.stores.sent)])).toEqual(all);
      world.stores.intercept(() => {});
      world.nowMs += minuteMs;
      await world.due();
      expect(new Set(idsOf(world.stores.sent))).toEqual(all);
      expect(world.stores.retryEntries()).toEqual([]);
    },
  );

  test.each([
    ['enqueue', 'before'],
    ['enqueue', 'after'],
    ['remove', 'before'],
    ['remove', 'after'],
    ['readBucket', 'before'],
    ['writeDrainedMs', 'before'],
  ] as const)('%s fails once, %s its work', async (operation, phase) => {
    const world = createWorld();
    await putMany(world.stores, 3, noonMs + 2 * minuteMs);
    world.nowMs += 2 * minuteMs;
    world.stores.fail(operation, phase);
    await world.due();
    world.nowMs += 60 * minuteMs;
    await world.due();
    expect(new Set(idsOf(world.stores.sent))).toEqual(all);
    expect(world.stores.retryEntries()).toEqual([]);
  });

  test('an outage of the queue is not taken for bad messages, and costs nobody his place', async () => {
    const world = createWorld();
    await putMany(world.stores, 50, noonMs + 2 * minuteMs);
    world.nowMs += 2 * minuteMs;
    world.stores.fail('enqueue', 'before', 1_000);
    expect(await world.due()).toMatchObject({ sent: 0, isDrained: false });
    expect(world.stores.calls.filter((call) => call === 'enqueue').length).toBeLessThan(10);
    expect(world.stores.retryEntries()).toHaveLength(50);
  });
});

/** A queue that refuses some messages, each time they are sent. */
function refusing(world: World, refuse: (id: string) => Error | undefined): WaitingPorts {
  const { queue } = world.stores;
  return {
    ...world.ports(),
    queue: {
      ...queue,
      enqueue: async (messages) => {
        const [refusal] = messages.flatMap(({ id }) => refuse(id) ?? []);
        if (refusal !== undefined) {
          throw refusal;
        }
        await queue.enqueue(messages);
      },
    },
  };
}

const tooLarge = new TransportSecurityError('content-invalid', 'too large for SQS');
const notTaken = new TransportSecurityError('store-unavailable', 'SQS does not take it');

describe('poison among good messages', () => {
  test.each([
    [20, [7], 'one of many'],
    [20, [0, 1, 2, 3, 4], 'the first of many'],
    [1, [0], 'alone'],
    [3, [0, 1, 2], 'nothing else'],
  ])(
    '%i messages, of which %j can never be sent: they go to the dead letters, and the rest goes (%s)',
    async (count, bad, _what) => {
      const world = createWorld();
      await putMany(world.stores, count, noonMs + 2 * minuteMs);
      world.nowMs += 2 * minuteMs;
      const badIds = bad.map((n) => `m-${n}`);
      const ports = refusing(world, (id) => (badIds.includes(id) ? tooLarge : undefined));
      expect(await requeueDue(ports, world.nowMs + minuteMs)).toMatchObject({
        sent: count - bad.length,
        isDrained: true,
      });
      expect(world.stores.retryEntries()).toEqual([]);
      expect(world.stores.deadLetters).toEqual(
        bad.map((n) => ({ body: JSON.stringify(nth(n)), reason: 'too large for SQS' })),
      );
      expect(world.faults).toEqual([]);
    },
  );

  test.each([
    [[7], 'one'],
    [[0, 1, 2, 3, 4], 'the first five'],
    [[15, 16, 17, 18, 19], 'the last five'],
  ])(
    'those that the queue does not take now stay, and the rest goes: %j (%s)',
    async (bad, _what) => {
      const world = createWorld();
      await putMany(world.stores, 20, noonMs + 2 * minuteMs);
      world.nowMs += 2 * minuteMs;
      const badIds = bad.map((n) => `m-${n}`);
      const ports = refusing(world, (id) => (badIds.includes(id) ? notTaken : undefined));
      const order = idsOf(world.stores.retryEntries().map(({ message }) => message));
      expect(order.slice(0, 2)).toEqual(['m-0', 'm-1']);
      const { sent } = await requeueDue(ports, world.nowMs + minuteMs);
      expect(sent).toBe(20 - bad.length);
      expect(idsOf(world.stores.retryEntries().map(({ message }) => message))).toEqual(
        badIds.sort(),
      );
      expect(world.stores.deadLetters).toEqual([]);
    },
  );

  test('what cannot be read goes where operators look, and no run meets it again', async () => {
    const world = createWorld();
    await putMany(world.stores, 2, noonMs + 2 * minuteMs);
    world.nowMs += 2 * minuteMs;
    const key = { bucket: 'b', entry: 'e' };
    const damaged: DamagedEntry[] = [
      { key, body: '{"id": ', reason: 'not JSON' },
      { key, body: '', reason: 'no message' },
    ];
    const removed: unknown[] = [];
    const reader: RetryReader = {
      ...world.stores.reader,
      readBucket: async (bucket, after) => ({
        ...(await world.stores.reader.readBucket(bucket, after)),
        damaged: bucket.startMs === world.nowMs ? damaged : [],
      }),
      remove: async (keys) => {
        removed.push(...keys);
        await world.stores.reader.remove(keys);
      },
    };
    const summary = await requeueDue({ ...world.ports(), reader }, world.nowMs + minuteMs);
    expect(summary).toMatchObject({ sent: 2, isDrained: true });
    expect(world.stores.deadLetters).toEqual([
      { body: '{"id": ', reason: 'not JSON' },
      { body: JSON.stringify(key), reason: 'no message' },
    ]);
    expect(removed).toEqual(expect.arrayContaining([key]));
  });
});

describe('minutes that fail again and again', () => {
  /** A message a minute; the first `bad` of them are never taken. */
  async function failing(bad: number, good: number) {
    const world = createWorld();
    for (let n = 0; n < bad + good; n += 1) {
      await world.stores.retries.put(nth(n), noonMs + (2 + n) * minuteMs);
    }
    const ports = refusing(world, (id) => (Number(id.slice(2)) < bad ? notTaken : undefined));
    return { world, ports };
  }

  test.each([
    [20, 1, 0, 'all of them within the last quarter of an hour and more'],
    [100, 3, 0, 'many'],
    [20, 1, 24 * 60, 'and for a day'],
  ])(
    '%i old ones keep none of %i newer from being sent, %i empty minutes later (%s)',
    async (bad, good, laterMinutes, _what) => {
      const { world, ports } = await failing(bad, good);
      world.nowMs += (1 + bad + good + laterMinutes) * minuteMs;
      await world.stores.reader.writeDrainedMs(noonMs);
      const { sent, isDrained } = await requeueDue(ports, world.nowMs + minuteMs);
      expect({ sent, isDrained }).toEqual({ sent: good, isDrained: false });
      expect(world.stores.retryEntries()).toHaveLength(bad);
      // And they have their own turn in every run.
      expect(await world.due()).toMatchObject({ sent: bad });
    },
  );

  test('where all fail it is an outage, which ends the run soon', async () => {
    const { world, ports } = await failing(1_000, 0);
    world.nowMs += 1_100 * minuteMs;
    await world.stores.reader.writeDrainedMs(noonMs);
    expect(await requeueDue(ports, world.nowMs + minuteMs)).toMatchObject({ sent: 0 });
    expect(world.faults.length).toBeGreaterThan(16);
    expect(world.faults.length).toBeLessThan(60);
    expect(await world.stores.reader.readDrainedMs()).toBe(noonMs + 2 * minuteMs);
  });
});

describe('a domain that cannot be reached', () => {
  const probeAtMs = noonMs + 5 * minuteMs;

  async function deadDomain(waiting: number) {
    const world = createWorld();
    await putMany(world.stores, waiting, noonMs + 240 * minuteMs, domain);
    await world.stores.backoffs.prolong(domain, probeAtMs, noonMs);
    return world;
  }

  test('sends nothing until its probe is due, then one message', async () => {
    const world = await deadDomain(10);
    expect(await world.waiting()).toEqual({ sent: 0, backoffs: 1 });
    world.nowMs = probeAtMs;
    expect(await world.waiting()).toEqual({ sent: 1, backoffs: 1 });
    expect(world.stores.sent).toHaveLength(1);
    expect(world.stores.retryEntries()).toHaveLength(9);
  });

  test('sends no second probe while one is under way', async () => {
    const world = await deadDomain(10);
    world.nowMs = probeAtMs;
    await world.stores.backoffs.takeProbe(domain, probeAtMs + 20 * minuteMs, probeAtMs);
    expect(await world.waiting()).toEqual({ sent: 0, backoffs: 1 });
    world.nowMs += 20 * minuteMs;
    expect(await world.waiting()).toEqual({ sent: 1, backoffs: 1 });
  });

  test('lets go what waits once it recovered, so many a run, and is then forgotten', async () => {
    const world = await deadDomain(2 * freedMax + 10);
    await world.stores.backoffs.recover(domain);
    const sent: number[] = [];
    for (let run = 0; run < 4; run += 1) {
      sent.push((await world.waiting()).sent);
    }
    expect(sent).toEqual([freedMax, freedMax, 10, 0]);
    expect(await world.stores.backoffs.list()).toEqual([]);
    expect(world.stores.retryEntries()).toEqual([]);
  });

  test('lets go the oldest first', async () => {
    const world = createWorld();
    for (let n = 0; n < freedMax + 50; n += 1) {
      const submittedAt = new Date(noonMs - n * minuteMs).toISOString();
      await world.stores.retries.put(nth(n, { submittedAt }), noonMs + 240 * minuteMs, domain);
    }
    await world.stores.backoffs.prolong(domain, probeAtMs, noonMs);
    await world.stores.backoffs.recover(domain);
    await world.waiting();
    const youngestSent = Math.min(...world.stores.sent.map(({ id }) => Number(id.slice(2))));
    expect(youngestSent).toBe(50);
  });

  test('without mail is forgotten when its probe is due', async () => {
    const world = await deadDomain(0);
    await world.waiting();
    expect(await world.stores.backoffs.list()).toHaveLength(1);
    world.nowMs = probeAtMs;
    expect(await world.waiting()).toEqual({ sent: 0, backoffs: 1 });
    expect(await world.stores.backoffs.list()).toEqual([]);
  });

  test('that fails stops no other', async () => {
    const world = await deadDomain(1);
    await world.stores.retries.put(
      nth(100, { prepared: { ...nth(100).prepared, domain: 'example.net' } }),
      noonMs + 240 * minuteMs,
      'example.net',
    );
    await world.stores.backoffs.prolong('example.net', probeAtMs + 1, noonMs);
    world.nowMs = probeAtMs + 1;
    world.stores.fail('readWaiting', 'before');
    expect(await world.waiting()).toEqual({ sent: 1, backoffs: 2 });
    expect(world.faults).toHaveLength(1);
  });

  test('twenty that always fail keep none behind them from its probe', async () => {
    const world = createWorld();
    for (let n = 0; n < 21; n += 1) {
      const name = `d-${n}.example`;
      const message = nth(n, { prepared: { ...nth(n).prepared, domain: name } });
      await world.stores.retries.put(message, noonMs + 240 * minuteMs, name);
      await world.stores.backoffs.prolong(name, probeAtMs + n, noonMs);
    }
    world.nowMs = probeAtMs + minuteMs;
    const ports = refusing(world, (id) => (id === 'm-20' ? undefined : notTaken));
    const { sent } = await requeueWaiting(ports, world.nowMs + minuteMs);
    expect(sent).toBe(1);
    expect(world.stores.sent).toMatchObject([{ id: 'm-20' }]);
  });

  test('with a thousand that all fail the run ends soon', async () => {
    const world = createWorld();
    for (let n = 0; n < 1_000; n += 1) {
      await world.stores.backoffs.prolong(`d-${n}.example`, probeAtMs, noonMs);
    }
    world.nowMs = probeAtMs;
    world.stores.fail('readWaiting', 'before', 1_000);
    expect(await world.waiting()).toMatchObject({ sent: 0 });
    expect(world.faults.length).toBeLessThan(60);
  });

  test('stale lists are cleared away', async () => {
    const world = await deadDomain(1);
    await world.stores.backoffs.recover(domain);
    const stale = { bucket: 'wait#example.org#0', entry: 'gone' };
    const removed: unknown[] = [];
    const reader: RetryReader = {
      ...world.stores.reader,
      readWaiting: async () => ({ entries: [], damaged: [], stale: [stale] }),
      remove: async (keys) => void removed.push(...keys),
    };
    const ports = { ...world.ports(), reader };
    expect(await requeueWaiting(ports, world.nowMs + minuteMs)).toMatchObject({ sent: 0 });
    expect(removed).toEqual([stale]);
    expect(await world.stores.backoffs.list()).toHaveLength(1);
  });
});
