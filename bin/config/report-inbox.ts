/** Where reports of others come in (RFC 8460 §5), and whose are counted. */
import { z } from 'zod';
import { isMailbox } from '../../functions/protocol/smtp/mailbox.ts';
import type { ReportInboxChoice } from '../../lib/report-records.ts';
import {
  type CrossIssue,
  type DomainConfig,
  type HostedZoneConfig,
  hostedZoneSchema,
} from './domains.ts';
import { domainName, isWithin, toALabels } from './names.ts';

/** The `reportInbox` section. */
export interface ReportInboxConfig {
  readonly mailbox: string;
  readonly hostedZone?: HostedZoneConfig | undefined;
  readonly identity: 'create' | 'exists';
  readonly https: boolean;
  readonly domains: readonly string[];
  readonly failurePercentMax: number;
  readonly alarmTopicArn?: string | undefined;
}

export const reportInboxSchema: z.ZodType<ReportInboxConfig> = z
  .strictObject({
    mailbox: z
      .string()
      .refine((text) => isMailbox(text) && domainOf(text) === toALabels(domainOf(text)), {
        error:
          'not an address with a domain in lower-case A-labels. Use one at a domain of its own, like "reports@tlsrpt.example.com".',
      })
      .describe(
        'The address that your TLSRPT records name, at a domain of its own, like "reports@tlsrpt.example.com": SES takes all mail to that domain.',
      ),
    hostedZone: hostedZoneSchema
      .optional()
      .describe(
        "Where Route 53 serves the mailbox's domain; its MX record, and what SES knows it by, are then made for you. Without it, a stack output says what to create.",
      ),
    identity: z
      .enum(['create', 'exists'])
      .default('create')
      .describe(
        'Whether SES is to be told that the domain is yours: create, or exists where it knows that domain already. Default: "create".',
      ),
    https: z
      .boolean()
      .default(false)
      .describe(
        'Whether reports are taken at POST /tlsrpt of the HTTP API too, from anybody and unsigned; they are counted apart. Default: false.',
      ),
    domains: z
      .array(domainName)
      .max(50)
      .default([])
      .describe(
        'Domains beside those above whose reports are counted. Their TLSRPT records are yours to create.',
      ),
    failurePercentMax: z
      .number()
      .min(0)
      .max(100)
      .default(5)
      .describe(
        'Percent of the sessions of a day that may fail before an alarm tells of it. Default: 5.',
      ),
    alarmTopicArn: z
      .string()
      .regex(/^arn:aws[a-z-]*:sns:[a-z0-9-]+:\d{12}:[\w-]{1,256}$/, {
        error:
          'not the ARN of a standard SNS topic, like "arn:aws:sns:eu-west-1:111122223333:operators"',
      })
      .optional()
      .describe(
        'The SNS topic that alarms on received reports are told to. Default: none; they are seen in CloudWatch.',
      ),
  })
  .describe('Where TLS reports about your domains come in (RFC 8460). Absent: none are received.');

/** What must hold between the mailbox and the domains. */
export function checkReportInbox(
  inbox: ReportInboxConfig | undefined,
  domains: readonly DomainConfig[],
): readonly CrossIssue[] {
  if (inbox === undefined) {
    return [];
  }
  const domain = domainOf(inbox.mailbox);
  const issues: CrossIssue[] = [];
  if (inbox.hostedZone !== undefined && !isWithin(domain, inbox.hostedZone.name)) {
    issues.push({
      path: ['reportInbox', 'hostedZone', 'name'],
      message: `${domain} is not within this zone. Use the zone that serves ${domain}, or remove hostedZone.`,
    });
  }
  if (domains.some((each) => each.domain === domain || each.mtaSts.mx.includes(domain))) {
    issues.push({
      path: ['reportInbox', 'mailbox'],
      message: `at ${domain}, whose mail would all go to SES. Use a domain for reports alone, like "reports@tlsrpt.${domain}".`,
    });
  }
  if (domains.length === 0 && inbox.domains.length === 0) {
    issues.push({
      path: ['reportInbox', 'domains'],
      message: 'no domain whose reports are counted. List some here, or above under domains.',
    });
  }
  return issues;
}

/** What the stack is made of. */
export function toReportInbox(
  inbox: ReportInboxConfig,
  domains: readonly DomainConfig[],
): ReportInboxChoice {
  const { mailbox, hostedZone, identity, https, failurePercentMax, alarmTopicArn } = inbox;
  const own = domains.map((each) => ({
    domain: each.domain,
    ...(each.hostedZone !== undefined && { hostedZone: each.hostedZone }),
  }));
  const further = inbox.domains.filter((name) => !own.some(({ domain }) => domain === name));
  return {
    mailbox,
    ...(hostedZone !== undefined && { hostedZone }),
    createsIdentity: identity === 'create',
    https,
    setting: {
      domains: [...own.map(({ domain }) => domain), ...further],
      // RFC 8460 §1.1: under DANE reports are about MX hosts.
      mxHosts: [...new Set(domains.flatMap(({ mtaSts }) => mtaSts.mx))],
      failurePercentMax,
    },
    ...(alarmTopicArn !== undefined && { alarmTopicArn }),
    domains: [...own, ...further.map((domain) => ({ domain }))],
  };
}

function domainOf(mailbox: string): string {
  return mailbox.slice(mailbox.lastIndexOf('@') + 1);
}
