import { afterEach, expect, test, vi } from 'vitest';
import { instrumentHandler } from '../../functions/handlers/middleware.ts';
import { suppressBouncedHandler } from '../../functions/handlers/suppress-bounced.ts';
import type { Suppression } from '../../functions/reporting/ports.ts';
import { captureOutput, lambdaContext } from './lambda-context.ts';

afterEach(() => {
  vi.restoreAllMocks();
});

const nowMs = Date.parse('2026-11-24T03:00:00Z');

/** As SES publishes it to EventBridge, with more than is read. */
function bounce(bounceType: string, ...bouncedRecipients: readonly object[]): object {
  return {
    version: '0',
    'detail-type': 'Email Bounced',
    source: 'aws.ses',
    detail: {
      eventType: 'Bounce',
      bounce: {
        feedbackId: '0100',
        bounceType,
        bounceSubType: 'General',
        bouncedRecipients,
        timestamp: '2026-11-24T03:00:00.000Z',
      },
      mail: { messageId: '0100', tags: { 'ses:configuration-set': ['reports'] } },
    },
  };
}

async function handle(event: unknown) {
  const kept: Suppression[] = [];
  const written = captureOutput();
  const run = instrumentHandler('suppress-bounced', (instruments) =>
    suppressBouncedHandler(
      { extend: async (one) => void kept.push(one) },
      () => nowMs,
      instruments,
    ),
  );
  return { kept, written, outcome: run(event, lambdaContext()) };
}

test('an address that a report came back from for good is left alone', async () => {
  const { kept, written, outcome } = await handle(
    bounce(
      'Permanent',
      {
        emailAddress: 'r@A.example',
        action: 'failed',
        status: '5.1.1',
        diagnosticCode: 'smtp; 550 5.1.1\nno such \u001b[31muser',
      },
      { emailAddress: 'MAILER-DAEMON' },
    ),
  );
  expect(await outcome).toEqual({ suppressed: 1 });
  expect(kept).toEqual([
    {
      uri: 'mailto:r@a.example',
      reason: 'smtp; 550 5.1.1?no such ?[31muser',
      author: 'bounce',
      expires: '2026-12-24T03:00:00.000Z',
      addedAtMs: nowMs,
    },
  ]);
  expect(written.metrics).toMatchObject({ ReportsBounced: 1 });
});

test.each(['Transient', 'Undetermined'])('a bounce that is %s changes nothing', async (type) => {
  const { kept, outcome } = await handle(bounce(type, { emailAddress: 'r@a.example' }));
  expect(await outcome).toEqual({ suppressed: 0 });
  expect(kept).toEqual([]);
});

test('an event that is none is a fault', async () => {
  const { outcome } = await handle({ detail: {} });
  await expect(outcome).rejects.toThrow();
});
