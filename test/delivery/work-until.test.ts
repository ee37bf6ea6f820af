import { expect, test } from 'vitest';
import { workUntil } from '../../functions/delivery/work-until.ts';

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
