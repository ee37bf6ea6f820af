/** What an operator decides about sending: the settings of functions/environment.ts, with their defaults. */
import { z } from 'zod';
import { attemptsAtMost, waitsMinutesDefault } from '../../functions/delivery/retry-schedule.ts';
import type { DeliverySettings } from '../../functions/environment.ts';
import { isMailbox } from '../../functions/protocol/smtp/mailbox.ts';
import { attemptsMax, expiryDaysMax } from '../../functions/submission/limits.ts';
import { taggingRuleSchema } from '../../functions/submission/tagging-rule.ts';
import type { CrossIssue } from './domains.ts';
import type { EgressConfig } from './egress.ts';
import { domainName } from './names.ts';
import { checkDkimKeys, checkRules } from './rules.ts';

/** RFC 6376 §3.1: labels with dots between them; one is enough, unlike in the name of a domain. */
const selector = z
  .string()
  .max(100)
  .regex(/^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/, {
    error: 'not a selector',
  });

const exceptionSchema = z.strictObject({
  domain: domainName.describe('The policy domain that is excepted, like "example.net".'),
  policy: z
    .enum(['mta-sts', 'dane', 'tagging'])
    .describe('What is not applied: a policy of the domain, or our tagging of mail to it.'),
  author: z.string().trim().min(1).max(100).exactOptional().describe('Who decided so.'),
  reason: z
    .string()
    .trim()
    .min(1)
    .max(500)
    .describe('Why, for whoever finds this later; a ticket number helps.'),
  expires: z.iso
    .datetime({ offset: true })
    .describe(
      'When the policy applies again, as an RFC 3339 date-time like "2027-03-01T00:00:00Z".',
    ),
});

/** How mail is sent. What the delivery function reads, and how many of it run. */
export interface DeliveryConfig
  extends Omit<DeliverySettings, 'smartHost' | 'mtaStsCache' | 'bounceFrom'> {
  /** Absent: MAILER-DAEMON at the EHLO name. */
  readonly bounceFrom?: string | undefined;
  /** Absent: as `mtaSts`. */
  readonly mtaStsCache?: boolean | undefined;
  readonly invocationsMax: number;
}

