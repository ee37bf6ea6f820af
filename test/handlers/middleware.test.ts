import { MetricUnit } from '@aws-lambda-powertools/metrics';
import { afterEach, expect, test, vi } from 'vitest';
import { instrumentHandler } from '../../functions/handlers/middleware.ts';
import { captureOutput, lambdaContext } from './lambda-context.ts';

afterEach(() => {
  vi.restoreAllMocks();
});

test('nothing is bound before the first event, and once only', async () => {
  captureOutput();
  const bind = vi.fn(() => async (event: string) => event.toUpperCase());
  const handler = instrumentHandler('test', bind);
  expect(bind).not.toHaveBeenCalled();
  expect(await handler('a', lambdaContext())).toBe('A');
  expect(await handler('b', lambdaContext())).toBe('B');
  expect(bind).toHaveBeenCalledTimes(1);
});

test('metrics are published under one namespace with the function as their service', async () => {
  const written = captureOutput();
  const handler = instrumentHandler('test', ({ metrics }) => async () => {
    metrics.addMetric('Things', MetricUnit.Count, 3);
  });
  await handler(undefined, lambdaContext());
  expect(written.metrics).toMatchObject({ service: 'test', Things: 3 });
  expect(written.metrics['_aws']).toMatchObject({ CloudWatchMetrics: [{ Namespace: 'Sealpost' }] });
});

test('log lines carry the request', async () => {
  const written = captureOutput();
  const handler = instrumentHandler('test', ({ logger }) => async () => {
    logger.info('at work');
  });
  await handler(undefined, lambdaContext());
  expect(written.lines).toContainEqual(
    expect.objectContaining({
      message: 'at work',
      service: 'test',
      function_request_id: '1b0d3c9e-0000-4000-8000-000000000000',
    }),
  );
});

test('a fault is logged, counted beside the metrics there are, and thrown', async () => {
  const written = captureOutput();
  const handler = instrumentHandler('test', ({ metrics }) => async () => {
    metrics.addMetric('Things', MetricUnit.Count, 1);
    throw new TypeError('a bug');
  });
  await expect(handler(undefined, lambdaContext())).rejects.toThrow('a bug');
  expect(written.metrics).toMatchObject({ Faults: 1, Things: 1 });
  expect(written.lines).toContainEqual(
    expect.objectContaining({
      level: 'ERROR',
      error: expect.objectContaining({ name: 'TypeError', message: 'a bug' }),
    }),
  );
});

test('a fault is answered where there is an answer, and counted all the same', async () => {
  const written = captureOutput();
  const fail = async (): Promise<string> => {
    throw new TypeError('a bug');
  };
  const handler = instrumentHandler('test', () => fail, { answerFault: () => 'sorry' });
  expect(await handler(undefined, lambdaContext())).toBe('sorry');
  expect(written.metrics).toMatchObject({ Faults: 1 });
});

test('a handler that cannot be bound fails as one that is, and is bound anew next time', async () => {
  const written = captureOutput();
  let ready = false;
  const handler = instrumentHandler('test', () => {
    if (!ready) {
      throw new TypeError('no settings');
    }
    return async () => 'done';
  });
  await expect(handler(undefined, lambdaContext())).rejects.toThrow('no settings');
  expect(written.metrics).toMatchObject({ Faults: 1 });
  ready = true;
  expect(await handler(undefined, lambdaContext())).toBe('done');
});

test('an invocation that would be killed ends a little earlier, if it may', async () => {
  const written = captureOutput();
  const handler = instrumentHandler('test', () => () => new Promise<never>(() => undefined), {
    timeoutEarlyMs: 100,
  });
  await expect(handler(undefined, lambdaContext(150))).rejects.toThrow(/aborted/);
  expect(written.metrics).toMatchObject({ Faults: 1 });
});

test('by default it is not ended', async () => {
  captureOutput();
  const later = () => new Promise<string>((resolve) => setTimeout(resolve, 30, 'done'));
  const handler = instrumentHandler('test', () => later);
  expect(await handler(undefined, lambdaContext(1))).toBe('done');
});
