import { expect, test } from 'vitest';
import { collectRoutes } from '../../functions/handlers/collect.ts';
import { type HttpAnswer, routesHandler } from '../../functions/handlers/http-answer.ts';
import { TransportSecurityError } from '../../functions/protocol/errors.ts';
import type { RecordedResults } from '../../functions/reporting/ports.ts';
import { httpEvent } from './http-event.ts';
import { lambdaContext } from './lambda-context.ts';

const quiet = { logger: { info: () => {} }, metrics: { addMetric: () => {} } };

const nowMs = Date.parse('2026-11-24T12:00:00Z');
const entry = {
  at: '2026-11-24T11:59:00Z',
  datagram: {
    dpv: '1',
    d: 'company-y.example',
    pr: 'v=TLSRPTv1; rua=mailto:reports@company-y.example',
    policies: [{ 'policy-type': 9, f: 0 }],
  },
};

/** The answer to a request, and what was written down for it. */
async function post(
  body: string,
  fault?: Error,
): Promise<{ readonly answer: HttpAnswer; readonly written: readonly RecordedResults[] }> {
  const written: RecordedResults[] = [];
  const routes = collectRoutes({
    now: () => nowMs,
    lookUpRecord: async () => ({ kind: 'none', reason: 'nothing published' }),
    store: {
      write: async (results) => {
        if (fault !== undefined) {
          throw fault;
        }
        written.push(...results);
      },
    },
  });
  const handle = routesHandler(routes, quiet as never);
  const answer = await handle(
    httpEvent('POST /v1/tlsrpt/results', { body }),
    lambdaContext(29_000),
  );
  return { answer, written };
}

test('a batch is counted, and the answer names what of it is not', async () => {
  const body = JSON.stringify({ id: 'b1', results: [entry, { ...entry, datagram: {} }] });
  const { answer, written } = await post(body);
  expect(answer.statusCode).toBe(200);
  expect(JSON.parse(String(answer.body))).toEqual({
    counted: 1,
    refused: [{ index: 1, reason: expect.stringContaining('dpv') }],
  });
  expect(written).toMatchObject([{ day: '2026-11-24', domain: 'company-y.example' }]);
});

test.each([
  ['{', 400, '(body)'],
  ['{"results":[]}', 422, 'id'],
  [JSON.stringify({ id: 'b1', results: [] }), 422, 'results'],
])('%s is answered with a problem that names the field', async (body, status, field) => {
  const { answer, written } = await post(body);
  expect(answer.statusCode).toBe(status);
  expect(JSON.parse(String(answer.body)).fields).toMatchObject([{ field }]);
  expect(written).toEqual([]);
});

test('where it cannot be written down, it is to be sent again', async () => {
  const fault = new TransportSecurityError('store-unavailable', 'throttled');
  const { answer } = await post(JSON.stringify({ id: 'b1', results: [entry] }), fault);
  expect(answer).toMatchObject({ statusCode: 503, headers: { 'retry-after': '5' } });
});
