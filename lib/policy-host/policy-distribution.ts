/** The HTTPS side of the policy host: https://mta-sts.<domain>/.well-known/mta-sts.txt (RFC 8461 §3.2, §3.3). */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Duration, Validations } from 'aws-cdk-lib';
import { Certificate, CertificateValidation } from 'aws-cdk-lib/aws-certificatemanager';
import {
  AllowedMethods,
  CacheCookieBehavior,
  CacheHeaderBehavior,
  CachePolicy,
  CacheQueryStringBehavior,
  Function as CloudFrontFunction,
  Distribution,
  FunctionCode,
  FunctionEventType,
  FunctionRuntime,
  HttpVersion,
  SecurityPolicyProtocol,
  ViewerProtocolPolicy,
} from 'aws-cdk-lib/aws-cloudfront';
import { FunctionUrlOrigin } from 'aws-cdk-lib/aws-cloudfront-origins';
import { FunctionUrlAuthType } from 'aws-cdk-lib/aws-lambda';
import type { IHostedZone } from 'aws-cdk-lib/aws-route53';
import { Construct } from 'constructs';
import type { PolicyHostEnvironment, PublishedPolicy } from '../../functions/environment.ts';
import { askedHostField } from '../../functions/publishing/policy-response.ts';
import { HandlerFunction } from '../handler-function.ts';

/** What is served, and by which names. */
export interface PolicyDistributionProps {
  /** Policy domain -> policy. */
  readonly policies: Readonly<Record<string, PublishedPolicy>>;
  /** Policy host of each of these domains -> where its DNS is; undefined where Route 53 does not serve it. */
  readonly hosts: ReadonlyMap<string, IHostedZone | undefined>;
}

/** Must be in us-east-1, where CloudFront looks for its certificates. */
export class PolicyDistribution extends Construct {
  readonly distribution: Distribution;

  constructor(scope: Construct, id: string, props: PolicyDistributionProps) {
    super(scope, id);
    const revision = hashPolicies(props.policies);
    this.distribution = new Distribution(this, 'Distribution', {
      // The comment changes with the policies, so that CloudFormation waits until all edges run the new revision
      // before it goes on to the TXT records.
      comment: `Sealpost MTA-STS policy host, revision ${revision}`,
      domainNames: [...props.hosts.keys()],
      certificate: createCertificate(this, props.hosts),
      // RFC 8461 §3.3 leaves TLS to the web; 1.2 is the floor that senders of the last decade share.
      minimumProtocolVersion: SecurityPolicyProtocol.TLS_V1_2_2021,
      httpVersion: HttpVersion.HTTP2_AND_3,
      enableIpv6: true,
      defaultBehavior: {
        origin: FunctionUrlOrigin.withOriginAccessControl(createFunctionUrl(this, props.policies)),
        allowedMethods: AllowedMethods.ALLOW_GET_HEAD,
        // RFC 8461 §3.3: senders must not follow a redirect, so there is none, not even from http.
        viewerProtocolPolicy: ViewerProtocolPolicy.HTTPS_ONLY,
        cachePolicy: createCachePolicy(this),
        compress: false,
        functionAssociations: [
          {
            eventType: FunctionEventType.VIEWER_REQUEST,
            function: createViewerRequestFunction(this, revision),
          },
        ],
      },
    });
    acknowledgeFindings(this.distribution);
  }
}

/** A name for this set of policies, whatever the order of the domains. */
function hashPolicies(policies: PolicyDistributionProps['policies']): string {
  const entries = Object.entries(policies).sort(([a], [b]) => (a < b ? -1 : 1));
  return createHash('sha256').update(JSON.stringify(entries)).digest('hex').slice(0, 16);
}

function createFunctionUrl(
  scope: Construct,
  policies: PolicyDistributionProps['policies'],
): ReturnType<HandlerFunction['addFunctionUrl']> {
  const environment: PolicyHostEnvironment = { SEALPOST_POLICIES: policies };
  const policyHost = new HandlerFunction(scope, 'Function', {
    handler: 'policy-host',
    description: 'Serves the MTA-STS policies of our domains',
    environment,
    timeout: Duration.seconds(10),
    memoryMb: 256,
  });
  // Only CloudFront may call it, and signs what it sends.
  return policyHost.addFunctionUrl({ authType: FunctionUrlAuthType.AWS_IAM });
}

function createCertificate(scope: Construct, hosts: PolicyDistributionProps['hosts']): Certificate {
  const names = [...hosts.keys()];
  // ACM takes 64 characters at most for the first name; the config has seen to it that one fits.
  const first = names.find((name) => name.length <= 64) ?? (names[0] as string);
  const zones = [...hosts].flatMap(([name, zone]) => (zone === undefined ? [] : [[name, zone]]));
  return new Certificate(scope, 'Certificate', {
    domainName: first,
    subjectAlternativeNames: names.filter((name) => name !== first),
    validation: CertificateValidation.fromDnsMultiZone(Object.fromEntries(zones)),
  });
}

function createCachePolicy(scope: Construct): CachePolicy {
  return new CachePolicy(scope, 'CachePolicy', {
    comment: 'One answer per policy host, path and revision',
    headerBehavior: CacheHeaderBehavior.allowList(askedHostField, 'x-sealpost-revision'),
    queryStringBehavior: CacheQueryStringBehavior.none(),
    cookieBehavior: CacheCookieBehavior.none(),
    // RFC 8461 §8.2 names a minute as reasonable for a proxy in front of a policy host.
    minTtl: Duration.seconds(0),
    defaultTtl: Duration.seconds(60),
    maxTtl: Duration.seconds(300),
  });
}

function createViewerRequestFunction(scope: Construct, revision: string): CloudFrontFunction {
  const source = readFileSync(join(import.meta.dirname, 'viewer-request.js'), 'utf8');
  return new CloudFrontFunction(scope, 'ViewerRequest', {
    comment: 'Puts the policy host into the cache key',
    runtime: FunctionRuntime.JS_2_0,
    code: FunctionCode.fromInline(source.replace('REVISION', revision)),
  });
}

function acknowledgeFindings(distribution: Distribution): void {
  Validations.of(distribution).acknowledge(
    {
      id: 'AwsSolutions-CFR1',
      reason:
        'A policy is for every sender in the world; a country that is shut out sends unprotected.',
    },
    {
      id: 'AwsSolutions-CFR2',
      reason:
        'Senders are programs, which bot rules refuse. One static text a domain is all there is to attack.',
    },
    {
      id: 'AwsSolutions-CFR3',
      reason:
        'Public texts, read by programs: metrics and the logs of the function tell what an operator asks.',
    },
  );
}
