/** The domains whose MTA-STS policy this installation publishes (RFC 8461 §3). */
import { z } from 'zod';
import type { PublishedPolicy } from '../../functions/environment.ts';
import { maxAgeSecondsMax, policyHostName } from '../../functions/protocol/mta-sts/policy.ts';
import { domainName, isWithin, mxPattern } from './names.ts';

/** A domain to publish for. Names are lower-case A-labels. */
export interface DomainConfig {
  readonly domain: string;
  readonly mtaSts: PublishedPolicy;
  readonly hostedZone?: HostedZoneConfig | undefined;
}

/** A public hosted zone of Route 53. */
export interface HostedZoneConfig {
  readonly id: string;
  readonly name: string;
}

const mtaStsSchema = z
  .strictObject({
    mode: z
      .enum(['enforce', 'testing', 'none'])
      .describe(
        'What senders do when a mail host fails the policy: enforce (do not deliver), testing (deliver and report), none (the policy is being withdrawn).',
      ),
    mx: z
      .array(mxPattern)
      .max(50)
      .default([])
      .describe(
        'Your mail hosts as your MX records name them; "*.example.com" stands for one label.',
      ),
    maxAgeSeconds: z
      .int()
      .min(0)
      .max(maxAgeSecondsMax)
      .default(604_800)
      .describe(
        'Seconds that senders may keep the policy, 0 to 31557600 (RFC 8461 §3.2). Weeks protect best; the default is one.',
      ),
  })
  .check((context) => {
    const { mode, mx } = context.value;
    if (mode !== 'none' && mx.length === 0) {
      // RFC 8461 §3.2: only mode none may leave mx out.
      context.issues.push({
        code: 'custom',
        path: ['mx'],
        input: mx,
        message: `mode ${mode} needs one mail host at least. Use the names in your MX records, or mode "none".`,
      });
    }
    for (const index of repeated(mx)) {
      context.issues.push({
        code: 'custom',
        path: ['mx', index],
        input: mx[index],
        message: 'listed twice. Remove one.',
      });
    }
  });

/** A hosted zone, as domains and the report inbox name it. */
export const hostedZoneSchema: z.ZodType<HostedZoneConfig, { id: string; name: string }> =
  z.strictObject({
    id: z
      .string()
      .regex(/^Z[A-Z0-9]{1,31}$/)
      .describe('The id of the public Route 53 hosted zone, like "Z0123456789ABCDEFGHIJ".'),
    name: domainName.describe('The name of the hosted zone: the domain itself or one above it.'),
  });

const domainSchema = z
  .strictObject({
    domain: domainName.describe('The part behind the @ of your addresses, like "example.com".'),
    mtaSts: mtaStsSchema.describe(
      'The policy. To withdraw one, publish mode "none" for as long as the old max_age ran, then remove the domain (RFC 8461 §8.3).',
    ),
    hostedZone: hostedZoneSchema
      .optional()
      .describe(
        'Where Route 53 serves the domain; its records and those of the certificate are then made for you. Without it, stack outputs say what to create.',
      ),
  })
  .check((context) => {
    const { domain, hostedZone } = context.value;
    if (hostedZone !== undefined && !isWithin(domain, hostedZone.name)) {
      context.issues.push({
        code: 'custom',
        path: ['hostedZone', 'name'],
        input: hostedZone.name,
        message: `${domain} is not within this zone. Use the zone that serves ${domain}, or remove hostedZone.`,
      });
    }
    // RFC 1035 §2.3.4: the policy host is a name too.
    if (policyHostName(domain).length > 253) {
      context.issues.push({
        code: 'custom',
        path: ['domain'],
        input: domain,
        message: 'too long to have a policy host mta-sts.<domain>. Remove it.',
      });
    }
  });

/** All domains; see {@link checkDomains} for what holds between them. */
export const domainsSchema: z.ZodType<readonly DomainConfig[]> = z
  .array(domainSchema)
  .describe('The domains whose MTA-STS policy you publish. Empty: Sealpost only sends.');

/** One thing wrong between settings, as zod reports it. */
export interface CrossIssue {
  readonly path: readonly (string | number)[];
  readonly message: string;
}

/** Checks what must hold between domains: each once, and no more than the certificate has room for. */
export function checkDomains(
  domains: readonly DomainConfig[],
  certificateNamesMax: number,
): readonly CrossIssue[] {
  const issues: CrossIssue[] = repeated(domains.map(({ domain }) => domain)).map((index) => ({
    path: ['domains', index, 'domain'],
    message: 'configured twice. Remove one entry; IDNs are compared as A-labels.',
  }));
  if (domains.length > certificateNamesMax) {
    issues.push({
      path: ['domains'],
      message: `${domains.length} domains, but one certificate takes ${certificateNamesMax} names. Ask AWS for a higher ACM quota "Domain names per ACM certificate" in us-east-1 and set certificateNamesMax to it (100 at most), or remove domains.`,
    });
  }
  // ACM: the first name of a certificate has 64 characters at most.
  if (domains.length > 0 && domains.every(({ domain }) => policyHostName(domain).length > 64)) {
    issues.push({
      path: ['domains'],
      message:
        'ACM needs one name of 64 characters at most on the certificate. Add a domain of 56 characters at most.',
    });
  }
  return issues;
}

/** Policies that are valid and yet protect little. */
export function warnOfDomains(domains: readonly DomainConfig[]): readonly string[] {
  return domains
    .filter(({ mtaSts }) => mtaSts.mode === 'enforce' && mtaSts.maxAgeSeconds < 86_400)
    .map(
      ({ domain, mtaSts }) =>
        // RFC 8461 §10.2: whoever foils discovery until max_age has run out removes the protection.
        `${domain}: mode enforce with maxAgeSeconds ${mtaSts.maxAgeSeconds} protects for less than a day against somebody who blocks the policy host. Use 604800 or more once the policy has proved right.`,
    );
}

/** Indices of values that occurred before. */
function repeated(values: readonly string[]): readonly number[] {
  return values.flatMap((value, index) => (values.indexOf(value) < index ? [index] : []));
}
