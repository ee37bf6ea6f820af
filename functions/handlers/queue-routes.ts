/**
 * The part of the operating API that is about mail: what waits, one message, actions on either, and the dead letters.
 * Requests are checked here; what is done is the operating room's.
 */
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
import { withBody, withChecked } from './checked-request.ts';
import { jsonAnswer, problemAnswer, type Route } from './http-answer.ts';
import { callerOf } from './http-request.ts';

const actions: readonly Deed['action'][] = ['retry', 'hold', 'release', 'cancel', 'override'];

/** By `event.routeKey`. Each needs an authorizer: whoever calls is the author of what is done. */
export function queueRoutes(context: DeadLetterContext): Readonly<Record<string, Route>> {
  return { ...messageRoutes(context), ...deadLetterRoutes(context) };
}

function messageRoutes(context: DeadLetterContext): Readonly<Record<string, Route>> {
  const { waiting, control } = context.ports;
  return {
    'GET /v1/queue': async (event) =>
      withChecked(
        listRequestSchema,
        { value: event.queryStringParameters ?? {}, status: 400 },
        async (request) => jsonAnswer(200, await listWaiting(request, waiting)),
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
      const answer = withBody(queueRequestSchema(action), async ({ reason, ...request }) => {
        const actor = { author: callerOf(event).name, reason };
        return jsonAnswer(200, await actOnQueue({ ...request, actor }, context));
      });
      return answer(event);
    },
  };
}

function deadLetterRoutes(context: DeadLetterContext): Readonly<Record<string, Route>> {
  return {
    'GET /v1/dead-letters': async () =>
      jsonAnswer(200, { deadLetters: await listDeadLetters(deadLettersMax, context) }),
    'POST /v1/dead-letters/redrive': withBody(redriveRequestSchema, async (request) =>
      jsonAnswer(200, await redriveDeadLetters(request, context)),
    ),
    'POST /v1/dead-letters/bounce': withBody(
      bounceRequestSchema,
      async ({ reason, ...request }, event) => {
        const actor = { author: callerOf(event).name, reason };
        return jsonAnswer(200, await bounceDeadLetters(request, actor, context));
      },
    ),
  };
}
