/** Keeps cached MTA-STS policies fresh before they run out (RFC 8461 §3.3, §10.2). */
import { Duration, Stack, Validations } from 'aws-cdk-lib';
import type { TableV2 } from 'aws-cdk-lib/aws-dynamodb';
import { Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import type { CfnFunction } from 'aws-cdk-lib/aws-lambda';
import { Schedule, ScheduleExpression } from 'aws-cdk-lib/aws-scheduler';
import { LambdaInvoke } from 'aws-cdk-lib/aws-scheduler-targets';
import { Construct } from 'constructs';
import type { NetworkSetting, RefreshPoliciesEnvironment } from '../functions/environment.ts';
import { HandlerFunction } from './handler-function.ts';

/** A policy whose max_age is not much longer than this runs out between two runs; what to refresh the function decides. */
const refreshInterval = Duration.minutes(15);

/** Which cache, over which network. */
export interface PolicyRefreshProps {
  readonly policyTable: TableV2;
  readonly network: NetworkSetting;
}

/** A function on a schedule. It fetches over HTTPS only, so it needs no VPC and costs no NAT traffic. */
export class PolicyRefresh extends Construct {
  constructor(scope: Construct, id: string, props: PolicyRefreshProps) {
    super(scope, id);
    const environment: RefreshPoliciesEnvironment = {
      SEALPOST_NETWORK: props.network,
      SEALPOST_POLICY_TABLE: props.policyTable.tableName,
    };
    const refresh = new HandlerFunction(this, 'Function', {
      handler: 'refresh-policies',
      description: 'Refreshes cached MTA-STS policies before they expire',
      environment,
      // Done before the next run begins, so that two do not fetch the same.
      timeout: Duration.minutes(10),
      memoryMb: 512,
    });
    props.policyTable.grant(refresh, 'dynamodb:Scan', 'dynamodb:GetItem', 'dynamodb:UpdateItem');
    new Schedule(this, 'Schedule', {
      description: 'Refreshes cached MTA-STS policies',
      schedule: ScheduleExpression.rate(refreshInterval),
      // The next run does what a failed one left.
      target: new LambdaInvoke(refresh, {
        retryAttempts: 0,
        role: createScheduleRole(this, refresh),
      }),
    });
  }
}

function createScheduleRole(scope: Construct, refresh: HandlerFunction): Role {
  const stack = Stack.of(scope);
  const role = new Role(scope, 'ScheduleRole', {
    description: 'Invokes the refresh of MTA-STS policies',
    assumedBy: new ServicePrincipal('scheduler.amazonaws.com', {
      // Schedules of other accounts must not borrow the role.
      conditions: { StringEquals: { 'aws:SourceAccount': stack.account } },
    }),
  });
  const logicalId = stack.getLogicalId(refresh.node.defaultChild as CfnFunction);
  Validations.of(role).acknowledge({
    id: `AwsSolutions-IAM5[Resource::<${logicalId}.Arn>:*]`,
    reason: 'The versions and aliases of one function, as the CDK grants an invocation.',
  });
  return role;
}
