/** Receiving TLS reports: the mailbox, the way to the function, and who may do what. */
import { Validations } from 'aws-cdk-lib';
import { Match, Template } from 'aws-cdk-lib/assertions';
import type { SQSBatchResponse, SQSEvent } from 'aws-lambda';
import { AwsSolutionsChecks } from 'cdk-nag';
import { beforeAll, describe, expect, test, vi } from 'vitest';
import { isKnownType } from '../../bin/local/resource-types.ts';
import { checkReportsHandler } from '../../functions/handlers/check-reports.ts';
import { instrumentHandler } from '../../functions/handlers/middleware.ts';
import {
  readCheckReportsEnvironment,
  readPostReportEnvironment,
  readReceiveReportEnvironment,
} from '../../functions/handlers/read-environment.ts';
import { receiveReportHandler } from '../../functions/handlers/receive-report.ts';
import type { ReportInboxChoice } from '../../lib/report-records.ts';
import { captureOutput, lambdaContext } from '../handlers/lambda-context.ts';
import { companyXLately } from '../protocol/tlsrpt/received-samples.ts';
import { createMemoryReceipts } from '../reporting/memory-receipts.ts';
import { mailOf } from '../reporting/report-mails.ts';
import { allowedActions, createApp, statementsOf } from './synthesize.ts';

const nowMs = Date.parse('2026-11-24T03:00:00Z');

const zone = { id: 'Z0123456789ABCDEFGHIJ', name: 'example.com' };
const inbox: ReportInboxChoice = {
  mailbox: 'a!b@tlsrpt.example.com',
  hostedZone: zone,
  createsIdentity: true,
  https: true,
  setting: {
    domains: ['example.com', 'b.example'],
    mxHosts: ['*.example.com'],
    failurePercentMax: 5,
  },
  domains: [{ domain: 'example.com', hostedZone: zone }, { domain: 'b.example' }],
  alarmTopicArn: 'arn:aws:sns:eu-west-1:111122223333:operators',
};
const { hostedZone: _zone, alarmTopicArn: topicArn, ...withoutZone } = inbox;
const bare: ReportInboxChoice = { ...withoutZone, createsIdentity: false, https: false };

interface Synthesized {
  readonly state: Template;
  readonly api: Template;
  readonly inbox: Template;
}

function synthesize(reportInbox: ReportInboxChoice): Synthesized {
  const assembly = createApp({ replace: { reportInbox } }).synth();
  const template = (name: string): Template =>
    Template.fromJSON(assembly.getStackByName(name).template);
  return {
    state: template('SealpostState'),
    api: template('SealpostApi'),
    inbox: template('SealpostReportInbox'),
  };
}

let full: Synthesized;
let least: Synthesized;

beforeAll(() => {
  full = synthesize(inbox);
  least = synthesize(bare);
});

test('without an inbox there is no such stack, and the bucket tells nobody', () => {
  const assembly = createApp().synth();
  expect(assembly.stacks.map(({ stackName }) => stackName)).not.toContain('SealpostReportInbox');
  Template.fromJSON(assembly.getStackByName('SealpostState').template).resourcePropertiesCountIs(
    'AWS::S3::Bucket',
    { NotificationConfiguration: Match.anyValue() },
    0,
  );
});

test.each([
  ['all of it', inbox],
  ['the least of it', bare],
])('CloudFormation and cdk-nag find nothing in %s', (_what, reportInbox) => {
  const app = createApp({ replace: { reportInbox }, validate: true });
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
  expect(() => app.synth()).not.toThrow();
});

test('the local cloud knows all that it is made of', () => {
  const { Resources: resources } = full.inbox.toJSON() as {
    readonly Resources: Readonly<Record<string, { readonly Type: string }>>;
  };
  const types = [...new Set(Object.values(resources).map(({ Type }) => Type))];
  expect(types).toContain('AWS::CloudWatch::Alarm');
  expect(types.filter((type) => !isKnownType(type))).toEqual([]);
});

