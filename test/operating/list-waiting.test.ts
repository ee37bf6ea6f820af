import { describe, expect, test } from 'vitest';
import type {
  WaitingDelivery,
  WaitingIndex,
  WaitingQuery,
} from '../../functions/delivery/stored-delivery.ts';
import { listWaiting, type WaitingFilter } from '../../functions/operating/list-waiting.ts';
import { waitingCursorSchema } from '../../functions/operating/waiting-cursor.ts';
import { startRandom } from '../random.ts';

const shards = 3;
const random = startRandom(7);

/** Some were submitted, and come due, at one and the same moment. */
const waiting = Array.from({ length: 400 }, (_, number) => ({
  shard: random(shards),
  id: `m-${String(number).padStart(3, '0')}`,
  domain: number % 5 === 0 ? 'b.example' : 'a.example',
  mailFrom: number % 3 === 0 ? 'Carol@sender.example' : '',
  attempt: 1,
  submittedAtMs: 1_000 + random(300),
  nextDueAtMs: 9_000 + random(300),
  ...(number % 7 === 0 && { held: { author: 'eve', reason: 'a wrong list', sinceMs: 1 } }),
}));

const index: WaitingIndex = {
  shards,
  readWaiting: async ({ order, shard, after, limit }) => {
    const sorted = waiting
      .filter((each) => each.shard === shard)
      .toSorted((one, other) => compare(keyOf(one, order), keyOf(other, order)));
    const isBehind = (each: WaitingDelivery): boolean =>
      after === undefined || compare(keyOf(each, order), keyOfPlace(after)) > 0;
    return sorted.filter(isBehind).slice(0, limit);
  },
};

type Key = readonly [number, string];

function keyOf(
  { submittedAtMs, nextDueAtMs = 0, id }: WaitingDelivery,
  order: WaitingQuery['order'],
): Key {
  return [order === 'age' ? submittedAtMs : nextDueAtMs, id];
}

function keyOfPlace({ atMs, id }: NonNullable<WaitingQuery['after']>): Key {
  return [atMs, id];
}

function compare([oneMs, oneId]: Key, [otherMs, otherId]: Key): number {
  return oneMs - otherMs || (oneId < otherId ? -1 : Number(oneId > otherId));
}

/** The pages of a whole list. */
async function readPages(
  order: WaitingQuery['order'],
  limit: number,
  filter: WaitingFilter = {},
): Promise<(readonly WaitingDelivery[])[]> {
  const pages: (readonly WaitingDelivery[])[] = [];
  let cursor: string | undefined;
  do {
    const place = cursor === undefined ? {} : { cursor: waitingCursorSchema.parse(cursor) };
    const page = await listWaiting({ ...filter, order, limit, ...place }, index);
    pages.push(page.deliveries);
    cursor = page.cursor;
    if (pages.length > waiting.length + 1) {
      throw new Error('the list has no end');
    }
  } while (cursor !== undefined);
  return pages;
}

describe.each([
  ['age', 'submittedAtMs'],
  ['due', 'nextDueAtMs'],
] as const)('by %s', (order, field) => {
  test('all shards in one order', async () => {
    const [all = [], ...more] = await readPages(order, 1_000);
    expect(more).toEqual([]);
    const times = all.map((each) => each[field] ?? 0);
    expect(times).toEqual(times.toSorted((one, other) => one - other));
    expect(all).toHaveLength(waiting.length);
  });

  test.each([1, 7, 100, 399])('pages of %d have the same, each once', async (limit) => {
    const [all] = await readPages(order, 1_000);
    const pages = await readPages(order, limit);
    expect(pages.flat()).toEqual(all);
    expect(Math.max(...pages.map(({ length }) => length))).toBe(limit);
  });
});

test.each<[WaitingFilter, (each: WaitingDelivery) => boolean]>([
  [{ domain: 'b.example' }, ({ domain }) => domain === 'b.example'],
  [{ sender: 'carol@SENDER.example' }, ({ mailFrom }) => mailFrom !== ''],
  [{ sender: '' }, ({ mailFrom }) => mailFrom === ''],
  [{ held: true }, ({ held }) => held !== undefined],
  [{ held: false, domain: 'a.example' }, (each) => !each.held && each.domain === 'a.example'],
])('%j: all that it means, and nothing else', async (filter, isMeant) => {
  const found = (await readPages('age', 50, filter)).flat();
  expect(found.map(({ id }) => id).toSorted()).toEqual(waiting.filter(isMeant).map(({ id }) => id));
});

test('a page in which nothing matches ends somewhere, and the list goes on behind it', async () => {
  const reads: WaitingQuery[] = [];
  const endless: WaitingIndex = {
    shards,
    readWaiting: async (query) => {
      reads.push(query);
      const firstMs = query.after?.atMs ?? 0;
      return Array.from({ length: query.limit }, (_, number) => ({
        id: `m-${firstMs + number + 1}`,
        domain: 'a.example',
        mailFrom: '',
        attempt: 1,
        submittedAtMs: firstMs + number + 1,
      }));
    },
  };
  const request = { order: 'age', limit: 10, domain: 'none.example' } as const;
  const page = await listWaiting(request, endless);
  expect(page.deliveries).toEqual([]);
  expect(reads.length).toBeLessThanOrEqual(64);
  const cursor = waitingCursorSchema.parse(page.cursor);
  reads.length = 0;
  await listWaiting({ ...request, cursor }, endless);
  expect(Math.min(...reads.map(({ after }) => after?.atMs ?? 0))).toBeGreaterThan(1_000);
});
