import { describe, expect, test } from 'vitest';
import { createPolicyDiscovery } from '../../functions/policy/discover-policy.ts';
import type { CachedPolicy } from '../../functions/policy/ports.ts';
import {
  type RefreshOptions,
  type RefreshSummary,
  refreshPolicies,
} from '../../functions/policy/refresh-policies.ts';
import { formatPolicy } from '../../functions/protocol/mta-sts/policy.ts';
import {
  cachedPolicy,
  createPolicyWorld,
  dayMs,
  domain,
  enforce,
  hourMs,
  minuteMs,
  type PolicyWorld,
  serves,
  startMs,
} from './policy-world.ts';

const intervalMs = 15 * minuteMs;

async function worldWith(...cached: Partial<CachedPolicy>[]): Promise<PolicyWorld> {
  const world = createPolicyWorld();
  for (const change of cached) {
    await world.store.writePolicy(cachedPolicy(change));
  }
  world.txt = ['v=STSv1; id=old'];
  world.calls.length = 0;
  return world;
}

function run(world: PolicyWorld, change: Partial<RefreshOptions> = {}): Promise<RefreshSummary> {
  const deadlineMs = world.nowMs + 5 * minuteMs;
  return refreshPolicies({ ...world, random: () => 0, deadlineMs, intervalMs, ...change });
}

function lasting(maxAgeSeconds: number, change: Partial<CachedPolicy> = {}): Partial<CachedPolicy> {
  const policy = { ...enforce, maxAgeSeconds };
  return { policy, text: formatPolicy(policy), ...change };
}

describe('which policies are refreshed', () => {
  test.each<[string, Partial<CachedPolicy>, number, number, boolean]>([
    ['a week, after 23 hours', {}, 23 * hourMs, 0, false],
    ['a week, after a day', {}, dayMs, 0, true],
    ['a week, after 18 hours, on the luckiest draw', {}, 18 * hourMs + minuteMs, 0.999, true],
    ['a week, before 18 hours, on any draw', {}, 18 * hourMs - minuteMs, 0.999, false],
    ['a year, after a day', lasting(31_557_600), dayMs, 0, true],
    ['a day, before half of it', lasting(86_400), 12 * hourMs - minuteMs, 0, false],
    ['a day, at half of it', lasting(86_400), 12 * hourMs, 0, true],
    ['an hour, after 15 minutes', lasting(3600), 15 * minuteMs, 0, false],
    ['an hour, after 30 minutes', lasting(3600), 30 * minuteMs, 0, true],
    ['half an hour, at the first run', lasting(1800), minuteMs, 0, true],
    ['a week, gone', {}, 7 * dayMs + 1, 0, false],
    ['max_age 0, gone at once', lasting(0), 1, 0, false],
    ['mode none', { policy: { ...enforce, mode: 'none' } }, dayMs, 0, false],
    ['set by an operator', { setBy: { author: 'alice', reason: 'x' } }, dayMs, 0, false],
    ['mode testing', { policy: { ...enforce, mode: 'testing' } }, dayMs, 0, true],
    ['a year, used 30 days ago', lasting(31_557_600), 30 * dayMs, 0, true],
    ['a year, not used for longer', lasting(31_557_600), 30 * dayMs + 1, 0, false],
  ])('%s', async (_, change, laterMs, random, due) => {
    const world = await worldWith(change);
    world.nowMs += laterMs;
    const summary = await run(world, { random: () => random });
    expect(summary).toMatchObject({ listed: 1, refreshed: due ? 1 : 0, failed: 0 });
    expect(world.calls).toEqual(due ? ['read', 'txt', 'https', 'writePolicy'] : []);
  });

  test('with a run every 15 minutes a policy of half an hour never runs out', async () => {
    const world = await worldWith(lasting(1800));
    world.host = serves({ ...enforce, maxAgeSeconds: 1800 });
    for (let runs = 0; runs < 20; runs += 1) {
      world.nowMs += intervalMs;
      await run(world, { random: Math.random });
      const stored = await world.store.read(domain);
      expect(world.nowMs - (stored?.cached?.fetchedAtMs ?? 0)).toBeLessThan(1_800_000);
    }
  });
});

