import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createBoundedCache } from '../../functions/resolving/bounded-cache.ts';

describe('a cache with bounds', () => {
  const lasting = (value: number) => ({ value, expiresMs: 1_000 });

  test('gives what was put there, until its time is over', () => {
    const cache = createBoundedCache<ReturnType<typeof lasting>>(10);
    cache.set('a', lasting(1));
    expect(cache.get('a', 999)).toMatchObject({ value: 1 });
    expect(cache.get('a', 1_000)).toBeUndefined();
    expect(cache.get('b', 0)).toBeUndefined();
    cache.set('a', { value: 2, expiresMs: 2_000 });
    expect(cache.get('a', 1_000)).toMatchObject({ value: 2 });
  });

  test('what is in use stays, however much comes and goes', () => {
    const cache = createBoundedCache<ReturnType<typeof lasting>>(20);
    cache.set('used', lasting(0));
    for (let index = 0; index < 500; index += 1) {
      cache.set(`k${index}`, lasting(index));
      expect(cache.get('used', 0)).toMatchObject({ value: 0 });
    }
    expect(cache.get('k0', 0)).toBeUndefined();
    expect(cache.get('k499', 0)).toMatchObject({ value: 499 });
  });

  test('never over its bound, never another value', () => {
    const steps = fc.array(
      fc.record({ key: fc.integer({ min: 0, max: 40 }).map(String), put: fc.boolean() }),
      { maxLength: 300 },
    );
    fc.assert(
      fc.property(steps, fc.integer({ min: 2, max: 30 }), (list, bound) => {
        const cache = createBoundedCache<ReturnType<typeof lasting>>(bound);
        const model = new Map<string, number>();
        for (const [index, { key, put }] of list.entries()) {
          if (put) {
            cache.set(key, lasting(index));
            model.set(key, index);
          }
          const found = cache.get(key, 0)?.value;
          expect([undefined, model.get(key)]).toContain(found);
          expect(put && found === undefined).toBe(false);
          expect(cache.size).toBeLessThanOrEqual(bound);
        }
      }),
    );
  });
});
