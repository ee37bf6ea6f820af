/** Takes note of reports that came back for good, as SES tells through EventBridge: their addresses are left alone for a while. */
import { MetricUnit } from '@aws-lambda-powertools/metrics';
import * as z from 'zod';
import { dynamoDbClient } from '../adapters/aws/aws-clients.ts';
import { createReportSuppressions } from '../adapters/aws/report-suppressions.ts';
import { isMailbox } from '../protocol/smtp/mailbox.ts';
import type { SuppressionStore } from '../reporting/ports.ts';
import { suppressBounced } from '../reporting/suppressions.ts';
import { type Instruments, instrumentHandler, type LambdaHandler } from './middleware.ts';
import { readSuppressBouncedEnvironment } from './read-environment.ts';

/** What is kept of a peer's words. */
const reasonCharsMax = 300;

/** Of the event, what is needed; the rest is SES's to change. */
const eventSchema = z.object({
  detail: z.object({
    bounce: z.object({
      bounceType: z.string(),
      bouncedRecipients: z.array(
        z.object({ emailAddress: z.string(), diagnosticCode: z.string().optional() }),
      ),
    }),
  }),
});

export interface SuppressBouncedSummary {
  readonly suppressed: number;
}

/** Binds the handler to its store. A transient bounce changes nothing: SES tries on by itself. */
export function suppressBouncedHandler(
  store: Pick<SuppressionStore, 'extend'>,
  now: () => number,
  { logger, metrics }: Instruments,
): LambdaHandler<unknown, SuppressBouncedSummary> {
  return async (event) => {
    const { bounceType, bouncedRecipients } = eventSchema.parse(event).detail.bounce;
    const isForGood = bounceType === 'Permanent';
    const gone = bouncedRecipients.filter(
      ({ emailAddress }) => isForGood && isMailbox(emailAddress),
    );
    for (const { emailAddress, diagnosticCode } of gone) {
      const reason = toPrintable(diagnosticCode ?? 'returned without a reason');
      await suppressBounced(emailAddress, reason, { store, nowMs: now() });
      logger.warn('Reports to an address came back for good', { emailAddress, reason });
    }
    metrics.addMetric('ReportsBounced', MetricUnit.Count, gone.length);
    return { suppressed: gone.length };
  };
}

function toPrintable(text: string): string {
  return text.replace(/[^\x20-\x7e]+/g, '?').slice(0, reasonCharsMax);
}

export const handler: LambdaHandler<unknown, SuppressBouncedSummary> = instrumentHandler(
  'suppress-bounced',
  (instruments) => {
    const environment = readSuppressBouncedEnvironment(process.env);
    const store = createReportSuppressions({
      client: dynamoDbClient(),
      tableName: environment.SEALPOST_REPORT_TABLE,
    });
    return suppressBouncedHandler(store, Date.now, instruments);
  },
  { timeoutEarlyMs: 1_000 },
);
