import type { LambdaFunctionURLEvent } from 'aws-lambda';
import { afterEach, expect, test, vi } from 'vitest';
import { handler } from '../../functions/handlers/policy-host.ts';
import { captureOutput, lambdaContext } from './lambda-context.ts';

afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
});

/** As a function URL gives it (payload 2.0), the viewer's Host copied by the CDN. */
function urlEvent(host: string, path = '/.well-known/mta-sts.txt'): LambdaFunctionURLEvent {
  return {
    version: '2.0',
    routeKey: '$default',
    rawPath: path,
    rawQueryString: '',
    headers: { host: 'abc.lambda-url.us-east-1.on.aws', 'x-sealpost-host': host },
    requestContext: {
      accountId: 'anonymous',
      apiId: 'abc',
      domainName: 'abc.lambda-url.us-east-1.on.aws',
      domainPrefix: 'abc',
      http: { method: 'GET', path, protocol: 'HTTP/1.1', sourceIp: '192.0.2.1', userAgent: 'x' },
      requestId: 'id',
      routeKey: '$default',
      stage: '$default',
      time: '24/Nov/2026:00:00:00 +0000',
      timeEpoch: 1_795_478_400_000,
    },
    isBase64Encoded: false,
  };
}

test('answers 500, which is no policy, as long as its settings are wrong, and then what it has', async () => {
  const written = captureOutput();
  vi.stubEnv('SEALPOST_POLICIES', '{"example.com":{"mode":"enforce"}}');
  expect(await handler(urlEvent('mta-sts.example.com'), lambdaContext())).toMatchObject({
    statusCode: 500,
    headers: { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store' },
  });
  expect(written.metrics).toMatchObject({ Faults: 1 });
  expect(JSON.stringify(written.lines)).toContain('SEALPOST_POLICIES');

  vi.stubEnv(
    'SEALPOST_POLICIES',
    '{"example.com":{"mode":"enforce","mx":["mail.example.com"],"maxAgeSeconds":604800}}',
  );
  expect(await handler(urlEvent('mta-sts.example.com'), lambdaContext())).toEqual({
    statusCode: 200,
    headers: {
      'content-type': 'text/plain; charset=utf-8',
      'x-content-type-options': 'nosniff',
      'cache-control': 'max-age=300',
    },
    body: 'version: STSv1\r\nmode: enforce\r\nmx: mail.example.com\r\nmax_age: 604800\r\n',
  });
  expect(written.metrics).toMatchObject({ PoliciesServed: 1, service: 'policy-host' });

  expect(await handler(urlEvent('mta-sts.example.net'), lambdaContext())).toMatchObject({
    statusCode: 404,
  });
  expect(written.metrics).toMatchObject({ PolicyRequestsRefused: 1 });
});
