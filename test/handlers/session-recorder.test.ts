/** What becomes of recorded sessions is told in metrics. */
import { afterEach, expect, test, vi } from 'vitest';
import { instrumentHandler } from '../../functions/handlers/middleware.ts';
import { createRecordingObserver } from '../../functions/handlers/session-recorder.ts';
import type { RecordingEvent } from '../../functions/reporting/ports.ts';
import { captureOutput, lambdaContext } from './lambda-context.ts';

afterEach(() => {
  vi.restoreAllMocks();
});

test.each<[RecordingEvent, Readonly<Record<string, number>>, number]>([
  [{ kind: 'results-written', items: 7 }, { SessionResultsWritten: 7 }, 0],
  [
    { kind: 'results-lost', sessions: 12, error: new Error('throttled') },
    { SessionsNotRecorded: 12 },
    1,
  ],
])('%j', async (event, metrics, errors) => {
  const written = captureOutput();
  const run = instrumentHandler('deliver', (instruments) => async () => {
    createRecordingObserver(instruments)(event);
  });
  await run({}, lambdaContext());
  expect(written.metrics).toMatchObject(metrics);
  expect(written.lines.filter(({ level }) => level === 'ERROR')).toHaveLength(errors);
});
