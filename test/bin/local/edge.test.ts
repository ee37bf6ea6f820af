import { request as httpRequest } from 'node:http';
import { request } from 'node:https';
import { describe, expect, test } from 'vitest';
import type { LocalCloud } from '../../../bin/local/cloud.ts';
import { ttlSeconds } from '../../../bin/local/edge-cache.ts';
import { compileEdgeFunction } from '../../../bin/local/edge-function.ts';
import type { EdgeCachePolicy } from '../../../bin/local/edge-settings.ts';
import { LocalCloudError } from '../../../bin/local/template.ts';
import { createAuthority } from '../../../bin/world/ca.ts';
import { lambda, type TemplateJson } from './assembly.ts';
import { cloudOf } from './cloud-fixture.ts';

const authority = await createAuthority({ name: 'Edge test', now: Date.now });
const credential = await authority.issue({ names: ['mta-sts.example.com', '*.example.net'] });

const copyHost = `function handler(event) {
  const request = event.request;
  request.headers['x-host'] = { value: request.headers.host.value };
  return request;
}`;

/** Counts its calls, and tells what it sees. */
const origin = `let calls = 0;
export const handler = async (event) => {
  calls += 1;
  const status = Number(event.queryStringParameters?.status ?? 200);
  return {
    statusCode: status,
    headers: { 'content-type': 'text/plain', 'cache-control': event.rawPath === '/never' ? 'no-store' : 'max-age=100' },
    body: JSON.stringify({ calls, headers: event.headers, query: event.rawQueryString, cookies: event.cookies, method: event.requestContext.http.method }),
  };
};`;

interface DistributionProps {
  readonly behavior?: TemplateJson;
  readonly config?: TemplateJson;
  readonly parameters?: TemplateJson;
  readonly code?: string;
  readonly accessControl?: TemplateJson;
}

function distribution(props: DistributionProps = {}): Readonly<Record<string, unknown>> {
  return {
    Fn: lambda('code'),
    Url: {
      Type: 'AWS::Lambda::Url',
      Properties: { TargetFunctionArn: { 'Fn::GetAtt': ['Fn', 'Arn'] }, AuthType: 'AWS_IAM' },
    },
    Oac: { Type: 'AWS::CloudFront::OriginAccessControl', Properties: {} },
    CopyHost: {
      Type: 'AWS::CloudFront::Function',
      Properties: {
        FunctionCode: props.code ?? copyHost,
        FunctionConfig: { Comment: '', Runtime: 'cloudfront-js-2.0' },
      },
    },
    Cache: {
      Type: 'AWS::CloudFront::CachePolicy',
      Properties: {
        CachePolicyConfig: {
          MinTTL: 0,
          DefaultTTL: 60,
          MaxTTL: 300,
          ParametersInCacheKeyAndForwardedToOrigin: {
            CookiesConfig: { CookieBehavior: 'none' },
            HeadersConfig: { HeaderBehavior: 'whitelist', Headers: ['X-Host'] },
            QueryStringsConfig: { QueryStringBehavior: 'whitelist', QueryStrings: ['status'] },
            EnableAcceptEncodingGzip: false,
            ...props.parameters,
          },
        },
      },
    },
    Distribution: {
      Type: 'AWS::CloudFront::Distribution',
      Properties: {
        DistributionConfig: {
          Enabled: true,
          Aliases: ['mta-sts.example.com', 'mta-sts.example.net'],
          HttpVersion: 'http2and3',
          ViewerCertificate: { MinimumProtocolVersion: 'TLSv1.2_2021' },
          Origins: [
            {
              Id: 'origin',
              DomainName: {
                'Fn::Select': [2, { 'Fn::Split': ['/', { 'Fn::GetAtt': ['Url', 'FunctionUrl'] }] }],
              },
              CustomOriginConfig: { OriginProtocolPolicy: 'https-only' },
              ...(props.accessControl ?? {
                OriginAccessControlId: { 'Fn::GetAtt': ['Oac', 'Id'] },
              }),
            },
          ],
          DefaultCacheBehavior: {
            TargetOriginId: 'origin',
            ViewerProtocolPolicy: 'https-only',
            AllowedMethods: ['GET', 'HEAD'],
            CachePolicyId: { Ref: 'Cache' },
            Compress: false,
            FunctionAssociations: [
              {
                EventType: 'viewer-request',
                FunctionARN: { 'Fn::GetAtt': ['CopyHost', 'FunctionARN'] },
              },
            ],
            ...props.behavior,
          },
          ...props.config,
        },
      },
    },
  };
}

