import { afterEach, describe, expect, test, vi } from 'vitest';
import { problemAnswer, type Route, routesHandler } from '../../functions/handlers/http-answer.ts';
import { callerOf, readJsonBody } from '../../functions/handlers/http-request.ts';
import { type FailureCode, TransportSecurityError } from '../../functions/protocol/errors.ts';
import { fieldProblem, formatProblem } from '../../functions/protocol/problem.ts';
import { httpEvent, iamCaller, tokenOf } from './http-event.ts';
import { lambdaContext } from './lambda-context.ts';

afterEach(() => {
  vi.restoreAllMocks();
});

describe('problem documents (RFC 9457)', () => {
  test('have a status, its phrase, what happened and which fields', () => {
    const problem = fieldProblem([{ field: 'to', fault: 'no mailbox' }]);
    expect(JSON.parse(formatProblem(problem))).toEqual({
      type: 'about:blank',
      title: 'Unprocessable Content',
      status: 422,
      code: 'fields-invalid',
      detail: 'to: no mailbox',
      fields: [{ field: 'to', fault: 'no mailbox' }],
    });
  });

  test('name twenty fields at most', () => {
    const faults = Array.from({ length: 50 }, (_, n) => ({ field: `f${n}`, fault: 'x' }));
    const { fields, detail } = JSON.parse(formatProblem(fieldProblem(faults)));
    expect(fields).toHaveLength(20);
    expect(detail).toBe('f0: x; f1: x; f2: x; and 47 more');
  });

  test('are of their media type, and nobody keeps them', () => {
    const problem = { status: 503, detail: 'later', retryAfterSeconds: 5 } as const;
    expect(problemAnswer(problem)).toMatchObject({
      statusCode: 503,
      headers: {
        'content-type': 'application/problem+json',
        'cache-control': 'no-store',
        'retry-after': '5',
      },
    });
  });
});

function call(route: Route, routeKey = 'GET /x') {
  const instruments = {
    metrics: { addMetric: vi.fn() },
    logger: { info: vi.fn() },
  } as unknown as Parameters<typeof routesHandler>[1];
  return routesHandler({ 'GET /x': route }, instruments)(httpEvent(routeKey), lambdaContext());
}

function failing(code: FailureCode, message: string): Route {
  return () => Promise.reject(new TransportSecurityError(code, message));
}

describe('routes', () => {
  test.each<[FailureCode, string, number, object]>([
    ['store-unavailable', 'UpdateItem on table mail', 503, {}],
    [
      'requiretls-disabled',
      'requireTls: an exception',
      422,
      { fields: [{ field: 'requireTls', fault: 'an exception' }] },
    ],
    [
      'mail-loop',
      'content: in circles',
      422,
      { fields: [{ field: 'content', fault: 'in circles' }] },
    ],
    ['content-invalid', 'no field here', 422, {}],
    ['id-reused', 'another', 409, {}],
  ])('%s %j is answered with %i', async (code, message, status, more) => {
    const answer = await call(failing(code, message));
    expect(answer.statusCode).toBe(status);
    expect(JSON.parse(answer.body ?? '')).toMatchObject({ status, code, ...more });
  });

  test('an outage names no table', async () => {
    const answer = await call(failing('store-unavailable', 'UpdateItem on table mail'));
    expect(answer.body).not.toContain('table mail');
    expect(answer.headers).toMatchObject({ 'retry-after': '5' });
  });

  test.each([
    ['store-damaged', failing('store-damaged', 'row')],
    ['a bug', () => Promise.reject(new TypeError('bug'))],
  ] satisfies [string, Route][])('%s goes to the log, as a fault', async (_what, route) => {
    await expect(call(route)).rejects.toThrow();
  });

  test.each(['GET /y', 'toString', '__proto__'])('%s is no route', async (routeKey) => {
    const answer = await call(async () => ({ statusCode: 200 }), routeKey);
    expect(answer.statusCode).toBe(404);
  });
});

describe('callers', () => {
  test('sessions of one role are one principal, and each is named', () => {
    const other = {
      iam: { ...iamCaller.iam, userId: 'AROAEXAMPLE:session-2', userArn: 'arn:other' },
    };
    const one = callerOf(httpEvent('GET /x'));
    const two = callerOf(httpEvent('GET /x', { authorizer: other }));
    expect(one).toEqual({
      kind: 'iam',
      principal: 'iam:111122223333:AROAEXAMPLE',
      name: 'arn:aws:sts::111122223333:assumed-role/app/session-1',
    });
    expect([two.principal, two.name]).toEqual([one.principal, 'arn:other']);
  });

  test('a token is its subject at its issuer', () => {
    expect(callerOf(httpEvent('GET /x', { authorizer: tokenOf('ann') }))).toEqual({
      kind: 'jwt',
      principal: 'jwt:https://login.example.com:ann',
      name: 'ann (https://login.example.com)',
    });
  });

  test('an open route is a bug', () => {
    expect(() => callerOf(httpEvent('GET /x', { authorizer: {} }))).toThrow(TypeError);
  });
});

describe('JSON bodies', () => {
  const read = (body: string | Uint8Array) => readJsonBody(httpEvent('POST /x', { body }));

  test('as text and in base64', () => {
    expect(read('{"a":"ü"}')).toEqual({ value: { a: 'ü' } });
    expect(read(Buffer.from('{"a":"ü"}'))).toEqual({ value: { a: 'ü' } });
  });

  test.each([
    ['', 'nothing'],
    ['{', 'half of it'],
    [`[${'1,'.repeat(50_000)}1]`, 'more values than any request has'],
    [`${'['.repeat(100)}${']'.repeat(100)}`, 'deeper than any request'],
    [
      `{${Array.from({ length: 60_000 }, (_, n) => `"k${n}":0`).join(',')}}`,
      'a field for every fault',
    ],
  ])('%.20s is refused: %s', (body) => {
    expect(read(body)).toMatchObject({ problem: { status: 400, fields: [{ field: '(body)' }] } });
  });
});
