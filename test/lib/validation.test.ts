/** Synthesis fails on any finding: shown by stacks that are broken on purpose, in one way at a time. */
import { readFileSync } from 'node:fs';
import { type App, CfnResource, type Stack, Validations } from 'aws-cdk-lib';
import { Queue } from 'aws-cdk-lib/aws-sqs';
import { AwsSolutionsChecks } from 'cdk-nag';
import { describe, expect, test } from 'vitest';
import { type AppOptions, createApp, exampleProps } from './synthesize.ts';

function createCheckedApp(options: AppOptions = {}): App {
  const app = createApp({ ...options, validate: true });
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
  return app;
}

describe('npx cdk synth', () => {
  test('passes with NAT gateways', () => {
    expect(() => createCheckedApp().synth()).not.toThrow();
  });

  test('passes with a smart host, in whatever account and region', () => {
    const { delivery } = exampleProps();
    const credentialsSecretArn =
      'arn:aws:secretsmanager:eu-west-1:111122223333:secret:relay-AbCdEf';
    const replace = {
      env: {},
      egress: { kind: 'smartHost' },
      delivery: {
        ...delivery,
        smartHost: { host: 'relay.example.com', port: 465, credentialsSecretArn },
      },
    } as const;
    expect(() => createCheckedApp({ replace }).synth()).not.toThrow();
  });

  test('passes with TLS reports', () => {
    const secretArn = 'arn:aws:secretsmanager:eu-west-1:111122223333:secret:dkim-AbCdEf';
    const reports = {
      settings: {
        organizationName: 'Example Ltd',
        contactInfo: 'tls-reports@example.com',
        onlyFailures: false,
        destinations: [],
      },
      dkimKeys: [{ domain: 'example.com', selector: 's2026', secretArn }],
    };
    expect(() => createCheckedApp({ replace: { reports } }).synth()).not.toThrow();
  });

  test.each([
    [
      'a property that CloudFormation does not know',
      (state: Stack) => {
        new CfnResource(state, 'Broken', {
          type: 'AWS::SQS::Queue',
          properties: { VisibilityTimeOut: 30 },
        });
      },
      /VisibilityTimeOut/,
    ],
    [
      'a finding of cdk-nag',
      (state: Stack) => {
        new Queue(state, 'Broken');
      },
      /AwsSolutions-SQS/,
    ],
  ])('fails on %s', (_what, breakStack, finding) => {
    const app = createCheckedApp();
    breakStack(app.node.findChild('SealpostState') as Stack);
    expect(() => app.synth()).toThrow(finding);
  });

  test('fails where an environment would not fit into Lambda', () => {
    const policy = {
      mode: 'enforce',
      mx: [`mx.${'a'.repeat(60)}.example`],
      maxAgeSeconds: 1,
    } as const;
    const domains = Array.from({ length: 50 }, (_, n) => ({
      domain: `d${n}.example`,
      policy,
      policyHost: `mta-sts.d${n}.example`,
      announcement: { name: `_mta-sts.d${n}.example`, text: 'v=STSv1; id=1;' },
    }));
    expect(() => createCheckedApp({ replace: { domains } }).synth()).toThrow(
      /the environment takes \d+ bytes and Lambda allows 4096. SEALPOST_POLICIES takes \d+ of them/,
    );
  });
});

describe('cdk.json', () => {
  test('has every recommended flag, but for references that protect the state stack', () => {
    const { context } = JSON.parse(readFileSync('cdk.json', 'utf8'));
    const recommended = JSON.parse(
      readFileSync('node_modules/aws-cdk-lib/recommended-feature-flags.json', 'utf8'),
    );
    expect(context).toEqual({
      ...recommended,
      '@aws-cdk/core:strictCfnValidateErrors': true,
      '@aws-cdk/core:defaultCrossStackReferences': 'strong',
    });
  });
});
