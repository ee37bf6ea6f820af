import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  attemptsAtMost,
  type Deferral,
  nextAttemptAt,
  scheduleAttempt,
} from '../../functions/delivery/retry-schedule.ts';

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

describe('the most attempts that a schedule comes to', () => {
  test.each<[readonly number[], number, number, string]>([
    [[10], 100, 1 + 12 + 6, 'each a tenth shorter, and six that come in between'],
    [[10, 20, 50], 100, 3 + 2 + 6, 'the last wait again and again'],
    [[1], 100, 1 + 100 + 6, 'never less than a minute'],
    [[50, 100], 20, 2 + 0 + 6, 'none is repeated'],
  ])('%j in %i minutes: %i (%s)', (waits, minutes, attempts, _why) => {
    expect(attemptsAtMost(waits, minutes)).toBe(attempts);
  });

  test('is not exceeded by what is scheduled', () => {
    const settings = { retryWaitsMinutes: [5, 2], delayNoticeHours: 1 };
    const expiresAtMs = nowMs + 600 * 60_000;
    let attempt = 1;
    let atMs = nowMs;
    while (atMs < expiresAtMs) {
      atMs = scheduleAttempt({
        attempt,
        nowMs: atMs,
        id: 'm-1',
        submittedAtMs: nowMs,
        expiresAtMs,
        hasSender: true,
        greylisting: { waitSeconds: 1 },
        isBackingOff: false,
        settings,
      });
      attempt += 1;
    }
    expect(attempt).toBeGreaterThan(250);
    expect(attempt).toBeLessThanOrEqual(attemptsAtMost(settings.retryWaitsMinutes, 600));
  });
});

describe('the next attempt of a message', () => {
  const hoursMs = 3_600_000;
  const deferral: Deferral = {
    attempt: 1,
    nowMs,
    id: 'm-1',
    submittedAtMs: nowMs - 1_000,
    expiresAtMs: nowMs + 120 * hoursMs,
    hasSender: true,
    greylisting: undefined,
    isBackingOff: false,
    settings: { retryWaitsMinutes: [10, 60, 600], delayNoticeHours: 4 },
  };
  const noNotices = { retryWaitsMinutes: [10, 60, 600], delayNoticeHours: 0 };
  const longAgo = { submittedAtMs: nowMs - 5 * hoursMs };

  test.each<[Partial<Deferral>, number, number, string]>([
    [{}, 10, 11, 'the first wait of the settings'],
    [{ attempt: 2 }, 54, 66, 'the second'],
    [{ attempt: 9, settings: noNotices }, 540, 660, 'the last ever after'],
    [{ attempt: 3 }, 239, 240, 'no later than the sender is to hear of the delay'],
    [{ attempt: 3, hasSender: false }, 540, 660, 'nobody to tell'],
    [{ attempt: 3, settings: noNotices }, 540, 660, 'no notices'],
    [{ attempt: 3, ...longAgo }, 540, 660, 'the notice is behind'],
    [{ attempt: 2, expiresAtMs: nowMs + hoursMs / 2 }, 30, 30, 'at expiry: a bounce on time'],
    [{ expiresAtMs: nowMs + 1_000 }, 1, 1, 'not at once'],
    [{ submittedAtMs: nowMs - 4 * hoursMs + 1_000 }, 1, 1, 'nor for the notice'],
    [{ greylisting: { waitSeconds: 300 } }, 5.25, 5.5, 'as announced, and a little more'],
    [{ greylisting: { waitSeconds: 120 }, attempt: 4 }, 2.25, 2.5, 'each time'],
    [{ greylisting: {}, attempt: 4 }, 10, 11, 'unannounced: the first wait again'],
    [{ greylisting: { waitSeconds: 300 }, attempt: 5, ...longAgo }, 540, 660, 'not for ever'],
    [{ isBackingOff: true, ...longAgo }, 540, 660, 'others probe: the last wait'],
    [{ isBackingOff: true }, 239, 240, 'but no later than the notice'],
    [
      { isBackingOff: true, settings: { retryWaitsMinutes: [30], delayNoticeHours: 0 } },
      27,
      33,
      'the only wait',
    ],
  ])('%j: in %f to %f minutes (%s)', (over, least, most) => {
    const minutes = (scheduleAttempt({ ...deferral, ...over }) - nowMs) / 60_000;
    expect(minutes).toBeGreaterThanOrEqual(least);
    expect(minutes).toBeLessThanOrEqual(most);
  });
});
