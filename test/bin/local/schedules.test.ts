import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { parseScheduleExpression } from '../../../bin/local/schedule-expression.ts';
import { startClock } from '../../../bin/local/schedules.ts';
import { LocalCloudError } from '../../../bin/local/template.ts';
import { lambda, type TemplateJson } from './assembly.ts';
import { cloudOf } from './cloud-fixture.ts';

function minute(time: string): number {
  return Date.parse(time) / 60_000;
}

describe('schedule expressions', () => {
  const start = '2026-11-24T03:37Z';

  test.each<[string, string, boolean, string]>([
    ['rate(1 minute)', '2026-11-24T03:38Z', true, 'a minute after the start'],
    ['rate(1 minute)', start, false, 'not at the start itself'],
    ['rate(5 minutes)', '2026-11-24T03:42Z', true, 'counted from the start'],
    ['rate(5 minutes)', '2026-11-24T03:40Z', false, 'not by the hour'],
    ['rate(1 hour)', '2026-11-24T04:37Z', true, 'an hour'],
    ['rate(2 days)', '2026-11-26T03:37Z', true, 'days'],
    ['cron(0 12 * * ? *)', '2026-11-24T12:00Z', true, 'each noon'],
    ['cron(0 12 * * ? *)', '2026-11-24T12:01Z', false, 'and no minute later'],
    ['cron(15 10 ? * MON-FRI *)', '2026-11-24T10:15Z', true, 'a Tuesday is a weekday'],
    ['cron(15 10 ? * MON-FRI *)', '2026-11-28T10:15Z', false, 'a Saturday is none'],
    ['cron(15 10 ? * 2-6 *)', '2026-11-24T10:15Z', true, 'Sunday is 1'],
    ['cron(0/5 8-17 ? * MON-FRI *)', '2026-11-24T08:55Z', true, 'steps from a number'],
    ['cron(0/5 8-17 ? * MON-FRI *)', '2026-11-24T18:00Z', false, 'out of hours'],
    ['cron(*/20 * * * ? *)', '2026-11-24T03:40Z', true, 'steps from a star'],
    ['cron(0 0,12 1 JAN,jul ? *)', '2026-07-01T12:00Z', true, 'lists and names'],
    ['cron(0 0 1 1 ? 2027)', '2026-01-01T00:00Z', false, 'another year'],
    ['cron(0 0 L * ? *)', '2028-02-29T00:00Z', true, 'the last day of the month'],
    ['cron(0 0 L * ? *)', '2028-02-28T00:00Z', false, 'in a leap year'],
    ['cron(0 0 1W * ? *)', '2026-08-03T00:00Z', true, 'the 1st is a Saturday, so Monday the 3rd'],
    ['cron(0 0 31W * ? *)', '2026-05-29T00:00Z', true, 'the 31st is a Sunday, so Friday the 29th'],
    ['cron(0 0 15W * ? *)', '2026-08-14T00:00Z', true, 'the 15th is a Saturday, so Friday'],
    ['cron(0 0 ? * 6L *)', '2026-11-27T00:00Z', true, 'the last Friday'],
    ['cron(0 0 ? * 6L *)', '2026-11-20T00:00Z', false, 'not the one before'],
    ['cron(0 0 ? * TUE#4 *)', '2026-11-24T00:00Z', true, 'the fourth Tuesday'],
    ['cron(0 0 ? * 3#3 *)', '2026-11-24T00:00Z', false, 'not the third'],
    ['at(2026-11-24T12:30:00)', '2026-11-24T12:30Z', true, 'once'],
    ['at(2026-11-24T12:30:00)', '2026-11-25T12:30Z', false, 'and never again'],
  ])('%s at %s: %s, %s', (expression, time, expected) => {
    expect(parseScheduleExpression(expression)(minute(time), minute(start))).toBe(expected);
  });

  test('are read in their time zone', () => {
    const isDue = parseScheduleExpression('cron(30 9 ? * MON *)', 'Asia/Tokyo');
    expect(isDue(minute('2026-11-23T00:30Z'), 0)).toBe(true);
    const atMidnight = parseScheduleExpression('cron(0 0 1 * ? *)', 'America/New_York');
    expect(atMidnight(minute('2026-11-01T04:00Z'), 0)).toBe(true);
  });

  test.each([
    'every minute',
    'rate(0 minutes)',
    'rate(1 fortnights)',
    'cron(* * * * *)',
    'cron(0 0 1 * 1 *)',
    'cron(0 0 ? * ? *)',
    'cron(60 0 * * ? *)',
    'cron(0 0 * 13 ? *)',
    'cron(0/0 0 * * ? *)',
    'cron(0 0 * FOO ? *)',
    'cron(0 - * * ? *)',
  ])('%s is none', (expression) => {
    expect(() => parseScheduleExpression(expression)).toThrow(LocalCloudError);
  });
});

