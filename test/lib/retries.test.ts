import { Match } from 'aws-cdk-lib/assertions';
import { beforeAll, describe, expect, test } from 'vitest';
import { allowedActions, statementsOf, synthesizeTemplates, type Templates } from './synthesize.ts';

let templates: Templates;

beforeAll(() => {
  templates = synthesizeTemplates();
});

describe.each([
  ['RetriesRequeueFunction', 'rate(1 minute)', 60],
  ['RetriesReconcileFunction', 'rate(1 hour)', 600],
])('%s', (logicalId, expression, timeoutSeconds) => {
  test(`runs at ${expression}, on the minute, and is not tried again`, () => {
    templates.delivery.hasResourceProperties('AWS::Scheduler::Schedule', {
      ScheduleExpression: expression,
      State: 'ENABLED',
      FlexibleTimeWindow: { Mode: 'OFF' },
      Target: Match.objectLike({
        Arn: { 'Fn::GetAtt': [Match.stringLikeRegexp(`^${logicalId}`), 'Arn'] },
        RetryPolicy: { MaximumRetryAttempts: 0 },
      }),
    });
  });

  test('ends as the next one begins at the latest, and needs no VPC', () => {
    const [found] = Object.entries(
      templates.delivery.findResources('AWS::Lambda::Function'),
    ).filter(([id]) => id.startsWith(logicalId));
    expect(found?.[1]?.['Properties'].Timeout).toBe(timeoutSeconds);
    expect(found?.[1]?.['Properties'].VpcConfig).toBeUndefined();
  });
});

describe('least privilege', () => {
  const logs = ['logs:CreateLogStream', 'logs:PutLogEvents'];

  test.each([
    [
      'RetryTable',
      [
        'dynamodb:BatchGetItem',
        'dynamodb:BatchWriteItem',
        'dynamodb:DeleteItem',
        'dynamodb:GetItem',
        'dynamodb:Query',
        'dynamodb:UpdateItem',
      ],
      'reads what waits, and removes what it sent',
    ],
    ['DeliveryQueue', ['sqs:SendMessage'], 'sends what is due'],
    ['DeadLetterQueue', ['sqs:SendMessage'], 'puts apart what it cannot read'],
    ['MessageTable', [], 'sees no row'],
    ['Logs', logs, 'writes its log'],
  ])('requeue on %s: %j, %s', (resource, actions) => {
    const statements = statementsOf(templates.delivery, 'Sealpost function requeue');
    expect(allowedActions(statements, resource)).toEqual(actions);
  });

  test.each([
    ['RetryTable', ['dynamodb:PutItem'], 'puts in again'],
    ['MessageTable', ['dynamodb:GetItem', 'dynamodb:Query'], 'finds and reads rows'],
    ['/index/WaitingByDue', ['dynamodb:Query'], 'by one index'],
    ['/index/WaitingByAge', [], 'and not by the other'],
    ['ControlTable', ['dynamodb:Query'], 'reads exceptions, to warn of their end'],
    ['Queue', [], 'sends nothing itself'],
    ['Logs', logs, 'writes its log'],
  ])('reconcile on %s: %j, %s', (resource, actions) => {
    const statements = statementsOf(templates.delivery, 'Sealpost function reconcile');
    expect(allowedActions(statements, resource)).toEqual(actions);
  });
});
