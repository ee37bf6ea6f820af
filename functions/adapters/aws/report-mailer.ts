/**
 * Reports by mail, through SES.
 *
 * SES replaces Date and Message-ID, adds Return-Path, and signs with its own key of the domain, by which DMARC passes. The
 * signature that RFC 8460 §3 demands is ours: its key record can carry `s=tlsrpt`, and it covers the fields of the report.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc8460.html#section-5.3 RFC 8460 §5.3}
 */
import { type SESv2Client, SendEmailCommand } from '@aws-sdk/client-sesv2';
import { signMessage } from '../../protocol/dkim/sign-message.ts';
import { parseDomainName } from '../../protocol/domain-name.ts';
import { TransportSecurityError } from '../../protocol/errors.ts';
import { formatMessage, parseMessage } from '../../protocol/message/message-parts.ts';
import { submitterOf } from '../../protocol/tlsrpt/report.ts';
import { composeReportMail } from '../../protocol/tlsrpt/report-mail.ts';
import type { OutgoingReport, SendOutcome } from '../../reporting/ports.ts';
import type { ReadDkimKeys } from '../../submission/ports.ts';

/** RFC 8460 §5.2 has receivers in mind that take ten megabytes; SES would take 40. */
const mailBytesMax = 10_000_000;

export interface ReportMailerOptions {
  readonly client: SESv2Client;
  /** With TLS optional: SES does not heed TLS-Required, and the report must arrive in spite of failing TLS (RFC 8460 §3). */
  readonly configurationSet: string;
  /** From and submitter: the contact of the reports, whose domain is an identity of the SES account. */
  readonly from: string;
  readonly readKeys: ReadDkimKeys;
  /** Epoch milliseconds. */
  readonly now: () => number;
}

/**
 * Mails a report to an address. Never rejects for what SES or the other side does.
 *
 * Rejects with `store-unavailable` or `settings-invalid` where the key cannot be had: unsigned it would be ignored.
 */
export type MailReport = (address: string, report: OutgoingReport) => Promise<SendOutcome>;

/** Makes the mailer. */
export function createReportMailer(options: ReportMailerOptions): MailReport {
  return async (address, report) => {
    const to = toAsciiAddress(address);
    if (to === undefined) {
      return { kind: 'failed', detail: 'an address beyond ASCII, which SES does not take' };
    }
    const mail = await signMail(composeMail(to, report, options), options);
    return mail.length > mailBytesMax
      ? { kind: 'too-large', detail: `a mail of ${mail.length} octets` }
      : send(mail, to, options);
  };
}

/** With the domain as A-labels; undefined where the local part is beyond ASCII. */
function toAsciiAddress(address: string): string | undefined {
  const at = address.lastIndexOf('@');
  const localPart = address.slice(0, at);
  try {
    return /^[\x20-\x7e]+$/.test(localPart)
      ? `${localPart}@${parseDomainName(address.slice(at + 1))}`
      : undefined;
  } catch (error) {
    if (error instanceof TransportSecurityError) {
      return undefined;
    }
    throw error;
  }
}

function composeMail(
  to: string,
  { policyDomain, reportId, fileName, gzip }: OutgoingReport,
  { from, now }: ReportMailerOptions,
): Buffer {
  const mail = { from, to, policyDomain, reportId, fileName, gzip, nowMs: now() };
  return Buffer.from(composeReportMail(mail));
}

async function signMail(octets: Buffer, options: ReportMailerOptions): Promise<Buffer> {
  const domain = submitterOf(options.from);
  const keys = await options.readKeys(domain);
  if (keys.length === 0) {
    throw new TransportSecurityError(
      'settings-invalid',
      `no DKIM key of ${domain}, which reports are sent from (RFC 8460 §3): add one to delivery.dkimKeys`,
    );
  }
  const message = parseMessage(octets);
  const signatures = signMessage(message, keys, {
    nowMs: options.now(),
    // RFC 8460 §5.3: so that nobody can say by a field that it is another's report.
    also: ['TLS-Report-Domain', 'TLS-Report-Submitter'],
    // What SES replaces.
    except: ['Date', 'Message-ID', 'Return-Path'],
  });
  return formatMessage({ ...message, fields: [...signatures, ...message.fields] });
}

async function send(
  mail: Buffer,
  to: string,
  { client, configurationSet, from }: ReportMailerOptions,
): Promise<SendOutcome> {
  try {
    const { MessageId } = await client.send(
      new SendEmailCommand({
        FromEmailAddress: from,
        Destination: { ToAddresses: [to] },
        Content: { Raw: { Data: mail } },
        ConfigurationSetName: configurationSet,
      }),
    );
    return { kind: 'delivered', detail: `SES took it as ${MessageId}` };
  } catch (error) {
    // Whatever it is, the pauses between attempts are the answer to it; a rejection would send to the others again at once.
    const reason = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    return { kind: 'failed', detail: `SES: ${reason.slice(0, 500)}` };
  }
}
