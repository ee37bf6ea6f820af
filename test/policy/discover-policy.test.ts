import { describe, expect, test } from 'vitest';
import { createPolicyDiscovery } from '../../functions/policy/discover-policy.ts';
import type { DiscoverPolicy, PolicyResponse, StsState } from '../../functions/policy/ports.ts';
import {
  createSignedExchange,
  createSignedWorld,
  nowSeconds,
  signTree,
} from '../resolving/signed-world.ts';
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

const none = { ...enforce, mode: 'none' } as const;
const notFound: PolicyResponse = {
  kind: 'response',
  status: 404,
  contentType: 'text/html',
  body: Buffer.from('<h1>Not Found</h1>'),
};
const redirect: PolicyResponse = { ...notFound, status: 302 };
const page: PolicyResponse = { ...notFound, status: 200 };
const unreachable: PolicyResponse = {
  kind: 'failed',
  code: 'sts-policy-fetch-error',
  reason: 'connection refused',
};
const untrusted: PolicyResponse = {
  kind: 'failed',
  code: 'sts-webpki-invalid',
  reason: 'self-signed',
};

function start(world: PolicyWorld, cache = true): DiscoverPolicy {
  return createPolicyDiscovery({ ...world, cache });
}

function ask(discover: DiscoverPolicy, world: PolicyWorld, afresh = false): Promise<StsState> {
  return discover(domain, { deadlineMs: world.nowMs + minuteMs, afresh });
}

describe('with nothing cached', () => {
  test('TXT and fetch in order: the policy applies and is stored with time, id and text', async () => {
    const world = createPolicyWorld();
    const state = await ask(start(world), world);
    const cached = cachedPolicy({ id: 'new' });
    expect(state).toEqual({ kind: 'policy', source: 'wire', cached });
    expect(await world.store.read(domain)).toEqual({ cached });
    expect(world.events).toEqual([
      { kind: 'policy-fetched', domain, outcome: 'policy', seconds: 0 },
    ]);
  });

  test.each([
    ['nxdomain', /no TXT record.*nxdomain/],
    ['nodata', /no TXT record.*nodata/],
    [['v=spf1 -all'], /does not begin/],
    [['v=STSv1; id=a', 'v=STSv1; id=b'], /2 TXT records/],
    [['v=STSv1; id=a-b'], /letters and digits/],
  ] as const)('TXT %j: nothing is published, and nothing fetched', async (txt, reason) => {
    const world = createPolicyWorld();
    world.txt = txt;
    const state = await ask(start(world), world);
    expect(state).toEqual({ kind: 'absent', reason: expect.stringMatching(reason) });
    expect(world.calls).toEqual(['read', 'txt']);
    expect(world.events).toEqual([]);
  });

  test.each(['dns-timeout', 'dns-server-failure'] as const)(
    'TXT %s: unknown, and asked again at once',
    async (code) => {
      const world = createPolicyWorld();
      world.txt = code;
      const discover = start(world);
      expect(await ask(discover, world)).toEqual({
        kind: 'unknown',
        failure: { code, reason: 'TXT of _mta-sts.example.com: no answer' },
      });
      world.txt = ['v=STSv1; id=new;'];
      expect(await ask(discover, world)).toMatchObject({ kind: 'policy', source: 'wire' });
    },
  );

  test.each([
    [notFound, 'sts-policy-fetch-error'],
    [redirect, 'sts-policy-fetch-error'],
    [unreachable, 'sts-policy-fetch-error'],
    [page, 'sts-policy-invalid'],
    [untrusted, 'sts-webpki-invalid'],
  ] as const)('fetch fails with %j: unknown, as %s', async (host, code) => {
    const world = createPolicyWorld();
    world.host = host;
    expect(await ask(start(world), world)).toMatchObject({ kind: 'unknown', failure: { code } });
    expect(world.events).toMatchObject([{ kind: 'policy-fetched', outcome: code }]);
    expect(await world.store.read(domain)).toMatchObject({
      failed: { id: 'new', failedAtMs: startMs, code },
    });
  });

  test.each(['[192.0.2.1]', '192.0.2.1', 'a..b', 'Example.com', `${'a.'.repeat(122)}b`])(
    '%s cannot be a policy domain and is not looked up',
    async (name) => {
      const world = createPolicyWorld();
      const state = await start(world)(name, { deadlineMs: startMs + minuteMs });
      expect(state).toMatchObject({ kind: 'absent' });
      expect(world.calls).toEqual([]);
    },
  );

  test('max_age 0 applies once and is fetched again for the next message', async () => {
    const world = createPolicyWorld();
    world.host = serves({ ...enforce, maxAgeSeconds: 0 });
    const discover = start(world);
    expect(await ask(discover, world)).toMatchObject({ kind: 'policy', source: 'wire' });
    world.nowMs += 1;
    expect(await ask(discover, world)).toMatchObject({ kind: 'policy', source: 'wire' });
    expect(world.calls.filter((call) => call === 'https')).toHaveLength(2);
  });
});

