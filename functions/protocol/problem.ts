/**
 * Problem details: what an HTTP API answers where it does not do what it was asked for.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc9457.html RFC 9457}
 */

/** What is wrong with one field of a request, and what to write instead. */
export interface FieldFault {
  /** A path as `rcptTo.0.address`, a header field's or a query parameter's name, or `(body)`. */
  readonly field: string;
  /** One line. Never holds a value of the request, since that may be of the message. */
  readonly fault: string;
}

/** A problem. */
export interface Problem {
  readonly status: 400 | 401 | 403 | 404 | 409 | 413 | 415 | 422 | 500 | 503;
  /** What happened and what to do about it, for a person. */
  readonly detail: string;
  /** For a program: tells problems of one status apart, in lower case with hyphens. */
  readonly code?: string;
  /** Every field at fault, 20 at most. */
  readonly fields?: readonly FieldFault[];
  /** When it makes sense to ask again (RFC 9110 §10.2.3). */
  readonly retryAfterSeconds?: number;
}

export const problemMediaType = 'application/problem+json';

/** Fields named in one answer; whoever mends these is told of the rest. */
const fieldsMax = 20;

/** The reason phrases of RFC 9110 §15. */
const titles: Readonly<Record<Problem['status'], string>> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  409: 'Conflict',
  413: 'Content Too Large',
  415: 'Unsupported Media Type',
  422: 'Unprocessable Content',
  500: 'Internal Server Error',
  503: 'Service Unavailable',
};

/**
 * The problem as JSON.
 *
 * RFC 9457 §4.2.1: `about:blank`, the type of a problem that has no URI of its own, with the status' phrase as title;
 * what is particular stands in `detail` and in the extension members `code` and `fields` (§3.2).
 */
export function formatProblem({ status, detail, code, fields }: Problem): string {
  return JSON.stringify({
    type: 'about:blank',
    title: titles[status],
    status,
    detail,
    ...(code !== undefined && { code }),
    ...(fields !== undefined && { fields: fields.slice(0, fieldsMax) }),
  });
}

/** A request whose fields are at fault: well-formed, and not to be obeyed as it is. */
export function fieldProblem(fields: readonly FieldFault[], status: 400 | 422 = 422): Problem {
  const shown = fields.slice(0, 3).map(({ field, fault }) => `${field}: ${fault}`);
  const more = fields.length - shown.length;
  return {
    status,
    code: 'fields-invalid',
    detail: shown.join('; ') + (more > 0 ? `; and ${more} more` : ''),
    fields,
  };
}
