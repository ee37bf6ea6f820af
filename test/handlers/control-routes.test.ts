import { describe, expect, test } from 'vitest';
import { type ControlRoutesParts, controlRoutes } from '../../functions/handlers/control-routes.ts';
import type { HttpEvent } from '../../functions/handlers/http-request.ts';
import { formatPolicy } from '../../functions/protocol/mta-sts/policy.ts';
import { deliverySettings } from '../delivery-settings.ts';
import { storedException, storedRule } from '../operating/control-store-contract.ts';
import { createMemoryControls } from '../operating/memory-controls.ts';
import {
  cachedPolicy,
  createPolicyWorld,
  domain,
  enforce,
  type PolicyWorld,
  startMs,
} from '../policy/policy-world.ts';

const alice = 'arn:aws:sts::123456789012:assumed-role/mail/alice';

interface Api {
  readonly parts: ControlRoutesParts;
  readonly world: PolicyWorld;
  ask(
    routeKey: string,
    request?: { readonly body?: unknown; readonly path?: Record<string, string> },
  ): Promise<{ readonly status: number | undefined; readonly body: unknown }>;
}

function createApi(): Api {
  const world = createPolicyWorld();
  const parts: ControlRoutesParts = {
    controls: createMemoryControls(),
    policies: world.store,
    settings: {
      ...deliverySettings,
      exceptions: [
        { domain: 'm.example', policy: 'dane', reason: 'x', expires: '2027-01-01T00:00:00Z' },
      ],
      rules: [{ name: 'configured', match: {}, action: 'leave' }],
    },
    resolver: world.resolver,
    fetchPolicy: world.fetchPolicy,
    now: world.now,
    observe: world.observe,
  };
  const routes = controlRoutes(parts);
  return {
    parts,
    world,
    ask: async (routeKey, { body, path } = {}) => {
      const event = {
        routeKey,
        headers: {},
        isBase64Encoded: false,
        ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
        ...(path !== undefined && { pathParameters: path }),
        requestContext: {
          authorizer: { iam: { accountId: '123456789012', userId: 'AROA:alice', userArn: alice } },
        },
      } as unknown as HttpEvent;
      const answer = await routes[routeKey]?.(event);
      return {
        status: answer?.statusCode,
        body: answer?.body === undefined ? undefined : JSON.parse(answer.body),
      };
    },
  };
}

describe('exceptions', () => {
  const request = {
    domain: 'Example.NET',
    policy: 'mta-sts',
    reason: 'ticket 7',
    expires: '2026-12-01T00:00:00Z',
  };

  test('are added by whoever calls, and renewed', async () => {
    const { ask } = createApi();
    expect(await ask('POST /v1/exceptions', { body: request })).toMatchObject({
      status: 201,
      body: { domain: 'example.net', author: alice },
    });
    expect(await ask('POST /v1/exceptions', { body: request })).toMatchObject({ status: 200 });
    expect(await ask('GET /v1/exceptions')).toMatchObject({
      status: 200,
      body: { exceptions: [{ domain: 'example.net' }, { domain: 'm.example', source: 'config' }] },
    });
  });

  test.each<[unknown, number, object, string]>([
    ['{', 400, { field: '(body)' }, 'no JSON'],
    [{ ...request, author: 'bob' }, 422, { field: 'author' }, 'nobody acts by another name'],
    [{ ...request, expires: '2026-01-01T00:00:00Z' }, 422, { field: 'expires' }, 'over'],
    [{ ...request, policy: 'all' }, 422, { field: 'policy' }, 'no such policy'],
  ])('%j: %i, %j (%s)', async (body, status, fault) => {
    const answer = await createApi().ask('POST /v1/exceptions', { body });
    expect(answer).toMatchObject({ status, body: { fields: [fault] } });
  });

  test.each<[Record<string, string>, number, string]>([
    [{ domain: 'example.net', policy: 'mta-sts' }, 204, 'there it is'],
    [{ domain: 'example.net', policy: 'dane' }, 404, 'there is none'],
    [{ domain: 'm.example', policy: 'dane' }, 409, 'it stands in the config'],
    [{ domain: 'a..b', policy: 'dane' }, 400, 'no domain'],
  ])('removing %j: %i (%s)', async (path, status) => {
    const { ask, parts } = createApi();
    await parts.controls.putException(storedException());
    const answer = await ask('DELETE /v1/exceptions/{domain}/{policy}', { path });
    expect(answer.status).toBe(status);
  });
});

