import { expect, test } from 'vitest';
import { workFromBothEnds, workUntil } from '../../functions/delivery/work-until.ts';

const always = { concurrency: 2, mayGoOn: () => true };

test('rests have their turn after all that was not begun', async () => {
  const done: string[] = [];
  const left = await workUntil(['a2', 'b1', 'c3'], { ...always, concurrency: 1 }, async (item) => {
    done.push(item);
    const rest = Number(item[1]) - 1;
    return rest === 0 ? undefined : `${item[0]}${rest}`;
  });
  expect(done).toEqual(['a2', 'b1', 'c3', 'a1', 'c2', 'c1']);
  expect(left).toEqual([]);
});

test('no more than so many at one time, and no fewer', async () => {
  let active = 0;
  let most = 0;
  await workUntil([1, 2, 3, 4, 5], always, async () => {
    active += 1;
    most = Math.max(most, active);
    await Promise.resolve();
    active -= 1;
    return undefined;
  });
  expect(most).toBe(2);
});

test('what was left is given back: rests, and the first that was not begun', async () => {
  let turns = 0;
  const mayGoOn = (): boolean => turns < 2;
  const left = await workUntil([1, 2, 3, 4], { concurrency: 1, mayGoOn }, async (item) => {
    turns += 1;
    return item === 1 ? 10 : undefined;
  });
  expect(left).toEqual([10, 3]);
});

test('a failure is the caller’s', async () => {
  const failing = workUntil([1], always, async () => {
    throw new Error('broken');
  });
  await expect(failing).rejects.toThrow('broken');
});

test.each<[string, number, string, string, string]>([
  ['+++', 2, '012', '', 'all is well'],
  ['---++', 2, '01432', '', 'two from the front, and the rest from the back'],
  ['-----+', 2, '01543', '2', 'what is between those that fail at either end waits'],
  ['-+-+-', 2, '01234', '', 'a success between them and nothing is out of order'],
  ['-.-..+', 2, '012543', '', 'an idle one proves nothing'],
  ['--------', 2, '0176', '2345', 'out of order: an end soon'],
])(
  'from both ends: of %s, with %i in a row, %s have their turn and %s are left (%s)',
  async (items, failuresMax, expected, expectedLeft, _why) => {
    const outcomes = { '+': 'done', '-': 'failed', '.': 'idle' } as const;
    const turns: number[] = [];
    const left = await workFromBothEnds(
      Array.from(items, (_, index) => index),
      { concurrency: 1, mayGoOn: () => true, failuresMax },
      async (item) => {
        turns.push(item);
        return { outcome: outcomes[items[item] as keyof typeof outcomes] };
      },
    );
    expect(turns.join('')).toBe(expected);
    expect(left.toSorted().join('')).toBe(expectedLeft);
  },
);

test('from both ends: time that is over ends it at either', async () => {
  let turns = 0;
  const bounds = { concurrency: 1, mayGoOn: () => turns < 2, failuresMax: 2 };
  const left = await workFromBothEnds([1, 2, 3, 4], bounds, async () => {
    turns += 1;
    return { outcome: 'done' };
  });
  expect([turns, left.toSorted()]).toEqual([2, [3, 4]]);
});
