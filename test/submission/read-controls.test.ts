import { describe, expect, test } from 'vitest';
import type { ControlStore } from '../../functions/operating/control-store.ts';
import { TransportSecurityError } from '../../functions/protocol/errors.ts';
import type { ReadControls } from '../../functions/submission/ports.ts';
import { createReadControls } from '../../functions/submission/read-controls.ts';
import { storedException, storedRule } from '../operating/control-store-contract.ts';
import { createMemoryControls } from '../operating/memory-controls.ts';

const startMs = Date.UTC(2026, 10, 24);
const secondMs = 1_000;

interface Reader {
  readonly read: ReadControls;
  readonly store: ControlStore;
  readonly observed: unknown[];
  nowMs: number;
  /** How often the table was asked. */
  reads: number;
  failing: boolean;
}

function createReader(): Reader {
  const store = createMemoryControls();
  const observed: unknown[] = [];
  const reader: Reader = {
    store,
    observed,
    nowMs: startMs,
    reads: 0,
    failing: false,
    read: createReadControls({
      store: {
        listRules: async () => {
          reader.reads += 1;
          if (reader.failing) {
            throw new TransportSecurityError('store-unavailable', 'an outage');
          }
          return store.listRules();
        },
        listExceptions: store.listExceptions,
      },
      now: () => reader.nowMs,
      observe: (error) => observed.push(error),
    }),
  };
  return reader;
}

const names = async (read: ReadControls): Promise<string[]> =>
  (await read()).rules.map(({ name }) => name);

describe('what was read', () => {
  test.each([
    [59 * secondMs, [], 'is good for a minute'],
    [60 * secondMs, ['a'], 'and not longer'],
    [-secondMs, ['a'], 'nor when the clock was set back'],
  ])('after %i ms: %j (it %s)', async (laterMs, expected) => {
    const reader = createReader();
    await reader.read();
    await reader.store.putRule(storedRule('a'), { replace: false });
    reader.nowMs += laterMs;
    expect(await names(reader.read)).toEqual(expected);
  });

  test('is read once for all who ask at the same time', async () => {
    const reader = createReader();
    await Promise.all([reader.read(), reader.read(), reader.read()]);
    expect(reader.reads).toBe(1);
  });

  test('has rules in order, without who made them', async () => {
    const reader = createReader();
    await reader.store.putRule(storedRule('b'), { replace: false });
    await reader.store.putRule(storedRule('a', { position: 1 }), { replace: false });
    expect((await reader.read()).rules).toEqual([storedRule('a').rule, storedRule('b').rule]);
  });

  test('has no exception that is over, even where it was not when it was read', async () => {
    const reader = createReader();
    const soon = new Date(startMs + 5 * secondMs).toISOString();
    await reader.store.putException(storedException({ expires: soon }));
    await reader.store.putException(
      storedException({ domain: 'old.example', expires: '2026-01-01T00:00:00Z' }),
    );
    expect((await reader.read()).exceptions).toMatchObject([{ domain: 'example.net' }]);
    reader.nowMs += 5 * secondMs;
    expect((await reader.read()).exceptions).toEqual([]);
    expect(reader.reads).toBe(1);
  });
});

describe('an outage', () => {
  test('before anything was read: nothing is guessed, and the next question asks again', async () => {
    const reader = createReader();
    reader.failing = true;
    await expect(reader.read()).rejects.toMatchObject({ code: 'store-unavailable' });
    reader.failing = false;
    expect(await reader.read()).toEqual({ rules: [], exceptions: [] });
    expect(reader.observed).toEqual([]);
  });

  test('after that: what was read stays, the operator is told, the table has ten seconds of peace', async () => {
    const reader = createReader();
    await reader.store.putRule(storedRule('a'), { replace: false });
    await reader.read();
    reader.nowMs += 60 * secondMs;
    reader.failing = true;
    expect(await names(reader.read)).toEqual(['a']);
    reader.nowMs += 9 * secondMs;
    expect(await names(reader.read)).toEqual(['a']);
    expect(reader.reads).toBe(2);
    expect(reader.observed).toMatchObject([{ code: 'store-unavailable' }]);
  });

  test('its end is noticed', async () => {
    const reader = createReader();
    await reader.read();
    reader.nowMs += 60 * secondMs;
    reader.failing = true;
    await reader.read();
    await reader.store.putRule(storedRule('a'), { replace: false });
    reader.failing = false;
    reader.nowMs += 10 * secondMs;
    expect(await names(reader.read)).toEqual(['a']);
  });
});