describe('the back-off after a failed fetch', () => {
  async function fail(): Promise<PolicyWorld> {
    const world = createPolicyWorld();
    world.host = unreachable;
    await ask(start(world), world);
    world.host = serves(enforce);
    world.calls.length = 0;
    return world;
  }

  test.each([
    [minuteMs + 1, ['read', 'txt'], 'a minute later'],
    [5 * minuteMs - 1, ['read', 'txt'], 'just before five minutes'],
    [5 * minuteMs, ['read', 'txt', 'https', 'writePolicy'], 'after five minutes'],
  ])('%i ms later, in another process: %j (%s)', async (laterMs, calls) => {
    const world = await fail();
    world.nowMs += laterMs;
    const state = await ask(start(world), world);
    expect(world.calls).toEqual(calls);
    expect(state.kind).toBe(calls.length > 2 ? 'policy' : 'unknown');
  });

  test('another id is fetched at once', async () => {
    const world = await fail();
    world.txt = ['v=STSv1; id=newer'];
    expect(await ask(start(world), world)).toMatchObject({ kind: 'policy', source: 'wire' });
  });

  test('says again what failed, for the report', async () => {
    const world = await fail();
    expect(await ask(start(world), world)).toMatchObject({
      kind: 'unknown',
      failure: {
        code: 'sts-policy-fetch-error',
        reason: expect.stringMatching(/^connection refused.*five minutes/),
      },
    });
  });

  test('is over with the next success', async () => {
    const world = await fail();
    world.nowMs += 5 * minuteMs;
    await ask(start(world), world);
    expect(await world.store.read(domain)).not.toHaveProperty('failed');
  });
});

describe('with an unexpired policy cached', () => {
  async function withCached(change = {}): Promise<PolicyWorld> {
    const world = createPolicyWorld();
    await world.store.writePolicy(cachedPolicy(change));
    world.calls.length = 0;
    world.nowMs += hourMs;
    return world;
  }

  test('TXT id unchanged: the cache, and no HTTPS', async () => {
    const world = await withCached();
    world.txt = ['v=STSv1; id=old'];
    expect(await ask(start(world), world)).toEqual({
      kind: 'policy',
      source: 'table',
      cached: cachedPolicy(),
    });
    expect(world.calls).toEqual(['read', 'txt']);
  });

  test('id changed, fetch in order: replaced', async () => {
    const world = await withCached();
    const testing = { ...enforce, mode: 'testing' } as const;
    world.host = serves(testing);
    const state = await ask(start(world), world);
    expect(state).toMatchObject({
      kind: 'policy',
      source: 'wire',
      cached: { id: 'new', policy: testing },
    });
    expect(await world.store.read(domain)).toMatchObject({
      cached: { id: 'new', policy: testing },
    });
  });

  test.each([
    ['nxdomain', undefined],
    ['nodata', undefined],
    [['v=spf1 -all'], undefined],
    [['v=STSv1; id=a', 'v=STSv1; id=b'], undefined],
    [['v=STSv1; id=a-b'], undefined],
    ['dns-timeout', 'dns-timeout'],
    ['dns-server-failure', 'dns-server-failure'],
  ] as const)('TXT %j: the cache, told to the operator', async (txt, code) => {
    const world = await withCached();
    world.txt = txt;
    expect(await ask(start(world), world)).toEqual({
      kind: 'policy',
      source: 'table',
      cached: cachedPolicy(),
    });
    expect(world.calls).toEqual(['read', 'txt']);
    expect(world.events).toEqual([
      expect.objectContaining({ kind: 'policy-kept', domain, ...(code && { code }) }),
    ]);
  });

  test.each([
    [notFound, 'sts-policy-fetch-error'],
    [redirect, 'sts-policy-fetch-error'],
    [unreachable, 'sts-policy-fetch-error'],
    [page, 'sts-policy-invalid'],
    [untrusted, 'sts-webpki-invalid'],
  ] as const)('id changed, fetch fails with %j: the cache, reporting %s', async (host, code) => {
    const world = await withCached();
    world.host = host;
    expect(await ask(start(world), world)).toMatchObject({
      kind: 'policy',
      source: 'table',
      cached: cachedPolicy(),
      failure: { code },
    });
    expect(await world.store.read(domain)).toMatchObject({
      cached: cachedPolicy(),
      failed: { id: 'new', code },
    });
  });

  test('id changed, its fetch failed a minute ago elsewhere: the cache, reported, no HTTPS', async () => {
    const world = await withCached();
    world.host = unreachable;
    await ask(start(world), world);
    world.calls.length = 0;
    world.nowMs += minuteMs;
    expect(await ask(start(world), world)).toMatchObject({
      kind: 'policy',
      failure: { code: 'sts-policy-fetch-error' },
    });
    expect(world.calls).toEqual(['read', 'txt']);
  });

  test.each([
    [604_800_000, 'table', 'to the last millisecond of max_age'],
    [604_800_001, 'wire', 'and no longer'],
  ])('%i ms after its fetch it comes from the %s: %s', async (ageMs, source) => {
    const world = await withCached();
    world.txt = ['v=STSv1; id=old'];
    world.nowMs = startMs + ageMs;
    expect(await ask(start(world), world)).toMatchObject({ kind: 'policy', source });
  });

  test('a fetch time far in the future is not believed', async () => {
    const world = await withCached({ fetchedAtMs: startMs + dayMs });
    world.txt = 'nxdomain';
    expect(await ask(start(world), world)).toMatchObject({ kind: 'absent' });
  });
});

