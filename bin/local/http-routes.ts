/**
 * HTTP APIs (`AWS::ApiGatewayV2::Api` and its routes): requests routed to functions, payload format 2.0.
 *
 * Authorization is `NONE` or `AWS_IAM`; of the latter only the presence of a signature is asked.
 */
import { z } from 'zod';
import type { LocalFunction } from './lambda-pool.ts';
import {
  fromResult,
  type HttpAnswer,
  type HttpRequest,
  isSigned,
  jsonAnswer,
  toEvent,
} from './payload.ts';
import { notImplemented, readProperties } from './properties.ts';
import type { DeployedResource, Deployment } from './resource.ts';
import { accountId, functionName } from './resource-types.ts';
import { LocalCloudError } from './template.ts';

/** An HTTP API as the template declares it. */
export interface HttpApiSettings {
  readonly apiId: string;
  readonly routes: readonly HttpRoute[];
}

/** A route and the function behind it. */
export interface HttpRoute {
  /** `METHOD /path/{parameter}`, `ANY /{rest+}` or `$default`. */
  readonly routeKey: string;
  readonly functionName: string;
  readonly needsSignature: boolean;
}

/** HTTP APIs wait no longer for a function. */
const integrationTimeoutMs = 30_000;

const apiSchema = z.looseObject({
  ProtocolType: z.literal('HTTP', 'only HTTP APIs are served here'),
});

const routeSchema = z.looseObject({
  RouteKey: z.string(),
  Target: z.string(),
  AuthorizationType: z
    .enum(['NONE', 'AWS_IAM'], 'authorizers are not implemented by the local cloud')
    .default('NONE'),
});

const integrationSchema = z.looseObject({
  IntegrationType: z.literal('AWS_PROXY'),
  IntegrationSubtype: notImplemented('service integrations'),
  IntegrationUri: z.string(),
  PayloadFormatVersion: z.literal('2.0'),
});

const stageSchema = z.looseObject({
  StageName: z.literal('$default', 'only the $default stage is served here'),
});

/**
 * Reads an HTTP API with its routes, integrations and stage.
 *
 * @throws LocalCloudError for what is not served here
 */
export function httpApiSettings(api: DeployedResource, deployment: Deployment): HttpApiSettings {
  readProperties(api, apiSchema);
  const apiId = api.identity().ref;
  const ofThisApi = (type: string): readonly DeployedResource[] =>
    deployment.resources.filter(
      (resource) =>
        resource.type === `AWS::ApiGatewayV2::${type}` && resource.property('ApiId') === apiId,
    );
  for (const stage of ofThisApi('Stage')) {
    readProperties(stage, stageSchema);
  }
  const integrations = new Map(
    ofThisApi('Integration').map((integration) => [
      `integrations/${integration.identity().ref}`,
      functionName(readProperties(integration, integrationSchema).IntegrationUri),
    ]),
  );
  return {
    apiId,
    routes: ofThisApi('Route').map((route) => {
      const { RouteKey, Target, AuthorizationType } = readProperties(route, routeSchema);
      const target = integrations.get(Target);
      if (target === undefined) {
        throw new LocalCloudError(`${route.key}: ${Target} is not an integration of its API`);
      }
      return {
        routeKey: RouteKey,
        functionName: target,
        needsSignature: AuthorizationType === 'AWS_IAM',
      };
    }),
  };
}

/** A route that fits a request. */
export interface RouteMatch {
  readonly route: HttpRoute;
  readonly pathParameters: Readonly<Record<string, string>>;
}

/**
 * Chooses the route of a request: literal segments before `{parameter}` before `{rest+}`, left to right, then the
 * request's own method before `ANY`, and `$default` when nothing fits.
 */
export function matchRoute(
  routes: readonly HttpRoute[],
  { method, path }: Pick<HttpRequest, 'method' | 'path'>,
): RouteMatch | undefined {
  const segments = path.split('/').slice(1);
  const matches = routes.flatMap((route): readonly (RouteMatch & { readonly rank: string })[] => {
    const [routeMethod = '', routePath] = route.routeKey.split(' ');
    if (routePath === undefined) {
      return route.routeKey === '$default' ? [{ route, pathParameters: {}, rank: '4' }] : [];
    }
    const matched = matchPath(routePath.split('/').slice(1), segments);
    if (matched === undefined || (routeMethod !== method && routeMethod !== 'ANY')) {
      return [];
    }
    return [{ route, ...matched, rank: matched.rank + (routeMethod === 'ANY' ? '2' : '1') }];
  });
  return matches.toSorted((a, b) => (a.rank < b.rank ? -1 : 1))[0];
}

/** Matches a path; the rank sorts before that of a path that is less exact. */
function matchPath(
  pattern: readonly string[],
  segments: readonly string[],
):
  | { readonly pathParameters: Readonly<Record<string, string>>; readonly rank: string }
  | undefined {
  const parameters: [string, string][] = [];
  let rank = '';
  for (const [index, part] of pattern.entries()) {
    const [, name, greedy] = /^\{(.+?)(\+?)\}$/.exec(part) ?? [];
    const segment = segments[index];
    if (segment === undefined) {
      return undefined;
    }
    if (name === undefined && part !== segment) {
      return undefined;
    }
    rank += name === undefined ? '1' : greedy === '+' ? '3' : '2';
    if (greedy === '+') {
      parameters.push([name ?? '', decodePath(segments.slice(index).join('/'))]);
      return { pathParameters: Object.fromEntries(parameters), rank };
    }
    if (name !== undefined) {
      parameters.push([name, decodePath(segment)]);
    }
  }
  return pattern.length === segments.length
    ? { pathParameters: Object.fromEntries(parameters), rank }
    : undefined;
}

/** A path that is no valid percent-encoding is handed over as it is. */
function decodePath(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Answers a request to an HTTP API. */
export async function answerHttpApi(
  { apiId, routes }: HttpApiSettings,
  functionNamed: (name: string) => LocalFunction,
  request: HttpRequest,
): Promise<HttpAnswer> {
  const match = matchRoute(routes, request);
  if (match === undefined) {
    return jsonAnswer(404, '{"message":"Not Found"}');
  }
  const { route, pathParameters } = match;
  const signed = route.needsSignature && isSigned(request);
  if (route.needsSignature && !signed) {
    return jsonAnswer(403, '{"message":"Forbidden"}');
  }
  const event = toEvent(request, {
    apiId,
    domainName: request.headers['host'] ?? '',
    routeKey: route.routeKey,
    stage: '$default',
    ...(Object.keys(pathParameters).length === 0 ? {} : { pathParameters }),
    isSigned: signed,
    accountId,
  });
  const invocation = await withinMs(
    integrationTimeoutMs,
    functionNamed(route.functionName).invoke(event),
  );
  if (invocation === undefined) {
    return jsonAnswer(503, '{"message":"Service Unavailable"}');
  }
  const answer = invocation.ok ? fromResult(invocation.result) : undefined;
  return answer ?? jsonAnswer(500, '{"message":"Internal Server Error"}');
}

/** undefined if the time is over first; what was begun goes on, as it does on AWS. */
async function withinMs<T>(timeoutMs: number, promise: Promise<T>): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), timeoutMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
