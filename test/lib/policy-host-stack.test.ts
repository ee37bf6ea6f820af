import { runInNewContext } from 'node:vm';
import { Match } from 'aws-cdk-lib/assertions';
import { beforeAll, describe, expect, test } from 'vitest';
import {
  allowedActions,
  createApp,
  exampleProps,
  statementsOf,
  synthesizeTemplates,
  type Templates,
} from './synthesize.ts';

let templates: Templates;

beforeAll(() => {
  templates = synthesizeTemplates();
});

describe('the distribution', () => {
  test('answers for the policy hosts over HTTPS, and never redirects', () => {
    hasDistribution({
      Aliases: ['mta-sts.example.com', 'mta-sts.example.org'],
      DefaultCacheBehavior: Match.objectLike({ ViewerProtocolPolicy: 'https-only' }),
      // No other behaviour, no default object and no replaced error: an unknown path is a 404 as the function says it.
      CacheBehaviors: Match.absent(),
      DefaultRootObject: Match.absent(),
      CustomErrorResponses: Match.absent(),
    });
  });

  test('TLS 1.2 at least, HTTP/2 and 3, IPv6', () => {
    hasDistribution({
      ViewerCertificate: {
        AcmCertificateArn: { Ref: Match.stringLikeRegexp('Certificate') },
        MinimumProtocolVersion: 'TLSv1.2_2021',
        SslSupportMethod: 'sni-only',
      },
      HttpVersion: 'http2and3',
      IPV6Enabled: true,
    });
  });

  test('GET and HEAD only, as they are: not compressed', () => {
    hasDistribution({
      DefaultCacheBehavior: Match.objectLike({ AllowedMethods: ['GET', 'HEAD'], Compress: false }),
    });
  });

  test('the certificate names every policy host', () => {
    templates.policyHost.hasResourceProperties('AWS::CertificateManager::Certificate', {
      DomainName: 'mta-sts.example.com',
      SubjectAlternativeNames: ['mta-sts.example.org'],
      ValidationMethod: 'DNS',
      DomainValidationOptions: [
        { DomainName: 'mta-sts.example.com', HostedZoneId: 'Z0123456789EXAMPLE' },
      ],
    });
  });

  test('it is all in us-east-1 and refers to no other region', () => {
    const stack = createApp().synth().getStackByName('SealpostPolicyHost');
    expect(stack.environment.region).toBe('us-east-1');
    expect(JSON.stringify(stack.template)).not.toMatch(/ImportValue|GetStackOutput|eu-west-1/);
    expect(
      stack.dependencies.filter(({ id }) => id.startsWith('Sealpost') && !id.endsWith('.assets')),
    ).toEqual([]);
  });
});

describe('the cache', () => {
  test('keeps policy hosts and revisions apart, for five minutes at most', () => {
    templates.policyHost.hasResourceProperties('AWS::CloudFront::CachePolicy', {
      CachePolicyConfig: {
        MinTTL: 0,
        DefaultTTL: 60,
        MaxTTL: 300,
        ParametersInCacheKeyAndForwardedToOrigin: {
          HeadersConfig: {
            HeaderBehavior: 'whitelist',
            Headers: ['x-sealpost-host', 'x-sealpost-revision'],
          },
          QueryStringsConfig: { QueryStringBehavior: 'none' },
          CookiesConfig: { CookieBehavior: 'none' },
          EnableAcceptEncodingGzip: false,
          EnableAcceptEncodingBrotli: false,
        },
      },
    });
  });

  test('Host itself is not forwarded: the function URL would refuse it', () => {
    hasDistribution({
      DefaultCacheBehavior: Match.objectLike({ OriginRequestPolicyId: Match.absent() }),
    });
  });

  test('the function of CloudFront runs before the look-up', () => {
    hasDistribution({
      DefaultCacheBehavior: Match.objectLike({
        FunctionAssociations: [
          {
            EventType: 'viewer-request',
            FunctionARN: { 'Fn::GetAtt': [Match.stringLikeRegexp('ViewerRequest'), 'FunctionARN'] },
          },
        ],
      }),
    });
    templates.policyHost.hasResourceProperties('AWS::CloudFront::Function', {
      AutoPublish: true,
      FunctionConfig: Match.objectLike({ Runtime: 'cloudfront-js-2.0' }),
    });
  });
});

