import { describe, expect, test } from 'vitest';
import { type ActRequest, actOnQueue } from '../../functions/operating/act-on-queue.ts';
import type { Deed } from '../../functions/operating/delivery-actions.ts';
import { listWaiting } from '../../functions/operating/list-waiting.ts';
import { showMessage } from '../../functions/operating/show-message.ts';
import { waitingCursorSchema } from '../../functions/operating/waiting-cursor.ts';
import { prepareMessage } from '../../functions/submission/prepare.ts';
import type { WholeMessage, WholePart } from '../../functions/submission/whole-message.ts';
import { claimRequest, minuteMs, noonMs, preparedMessage } from '../delivery/port-fixtures.ts';
import { createQueueWorld, type QueueWorld } from './queue-world.ts';

const actor = { author: 'arn:aws:iam::1:user/alice', reason: 'the recipient asked for it' };
const one = { kind: 'message', id: 'm-1' } as const;

function act(world: QueueWorld, deed: Deed, changes: Partial<ActRequest> = {}) {
  return actOnQueue({ selection: one, deed, actor, limit: 50, ...changes }, world);
}

const done = { done: 1, skipped: [] };

describe('retry now', () => {
  test('sends the next attempt, and lets a domain that backs off be probed', async () => {
    const world = createQueueWorld();
    await world.putOff();
    expect(await act(world, { action: 'retry' })).toEqual(done);
    expect(world.stores.sent).toMatchObject([{ id: 'm-1', attempt: 2 }]);
    expect(world.hastened).toEqual(['example.org']);
  });

  test('lets a domain be probed once, however many of its messages are sent', async () => {
    const world = createQueueWorld();
    for (const id of ['m-1', 'm-2', 'm-3']) {
      await world.putOff({ id });
    }
    const prepared = { ...preparedMessage().prepared, domain: 'example.net' };
    await world.putOff({ id: 'm-4', prepared });
    const selection = { kind: 'all' } as const;
    expect(await act(world, { action: 'retry' }, { selection })).toEqual({ done: 4, skipped: [] });
    expect([...world.hastened].sort()).toEqual(['example.net', 'example.org']);
  });

  test.each<[string, (world: QueueWorld) => Promise<unknown>, string]>([
    ['nobody knows the id', async () => {}, 'unknown'],
    [
      'an attempt is under way',
      async (world) => {
        await world.putOff();
        await world.begin(
          preparedMessage({ attempt: 2, content: (await kept(world)) ?? { data: '' } }),
        );
      },
      'busy',
    ],
    [
      'it is held',
      async (world) => {
        await world.putOff();
        await act(world, { action: 'hold' });
      },
      'held',
    ],
    [
      'its first attempt was begun with what only the queue has',
      async (world) => {
        await world.begin(preparedMessage({ content: { data: 'aGVsbG8=' } }));
        world.nowMs = noonMs + 20 * minuteMs;
      },
      'queued',
    ],
    [
      'it is given up, which remains to be carried out',
      async (world) => {
        await world.begin(preparedMessage({ content: { data: 'aGVsbG8=' } }));
        world.nowMs = noonMs + 20 * minuteMs;
        await act(world, { action: 'cancel', bounce: true });
      },
      'finished',
    ],
  ])('skipped: %s', async (_reason, history, reason) => {
    const world = createQueueWorld();
    await history(world);
    const result = await act(world, { action: 'retry' });
    expect(result).toMatchObject({ done: 0, skipped: [{ reason, count: 1 }] });
    expect(world.stores.sent).toEqual([]);
  });
});

async function kept(world: QueueWorld) {
  return (await world.ports.control.readDelivery('m-1', 'example.org'))?.content;
}

describe('hold and release', () => {
  test('what is held is not attempted; released, its next attempt is sent', async () => {
    const world = createQueueWorld();
    await world.putOff();
    await act(world, { action: 'hold' });
    const message = preparedMessage({ attempt: 2 });
    expect(await world.ports.messages.claim(claimRequest({ message }))).toEqual({
      kind: 'held',
      isKept: true,
    });
    expect(await act(world, { action: 'release' })).toEqual(done);
    expect(world.stores.sent).toMatchObject([{ id: 'm-1', attempt: 2 }]);
    expect(await world.ports.messages.claim(claimRequest({ message }))).toMatchObject({
      kind: 'claimed',
    });
  });

  test('each is noted in the history, with who and why', async () => {
    const world = createQueueWorld();
    await world.putOff();
    await act(world, { action: 'hold' });
    await act(world, { action: 'release' });
    const shown = await showMessage('m-1', world.ports.control);
    expect(shown?.parts[0]?.actions).toMatchObject([
      { action: 'hold', ...actor },
      { action: 'release', ...actor },
    ]);
  });
});