async function edgeCloud(props: DistributionProps = {}, plainPort?: number): Promise<LocalCloud> {
  return await cloudOf(
    distribution(props),
    { code: origin },
    {
      edge: {
        address: '127.0.0.9',
        ...(plainPort === undefined ? {} : { plainPort }),
        certificateFor: (name) => (name.startsWith('mta-sts.') ? credential : undefined),
      },
    },
  );
}

interface Asked {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: string;
}

interface Question {
  readonly host?: string;
  readonly serverName?: string;
  readonly path?: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Asks the edge as a sender would: by name, with its certificate checked. */
async function ask(cloud: LocalCloud, question: Question = {}): Promise<Asked> {
  const { host = 'mta-sts.example.com', path = '/', method = 'GET', headers = {} } = question;
  return await new Promise((resolve, reject) => {
    request(
      {
        host: '127.0.0.9',
        port: cloud.edge?.port,
        servername: question.serverName ?? host,
        ca: authority.certificatePem,
        path,
        method,
        headers: { host: `${host}:${cloud.edge?.port}`, ...headers },
        agent: false,
      },
      (response) => {
        let body = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => {
          body += chunk;
        });
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body }),
        );
      },
    )
      .on('error', reject)
      .end();
  });
}

function seen({ body }: Asked): {
  readonly calls: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly query: string;
} {
  return JSON.parse(body);
}

