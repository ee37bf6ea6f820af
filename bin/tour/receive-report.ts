/**
 * The way back: the report that was mailed comes in at the mailbox for reports of others (RFC 8460 §5), and is read, verified
 * and counted like any stranger's.
 */
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { S3Client } from '@aws-sdk/client-s3';
import { createReceivedReports } from '../../functions/adapters/aws/received-reports.ts';
import { utcDay } from '../../functions/protocol/tlsrpt/report.ts';
import type { Receipt, ReceiptReader } from '../../functions/reporting/receive-ports.ts';
import { formatReceivedReport, readReceivedReport } from '../commands/format-received-report.ts';
import type { LocalCloud } from '../local/cloud.ts';
import { tourReportInbox } from './assembly.ts';
import { poll } from './poll.ts';
import type { TourRow } from './table.ts';

/** What became of the report, and how `sealpost report show` shows it. */
export interface ReceivedReportOfTour {
  readonly row: TourRow;
  /** Absent where it did not arrive. */
  readonly shown?: string;
}

const common = {
  region: 'eu-west-1',
  credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
};

/** Hands a mail to the mailbox, and waits for what becomes of it. Never rejects. */
export async function receiveReport(
  cloud: LocalCloud,
  mail: Uint8Array | undefined,
): Promise<ReceivedReportOfTour> {
  const row = { scenario: 'tls-report-received', expected: 'report counted' };
  try {
    if (mail === undefined) {
      throw new Error('no report was mailed that could come in');
    }
    const { bucket, key } = await cloud.receiveMail(tourReportInbox.mailbox, mail);
    const received = createReceivedReports({
      client: new DynamoDBClient({ ...common, endpoint: cloud.endpoints.dynamodb }),
      tableName: cloud.physicalId('ReportTable'),
    });
    const receipt = await poll(`receipt of ${key}`, () => findReceipt(received, key));
    const client = new S3Client({ ...common, endpoint: cloud.endpoints.s3 });
    const report = await readReceivedReport(receipt, { client, bucket });
    return {
      row: {
        ...row,
        happened: `report ${receipt.state}`,
        why: describeReceipt(receipt),
        differences: receipt.state === 'counted' ? [] : [receipt.reason ?? JSON.stringify(receipt)],
      },
      shown: formatReceivedReport(receipt, report),
    };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { row: { ...row, happened: 'nothing', why: '', differences: [reason] } };
  }
}

/** The receipt of one object, of today or, around midnight, of yesterday. */
async function findReceipt(received: ReceiptReader, rawKey: string): Promise<Receipt | undefined> {
  const nowMs = Date.now();
  for (const day of new Set([utcDay(nowMs), utcDay(nowMs - 600_000)])) {
    for await (const portion of received.receivedOn(day)) {
      const found = portion.find((receipt) => receipt.rawKey === rawKey);
      if (found !== undefined) {
        return found;
      }
    }
  }
  return undefined;
}

function describeReceipt({ reason, summary }: Receipt): string {
  if (summary === undefined) {
    return reason ?? '';
  }
  const { submitter, day, domains, successes, failures } = summary;
  return `${submitter} on ${day} about ${domains.join(', ')}: ${successes} sessions well, ${failures} failed`;
}