describe('cancel', () => {
  test.each([
    [true, 1, 'the sender is told'],
    [false, 0, 'the sender is not told'],
  ])('bounce %s: recipients have failed; %s notification: %s', async (bounce, notifications) => {
    const world = createQueueWorld();
    await world.putOff();
    expect(await act(world, { action: 'cancel', bounce })).toEqual(done);
    const row = await world.ports.control.readDelivery('m-1', 'example.org');
    expect(row).toMatchObject({ state: 'finished', why: { decision: { code: 'cancelled' } } });
    expect(row?.recipients.map(({ state }) => state)).toEqual(['failed', 'failed']);
    expect(world.stores.sent).toHaveLength(notifications);
    expect(world.stores.sent.every(({ mailFrom }) => mailFrom === '')).toBe(true);
  });

  test('nobody begins with what is being cancelled, as long as that may take', async () => {
    const world = createQueueWorld();
    await world.putOff();
    const { enqueue } = world.ports.queue;
    let meanwhile: unknown;
    const queue = {
      ...world.ports.queue,
      enqueue: async (messages: Parameters<typeof enqueue>[0]) => {
        const content = (await kept(world)) ?? { data: '' };
        const message = preparedMessage({ attempt: 2, content });
        const nowMs = world.nowMs + 10 * minuteMs;
        meanwhile = await world.ports.messages.claim(claimRequest({ message, nowMs }));
        await enqueue(messages);
      },
    };
    const context = { ...world, ports: { ...world.ports, queue } };
    const deed = { action: 'cancel', bounce: true } as const;
    expect(await actOnQueue({ selection: one, deed, actor, limit: 1 }, context)).toEqual(done);
    expect(meanwhile).toMatchObject({ kind: 'leased' });
  });

  test('what is held can be cancelled', async () => {
    const world = createQueueWorld();
    await world.putOff();
    await act(world, { action: 'hold' });
    expect(await act(world, { action: 'cancel', bounce: true })).toEqual(done);
  });

  test('an attempt that is under way cannot; it is said until when', async () => {
    const world = createQueueWorld();
    await world.putOff();
    await world.begin(
      preparedMessage({ attempt: 2, content: (await kept(world)) ?? { data: '' } }),
    );
    const result = await act(world, { action: 'cancel', bounce: true });
    expect(result).toMatchObject({
      done: 0,
      skipped: [{ reason: 'busy', untilMs: noonMs + 10 * minuteMs }],
    });
    expect(world.actions).toEqual([]);
  });

  test('twice is once: the second finds it finished, and tells nobody', async () => {
    const world = createQueueWorld();
    await world.putOff();
    await act(world, { action: 'cancel', bounce: true });
    const result = await act(world, { action: 'cancel', bounce: true });
    expect(result.skipped).toMatchObject([{ reason: 'finished' }]);
    expect(world.stores.sent).toHaveLength(1);
  });

  test('where the notification cannot be sent, the message goes on as before', async () => {
    const world = createQueueWorld();
    await world.putOff();
    world.stores.fail('enqueue', 'before');
    await expect(act(world, { action: 'cancel', bounce: true })).rejects.toMatchObject({
      code: 'store-unavailable',
    });
    const content = (await kept(world)) ?? { data: '' };
    const message = preparedMessage({ attempt: 2, content });
    expect(await world.ports.messages.claim(claimRequest({ message }))).toMatchObject({
      kind: 'claimed',
    });
  });
});

