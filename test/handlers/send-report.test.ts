import type { SQSEvent } from 'aws-lambda';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { instrumentHandler } from '../../functions/handlers/middleware.ts';
import { type SendReportParts, sendReportHandler } from '../../functions/handlers/send-report.ts';
import {
  createMemoryDestinations,
  createMemoryReports,
  type MemoryDestinations,
  type MemoryReports,
} from '../reporting/memory-reports.ts';
import { captureOutput, lambdaContext } from './lambda-context.ts';

const nowMs = Date.parse('2026-11-24T01:00:00Z');
const day = '2026-11-23';

let stores: MemoryReports;
let world: MemoryDestinations;
let deadlines: number[];

beforeEach(() => {
  stores = createMemoryReports();
  world = createMemoryDestinations();
  deadlines = [];
});

afterEach(() => {
  vi.restoreAllMocks();
});

async function recorded(domain: string, rua: string): Promise<void> {
  const policy = { type: 'no-policy-found', domain, strings: [], mxHosts: [] } as const;
  await stores.results.write([
    {
      id: domain,
      day,
      domain,
      record: `v=TLSRPTv1; rua=${rua}`,
      policies: [{ policy, successes: 1, failures: 0, details: [] }],
    },
  ]);
}

function eventOf(...bodies: readonly string[]): SQSEvent {
  return {
    Records: bodies.map((body, index) => ({
      messageId: `id-${index}`,
      receiptHandle: `handle-${index}`,
      body,
      attributes: {
        ApproximateReceiveCount: '1',
        SentTimestamp: '0',
        SenderId: 'me',
        ApproximateFirstReceiveTimestamp: '0',
      },
      messageAttributes: {},
      md5OfBody: '',
      eventSource: 'aws:sqs',
      eventSourceARN: 'arn:aws:sqs:eu-west-1:111122223333:queue',
      awsRegion: 'eu-west-1',
    })),
  };
}

const jobOf = (domain: string): string => JSON.stringify({ day, domain });

function handle(event: SQSEvent, over: Partial<SendReportParts> = {}) {
  const parts: SendReportParts = {
    ...stores,
    suppressions: { active: async () => new Set() },
    lookUpRecord: async () => ({ kind: 'none', reason: 'no record' }),
    sendReport: (destination, report, deadlineMs) => {
      deadlines.push(deadlineMs);
      return world.send(destination, report);
    },
    settings: {
      organizationName: 'Example Ltd',
      contactInfo: 'tls@sender.example',
      onlyFailures: false,
      destinations: [],
    },
    now: () => nowMs,
    newId: () => '0123',
    ...over,
  };
  return instrumentHandler('send-report', (instruments) => sendReportHandler(parts, instruments))(
    event,
    lambdaContext(300_000),
  );
}

test('jobs that are done leave the queue; one to be tried again stays, hidden until then', async () => {
  await recorded('a.example', 'mailto:r@a.example');
  await recorded('b.example', 'mailto:r@b.example');
  world.answers.set('mailto:r@b.example', ['failed']);
  const written = captureOutput();
  const event = eventOf(jobOf('a.example'), jobOf('b.example'), jobOf('nobody.example'));
  expect(await handle(event)).toEqual({ batchItemFailures: [{ itemIdentifier: 'id-1' }] });
  expect(world.received.map(({ uri }) => uri)).toEqual(['mailto:r@a.example']);
  expect(stores.hidden).toEqual(new Map([['handle-1', nowMs + 15 * 60_000]]));
  expect(written.metrics).toMatchObject({
    ReportsDelivered: 1,
    ReportsPutOff: 1,
    ReportsUnwanted: 1,
    ReportAttemptsFailed: 1,
  });
  expect(written.lines).toContainEqual(
    expect.objectContaining({
      message: 'A report was not taken',
      uri: 'mailto:r@b.example',
      domain: 'b.example',
    }),
  );
});

test('attempts end while there is time left to settle them', async () => {
  await recorded('a.example', 'mailto:r@a.example');
  captureOutput();
  await handle(eventOf(jobOf('a.example')));
  expect(deadlines).toEqual([nowMs + 240_000]);
});

test('a fault, or a record that is no job, costs no other job anything and leaves the queue to SQS', async () => {
  await recorded('a.example', 'mailto:r@a.example');
  await recorded('b.example', 'mailto:r@b.example');
  const written = captureOutput();
  const reports: SendReportParts['reports'] = {
    ...stores.reports,
    claim: async (claimedDay, domain, leaseEndMs, atMs) => {
      if (domain === 'b.example') {
        throw new Error('down');
      }
      return stores.reports.claim(claimedDay, domain, leaseEndMs, atMs);
    },
  };
  const event = eventOf('{', jobOf('b.example'), jobOf('a.example'));
  expect(await handle(event, { reports })).toEqual({
    batchItemFailures: [{ itemIdentifier: 'id-0' }, { itemIdentifier: 'id-1' }],
  });
  expect(world.received).toHaveLength(1);
  expect(stores.hidden.size).toBe(0);
  expect(written.lines.filter(({ level }) => level === 'ERROR')).toHaveLength(2);
});
