/** What every policy store must do: one suite, run against the one in memory and the one in DynamoDB. */
import { describe, expect, test } from 'vitest';
import type { CachedPolicy, FailedFetch, PolicyStore } from '../../functions/policy/ports.ts';
import { formatPolicy } from '../../functions/protocol/mta-sts/policy.ts';
import { cachedPolicy, dayMs, domain, enforce, startMs } from './policy-world.ts';

const failed: FailedFetch = {
  id: 'new',
  failedAtMs: startMs + 1000,
  code: 'sts-policy-fetch-error',
  reason: 'connection refused',
};

/** Runs the suite; `create` gives an empty store. */
export function testPolicyStore(create: () => Promise<PolicyStore>): void {
  describe('as every policy store', () => {
    test('knows nothing of a domain at first', async () => {
      expect(await (await create()).read(domain)).toBeUndefined();
    });

    test('gives back the policy that was written, text and all', async () => {
      const store = await create();
      const text = `${formatPolicy(enforce)}x-note: Grüße\n\n`;
      await store.writePolicy(cachedPolicy({ text }));
      expect(await store.read(domain)).toEqual({ cached: cachedPolicy({ text }) });
    });

    test.each([
      ['none', { mode: 'none', mx: [], maxAgeSeconds: 0 }],
      [
        'testing',
        { mode: 'testing', mx: ['*.example.com', 'b.example'], maxAgeSeconds: 31_557_600 },
      ],
    ] as const)('gives back a policy of mode %s', async (_, policy) => {
      const store = await create();
      await store.writePolicy(cachedPolicy({ policy, text: formatPolicy(policy) }));
      expect((await store.read(domain))?.cached?.policy).toEqual(policy);
    });

    test('replaces a policy by one that was fetched later, or at the same time', async () => {
      const store = await create();
      await store.writePolicy(cachedPolicy());
      await store.writePolicy(cachedPolicy({ id: 'same', fetchedAtMs: startMs }));
      expect((await store.read(domain))?.cached?.id).toBe('same');
      await store.writePolicy(cachedPolicy({ id: 'later', fetchedAtMs: startMs + 1 }));
      expect((await store.read(domain))?.cached?.id).toBe('later');
    });

    test('keeps a policy against one that was fetched earlier', async () => {
      const store = await create();
      await store.writePolicy(cachedPolicy({ id: 'later', fetchedAtMs: startMs + 1 }));
      await store.writePolicy(cachedPolicy({ id: 'earlier', fetchedAtMs: startMs }));
      expect((await store.read(domain))?.cached?.id).toBe('later');
    });

    test('keeps a failure without a policy', async () => {
      const store = await create();
      await store.writeFailure(domain, failed);
      expect(await store.read(domain)).toEqual({ failed });
    });

    test('keeps a failure beside the policy, and the latest of them', async () => {
      const store = await create();
      await store.writePolicy(cachedPolicy());
      await store.writeFailure(domain, failed);
      const later = { ...failed, id: 'newer', failedAtMs: startMs + 2000 };
      await store.writeFailure(domain, later);
      expect(await store.read(domain)).toEqual({ cached: cachedPolicy(), failed: later });
    });

    test('forgets the failure when a policy is written', async () => {
      const store = await create();
      await store.writeFailure(domain, failed);
      await store.writePolicy(cachedPolicy());
      expect(await store.read(domain)).toEqual({ cached: cachedPolicy() });
    });

    test('notes a use, and nothing else', async () => {
      const store = await create();
      await store.writePolicy(cachedPolicy());
      await store.writeFailure(domain, failed);
      await store.touch(domain, startMs + dayMs);
      expect(await store.read(domain)).toEqual({
        cached: cachedPolicy({ usedAtMs: startMs + dayMs }),
        failed,
      });
    });

    test('notes no use of what is not there', async () => {
      const store = await create();
      await store.touch(domain, startMs);
      expect(await store.read(domain)).toBeUndefined();
      await store.writeFailure(domain, failed);
      await store.touch(domain, startMs);
      expect(await store.read(domain)).toEqual({ failed });
    });

    test('keeps who put a policy there and why, until another is written', async () => {
      const store = await create();
      const setBy = { author: 'alice', reason: 'their host is down, ticket 7' };
      await store.writePolicy(cachedPolicy({ setBy }));
      await store.touch(domain, startMs);
      expect(await store.read(domain)).toEqual({ cached: cachedPolicy({ setBy }) });
      await store.writePolicy(cachedPolicy());
      expect(await store.read(domain)).toEqual({ cached: cachedPolicy() });
    });

    test('forgets all of a domain, once', async () => {
      const store = await create();
      await store.writePolicy(cachedPolicy());
      await store.writeFailure(domain, failed);
      await store.writeFailure('failed.example', failed);
      expect(await store.forget(domain)).toBe(true);
      expect(await store.read(domain)).toBeUndefined();
      expect(await store.forget(domain)).toBe(false);
      expect(await store.forget('failed.example')).toBe(true);
    });

    test('takes a policy that is older than the one forgotten', async () => {
      const store = await create();
      await store.writePolicy(cachedPolicy({ fetchedAtMs: startMs + 1000 }));
      await store.forget(domain);
      await store.writePolicy(cachedPolicy());
      expect(await store.read(domain)).toEqual({ cached: cachedPolicy() });
    });

    test('lists every policy once, and no domain that has only a failure', async () => {
      const store = await create();
      const names = Array.from({ length: 60 }, (_, index) => `d${index}.example`);
      await Promise.all(
        names.map((name) => store.writePolicy(cachedPolicy({ domain: name, text: bulky(name) }))),
      );
      await store.writeFailure('failed.example', failed);
      const listed: CachedPolicy[] = [];
      for await (const policy of store.list()) {
        listed.push(policy);
      }
      expect(listed.map((policy) => policy.domain).sort()).toEqual([...names].sort());
      expect(listed[0]?.text).toBe(bulky(listed[0]?.domain ?? ''));
    });
  });
}

/** Near the greatest size, so that sixty of them take several pages of DynamoDB's 1 MB. */
function bulky(name: string): string {
  return `${formatPolicy(enforce)}x-name: ${name}\n`.padEnd(60_000, '\n');
}
