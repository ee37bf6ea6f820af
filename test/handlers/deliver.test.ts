import type { SQSEvent } from 'aws-lambda';
import { afterEach, expect, test, vi } from 'vitest';
import type { QueueRecord } from '../../functions/delivery/deliver-batch.ts';
import { deliveryHandler } from '../../functions/handlers/deliver.ts';
import { createDeliveryObserver } from '../../functions/handlers/delivery-events.ts';
import { instrumentHandler } from '../../functions/handlers/middleware.ts';
import type { SessionRecorder } from '../../functions/reporting/record-sessions.ts';
import { createHarness, record } from '../delivery/harness.ts';
import { captureOutput, lambdaContext } from './lambda-context.ts';

afterEach(() => {
  vi.restoreAllMocks();
});

function sqsEvent(...records: QueueRecord[]): SQSEvent {
  return {
    Records: records.map(({ messageId, receiptHandle, body, sentAtMs }) => ({
      messageId,
      receiptHandle,
      body,
      attributes: {
        ApproximateReceiveCount: '1',
        SentTimestamp: String(sentAtMs),
        SenderId: 'me',
        ApproximateFirstReceiveTimestamp: String(sentAtMs),
      },
      messageAttributes: {},
      md5OfBody: '',
      eventSource: 'aws:sqs',
      eventSourceARN: 'arn:aws:sqs:eu-west-1:111122223333:queue',
      awsRegion: 'eu-west-1',
    })),
  };
}

const idOf = ({ body }: QueueRecord): string => JSON.parse(body).id;

const quarterHour = lambdaContext(15 * 60_000);

test('a batch without a fault leaves the queue whole', async () => {
  const harness = createHarness();
  const handle = deliveryHandler(harness.parts);
  await expect(handle(sqsEvent(record(), record()), quarterHour)).resolves.toEqual({
    batchItemFailures: [],
  });
  expect(harness.sent).toHaveLength(2);
});

test('a record that a fault of ours struck is handed back by its message id, and no other', async () => {
  const harness = createHarness();
  harness.stores.fail('settle', 'before');
  const struck = record();
  const handle = deliveryHandler(harness.parts);
  await expect(handle(sqsEvent(struck, record()), quarterHour)).resolves.toEqual({
    batchItemFailures: [{ itemIdentifier: struck.messageId }],
  });
});

test('an id that is missing is derived from SQS, the same at every redelivery', async () => {
  const harness = createHarness();
  const anonymous = record({ id: undefined });
  const handle = deliveryHandler(harness.parts);
  await handle(sqsEvent(anonymous), quarterHour);
  await handle(sqsEvent(anonymous), quarterHour);
  expect(harness.sent).toHaveLength(1);
});

test('sessions are recorded, and written down when every message is settled', async () => {
  const harness = createHarness();
  const steps: string[] = [];
  const deadlines: number[] = [];
  const recorder: SessionRecorder = {
    record: ({ domain, failure }) => steps.push(`${domain} ${failure?.sendingMtaIp}`),
    flush: async (deadlineMs) => {
      deadlines.push(deadlineMs - harness.nowMs);
      const state = (await harness.stores.messages.readDelivery(idOf(one), 'rcpt.example'))?.state;
      steps.push(`flush: ${state}`);
    },
  };
  const one = record();
  const reporting = { recorder, sendingMtaIp: '198.51.100.7' };
  await deliveryHandler({ ...harness.parts, reporting })(sqsEvent(one), quarterHour);
  expect(steps).toEqual(['rcpt.example 198.51.100.7', 'flush: finished']);
  // Not a quarter of an hour, in which this function could deliver.
  expect(deadlines).toEqual([20_000]);
});

test('a function with too little time says so instead of turning messages round in circles', async () => {
  const harness = createHarness();
  await expect(
    deliveryHandler(harness.parts)(sqsEvent(record()), lambdaContext(10 * 60_000)),
  ).rejects.toMatchObject({ code: 'settings-invalid' });
  expect(harness.stores.calls).toEqual([]);
});

test('what happens is measured, and no body or credential is logged', async () => {
  const written = captureOutput();
  const handle = instrumentHandler('deliver', (instruments) => async () => {
    const observe = createDeliveryObserver(instruments);
    observe({ kind: 'recipients', outcome: 'delivered', count: 3 });
    observe({ kind: 'recipients', outcome: 'deferred', count: 2 });
    observe({ kind: 'recipients', outcome: 'failed', count: 1 });
    observe({ kind: 'violation-prevented', code: 'certificate-expired', domain: 'x.example' });
    observe({ kind: 'attempt', seconds: 1.5 });
    observe({ kind: 'dead-letter', reason: 'not JSON' });
    observe({ kind: 'fault', error: new Error('throttled') });
  });
  await handle({}, lambdaContext());
  expect(written.metrics).toMatchObject({
    RecipientsDelivered: 3,
    RecipientsDeferred: 2,
    RecipientsFailed: 1,
    ViolationsPrevented: 1,
    'ViolationsPrevented-certificate-expired': 1,
    AttemptSeconds: 1.5,
    DeadLetters: 1,
    Faults: 1,
  });
  const messages = written.lines.map((line) => line['message']).filter(Boolean);
  expect(messages).toEqual([
    'A host did not show what is demanded',
    'A record went to the dead-letter queue',
    'A fault of ours',
  ]);
});
