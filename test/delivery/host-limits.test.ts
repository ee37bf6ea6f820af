import { describe, expect, test } from 'vitest';
import { createHostLimits } from '../../functions/delivery/host-limits.ts';

const host = 'mx.example';

describe('the limit of a host', () => {
  test.each([
    [8, [8], 4, 'half of them'],
    [8, [8, 4], 2, 'and half again'],
    [8, [3], 3, 'no more than it bore'],
    [8, [0], 1, 'one at least'],
    [1, [1], 1, 'there is no half of one'],
  ])('of %i, thrown out at %j: %i (%s)', (max, opens, expected) => {
    const limits = createHostLimits(max);
    for (const open of opens) {
      limits.lower(host, open);
    }
    expect(limits.limitOf(host)).toBe(expected);
    expect(limits.limitOf('other.example')).toBe(max);
  });

  test('grows by one after twenty messages, up to what the settings allow', () => {
    const limits = createHostLimits(3);
    limits.lower(host, 3);
    const seen = Array.from({ length: 60 }, () => {
      limits.carried(host);
      return limits.limitOf(host);
    });
    expect([seen[18], seen[19], seen[38], seen[39], seen[59]]).toEqual([1, 2, 2, 3, 3]);
  });

  test('is forgotten for the sake of a thousand others', () => {
    const limits = createHostLimits(4);
    limits.lower(host, 4);
    for (let index = 0; index < 1_000; index += 1) {
      limits.lower(`mx${index}.example`, 4);
    }
    expect(limits.limitOf(host)).toBe(4);
    expect(limits.limitOf('mx0.example')).toBe(2);
  });
});
