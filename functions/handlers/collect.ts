/** Takes the results of other mail servers in over HTTP, for the reports of the whole organization. */
import { dynamoDbClient } from '../adapters/aws/aws-clients.ts';
import { createReportResults } from '../adapters/aws/report-results.ts';
import { createNetworkResolver } from '../adapters/net/network-resolver.ts';
import { type CollectPorts, collectResults } from '../reporting/collect-results.ts';
import { createRecordLookup } from '../reporting/look-up-record.ts';
import {
  answerHttpFault,
  type HttpAnswer,
  jsonAnswer,
  problemAnswer,
  type Route,
  routesHandler,
} from './http-answer.ts';
import { type HttpEvent, readJsonBody } from './http-request.ts';
import { instrumentHandler, type LambdaHandler } from './middleware.ts';
import { readCollectEnvironment } from './read-environment.ts';

/** For DNS; API Gateway waits 30 seconds for all of it. */
const lookupTimeMs = 15_000;

/** By `event.routeKey`; lib/api-stack.ts declares the same. */
export function collectRoutes(ports: CollectPorts): Readonly<Record<string, Route>> {
  return {
    'POST /v1/tlsrpt/results': async (event) => {
      const body = readJsonBody(event);
      return 'problem' in body
        ? problemAnswer(body.problem)
        : jsonAnswer(200, await collectResults(body.value, ports, ports.now() + lookupTimeMs));
    },
  };
}

export const handler: LambdaHandler<HttpEvent, HttpAnswer> = instrumentHandler<
  HttpEvent,
  HttpAnswer
>(
  'collect',
  (instruments) => {
    const { SEALPOST_NETWORK: network, SEALPOST_REPORT_TABLE: tableName } = readCollectEnvironment(
      process.env,
    );
    const now = Date.now;
    const resolver = createNetworkResolver(network, { now });
    const ports: CollectPorts = {
      store: createReportResults({ client: dynamoDbClient(), tableName }),
      lookUpRecord: createRecordLookup({ resolver, now }),
      now,
    };
    return routesHandler(collectRoutes(ports), instruments);
  },
  { answerFault: answerHttpFault },
);
