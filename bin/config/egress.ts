/** How mail leaves: from addresses of one's own through NAT gateways, or through a smart host. */
import { z } from 'zod';
import { domainName } from './names.ts';

/** The operator's own Elastic IP. */
export interface ElasticIp {
  readonly allocationId: string;
  readonly address: string;
}

/** Straight to the MX hosts. */
export interface NatConfig {
  readonly kind: 'nat';
  /** Two, one for each zone. */
  readonly elasticIps?: readonly ElasticIp[] | undefined;
  readonly availabilityZones?: readonly string[] | undefined;
}

/** Through a relay (RFC 8461 §3.4). */
export interface SmartHostConfig {
  readonly kind: 'smartHost';
  /** Lower-case A-labels. */
  readonly host: string;
  readonly port: 465 | 587;
  readonly credentialsSecretArn: string;
}

export type EgressConfig = NatConfig | SmartHostConfig;

const elasticIpSchema = z.strictObject({
  allocationId: z
    .string()
    .regex(/^eipalloc-[0-9a-f]{8,17}$/)
    .describe(
      'The allocation id of an Elastic IP in this region, like "eipalloc-0123456789abcdef0".',
    ),
  address: z.ipv4().describe('Its address, like "198.51.100.25".'),
});

const natSchema = z.strictObject({
  kind: z.literal('nat').describe('Straight to the MX hosts, from a VPC with two NAT gateways.'),
  elasticIps: z
    .tuple([elasticIpSchema, elasticIpSchema])
    .refine(([a, b]) => a.allocationId !== b.allocationId && a.address !== b.address, {
      error: 'the same twice. Name two Elastic IPs: one for each of the two zones.',
    })
    .optional()
    .describe(
      'The two Elastic IPs to send from, when you have some with a reputation. Without them two are created, and kept when the stacks go.',
    ),
  availabilityZones: z
    .tuple([zoneName(), zoneName()])
    .refine(([a, b]) => a !== b, { error: 'the same twice. Name two zones.' })
    .optional()
    .describe('The two zones to use. Default: the first two of the region.'),
});

const smartHostSchema = z.strictObject({
  kind: z.literal('smartHost').describe('All mail to one relay of yours; no VPC.'),
  host: domainName.describe(
    'The name of the relay; its certificate must show it, and its MTA-STS policy is the one that applies (RFC 8461 §3.4).',
  ),
  port: z
    .literal([465, 587])
    .describe(
      '465: TLS from the first byte (RFC 8314); 587: STARTTLS. AWS blocks port 25 without a VPC.',
    ),
  credentialsSecretArn: z
    .string()
    .regex(/^arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:\d{12}:secret:[\w/+=.@-]+-[A-Za-z0-9]{6}$/)
    .describe(
      'The whole ARN of a Secrets Manager secret {"username": …, "password": …} in the same region, under the key aws/secretsmanager.',
    ),
});

/** The `egress` section. */
export const egressSchema: z.ZodType<EgressConfig> = z
  .discriminatedUnion('kind', [natSchema, smartHostSchema], {
    error: (issue) =>
      issue.code === 'invalid_union'
        ? 'no such way out. Use "nat" or "smartHost" as its kind.'
        : undefined,
  })
  .describe('How mail leaves AWS: {"kind": "nat"} or {"kind": "smartHost", …}.');

function zoneName(): z.ZodString {
  return z
    .string()
    .regex(/^[a-z]{2}(-[a-z]+)+-\d[a-z]$/)
    .describe('An availability zone of the region, like "eu-west-1a".');
}
