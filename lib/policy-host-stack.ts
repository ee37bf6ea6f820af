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
import { PolicyDistribution } from './policy-host/policy-distribution.ts';

/** A domain and what is published for it. */
export interface PublishedDomain {
  /** Lower-case A-labels. */
  readonly domain: string;
  readonly policy: PublishedPolicy;
  /** The name that serves it (RFC 8461 §3.2). */
  readonly policyHost: string;
  /** The TXT record that announces the policy, with an id that follows from its content (RFC 8461 §3.1). */
  readonly announcement: { readonly name: string; readonly text: string };
  /** Absent where another provider serves the domain; outputs then say what to create. */
  readonly hostedZone?: { readonly id: string; readonly name: string };
}

/** What is published. */
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
      hosts: new Map(props.domains.map((each) => [each.policyHost, zones.get(each.domain)])),
    });
    for (const published of props.domains) {
      const zone = zones.get(published.domain);
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
): ReadonlyMap<string, IHostedZone> {
  const byId = new Map<string, IHostedZone>();
  const byDomain = new Map<string, IHostedZone>();
  for (const { domain, hostedZone } of domains) {
    if (hostedZone !== undefined) {
      const { id, name } = hostedZone;
      const attributes = { hostedZoneId: id, zoneName: name };
      const zone =
        byId.get(id) ?? HostedZone.fromHostedZoneAttributes(scope, `Zone-${id}`, attributes);
      byId.set(id, zone);
      byDomain.set(domain, zone);
    }
  }
  return byDomain;
}

function createRecords(
  scope: Construct,
  { domain, policyHost, announcement }: PublishedDomain,
  { zone, distribution }: { readonly zone: IHostedZone; readonly distribution: Distribution },
): void {
  const alias = {
    zone,
    recordName: policyHost,
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
  { domain, policyHost, announcement }: PublishedDomain,
  distribution: Distribution,
): void {
  // Output names are letters and digits only; the hash keeps a-b.example and ab.example apart.
  const hash = createHash('sha256').update(domain).digest('hex').slice(0, 8);
  new CfnOutput(scope, `DnsRecords${domain.replace(/[^a-z0-9]/g, '')}${hash}`, {
    description: `To create for ${domain}: the CNAME first, the TXT record once HTTPS answers`,
    value: [
      `${policyHost} CNAME ${distribution.distributionDomainName}`,
      `${announcement.name} TXT "${announcement.text}"`,
    ].join('; '),
  });
}
