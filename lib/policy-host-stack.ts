/** Publishing: the policy host of all our domains, and the DNS records that lead to it (RFC 8461 §3). */
import { createHash } from 'node:crypto';
import { CfnOutput, Duration, Stack, type StackProps } from 'aws-cdk-lib';
import type { Distribution } from 'aws-cdk-lib/aws-cloudfront';
import {
  AaaaRecord,
  ARecord,
  HostedZone,
  type IHostedZone,
  RecordTarget,
  TxtRecord,
} from 'aws-cdk-lib/aws-route53';
import { CloudFrontTarget } from 'aws-cdk-lib/aws-route53-targets';
import type { Construct } from 'constructs';
import type { PublishedPolicy } from '../functions/environment.ts';
import { PolicyDistribution, policyHostName } from './policy-host/policy-distribution.ts';

/** A domain and what is published for it. */
export interface PublishedDomain {
  /** Lower-case A-labels. */
  readonly domain: string;
  readonly policy: PublishedPolicy;
  /** The TXT record that announces the policy, with an id that follows from its content (RFC 8461 §3.1). */
  readonly announcement: { readonly name: string; readonly text: string };
  /** Absent where another provider serves the domain; outputs then say what to create. */
  readonly hostedZone?: { readonly id: string; readonly name: string };
}

export interface PolicyHostStackProps extends StackProps {
  /** One at least. */
  readonly domains: readonly PublishedDomain[];
}

/** In us-east-1 whatever the region of the rest, because of its certificate; it refers to no other stack. */
export class PolicyHostStack extends Stack {
  constructor(scope: Construct, id: string, props: PolicyHostStackProps) {
    super(scope, id, { ...props, env: { ...props.env, region: 'us-east-1' } });
    const zones = importZones(this, props.domains);
    const { distribution } = new PolicyDistribution(this, 'PolicyHost', {
      policies: Object.fromEntries(props.domains.map(({ domain, policy }) => [domain, policy])),
      hostedZones: zones,
    });
    for (const published of props.domains) {
      const zone = zones[published.domain];
      if (zone === undefined) {
        describeRecords(this, published, distribution);
      } else {
        createRecords(this, published, { zone, distribution });
      }
    }
    new CfnOutput(this, 'DistributionDomainName', { value: distribution.distributionDomainName });
  }
}

/** Policy domain -> its hosted zone; several domains may share one. */
function importZones(
  scope: Construct,
  domains: readonly PublishedDomain[],
): Readonly<Record<string, IHostedZone>> {
  const zones = new Map<string, IHostedZone>();
  const entries = domains.flatMap(({ domain, hostedZone }) => {
    if (hostedZone === undefined) {
      return [];
    }
    const zone =
      zones.get(hostedZone.id) ??
      HostedZone.fromHostedZoneAttributes(scope, `Zone-${hostedZone.id}`, {
        hostedZoneId: hostedZone.id,
        zoneName: hostedZone.name,
      });
    zones.set(hostedZone.id, zone);
    return [[domain, zone] as const];
  });
  return Object.fromEntries(entries);
}

function createRecords(
  scope: Construct,
  { domain, announcement }: PublishedDomain,
  { zone, distribution }: { readonly zone: IHostedZone; readonly distribution: Distribution },
): void {
  const alias = {
    zone,
    recordName: policyHostName(domain),
    target: RecordTarget.fromAlias(new CloudFrontTarget(distribution)),
  };
  const a = new ARecord(scope, `A-${domain}`, alias);
  const aaaa = new AaaaRecord(scope, `Aaaa-${domain}`, alias);
  const txt = new TxtRecord(scope, `Txt-${domain}`, {
    zone,
    recordName: announcement.name,
    values: [announcement.text],
    ttl: Duration.minutes(5),
  });
  // RFC 8461 §8.1: HTTPS first, then TXT. A sender that sees a new id too early keeps the old policy under it, and one
  // that cannot fetch must wait five minutes for the next try (§3.3).
  txt.node.addDependency(distribution, a, aaaa);
}

/** The records of a domain that another provider serves, in the order in which to create them. */
function describeRecords(
  scope: Construct,
  { domain, announcement }: PublishedDomain,
  distribution: Distribution,
): void {
  // Output names are letters and digits only; the hash keeps a-b.example and ab.example apart.
  const hash = createHash('sha256').update(domain).digest('hex').slice(0, 8);
  new CfnOutput(scope, `DnsRecords${domain.replace(/[^a-z0-9]/g, '')}${hash}`, {
    description: `To create for ${domain}: the CNAME first, the TXT record once HTTPS answers`,
    value: [
      `${policyHostName(domain)} CNAME ${distribution.distributionDomainName}`,
      `${announcement.name} TXT "${announcement.text}"`,
    ].join('; '),
  });
}
