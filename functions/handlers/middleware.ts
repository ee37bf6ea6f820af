/** What every Lambda handler is wrapped in: structured logs, metrics in EMF, a bound on time, an answer for faults. */
import { Logger } from '@aws-lambda-powertools/logger';
import { injectLambdaContext } from '@aws-lambda-powertools/logger/middleware';
import { Metrics, MetricUnit } from '@aws-lambda-powertools/metrics';
import { logMetrics } from '@aws-lambda-powertools/metrics/middleware';
import middy, { type MiddlewareObj } from '@middy/core';
import type { Context } from 'aws-lambda';

/** CloudWatch's name for all of Sealpost's metrics; the function is the dimension `service`. */
const namespace = 'Sealpost';

/** What a handler tells its operator with. */
export interface Instruments {
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** A handler as Lambda calls it. */
export type LambdaHandler<TEvent, TResult> = (event: TEvent, context: Context) => Promise<TResult>;

export interface HandlerOptions<TResult> {
  /**
   * Rejects this long before Lambda would kill the process, so that logs and metrics of a slow invocation are not lost.
   * What was under way is frozen then and goes on in the next invocation, so a function with effects that must not come
   * late leaves this out. Default: never.
   */
  readonly timeoutEarlyMs?: number;
  /** What a fault is answered with; default: it is thrown, and Lambda reports it. */
  readonly answerFault?: () => TResult;
}

/**
 * Wraps a handler for Lambda.
 *
 * `bind` makes the handler at the first event, from the environment and real ports: importing the module does nothing.
 * Where it throws it is asked again at the next event.
 *
 * @param service The function's name in logs and metrics.
 */
export function instrumentHandler<TEvent, TResult>(
  service: string,
  bind: (instruments: Instruments) => LambdaHandler<TEvent, TResult>,
  options: HandlerOptions<TResult> = {},
): LambdaHandler<TEvent, TResult> {
  let wrapped: LambdaHandler<TEvent, TResult> | undefined;
  return (event, context) => {
    wrapped ??= wrap(service, bind, options);
    return wrapped(event, context);
  };
}

function wrap<TEvent, TResult>(
  service: string,
  bind: (instruments: Instruments) => LambdaHandler<TEvent, TResult>,
  options: HandlerOptions<TResult>,
): LambdaHandler<TEvent, TResult> {
  const instruments: Instruments = {
    logger: new Logger({ serviceName: service }),
    metrics: new Metrics({ namespace, serviceName: service }),
  };
  let handler: LambdaHandler<TEvent, TResult> | undefined;
  const base: LambdaHandler<TEvent, TResult> = async (event, context) => {
    handler ??= bind(instruments);
    return handler(event, context);
  };
  return middy<TEvent, TResult>(base, { timeoutEarlyInMillis: options.timeoutEarlyMs ?? 0 })
    .use(injectLambdaContext(instruments.logger))
    .use(logMetrics(instruments.metrics))
    .use(reportFaults(instruments, options));
}

/** Comes last, so that its `onError` comes first: the metric it adds is published with the others. */
function reportFaults<TResult>(
  { logger, metrics }: Instruments,
  { answerFault }: HandlerOptions<TResult>,
): MiddlewareObj<unknown, TResult> {
  return {
    onError: (request) => {
      logger.error('The handler failed', { error: request.error });
      metrics.addMetric('Faults', MetricUnit.Count, 1);
      if (answerFault !== undefined) {
        // Set, not returned: a returned answer would end the chain before the metrics are published.
        request.response = answerFault();
      }
    },
  };
}
