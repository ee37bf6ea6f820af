/**
 * The part of the operating API that is about mail: what waits, one message, actions on either, and the dead letters.
 * Requests are checked here; what is done is the operating room's.
 */
import type * as z from 'zod';
import { actOnQueue } from '../operating/act-on-queue.ts';
import {
  bounceDeadLetters,
  type DeadLetterContext,
  deadLettersMax,
  listDeadLetters,
  redriveDeadLetters,
} from '../operating/dead-letters.ts';
import type { Deed } from '../operating/delivery-actions.ts';
import { listWaiting } from '../operating/list-waiting.ts';
import {
  bounceRequestSchema,
  listRequestSchema,
  queueRequestSchema,
  redriveRequestSchema,
} from '../operating/queue-requests.ts';
import { showMessage } from '../operating/show-message.ts';
import { fieldProblem } from '../protocol/problem.ts';
import { schemaFaults } from '../submission/schema-faults.ts';
import { type HttpAnswer, jsonAnswer, problemAnswer, type Route } from './http-answer.ts';
import { callerOf, type HttpEvent, readJsonBody } from './http-request.ts';

const actions: readonly Deed['action'][] = ['retry', 'hold', 'release', 'cancel', 'override'];

/** By `event.routeKey`. Each needs an authorizer: whoever calls is the author of what is done. */
export function queueRoutes(context: DeadLetterContext): Readonly<Record<string, Route>> {
  return { ...messageRoutes(context), ...deadLetterRoutes(context) };
}

function messageRoutes(context: DeadLetterContext): Readonly<Record<string, Route>> {
  const { waiting, control } = context.ports;
  return {
    'GET /v1/queue': async (event) =>
      withChecked(listRequestSchema, event.queryStringParameters ?? {}, 400, async (request) =>
        jsonAnswer(200, await listWaiting(request, waiting)),
      ),
    'GET /v1/queue/{id}': async ({ pathParameters }) => {
      const id = pathParameters?.['id'] ?? '';
      const shown = id === '' ? undefined : await showMessage(id, control);
      return shown === undefined
        ? problemAnswer({ status: 404, detail: 'Nothing is kept under this id.' })
        : jsonAnswer(200, shown);
    },
    'POST /v1/queue/{action}': async (event) => {
      const action = actions.find((each) => each === event.pathParameters?.['action']);
      if (action === undefined) {
        const detail = `The actions are ${actions.join(', ')}.`;
        return problemAnswer({ status: 404, detail });
      }
      return withBody(queueRequestSchema(action), event, async ({ reason, ...request }) => {
        const actor = { author: callerOf(event).name, reason };
        return jsonAnswer(200, await actOnQueue({ ...request, actor }, context));
      });
    },
  };
}

function deadLetterRoutes(context: DeadLetterContext): Readonly<Record<string, Route>> {
  return {
    'GET /v1/dead-letters': async () =>
      jsonAnswer(200, { deadLetters: await listDeadLetters(deadLettersMax, context) }),
    'POST /v1/dead-letters/redrive': async (event) =>
      withBody(redriveRequestSchema, event, async (request) =>
        jsonAnswer(200, await redriveDeadLetters(request, context)),
      ),
    'POST /v1/dead-letters/bounce': async (event) =>
      withBody(bounceRequestSchema, event, async ({ reason, ...request }) => {
        const actor = { author: callerOf(event).name, reason };
        return jsonAnswer(200, await bounceDeadLetters(request, actor, context));
      }),
  };
}

async function withBody<T>(
  schema: z.ZodType<T>,
  event: HttpEvent,
  answer: (value: T) => Promise<HttpAnswer>,
): Promise<HttpAnswer> {
  const body = readJsonBody(event);
  return 'problem' in body
    ? problemAnswer(body.problem)
    : withChecked(schema, body.value, 422, answer);
}

async function withChecked<T>(
  schema: z.ZodType<T>,
  value: unknown,
  status: 400 | 422,
  answer: (value: T) => Promise<HttpAnswer>,
): Promise<HttpAnswer> {
  const parsed = schema.safeParse(value);
  return parsed.success
    ? answer(parsed.data)
    : problemAnswer(fieldProblem(schemaFaults(parsed.error), status));
}
