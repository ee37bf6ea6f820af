/**
 * The sending of TLS reports: one SQS record is the report of one domain about one day (RFC 8460 §5).
 *
 * A job that is not done yet stays on the queue, hidden until its next attempt.
 */
import { randomUUID } from 'node:crypto';
import { MetricUnit } from '@aws-lambda-powertools/metrics';
import type { SQSBatchResponse, SQSEvent, SQSRecord } from 'aws-lambda';
import {
  dynamoDbClient,
  s3Client,
  secretsManagerClient,
  sesClient,
  sqsClient,
} from '../adapters/aws/aws-clients.ts';
import { createDkimKeys } from '../adapters/aws/dkim-keys.ts';
import { createReportMailer } from '../adapters/aws/report-mailer.ts';
import { createReportQueue, parseReportJob } from '../adapters/aws/report-queue.ts';
import { createReportResults } from '../adapters/aws/report-results.ts';
import { createReportStates } from '../adapters/aws/report-states.ts';
import { createReportSuppressions } from '../adapters/aws/report-suppressions.ts';
import { createNetworkResolver } from '../adapters/net/network-resolver.ts';
import { createReportPoster } from '../adapters/net/post-report.ts';
import type { SendReportEnvironment } from '../environment.ts';
import { createRecordLookup } from '../reporting/look-up-record.ts';
import type { ReportQueue, SendReport } from '../reporting/ports.ts';
import { type JobOutcome, type SendPorts, sendDomainReport } from '../reporting/send-report.ts';
import { createSuppressions } from '../reporting/suppressions.ts';
import { type Instruments, instrumentHandler, type LambdaHandler } from './middleware.ts';
import { readSendReportEnvironment } from './read-environment.ts';

/** Kept back at the end of an invocation, for the attempt that is under way then, for settling and for metrics. */
const marginMs = 60_000;

const resultMetrics = {
  delivered: 'ReportsDelivered',
  unwanted: 'ReportsUnwanted',
  'given-up': 'ReportsGivenUp',
} as const;

export interface SendReportParts extends SendPorts {
  readonly queue: Pick<ReportQueue, 'hideUntil'>;
}

/** Binds the handler to its parts. */
export function sendReportHandler(
  parts: SendReportParts,
  instruments: Instruments,
): LambdaHandler<SQSEvent, SQSBatchResponse> {
  const { logger, metrics } = instruments;
  const ports = { ...parts, sendReport: observeAttempts(parts.sendReport, instruments) };
  /** False where the record must stay on the queue. */
  const settle = async (record: SQSRecord, deadlineMs: number): Promise<boolean> => {
    try {
      const job = parseReportJob(record.body);
      const outcome = await sendDomainReport(job, ports, deadlineMs);
      noteOutcome(outcome, instruments);
      if (outcome.kind === 'done') {
        logger.info('A report is done', { ...job, ...outcome });
        return true;
      }
      await parts.queue.hideUntil(record.receiptHandle, outcome.atMs, parts.now());
    } catch (error) {
      // It is received again when its time is over, and a report that was sent is not sent again but in doubt.
      metrics.addMetric('Faults', MetricUnit.Count, 1);
      logger.error('A fault of ours', { error: error as Error });
    }
    return false;
  };
  return async (event, context) => {
    const deadlineMs = parts.now() + context.getRemainingTimeInMillis() - marginMs;
    const settled = await Promise.all(event.Records.map((record) => settle(record, deadlineMs)));
    const kept = event.Records.filter((_, index) => settled[index] !== true);
    return { batchItemFailures: kept.map(({ messageId }) => ({ itemIdentifier: messageId })) };
  };
}

function noteOutcome(outcome: JobOutcome, { metrics }: Instruments): void {
  const name = outcome.kind === 'later' ? 'ReportsPutOff' : resultMetrics[outcome.result];
  metrics.addMetric(name, MetricUnit.Count, 1);
}

/** An attempt that failed is told of with the destination: its owner may have to be told. */
function observeAttempts(sendReport: SendReport, { logger, metrics }: Instruments): SendReport {
  return async (destination, report, deadlineMs) => {
    const outcome = await sendReport(destination, report, deadlineMs);
    if (outcome.kind !== 'delivered') {
      const { policyDomain: domain, reportId } = report;
      metrics.addMetric('ReportAttemptsFailed', MetricUnit.Count, 1);
      logger.warn('A report was not taken', {
        ...outcome,
        uri: destination.uri.slice(0, 200),
        domain,
        reportId,
      });
    }
    return outcome;
  };
}

export const handler: LambdaHandler<SQSEvent, SQSBatchResponse> = instrumentHandler(
  'send-report',
  (instruments) =>
    sendReportHandler(createParts(readSendReportEnvironment(process.env)), instruments),
);

function createParts(environment: SendReportEnvironment): SendReportParts {
  const { SEALPOST_NETWORK: network, SEALPOST_REPORTS: settings } = environment;
  const now = Date.now;
  const resolver = createNetworkResolver(network, { now });
  const table = { client: dynamoDbClient(), tableName: environment.SEALPOST_REPORT_TABLE };
  const postReport = createReportPoster({ resolver, network, now });
  const mailReport = createReportMailer({
    client: sesClient(),
    configurationSet: environment.SEALPOST_REPORT_CONFIGURATION_SET,
    from: settings.contactInfo,
    readKeys: createDkimKeys({
      client: secretsManagerClient(),
      keys: environment.SEALPOST_REPORT_DKIM_KEYS,
      now,
    }),
    now,
  });
  return {
    settings,
    now,
    newId: randomUUID,
    results: createReportResults(table),
    reports: createReportStates({
      ...table,
      s3: s3Client(),
      bucket: environment.SEALPOST_REPORT_BUCKET,
    }),
    suppressions: createSuppressions(createReportSuppressions(table)),
    lookUpRecord: createRecordLookup({ resolver, now }),
    sendReport: (destination, report, deadlineMs) =>
      destination.scheme === 'https'
        ? postReport(destination.uri, report, deadlineMs)
        : mailReport(destination.address, report),
    queue: createReportQueue({
      client: sqsClient(),
      queueUrl: environment.SEALPOST_REPORT_QUEUE_URL,
    }),
  };
}
