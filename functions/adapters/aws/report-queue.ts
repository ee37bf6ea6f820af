/** The queue of report jobs on SQS. */
import * as z from 'zod';
import { isDomainName } from '../../protocol/domain-name.ts';
import { TransportSecurityError } from '../../protocol/errors.ts';
import type { ReportJob, ReportQueue } from '../../reporting/ports.ts';
import { batchEntriesMax, hideUntil, type Queue, sendBatch } from './queue-calls.ts';

const jobSchema = z.strictObject({
  day: z.iso.date(),
  domain: z.string().refine((text) => isDomainName(text), 'not a domain name'),
});

/** Both sides of the queue. */
export function createReportQueue(queue: Queue): ReportQueue {
  return {
    enqueue: async (jobs) => {
      const entries = jobs.map(({ job: { day, domain }, delaySeconds }) => ({
        body: JSON.stringify({ day, domain }),
        delaySeconds,
      }));
      for (let start = 0; start < entries.length; start += batchEntriesMax) {
        await sendBatch(queue, entries.slice(start, start + batchEntriesMax));
      }
    },
    hideUntil: (receiptHandle, untilMs, nowMs) =>
      hideUntil(queue, receiptHandle, { untilMs, nowMs }),
  };
}

/**
 * Reads a record's body.
 *
 * @throws {TransportSecurityError} `content-invalid`
 */
export function parseReportJob(body: string): ReportJob {
  try {
    return jobSchema.parse(JSON.parse(body));
  } catch (cause) {
    throw new TransportSecurityError('content-invalid', 'not a report job', { cause });
  }
}
