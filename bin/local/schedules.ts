/**
 * Schedules: `AWS::Scheduler::Schedule` and `AWS::Events::Rule` with a schedule expression, which invoke functions.
 *
 * A failed run is not tried again; the next one comes by the clock.
 */
import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import type { ReportEvent } from './events.ts';
import type { Invocation, LocalFunction } from './lambda-pool.ts';
import { notImplemented, readProperties } from './properties.ts';
import type { DeployedResource } from './resource.ts';
import { accountId, functionName } from './resource-types.ts';
import { type IsDue, parseScheduleExpression } from './schedule-expression.ts';

/** A schedule as the template declares it. */
export interface ScheduleSettings {
  readonly logicalId: string;
  readonly arn: string;
  readonly region: string;
  readonly isEnabled: boolean;
  readonly isDue: IsDue;
  readonly targets: readonly ScheduleTarget[];
  /** `aws.scheduler` or `aws.events`. */
  readonly source: string;
}

interface ScheduleTarget {
  readonly functionName: string;
  /** JSON that the function gets instead of the event of the schedule. */
  readonly input?: string | undefined;
}

const targetSchema = z.looseObject({
  Arn: z.string().regex(/^arn:aws:lambda:/, 'only functions are run by schedules here'),
  Input: z.string().optional(),
  InputTransformer: notImplemented('input transformers'),
  InputPath: notImplemented('input paths'),
});

const scheduleSchema = z.looseObject({
  ScheduleExpression: z.string(),
  ScheduleExpressionTimezone: z.string().optional(),
  State: z.enum(['ENABLED', 'DISABLED']).default('ENABLED'),
  Target: targetSchema.optional(),
  Targets: z.array(targetSchema).optional(),
});

/**
 * Reads a schedule.
 *
 * @returns undefined for a rule that waits for events instead
 * @throws LocalCloudError for a target other than a function, or an expression that is none
 */
export function scheduleSettings(resource: DeployedResource): ScheduleSettings | undefined {
  if (resource.property('ScheduleExpression') === undefined) {
    return undefined;
  }
  const data = readProperties(resource, scheduleSchema);
  const targets = [...(data.Targets ?? []), ...(data.Target === undefined ? [] : [data.Target])];
  return {
    logicalId: resource.logicalId,
    arn: resource.identity().attribute('Arn') ?? '',
    region: resource.stack.region,
    isEnabled: data.State === 'ENABLED',
    isDue: parseScheduleExpression(data.ScheduleExpression, data.ScheduleExpressionTimezone),
    source: resource.type === 'AWS::Events::Rule' ? 'aws.events' : 'aws.scheduler',
    targets: targets.map(({ Arn, Input }) => ({ functionName: functionName(Arn), input: Input })),
  };
}

/** What runs a schedule. */
export interface ScheduleParts {
  functionNamed(name: string): LocalFunction;
  readonly report: ReportEvent;
}

/**
 * Runs a schedule now, whatever its state.
 *
 * @returns what each of its functions gave
 */
export async function runSchedule(
  settings: ScheduleSettings,
  { functionNamed, report }: ScheduleParts,
  now: Date,
): Promise<readonly Invocation[]> {
  return await Promise.all(
    settings.targets.map(async (target) => {
      const local = functionNamed(target.functionName);
      report({
        kind: 'schedule',
        schedule: settings.logicalId,
        function: local.settings.logicalId,
      });
      return await local.invoke(scheduledEvent(settings, target, now));
    }),
  );
}

function scheduledEvent(
  { arn, region, source }: ScheduleSettings,
  { input }: ScheduleTarget,
  now: Date,
): unknown {
  const time = now.toISOString().replace(/\.\d+Z$/, 'Z');
  const id = randomUUID();
  if (input !== undefined) {
    // The context attributes that EventBridge Scheduler fills in; within JSON none of them needs escaping.
    return JSON.parse(
      input
        .replaceAll('<aws.scheduler.schedule-arn>', arn)
        .replaceAll('<aws.scheduler.scheduled-time>', time)
        .replaceAll('<aws.scheduler.execution-id>', id)
        .replaceAll('<aws.scheduler.attempt-number>', '1'),
    );
  }
  return {
    version: '0',
    id,
    'detail-type': 'Scheduled Event',
    source,
    account: accountId,
    time,
    region,
    resources: [arn],
    // A text with one service, an object with the other.
    detail: source === 'aws.scheduler' ? '{}' : {},
  };
}

/** Ends something. */
export interface Stoppable {
  stop(): void;
}

/** Calls back at the start of each minute, with the Unix time in minutes. */
export function startClock(onMinute: (minute: number) => void): Stoppable {
  let timer: NodeJS.Timeout;
  const wait = (): void => {
    const next = Math.floor(Date.now() / 60_000) + 1;
    timer = setTimeout(
      () => {
        onMinute(next);
        wait();
      },
      next * 60_000 - Date.now(),
    );
  };
  wait();
  return { stop: () => clearTimeout(timer) };
}
