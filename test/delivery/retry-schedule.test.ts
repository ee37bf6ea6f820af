import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { nextAttemptAt } from '../../functions/delivery/retry-schedule.ts';

const nowMs = Date.UTC(2026, 10, 24, 12);

function waitMinutes(attempt: number, id = 'a'): number {
  return (nextAttemptAt({ attempt, nowMs, id }) - nowMs) / 60_000;
}

describe('nextAttemptAt', () => {
  test.each([
    [1, 5, 5.5, 'greylisting: never before its five minutes are over'],
    [2, 9, 11, 'ten minutes, give or take a tenth'],
    [3, 18, 22, 'twenty minutes'],
    [4, 27, 33, 'RFC 5321 §4.5.4.1: thirty minutes'],
    [5, 54, 66, 'an hour'],
    [6, 108, 132, 'two hours'],
    [7, 216, 264, 'four hours'],
    [8, 216, 264, 'and every four hours'],
    [1_000, 216, 264, 'as far as the queue message counts'],
  ])('after attempt %i: %d to %d minutes: %s', (attempt, least, most) => {
    fc.assert(
      fc.property(fc.string(), (id) => {
        const wait = waitMinutes(attempt, id);
        return wait >= least && wait <= most;
      }),
    );
  });

  test('asked twice, it says the same', () => {
    expect(waitMinutes(3, 'm-1')).toBe(waitMinutes(3, 'm-1'));
  });

  test('spreads messages that were put off together over the whole tenth', () => {
    const waits = Array.from({ length: 1_000 }, (_, index) => waitMinutes(7, `m-${index}`));
    const quarters = [228, 240, 252, 264].map((most) => waits.filter((wait) => wait < most).length);
    expect(quarters[0]).toBeGreaterThan(200);
    expect(quarters[1]).toBeGreaterThan(440);
    expect(quarters[2]).toBeGreaterThan(690);
    expect(quarters[3]).toBe(1_000);
  });

  test('gives a message some thirty attempts in five days', () => {
    let dueMs = nowMs;
    let attempt = 0;
    while (dueMs < nowMs + 5 * 86_400_000) {
      attempt += 1;
      dueMs = nextAttemptAt({ attempt, nowMs: dueMs, id: 'a' });
    }
    expect(attempt).toBeGreaterThan(30);
    expect(attempt).toBeLessThan(40);
  });

  test('takes other waits (RFC 5321 §4.5.4.1: configurable)', () => {
    const dueMs = nextAttemptAt({ attempt: 9, nowMs, id: 'a', waitsMinutes: [1, 30] });
    expect((dueMs - nowMs) / 60_000).toBeCloseTo(30, -1);
  });

  test.each<[number, readonly number[] | undefined, string]>([
    [0, undefined, 'attempts are counted from one'],
    [-1, undefined, 'negative'],
    [1.5, undefined, 'no integer'],
    [7.5, undefined, 'no integer among the last waits'],
    [Number.NaN, undefined, 'no number'],
    [1, [], 'no waits'],
  ])('refuses attempt %d of %j: %s', (attempt, waitsMinutes) => {
    const putOff = { attempt, nowMs, id: 'a', ...(waitsMinutes && { waitsMinutes }) };
    expect(() => nextAttemptAt(putOff)).toThrow(RangeError);
  });
});