describe('what the function of CloudFront does', () => {
  test.each([
    ['mta-sts.example.com', 'mta-sts.example.com', 'the host as asked for'],
    ['MTA-STS.Example.COM', 'mta-sts.example.com', 'in one spelling, one cache entry'],
  ])('%s becomes %s: %s', (host, copied) => {
    expect(rewrite(templates, { host: { value: host } })['x-sealpost-host']).toEqual({
      value: copied,
    });
  });

  test('what a client sends under its names does not get through', () => {
    const headers = rewrite(templates, {
      host: { value: 'mta-sts.example.com' },
      'x-sealpost-host': {
        value: 'mta-sts.example.org',
        multiValue: [{ value: 'a' }, { value: 'b' }],
      },
      'x-sealpost-revision': { value: 'old' },
    });
    expect(headers['x-sealpost-host']).toEqual({ value: 'mta-sts.example.com' });
    expect(headers['x-sealpost-revision']?.value).toMatch(/^[0-9a-f]{16}$/);
  });

  test('Host stays, and so does the rest of the request', () => {
    const headers = rewrite(templates, {
      host: { value: 'mta-sts.example.com' },
      accept: { value: '*/*' },
    });
    expect(headers).toMatchObject({
      host: { value: 'mta-sts.example.com' },
      accept: { value: '*/*' },
    });
  });
});

describe('the policy function', () => {
  test('is called by CloudFront alone, with both permissions that its URL needs', () => {
    templates.policyHost.hasResourceProperties('AWS::Lambda::Url', { AuthType: 'AWS_IAM' });
    templates.policyHost.resourceCountIs('AWS::Lambda::Permission', 2);
    const ofDistribution = {
      Principal: 'cloudfront.amazonaws.com',
      SourceArn: {
        'Fn::Join': [
          '',
          Match.arrayWith([':distribution/', { Ref: Match.stringLikeRegexp('Distribution') }]),
        ],
      },
    };
    templates.policyHost.hasResourceProperties('AWS::Lambda::Permission', {
      Action: 'lambda:InvokeFunctionUrl',
      ...ofDistribution,
    });
    templates.policyHost.hasResourceProperties('AWS::Lambda::Permission', {
      Action: 'lambda:InvokeFunction',
      InvokedViaFunctionUrl: true,
      ...ofDistribution,
    });
  });

  test('CloudFront signs what it sends, and speaks TLS', () => {
    templates.policyHost.hasResourceProperties('AWS::CloudFront::OriginAccessControl', {
      OriginAccessControlConfig: Match.objectLike({
        OriginAccessControlOriginType: 'lambda',
        SigningBehavior: 'always',
        SigningProtocol: 'sigv4',
      }),
    });
    hasDistribution({
      Origins: [
        Match.objectLike({
          CustomOriginConfig: Match.objectLike({ OriginProtocolPolicy: 'https-only' }),
          OriginAccessControlId: Match.anyValue(),
        }),
      ],
    });
  });

  test('knows the policies, and may do nothing but log', () => {
    const policies = Object.fromEntries(
      exampleProps().domains.map(({ domain, policy }) => [domain, policy]),
    );
    templates.policyHost.hasResourceProperties('AWS::Lambda::Function', {
      Environment: Match.exact({ Variables: { SEALPOST_POLICIES: JSON.stringify(policies) } }),
    });
    const statements = statementsOf(templates.policyHost, 'Sealpost function policy-host');
    expect(allowedActions(statements, '')).toEqual(['logs:CreateLogStream', 'logs:PutLogEvents']);
  });
});