describe('a refresh', () => {
  test('counts max_age anew and leaves the last use as it was', async () => {
    const world = await worldWith({});
    world.nowMs += dayMs;
    await run(world);
    expect(await world.store.read(domain)).toEqual({
      cached: cachedPolicy({ fetchedAtMs: startMs + dayMs }),
    });
  });

  test('takes the new policy under its new id', async () => {
    const world = await worldWith({});
    world.nowMs += dayMs;
    world.txt = ['v=STSv1; id=new'];
    world.host = serves({ ...enforce, mode: 'testing' });
    await run(world);
    expect(await world.store.read(domain)).toMatchObject({
      cached: { id: 'new', policy: { mode: 'testing' } },
    });
  });

  test.each(['nxdomain', 'dns-timeout', ['v=STSv1; broken']] as const)(
    'asks the policy host even with TXT %j, and keeps the id (RFC 8461 §10.2)',
    async (txt) => {
      const world = await worldWith({});
      world.nowMs += dayMs;
      world.txt = txt;
      expect(await run(world)).toMatchObject({ refreshed: 1 });
      expect(await world.store.read(domain)).toMatchObject({
        cached: { id: 'old', fetchedAtMs: startMs + dayMs },
      });
    },
  );

  test('keeps the policy alive past its first max_age while DNS is blocked', async () => {
    const world = await worldWith({});
    world.txt = 'dns-timeout';
    for (let days = 1; days <= 10; days += 1) {
      world.nowMs += dayMs;
      await run(world);
    }
    const discover = createPolicyDiscovery({ ...world, cache: true });
    expect(await discover(domain, { deadlineMs: world.nowMs + minuteMs })).toMatchObject({
      kind: 'policy',
      source: 'table',
    });
  });

  test('that fails raises an event with the time that is left, and keeps the policy', async () => {
    const world = await worldWith({});
    world.nowMs += dayMs;
    world.host = { kind: 'failed', code: 'sts-webpki-invalid', reason: 'expired' };
    expect(await run(world)).toMatchObject({ refreshed: 0, failed: 1 });
    expect(world.events).toContainEqual({
      kind: 'refresh-failed',
      domain,
      code: 'sts-webpki-invalid',
      reason: 'expired',
      expiresAtMs: startMs + 7 * dayMs,
    });
    expect(await world.store.read(domain)).toMatchObject({
      cached: cachedPolicy(),
      failed: { id: 'old', code: 'sts-webpki-invalid' },
    });
  });

  test.each<[number, number, 'skipped' | 'failed', string]>([
    [dayMs, 30 * minuteMs, 'skipped', 'six days left: an hour of patience'],
    [dayMs, hourMs, 'failed', 'six days left, after an hour'],
    [7 * dayMs - hourMs, 5 * minuteMs, 'skipped', 'an hour left: six minutes of patience'],
    [7 * dayMs - hourMs, 6 * minuteMs, 'failed', 'an hour left, after six minutes'],
    [7 * dayMs - 15 * minuteMs, 5 * minuteMs, 'failed', 'minutes left: every five minutes'],
  ])('failing at %i ms, %i ms later is %s: %s', async (atMs, laterMs, outcome) => {
    const world = await worldWith({});
    world.host = { kind: 'failed', code: 'sts-policy-fetch-error', reason: 'refused' };
    world.nowMs = startMs + atMs;
    expect(await run(world)).toMatchObject({ failed: 1 });
    world.nowMs += laterMs;
    expect(await run(world)).toMatchObject({ [outcome]: 1 });
  });

  test('is left to whoever was quicker', async () => {
    const world = await worldWith({});
    world.nowMs += dayMs;
    const read = world.store.read;
    const store = {
      ...world.store,
      read: async (name: string) => {
        await world.store.writePolicy(cachedPolicy({ id: 'quick', fetchedAtMs: world.nowMs }));
        return read(name);
      },
    };
    expect(await run(world, { store })).toMatchObject({ refreshed: 0, skipped: 1 });
    expect(world.calls).not.toContain('https');
  });
});

describe('a run', () => {
  const domains = Array.from({ length: 40 }, (_, index) => `d${index}.example`);

  test('has no more refreshes under way than it may', async () => {
    const world = await worldWith(...domains.map((name) => ({ domain: name })));
    world.nowMs += dayMs;
    let open = 0;
    let most = 0;
    const fetchPolicy = async () => {
      open += 1;
      most = Math.max(most, open);
      await new Promise(setImmediate);
      open -= 1;
      return world.host;
    };
    expect(await run(world, { fetchPolicy, concurrency: 5 })).toMatchObject({ refreshed: 40 });
    expect(most).toBe(5);
  });

  test('takes what runs out first, and begins nothing that it could not end', async () => {
    const world = await worldWith(
      ...domains.map((name, index) => ({ domain: name, ...lasting(604_800 - index) })),
    );
    world.nowMs += dayMs;
    const order: string[] = [];
    const fetchPolicy = async (name: string) => {
      order.push(name);
      world.nowMs += 30_000;
      return world.host;
    };
    const deadlineMs = world.nowMs + 160_000;
    const summary = await run(world, { fetchPolicy, concurrency: 1, deadlineMs });
    expect(order).toEqual(['d39.example', 'd38.example', 'd37.example', 'd36.example']);
    expect(summary).toMatchObject({ listed: 40, refreshed: 4, leftOver: 36 });
  });

  test('goes on past a row that cannot be written', async () => {
    const world = await worldWith({ domain: 'a.example' }, { domain: 'b.example' });
    world.nowMs += dayMs;
    const store = {
      ...world.store,
      writePolicy: async (policy: CachedPolicy) => {
        if (policy.domain === 'a.example') {
          throw new Error('throttled');
        }
      },
    };
    expect(await run(world, { store })).toMatchObject({ refreshed: 1, failed: 1 });
    expect(world.events).toContainEqual(
      expect.objectContaining({ kind: 'policy-store-failed', domain: 'a.example' }),
    );
  });
});