test('override: recorded in the row with who and why, and explicit only where it demands', async () => {
  const world = createQueueWorld();
  await world.putOff();
  expect(await act(world, { action: 'override', demand: 'default' })).toEqual(done);
  const row = await world.ports.control.readDelivery('m-1', 'example.org');
  expect(row?.demand).toEqual({
    demand: 'default',
    demandReason: `overridden by ${actor.author}: ${actor.reason}`,
    explicit: false,
  });
  await act(world, { action: 'override', demand: 'require' });
  expect(world.actions.map(({ detail }) => detail)).toEqual(['demand: default', 'demand: require']);
  expect((await world.ports.control.readDelivery('m-1', 'example.org'))?.demand.explicit).toBe(
    true,
  );
});

describe('many', () => {
  async function fill(world: QueueWorld, count: number): Promise<void> {
    for (let n = 0; n < count; n += 1) {
      const domain = n % 2 === 0 ? 'example.org' : 'example.net';
      const mailFrom = n % 3 === 0 ? '' : 'Alice@example.com';
      const submittedAt = new Date(noonMs + n).toISOString();
      const prepared = { ...preparedMessage().prepared, domain, hash: '' };
      await world.putOff({ id: `m-${n}`, mailFrom, submittedAt, prepared });
    }
  }

  test.each<[string, ActRequest['selection'], number]>([
    ['a domain', { kind: 'domain', domain: 'example.net' }, 15],
    ['a sender, whatever its case', { kind: 'sender', sender: 'alice@EXAMPLE.com' }, 20],
    ['the null sender', { kind: 'sender', sender: '' }, 10],
    ['all', { kind: 'all' }, 30],
  ])('%s: page by page, none twice and none left out', async (_reason, selection, count) => {
    const world = createQueueWorld();
    await fill(world, 30);
    let total = 0;
    let cursor: string | undefined;
    do {
      const place = cursor === undefined ? {} : { cursor: waitingCursorSchema.parse(cursor) };
      const result = await act(world, { action: 'hold' }, { selection, limit: 7, ...place });
      expect(result.done).toBeLessThanOrEqual(7);
      expect(result.skipped).toEqual([]);
      total += result.done;
      cursor = result.cursor;
    } while (cursor !== undefined);
    expect(total).toBe(count);
  });

  test('a page that is asked for again passes over what is done, and says why', async () => {
    const world = createQueueWorld();
    await fill(world, 6);
    await act(world, { action: 'hold' }, { selection: { kind: 'all' } });
    const again = await act(world, { action: 'hold' }, { selection: { kind: 'all' } });
    expect(again).toMatchObject({ done: 0, skipped: [{ reason: 'held', count: 6 }] });
    expect(again.skipped[0]?.examples).toHaveLength(3);
  });

  test('the list is oldest first over all shards, and filters by hold', async () => {
    const world = createQueueWorld();
    await fill(world, 25);
    await act(world, { action: 'hold' }, { selection: { kind: 'message', id: 'm-3' } });
    const all = await listWaiting({ order: 'age', limit: 100 }, world.ports.waiting);
    expect(all.deliveries.map(({ id }) => id)).toEqual(
      Array.from({ length: 25 }, (_, n) => `m-${n}`),
    );
    expect(all.cursor).toBeUndefined();
    const held = await listWaiting({ order: 'due', held: true, limit: 100 }, world.ports.waiting);
    expect(held.deliveries).toMatchObject([{ id: 'm-3', held: { author: actor.author } }]);
  });
});

async function putOffWhole(world: QueueWorld): Promise<void> {
  const parts = [];
  for (const domain of ['example.org', 'example.net']) {
    const prepared = { ...preparedMessage().prepared, domain, wholeId: 'w-1' };
    const key = await world.putOff({ id: `part-${domain.slice(-3)}`, prepared });
    parts.push({ ...key, demand: 'default', demandReason: '', recipients: [] } as const);
  }
  world.wholes.set('w-1', {
    id: 'w-1',
    mailFrom: 'alice@example.com',
    submittedAt: '2026-11-24T12:00:00.000Z',
    expiresAt: '2026-11-29T12:00:00.000Z',
    bytes: 100,
    via: 'http',
    fingerprint: 'f',
    parts,
    queued: true,
  });
}

const whole = { selection: { kind: 'message', id: 'w-1' } } as const;

