/** The daily look at received TLS reports: who fell silent, and where too many sessions fail. */
import { MetricUnit } from '@aws-lambda-powertools/metrics';
import { dynamoDbClient } from '../adapters/aws/aws-clients.ts';
import { createReceivedReports } from '../adapters/aws/received-reports.ts';
import {
  type CheckReportsOptions,
  checkReports,
  domainsToCheck,
  type ReportAlarm,
} from '../reporting/check-reports.ts';
import { type Instruments, instrumentHandler, type LambdaHandler } from './middleware.ts';
import { readCheckReportsEnvironment } from './read-environment.ts';

export interface CheckParts extends Omit<CheckReportsOptions, 'nowMs' | 'announce'> {
  readonly now: () => number;
}

const alarmMetrics = {
  'reporter-silent': 'ReportersSilent',
  'domain-silent': 'ReportedDomainsSilent',
  'failures-above-share': 'ReportedFailuresAboveShare',
} as const;

/** Binds the handler to its parts. Each metric is written each day, so that an alarm on it ends. */
export function checkReportsHandler(
  parts: CheckParts,
  { logger, metrics }: Instruments,
): LambdaHandler<unknown, readonly ReportAlarm[]> {
  const announce = (alarms: readonly ReportAlarm[]): void => {
    for (const [kind, name] of Object.entries(alarmMetrics)) {
      const found = alarms.filter((alarm) => alarm.kind === kind).length;
      metrics.addMetric(name, MetricUnit.Count, found);
    }
    // At once: what is told is noted, and not told again.
    metrics.publishStoredMetrics();
    for (const alarm of alarms) {
      logger.warn('Received TLS reports are not as they were', { ...alarm });
    }
  };
  return () => checkReports({ ...parts, announce, nowMs: parts.now() });
}

export const handler: LambdaHandler<unknown, readonly ReportAlarm[]> = instrumentHandler(
  'check-reports',
  (instruments) => {
    const environment = readCheckReportsEnvironment(process.env);
    const inbox = environment.SEALPOST_REPORT_INBOX;
    const reports = createReceivedReports({
      client: dynamoDbClient(),
      tableName: environment.SEALPOST_REPORT_TABLE,
    });
    const parts: CheckParts = {
      reader: reports,
      memory: reports,
      domains: domainsToCheck(inbox),
      failurePercentMax: inbox.failurePercentMax,
      now: Date.now,
    };
    return checkReportsHandler(parts, instruments);
  },
);
