import { expect, test } from 'vitest';
import { type LoadedConfig, readConfig } from '../../bin/config/load.ts';

const tokens = { kind: 'jwt', issuer: 'https://login.example.com', audience: ['mail'] };

function read(api: unknown): LoadedConfig {
  const config = {
    organization: 'Example Ltd',
    domains: [],
    delivery: { ehloName: 'out.example.com' },
    egress: { kind: 'nat' },
    ...(api !== undefined && { api }),
  };
  return readConfig(JSON.stringify(config), 'test.json', 0);
}

test.each<[unknown, object, string]>([
  [undefined, { authorizer: { kind: 'iam' }, requestsPerSecondMax: 50 }, 'left out'],
  [{}, { authorizer: { kind: 'iam' }, requestsPerSecondMax: 50 }, 'empty'],
  [
    { authorizer: tokens, requestsPerSecondMax: 5 },
    {
      authorizer: {
        ...tokens,
        submitScope: 'sealpost/submit',
        operateScope: 'sealpost/operate',
      },
      requestsPerSecondMax: 5,
    },
    'tokens, each kind of route with a scope of its own',
  ],
])('api %j is %j: %s', (written, meant) => {
  expect(read(written).config.api).toEqual(meant);
});

test.each<[unknown, RegExp, string]>([
  [{ authorizer: { kind: 'none' } }, /api\.authorizer\.kind.*Use "iam" or "jwt"/, 'an open API'],
  [{ authorizer: { ...tokens, audience: [] } }, /audience/, 'tokens for anybody'],
  [{ authorizer: { ...tokens, issuer: 'http://login.example.com' } }, /issuer/, 'plain HTTP'],
  [
    { authorizer: { ...tokens, submitScope: 'mail', operateScope: 'mail' } },
    /the same\. Use two/,
    'senders who are operators',
  ],
  [{ authorizer: { ...tokens, submitScope: 'a b' } }, /submitScope/, 'two scopes in one'],
  [{ requestsPerSecondMax: 0 }, /requestsPerSecondMax/, 'nothing let through'],
  [{ cors: true }, /api\.cors: no such setting/, 'what there is not'],
])('api %j is refused, naming %s: %s', (written, line) => {
  expect(() => read(written)).toThrow(line);
});