describe('mail', () => {
  test('goes to SES: MX record, and the keys by which SES knows the domain', () => {
    full.inbox.hasResourceProperties('AWS::Route53::RecordSet', {
      Name: 'tlsrpt.example.com.',
      Type: 'MX',
      ResourceRecords: [Match.anyValue()],
    });
    full.inbox.hasResourceProperties('AWS::SES::EmailIdentity', {
      EmailIdentity: 'tlsrpt.example.com',
    });
    full.inbox.resourcePropertiesCountIs('AWS::Route53::RecordSet', { Type: 'CNAME' }, 3);
  });

  test('without a zone an output says what to create, and what SES knows is left alone', () => {
    least.inbox.resourceCountIs('AWS::SES::EmailIdentity', 0);
    least.inbox.resourceCountIs('AWS::Route53::RecordSet', 1);
    const [output] = Object.values(least.inbox.findOutputs('ReportMailboxRecords'));
    expect(JSON.stringify(output?.['Value'])).toMatch(/tlsrpt\.example\.com MX 10 inbound-smtp/);
  });

  test('is put into the bucket by our rule and nothing else', () => {
    full.state.hasResourceProperties('AWS::S3::BucketPolicy', {
      PolicyDocument: {
        Statement: Match.arrayWith([
          Match.objectLike({
            Principal: { Service: 'ses.amazonaws.com' },
            Action: 's3:PutObject',
            Condition: Match.objectLike({
              StringEquals: { 'aws:SourceAccount': Match.anyValue() },
            }),
          }),
        ]),
      },
    });
    const text = JSON.stringify(full.state.toJSON());
    expect(text).toContain(':receipt-rule-set/*:receipt-rule/sealpost-tls-reports');
    expect(text).toContain('/received/mail/*');
  });

  test('finds the rule in the active set, by a function that can do nothing else', () => {
    full.inbox.hasResourceProperties('Custom::ReceiptRule', {
      name: 'sealpost-tls-reports',
      mailbox: 'a!b@tlsrpt.example.com',
      prefix: 'received/mail/',
    });
    const statements = statementsOf(full.inbox, 'Sealpost function receipt-rule');
    const actions = allowedActions(statements, '*').filter((action) => !action.startsWith('logs:'));
    expect(new Set(actions.map((action) => action.split(':')[0]))).toEqual(new Set(['ses']));
    expect(actions).not.toContain('ses:*');
  });
});

describe('what came', () => {
  test('is told of by the bucket, and waits in a queue of which dead letters are kept', () => {
    full.state.hasResourceProperties('AWS::S3::Bucket', {
      NotificationConfiguration: { EventBridgeConfiguration: { EventBridgeEnabled: true } },
    });
    full.inbox.hasResourceProperties('AWS::Events::Rule', {
      EventPattern: {
        source: ['aws.s3'],
        'detail-type': ['Object Created'],
        detail: { object: { key: [{ prefix: 'received/' }] } },
      },
    });
    full.inbox.hasResourceProperties('AWS::SQS::Queue', {
      VisibilityTimeout: 720,
      SqsManagedSseEnabled: true,
      RedrivePolicy: Match.objectLike({ maxReceiveCount: 12 }),
    });
    full.inbox.hasResourceProperties('AWS::Lambda::EventSourceMapping', {
      BatchSize: 1,
      FunctionResponseTypes: ['ReportBatchItemFailures'],
      ScalingConfig: { MaximumConcurrency: 5 },
    });
  });

  test('is read by a function that reads what was received, and writes no object', () => {
    const statements = statementsOf(full.inbox, 'Sealpost function receive-report');
    expect(allowedActions(statements, '/received/*')).toEqual(['s3:GetObject']);
    const all = statements.flatMap(({ Action }) => Action);
    expect(all.filter((action) => action.startsWith('s3:')).sort()).toEqual([
      's3:GetObject',
      's3:ListBucket',
    ]);
    expect(all.filter((action) => action.startsWith('dynamodb:')).sort()).toEqual([
      'dynamodb:BatchWriteItem',
      'dynamodb:GetItem',
      'dynamodb:PutItem',
      'dynamodb:UpdateItem',
    ]);
  });

  test('is looked at once a day by a function that reads, and notes of what it told', () => {
    const statements = statementsOf(full.inbox, 'Sealpost function check-reports');
    const actions = statements.flatMap(({ Action }) => Action);
    expect(actions.filter((action) => action.startsWith('dynamodb:')).sort()).toEqual([
      'dynamodb:BatchWriteItem',
      'dynamodb:Query',
    ]);
    full.inbox.hasResourceProperties('AWS::Scheduler::Schedule', {
      ScheduleExpression: 'rate(1 day)',
    });
  });
});

