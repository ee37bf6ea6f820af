/** Destinations that are not sent to: by hand, by a bounce, and no longer than was said. */
import { beforeEach, describe, expect, test } from 'vitest';
import type { Suppression, SuppressionStore } from '../../functions/reporting/ports.ts';
import {
  addSuppression,
  createSuppressions,
  listSuppressions,
  removeSuppression,
  suppressBounced,
  suppressionRequestSchema,
} from '../../functions/reporting/suppressions.ts';

const nowMs = Date.parse('2026-11-24T00:00:00Z');
const dayMs = 86_400_000;
const request = {
  uri: 'mailto:r@A.example?subject=x',
  reason: 'ticket 4711',
  expires: '2026-12-01T00:00:00Z',
};

let kept: Map<string, Suppression>;
let reads: number;
let isDown: boolean;
const store: SuppressionStore = {
  list: async () => {
    reads += 1;
    if (isDown) {
      throw new Error('down');
    }
    return [...kept.values()];
  },
  put: async (suppression) => void kept.set(suppression.uri, suppression),
  extend: async (suppression) => {
    const { expires = '' } = kept.get(suppression.uri) ?? {};
    if (!(Date.parse(expires) >= Date.parse(suppression.expires))) {
      kept.set(suppression.uri, suppression);
    }
  },
  remove: async (uri) => kept.delete(uri),
};

beforeEach(() => {
  kept = new Map();
  reads = 0;
  isDown = false;
});

test('a destination is suppressed however it is spelt, listed, and freed', async () => {
  expect(await addSuppression(request, 'jo', { store, nowMs })).toEqual({
    kind: 'added',
    suppression: { ...request, uri: 'mailto:r@a.example', author: 'jo', addedAtMs: nowMs },
  });
  expect(await createSuppressions(store).active(nowMs)).toEqual(new Set(['mailto:r@a.example']));
  expect(await listSuppressions({ store, nowMs })).toMatchObject([{ state: 'in-force' }]);
  expect(await removeSuppression('MAILTO:r@a.example', { store })).toBe(true);
  expect(await removeSuppression('MAILTO:r@a.example', { store })).toBe(false);
});

test('it ends by itself', async () => {
  await addSuppression(request, 'jo', { store, nowMs });
  const endMs = Date.parse(request.expires);
  const suppressions = createSuppressions(store);
  expect((await suppressions.active(endMs - 1)).size).toBe(1);
  expect((await suppressions.active(endMs)).size).toBe(0);
  expect(await listSuppressions({ store, nowMs: endMs })).toMatchObject([{ state: 'over' }]);
});

test.each([
  [{ uri: 'r@a.example' }, 'uri', 'no URI'],
  [{ uri: 'ftp://a.example' }, 'uri', 'nothing is sent there'],
  [{ expires: '2026-11-24T00:00:00Z' }, 'expires', 'over at once'],
  [{ expires: '2030-01-01T00:00:00Z' }, 'expires', 'that is what the config is for'],
])('%j is refused, naming %s: %s', async (over, field, _reason) => {
  expect(await addSuppression({ ...request, ...over }, 'jo', { store, nowMs })).toMatchObject({
    kind: 'refused',
    faults: [{ field }],
  });
  expect(kept.size).toBe(0);
});

test('of the 5,001st it is said to remove some, and any of the others can be renewed', async () => {
  kept = new Map(
    Array.from({ length: 5_000 }, (_, index) => {
      const uri = `mailto:${index}@a.example`;
      return [uri, { ...request, uri, author: 'jo', addedAtMs: 0 }];
    }),
  );
  expect((await addSuppression(request, 'jo', { store, nowMs })).kind).toBe('refused');
  const known = { ...request, uri: 'mailto:7@a.example' };
  expect((await addSuppression(known, 'jo', { store, nowMs })).kind).toBe('added');
});

test.each([
  [{ ...request, reason: ' ' }, 'without a reason'],
  [{ ...request, expires: 'tomorrow' }, 'without a date'],
  [{ ...request, uri: 'x'.repeat(2_001) }, 'too long'],
])('%# is no request: %s', (candidate, _reason) => {
  expect(suppressionRequestSchema.safeParse(candidate).success).toBe(false);
});

describe('an address that a report came back from', () => {
  test.each([
    ['r@A.example', 'mailto:r@a.example'],
    ['a%b+c@a.example', 'mailto:a%b+c@a.example'],
  ])('%s is not sent to for 30 days', async (address, uri) => {
    await suppressBounced(address, 'smtp; 550 5.1.1 no such user', { store, nowMs });
    const suppressions = createSuppressions(store);
    expect(await suppressions.active(nowMs + 30 * dayMs - 1)).toEqual(new Set([uri]));
    expect((await suppressions.active(nowMs + 30 * dayMs)).size).toBe(0);
    expect(kept.get(uri)).toMatchObject({ author: 'bounce', reason: expect.stringMatching(/550/) });
  });

  test('stays suppressed for as long as an operator decided', async () => {
    const expires = new Date(nowMs + 300 * dayMs).toISOString();
    await addSuppression({ ...request, expires }, 'jo', { store, nowMs });
    await suppressBounced('r@a.example', 'smtp; 550', { store, nowMs });
    expect(await listSuppressions({ store, nowMs })).toMatchObject([{ expires, author: 'jo' }]);
  });
});

test('senders read the list once a minute, and a failure is not remembered', async () => {
  const suppressions = createSuppressions(store);
  isDown = true;
  await expect(suppressions.active(nowMs)).rejects.toThrow('down');
  isDown = false;
  await suppressions.active(nowMs);
  await suppressions.active(nowMs + 59_999);
  expect(reads).toBe(2);
  await suppressions.active(nowMs + 60_000);
  expect(reads).toBe(3);
});
