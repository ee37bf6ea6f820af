/**
 * The mail that carries a report.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc8460.html#section-5.3 RFC 8460 §5.3}
 */
import { createHash } from 'node:crypto';
import { encodeBase64Lines } from '../message/base64-lines.ts';
import { formatDateTime } from '../message/date-time.ts';
import { submitterOf } from './report.ts';

/** What the mail says of the report that it carries. */
export interface ReportMail {
  /** The From address; its domain is the submitter and the domain of `contact-info`. */
  readonly from: string;
  readonly to: string;
  /** The policy domain, in A-labels. */
  readonly policyDomain: string;
  /** `id-left@id-right`, as in the report. */
  readonly reportId: string;
  /** RFC 8460 §5.1. */
  readonly fileName: string;
  /** The report, compressed. */
  readonly gzip: Uint8Array;
  readonly nowMs: number;
}

/** Whether a Content-Type (the unfolded value) is that of a mail which carries a report. */
export function isReportType(contentType: string): boolean {
  return (
    /^multipart\/report[\s;]/i.test(contentType) &&
    /;\s*report-type\s*=\s*"?tlsrpt"?\s*(?:;|$)/i.test(contentType)
  );
}

/**
 * Composes the mail, all ASCII, lines ended by CRLF. The same report gives the same octets but for the Date.
 *
 * @throws {RangeError} when a value would break out of its header field: a bug of the caller, who has checked them.
 */
export function composeReportMail(mail: ReportMail): Uint8Array {
  const boundary = `tlsrpt-${createHash('sha256').update(mail.reportId).digest('hex').slice(0, 32)}`;
  const submitter = submitterOf(mail.from);
  const header = [
    `From: ${mail.from}`,
    `To: ${mail.to}`,
    `Date: ${formatDateTime(mail.nowMs)}`,
    `Message-ID: <${mail.reportId}>`,
    `Subject: Report Domain: ${mail.policyDomain}`,
    ` Submitter: ${submitter}`,
    ` Report-ID: <${mail.reportId}>`,
    `TLS-Report-Domain: ${mail.policyDomain}`,
    `TLS-Report-Submitter: ${submitter}`,
    // RFC 8460 §3: it must arrive in spite of the very failures that it tells of (RFC 8689 §3).
    'TLS-Required: No',
    'Auto-Submitted: auto-generated',
    'MIME-Version: 1.0',
    'Content-Type: multipart/report; report-type="tlsrpt";',
    ` boundary="${boundary}"`,
  ];
  const lines = [
    ...header.map(checkLine),
    '',
    `--${boundary}`,
    'Content-Type: text/plain; charset="us-ascii"',
    'Content-Transfer-Encoding: 7bit',
    '',
    `This is an aggregate TLS report about ${mail.policyDomain},`,
    `sent by ${submitter} (RFC 8460).`,
    '',
    `--${boundary}`,
    'Content-Type: application/tlsrpt+gzip;',
    checkLine(` name="${mail.fileName}"`),
    'Content-Transfer-Encoding: base64',
    'Content-Disposition: attachment;',
    checkLine(` filename="${mail.fileName}"`),
    '',
    // Ends its last line itself.
    `${encodeBase64Lines(mail.gzip)}--${boundary}--`,
    '',
  ];
  return Buffer.from(lines.join('\r\n'), 'ascii');
}

/** RFC 5322 §2.1.1, §2.2: a line of the header is printable ASCII, 998 chars at the most. */
function checkLine(line: string): string {
  if (!/^[\x20-\x7e]{1,998}$/.test(line)) {
    throw new RangeError(`not a line of a header: ${JSON.stringify(line.slice(0, 80))}`);
  }
  return line;
}