test('a whole message is acted upon and shown with all of its parts', async () => {
  const world = createQueueWorld();
  await putOffWhole(world);
  expect(await act(world, { action: 'hold' }, whole)).toEqual({ done: 2, skipped: [] });
  const shown = await showMessage('w-1', world.ports.control);
  expect(shown?.parts.map(({ id }) => id)).toEqual(['part-org', 'part-net']);
});

describe('a part of a whole message that nobody has begun with', () => {
  const domain = 'example.com';
  const left = (reason: string) => ({
    done: 0,
    skipped: [{ reason, count: 1, examples: [{ id: 'part-com', domain }] }],
  });
  const only = { selection: { kind: 'message', id: 'w-1', domain } } as const;

  async function addQueued(world: QueueWorld): Promise<void> {
    await putOffWhole(world);
    const known = world.wholes.get('w-1') as WholeMessage;
    const part = { id: 'part-com', domain, demand: 'default', demandReason: '', recipients: [] };
    world.wholes.set('w-1', { ...known, parts: [...known.parts, part as WholePart] });
  }

  test.each<Deed>([
    { action: 'hold' },
    { action: 'cancel', bounce: true },
    { action: 'override', demand: 'default' },
  ])('what is asked of it is noted, and in its history: %j', async (deed) => {
    const world = createQueueWorld();
    await addQueued(world);
    expect(await act(world, deed, whole)).toEqual({ done: 2, noted: 1, skipped: [] });
    const shown = await showMessage('w-1', world.ports.control);
    const part = shown?.parts.find(({ id }) => id === 'part-com');
    expect(part?.advance).toMatchObject([{ domain }]);
    expect(part?.actions).toMatchObject([{ domain, action: deed.action, ...actor }]);
  });

  test('retry has nothing to hasten: it is said why', async () => {
    const world = createQueueWorld();
    await addQueued(world);
    const retry = { action: 'retry' } as const;
    expect(await act(world, retry, only)).toEqual(left('queued'));
    await act(world, { action: 'hold' }, only);
    expect(await act(world, retry, only)).toEqual(left('held'));
    await act(world, { action: 'cancel', bounce: false }, only);
    expect(await act(world, retry, only)).toEqual(left('finished'));
  });

  test('released, its first attempt begins as if nothing had been', async () => {
    const world = createQueueWorld();
    await addQueued(world);
    await act(world, { action: 'hold' }, only);
    const prepared = { ...preparedMessage().prepared, domain, hash: '' };
    const request = claimRequest({ message: preparedMessage({ id: 'part-com', prepared }) });
    expect(await world.ports.messages.claim(request)).toEqual({ kind: 'held', isKept: false });
    const release = await act(world, { action: 'release' }, only);
    expect(release).toEqual({ done: 0, noted: 1, skipped: [] });
    expect(world.stores.sent).toEqual([]);
    expect(await world.ports.messages.claim(request)).toMatchObject({ kind: 'claimed' });
  });

  test.each([
    ['it expires, while nobody may have taken its record yet', '2026-11-29T12:00:00.000Z', 'noted'],
    ['SQS drops its record: it was finished long ago', '2026-12-08T12:00:00.000Z', 'unknown'],
  ])('when %s', async (_reason, at, outcome) => {
    const world = createQueueWorld();
    await addQueued(world);
    world.nowMs = Date.parse(at);
    const noted = { done: 0, noted: 1, skipped: [] };
    const result = await act(world, { action: 'hold' }, only);
    expect(result).toEqual(outcome === 'noted' ? noted : left('unknown'));
  });
});