describe('a distribution', () => {
  test("runs its own function and forwards its policy's headers only", async () => {
    const cloud = await edgeCloud();
    const answer = await ask(cloud, {
      path: '/a?status=200&other=1',
      headers: { 'x-host': 'forged.example', 'x-other': 'y', cookie: 'a=b', accept: '*/*' },
    });
    expect(answer.status).toBe(200);
    expect(answer.headers).toMatchObject({
      'content-type': 'text/plain',
      'x-cache': 'Miss from cloudfront',
    });
    const { headers, query } = seen(answer);
    expect(query).toBe('status=200');
    expect(headers).toEqual({
      'x-host': 'mta-sts.example.com',
      host: new URL(cloud.url('Url')).host,
      'user-agent': 'Amazon CloudFront',
      via: expect.stringContaining('CloudFront'),
      'x-forwarded-for': '127.0.0.1',
      authorization: expect.stringMatching(/^AWS4-HMAC-SHA256 /),
    });
    expect(cloud.events).toContainEqual({
      kind: 'edge',
      host: 'mta-sts.example.com',
      method: 'GET',
      path: '/a',
      status: 200,
      cache: 'miss',
    });
  });

  test('caches by path and by what its policy names, and by nothing else', async () => {
    const cloud = await edgeCloud();
    const calls = async (question: Question): Promise<number> =>
      seen(await ask(cloud, question)).calls;
    expect(await calls({ path: '/a' })).toBe(1);
    expect(await calls({ path: '/a', headers: { 'x-other': 'z' } })).toBe(1);
    expect(await calls({ path: '/a?other=2' })).toBe(1);
    expect(await calls({ path: '/b' })).toBe(2);
    expect(await calls({ path: '/a', host: 'mta-sts.example.net' })).toBe(3);
    expect(await calls({ path: '/a', host: 'mta-sts.example.net' })).toBe(3);
    const hit = await ask(cloud, { path: '/a', method: 'HEAD' });
    expect([hit.status, hit.body, hit.headers['x-cache'], hit.headers['age']]).toEqual([
      200,
      '',
      'Hit from cloudfront',
      '0',
    ]);
    expect(await calls({ path: '/never' })).toBe(4);
    expect(await calls({ path: '/never' })).toBe(5);
  });

  test('would mix the hosts up without its function', async () => {
    const cloud = await edgeCloud({ behavior: { FunctionAssociations: [] } });
    const [one, other] = [await ask(cloud), await ask(cloud, { host: 'mta-sts.example.net' })];
    expect(other.body).toBe(one.body);
  });

  test('answers HEAD by asking with HEAD', async () => {
    const cloud = await edgeCloud();
    const head = await ask(cloud, { path: '/h', method: 'HEAD' });
    expect([head.status, head.body]).toEqual([200, '']);
    expect(seen(await ask(cloud, { path: '/h' })).calls).toBe(2);
  });

  test.each<[Question, number, string]>([
    [{ method: 'POST' }, 403, 'a method that is not allowed'],
    [{ host: 'mta-sts.example.org' }, 403, 'a host that is no alias'],
    [{ serverName: 'mta-sts.example.net' }, 421, 'a connection made for another name'],
    [{ path: '/?status=404' }, 404, 'an error of the origin'],
  ])('answers %j with %i: %s', async (question, status) => {
    const cloud = await edgeCloud();
    const serverName = question.host === undefined ? question.serverName : question.host;
    const asked = ask(cloud, {
      ...question,
      ...(serverName === undefined ? {} : { serverName }),
    }).then(
      (answer) => answer.status,
      // There is no certificate for the alias that does not exist, as its owner would find.
      (error: Error) => (question.host === undefined ? error : 403),
    );
    expect(await asked).toBe(status);
  });

  test('refuses a handshake for a name without a certificate', async () => {
    const cloud = await edgeCloud();
    await expect(ask(cloud, { host: 'www.example.com' })).rejects.toThrow();
  });

  test('without access control is refused by a function URL that asks for a signature', async () => {
    const cloud = await edgeCloud({ accessControl: { OriginPath: '' } });
    expect((await ask(cloud)).status).toBe(403);
  });

  test.each<[string, number, string | undefined]>([
    ['https-only', 403, undefined],
    ['redirect-to-https', 301, 'https://mta-sts.example.com/a?b'],
    ['allow-all', 200, undefined],
  ])('in plain HTTP does as %s says', async (ViewerProtocolPolicy, status, location) => {
    const cloud = await edgeCloud({ behavior: { ViewerProtocolPolicy } }, 0);
    const answer = await new Promise<[number, string | undefined]>((resolve, reject) => {
      httpRequest(
        {
          host: '127.0.0.9',
          port: cloud.edge?.plainPort,
          path: '/a?b',
          headers: { host: 'mta-sts.example.com' },
          agent: false,
        },
        (response) => {
          response.resume();
          resolve([response.statusCode ?? 0, response.headers.location]);
        },
      )
        .on('error', reject)
        .end();
    });
    expect(answer).toEqual([status, location]);
  });

  test('tries its path patterns in order', async () => {
    const behavior = {
      TargetOriginId: 'origin',
      ViewerProtocolPolicy: 'https-only',
      CachePolicyId: { Ref: 'Cache' },
    };
    const cloud = await edgeCloud({
      config: { CacheBehaviors: [{ ...behavior, PathPattern: '/.well-known/*.txt' }] },
    });
    expect(seen(await ask(cloud, { path: '/.well-known/a.txt' })).headers).not.toHaveProperty(
      'x-host',
    );
    expect(seen(await ask(cloud, { path: '/.well-known/a.txt2' })).headers).toHaveProperty(
      'x-host',
    );
  });

  test('passes cookies, query and codings on as its policy says', async () => {
    const cloud = await edgeCloud({
      parameters: {
        CookiesConfig: { CookieBehavior: 'allExcept', Cookies: ['secret'] },
        QueryStringsConfig: { QueryStringBehavior: 'all' },
        EnableAcceptEncodingGzip: true,
      },
    });
    const answer = await ask(cloud, {
      path: '/?b=2&a=1',
      headers: { cookie: 'secret=1; theme=2', 'accept-encoding': 'br, gzip;q=0.5' },
    });
    expect(JSON.parse(answer.body)).toMatchObject({
      cookies: ['theme=2'],
      query: 'b=2&a=1',
      headers: { 'accept-encoding': 'gzip' },
    });
  });

  test.each<[DistributionProps, RegExp]>([
    [{ behavior: { ResponseHeadersPolicyId: 'x' } }, /ResponseHeadersPolicyId/],
    [{ behavior: { Compress: true } }, /compression is not implemented/],
    [{ behavior: { CachePolicyId: '658327ea' } }, /CachePolicy 658327ea, which no template/],
    [{ behavior: { TargetOriginId: 'other' } }, /has no origin other/],
    [{ config: { CustomErrorResponses: [] } }, /CustomErrorResponses/],
    [{ config: { Enabled: false } }, /not enabled serves nothing/],
    [{ code: 'import cf from "cloudfront";' }, /S\/CopyHost does not compile/],
  ])('with %j is refused', async (props, message) => {
    await expect(edgeCloud(props)).rejects.toThrow(message);
  });
});

