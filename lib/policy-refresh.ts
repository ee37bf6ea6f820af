/** Keeps cached MTA-STS policies fresh before they run out (RFC 8461 §3.3, §10.2). */
import { Duration } from 'aws-cdk-lib';
import type { TableV2 } from 'aws-cdk-lib/aws-dynamodb';
import { Construct } from 'constructs';
import type { NetworkSetting, RefreshPoliciesEnvironment } from '../functions/environment.ts';
import { addSchedule } from './function-schedule.ts';
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
    addSchedule(this, {
      target: refresh,
      interval: refreshInterval,
      purpose: 'refresh of MTA-STS policies',
    });
  }
}
