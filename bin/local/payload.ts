/**
 * HTTP as functions see it behind function URLs and HTTP APIs: events and answers of payload format 2.0.
 */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, OutgoingHttpHeaders, RequestListener } from 'node:http';
import type { APIGatewayProxyEventV2 } from 'aws-lambda';
import { z } from 'zod';
import { readBody } from './loopback.ts';
import { accountId } from './resource-types.ts';

/** A request, whichever way it came. */
export interface HttpRequest {
  readonly method: string;
  /** As it was sent, percent-encoding included. */
  readonly path: string;
  /** Without the `?`. */
  readonly query: string;
  /** Lower-case names; fields that came more than once joined by commas. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  readonly sourceIp: string;
}

/** An answer. */
export interface HttpAnswer {
  readonly status: number;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
  readonly cookies?: readonly string[];
  readonly body: Buffer;
}

/** Lambda takes 6 MB; the event holds a binary body in base64. */
const bodyBytesMax = 6 * 1024 * 1024;

/** Turns a function from request to answer into a listener of an HTTP server. */
export function listenerOf(
  answer: (request: HttpRequest) => Promise<HttpAnswer>,
  onError: (error: unknown) => void,
): RequestListener {
  const respond = async (incoming: IncomingMessage): Promise<HttpAnswer> => {
    const body = await readBody(incoming, bodyBytesMax);
    return body === undefined
      ? jsonAnswer(413, '{"message":"Request Entity Too Large"}')
      : await answer(toRequest(incoming, body));
  };
  return (incoming, outgoing) => {
    respond(incoming).then(
      ({ status, headers, cookies = [], body }) => {
        const sent: OutgoingHttpHeaders = { 'content-length': body.length, ...headers };
        if (cookies.length > 0) {
          sent['set-cookie'] = [...cookies];
        }
        outgoing.writeHead(status, sent);
        // Node leaves the body of an answer to HEAD out by itself.
        outgoing.end(body);
      },
      (error: unknown) => {
        onError(error);
        outgoing.destroy();
      },
    );
  };
}

/** An answer with a JSON text for a body. */
export function jsonAnswer(status: number, text: string): HttpAnswer {
  return { status, headers: { 'content-type': 'application/json' }, body: Buffer.from(text) };
}

function toRequest(incoming: IncomingMessage, body: Buffer): HttpRequest {
  const [path = '/', query = ''] = (incoming.url ?? '/').split(/\?(.*)/s, 2);
  return {
    method: incoming.method ?? 'GET',
    path,
    query,
    headers: Object.fromEntries(
      Object.entries(incoming.headersDistinct).map(([name, values = []]) => [
        name,
        values.join(name === 'cookie' ? '; ' : ','),
      ]),
    ),
    body,
    sourceIp: incoming.socket.remoteAddress ?? '',
  };
}

/** What an event says of where the request arrived. */
export interface EventContext {
  readonly apiId: string;
  readonly domainName: string;
  /** `$default` for a function URL. */
  readonly routeKey: string;
  readonly stage: string;
  readonly pathParameters?: Readonly<Record<string, string>>;
  readonly isSigned: boolean;
  readonly accountId: string;
}

/** Makes the event for a request. */
export function toEvent(request: HttpRequest, context: EventContext): APIGatewayProxyEventV2 {
  const { cookie, ...headers } = request.headers;
  const query = new URLSearchParams(request.query);
  const isText = isTextual(headers['content-type']);
  const now = new Date();
  return {
    version: '2.0',
    routeKey: context.routeKey,
    rawPath: request.path,
    rawQueryString: request.query,
    ...(cookie === undefined ? {} : { cookies: cookie.split(/; */) }),
    headers,
    ...(query.size === 0 ? {} : { queryStringParameters: joinRepeated(query) }),
    ...(context.pathParameters === undefined ? {} : { pathParameters: context.pathParameters }),
    requestContext: {
      accountId: context.accountId,
      apiId: context.apiId,
      ...(context.isSigned ? { authorizer: { iam: localCaller } } : {}),
      domainName: context.domainName,
      domainPrefix: context.domainName.split('.')[0] ?? '',
      http: {
        method: request.method,
        path: request.path,
        protocol: 'HTTP/1.1',
        sourceIp: request.sourceIp,
        userAgent: headers['user-agent'] ?? '',
      },
      requestId: randomUUID(),
      routeKey: context.routeKey,
      stage: context.stage,
      time: commonLogTime(now),
      timeEpoch: now.getTime(),
    },
    ...(request.body.length === 0
      ? {}
      : { body: request.body.toString(isText ? 'utf8' : 'base64') }),
    isBase64Encoded: request.body.length > 0 && !isText,
  };
}

const answerSchema = z.looseObject({
  statusCode: z.coerce.number().int().min(100).max(599),
  headers: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).default({}),
  cookies: z.array(z.string()).default([]),
  body: z.string().default(''),
  isBase64Encoded: z.boolean().default(false),
});

/**
 * Reads what a function returned: with a `statusCode` the answer itself, without one the body of a 200.
 *
 * @returns undefined for what API Gateway answers with 500 and a function URL with 502
 */
export function fromResult(result: unknown): HttpAnswer | undefined {
  const isAnswer = typeof result === 'object' && result !== null && 'statusCode' in result;
  if (!isAnswer) {
    const text = typeof result === 'string' ? result : (JSON.stringify(result) ?? '');
    return jsonAnswer(200, text);
  }
  const parsed = answerSchema.safeParse(result);
  if (!parsed.success) {
    return undefined;
  }
  const { statusCode, headers, cookies, body, isBase64Encoded } = parsed.data;
  return {
    status: statusCode,
    headers: {
      'content-type': 'application/json',
      ...Object.fromEntries(
        Object.entries(headers)
          .map(([name, value]): [string, string] => [name.toLowerCase(), String(value)])
          .filter(([name]) => !ofConnection.includes(name)),
      ),
    },
    cookies,
    body: Buffer.from(body, isBase64Encoded ? 'base64' : 'utf8'),
  };
}

/** What a function cannot say, because it is between the server and its client. */
const ofConnection: readonly string[] = ['connection', 'content-length', 'transfer-encoding'];

/** Reports whether a request carries a signature of version 4; nothing here could verify it. */
export function isSigned({ headers, query }: HttpRequest): boolean {
  return (
    headers['authorization']?.startsWith('AWS4-HMAC-SHA256 ') === true ||
    new URLSearchParams(query).has('X-Amz-Signature')
  );
}

/** Whoever signs with the local dummy keys. */
const localCaller = {
  accessKey: 'local',
  accountId,
  callerId: 'local',
  cognitoIdentity: null,
  principalOrgId: null,
  userArn: `arn:aws:iam::${accountId}:user/local`,
  userId: 'local',
};

/** The media types whose bodies are handed over as text. */
function isTextual(contentType = ''): boolean {
  return /^(text\/|application\/(json|xml|javascript))/i.test(contentType);
}

function joinRepeated(query: URLSearchParams): Record<string, string> {
  return Object.fromEntries(
    [...new Set(query.keys())].map((name) => [name, query.getAll(name).join(',')]),
  );
}

/** `24/Nov/2026:03:37:00 +0000`. */
function commonLogTime(time: Date): string {
  const [, day, month, year, clock] = time.toUTCString().split(' ');
  return `${day}/${month}/${year}:${clock} +0000`;
}
