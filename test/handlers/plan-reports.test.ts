import { afterEach, expect, test, vi } from 'vitest';
import { instrumentHandler } from '../../functions/handlers/middleware.ts';
import { planReportsHandler } from '../../functions/handlers/plan-reports.ts';
import { createMemoryReports } from '../reporting/memory-reports.ts';
import { captureOutput, lambdaContext } from './lambda-context.ts';

afterEach(() => {
  vi.restoreAllMocks();
});

test('plans the day that is over, whatever the event says, and tells how much', async () => {
  const stores = createMemoryReports();
  await stores.results.write([
    { id: '1', day: '2026-11-23', domain: 'a.example', policies: [] },
    { id: '2', day: '2026-11-24', domain: 'b.example', policies: [] },
  ]);
  const written = captureOutput();
  const now = () => Date.parse('2026-11-24T05:00:00Z');
  const handle = instrumentHandler('plan-reports', (instruments) =>
    planReportsHandler(stores, now, instruments),
  );
  expect(await handle({}, lambdaContext())).toEqual({ jobs: 1 });
  expect(stores.jobs).toMatchObject([{ job: { day: '2026-11-23', domain: 'a.example' } }]);
  expect(written.metrics).toMatchObject({ service: 'plan-reports', ReportsPlanned: 1 });
});