/** The `delivery` section. */
export const deliverySchema: z.ZodType<DeliveryConfig> = z
  .strictObject({
    ehloName: domainName.describe(
      'The name Sealpost gives itself in EHLO: its A record lists the sending addresses, and their PTR records name it.',
    ),
    requireTls: z
      .boolean()
      .default(true)
      .describe('Whether messages may ask for REQUIRETLS (RFC 8689). Default: true.'),
    mtaSts: z
      .boolean()
      .default(true)
      .describe("Whether recipients' MTA-STS policies apply (RFC 8461). Default: true."),
    mtaStsCache: z
      .boolean()
      .optional()
      .describe(
        'Whether policies are kept for their max_age, as RFC 8461 §3.3 asks. Default: true wherever mtaSts is.',
      ),
    dane: z
      .boolean()
      .default(true)
      .describe(
        'Whether the TLSA records of hosts in signed zones are obeyed (DANE, RFC 7672). Default: true.',
      ),
    daneInsecureMx: z
      .boolean()
      .default(true)
      .describe(
        'Whether TLSA records count for a host that an unsigned MX record names (RFC 7672 §2.2.1). Default: true.',
      ),
    daneOnly: z
      .array(domainName.describe('A domain of recipients, like "example.net".'))
      .max(50)
      .default([])
      .describe(
        'Domains that mail reaches over verified DANE or not at all (RFC 7672 §6). Default: none.',
      ),
    keepAddressTag: z
      .boolean()
      .default(false)
      .describe(
        'Whether "+requiretls" stays in the recipient\'s address when sending. Default: false.',
      ),
    exceptions: z
      .array(exceptionSchema)
      .max(50)
      .default([])
      .describe('Domains to which a policy does not apply for a while.'),
    connectionsPerMxMax: z
      .int()
      .min(1)
      .max(20)
      .default(3)
      .describe('Connections to one MX host at a time from one invocation, 1 to 20. Default: 3.'),
    expiryDays: z
      .int()
      .min(1)
      .max(expiryDaysMax)
      .default(5)
      .describe(
        `Days until an undelivered message is given up, 1 to ${expiryDaysMax}; RFC 5321 §4.5.4.1 asks for 4 to 5. Default: 5.`,
      ),
    retryWaitsMinutes: z
      .array(z.number().min(1).max(1_440))
      .min(1)
      .max(20)
      .default([...waitsMinutesDefault])
      .describe(
        `Minutes to wait after the first attempt, the second, and so on; the last for all that follow. Default: ${waitsMinutesDefault.join(', ')}.`,
      ),
    delayNoticeHours: z
      .number()
      .min(0)
      .max(120)
      .default(4)
      .describe(
        'Hours until the sender of a message that waits is told so (RFC 3461 NOTIFY=DELAY); 0: never. Default: 4.',
      ),
    historyDays: z
      .int()
      .min(1)
      .max(365)
      .default(30)
      .describe(
        'Days for which finished messages can be looked up, without their bodies. Default: 30.',
      ),
    bounceFrom: z
      .string()
      .refine(isMailbox, { error: 'not a mailbox (RFC 5321 §4.1.2): use local-part@domain' })
      .optional()
      .describe(
        'The From address of bounces and other notifications. Default: MAILER-DAEMON at ehloName.',
      ),
    redactBounces: z
      .boolean()
      .default(false)
      .describe(
        'Whether bounces of REQUIRETLS messages never carry the original header, and so may go by any channel (RFC 8689 §5). Default: false.',
      ),
    rules: z
      .array(taggingRuleSchema)
      .max(50)
      .default([])
      .describe('Tagging rules, in order; the first that matches decides. Default: none.'),
    dkimKeys: z
      .array(
        z.strictObject({
          domain: domainName.describe('The domain of From addresses, and d= of the signature.'),
          selector: selector.describe(
            'The selector: the key record is at SELECTOR._domainkey.DOMAIN.',
          ),
          secretArn: z
            .string()
            .regex(/^arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:\d{12}:secret:\S+$/)
            .describe('The Secrets Manager secret with the private key, PKCS #8 in PEM.'),
        }),
      )
      .max(20)
      .default([])
      .describe('DKIM keys (RFC 6376): mail from these domains is signed. Default: none.'),
    invocationsMax: z
      .int()
      .min(2)
      .max(1_000)
      .default(20)
      .describe('Invocations of the delivery function at a time, 2 to 1000. Default: 20.'),
  })
  .check((context) => {
    for (const { path, message } of checkToggles(context.value)) {
      const input = path.reduce<unknown>(
        (value, key) => (value as Record<string | number, unknown>)[key],
        context.value,
      );
      context.issues.push({ code: 'custom', path: [...path], input, message });
    }
  });

/** Settings that contradict each other are refused: one of the two is not what its author thinks. */
function checkToggles(delivery: DeliveryConfig): readonly CrossIssue[] {
  const issues: CrossIssue[] = [];
  if (!delivery.mtaSts && delivery.mtaStsCache === true) {
    issues.push({
      path: ['mtaStsCache'],
      message: 'there is nothing to cache while mtaSts is false. Remove it, or set mtaSts to true.',
    });
  }
  if (!delivery.requireTls && delivery.keepAddressTag) {
    issues.push({
      path: ['keepAddressTag'],
      message:
        'the address tag means nothing while requireTls is false, and stays in the address anyway. Remove it, or set requireTls to true.',
    });
  }
  return [
    ...issues,
    ...checkDaneOnly(delivery),
    ...checkRetries(delivery),
    ...checkExceptions(delivery),
    ...checkRules(delivery.rules),
    ...checkDkimKeys(delivery.dkimKeys),
  ];
}

