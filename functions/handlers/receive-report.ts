/**
 * TLS reports that came in (RFC 8460 §5): SES, or the function behind `POST /tlsrpt`, put each into the bucket, and
 * EventBridge tells of it through a queue.
 *
 * What a stranger sent never keeps a record in the queue: it is read a few times at the most, and then kept unread.
 */
import { MetricUnit } from '@aws-lambda-powertools/metrics';
import type { SQSBatchResponse, SQSEvent, SQSRecord } from 'aws-lambda';
import * as z from 'zod';
import { dynamoDbClient, s3Client } from '../adapters/aws/aws-clients.ts';
import { createReceivedReports, readRawReport } from '../adapters/aws/received-reports.ts';
import { createSignatureCheck } from '../adapters/net/check-signatures.ts';
import { createNetworkResolver } from '../adapters/net/network-resolver.ts';
import { mailBytesMax } from '../reporting/find-report.ts';
import type { FailureSighting, ReceiptEvent } from '../reporting/receive-ports.ts';
import {
  type Arrival,
  type ReceivePorts,
  receivePoison,
  receiveReport,
} from '../reporting/receive-report.ts';
import { type Instruments, instrumentHandler, type LambdaHandler } from './middleware.ts';
import { readReceiveReportEnvironment } from './read-environment.ts';

/** What stays the same from event to event. */
export interface ReceiveParts extends Omit<ReceivePorts, 'deadlineMs' | 'announce'> {
  /** The object; its size alone where it is too large; undefined where it is gone. */
  readonly readRaw: (key: string) => Promise<Uint8Array | { readonly bytes: number } | undefined>;
  readonly now: () => number;
}

/** Receipts of a record from the queue, one in 12 minutes: from then on what DNS does not say is done without. */
const lastTry = 4;

/**
 * So many receipts and no receipt written: the process dies of it, or runs out of time. A table that fails for an hour and
 * a half costs as many, and must not cost the report. The queue allows more (lib/report-inbox-stack.ts).
 */
const triesMax = 8;

/** Left over for the writes. */
const marginMs = 15_000;

/** SES puts this where a rule is made. */
const setupNotice = 'AMAZON_SES_SETUP_NOTIFICATION';

const eventSchema = z.object({
  time: z.iso.datetime(),
  detail: z.object({ object: z.object({ key: z.string().min(1) }) }),
});

/** Binds the handler to its parts. */
export function receiveReportHandler(
  parts: ReceiveParts,
  instruments: Instruments,
): LambdaHandler<SQSEvent, SQSBatchResponse> {
  return async ({ Records: records }, context) => {
    const deadlineMs = parts.now() + context.getRemainingTimeInMillis() - marginMs;
    const announce = (failures: readonly FailureSighting[]): void =>
      announceFailures(failures, instruments);
    const failed: string[] = [];
    for (const record of records) {
      try {
        const event = await receiveRecord(record, { ...parts, deadlineMs, announce }, instruments);
        if (event !== undefined) {
          recordReceipt(event, instruments);
        }
      } catch (error) {
        // A table or DNS: SQS hands this record out again, and none of the others.
        instruments.logger.error('A report could not be received now', { error });
        instruments.metrics.addMetric('ReportReceiptsPutOff', MetricUnit.Count, 1);
        failed.push(record.messageId);
      }
    }
    return { batchItemFailures: failed.map((itemIdentifier) => ({ itemIdentifier })) };
  };
}

async function receiveRecord(
  { body, attributes }: SQSRecord,
  parts: ReceiveParts & ReceivePorts,
  { logger }: Instruments,
): Promise<ReceiptEvent | undefined> {
  const place = readEvent(body);
  if (place === undefined) {
    logger.error('The queue of received reports has a record that is not of EventBridge', { body });
    return undefined;
  }
  const receives = Number(attributes.ApproximateReceiveCount);
  if (place.rawKey.endsWith(setupNotice)) {
    return undefined;
  }
  if (receives > triesMax) {
    return receivePoison(place, parts);
  }
  const raw = await parts.readRaw(place.rawKey);
  if (raw === undefined) {
    logger.warn('A received report is gone', { key: place.rawKey });
    return undefined;
  }
  if ('bytes' in raw) {
    return receivePoison(place, parts, `${raw.bytes} octets, ${mailBytesMax} are read`);
  }
  return receiveReport({ ...place, octets: raw, isLastTry: receives >= lastTry }, parts);
}

/** Undefined for what EventBridge did not write. */
function readEvent(body: string): Omit<Arrival, 'octets' | 'isLastTry'> | undefined {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    return undefined;
  }
  const parsed = eventSchema.safeParse(value);
  if (!parsed.success) {
    return undefined;
  }
  const { time, detail } = parsed.data;
  const rawKey = detail.object.key;
  const way = rawKey.startsWith('received/https/') ? 'https' : 'mail';
  return { way, rawKey, receivedAtMs: Date.parse(time) };
}

const stateMetrics = {
  counted: 'ReportsCounted',
  unverified: 'ReportsUnverified',
  foreign: 'ReportsForeign',
  untimely: 'ReportsUntimely',
  unreadable: 'ReportsUnreadable',
} as const;

function recordReceipt(
  { receipt, outcome, sums }: ReceiptEvent,
  { logger, metrics }: Instruments,
): void {
  const count = (name: string, value: number): void =>
    void metrics.addMetric(name, MetricUnit.Count, value);
  const { id, state, way, reason, deviations, summary } = receipt;
  logger.info('A TLS report came', { id, state, way, reason, outcome, deviations, ...summary });
  if (outcome === 'again') {
    // SQS, EventBridge and S3 tell of one object more than once.
    return;
  }
  count(outcome === 'duplicate' ? 'ReportsRepeated' : stateMetrics[state], 1);
  // What nobody signed is in no metric that somebody may be woken by.
  const policies = sums.filter((each) => each.way === 'mail').flatMap((each) => each.policies);
  if (policies.length > 0) {
    count(
      'ReportedSuccesses',
      policies.reduce((sum, { successes }) => sum + successes, 0),
    );
    count(
      'ReportedFailures',
      policies.reduce((sum, { failures }) => sum + failures, 0),
    );
  }
}

/** Written out at once: receiving goes on from here as if the operator had been told. */
function announceFailures(
  failures: readonly FailureSighting[],
  { logger, metrics }: Instruments,
): void {
  metrics.addMetric('ReportedFailuresNew', MetricUnit.Count, failures.length);
  metrics.publishStoredMetrics();
  for (const { domain, resultType, id } of failures) {
    logger.warn('Sessions of others fail in a new way', { domain, resultType, report: id });
  }
}

export const handler: LambdaHandler<SQSEvent, SQSBatchResponse> = instrumentHandler(
  'receive-report',
  (instruments) => {
    const environment = readReceiveReportEnvironment(process.env);
    const now = Date.now;
    const resolver = createNetworkResolver(environment.SEALPOST_NETWORK, { now });
    const raw = { client: s3Client(), bucket: environment.SEALPOST_REPORT_BUCKET };
    const parts: ReceiveParts = {
      store: createReceivedReports({
        client: dynamoDbClient(),
        tableName: environment.SEALPOST_REPORT_TABLE,
      }),
      checkSignatures: createSignatureCheck(resolver),
      own: environment.SEALPOST_REPORT_INBOX,
      readRaw: (key) => readRawReport(raw, key, mailBytesMax),
      now,
    };
    return receiveReportHandler(parts, instruments);
  },
);