describe('alarms', () => {
  test('tell the topic, if there is one', () => {
    full.inbox.allResourcesProperties('AWS::CloudWatch::Alarm', { AlarmActions: [topicArn] });
    least.inbox.allResourcesProperties('AWS::CloudWatch::Alarm', { AlarmActions: Match.absent() });
    least.inbox.resourceCountIs('AWS::CloudWatch::Alarm', 4);
  });

  test('of what happens end by themselves; of what lasts, when it is over', () => {
    const found = Object.values(full.inbox.findResources('AWS::CloudWatch::Alarm'));
    expect(
      Object.fromEntries(
        found.map(({ Properties: { MetricName, TreatMissingData } }) => [
          MetricName,
          TreatMissingData,
        ]),
      ),
    ).toEqual({
      ReportedFailuresNew: 'notBreaching',
      ReportedFailuresAboveShare: 'notBreaching',
      ReportersSilent: 'ignore',
      ReportedDomainsSilent: 'ignore',
    });
  });

  test('are on metrics that the functions write', async () => {
    const written = captureOutput();
    await writeAllMetrics();
    vi.restoreAllMocks();
    const metrics = written.lines.flatMap((line) => metricsOf(line));
    for (const { Properties } of Object.values(
      full.inbox.findResources('AWS::CloudWatch::Alarm'),
    )) {
      const { Namespace, MetricName, Dimensions } = Properties;
      expect(metrics).toContainEqual({ Namespace, MetricName, Dimensions });
    }
  });

  /** The two functions at work: a report with a failure of a new type, and the daily look. */
  async function writeAllMetrics(): Promise<void> {
    const reports = createMemoryReceipts();
    const receive = instrumentHandler<SQSEvent, SQSBatchResponse>('receive-report', (instruments) =>
      receiveReportHandler(
        {
          store: reports,
          checkSignatures: async () => [
            { domain: 'org.example', outcome: 'valid', detail: '', coversBody: true },
          ],
          own: { domains: ['company-y.example'], mxHosts: [] },
          readRaw: async () => mailOf({ ...companyXLately, 'contact-info': 'tls@org.example' }),
          now: () => nowMs,
        },
        instruments,
      ),
    );
    const check = instrumentHandler('check-reports', (instruments) =>
      checkReportsHandler(
        {
          reader: reports,
          memory: reports,
          domains: ['company-y.example'],
          failurePercentMax: 5,
          now: () => nowMs,
        },
        instruments,
      ),
    );
    const body = JSON.stringify({
      time: '2026-11-24T02:00:00Z',
      detail: { object: { key: 'received/mail/1' } },
    });
    const record = { messageId: '1', body, attributes: { ApproximateReceiveCount: '1' } };
    await receive({ Records: [record] } as SQSEvent, lambdaContext());
    await check({}, lambdaContext());
  }

  /** What CloudWatch makes of a line in its embedded metric format. */
  function metricsOf(line: Record<string, unknown>): readonly object[] {
    const { CloudWatchMetrics: sets = [] } = (line['_aws'] ?? {}) as {
      readonly CloudWatchMetrics?: readonly {
        readonly Namespace: string;
        readonly Dimensions: readonly (readonly string[])[];
        readonly Metrics: readonly { readonly Name: string }[];
      }[];
    };
    return sets.flatMap(({ Namespace, Dimensions: dimensionSets, Metrics }) =>
      dimensionSets.flatMap((names) =>
        Metrics.map(({ Name: MetricName }) => ({
          Namespace,
          MetricName,
          Dimensions: names.map((Name) => ({ Name, Value: line[Name] })),
        })),
      ),
    );
  }
});