describe('with an expired policy cached', () => {
  async function withExpired(): Promise<PolicyWorld> {
    const world = createPolicyWorld();
    await world.store.writePolicy(cachedPolicy());
    world.nowMs += 8 * dayMs;
    return world;
  }

  test('the same id is fetched again', async () => {
    const world = await withExpired();
    world.txt = ['v=STSv1; id=old'];
    expect(await ask(start(world), world)).toMatchObject({ kind: 'policy', source: 'wire' });
  });

  test.each([
    ['nxdomain', 'absent'],
    ['dns-timeout', 'unknown'],
  ] as const)('TXT %s: %s, as without a cache', async (txt, kind) => {
    const world = await withExpired();
    world.txt = txt;
    expect((await ask(start(world), world)).kind).toBe(kind);
  });

  test('a failing fetch leaves it unknown', async () => {
    const world = await withExpired();
    world.host = untrusted;
    expect(await ask(start(world), world)).toMatchObject({
      kind: 'unknown',
      failure: { code: 'sts-webpki-invalid' },
    });
  });
});

describe('with mode none', () => {
  test('published: absent, stored, and no HTTPS for the same id', async () => {
    const world = createPolicyWorld();
    world.host = serves(none);
    expect(await ask(start(world), world)).toEqual({
      kind: 'absent',
      reason: 'policy new has the mode none',
    });
    world.calls.length = 0;
    expect((await ask(start(world), world)).kind).toBe('absent');
    expect(world.calls).toEqual(['read', 'txt']);
  });

  test.each([
    ['the record gone', 'nxdomain', serves(none)],
    ['DNS failing', 'dns-timeout', serves(none)],
    ['a new id and no policy host', ['v=STSv1; id=new'], unreachable],
    ['a new id and a bad certificate', ['v=STSv1; id=new'], untrusted],
  ] as const)('cached, and %s: absent, with nothing to report', async (_, txt, host) => {
    const world = createPolicyWorld();
    await world.store.writePolicy(cachedPolicy({ policy: none }));
    world.txt = txt;
    world.host = host;
    const state = await ask(start(world), world);
    expect(state).toEqual({ kind: 'absent', reason: 'policy old has the mode none' });
    expect(world.events.filter((event) => event.kind === 'policy-kept')).toEqual([]);
  });

  test('replaces an enforced policy at once', async () => {
    const world = createPolicyWorld();
    await world.store.writePolicy(cachedPolicy());
    world.host = serves(none);
    expect((await ask(start(world), world)).kind).toBe('absent');
    world.txt = 'nxdomain';
    expect((await ask(start(world), world)).kind).toBe('absent');
  });
});

