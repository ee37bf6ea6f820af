/** Events as API Gateway makes them of requests (payload format 2.0). */
import type { HttpEvent } from '../../functions/handlers/http-request.ts';

export interface EventParts {
  readonly headers?: Readonly<Record<string, string>>;
  readonly query?: string;
  readonly pathParameters?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  readonly authorizer?: HttpEvent['requestContext']['authorizer'];
}

/** A role's session. */
export const iamCaller = {
  iam: {
    accessKey: 'ASIAEXAMPLE',
    accountId: '111122223333',
    callerId: 'AROAEXAMPLE:session-1',
    cognitoIdentity: null,
    principalOrgId: 'o-example',
    userArn: 'arn:aws:sts::111122223333:assumed-role/app/session-1',
    userId: 'AROAEXAMPLE:session-1',
  },
};

/** Somebody with a token. */
export function tokenOf(sub: string): NonNullable<EventParts['authorizer']> {
  return { jwt: { claims: { iss: 'https://login.example.com', sub }, scopes: [] } };
}

/** The request `METHOD /path` by IAM; `routeKey` is the route that takes it. */
export function httpEvent(routeKey: string, parts: EventParts = {}): HttpEvent {
  const { headers = {}, query = '', pathParameters = {}, body, authorizer = iamCaller } = parts;
  const [method = '', pattern = ''] = routeKey.split(' ');
  const path = pattern.replace(/\{(\w+)\}/g, (_, name: string) => pathParameters[name] ?? '');
  return {
    version: '2.0',
    routeKey,
    rawPath: path,
    rawQueryString: query,
    headers: Object.fromEntries(
      Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]),
    ),
    pathParameters,
    requestContext: {
      accountId: '111122223333',
      apiId: 'abc',
      domainName: 'abc.execute-api.eu-west-1.amazonaws.com',
      domainPrefix: 'abc',
      http: { method, path, protocol: 'HTTP/1.1', sourceIp: '192.0.2.1', userAgent: 'x' },
      requestId: 'id',
      routeKey,
      stage: '$default',
      time: '24/Nov/2026:12:00:00 +0000',
      timeEpoch: 1_795_521_600_000,
      authorizer,
    },
    ...(body !== undefined && {
      body: typeof body === 'string' ? body : Buffer.from(body).toString('base64'),
    }),
    isBase64Encoded: body !== undefined && typeof body !== 'string',
  };
}
