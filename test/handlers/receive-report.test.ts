/** The three functions of received TLS reports: one takes them, one lets them in by HTTPS, one looks once a day. */
import { gzipSync } from 'node:zlib';
import type { SQSBatchResponse, SQSEvent } from 'aws-lambda';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { createSignatureCheck } from '../../functions/adapters/net/check-signatures.ts';
import { checkReportsHandler } from '../../functions/handlers/check-reports.ts';
import { routesHandler } from '../../functions/handlers/http-answer.ts';
import { instrumentHandler } from '../../functions/handlers/middleware.ts';
import { postReportRoutes } from '../../functions/handlers/post-report.ts';
import { receiveReportHandler } from '../../functions/handlers/receive-report.ts';
import { companyXLately } from '../protocol/tlsrpt/received-samples.ts';
import { createMemoryReceipts, type MemoryReceipts } from '../reporting/memory-receipts.ts';
import { keyOf, keyRecords, mailOf, resolverOf, signed } from '../reporting/report-mails.ts';
import { httpEvent } from './http-event.ts';
import { captureOutput, lambdaContext, type WrittenLines } from './lambda-context.ts';

afterEach(() => {
  vi.restoreAllMocks();
});

const nowMs = Date.parse('2026-11-24T03:00:00Z');
const own = { domains: ['company-y.example'], mxHosts: [] };
const org = keyOf('org.example');
const report = { ...companyXLately, 'contact-info': 'tls@org.example' };

function recordOf(key: string, receives: number): SQSEvent['Records'][number] {
  return {
    messageId: key,
    receiptHandle: 'handle',
    body: JSON.stringify({
      version: '0',
      source: 'aws.s3',
      'detail-type': 'Object Created',
      time: '2026-11-24T02:00:00Z',
      detail: { bucket: { name: 'reports' }, object: { key, size: 1 } },
    }),
    attributes: {
      ApproximateReceiveCount: String(receives),
      SentTimestamp: '0',
      SenderId: 'x',
      ApproximateFirstReceiveTimestamp: '0',
    },
    messageAttributes: {},
    md5OfBody: '',
    eventSource: 'aws:sqs',
    eventSourceARN: 'arn',
    awsRegion: 'eu-west-1',
  };
}

interface Ran {
  readonly store: MemoryReceipts;
  readonly written: WrittenLines;
  readonly answer: SQSBatchResponse;
}

async function receive(
  objects: Readonly<Record<string, Uint8Array | { readonly bytes: number }>>,
  records: SQSEvent['Records'],
  {
    failing = [],
    isDown = false,
    store = createMemoryReceipts(),
    over = () => ({}),
  }: {
    readonly failing?: readonly string[];
    readonly isDown?: boolean;
    readonly store?: MemoryReceipts;
    /** Methods that do otherwise, and what was written until then. */
    readonly over?: (written: WrittenLines) => Partial<MemoryReceipts>;
  } = {},
): Promise<Ran> {
  const resolver = resolverOf(keyRecords([org]), failing);
  const written = captureOutput();
  const handle = instrumentHandler<SQSEvent, SQSBatchResponse>('receive-report', (instruments) =>
    receiveReportHandler(
      {
        store: isDown
          ? { ...store, keep: () => Promise.reject(new Error('down')) }
          : { ...store, ...over(written) },
        checkSignatures: createSignatureCheck(resolver),
        own,
        readRaw: async (key) => objects[key],
        now: () => nowMs,
      },
      instruments,
    ),
  );
  return { store, written, answer: await handle({ Records: records }, lambdaContext()) };
}