describe('what it costs', () => {
  test('warm: neither table nor DNS for five minutes, then one read and one look-up', async () => {
    const world = createPolicyWorld();
    const discover = start(world);
    await ask(discover, world);
    world.calls.length = 0;
    world.nowMs += 5 * minuteMs - 1;
    expect(await ask(discover, world)).toMatchObject({ kind: 'policy', source: 'memory' });
    expect(world.calls).toEqual([]);
    world.nowMs += 1;
    expect(await ask(discover, world)).toMatchObject({ kind: 'policy', source: 'table' });
    expect(world.calls).toEqual(['read', 'txt']);
  });

  test('warm, where nothing is published', async () => {
    const world = createPolicyWorld();
    world.txt = 'nxdomain';
    const discover = start(world);
    await ask(discover, world);
    world.calls.length = 0;
    expect((await ask(discover, world)).kind).toBe('absent');
    expect(world.calls).toEqual([]);
  });

  test('afresh: the TXT record again, whatever is in memory', async () => {
    const world = createPolicyWorld();
    const discover = start(world);
    await ask(discover, world);
    world.calls.length = 0;
    expect(await ask(discover, world, true)).toMatchObject({ kind: 'policy', source: 'table' });
    expect(world.calls).toEqual(['read', 'txt']);
    world.txt = ['v=STSv1; id=newer'];
    expect(await ask(discover, world, true)).toMatchObject({ cached: { id: 'newer' } });
    expect(await ask(discover, world)).toMatchObject({ source: 'memory', cached: { id: 'newer' } });
  });

  test('afresh does not join a question that may be content with what is known', async () => {
    const world = createPolicyWorld();
    const discover = start(world);
    await Promise.all([ask(discover, world), ask(discover, world, true), ask(discover, world)]);
    expect(world.calls.filter((call) => call === 'txt')).toHaveLength(2);
  });

  test('afresh through a resolver that remembers the record for a day (RFC 8461 §5.1)', async () => {
    const serve = (id: string) =>
      signTree([
        { origin: '' },
        {
          origin: domain,
          records: [
            { name: `_mta-sts.${domain}`, type: 'TXT', data: `v=STSv1; id=${id};`, ttlSeconds },
          ],
        },
      ]);
    const ttlSeconds = 86_400;
    let zones = serve('old');
    const world = createPolicyWorld();
    world.nowMs = nowSeconds * 1_000;
    const { resolver } = createSignedWorld(zones, {
      exchange: (...query) => createSignedExchange(zones)(...query),
    });
    const discover = start({ ...world, resolver });
    expect(await ask(discover, world)).toMatchObject({ cached: { id: 'old' } });
    const moved = { ...enforce, mx: ['moved.example.com'] };
    world.host = serves(moved);
    zones = serve('newer');
    expect(await ask(discover, world)).toMatchObject({ cached: { id: 'old', policy: enforce } });
    expect(await ask(discover, world, true)).toMatchObject({
      source: 'wire',
      cached: { id: 'newer', policy: moved },
    });
    expect(await ask(start({ ...world, resolver }), world)).toMatchObject({
      source: 'table',
      cached: { id: 'newer' },
    });
  });

  test('a remembered policy does not outlive its max_age', async () => {
    const world = createPolicyWorld();
    world.host = serves({ ...enforce, maxAgeSeconds: 60 });
    const discover = start(world);
    await ask(discover, world);
    world.nowMs += minuteMs + 1;
    world.txt = 'nxdomain';
    expect((await ask(discover, world)).kind).toBe('absent');
  });

  test('a hundred questions at once: one look-up, one read, one fetch', async () => {
    const world = createPolicyWorld();
    const discover = start(world);
    const states = await Promise.all(Array.from({ length: 100 }, () => ask(discover, world)));
    expect(new Set(states).size).toBe(1);
    expect(world.calls).toEqual(['read', 'txt', 'https', 'writePolicy']);
  });

  test('a question with less time than the open one is asked on its own', async () => {
    const world = createPolicyWorld();
    const discover = start(world);
    await Promise.all([
      discover(domain, { deadlineMs: startMs + minuteMs }),
      discover(domain, { deadlineMs: startMs + 1000 }),
    ]);
    expect(world.calls.filter((call) => call === 'txt')).toHaveLength(2);
  });

  test.each([
    [dayMs - 1, ['read', 'txt'], 'within a day'],
    [dayMs, ['read', 'txt', 'touch'], 'once a day is over'],
  ])('%i ms after the last use: %j (%s)', async (laterMs, calls) => {
    const world = createPolicyWorld();
    world.txt = ['v=STSv1; id=old'];
    await world.store.writePolicy(cachedPolicy());
    world.calls.length = 0;
    world.nowMs += laterMs;
    const discover = start(world);
    await ask(discover, world);
    await ask(discover, world, true);
    expect(world.calls).toEqual([...calls, 'read', 'txt']);
  });
});