describe('by HTTPS', () => {
  test('anybody may post, a few a second, and nothing else is open', () => {
    const routes = Object.values(full.api.findResources('AWS::ApiGatewayV2::Route')).map(
      ({ Properties }) => [Properties.RouteKey, Properties.AuthorizationType],
    );
    expect(routes.filter(([, type]) => type !== 'AWS_IAM')).toEqual([['POST /tlsrpt', 'NONE']]);
    full.api.hasResource('AWS::ApiGatewayV2::Stage', {
      Properties: {
        RouteSettings: {
          'POST /tlsrpt': { ThrottlingRateLimit: 2, ThrottlingBurstLimit: 20 },
        },
      },
      DependsOn: Match.arrayWith([Match.stringLikeRegexp('tlsrpt')]),
    });
    const statements = statementsOf(full.api, 'Sealpost function post-report');
    expect(allowedActions(statements, '/received/https/*')).toEqual(['s3:PutObject']);
    expect(
      statements.flatMap(({ Action }) => Action).filter((action) => !action.startsWith('logs:')),
    ).toEqual(['s3:PutObject']);
  });

  test('not unless it is asked for', () => {
    const keys = Object.values(least.api.findResources('AWS::ApiGatewayV2::Route')).map(
      ({ Properties }) => Properties.RouteKey,
    );
    expect(keys).not.toContain('POST /tlsrpt');
  });
});

describe('the records that ask for reports (RFC 8460 §3)', () => {
  test('are made where we have the zone; what a URI may not have is encoded', () => {
    const records = Object.values(full.inbox.findResources('AWS::Route53::RecordSet'));
    const [record] = records.filter(({ Properties }) => Properties.Type === 'TXT');
    expect(record?.['Properties'].Name).toBe('_smtp._tls.example.com.');
    expect(JSON.stringify(record?.['Properties'].ResourceRecords)).toMatch(
      /v=TLSRPTv1; rua=mailto:a%21b@tlsrpt\.example\.com,.*\/tlsrpt/,
    );
  });

  test('and described where we have not', () => {
    const outputs = Object.values(least.inbox.findOutputs('*')).map(({ Value }) =>
      JSON.stringify(Value),
    );
    expect(outputs).toContainEqual(
      JSON.stringify('_smtp._tls.b.example TXT "v=TLSRPTv1; rua=mailto:a%21b@tlsrpt.example.com"'),
    );
  });
});

test('each function accepts its environment', () => {
  const variablesOf = (template: Template, role: string): Record<string, string> => {
    const functions = Object.values(template.findResources('AWS::Lambda::Function'));
    const found = functions.find(({ Properties }) => Properties.Description.startsWith(role));
    return Object.fromEntries(
      Object.entries(found?.['Properties'].Environment.Variables).map(([key, value]) => [
        key,
        typeof value === 'string' ? value : 'resolved-later',
      ]),
    );
  };
  const received = readReceiveReportEnvironment(variablesOf(full.inbox, 'Reads TLS reports'));
  expect(received.SEALPOST_REPORT_INBOX).toEqual(inbox.setting);
  const checked = readCheckReportsEnvironment(variablesOf(full.inbox, 'Looks each day'));
  expect(checked.SEALPOST_REPORT_INBOX).toEqual(inbox.setting);
  const posted = readPostReportEnvironment(variablesOf(full.api, 'Takes TLS reports'));
  expect(posted.SEALPOST_REPORT_INBOX).toEqual(inbox.setting);
});