function checkDaneOnly({ dane, daneOnly, exceptions }: DeliveryConfig): readonly CrossIssue[] {
  if (!dane && daneOnly.length > 0) {
    return [
      {
        path: ['daneOnly'],
        message:
          'no mail could reach these domains while dane is false. Remove them, or set dane to true.',
      },
    ];
  }
  return daneOnly.flatMap((domain, index): CrossIssue[] => {
    const path = ['daneOnly', index];
    if (daneOnly.indexOf(domain) < index) {
      return [{ path, message: 'listed twice. Remove one.' }];
    }
    return exceptions.some((one) => one.domain === domain && one.policy === 'dane')
      ? [
          {
            path,
            message:
              'has an exception from DANE too. Remove the exception, or the domain from daneOnly.',
          },
        ]
      : [];
  });
}

/** By the longest expiry, which every sender may ask for. */
function checkRetries({ retryWaitsMinutes }: DeliveryConfig): readonly CrossIssue[] {
  const attempts = attemptsAtMost(retryWaitsMinutes, expiryDaysMax * 1_440);
  return attempts <= attemptsMax
    ? []
    : [
        {
          path: ['retryWaitsMinutes'],
          message: `could come to ${attempts} attempts within the ${expiryDaysMax} days that a message may wait, and ${attemptsMax} are the most. Make the last wait longer.`,
        },
      ];
}

function checkExceptions({ exceptions, mtaSts, dane }: DeliveryConfig): readonly CrossIssue[] {
  const keys = exceptions.map(({ domain, policy }) => `${domain} ${policy}`);
  return exceptions.flatMap(({ policy }, index): CrossIssue[] => {
    if (keys.indexOf(keys[index] as string) < index) {
      return [
        {
          path: ['exceptions', index, 'domain'],
          message: 'has an exception of this policy above. Remove one of the two.',
        },
      ];
    }
    if (policy === 'mta-sts' && !mtaSts) {
      return [
        {
          path: ['exceptions', index, 'policy'],
          message:
            'MTA-STS applies to no domain while mtaSts is false. Remove the exception, or set mtaSts to true.',
        },
      ];
    }
    if (policy === 'dane' && !dane) {
      return [
        {
          path: ['exceptions', index, 'policy'],
          message:
            'DANE applies to no domain while dane is false. Remove the exception, or set dane to true.',
        },
      ];
    }
    return [];
  });
}

/** Settings that work and yet will surprise somebody. */
export function warnOfDelivery(
  delivery: DeliveryConfig,
  egress: EgressConfig,
  nowMs: number,
): readonly string[] {
  const warnings = delivery.exceptions
    .filter(({ expires }) => Date.parse(expires) <= nowMs)
    .map(
      ({ domain, policy, expires }) =>
        `delivery.exceptions: the ${policy} exception of ${domain} expired at ${expires} and has no effect. Remove it.`,
    );
  if (delivery.requireTls && !delivery.mtaSts && !delivery.dane && egress.kind === 'nat') {
    warnings.push(
      'delivery.mtaSts and delivery.dane are false, so nothing can authenticate an MX host: every message that asks for REQUIRETLS will bounce (RFC 8689 §4.2.1).',
    );
  }
  return warnings;
}

/** The settings as the delivery function reads them. */
export function toDeliverySettings(
  delivery: DeliveryConfig,
  egress: EgressConfig,
): DeliverySettings {
  const { invocationsMax: _, mtaStsCache, bounceFrom, ...settings } = delivery;
  return {
    ...settings,
    bounceFrom: bounceFrom ?? `MAILER-DAEMON@${settings.ehloName}`,
    mtaStsCache: mtaStsCache ?? settings.mtaSts,
    ...(egress.kind === 'smartHost' && {
      smartHost: {
        host: egress.host,
        port: egress.port,
        credentialsSecretArn: egress.credentialsSecretArn,
      },
    }),
  };
}
