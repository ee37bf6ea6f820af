/** Requests that are checked by a schema before anything is done; what is wrong with them is answered by field. */
import type * as z from 'zod';
import { fieldProblem } from '../protocol/problem.ts';
import { schemaFaults } from '../submission/schema-faults.ts';
import { type HttpAnswer, problemAnswer, type Route } from './http-answer.ts';
import { type HttpEvent, readJsonBody } from './http-request.ts';

/** A route with a JSON body, which its schema takes. */
export function withBody<T>(
  schema: z.ZodType<T>,
  answer: (value: T, event: HttpEvent) => Promise<HttpAnswer>,
): Route {
  return async (event) => {
    const body = readJsonBody(event);
    return 'problem' in body
      ? problemAnswer(body.problem)
      : withChecked(schema, { value: body.value, status: 422 }, (value) => answer(value, event));
  };
}

/** The answer to a value of a request, or, with `status`, what is wrong with it. */
export async function withChecked<T>(
  schema: z.ZodType<T>,
  { value, status }: { readonly value: unknown; readonly status: 400 | 422 },
  answer: (value: T) => Promise<HttpAnswer>,
): Promise<HttpAnswer> {
  const parsed = schema.safeParse(value);
  return parsed.success
    ? answer(parsed.data)
    : problemAnswer(fieldProblem(schemaFaults(parsed.error), status));
}
