/** The function that takes in what other mail servers tell of their TLS sessions. */
import { Duration } from 'aws-cdk-lib';
import type { Construct } from 'constructs';
import type { CollectEnvironment, NetworkSetting } from '../functions/environment.ts';
import { HandlerFunction } from './handler-function.ts';
import type { StateStack } from './state-stack.ts';

/** In `event.routeKey` (functions/handlers/collect.ts). */
export const collectRoutes = ['POST /v1/tlsrpt/results'] as const;

/** Outside the VPC: it calls AWS and DNS over HTTPS. */
export function createCollectFunction(
  scope: Construct,
  { state, network }: { readonly state: StateStack; readonly network: NetworkSetting },
): HandlerFunction {
  const environment: CollectEnvironment = {
    SEALPOST_NETWORK: network,
    SEALPOST_REPORT_TABLE: state.reportTable.tableName,
  };
  const collect = new HandlerFunction(scope, 'Collect', {
    handler: 'collect',
    description: 'Takes in the TLS results of other mail servers',
    environment,
    // API Gateway waits 30 seconds.
    timeout: Duration.seconds(29),
    memoryMb: 512,
  });
  state.reportTable.grant(collect, 'dynamodb:BatchWriteItem');
  return collect;
}