describe('one part of a message, by its domain', () => {
  test('is acted upon, and the others are not', async () => {
    const world = createQueueWorld();
    await putOffWhole(world);
    const selection = { kind: 'message', id: 'w-1', domain: 'example.net' } as const;
    expect(await act(world, { action: 'hold' }, { selection })).toEqual(done);
    const held = await listWaiting({ order: 'age', held: true, limit: 9 }, world.ports.waiting);
    expect(held.deliveries).toMatchObject([{ id: 'part-net' }]);
  });

  test.each([
    ['a message that is not known: it came by SQS, and was not begun with', 'm-1', 'noted'],
    ['a message that is known, and has none', 'w-1', 'unknown'],
  ])('%s', async (_reason, id, outcome) => {
    const world = createQueueWorld();
    await putOffWhole(world);
    const selection = { kind: 'message', id, domain: 'example.com' } as const;
    const result = await act(world, { action: 'hold' }, { selection });
    expect(result.noted === 1 ? 'noted' : result.skipped[0]?.reason).toBe(outcome);
    expect(result.done).toBe(0);
  });

  test('what was noted of it can be taken back, and shown meanwhile', async () => {
    const world = createQueueWorld();
    const selection = { kind: 'message', id: 'm-1', domain: 'example.com' } as const;
    await act(world, { action: 'hold' }, { selection });
    const shown = await showMessage('m-1', world.ports.control);
    expect(shown?.parts[0]?.advance).toMatchObject([{ held: { author: actor.author } }]);
    const released = await act(world, { action: 'release' }, { selection });
    expect(released).toEqual({ done: 0, noted: 1, skipped: [] });
  });

  test('what was noted of it is known by its id alone from then on', async () => {
    const world = createQueueWorld();
    const selection = { kind: 'message', id: 'm-1', domain: 'example.com' } as const;
    await act(world, { action: 'hold' }, { selection });
    const released = await act(world, { action: 'release' });
    expect(released).toEqual({ done: 0, noted: 1, skipped: [] });
    const shown = await showMessage('m-1', world.ports.control);
    expect(shown?.parts[0]?.advance).toEqual([{ domain: 'example.com' }]);
    expect(await act(world, { action: 'retry' })).toEqual({
      done: 0,
      skipped: [{ reason: 'queued', count: 1, examples: [{ id: 'm-1', domain: 'example.com' }] }],
    });
  });

  test.each([
    ['example.com', {}, 'unknown'],
    ['relay.example', { noted: 1 }, undefined],
  ] as const)('with a smart host all mail is for its domain: %s', async (domain, noted, reason) => {
    const { settings, ...rest } = createQueueWorld();
    const smartHost = { host: 'relay.example', port: 465 };
    const world = { ...rest, settings: { ...settings, smartHost } };
    const selection = { kind: 'message', id: 'm-1', domain } as const;
    const result = await act(world, { action: 'hold' }, { selection });
    expect(result).toMatchObject({ done: 0, ...noted });
    expect(result.skipped[0]?.reason).toBe(reason);
    // Nothing is written that nobody would ever go by.
    const shown = await showMessage('m-1', world.ports.control);
    expect(shown === undefined).toBe(reason === 'unknown');
  });

  test('is noted under the id of a part as well, which it has where the message is split', async () => {
    const world = createQueueWorld();
    const message = {
      ...preparedMessage({ content: { data: 'aGVsbG8=' } }),
      rcptTo: [{ address: 'bob@example.com' }, { address: 'carol@example.net' }],
    };
    const handedIn = { fields: [], sizeBytes: 5 };
    const controls = { rules: [], exceptions: [] };
    const rules = { settings: world.settings, controls, nowMs: noonMs };
    const [first, second] = prepareMessage(message, handedIn, rules);
    const selection = { kind: 'message', id: 'm-1', domain: 'example.com' } as const;
    await act(world, { action: 'hold' }, { selection });
    const claim = (part = message) =>
      world.ports.messages.claim(claimRequest({ message: part, token: part.id }));
    expect(await claim(first)).toEqual({ kind: 'held', isKept: false });
    expect(await claim(second)).toMatchObject({ kind: 'claimed' });
    // Known by now as a whole, it has that note no more, and its part has it.
    await putOffWhole(world);
    const known = world.wholes.get('w-1') as WholeMessage;
    const parts = [first, second].flatMap((part) =>
      part === undefined
        ? []
        : [{ id: part.id, domain: part.prepared.domain, demand: 'default', demandReason: '' }],
    );
    world.wholes.set('m-1', {
      ...known,
      id: 'm-1',
      parts: parts as unknown as readonly WholePart[],
    });
    const shown = await showMessage('m-1', world.ports.control);
    expect(shown?.parts.map(({ id }) => id)).toEqual([first?.id, second?.id]);
    const released = await act(world, { action: 'release' }, { selection });
    expect(released).toEqual({ done: 0, noted: 1, skipped: [] });
    expect(await claim(first)).toMatchObject({ kind: 'claimed' });
  });
});
