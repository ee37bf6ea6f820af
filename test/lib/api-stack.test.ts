import { Match, Template } from 'aws-cdk-lib/assertions';
import { beforeAll, describe, expect, test } from 'vitest';
import {
  readCollectEnvironment,
  readSubmitEnvironment,
} from '../../functions/handlers/read-environment.ts';
import { operateRoutes } from '../../lib/operating-api.ts';
import { allowedActions, createApp, exampleProps, statementsOf } from './synthesize.ts';

const routes = ['GET /v1/messages/{id}', 'POST /v1/messages', 'POST /v1/uploads'];

const jwt = {
  kind: 'jwt',
  issuer: 'https://login.example.com',
  audience: ['mail'],
  submitScope: 'sealpost/submit',
  operateScope: 'sealpost/operate',
} as const;

/** As shipped: IAM. */
let shipped: Template;
let withTokens: Template;

beforeAll(() => {
  const template = (replace: Parameters<typeof createApp>[0]): Template =>
    Template.fromJSON(createApp(replace).synth().getStackByName('SealpostApi').template);
  shipped = template({});
  withTokens = template({
    replace: { api: { authorizer: jwt, requestsPerSecondMax: 7 }, recording: {} },
  });
});

function routesOf(template: Template): readonly Record<string, unknown>[] {
  return Object.values(template.findResources('AWS::ApiGatewayV2::Route')).map(
    ({ Properties }) => Properties,
  );
}

describe('the API', () => {
  test('declares each route, and none that takes what is left', () => {
    const keys = routesOf(shipped).map(({ RouteKey }) => RouteKey);
    expect(keys).toEqual(expect.arrayContaining(routes));
    expect(keys.filter((key) => /^(ANY|\$default)|\+\}/.test(String(key)))).toEqual([]);
  });

  test('lets nobody in without a signature', () => {
    expect(new Set(routesOf(shipped).map(({ AuthorizationType }) => AuthorizationType))).toEqual(
      new Set(['AWS_IAM']),
    );
  });

  test('or without a token that has the scope', () => {
    withTokens.hasResourceProperties('AWS::ApiGatewayV2::Authorizer', {
      AuthorizerType: 'JWT',
      JwtConfiguration: { Audience: ['mail'], Issuer: 'https://login.example.com' },
    });
    for (const route of routesOf(withTokens)) {
      expect(route).toMatchObject({ AuthorizationType: 'JWT' });
    }
    const submission = routesOf(withTokens).filter(({ RouteKey }) =>
      routes.includes(String(RouteKey)),
    );
    for (const { AuthorizationScopes } of submission) {
      expect(AuthorizationScopes).toEqual(['sealpost/submit']);
    }
  });

  test('is throttled, and logs who asked but neither query nor body', () => {
    shipped.hasResourceProperties('AWS::ApiGatewayV2::Stage', {
      StageName: '$default',
      DefaultRouteSettings: { ThrottlingRateLimit: 50, ThrottlingBurstLimit: 100 },
      AccessLogSettings: {
        DestinationArn: Match.anyValue(),
        Format: Match.not(Match.stringLikeRegexp('query|body')),
      },
    });
    withTokens.hasResourceProperties('AWS::ApiGatewayV2::Stage', {
      DefaultRouteSettings: { ThrottlingRateLimit: 7, ThrottlingBurstLimit: 14 },
    });
  });

  test('has no CORS, so that no page of a browser can call it', () => {
    shipped.hasResourceProperties('AWS::ApiGatewayV2::Api', { CorsConfiguration: Match.absent() });
  });

  test('its URL is an output', () => {
    shipped.hasOutput('ApiUrl', {
      Value: { 'Fn::GetAtt': [Match.stringLikeRegexp('^HttpApi'), 'ApiEndpoint'] },
    });
  });
});

describe('the collector of results', () => {
  test('is there where reports are sent, and only then', () => {
    const keys = (template: Template) => routesOf(template).map(({ RouteKey }) => RouteKey);
    expect(keys(shipped)).not.toContain('POST /v1/tlsrpt/results');
    expect(keys(withTokens)).toContain('POST /v1/tlsrpt/results');
    const collector = routesOf(withTokens).find(({ RouteKey }) => /tlsrpt/.test(String(RouteKey)));
    expect(collector).toMatchObject({ AuthorizationScopes: ['sealpost/submit'] });
  });

  test('writes results and does nothing else', () => {
    const statements = statementsOf(withTokens, 'Sealpost function collect');
    expect(statements.flatMap(({ Action }) => Action).sort()).toEqual([
      'dynamodb:BatchWriteItem',
      'logs:CreateLogStream',
      'logs:PutLogEvents',
    ]);
    expect(allowedActions(statements, 'ReportTable')).toEqual(['dynamodb:BatchWriteItem']);
  });

  test('reads from its environment what the config says', () => {
    const [collect] = Object.values(
      withTokens.findResources('AWS::Lambda::Function', {
        Properties: { Description: 'Takes in the TLS results of other mail servers' },
      }),
    );
    const variables = collect?.['Properties'].Environment.Variables;
    const { SEALPOST_REPORT_TABLE: table } = variables;
    expect(readCollectEnvironment({ ...variables, SEALPOST_REPORT_TABLE: 'reports' })).toEqual({
      SEALPOST_NETWORK: exampleProps().network,
      SEALPOST_REPORT_TABLE: 'reports',
    });
    expect(JSON.stringify(table)).toContain('ReportTable');
  });
});

