/** The recorder of TLS sessions as functions have it: results in the report table, what becomes of them in metrics. */
import { randomUUID } from 'node:crypto';
import { MetricUnit } from '@aws-lambda-powertools/metrics';
import { dynamoDbClient } from '../adapters/aws/aws-clients.ts';
import { createReportResults } from '../adapters/aws/report-results.ts';
import type { Resolver } from '../protocol/dns/answer.ts';
import { createRecordLookup } from '../reporting/look-up-record.ts';
import type { RecordingEvent } from '../reporting/ports.ts';
import { createSessionRecorder, type SessionRecorder } from '../reporting/record-sessions.ts';
import type { Instruments } from './middleware.ts';

export interface RecorderParts {
  readonly tableName: string;
  readonly resolver: Resolver;
  readonly now: () => number;
}

/** Makes the recorder of a function; one for the life of a process. */
export function createTableRecorder(
  { tableName, resolver, now }: RecorderParts,
  instruments: Instruments,
): SessionRecorder {
  return createSessionRecorder({
    store: createReportResults({ client: dynamoDbClient(), tableName }),
    lookUpRecord: createRecordLookup({ resolver, now }),
    idOf: () => randomUUID(),
    observe: createRecordingObserver(instruments),
  });
}

/** Turns what recording tells into metrics. Lost results cost a report some accuracy, and no message anything. */
export function createRecordingObserver({
  logger,
  metrics,
}: Instruments): (event: RecordingEvent) => void {
  return (event) => {
    switch (event.kind) {
      case 'results-written':
        metrics.addMetric('SessionResultsWritten', MetricUnit.Count, event.items);
        return;
      case 'results-lost':
        metrics.addMetric('SessionsNotRecorded', MetricUnit.Count, event.sessions);
        logger.error('Results of TLS sessions could not be written down', { ...event });
    }
  };
}
