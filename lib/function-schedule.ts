/** Runs a function at a fixed rate, by EventBridge Scheduler. */
import { type Duration, Stack, Validations } from 'aws-cdk-lib';
import { Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import type { CfnFunction } from 'aws-cdk-lib/aws-lambda';
import { Schedule, ScheduleExpression } from 'aws-cdk-lib/aws-scheduler';
import { LambdaInvoke } from 'aws-cdk-lib/aws-scheduler-targets';
import type { Construct } from 'constructs';
import type { HandlerFunction } from './handler-function.ts';

export interface FunctionScheduleProps {
  readonly target: HandlerFunction;
  /** Whole minutes. */
  readonly interval: Duration;
  /** What it is for, as a noun: `refresh of MTA-STS policies`. */
  readonly purpose: string;
}

/** Adds a schedule and its role to `scope`, which has no other. A run that fails is not repeated: the next one comes. */
export function addSchedule(scope: Construct, props: FunctionScheduleProps): void {
  new Schedule(scope, 'Schedule', {
    description: `Sealpost: ${props.purpose}`,
    schedule: ScheduleExpression.rate(props.interval),
    target: new LambdaInvoke(props.target, {
      retryAttempts: 0,
      role: createRole(scope, props),
    }),
  });
}

function createRole(scope: Construct, { target, purpose }: FunctionScheduleProps): Role {
  const stack = Stack.of(scope);
  const role = new Role(scope, 'ScheduleRole', {
    description: `Invokes the ${purpose}`,
    assumedBy: new ServicePrincipal('scheduler.amazonaws.com', {
      // Schedules of other accounts must not borrow the role.
      conditions: { StringEquals: { 'aws:SourceAccount': stack.account } },
    }),
  });
  const logicalId = stack.getLogicalId(target.node.defaultChild as CfnFunction);
  Validations.of(role).acknowledge({
    id: `AwsSolutions-IAM5[Resource::<${logicalId}.Arn>:*]`,
    reason: 'The versions and aliases of one function, as the CDK grants an invocation.',
  });
  return role;
}
