/**
 * Requests and responses between HTTP and the events of CloudFront Functions.
 */
import { randomUUID } from 'node:crypto';
import type { EdgeFunctionRequest, EdgeFunctionResponse, EdgeValues } from './edge-function.ts';
import type { EdgeSettings } from './edge-settings.ts';
import type { HttpAnswer, HttpRequest } from './payload.ts';

/** The event that a function on viewer requests gets. */
export function functionEvent(
  request: HttpRequest,
  { id, domainName }: EdgeSettings,
): Readonly<Record<string, unknown>> {
  const { cookie = '', ...headers } = request.headers;
  return {
    version: '1.0',
    context: {
      distributionDomainName: domainName,
      distributionId: id,
      eventType: 'viewer-request',
      requestId: randomUUID(),
    },
    viewer: { ip: request.sourceIp },
    request: {
      method: request.method,
      uri: request.path,
      querystring: toValues(request.query.split('&')),
      headers: toValues(Object.entries(headers).map(([name, value]) => `${name}=${value}`)),
      cookies: toValues(cookie.split(/; */)),
    },
  };
}

/** `name=value` pairs as the functions see them; the first value of a repeated name is its value. */
function toValues(pairs: readonly string[]): EdgeValues {
  const values = new Map<string, string[]>();
  for (const pair of pairs.filter((text) => text !== '')) {
    const [name = '', value = ''] = pair.split(/=(.*)/s, 2);
    values.set(name, [...(values.get(name) ?? []), value]);
  }
  return Object.fromEntries(
    [...values].map(([name, [value = '', ...more]]) => [
      name,
      more.length === 0
        ? { value }
        : { value, multiValue: [value, ...more].map((item) => ({ value: item })) },
    ]),
  );
}

function toPairs(values: EdgeValues): readonly (readonly [string, string])[] {
  return Object.entries(values).flatMap(([name, { value, multiValue }]) =>
    (multiValue ?? [{ value }]).map((item) => [name, item.value] as const),
  );
}

/**
 * The request that a function made of the viewer's.
 *
 * @returns undefined if the function changed the method or Host, which it may only read, or named a header in capitals
 */
export function fromFunctionRequest(
  viewer: HttpRequest,
  { method, uri, querystring, headers, cookies }: EdgeFunctionRequest,
): HttpRequest | undefined {
  const isRefused =
    method !== viewer.method ||
    headers['host']?.value !== viewer.headers['host'] ||
    Object.keys(headers).some((name) => name !== name.toLowerCase());
  const join = (values: EdgeValues, separator: string): string =>
    toPairs(values)
      .map(([name, value]) => (value === '' ? name : `${name}=${value}`))
      .join(separator);
  const cookie = join(cookies, '; ');
  return isRefused
    ? undefined
    : {
        ...viewer,
        path: uri,
        query: join(querystring, '&'),
        headers: {
          ...Object.fromEntries(toPairs(headers)),
          ...(cookie === '' ? {} : { cookie }),
        },
      };
}

/** The answer that a function gave in place of the origin. */
export function fromFunctionResponse({
  statusCode,
  headers,
  body,
}: EdgeFunctionResponse): HttpAnswer {
  return {
    status: statusCode,
    headers: Object.fromEntries(toPairs(headers)),
    body:
      typeof body === 'object'
        ? Buffer.from(body.data, body.encoding === 'base64' ? 'base64' : 'utf8')
        : Buffer.from(body ?? ''),
  };
}
