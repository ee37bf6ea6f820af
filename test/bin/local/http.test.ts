import { describe, expect, test } from 'vitest';
import { matchRoute } from '../../../bin/local/http-routes.ts';
import { lambda, type TemplateJson } from './assembly.ts';
import { cloudOf } from './cloud-fixture.ts';

const echo = { code: 'export const handler = async (event) => event;' };
const signature = { authorization: 'AWS4-HMAC-SHA256 Credential=local' };

function functionUrl(authType: string): Readonly<Record<string, unknown>> {
  return {
    Fn: lambda('code', { Timeout: 5 }),
    Url: {
      Type: 'AWS::Lambda::Url',
      Properties: { TargetFunctionArn: { 'Fn::GetAtt': ['Fn', 'Arn'] }, AuthType: authType },
    },
  };
}

describe('function URLs', () => {
  test('hand requests over in payload format 2.0', async () => {
    const cloud = await cloudOf(functionUrl('NONE'), echo);
    const url = cloud.url('Url');
    const response = await fetch(`${url}a%20b/c?x=1&y=2&x=3`, {
      method: 'POST',
      headers: { 'content-type': 'text/plain', cookie: 'a=1; b=2', 'x-odd': 'Äpfel'.slice(1) },
      body: 'höre',
    });
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('application/json');
    const host = new URL(url).host;
    expect(await response.json()).toMatchObject({
      version: '2.0',
      routeKey: '$default',
      rawPath: '/a%20b/c',
      rawQueryString: 'x=1&y=2&x=3',
      queryStringParameters: { x: '1,3', y: '2' },
      cookies: ['a=1', 'b=2'],
      headers: { 'content-type': 'text/plain', host, 'x-odd': 'pfel' },
      body: 'höre',
      isBase64Encoded: false,
      requestContext: {
        accountId: 'anonymous',
        domainName: host,
        http: { method: 'POST', path: '/a%20b/c', sourceIp: '127.0.0.1' },
        stage: '$default',
        time: expect.stringMatching(/^\d\d\/\w{3}\/\d{4}:\d\d:\d\d:\d\d \+0000$/),
      },
    });
  });

  test('hand binary bodies over in base64', async () => {
    const cloud = await cloudOf(functionUrl('NONE'), echo);
    const response = await fetch(cloud.url('Url'), { method: 'PUT', body: Buffer.from([0, 255]) });
    expect(await response.json()).toMatchObject({ body: 'AP8=', isBase64Encoded: true });
  });

  test.each<[string, number, string, Readonly<Record<string, string>>]>([
    [
      '{ statusCode: 201, headers: { "X-A": "b" }, body: "text" }',
      201,
      'text',
      { 'x-a': 'b', 'content-type': 'application/json' },
    ],
    [
      '{ statusCode: 200, body: "AP8=", isBase64Encoded: true, headers: { "Content-Type": "a/b" } }',
      200,
      '\u0000\ufffd',
      { 'content-type': 'a/b' },
    ],
    ['{ statusCode: 204, cookies: ["a=1", "b=2"] }', 204, '', { 'set-cookie': 'a=1, b=2' }],
    ['"plain"', 200, 'plain', { 'content-type': 'application/json' }],
    ['{ message: "object" }', 200, '{"message":"object"}', {}],
    ['undefined', 200, 'null', {}],
    ['{ statusCode: "x" }', 502, 'Internal Server Error', {}],
    ['{ statusCode: 200, body: 5 }', 502, 'Internal Server Error', {}],
    ['(() => { throw new Error("no"); })()', 502, 'Internal Server Error', {}],
  ])('answer %s with %i', async (result, status, body, headers) => {
    const cloud = await cloudOf(functionUrl('NONE'), {
      code: `export const handler = async () => (${result});`,
    });
    const response = await fetch(cloud.url('Url'));
    expect(response.status).toBe(status);
    expect(await response.text()).toBe(body);
    for (const [name, value] of Object.entries(headers)) {
      expect(response.headers.get(name)).toBe(value);
    }
  });

  test('with IAM ask for a signature', async () => {
    const cloud = await cloudOf(functionUrl('AWS_IAM'), echo);
    expect((await fetch(cloud.url('Url'))).status).toBe(403);
    const signed = await fetch(cloud.url('Url'), { headers: signature });
    expect(await signed.json()).toMatchObject({
      requestContext: {
        accountId: '000000000000',
        authorizer: { iam: { accountId: '000000000000' } },
      },
    });
  });

  test('refuse a body that Lambda would not take', async () => {
    const cloud = await cloudOf(functionUrl('NONE'), echo);
    const body = Buffer.alloc(6 * 1024 * 1024 + 1);
    expect((await fetch(cloud.url('Url'), { method: 'POST', body })).status).toBe(413);
  });
});