describe('a CloudFront function', () => {
  const event = {
    request: {
      method: 'GET',
      uri: '/',
      querystring: {},
      headers: { a: { value: 'b' } },
      cookies: {},
    },
  };

  test.each<[string, string, object]>([
    ['passes the request on', 'return event.request;', { kind: 'request', request: event.request }],
    [
      'answers by itself',
      'return { statusCode: 404, headers: { x: { value: "y" } } };',
      { kind: 'response', response: { statusCode: 404, headers: { x: { value: 'y' } } } },
    ],
    ['may use console', 'console.log("x"); return event.request;', { kind: 'request' }],
    ['throws', 'throw new Error("no");', { kind: 'failed', reason: 'Error: no' }],
    ['does not end', 'for (;;);', { kind: 'failed', reason: expect.stringContaining('timed out') }],
    ['returns nothing', 'return;', { kind: 'failed' }],
    ['returns nonsense', 'return { uri: 5 };', { kind: 'failed' }],
    ['has no process', 'return process.env;', { kind: 'failed' }],
    ['makes no code of text', 'return eval("event.request");', { kind: 'failed' }],
    [
      'does not reach this process by what it gets',
      'return event.constructor.constructor("return process")();',
      { kind: 'failed' },
    ],
  ])('%s', (_what, body, verdict) => {
    const run = compileEdgeFunction('f', `function handler(event) { ${body} }`);
    expect(run(event)).toMatchObject(verdict);
  });

  test('may be asynchronous', () => {
    const run = compileEdgeFunction(
      'f',
      'async function handler(event) { await null; return event.request; }',
    );
    expect(run(event)).toMatchObject({ kind: 'request' });
    const endless = compileEdgeFunction('f', 'async function handler() { for (;;) await null; }');
    expect(endless(event)).toMatchObject({ kind: 'failed' });
  });

  test('of more than 10 KB is refused', () => {
    expect(() => compileEdgeFunction('f', ' '.repeat(10_241))).toThrow(LocalCloudError);
  });
});

test.each<[string, string, string | undefined]>([
  ['changes Host', 'event.request.headers.host = { value: "x" }', undefined],
  ['changes the method', 'event.request.method = "POST"', undefined],
  ['names a header in capitals', 'event.request.headers.Big = { value: "x" }', undefined],
  ['changes the path', 'event.request.uri = "/other"', '/other'],
])('a function that %s', async (_what, change, path) => {
  const cloud = await edgeCloud({
    code: `function handler(event) { ${change}; return event.request; }`,
  });
  const answer = await ask(cloud);
  if (path === undefined) {
    expect(answer.status).toBe(503);
    expect(cloud.events).toContainEqual(expect.objectContaining({ kind: 'fault' }));
  } else {
    expect(answer.status).toBe(200);
  }
});

describe('answers are kept', () => {
  const nothing = { names: [], isInverted: false };
  const policy: EdgeCachePolicy = {
    key: { headers: nothing, cookies: nothing, queries: nothing },
    encodings: [],
    ttlSecondsMin: 0,
    ttlSecondsDefault: 60,
    ttlSecondsMax: 300,
  };
  const now = Date.parse('2026-11-24T00:00:00Z');

  test.each<[number, Readonly<Record<string, string>>, Partial<EdgeCachePolicy>, number]>([
    [200, {}, {}, 60],
    [200, { 'cache-control': 'max-age=100' }, {}, 100],
    [200, { 'cache-control': 'public, max-age=1000' }, {}, 300],
    [200, { 'cache-control': 'max-age=100, s-maxage=10' }, {}, 10],
    [200, { 'cache-control': 'max-age=1' }, { ttlSecondsMin: 5 }, 5],
    [200, { 'cache-control': 'no-store' }, {}, 0],
    [200, { 'cache-control': 'Private, max-age=9' }, { ttlSecondsMin: 5 }, 5],
    [200, { expires: 'Tue, 24 Nov 2026 00:00:30 GMT' }, {}, 30],
    [200, { expires: '0' }, {}, 0],
    [200, { expires: 'soon' }, {}, 0],
    [301, {}, {}, 60],
    [404, {}, {}, 10],
    [404, { 'cache-control': 'max-age=100' }, {}, 100],
    [404, { 'cache-control': 'no-store' }, {}, 10],
    [403, {}, {}, 0],
    [403, { 'cache-control': 'max-age=100' }, {}, 100],
    [401, { 'cache-control': 'max-age=100' }, {}, 0],
    [502, {}, {}, 10],
  ])('%i with %j by %j for %i s', (status, headers, bounds, seconds) => {
    const answer = { status, headers, body: Buffer.alloc(0) };
    expect(ttlSeconds(answer, { ...policy, ...bounds }, now)).toBe(seconds);
  });
});
