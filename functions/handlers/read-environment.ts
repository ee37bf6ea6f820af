/** Reads each function's environment (functions/environment.ts) and says what is wrong with it before anything is done. */
// Not `{ z }`: the namespace as one object would bring every language's messages into the bundle.
import * as z from 'zod';
import type {
  CheckReportsEnvironment,
  CollectEnvironment,
  DeliverEnvironment,
  DeliverySettings,
  DkimKeySetting,
  NetworkSetting,
  PlanReportsEnvironment,
  PolicyException,
  PolicyHostEnvironment,
  PostReportEnvironment,
  PublishedPolicy,
  ReceiveReportEnvironment,
  ReconcileEnvironment,
  RefreshPoliciesEnvironment,
  ReportInboxSetting,
  ReportSettings,
  RequeueEnvironment,
  SendReportEnvironment,
  SubmitEnvironment,
  SuppressBouncedEnvironment,
} from '../environment.ts';
import { isDomainName } from '../protocol/domain-name.ts';
import { TransportSecurityError } from '../protocol/errors.ts';
import { formatPolicy, maxAgeSecondsMax, parsePolicy } from '../protocol/mta-sts/policy.ts';
import { isMailbox } from '../protocol/smtp/mailbox.ts';
import { readReportDestination } from '../protocol/tlsrpt/record.ts';
import { taggingRuleSchema } from '../submission/tagging-rule.ts';

/** `process.env`, or a stand-in. */
export type Variables = Readonly<Record<string, string | undefined>>;

const port = z.int().min(1).max(65_535);

const domainName = z
  .string()
  .refine((text) => isDomainName(text), 'not a domain name in lower-case A-labels');

/** Which network the functions live in. */
export const networkSettingSchema: z.ZodType<NetworkSetting> = z.strictObject({
  resolvers: z.array(z.string().min(1)).min(1).max(8).exactOptional(),
  trustAnchors: z.string().min(1).exactOptional(),
  negativeTrustAnchors: z.array(z.string()).exactOptional(),
  smtpPort: port.exactOptional(),
  httpsPort: port.exactOptional(),
  extraRoots: z.string().exactOptional(),
  allowPrivateAddresses: z.boolean().exactOptional(),
  ipv6: z.boolean().exactOptional(),
});

const exceptionsSchema: z.ZodType<readonly PolicyException[]> = z.array(
  z.strictObject({
    domain: domainName,
    policy: z.enum(['mta-sts', 'dane', 'tagging']),
    reason: z.string().min(1),
    author: z.string().min(1).exactOptional(),
    expires: z.iso.datetime({ offset: true }),
  }),
);

const dkimKeysSchema: z.ZodType<readonly DkimKeySetting[]> = z.array(
  z.strictObject({
    domain: domainName,
    selector: z.string().min(1),
    secretArn: z.string().min(1),
  }),
);

/** What an operator decides about sending. */
export const deliverySettingsSchema: z.ZodType<DeliverySettings> = z.strictObject({
  ehloName: domainName,
  requireTls: z.boolean(),
  mtaSts: z.boolean(),
  mtaStsCache: z.boolean(),
  dane: z.boolean(),
  daneInsecureMx: z.boolean(),
  daneOnly: z.array(domainName),
  keepAddressTag: z.boolean(),
  exceptions: exceptionsSchema,
  connectionsPerMxMax: z.int().min(1),
  expiryDays: z.number().positive(),
  retryWaitsMinutes: z.array(z.number().positive()).min(1),
  delayNoticeHours: z.number().min(0),
  historyDays: z.int().min(1),
  bounceFrom: z.string().refine(isMailbox, 'not a mailbox'),
  redactBounces: z.boolean(),
  rules: z.array(taggingRuleSchema),
  dkimKeys: dkimKeysSchema,
  smartHost: z
    .strictObject({
      host: domainName,
      port,
      credentialsSecretArn: z.string().min(1).exactOptional(),
    })
    .exactOptional(),
});

const destination = z
  .string()
  .refine(
    (text) => typeof readReportDestination(text) !== 'string',
    'not a destination of reports',
  );

const reportSettingsSchema: z.ZodType<ReportSettings> = z.strictObject({
  organizationName: z.string().min(1),
  contactInfo: z.string().refine(isMailbox, 'not a mailbox'),
  onlyFailures: z.boolean(),
  destinations: z.array(z.strictObject({ from: destination, to: destination.exactOptional() })),
});

const publishedPolicySchema: z.ZodType<PublishedPolicy> = z
  .strictObject({
    mode: z.enum(['enforce', 'testing', 'none']),
    mx: z.array(z.string()),
    maxAgeSeconds: z.int().min(0).max(maxAgeSecondsMax),
  })
  .refine(
    isPublishable,
    'senders would not read it as a policy: mx needs host names, in lower case',
  );

