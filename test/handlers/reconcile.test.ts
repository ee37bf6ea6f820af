import { afterEach, expect, test, vi } from 'vitest';
import { instrumentHandler } from '../../functions/handlers/middleware.ts';
import { reconcileHandler } from '../../functions/handlers/reconcile.ts';
import { TransportSecurityError } from '../../functions/protocol/errors.ts';
import { noonMs } from '../delivery/port-fixtures.ts';
import { storedException } from '../operating/control-store-contract.ts';
import { captureOutput, lambdaContext } from './lambda-context.ts';

afterEach(() => {
  vi.restoreAllMocks();
});

test('counts what it put in again, what it could not read, and exceptions about to end', async () => {
  const written = captureOutput();
  const handle = instrumentHandler('reconcile', (instruments) =>
    reconcileHandler(
      {
        now: () => noonMs,
        waiting: {
          shards: 1,
          readWaiting: async () => [
            {
              id: 'm-1',
              domain: 'example.org',
              mailFrom: '',
              attempt: 1,
              submittedAtMs: noonMs,
              nextDueAtMs: 0,
            },
          ],
        },
        readDelivery: async () => {
          throw new TransportSecurityError('store-damaged', 'attribute recipients');
        },
        retries: { put: async () => {} },
        readExceptions: async () =>
          [1, 2, 4].map((days) =>
            storedException({ expires: new Date(noonMs + days * 86_400_000).toISOString() }),
          ),
      },
      instruments,
    ),
  );
  expect(await handle({}, lambdaContext())).toEqual({ overdue: 0, failed: 1 });
  expect(written.metrics).toMatchObject({
    service: 'reconcile',
    RetriesOverdue: 0,
    Faults: 1,
    ExceptionsExpiring: 2,
  });
});
