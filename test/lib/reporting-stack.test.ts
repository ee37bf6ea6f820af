import { Match, Template } from 'aws-cdk-lib/assertions';
import { beforeAll, describe, expect, test } from 'vitest';
import {
  readPlanReportsEnvironment,
  readSendReportEnvironment,
  readSuppressBouncedEnvironment,
} from '../../functions/handlers/read-environment.ts';
import type { ReportingProps } from '../../lib/reporting-stack.ts';
import { allowedActions, createApp, statementsOf } from './synthesize.ts';

const secretArn = 'arn:aws:secretsmanager:eu-west-1:111122223333:secret:dkim-AbCdEf';
const reports: ReportingProps = {
  settings: {
    organizationName: 'Example Ltd',
    contactInfo: 'tls-reports@example.com',
    onlyFailures: false,
    destinations: [{ from: 'mailto:a@example.net' }],
  },
  dkimKeys: [{ domain: 'example.com', selector: 's2026', secretArn }],
};

let template: Template;

beforeAll(() => {
  const assembly = createApp({ replace: { reports } }).synth();
  template = Template.fromJSON(assembly.getStackByName('SealpostReporting').template);
});

test('there is none without a contact and a key', () => {
  const names = createApp()
    .synth()
    .stacks.map(({ stackName }) => stackName);
  expect(names).not.toContain('SealpostReporting');
});

test('reports are planned each quarter of an hour, and a run is not tried again', () => {
  template.hasResourceProperties('AWS::Scheduler::Schedule', {
    ScheduleExpression: 'rate(15 minutes)',
    Target: Match.objectLike({ RetryPolicy: { MaximumRetryAttempts: 0 } }),
  });
});

test('a job outlives a day of attempts, hidden for no less than a run takes, and is then looked at by people', () => {
  template.hasResourceProperties('AWS::SQS::Queue', {
    MessageRetentionPeriod: 345_600,
    VisibilityTimeout: 1_800,
    RedrivePolicy: Match.objectLike({ maxReceiveCount: 60 }),
  });
  template.hasResourceProperties('AWS::SQS::Queue', { MessageRetentionPeriod: 1_209_600 });
  template.hasResourceProperties('AWS::Lambda::EventSourceMapping', {
    FunctionResponseTypes: ['ReportBatchItemFailures'],
    ScalingConfig: { MaximumConcurrency: 10 },
  });
});

test('SES sends reports in spite of failing TLS, and tells of those that come back', () => {
  template.hasResourceProperties('AWS::SES::ConfigurationSet', {
    DeliveryOptions: { TlsPolicy: 'OPTIONAL' },
  });
  template.hasResourceProperties('AWS::SES::ConfigurationSetEventDestination', {
    EventDestination: Match.objectLike({
      MatchingEventTypes: ['bounce'],
      EventBridgeDestination: Match.anyValue(),
    }),
  });
  template.hasResourceProperties('AWS::Events::Rule', {
    EventPattern: {
      source: ['aws.ses'],
      'detail-type': ['Email Bounced'],
      detail: {
        mail: {
          tags: { 'ses:configuration-set': [{ Ref: Match.stringLikeRegexp('ConfigurationSet') }] },
        },
      },
    },
  });
});

describe('every handler accepts its environment', () => {
  test('plan-reports', () => {
    const variables = variablesOf('PlanReports');
    expect(readPlanReportsEnvironment(variables)).toEqual(variables);
  });

  test('send-report', () => {
    const environment = readSendReportEnvironment(variablesOf('SendReport'));
    expect(environment.SEALPOST_REPORTS).toEqual(reports.settings);
    expect(environment.SEALPOST_REPORT_DKIM_KEYS).toEqual(reports.dkimKeys);
  });

  test('suppress-bounced', () => {
    const variables = variablesOf('SuppressBounced');
    expect(readSuppressBouncedEnvironment(variables)).toEqual(variables);
  });
});

function variablesOf(functionId: string): Record<string, string> {
  const [found] = Object.entries(template.findResources('AWS::Lambda::Function')).filter(([id]) =>
    id.startsWith(functionId),
  );
  const variables = found?.[1]?.['Properties'].Environment.Variables as Record<string, unknown>;
  return Object.fromEntries(
    Object.entries(variables).map(([name, value]) => [
      name,
      typeof value === 'string' ? value : 'resolved-later',
    ]),
  );
}

describe('least privilege', () => {
  test.each([
    [
      'plan-reports',
      'ReportTable',
      ['dynamodb:GetItem', 'dynamodb:Query', 'dynamodb:UpdateItem'],
      'reads domains, notes how far it got',
    ],
    ['plan-reports', 'ReportQueue', ['sqs:SendMessage'], 'puts jobs in'],
    ['plan-reports', 'ReportBucket', [], 'sees no body'],
    [
      'send-report',
      'ReportTable',
      ['dynamodb:GetItem', 'dynamodb:Query', 'dynamodb:UpdateItem'],
      'reads results, freezes and settles',
    ],
    ['send-report', '/sent/*', ['s3:GetObject', 's3:PutObject'], 'large bodies of its own'],
    ['send-report', secretArn, ['secretsmanager:GetSecretValue'], 'the keys that sign'],
    [
      'send-report',
      ':identity/example.com',
      ['ses:SendEmail', 'ses:SendRawEmail'],
      'as the contact',
    ],
    ['suppress-bounced', 'ReportTable', ['dynamodb:PutItem'], 'puts an address on the list'],
  ])('%s on %s: %j, %s', (name, resource, actions, _reason) => {
    const statements = statementsOf(template, `Sealpost function ${name}`);
    expect(allowedActions(statements, resource)).toEqual(actions);
  });

  test('mail goes out from the contact alone, under the one configuration set', () => {
    const statements = statementsOf(template, 'Sealpost function send-report');
    const [mail] = statements.filter(({ Action }) => Action.includes('ses:SendEmail'));
    expect(mail?.Condition).toEqual({
      StringEquals: { 'ses:FromAddress': 'tls-reports@example.com' },
    });
    expect(JSON.stringify(mail?.Resource)).toContain(':configuration-set/');
    expect(mail?.Resource).toHaveLength(2);
  });
});
