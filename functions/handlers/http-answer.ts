/**
 * Answers of the HTTP API (API Gateway, payload format 2.0): JSON, and problem documents (RFC 9457) for all that fails.
 * API Gateway chooses the route; {@link routesHandler} runs what is bound to it.
 */
import { MetricUnit } from '@aws-lambda-powertools/metrics';
import type { APIGatewayProxyStructuredResultV2 } from 'aws-lambda';
import { type FailureCode, TransportSecurityError } from '../protocol/errors.ts';
import { formatProblem, type Problem, problemMediaType } from '../protocol/problem.ts';
import type { HttpEvent } from './http-request.ts';
import type { Instruments, LambdaHandler } from './middleware.ts';

export type HttpAnswer = APIGatewayProxyStructuredResultV2;

/** What is bound to one route. What it throws is answered as a problem. */
export type Route = (event: HttpEvent) => Promise<HttpAnswer>;

/** Answers are of one caller and of this moment; no browser is to guess what they are. */
const commonHeaders = { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' };

/** An answer with a JSON text for a body. */
export function jsonAnswer(
  statusCode: number,
  value: unknown,
  headers: Readonly<Record<string, string>> = {},
): HttpAnswer {
  return {
    statusCode,
    headers: { ...commonHeaders, 'content-type': 'application/json', ...headers },
    body: JSON.stringify(value),
  };
}

/** An answer that is a problem document. */
export function problemAnswer(problem: Problem): HttpAnswer {
  const { status, retryAfterSeconds } = problem;
  return {
    statusCode: status,
    headers: {
      ...commonHeaders,
      'content-type': problemMediaType,
      ...(retryAfterSeconds !== undefined && { 'retry-after': String(retryAfterSeconds) }),
    },
    body: formatProblem(problem),
  };
}

/** For {@link HandlerOptions.answerFault}: whatever was wrong stands in the log, not in the answer. */
export function answerHttpFault(): HttpAnswer {
  return problemAnswer({
    status: 500,
    code: 'fault',
    detail: 'A fault of ours; the log of the function names it. Nothing is known to be done.',
  });
}

/**
 * Binds routes (`POST /v1/messages`, as in `event.routeKey`) to what answers them.
 *
 * A failure that the caller can mend or wait out becomes its problem; any other is thrown on, for the log.
 */
export function routesHandler(
  routes: Readonly<Record<string, Route>>,
  { logger, metrics }: Pick<Instruments, 'logger' | 'metrics'>,
): LambdaHandler<HttpEvent, HttpAnswer> {
  return async (event) => {
    const answer = await answerRoute(routes, event);
    metrics.addMetric('Requests', MetricUnit.Count, 1);
    if ((answer.statusCode ?? 200) >= 400) {
      metrics.addMetric('RequestsRefused', MetricUnit.Count, 1);
      logger.info('A request was refused', {
        route: event.routeKey,
        status: answer.statusCode,
      });
    }
    return answer;
  };
}

async function answerRoute(
  routes: Readonly<Record<string, Route>>,
  event: HttpEvent,
): Promise<HttpAnswer> {
  const route = Object.hasOwn(routes, event.routeKey) ? routes[event.routeKey] : undefined;
  if (route === undefined) {
    return problemAnswer({ status: 404, detail: `There is no ${event.routeKey} here.` });
  }
  try {
    return await route(event);
  } catch (error) {
    const problem = problemOf(error);
    if (problem === undefined) {
      throw error;
    }
    return problemAnswer(problem);
  }
}

/** Failures that lie in what was handed in. */
const causedByCaller: ReadonlySet<FailureCode> = new Set<FailureCode>([
  'queue-message-invalid',
  'tlsrpt-invalid',
  'content-missing',
  'content-invalid',
  'address-invalid',
  'mail-loop',
  'requiretls-disabled',
]);

/** The problem that a failure is to the caller; undefined for a fault of ours, and for a bug. */
export function problemOf(error: unknown): Problem | undefined {
  if (!(error instanceof TransportSecurityError)) {
    return undefined;
  }
  if (error.code === 'store-unavailable') {
    // Its message names tables and buckets.
    return {
      status: 503,
      code: error.code,
      detail: 'A table, queue or bucket does not answer now. Ask again, with the same key.',
      retryAfterSeconds: 5,
    };
  }
  if (error.code === 'id-reused') {
    return { status: 409, code: error.code, detail: error.message };
  }
  if (!causedByCaller.has(error.code)) {
    return undefined;
  }
  // The message begins with the field at fault, where it is one's.
  const [, field, fault] = /^([A-Za-z][\w.]*): (.+)$/s.exec(error.message) ?? [];
  return {
    status: 422,
    code: error.code,
    detail: error.message,
    ...(field !== undefined && fault !== undefined && { fields: [{ field, fault }] }),
  };
}