describe('what the queue tells of', () => {
  const mail = signed(mailOf(report), org);

  test('is received, and counted in metrics', async () => {
    const { store, written, answer } = await receive({ 'received/mail/1': mail }, [
      recordOf('received/mail/1', 1),
    ]);
    expect(answer).toEqual({ batchItemFailures: [] });
    expect([...store.receipts.values()]).toMatchObject([
      {
        state: 'counted',
        way: 'mail',
        rawKey: 'received/mail/1',
        receivedAtMs: Date.parse('2026-11-24T02:00:00Z'),
      },
    ]);
    expect(written.metrics).toMatchObject({
      ReportsCounted: 1,
      ReportedSuccesses: 5_326,
      ReportedFailures: 303,
      ReportedFailuresNew: 3,
    });
  });

  test('told of again, it is in no metric again', async () => {
    const record = recordOf('received/mail/1', 1);
    const { store } = await receive({ 'received/mail/1': mail }, [record]);
    vi.restoreAllMocks();
    const { written, answer } = await receive({ 'received/mail/1': mail }, [record], { store });
    expect(answer).toEqual({ batchItemFailures: [] });
    expect(written.metrics).toEqual({});
  });

  test('what is new is written out before the report is settled', async () => {
    const atSettling: unknown[] = [];
    const over = (written: WrittenLines): Partial<MemoryReceipts> => ({
      settle: async () => {
        atSettling.push(written.metrics);
        throw new Error('the process died');
      },
    });
    const objects = { 'received/mail/1': mail };
    const { answer } = await receive(objects, [recordOf('received/mail/1', 1)], { over });
    expect(answer.batchItemFailures.length).toBe(1);
    expect(atSettling).toMatchObject([{ ReportedFailuresNew: 3 }]);
  });

  test('by HTTPS is counted apart, and wakes nobody', async () => {
    const posted = gzipSync(JSON.stringify(report));
    const { store, written } = await receive({ 'received/https/d/1': posted }, [
      recordOf('received/https/d/1', 1),
    ]);
    expect([...store.sums.values()]).toMatchObject([{ way: 'https' }]);
    expect(written.metrics).toMatchObject({ ReportsCounted: 1 });
    expect(Object.keys(written.metrics)).not.toContain('ReportedFailures');
  });

  test('one that cannot be received now does not hold up the others', async () => {
    const other = keyOf('slow.example');
    const slow = signed(mailOf({ ...report, 'contact-info': 'tls@slow.example' }), other);
    const { store, answer, written } = await receive(
      { 'received/mail/1': slow, 'received/mail/2': mail },
      [recordOf('received/mail/1', 1), recordOf('received/mail/2', 1)],
      { failing: ['r._domainkey.slow.example'] },
    );
    expect(answer).toEqual({ batchItemFailures: [{ itemIdentifier: 'received/mail/1' }] });
    expect(store.receipts.size).toBe(1);
    expect(written.metrics).toMatchObject({ ReportReceiptsPutOff: 1 });
  });

  test.each([
    ['DNS that never answers', mail, 4, 'unverified'],
    ['what no try survived', mail, 9, 'unreadable'],
    ['what waited for a table to come back', mail, 8, 'unverified'],
    ['an object too large', { bytes: 40_000_000 }, 1, 'unreadable'],
    ['rubbish', Buffer.from('rubbish'), 1, 'unreadable'],
  ])('%s is let go, with a receipt', async (_what, object, receives, state) => {
    const { store, answer, written } = await receive(
      { 'received/mail/1': object },
      [recordOf('received/mail/1', receives)],
      { failing: ['r._domainkey.org.example'] },
    );
    expect(answer).toEqual({ batchItemFailures: [] });
    expect([...store.receipts.values()]).toMatchObject([{ state }]);
    expect(written.metrics).toMatchObject({
      [state === 'unverified' ? 'ReportsUnverified' : 'ReportsUnreadable']: 1,
    });
  });

  test.each([
    ['an object that is gone', recordOf('received/mail/9', 1)],
    [
      'the notice that SES puts where a rule is made',
      recordOf('received/mail/AMAZON_SES_SETUP_NOTIFICATION', 1),
    ],
    ['a record that EventBridge did not write', { ...recordOf('x', 1), body: 'hello' }],
    ['a record of something else', { ...recordOf('x', 1), body: '{"time":1}' }],
  ])('%s is let go', async (_what, record) => {
    const { store, answer } = await receive({}, [record]);
    expect(answer).toEqual({ batchItemFailures: [] });
    expect(store.receipts.size).toBe(0);
  });

  test('a table that is down is a fault of ours: again', async () => {
    const { answer } = await receive(
      { 'received/mail/1': mail },
      [recordOf('received/mail/1', 9)],
      {
        isDown: true,
      },
    );
    expect(answer.batchItemFailures.length).toBe(1);
  });
});