describe('rules', () => {
  const rule = { name: 'bank', match: { sender: { equals: 'a@b.example' } }, action: 'require' };

  test('are added once, unless they are to be replaced', async () => {
    const { ask } = createApi();
    expect(await ask('POST /v1/rules', { body: { rule } })).toMatchObject({
      status: 201,
      body: { position: 10, author: alice },
    });
    expect(await ask('POST /v1/rules', { body: { rule } })).toMatchObject({
      status: 409,
      body: { code: 'rule-exists' },
    });
    const again = await ask('POST /v1/rules', { body: { rule, replace: true } });
    expect(again.status).toBe(201);
    expect(await ask('GET /v1/rules')).toMatchObject({
      body: { rules: [{ name: 'bank' }, { name: 'configured', source: 'config' }] },
    });
  });

  test('that RE2 does not take are refused by their field', async () => {
    const body = { rule: { ...rule, match: { sender: { regex: '(' } } } };
    expect(await createApi().ask('POST /v1/rules', { body })).toMatchObject({
      status: 422,
      body: { fields: [{ field: 'rule.match.sender' }] },
    });
  });

  test.each([
    ['a', 204, 'there it is'],
    ['b', 404, 'there is none'],
    ['configured', 409, 'it stands in the config'],
  ])('removing %s: %i (%s)', async (name, status) => {
    const { ask, parts } = createApi();
    await parts.controls.putRule(storedRule('a'), { replace: false });
    expect((await ask('DELETE /v1/rules/{name}', { path: { name } })).status).toBe(status);
  });
});

describe('policies', () => {
  const path = { domain };

  test('are listed and shown', async () => {
    const { ask, world } = createApi();
    await world.store.writePolicy(cachedPolicy());
    expect(await ask('GET /v1/policies')).toMatchObject({
      status: 200,
      body: { policies: [{ domain, mode: 'enforce' }], isCut: false },
    });
    expect(await ask('GET /v1/policies/{domain}', { path })).toMatchObject({
      status: 200,
      body: { domain, policy: { text: formatPolicy(enforce) } },
    });
  });

  test('are set by whoever calls, with a reason', async () => {
    const { ask, world } = createApi();
    const body = { text: formatPolicy(enforce), reason: 'ticket 7' };
    expect(await ask('PUT /v1/policies/{domain}', { path, body })).toMatchObject({
      status: 200,
      body: { policy: { setBy: { author: alice, reason: 'ticket 7' } }, record: { id: 'new' } },
    });
    expect((await world.store.read(domain))?.cached?.id).toBe('new');
    const { status } = await ask('PUT /v1/policies/{domain}', { path, body: { text: 'x' } });
    expect(status).toBe(422);
  });

  test('that a later fetch overtook are not said to be set', async () => {
    const { ask, world } = createApi();
    await world.store.writePolicy(cachedPolicy({ fetchedAtMs: startMs + 60_000 }));
    const body = { text: formatPolicy(enforce), reason: 'ticket 7' };
    expect((await ask('PUT /v1/policies/{domain}', { path, body })).status).toBe(409);
  });

  test('are refreshed, and a fetch that fails is told as what it is', async () => {
    const { ask, world } = createApi();
    const refresh = 'POST /v1/policies/{domain}/refresh';
    expect(await ask(refresh, { path })).toMatchObject({
      status: 200,
      body: { kind: 'refreshed', policy: { id: 'new' } },
    });
    world.host = { kind: 'failed', code: 'sts-webpki-invalid', reason: 'expired' };
    expect(await ask(refresh, { path })).toMatchObject({
      status: 200,
      body: { kind: 'failed', failure: { code: 'sts-webpki-invalid' }, kept: { id: 'new' } },
    });
    expect(world.events).toMatchObject([
      { kind: 'policy-fetched', outcome: 'policy' },
      { kind: 'policy-fetched', outcome: 'sts-webpki-invalid' },
    ]);
  });

  test('are forgotten once', async () => {
    const { ask, world } = createApi();
    await world.store.writePolicy(cachedPolicy());
    expect((await ask('DELETE /v1/policies/{domain}', { path })).status).toBe(204);
    expect((await ask('DELETE /v1/policies/{domain}', { path })).status).toBe(404);
    expect((await ask('GET /v1/policies/{domain}', { path })).status).toBe(404);
  });

  test.each(['a..example', '192.0.2.1', 'x'.repeat(300), '_mta-sts.example.com'])(
    'nothing is asked about %j',
    async (name) => {
      const { ask, world } = createApi();
      const answer = await ask('POST /v1/policies/{domain}/refresh', { path: { domain: name } });
      expect(answer).toMatchObject({ status: 400, body: { fields: [{ field: 'domain' }] } });
      expect(world.calls).toEqual([]);
    },
  );
});