describe('with the cache turned off', () => {
  test('each question is a look-up and a fetch, and the table is left alone', async () => {
    const world = createPolicyWorld();
    const discover = start(world, false);
    for (let count = 0; count < 2; count += 1) {
      expect(await ask(discover, world)).toMatchObject({ kind: 'policy', source: 'wire' });
    }
    expect(world.calls).toEqual(['txt', 'https', 'txt', 'https']);
  });

  test('a policy that another process stored is not applied', async () => {
    const world = createPolicyWorld();
    await world.store.writePolicy(cachedPolicy());
    world.txt = 'nxdomain';
    expect((await ask(start(world, false), world)).kind).toBe('absent');
  });

  test('a failure is not remembered either', async () => {
    const world = createPolicyWorld();
    world.host = unreachable;
    const discover = start(world, false);
    expect((await ask(discover, world)).kind).toBe('unknown');
    world.host = serves(enforce);
    expect((await ask(discover, world)).kind).toBe('policy');
    expect(world.calls).toEqual(['txt', 'https', 'txt', 'https']);
  });

  test('questions open at the same time still share their answer', async () => {
    const world = createPolicyWorld();
    const discover = start(world, false);
    await Promise.all([ask(discover, world), ask(discover, world)]);
    expect(world.calls).toEqual(['txt', 'https']);
  });
});

describe('a fetch that ran into a deadline', () => {
  const late: PolicyResponse = {
    kind: 'failed',
    code: 'sts-policy-fetch-error',
    reason: 'the time is over',
  };

  /** Takes all the time that it is given. */
  function startLate(world: PolicyWorld): DiscoverPolicy {
    const fetchPolicy = async (_name: string, deadlineMs: number) => {
      world.calls.push('https');
      world.nowMs = deadlineMs;
      return late;
    };
    return start({ ...world, fetchPolicy });
  }

  test.each([
    [59_000, 'sts-policy-unknown', 'ours was short: not held against the host'],
    [60_000, 'sts-policy-fetch-error', 'the host had its minute'],
    [3_600_000, 'sts-policy-fetch-error', 'more than a minute'],
  ])('of %i ms is %s: %s', async (timeMs, code) => {
    const world = createPolicyWorld();
    const state = await startLate(world)(domain, { deadlineMs: startMs + timeMs });
    expect(state).toMatchObject({ kind: 'unknown', failure: { code } });
    const stored = await world.store.read(domain);
    expect(stored?.failed?.code).toBe(code === 'sts-policy-unknown' ? undefined : code);
  });

  test('too short is forgotten, so that the next question fetches', async () => {
    const world = createPolicyWorld();
    const discover = startLate(world);
    await discover(domain, { deadlineMs: world.nowMs + 1000 });
    await discover(domain, { deadlineMs: world.nowMs + 1000 });
    expect(world.calls.filter((call) => call === 'https')).toHaveLength(2);
  });

  test('too short leaves a cached policy in force', async () => {
    const world = createPolicyWorld();
    await world.store.writePolicy(cachedPolicy());
    expect(await startLate(world)(domain, { deadlineMs: startMs + 1000 })).toMatchObject({
      kind: 'policy',
      source: 'table',
      failure: { code: 'sts-policy-unknown' },
    });
  });

  test('a bad certificate is one however little time there was', async () => {
    const world = createPolicyWorld();
    world.host = untrusted;
    const state = await start(world)(domain, { deadlineMs: startMs });
    expect(state).toMatchObject({ kind: 'unknown', failure: { code: 'sts-webpki-invalid' } });
  });
});

describe('when the table fails', () => {
  test('a read: the question is rejected, for nobody can say that no policy applies', async () => {
    const world = createPolicyWorld();
    const broken = { ...world.store, read: () => Promise.reject(new Error('throttled')) };
    const discover = start({ ...world, store: broken });
    await expect(ask(discover, world)).rejects.toThrow('throttled');
  });

  test('a write: the policy applies all the same, and the operator is told', async () => {
    const world = createPolicyWorld();
    const broken = { ...world.store, writePolicy: () => Promise.reject(new Error('throttled')) };
    const discover = start({ ...world, store: broken });
    expect(await ask(discover, world)).toMatchObject({ kind: 'policy', source: 'wire' });
    expect(world.events).toContainEqual({
      kind: 'policy-store-failed',
      domain,
      error: new Error('throttled'),
    });
  });
});
