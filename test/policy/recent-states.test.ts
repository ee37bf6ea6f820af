import { expect, test } from 'vitest';
import type { StsState } from '../../functions/policy/ports.ts';
import { createRecentStates } from '../../functions/policy/recent-states.ts';
import { cachedPolicy } from './policy-world.ts';

const absent: StsState = { kind: 'absent', reason: 'no record' };

function long(characters: number): StsState {
  return {
    kind: 'policy',
    source: 'memory',
    cached: cachedPolicy({ text: 'x'.repeat(characters) }),
  };
}

test.each([
  [99, true, 'before its end'],
  [100, false, 'at its end'],
])('at %i an outcome is there: %s (%s)', (nowMs, there) => {
  const recent = createRecentStates();
  recent.set('a.example', absent, 100);
  expect(recent.get('a.example', nowMs)).toBe(there ? absent : undefined);
});

test('a hundred thousand domains leave the latest thousand', () => {
  const recent = createRecentStates();
  for (let index = 0; index < 100_000; index += 1) {
    recent.set(`d${index}.example`, absent, 100);
  }
  expect(recent.get('d98999.example', 0)).toBeUndefined();
  expect(recent.get('d99000.example', 0)).toBe(absent);
});

test('long policies push out the oldest, whatever their number', () => {
  const recent = createRecentStates({ entriesMax: 100, charactersMax: 1000 });
  recent.set('a.example', long(200), 100);
  recent.set('b.example', long(200), 100);
  recent.set('c.example', long(200), 100);
  expect(recent.get('a.example', 0)).toBeUndefined();
  expect(recent.get('b.example', 0)).toBeDefined();
});

test('one outcome that is too long by itself is not kept, and does no harm', () => {
  const recent = createRecentStates({ entriesMax: 100, charactersMax: 1000 });
  recent.set('a.example', long(501), 100);
  expect(recent.get('a.example', 0)).toBeUndefined();
  recent.set('b.example', long(500), 100);
  expect(recent.get('b.example', 0)).toBeDefined();
});

test('setting and deleting a domain again and again does not lose count', () => {
  const recent = createRecentStates({ entriesMax: 100, charactersMax: 1000 });
  for (let count = 0; count < 10; count += 1) {
    recent.set('a.example', long(400), 100);
    recent.delete('a.example');
    recent.delete('a.example');
    recent.set('a.example', long(400), 100);
  }
  expect(recent.get('a.example', 0)).toBeDefined();
});
