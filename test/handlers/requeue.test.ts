import { afterEach, expect, test, vi } from 'vitest';
import { instrumentHandler } from '../../functions/handlers/middleware.ts';
import { requeueHandler } from '../../functions/handlers/requeue.ts';
import { createMemoryPorts } from '../delivery/memory-ports.ts';
import { minuteMs, noonMs, preparedMessage } from '../delivery/port-fixtures.ts';
import { captureOutput, lambdaContext } from './lambda-context.ts';

afterEach(() => {
  vi.restoreAllMocks();
});

const next = preparedMessage({ attempt: 2 });
const elsewhere = preparedMessage({
  id: 'm-2',
  attempt: 2,
  prepared: { ...next.prepared, domain: 'example.net' },
});

async function run(remainingMs: number, fail: boolean = false) {
  const stores = createMemoryPorts(() => noonMs);
  await stores.retries.put(next, noonMs + 2 * minuteMs);
  await stores.retries.put(elsewhere, noonMs + 240 * minuteMs, 'example.net');
  await stores.backoffs.prolong('example.net', noonMs + 5 * minuteMs, noonMs);
  if (fail) {
    stores.fail('readDrainedMs', 'before');
  }
  const written = captureOutput();
  const nowMs = noonMs + 6 * minuteMs;
  const handle = instrumentHandler('requeue', (instruments) =>
    requeueHandler({ ...stores, now: () => nowMs, random: () => 0 }, instruments),
  );
  return { stores, written, outcome: handle({}, lambdaContext(remainingMs)) };
}

test('sends what is due and a probe, and says how it stands', async () => {
  const { stores, written, outcome } = await run(minuteMs);
  expect(await outcome).toEqual({ sent: 2, backoffs: 1, oldestSeconds: 240, isDrained: true });
  expect(stores.sent).toEqual(expect.arrayContaining([next, elsewhere]));
  expect(written.metrics).toMatchObject({
    service: 'requeue',
    RetriesRequeued: 2,
    BackoffDomains: 1,
    OldestRetrySeconds: 240,
  });
});

test('begins nothing that it could not end', async () => {
  const { stores, outcome } = await run(15_000);
  expect(await outcome).toMatchObject({ sent: 0, isDrained: false });
  expect(stores.sent).toEqual([]);
});

test('a failure of one half is a fault, and the other half is done', async () => {
  const { stores, written, outcome } = await run(minuteMs, true);
  await expect(outcome).rejects.toMatchObject({ code: 'store-unavailable' });
  expect(stores.sent).toEqual([elsewhere]);
  expect(written.metrics).toMatchObject({ Faults: 1 });
});
