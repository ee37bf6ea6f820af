/** TLS reports that are sent (RFC 8460): who sends them, which, and to where else than their records say. */
import { isIP } from 'node:net';
import { z } from 'zod';
import { readReportDestination } from '../../functions/protocol/tlsrpt/record.ts';
import { submitterOf } from '../../functions/protocol/tlsrpt/report.ts';
import type { SealpostStacksProps } from '../../lib/sealpost-stacks.ts';
import type { DeliveryConfig } from './delivery.ts';
import { domainName } from './names.ts';

/** The `reports` section. */
export interface ReportsConfig {
  /** Absent: the installation's. */
  readonly organization?: string | undefined;
  readonly contact: string;
  readonly onlyFailures: boolean;
  readonly destinations: readonly { readonly from: string; readonly to?: string | undefined }[];
  readonly sendingAddress?: string | undefined;
}

/** The domain as A-labels: it is the d= of the signature, and compared with that. */
const contact: z.ZodType<string, string> = z
  .email()
  .max(254)
  .transform((address, context) => {
    const at = address.lastIndexOf('@') + 1;
    const domain = domainName.safeParse(address.slice(at));
    if (domain.success) {
      return `${address.slice(0, at)}${domain.data}`;
    }
    context.addIssue({
      code: 'custom',
      message: 'its domain is none. Use an address like "tls-reports@example.com".',
    });
    return z.NEVER;
  });

const destination = z.string().superRefine((uri, context) => {
  const read = readReportDestination(uri);
  if (typeof read === 'string') {
    context.addIssue({
      code: 'custom',
      message: `${read}. Use a URI like "mailto:tls@example.net" or "https://example.net/tlsrpt".`,
    });
  }
});

export const reportsSchema: z.ZodType<ReportsConfig> = z
  .strictObject({
    organization: z
      .string()
      .trim()
      .min(1)
      .max(200)
      .optional()
      .describe(
        'The organization-name in reports (RFC 8460 §4.4). Default: the organization above.',
      ),
    contact: contact.describe(
      'The contact-info in reports, and the address that they come from: one that is read, like "tls-reports@example.com". Its domain needs a DKIM key in delivery.dkimKeys and is an identity in SES.',
    ),
    onlyFailures: z
      .boolean()
      .default(false)
      .describe('Whether days without a failed session are left out. Default: false.'),
    destinations: z
      .array(
        z.strictObject({
          from: destination.describe(
            'A destination as records name it, like "mailto:a@example.net".',
          ),
          to: destination.optional().describe('Where its reports go instead. Default: nowhere.'),
        }),
      )
      .max(100)
      .default([])
      .describe('Destinations that are sent to another place, or to none. Default: none.'),
    sendingAddress: z
      .string()
      .refine((text) => isIP(text) !== 0, 'not an IP address. Use one like "198.51.100.25".')
      .optional()
      .describe(
        'The sending-mta-ip in reports: the public address that all mail leaves from. Default: none is told.',
      ),
  })
  .describe(
    'The TLS reports that Sealpost sends about the domains it sends mail to (RFC 8460). Off without it.',
  );

/** Of the whole config, what reports hang on. */
interface ReportsContext {
  readonly organization: string;
  readonly reports?: ReportsConfig | undefined;
  readonly delivery: Pick<DeliveryConfig, 'dkimKeys'>;
}

/** Reports that cannot be signed are not sent: RFC 8460 §3 has receivers ignore them. */
export function warnOfReports(config: ReportsContext): readonly string[] {
  const { reports } = config;
  return reports === undefined || toReportingProps(config).reports !== undefined
    ? []
    : [
        `reports: TLS reports stay off, since delivery.dkimKeys has no key of ${submitterOf(reports.contact)}, the domain of reports.contact, and they must be signed (RFC 8460 §3). Add one, or remove reports.`,
      ];
}

/** What is sent and what is recorded for it; nothing where no reports are sent. */
export function toReportingProps(
  config: ReportsContext,
): Pick<SealpostStacksProps, 'reports' | 'recording'> {
  const { organization, reports, delivery } = config;
  if (reports === undefined) {
    return {};
  }
  const dkimKeys = delivery.dkimKeys.filter(
    ({ domain }) => domain === submitterOf(reports.contact),
  );
  return dkimKeys.length === 0
    ? {}
    : {
        reports: {
          settings: {
            organizationName: reports.organization ?? organization,
            contactInfo: reports.contact,
            onlyFailures: reports.onlyFailures,
            destinations: reports.destinations.map(({ from, to }) => ({
              from,
              ...(to !== undefined && { to }),
            })),
          },
          dkimKeys,
        },
        recording: { sendingMtaIp: reports.sendingAddress },
      };
}
