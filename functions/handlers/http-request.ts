/** Requests to the HTTP API, as API Gateway hands them over (payload format 2.0). */
import type {
  APIGatewayEventRequestContextIAMAuthorizer,
  APIGatewayEventRequestContextJWTAuthorizer,
  APIGatewayEventRequestContextV2,
  APIGatewayProxyEventV2WithRequestContext,
} from 'aws-lambda';
import { fieldProblem, type Problem } from '../protocol/problem.ts';

/** By which authorizer a caller came in is the config's to decide; API Gateway lets nobody else through. */
export type HttpEvent = APIGatewayProxyEventV2WithRequestContext<
  APIGatewayEventRequestContextV2 & {
    readonly authorizer?: Partial<
      APIGatewayEventRequestContextIAMAuthorizer & APIGatewayEventRequestContextJWTAuthorizer
    >;
  }
>;

/** Who asks. */
export interface Caller {
  /** By which authorizer. IAM callers are of the account; tokens are of people who are strangers to each other. */
  readonly kind: 'iam' | 'jwt';
  /** The same for all sessions of one role, so that a retry with fresh credentials is a retry. */
  readonly principal: string;
  /** For records of who did what: the ARN with its session's name, or `sub` and `iss`. */
  readonly name: string;
}

/**
 * Who asks, by the word of API Gateway's authorizer.
 *
 * @throws {TypeError} where there is none: the route is open, which is a bug of the stack.
 */
export function callerOf({ requestContext: { authorizer } }: HttpEvent): Caller {
  if (authorizer?.iam !== undefined) {
    const { accountId, userId, userArn } = authorizer.iam;
    // A role's unique id, a colon, and the session's name, which may be another at each try.
    return {
      kind: 'iam',
      principal: `iam:${accountId}:${userId.replace(/:.*$/s, '')}`,
      name: userArn,
    };
  }
  const claims = authorizer?.jwt?.claims ?? {};
  const { iss, sub, client_id: clientId } = claims;
  const subject = sub ?? clientId;
  if (typeof iss !== 'string' || typeof subject !== 'string') {
    throw new TypeError(
      'the request has no caller: its route needs an authorizer, and a token a sub',
    );
  }
  return { kind: 'jwt', principal: `jwt:${iss}:${subject}`, name: `${subject} (${iss})` };
}

/** The value of a header field; undefined where it is absent or empty. */
function headerOf({ headers }: HttpEvent, name: string): string | undefined {
  return headers[name.toLowerCase()] || undefined;
}

/** The media type of the body, without its parameters, in lower case. */
export function mediaTypeOf(event: HttpEvent): string | undefined {
  return headerOf(event, 'content-type')?.split(';')[0]?.trim().toLowerCase();
}

/** The octets of the body. */
export function bodyOf({ body, isBase64Encoded }: HttpEvent): Buffer {
  return Buffer.from(body ?? '', isBase64Encoded ? 'base64' : 'utf8');
}

/** Values in one JSON body, and how deep they may lie: several times what 2,000 recipients with all parameters take. */
const jsonValuesMax = 50_000;
const jsonDepthMax = 10;

/** Reads a body that must be JSON, whatever its type says. */
export function readJsonBody(
  event: HttpEvent,
): { readonly value: unknown } | { readonly problem: Problem } {
  const text = event.isBase64Encoded ? bodyOf(event).toString() : (event.body ?? '');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The parser's words would quote the body.
    return bodyProblem('not JSON: send a JSON object');
  }
  // A schema writes down every fault: a body made of nothing but faults would fill the memory.
  return isBounded(value)
    ? { value }
    : bodyProblem(`more than ${jsonValuesMax} values, or deeper than ${jsonDepthMax}: send less`);
}

function bodyProblem(fault: string): { readonly problem: Problem } {
  return { problem: fieldProblem([{ field: '(body)', fault }], 400) };
}

/** Breadth first, and given up at the first value too many. */
function isBounded(value: unknown): boolean {
  let level: unknown[] = [value];
  let values = 0;
  for (let depth = 0; level.length > 0; depth += 1) {
    values += level.length;
    if (values > jsonValuesMax || depth > jsonDepthMax) {
      return false;
    }
    const next: unknown[] = [];
    for (const each of level) {
      if (typeof each === 'object' && each !== null) {
        const children = Object.values(each);
        if (values + next.length + children.length > jsonValuesMax) {
          return false;
        }
        for (const child of children) {
          next.push(child);
        }
      }
    }
    level = next;
  }
  return true;
}
