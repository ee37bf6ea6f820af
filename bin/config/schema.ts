/** The config file, sealpost.config.json: all that Sealpost has to know before it can be deployed. */
import { z } from 'zod';
import { type ApiConfig, apiSchema } from './api.ts';
import { type DeliveryConfig, deliverySchema, warnOfDelivery } from './delivery.ts';
import {
  type CrossIssue,
  checkDomains,
  type DomainConfig,
  domainsSchema,
  warnOfDomains,
} from './domains.ts';
import { type EgressConfig, egressSchema } from './egress.ts';
import { type NetworkConfig, networkSchema } from './network.ts';
import { checkReportInbox, type ReportInboxConfig, reportInboxSchema } from './report-inbox.ts';
import { type ReportsConfig, reportsSchema, warnOfReports } from './reports.ts';

/** A config that holds together: names as A-labels, defaults filled in. */
export interface SealpostConfig {
  readonly organization: string;
  readonly account?: string | undefined;
  readonly region?: string | undefined;
  readonly certificateNamesMax: number;
  readonly domains: readonly DomainConfig[];
  readonly delivery: DeliveryConfig;
  readonly egress: EgressConfig;
  readonly api: ApiConfig;
  readonly reports?: ReportsConfig | undefined;
  readonly reportInbox?: ReportInboxConfig | undefined;
  readonly network?: NetworkConfig | undefined;
}

/** The whole file. */
export const configSchema: z.ZodType<SealpostConfig> = z
  .strictObject({
    $schema: z
      .string()
      .optional()
      .describe('Where editors find the schema: "./sealpost.config.schema.json".'),
    organization: z
      .string()
      .trim()
      .min(1)
      .max(200)
      .describe('The name of your organization, like "Example Ltd".'),
    account: z
      .string()
      .regex(/^\d{12}$/)
      .optional()
      .describe(
        'The AWS account to deploy to, 12 digits in quotes. Default: that of your credentials.',
      ),
    region: z
      .string()
      .regex(/^[a-z]{2}(-[a-z]+)+-\d$/)
      .optional()
      .describe(
        'The AWS region to send from, like "eu-west-1". Default: that of your profile. The policy host is always in us-east-1.',
      ),
    certificateNamesMax: z
      .int()
      .min(1)
      .max(100)
      .default(10)
      .describe(
        'How many names ACM puts on one certificate in your account, 1 to 100. Default: 10, which is what AWS starts with.',
      ),
    domains: domainsSchema,
    delivery: deliverySchema.describe('How mail is sent.'),
    egress: egressSchema,
    api: apiSchema.prefault({}),
    reports: reportsSchema.optional(),
    reportInbox: reportInboxSchema.optional(),
    network: networkSchema
      .optional()
      .describe('The network around the functions. Production leaves it out.'),
  })
  .check((context) => {
    const { domains, certificateNamesMax } = context.value;
    const issues = [
      ...checkDomains(domains, certificateNamesMax),
      ...checkPlace(context.value),
      ...checkSmartHost(context.value),
      ...checkReportInbox(context.value.reportInbox, domains),
    ];
    for (const { path, message } of issues) {
      context.issues.push({ code: 'custom', path: [...path], input: context.value, message });
    }
  });

/** What is valid and yet likely to surprise, one sentence each. `nowMs` tells which exceptions are over. */
export function warnOf(config: SealpostConfig, nowMs: number): readonly string[] {
  return [
    ...warnOfDomains(config.domains),
    ...warnOfDelivery(config.delivery, config.egress, nowMs),
    ...warnOfReports(config),
  ];
}

/** What lies in a region must lie in the region that is deployed to. */
function checkPlace({
  region,
  egress,
  delivery,
  reportInbox,
}: SealpostConfig): readonly CrossIssue[] {
  if (region === undefined) {
    return [];
  }
  const keys = delivery.dkimKeys.flatMap(({ secretArn }, index) =>
    secretArn.split(':')[3] === region
      ? []
      : [
          {
            path: ['delivery', 'dkimKeys', index, 'secretArn'],
            message: `in another region than the functions. Replicate the secret to ${region} and use the ARN there.`,
          },
        ],
  );
  const topicRegion = reportInbox?.alarmTopicArn?.split(':')[3] ?? region;
  const topic =
    topicRegion === region
      ? []
      : [
          {
            path: ['reportInbox', 'alarmTopicArn'],
            message: `in another region than the alarms. Use a topic in ${region}.`,
          },
        ];
  return [...keys, ...topic, ...checkEgressPlace(region, egress)];
}

function checkEgressPlace(region: string, egress: EgressConfig): readonly CrossIssue[] {
  if (egress.kind === 'smartHost') {
    return egress.credentialsSecretArn.split(':')[3] === region
      ? []
      : [
          {
            path: ['egress', 'credentialsSecretArn'],
            message: `in another region than the functions. Replicate the secret to ${region} and use the ARN there.`,
          },
        ];
  }
  return (egress.availabilityZones ?? []).flatMap((zone, index) =>
    zone.slice(0, -1) === region
      ? []
      : [
          {
            path: ['egress', 'availabilityZones', index],
            message: `not in ${region}. Use one of its zones, or remove availabilityZones.`,
          },
        ],
  );
}

/** With a smart host its name is the only policy domain (RFC 8461 §3.4), so what is said of other domains does nothing. */
function checkSmartHost({ egress, delivery }: SealpostConfig): readonly CrossIssue[] {
  if (egress.kind !== 'smartHost') {
    return [];
  }
  const exceptions = delivery.exceptions.flatMap(({ domain }, index) =>
    domain === egress.host
      ? []
      : [
          {
            path: ['delivery', 'exceptions', index, 'domain'],
            message: `has no effect: with a smart host the only policy domain is ${egress.host} (RFC 8461 §3.4). Remove the exception.`,
          },
        ],
  );
  const daneOnly = delivery.daneOnly.map((_, index) => ({
    path: ['delivery', 'daneOnly', index],
    message:
      'has no effect: with a smart host no MX host is looked up, and its certificate is verified always. Remove it.',
  }));
  return [...exceptions, ...daneOnly];
}
