/** One TLS report that somebody sent, for people to read. */
import type { S3Client } from '@aws-sdk/client-s3';
import { readRawReport } from '../../functions/adapters/aws/received-reports.ts';
import type { ReceivedReport } from '../../functions/protocol/tlsrpt/received-report.ts';
import { mailBytesMax } from '../../functions/reporting/find-report.ts';
import type { Receipt } from '../../functions/reporting/receive-ports.ts';
import { openArrival } from '../../functions/reporting/receive-report.ts';
import { formatFacts, formatTable, formatTime, printable } from './format-table.ts';

/** What it says, read from its raw form; undefined where that is gone or cannot be read. */
export async function readReceivedReport(
  { way, rawKey, receivedAtMs }: Receipt,
  place: { readonly client: S3Client; readonly bucket: string },
): Promise<ReceivedReport | undefined> {
  const octets = await readRawReport(place, rawKey, mailBytesMax);
  if (octets === undefined || 'bytes' in octets) {
    return undefined;
  }
  const opened = await openArrival({ way, rawKey, receivedAtMs, octets, isLastTry: true });
  return opened.kind === 'report' ? opened.report : undefined;
}

/** What became of it, and what it says. */
export function formatReceivedReport(receipt: Receipt, report: ReceivedReport | undefined): string {
  return [formatReceipt(receipt), ...formatPolicies(report)].join('\n');
}

function formatReceipt(receipt: Receipt): string {
  const { summary } = receipt;
  return formatFacts([
    ['id', receipt.id],
    ['received', `${formatTime(receipt.receivedAtMs)} by ${receipt.way}`],
    ['state', receipt.state],
    ['because', receipt.reason],
    ['organization', summary?.organization],
    ['submitter', summary?.submitter],
    ['report id', summary?.reportId],
    ['from', summary && formatTime(summary.startMs)],
    ['to', summary && formatTime(summary.endMs)],
    ['raw', receipt.rawKey],
    ...receipt.deviations.map((text) => ['deviation', text] as const),
  ]);
}

function formatPolicies(report: ReceivedReport | undefined): readonly string[] {
  return (report?.policies ?? []).flatMap((policy) => {
    const { type, domain, successes, failures: failed, details } = policy;
    const rows = details.map((detail) => [
      detail.resultType,
      detail.receivingMxHostname ?? '',
      detail.sendingMtaIp ?? '',
      String(detail.sessions),
      detail.failureReasonCode ?? '',
    ]);
    return [
      '',
      printable(`${domain}, ${type}: ${successes} sessions succeeded, ${failed} failed`),
      ...policy.strings.map((line) => `  ${printable(line)}`),
      ...(rows.length > 0
        ? [formatTable(['type', 'MX host', 'sent from', 'sessions', 'reason'], rows)]
        : []),
    ];
  });
}
