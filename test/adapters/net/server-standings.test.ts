import { describe, expect, test } from 'vitest';
import { createServerStandings } from '../../../functions/adapters/net/server-standings.ts';

const nobody: ReadonlySet<string> = new Set();
const names = ['a', 'b', 'c'];

describe('the order of servers', () => {
  test('is as given, and nobody is ever left out', () => {
    const standings = createServerStandings(names);
    expect(standings.order(0, nobody)).toEqual(['a', 'b', 'c']);
    for (const name of names) {
      standings.failed(name, { askedAtMs: 0, nowMs: 0 });
    }
    expect(standings.order(0, nobody)).toEqual(['a', 'b', 'c']);
    expect(standings.order(0, new Set(['a', 'b']))).toEqual(['c', 'a', 'b']);
  });

  test('puts whoever is to be last behind those that rest', () => {
    const standings = createServerStandings(names);
    standings.failed('b', { askedAtMs: 0, nowMs: 0 });
    expect(standings.order(0, new Set(['a']))).toEqual(['c', 'b', 'a']);
  });

  test.each([
    [1, 5_000],
    [2, 10_000],
    [3, 20_000],
    [6, 160_000],
    [7, 300_000],
    [50, 300_000],
  ])('after %i failures in a row, a server rests for %i ms', (failures, restMs) => {
    const standings = createServerStandings(names);
    for (let count = 0; count < failures; count += 1) {
      standings.failed('a', { askedAtMs: 1_000, nowMs: 1_000 });
    }
    expect(standings.order(1_000 + restMs - 1, nobody)).toEqual(['b', 'c', 'a']);
    expect(standings.order(1_000 + restMs, nobody)).toEqual(['a', 'b', 'c']);
  });

  test('failures side by side count as one', () => {
    const standings = createServerStandings(names);
    standings.failed('a', { askedAtMs: 0, nowMs: 2_000 });
    standings.failed('a', { askedAtMs: 100, nowMs: 2_100 });
    standings.failed('a', { askedAtMs: 1_999, nowMs: 4_000 });
    expect(standings.order(7_000, nobody)).toEqual(['a', 'b', 'c']);
  });

  test('an answer makes up for all failures', () => {
    const standings = createServerStandings(names);
    standings.failed('a', { askedAtMs: 0, nowMs: 0 });
    standings.failed('a', { askedAtMs: 0, nowMs: 0 });
    standings.succeeded('a');
    expect(standings.order(1, nobody)).toEqual(['a', 'b', 'c']);
    standings.failed('a', { askedAtMs: 1, nowMs: 1 });
    expect(standings.order(5_001, nobody)).toEqual(['a', 'b', 'c']);
  });
});