describe('POST /tlsrpt', () => {
  async function post(
    body: Uint8Array,
  ): Promise<{ status: unknown; kept: string[]; answer: unknown }> {
    const kept: string[] = [];
    captureOutput();
    const handle = instrumentHandler('post-report', (instruments) =>
      routesHandler(
        postReportRoutes({ own, put: async (key) => void kept.push(key), now: () => nowMs }),
        instruments,
      ),
    );
    const answer = await handle(httpEvent('POST /tlsrpt', { body }), lambdaContext());
    return { status: answer.statusCode, kept, answer: JSON.parse(answer.body ?? '') };
  }

  test.each([
    ['compressed', gzipSync(JSON.stringify(report))],
    ['plain', Buffer.from(JSON.stringify(report))],
  ])('a report, %s, is kept, the same twice at one place', async (_what, body) => {
    const first = await post(body);
    expect(first.status).toBe(200);
    expect(first.kept).toEqual([
      expect.stringMatching(/^received\/https\/2026-11-24\/[0-9a-f]{64}$/),
    ]);
    expect((await post(body)).kept).toEqual(first.kept);
  });

  const [policy] = companyXLately.policies;
  const foreign = {
    ...report,
    policies: [{ ...policy, policy: { ...policy.policy, 'policy-domain': 'other.example' } }],
  };
  test.each([
    ['too large', Buffer.alloc(1_048_577, ' '), 413, 'report-too-large'],
    ['a bomb', gzipSync(Buffer.alloc(100_000_000)), 400, 'report-unreadable'],
    ['no report', Buffer.from('hello'), 400, 'report-unreadable'],
    ['nothing', Buffer.alloc(0), 400, 'report-unreadable'],
    ['about others', Buffer.from(JSON.stringify(foreign)), 422, 'report-foreign'],
  ])('%s: refused, and takes no room', async (_what, body, status, code) => {
    expect(await post(body)).toMatchObject({ status, kept: [], answer: { code } });
  });
});

test('the daily look writes each of its metrics, zero too', async () => {
  const written = captureOutput();
  const reader = createMemoryReceipts();
  const atNoting: unknown[] = [];
  const noteShare: MemoryReceipts['noteShare'] = async () => void atNoting.push(written.metrics);
  const handle = instrumentHandler('check-reports', (instruments) =>
    checkReportsHandler(
      {
        reader,
        memory: { ...reader, noteShare },
        domains: own.domains,
        failurePercentMax: 5,
        now: () => nowMs,
      },
      instruments,
    ),
  );
  await reader.writeSums([
    {
      id: '1',
      domain: 'company-y.example',
      day: '2026-11-22',
      reporter: 'org.example',
      organization: 'Org',
      way: 'mail',
      policies: [{ type: 'sts', mxHosts: [], successes: 1, failures: 1 }],
      failures: [],
    },
  ]);
  expect(await handle({}, lambdaContext())).toMatchObject([{ kind: 'failures-above-share' }]);
  expect(written.metrics).toMatchObject({
    ReportersSilent: 0,
    ReportedDomainsSilent: 0,
    ReportedFailuresAboveShare: 1,
  });
  expect(atNoting).toMatchObject([{ ReportedFailuresAboveShare: 1 }]);
});