describe('DNS records', () => {
  test.each(['A', 'AAAA'])('%s of the policy host, an alias of the distribution', (Type) => {
    templates.policyHost.hasResourceProperties('AWS::Route53::RecordSet', {
      Type,
      Name: 'mta-sts.example.com.',
      HostedZoneId: 'Z0123456789EXAMPLE',
      AliasTarget: Match.objectLike({
        DNSName: { 'Fn::GetAtt': [Match.stringLikeRegexp('Distribution'), 'DomainName'] },
      }),
    });
  });

  test('RFC 8461 §8.1: the TXT record comes after everything that serves the policy', () => {
    const [txt] = Object.values(
      templates.policyHost.findResources('AWS::Route53::RecordSet', {
        Properties: { Type: 'TXT' },
      }),
    );
    expect(txt?.['Properties']).toMatchObject({
      Name: '_mta-sts.example.com.',
      ResourceRecords: [`"${exampleProps().domains[0]?.announcement.text}"`],
      TTL: '300',
    });
    expect(txt?.['DependsOn']).toEqual(
      expect.arrayContaining([
        expect.stringMatching(/^A[a-z]*examplecom/),
        expect.stringMatching(/^Aaaa/),
        expect.stringMatching(/^PolicyHostDistribution\w{8}$/),
        expect.stringMatching(/InvokeFunctionFromCloudFront/),
      ]),
    );
  });

  test('without a hosted zone an output says what to create, in order', () => {
    templates.policyHost.resourceCountIs('AWS::Route53::RecordSet', 3);
    const outputs = Object.values(templates.policyHost.findOutputs('*'));
    const [records] = outputs.filter(({ Description }) => Description?.includes('example.org'));
    expect(records?.['Value']['Fn::Join'][1]).toEqual([
      'mta-sts.example.org CNAME ',
      { 'Fn::GetAtt': [expect.stringMatching(/Distribution/), 'DomainName'] },
      `; _mta-sts.example.org TXT "${exampleProps().domains[1]?.announcement.text}"`,
    ]);
  });

  test('without any hosted zone no record is made, and the certificate waits for its own', () => {
    const elsewhere = exampleProps().domains.map(({ hostedZone: _, ...rest }) => rest);
    const { policyHost } = synthesizeTemplates({ replace: { domains: elsewhere } });
    policyHost.resourceCountIs('AWS::Route53::RecordSet', 0);
    policyHost.hasResourceProperties('AWS::CertificateManager::Certificate', {
      ValidationMethod: 'DNS',
      DomainValidationOptions: Match.absent(),
    });
  });

  test('output DistributionDomainName', () => {
    templates.policyHost.hasOutput('DistributionDomainName', {
      Value: { 'Fn::GetAtt': [Match.stringLikeRegexp('Distribution'), 'DomainName'] },
    });
  });
});

describe('when a policy changes', () => {
  test('edges forget the old one and CloudFormation waits for them before it writes the TXT record', () => {
    const { domains } = exampleProps();
    const changed = synthesizeTemplates({
      replace: {
        domains: domains.map((each) => ({
          ...each,
          policy: { ...each.policy, maxAgeSeconds: each.policy.maxAgeSeconds + 1 },
        })),
      },
    });
    const host = { host: { value: 'mta-sts.example.com' } };
    const before = rewrite(templates, host)['x-sealpost-revision']?.value;
    const after = rewrite(changed, host)['x-sealpost-revision']?.value;
    expect(after).not.toBe(before);
    changed.policyHost.hasResourceProperties('AWS::CloudFront::Distribution', {
      DistributionConfig: Match.objectLike({ Comment: Match.stringLikeRegexp(after ?? '') }),
    });
  });

  test('the order of the domains is no change', () => {
    const turned = synthesizeTemplates({
      replace: { domains: [...exampleProps().domains].reverse() },
    });
    const host = { host: { value: 'mta-sts.example.com' } };
    expect(rewrite(turned, host)).toEqual(rewrite(templates, host));
  });
});

test('without domains there is no policy host', () => {
  const names = createApp({ replace: { domains: [] } })
    .synth()
    .stacks.map(({ stackName }) => stackName);
  expect(names).toEqual(['SealpostState', 'SealpostDelivery', 'SealpostApi']);
});

function hasDistribution(config: Record<string, unknown>): void {
  templates.policyHost.hasResourceProperties('AWS::CloudFront::Distribution', {
    DistributionConfig: Match.objectLike(config),
  });
}

type Headers = Record<string, { readonly value: string } | undefined>;

/** Runs the function of CloudFront that the template carries. */
function rewrite({ policyHost }: Templates, headers: object): Headers {
  const [edge] = Object.values(policyHost.findResources('AWS::CloudFront::Function'));
  const event = { request: { method: 'GET', uri: '/.well-known/mta-sts.txt', headers } };
  // JSON both ways: objects of the other realm are not equal to ours.
  const code = `${edge?.['Properties'].FunctionCode}; JSON.stringify(handler(JSON.parse(input)))`;
  return JSON.parse(runInNewContext(code, { input: JSON.stringify(event) })).headers;
}