function route(routeKey: string): {
  readonly routeKey: string;
  readonly functionName: string;
  readonly needsSignature: boolean;
} {
  return { routeKey, functionName: 'f', needsSignature: false };
}

describe('routes', () => {
  const routes = [
    '$default',
    'ANY /v1/{rest+}',
    'GET /v1/{kind}/{id}',
    'ANY /v1/messages/{id}',
    'POST /v1/messages',
    'ANY /v1/messages',
    'GET /',
  ].map(route);

  test.each<[string, string, string, Readonly<Record<string, string>>]>([
    ['POST', '/v1/messages', 'POST /v1/messages', {}],
    ['PUT', '/v1/messages', 'ANY /v1/messages', {}],
    ['GET', '/v1/messages/a%2Fb', 'ANY /v1/messages/{id}', { id: 'a/b' }],
    ['GET', '/v1/reports/7', 'GET /v1/{kind}/{id}', { kind: 'reports', id: '7' }],
    ['PUT', '/v1/reports/7', 'ANY /v1/{rest+}', { rest: 'reports/7' }],
    ['GET', '/v1/a/b/%', 'ANY /v1/{rest+}', { rest: 'a/b/%' }],
    ['GET', '/', 'GET /', {}],
    ['GET', '/v2', '$default', {}],
  ])('%s %s is for %s', (method, path, routeKey, pathParameters) => {
    expect(matchRoute(routes, { method, path })).toMatchObject({
      route: { routeKey },
      pathParameters,
    });
  });

  test('that do not fit are none', () => {
    expect(matchRoute([route('GET /a')], { method: 'POST', path: '/a' })).toBeUndefined();
    expect(matchRoute([route('GET /a/{b}')], { method: 'GET', path: '/a' })).toBeUndefined();
  });
});

function httpApi(properties: TemplateJson): Readonly<Record<string, unknown>> {
  return {
    Fn: lambda('code'),
    Api: { Type: 'AWS::ApiGatewayV2::Api', Properties: { ProtocolType: 'HTTP', Name: 'api' } },
    Stage: {
      Type: 'AWS::ApiGatewayV2::Stage',
      Properties: { ApiId: { Ref: 'Api' }, StageName: '$default', AutoDeploy: true },
    },
    Integration: {
      Type: 'AWS::ApiGatewayV2::Integration',
      Properties: {
        ApiId: { Ref: 'Api' },
        IntegrationType: 'AWS_PROXY',
        IntegrationUri: { 'Fn::GetAtt': ['Fn', 'Arn'] },
        PayloadFormatVersion: '2.0',
      },
    },
    Route: {
      Type: 'AWS::ApiGatewayV2::Route',
      Properties: {
        ApiId: { Ref: 'Api' },
        RouteKey: 'POST /v1/messages/{id}',
        Target: { 'Fn::Join': ['', ['integrations/', { Ref: 'Integration' }]] },
        ...properties,
      },
    },
  };
}

describe('HTTP APIs', () => {
  test('route to functions', async () => {
    const cloud = await cloudOf(httpApi({}), echo);
    const api = cloud.url('Api');
    const response = await fetch(`${api}v1/messages/7`, { method: 'POST', body: 'x' });
    expect(await response.json()).toMatchObject({
      routeKey: 'POST /v1/messages/{id}',
      pathParameters: { id: '7' },
      body: 'x',
      requestContext: { accountId: '000000000000', routeKey: 'POST /v1/messages/{id}' },
    });
    const other = await fetch(`${api}v1/messages/7`);
    expect([other.status, await other.text()]).toEqual([404, '{"message":"Not Found"}']);
  });

  test('with IAM ask for a signature, and answer failures with 500', async () => {
    const cloud = await cloudOf(httpApi({ AuthorizationType: 'AWS_IAM' }), {
      code: 'export const handler = async () => { throw new Error("no"); };',
    });
    const url = `${cloud.url('Api')}v1/messages/7`;
    expect((await fetch(url, { method: 'POST' })).status).toBe(403);
    const signed = await fetch(url, { method: 'POST', headers: signature });
    expect([signed.status, await signed.text()]).toEqual([
      500,
      '{"message":"Internal Server Error"}',
    ]);
  });

  test.each<[TemplateJson, RegExp]>([
    [{ AuthorizationType: 'JWT' }, /S\/Route .*\n.*authorizers are not implemented/],
    [{ Target: 'integrations/none' }, /S\/Route: integrations\/none is not an integration/],
  ])('with %j are refused', async (properties, message) => {
    await expect(cloudOf(httpApi(properties), echo)).rejects.toThrow(message);
  });
});
