import { describe, expect, test } from 'vitest';
import {
  forgetPolicy,
  listPolicies,
  type PolicyPorts,
  policyRequestSchema,
  refreshPolicy,
  setPolicy,
  showPolicy,
} from '../../functions/operating/policies.ts';
import { createPolicyDiscovery } from '../../functions/policy/discover-policy.ts';
import { formatPolicy } from '../../functions/protocol/mta-sts/policy.ts';
import {
  cachedPolicy,
  createPolicyWorld,
  dayMs,
  domain,
  enforce,
  minuteMs,
  type PolicyWorld,
  serves,
  startMs,
} from '../policy/policy-world.ts';

function portsOf(world: PolicyWorld): PolicyPorts {
  return { ...world, deadlineMs: world.nowMs + 2 * minuteMs };
}

const failed = {
  id: 'new',
  failedAtMs: startMs,
  code: 'sts-policy-fetch-error',
  reason: 'connection refused',
} as const;

const ask = (world: PolicyWorld) =>
  createPolicyDiscovery({ ...world, cache: true })(domain, {
    deadlineMs: world.nowMs + 2 * minuteMs,
  });

describe('seeing the cache', () => {
  test('the list is by domain, with when each ends', async () => {
    const { store } = createPolicyWorld();
    for (const name of ['b.example', 'a.example', 'c.example']) {
      await store.writePolicy(cachedPolicy({ domain: name }));
    }
    const { policies, isCut } = await listPolicies(store, { max: 3, nowMs: startMs });
    expect(policies.map((one) => one.domain)).toEqual(['a.example', 'b.example', 'c.example']);
    expect(isCut).toBe(false);
    expect(policies[0]).toEqual({
      domain: 'a.example',
      mode: 'enforce',
      mx: ['mail.example.com'],
      id: 'old',
      fetchedAt: '2026-11-24T00:00:00.000Z',
      usedAt: '2026-11-24T00:00:00.000Z',
      expiresAt: '2026-12-01T00:00:00.000Z',
      isOver: false,
    });
  });

  test('a list that is too long says so', async () => {
    const { store } = createPolicyWorld();
    for (const name of ['b.example', 'a.example', 'c.example']) {
      await store.writePolicy(cachedPolicy({ domain: name }));
    }
    const listed = await listPolicies(store, { max: 2, nowMs: startMs });
    expect(listed.policies).toHaveLength(2);
    expect(listed.isCut).toBe(true);
  });

  test('one domain, with the text and the failure', async () => {
    const { store } = createPolicyWorld();
    expect(await showPolicy(domain, { store, nowMs: startMs })).toBeUndefined();
    await store.writePolicy(cachedPolicy());
    await store.writeFailure(domain, failed);
    const shown = await showPolicy(domain, { store, nowMs: startMs + 8 * dayMs });
    expect(shown?.policy).toMatchObject({ text: formatPolicy(enforce), isOver: true });
    expect(shown?.failure).toEqual({
      id: 'new',
      code: 'sts-policy-fetch-error',
      reason: 'connection refused',
      failedAt: '2026-11-24T00:00:00.000Z',
    });
  });

  test('a failure alone', async () => {
    const { store } = createPolicyWorld();
    await store.writeFailure(domain, failed);
    const shown = await showPolicy(domain, { store, nowMs: startMs });
    expect(Object.keys(shown ?? {})).toEqual(['failure']);
  });
});

describe('refreshing', () => {
  test('fetches under the same id too, and in spite of a failure a moment ago', async () => {
    const world = createPolicyWorld();
    world.txt = ['v=STSv1; id=old'];
    await world.store.writePolicy(cachedPolicy());
    await world.store.writeFailure(domain, { ...failed, id: 'old' });
    world.host = serves({ ...enforce, mode: 'testing' });
    world.nowMs += minuteMs;
    const outcome = await refreshPolicy(domain, portsOf(world));
    expect(outcome).toMatchObject({ kind: 'refreshed', policy: { mode: 'testing', id: 'old' } });
    expect((await world.store.read(domain))?.cached?.policy.mode).toBe('testing');
    expect((await world.store.read(domain))?.failed).toBeUndefined();
  });

  test('asks DNS afresh, whatever the resolver remembers', async () => {
    const world = createPolicyWorld();
    const asked: unknown[] = [];
    const resolver: PolicyPorts['resolver'] = {
      lookup: (name, type, deadlineMs, options) => {
        asked.push(options);
        return world.resolver.lookup(name, type, deadlineMs);
      },
    };
    await refreshPolicy(domain, { ...portsOf(world), resolver });
    expect(asked).toEqual([{ afresh: true }]);
  });

  test('asks the host of a cached policy although its record is gone (RFC 8461 §10.2)', async () => {
    const world = createPolicyWorld();
    world.txt = 'nxdomain';
    world.host = serves(enforce);
    await world.store.writePolicy(cachedPolicy());
    expect(await refreshPolicy(domain, portsOf(world))).toMatchObject({ kind: 'refreshed' });
  });

  test.each<[PolicyWorld['txt'], string, string]>([
    ['nxdomain', 'absent', 'nothing is published'],
    ['dns-timeout', 'failed', 'nobody knows'],
  ])('with nothing stored and %s: %s, and no fetch (%s)', async (txt, kind) => {
    const world = createPolicyWorld();
    world.txt = txt;
    expect(await refreshPolicy(domain, portsOf(world))).toMatchObject({ kind });
    expect(world.calls).not.toContain('https');
  });

  test('a policy that is over does not make up for the record', async () => {
    const world = createPolicyWorld();
    world.txt = 'nodata';
    await world.store.writePolicy(cachedPolicy());
    world.nowMs += 8 * dayMs;
    expect(await refreshPolicy(domain, portsOf(world))).toMatchObject({ kind: 'absent' });
  });

  test('a failure is kept beside the policy, which still applies', async () => {
    const world = createPolicyWorld();
    world.txt = ['v=STSv1; id=new'];
    world.host = { kind: 'failed', code: 'sts-webpki-invalid', reason: 'expired' };
    await world.store.writePolicy(cachedPolicy());
    expect(await refreshPolicy(domain, portsOf(world))).toMatchObject({
      kind: 'failed',
      failure: { code: 'sts-webpki-invalid' },
      kept: { id: 'old' },
    });
    expect(await world.store.read(domain)).toMatchObject({
      cached: { id: 'old' },
      failed: { id: 'new', code: 'sts-webpki-invalid' },
    });
  });

  test('want of our own time is not held against the host', async () => {
    const world = createPolicyWorld();
    world.txt = ['v=STSv1; id=new'];
    world.host = { kind: 'failed', code: 'sts-policy-fetch-error', reason: 'time is over' };
    const outcome = await refreshPolicy(domain, { ...world, deadlineMs: world.nowMs });
    expect(outcome).toMatchObject({ kind: 'failed', failure: { code: 'sts-policy-unknown' } });
    expect(await world.store.read(domain)).toBeUndefined();
  });
});

