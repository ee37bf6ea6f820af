/** What every control store must do: one suite, run against the one in memory and the one in DynamoDB. */
import { describe, expect, test } from 'vitest';
import type {
  ControlStore,
  StoredException,
  StoredRule,
} from '../../functions/operating/control-store.ts';

const noonMs = Date.UTC(2026, 10, 24, 12);

export function storedRule(name: string, over: Partial<StoredRule> = {}): StoredRule {
  return {
    rule: {
      name,
      match: {
        sender: { glob: '*@bank.example' },
        header: { field: 'Subject', value: { regex: '^\\[secret\\]' } },
        bytesMin: 0,
      },
      action: 'require',
    },
    position: 10,
    author: 'alice',
    addedAtMs: noonMs,
    ...over,
  };
}

export function storedException(over: Partial<StoredException> = {}): StoredException {
  return {
    domain: 'example.net',
    policy: 'mta-sts',
    reason: 'their certificate ran out, ticket 7',
    author: 'alice',
    expires: '2026-12-01T00:00:00Z',
    addedAtMs: noonMs,
    ...over,
  };
}

/** Runs the suite; `create` gives an empty store. */
export function testControlStore(create: () => Promise<ControlStore>): void {
  describe('as every control store', () => {
    test('is empty at first', async () => {
      const store = await create();
      expect(await store.listRules()).toEqual([]);
      expect(await store.listExceptions()).toEqual([]);
    });

    test('gives rules back as they were put, by position and then by name', async () => {
      const store = await create();
      const rules = [
        storedRule('late', { position: 200 }),
        storedRule('b'),
        storedRule('a'),
        storedRule('first', { position: -5 }),
      ];
      for (const rule of rules) {
        expect(await store.putRule(rule, { replace: false })).toBe(true);
      }
      const listed = await store.listRules();
      expect(listed.map(({ rule }) => rule.name)).toEqual(['first', 'a', 'b', 'late']);
      expect(listed[1]).toEqual(rules[2]);
    });

    test('keeps a rule against another of its name, unless it is to be replaced', async () => {
      const store = await create();
      const first = storedRule('a');
      const second = storedRule('a', { author: 'bob', position: 3 });
      await store.putRule(first, { replace: false });
      expect(await store.putRule(second, { replace: false })).toBe(false);
      expect(await store.listRules()).toEqual([first]);
      expect(await store.putRule(second, { replace: true })).toBe(true);
      expect(await store.listRules()).toEqual([second]);
    });

    test('replaces what is not there by adding it', async () => {
      const store = await create();
      expect(await store.putRule(storedRule('a'), { replace: true })).toBe(true);
      expect(await store.listRules()).toHaveLength(1);
    });

    test('removes a rule once', async () => {
      const store = await create();
      await store.putRule(storedRule('a'), { replace: false });
      await store.putRule(storedRule('b'), { replace: false });
      expect(await store.removeRule('a')).toBe(true);
      expect(await store.removeRule('a')).toBe(false);
      expect(await store.listRules()).toEqual([storedRule('b')]);
    });

    test('keeps one exception of each policy for a domain, the latest', async () => {
      const store = await create();
      const later = storedException({ author: 'bob', expires: '2027-01-01T00:00:00+01:00' });
      const dane = storedException({ policy: 'dane' });
      const other = storedException({ domain: 'a.example', policy: 'tagging' });
      await store.putException(storedException());
      await store.putException(dane);
      await store.putException(other);
      await store.putException(later);
      expect(await store.listExceptions()).toEqual([other, dane, later]);
    });

    test('removes an exception of one policy, once', async () => {
      const store = await create();
      const dane = storedException({ policy: 'dane' });
      await store.putException(storedException());
      await store.putException(dane);
      const key = { domain: 'example.net', policy: 'mta-sts' } as const;
      expect(await store.removeException(key)).toBe(true);
      expect(await store.removeException(key)).toBe(false);
      expect(await store.listExceptions()).toEqual([dane]);
    });

    test('a rule and an exception of one name are two things', async () => {
      const store = await create();
      await store.putRule(storedRule('a'), { replace: false });
      await store.putException(storedException({ domain: 'a' }));
      await store.removeRule('a');
      expect(await store.listExceptions()).toHaveLength(1);
    });
  });
}
