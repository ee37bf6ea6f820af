/** The planning of TLS reports, every quarter of an hour (RFC 8460 §4.1). */
import { MetricUnit } from '@aws-lambda-powertools/metrics';
import { dynamoDbClient, s3Client, sqsClient } from '../adapters/aws/aws-clients.ts';
import { createReportQueue } from '../adapters/aws/report-queue.ts';
import { createReportResults } from '../adapters/aws/report-results.ts';
import { createReportStates } from '../adapters/aws/report-states.ts';
import { type PlanPorts, planReports } from '../reporting/plan-reports.ts';
import { type Instruments, instrumentHandler, type LambdaHandler } from './middleware.ts';
import { readPlanReportsEnvironment } from './read-environment.ts';

export interface PlanReportsSummary {
  readonly jobs: number;
}

/** Binds the handler to its ports; whatever the event says, the reports that are due are planned. */
export function planReportsHandler(
  ports: PlanPorts,
  now: () => number,
  { logger, metrics }: Instruments,
): LambdaHandler<unknown, PlanReportsSummary> {
  return async () => {
    const jobs = await planReports(ports, now());
    metrics.addMetric('ReportsPlanned', MetricUnit.Count, jobs);
    logger.info('Reports planned', { jobs });
    return { jobs };
  };
}

export const handler: LambdaHandler<unknown, PlanReportsSummary> = instrumentHandler(
  'plan-reports',
  (instruments) => {
    const environment = readPlanReportsEnvironment(process.env);
    const table = { client: dynamoDbClient(), tableName: environment.SEALPOST_REPORT_TABLE };
    const ports: PlanPorts = {
      results: createReportResults(table),
      plans: createReportStates({
        ...table,
        s3: s3Client(),
        bucket: environment.SEALPOST_REPORT_BUCKET,
      }),
      queue: createReportQueue({
        client: sqsClient(),
        queueUrl: environment.SEALPOST_REPORT_QUEUE_URL,
      }),
    };
    return planReportsHandler(ports, Date.now, instruments);
  },
  { timeoutEarlyMs: 1_000 },
);