test('the clock calls at each full minute until it is stopped', () => {
  vi.useFakeTimers({ now: Date.parse('2026-11-24T03:37:20Z') });
  onTestFinished(() => void vi.useRealTimers());
  const called: number[] = [];
  const clock = startClock((now) => called.push(now));
  vi.advanceTimersByTime(120_000);
  clock.stop();
  vi.advanceTimersByTime(120_000);
  expect(called).toEqual([minute('2026-11-24T03:38Z'), minute('2026-11-24T03:39Z')]);
});

const echo = { code: 'export const handler = async (event) => event;' };

function scheduled(type: string, properties: TemplateJson): Readonly<Record<string, unknown>> {
  return { Fn: lambda('code'), Tick: { Type: type, Properties: properties } };
}

const functionArn = { 'Fn::GetAtt': ['Fn', 'Arn'] };

describe('schedules on demand', () => {
  test('of the scheduler hand over their input', async () => {
    const Input =
      '{"at":"<aws.scheduler.scheduled-time>","schedule":"<aws.scheduler.schedule-arn>"}';
    const cloud = await cloudOf(
      scheduled('AWS::Scheduler::Schedule', {
        Name: 'tick',
        ScheduleExpression: 'rate(1 hour)',
        State: 'DISABLED',
        Target: { Arn: functionArn, Input, RoleArn: 'role' },
      }),
      echo,
    );
    const [outcome] = await cloud.runSchedule('Tick');
    expect(outcome).toMatchObject({
      ok: true,
      result: {
        at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
        schedule: 'arn:aws:scheduler:eu-west-1:000000000000:schedule/default/tick',
      },
    });
    expect(cloud.events).toContainEqual({ kind: 'schedule', schedule: 'Tick', function: 'Fn' });
  });

  test.each<[string, TemplateJson, string, unknown]>([
    ['AWS::Scheduler::Schedule', { Target: { Arn: functionArn } }, 'aws.scheduler', '{}'],
    ['AWS::Events::Rule', { Targets: [{ Id: 'T', Arn: functionArn }] }, 'aws.events', {}],
  ])('of %s without an input tell what came due', async (type, target, source, detail) => {
    const cloud = await cloudOf(
      scheduled(type, { ScheduleExpression: 'cron(0 0 * * ? *)', ...target }),
      echo,
    );
    expect(await cloud.runSchedule('Tick')).toMatchObject([
      { ok: true, result: { 'detail-type': 'Scheduled Event', source, detail, version: '0' } },
    ]);
  });

  test('may fail', async () => {
    const cloud = await cloudOf(
      scheduled('AWS::Events::Rule', {
        ScheduleExpression: 'rate(1 hour)',
        Targets: [{ Arn: functionArn }],
      }),
      { code: 'export const handler = async () => { throw new Error("no"); };' },
    );
    expect(await cloud.runSchedule('Tick')).toMatchObject([{ ok: false }]);
    await expect(cloud.runSchedule('Tock')).rejects.toThrow(/no schedule Tock, only Tick/);
  });

  test.each<[TemplateJson, RegExp]>([
    [{ ScheduleExpression: 'often', Targets: [] }, /often is not a schedule expression/],
    [
      {
        ScheduleExpression: 'rate(1 hour)',
        Targets: [{ Arn: 'arn:aws:lambda:eu-west-1:1:function:f' }],
      },
      /there is no function f/,
    ],
    [
      { ScheduleExpression: 'rate(1 hour)', Targets: [{ Arn: 'arn:aws:sns:eu-west-1:1:t' }] },
      /only functions are run/,
    ],
    [
      {
        ScheduleExpression: 'rate(1 hour)',
        Targets: [{ Arn: functionArn, InputTransformer: { InputTemplate: '' } }],
      },
      /input transformers are not implemented/,
    ],
  ])('%j is refused', async (properties, message) => {
    await expect(cloudOf(scheduled('AWS::Events::Rule', properties), echo)).rejects.toThrow(
      message,
    );
  });
});