describe('setting by hand', () => {
  const author = 'alice';
  const request = { text: formatPolicy(enforce), reason: 'their host is down, ticket 7' };
  const setBy = { author, reason: request.reason };

  test.each<[object, string, string]>([
    [{ text: 'version: STSv1\nmode: enforce\nmax_age: 1' }, 'text', 'no mx'],
    [{ text: 'hello' }, 'text', 'no policy'],
    [{ id: 'a-b' }, 'id', 'not an id'],
    [{ reason: '' }, 'reason', 'no reason'],
  ])('%j is refused by its field %s: %s', (change, field) => {
    const parsed = policyRequestSchema.safeParse({ ...request, ...change });
    expect(parsed.error?.issues.map(({ path }) => path.join('.'))).toEqual([field]);
  });

  test.each<[PolicyWorld['txt'], { readonly id?: string }, string, string]>([
    [['v=STSv1; id=old'], {}, 'old', 'the id that the domain announces'],
    ['nxdomain', {}, 'set20261124000000000', 'one of our own where it announces none'],
    ['dns-timeout', {}, 'set20261124000000000', 'or where nobody knows'],
    [['v=STSv1; id=old'], { id: 'mine' }, 'mine', 'the one that was given'],
  ])('with %j and %j it is held under %s: %s', async (txt, change, id) => {
    const world = createPolicyWorld();
    world.txt = txt;
    const asked = { request: { ...request, ...change }, author };
    expect(await setPolicy(domain, asked, portsOf(world))).toMatchObject({
      kind: 'set',
      policy: { id, setBy },
    });
    expect(await world.store.read(domain)).toEqual({ cached: cachedPolicy({ id, setBy }) });
  });

  test('it applies to the next delivery, by name of its author', async () => {
    const world = createPolicyWorld();
    world.txt = 'nxdomain';
    await setPolicy(domain, { request, author }, portsOf(world));
    expect(await ask(world)).toMatchObject({ kind: 'policy', cached: { setBy } });
  });

  test('it goes before what is published under the same id, and gives way to another', async () => {
    const world = createPolicyWorld();
    world.txt = ['v=STSv1; id=old'];
    world.host = serves({ ...enforce, mode: 'testing' });
    await setPolicy(domain, { request, author }, portsOf(world));
    expect(await ask(world)).toMatchObject({ cached: { policy: { mode: 'enforce' }, setBy } });
    world.txt = ['v=STSv1; id=new'];
    world.nowMs += minuteMs;
    const state = await ask(world);
    expect(state).toMatchObject({ cached: { policy: { mode: 'testing' } } });
    expect((await world.store.read(domain))?.cached).not.toHaveProperty('setBy');
  });

  test('it stays where another is announced and cannot be had', async () => {
    const world = createPolicyWorld();
    world.txt = ['v=STSv1; id=new'];
    world.host = { kind: 'failed', code: 'sts-policy-fetch-error', reason: 'down' };
    await setPolicy(domain, { request: { ...request, id: 'mine' }, author }, portsOf(world));
    expect(await ask(world)).toMatchObject({ cached: { setBy }, failure: { reason: 'down' } });
  });

  test('one that was fetched later, by another clock, is not overwritten in silence', async () => {
    const world = createPolicyWorld();
    await world.store.writePolicy(cachedPolicy({ fetchedAtMs: startMs + minuteMs }));
    const outcome = await setPolicy(domain, { request, author }, portsOf(world));
    expect(outcome).toEqual({ kind: 'overtaken' });
  });
});

test('what is forgotten is looked for anew', async () => {
  const world = createPolicyWorld();
  world.txt = 'nxdomain';
  await world.store.writePolicy(cachedPolicy());
  expect(await forgetPolicy(world.store, domain)).toBe(true);
  expect(await forgetPolicy(world.store, domain)).toBe(false);
  expect(await ask(world)).toMatchObject({ kind: 'absent' });
});