const reportInboxSchema: z.ZodType<ReportInboxSetting> = z.strictObject({
  domains: z.array(domainName),
  mxHosts: z.array(z.string()),
  failurePercentMax: z.number().min(0).max(100),
});

const publishedPoliciesSchema = z.record(domainName, publishedPolicySchema);

/** @throws {TransportSecurityError} `settings-invalid`, naming the variable, the field and the remedy */
export function readPolicyHostEnvironment(variables: Variables): PolicyHostEnvironment {
  return { SEALPOST_POLICIES: readJson(variables, 'SEALPOST_POLICIES', publishedPoliciesSchema) };
}

/** @throws {TransportSecurityError} `settings-invalid`, naming the variable, the field and the remedy */
export function readRefreshEnvironment(variables: Variables): RefreshPoliciesEnvironment {
  return {
    SEALPOST_NETWORK: readJson(variables, 'SEALPOST_NETWORK', networkSettingSchema),
    SEALPOST_POLICY_TABLE: readText(variables, 'SEALPOST_POLICY_TABLE'),
  };
}

/** @throws {TransportSecurityError} `settings-invalid`, naming the variable, the field and the remedy */
export function readDeliverEnvironment(variables: Variables): DeliverEnvironment {
  return {
    SEALPOST_NETWORK: readJson(variables, 'SEALPOST_NETWORK', networkSettingSchema),
    SEALPOST_DELIVERY: readJson(variables, 'SEALPOST_DELIVERY', deliverySettingsSchema),
    SEALPOST_POLICY_TABLE: readText(variables, 'SEALPOST_POLICY_TABLE'),
    SEALPOST_MESSAGE_TABLE: readText(variables, 'SEALPOST_MESSAGE_TABLE'),
    SEALPOST_RETRY_TABLE: readText(variables, 'SEALPOST_RETRY_TABLE'),
    SEALPOST_CONTROL_TABLE: readText(variables, 'SEALPOST_CONTROL_TABLE'),
    SEALPOST_MESSAGE_BUCKET: readText(variables, 'SEALPOST_MESSAGE_BUCKET'),
    SEALPOST_DELIVERY_QUEUE_URL: readText(variables, 'SEALPOST_DELIVERY_QUEUE_URL'),
    SEALPOST_DEAD_LETTER_QUEUE_URL: readText(variables, 'SEALPOST_DEAD_LETTER_QUEUE_URL'),
    ...readOptional(variables, 'SEALPOST_REPORT_TABLE'),
    ...readOptional(variables, 'SEALPOST_SENDING_MTA_IP'),
  };
}

/** @throws {TransportSecurityError} `settings-invalid`, naming the variable, the field and the remedy */
export function readCollectEnvironment(variables: Variables): CollectEnvironment {
  return {
    SEALPOST_NETWORK: readJson(variables, 'SEALPOST_NETWORK', networkSettingSchema),
    SEALPOST_REPORT_TABLE: readText(variables, 'SEALPOST_REPORT_TABLE'),
  };
}

/** @throws {TransportSecurityError} `settings-invalid`, naming the variable, the field and the remedy */
export function readSubmitEnvironment(variables: Variables): SubmitEnvironment {
  return {
    SEALPOST_DELIVERY: readJson(variables, 'SEALPOST_DELIVERY', deliverySettingsSchema),
    SEALPOST_MESSAGE_TABLE: readText(variables, 'SEALPOST_MESSAGE_TABLE'),
    SEALPOST_CONTROL_TABLE: readText(variables, 'SEALPOST_CONTROL_TABLE'),
    SEALPOST_MESSAGE_BUCKET: readText(variables, 'SEALPOST_MESSAGE_BUCKET'),
    SEALPOST_DELIVERY_QUEUE_URL: readText(variables, 'SEALPOST_DELIVERY_QUEUE_URL'),
  };
}

/** @throws {TransportSecurityError} `settings-invalid`, naming the variable and the remedy */
export function readRequeueEnvironment(variables: Variables): RequeueEnvironment {
  return {
    SEALPOST_RETRY_TABLE: readText(variables, 'SEALPOST_RETRY_TABLE'),
    SEALPOST_DELIVERY_QUEUE_URL: readText(variables, 'SEALPOST_DELIVERY_QUEUE_URL'),
    SEALPOST_DEAD_LETTER_QUEUE_URL: readText(variables, 'SEALPOST_DEAD_LETTER_QUEUE_URL'),
  };
}

/** @throws {TransportSecurityError} `settings-invalid`, naming the variable and the remedy */
export function readReconcileEnvironment(variables: Variables): ReconcileEnvironment {
  return {
    SEALPOST_MESSAGE_TABLE: readText(variables, 'SEALPOST_MESSAGE_TABLE'),
    SEALPOST_RETRY_TABLE: readText(variables, 'SEALPOST_RETRY_TABLE'),
    SEALPOST_CONTROL_TABLE: readText(variables, 'SEALPOST_CONTROL_TABLE'),
    SEALPOST_EXCEPTIONS: readJson(variables, 'SEALPOST_EXCEPTIONS', exceptionsSchema),
  };
}