describe('the submit function', () => {
  test('is outside the VPC and below the patience of API Gateway', () => {
    shipped.hasResourceProperties('AWS::Lambda::Function', {
      Description: Match.stringLikeRegexp('^Takes messages in'),
      Timeout: 29,
      VpcConfig: Match.absent(),
    });
  });

  test('reads from its environment what the config says', () => {
    const [submit] = Object.values(
      shipped.findResources('AWS::Lambda::Function', {
        Properties: { Description: Match.stringLikeRegexp('^Takes messages in') },
      }),
    );
    const variables = submit?.['Properties'].Environment.Variables as Record<string, unknown>;
    const resolved = Object.entries(variables).map(([name, value]) => [
      name,
      typeof value === 'string' ? value : 'resolved-later',
    ]);
    expect(readSubmitEnvironment(Object.fromEntries(resolved)).SEALPOST_DELIVERY).toEqual(
      exampleProps().delivery,
    );
  });

  test.each([
    ['ControlTable', ['dynamodb:Query'], 'reads rules and exceptions'],
    ['DeliveryQueue', ['sqs:SendMessage'], 'sends to the queue'],
    [
      'MessageTable',
      ['dynamodb:GetItem', 'dynamodb:PutItem', 'dynamodb:Query', 'dynamodb:UpdateItem'],
      'keeps and reads messages',
    ],
    ['/uploads/*', ['s3:GetObject', 's3:PutObject'], 'reads uploads, and lets others put them'],
    ['/content/*', ['s3:PutObject'], 'keeps bodies, and cannot read those of others'],
    ['RetryTable', [], 'has no business there'],
    ['DeadLetterQueue', [], 'nor there'],
    ['"*"', [], 'nothing on everything'],
  ])('may do on %s: %j, %s', (resource, actions) => {
    const statements = statementsOf(shipped, 'Sealpost function submit');
    expect(allowedActions(statements, resource)).toEqual(actions);
  });
});

describe('the operate function', () => {
  test('is outside the VPC and below the patience of API Gateway', () => {
    shipped.hasResourceProperties('AWS::Lambda::Function', {
      Description: Match.stringLikeRegexp('^Shows and changes the queue'),
      Timeout: 29,
      VpcConfig: Match.absent(),
    });
  });

  test('each of its routes is declared, and asks for the scope of operators', () => {
    const declared = routesOf(withTokens).filter(({ RouteKey }) =>
      (operateRoutes as readonly string[]).includes(String(RouteKey)),
    );
    expect(declared).toHaveLength(operateRoutes.length);
    for (const { AuthorizationScopes } of declared) {
      expect(AuthorizationScopes).toEqual(['sealpost/operate']);
    }
  });

  test.each([
    [
      'MessageTable',
      [
        'dynamodb:GetItem',
        'dynamodb:PutItem',
        'dynamodb:Query',
        'dynamodb:Query',
        'dynamodb:UpdateItem',
      ],
      'rows and what operators did; the second Query is of the lists of what waits',
    ],
    ['RetryTable', ['dynamodb:GetItem', 'dynamodb:UpdateItem'], 'makes a probe due'],
    [
      'DeadLetterQueue',
      ['sqs:ChangeMessageVisibility', 'sqs:DeleteMessage', 'sqs:ReceiveMessage'],
      'looks at dead letters and removes them',
    ],
    ['DeliveryQueue', ['sqs:SendMessage'], 'sends again, and notifies'],
    ['/content/*', ['s3:DeleteObject', 's3:PutObject'], 'removes what was cancelled'],
    ['"*"', [], 'nothing on everything'],
  ])('may do on %s: %j, %s', (resource, actions) => {
    const statements = statementsOf(shipped, 'Sealpost function operate');
    expect(allowedActions(statements, resource)).toEqual(actions);
  });
});