/** @throws {TransportSecurityError} `settings-invalid`, naming the variable, the field and the remedy */
export function readReceiveReportEnvironment(variables: Variables): ReceiveReportEnvironment {
  return {
    SEALPOST_NETWORK: readJson(variables, 'SEALPOST_NETWORK', networkSettingSchema),
    SEALPOST_REPORT_TABLE: readText(variables, 'SEALPOST_REPORT_TABLE'),
    ...readPostReportEnvironment(variables),
  };
}

/** @throws {TransportSecurityError} `settings-invalid`, naming the variable, the field and the remedy */
export function readPostReportEnvironment(variables: Variables): PostReportEnvironment {
  return {
    SEALPOST_REPORT_BUCKET: readText(variables, 'SEALPOST_REPORT_BUCKET'),
    SEALPOST_REPORT_INBOX: readJson(variables, 'SEALPOST_REPORT_INBOX', reportInboxSchema),
  };
}

/** @throws {TransportSecurityError} `settings-invalid`, naming the variable, the field and the remedy */
export function readCheckReportsEnvironment(variables: Variables): CheckReportsEnvironment {
  return {
    SEALPOST_REPORT_TABLE: readText(variables, 'SEALPOST_REPORT_TABLE'),
    SEALPOST_REPORT_INBOX: readJson(variables, 'SEALPOST_REPORT_INBOX', reportInboxSchema),
  };
}

/** @throws {TransportSecurityError} `settings-invalid`, naming the variable and the remedy */
export function readPlanReportsEnvironment(variables: Variables): PlanReportsEnvironment {
  return {
    SEALPOST_REPORT_TABLE: readText(variables, 'SEALPOST_REPORT_TABLE'),
    SEALPOST_REPORT_BUCKET: readText(variables, 'SEALPOST_REPORT_BUCKET'),
    SEALPOST_REPORT_QUEUE_URL: readText(variables, 'SEALPOST_REPORT_QUEUE_URL'),
  };
}

/** @throws {TransportSecurityError} `settings-invalid`, naming the variable, the field and the remedy */
export function readSendReportEnvironment(variables: Variables): SendReportEnvironment {
  return {
    ...readPlanReportsEnvironment(variables),
    SEALPOST_NETWORK: readJson(variables, 'SEALPOST_NETWORK', networkSettingSchema),
    SEALPOST_REPORTS: readJson(variables, 'SEALPOST_REPORTS', reportSettingsSchema),
    SEALPOST_REPORT_DKIM_KEYS: readJson(variables, 'SEALPOST_REPORT_DKIM_KEYS', dkimKeysSchema),
    SEALPOST_REPORT_CONFIGURATION_SET: readText(variables, 'SEALPOST_REPORT_CONFIGURATION_SET'),
  };
}

/** @throws {TransportSecurityError} `settings-invalid`, naming the variable and the remedy */
export function readSuppressBouncedEnvironment(variables: Variables): SuppressBouncedEnvironment {
  return { SEALPOST_REPORT_TABLE: readText(variables, 'SEALPOST_REPORT_TABLE') };
}

/** Nothing where the variable is not set. */
function readOptional<Name extends string>(
  variables: Variables,
  name: Name,
): Partial<Record<Name, string>> {
  return variables[name] === undefined
    ? {}
    : ({ [name]: readText(variables, name) } as Record<Name, string>);
}

function readText(variables: Variables, name: string): string {
  const value = variables[name];
  if (value === undefined || value === '') {
    throw invalid(name, 'is not set');
  }
  return value;
}

function readJson<T>(variables: Variables, name: string, schema: z.ZodType<T>): T {
  const text = readText(variables, name);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw invalid(name, 'is not JSON', cause);
  }
  const parsed = schema.safeParse(value);
  if (!parsed.success) {
    const issues = parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`);
    throw invalid(name, `is not as expected (${issues.join('; ')})`, parsed.error);
  }
  return parsed.data;
}

function invalid(name: string, fault: string, cause?: unknown): TransportSecurityError {
  return new TransportSecurityError(
    'settings-invalid',
    `${name} ${fault}. The stack writes it from the config file: correct that and deploy again.`,
    { cause },
  );
}

function isPublishable(policy: PublishedPolicy): boolean {
  return holds(() => {
    const { mx } = parsePolicy(formatPolicy(policy));
    return mx.length === policy.mx.length && mx.every((name, index) => name === policy.mx[index]);
  });
}

/** False for what a parser refuses. */
function holds(question: () => boolean): boolean {
  try {
    return question();
  } catch (error) {
    if (error instanceof TransportSecurityError) {
      return false;
    }
    throw error;
  }
}
