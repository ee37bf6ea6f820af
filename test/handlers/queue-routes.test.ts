import { describe, expect, test } from 'vitest';
import { operateRoutes } from '../../functions/handlers/operate.ts';
import { queueRoutes } from '../../functions/handlers/queue-routes.ts';
import { operateRoutes as declaredRoutes } from '../../lib/operating-api.ts';
import { createQueueWorld, type QueueWorld } from '../operating/queue-world.ts';
import { type EventParts, httpEvent, iamCaller } from './http-event.ts';

async function ask(world: QueueWorld, routeKey: string, parts: EventParts = {}, query = {}) {
  const event = { ...httpEvent(routeKey, parts), queryStringParameters: query };
  const answer = await queueRoutes(world)[routeKey]?.(event);
  return { status: answer?.statusCode, body: JSON.parse(String(answer?.body)) };
}

const act = (world: QueueWorld, action: string, body: object) =>
  ask(world, 'POST /v1/queue/{action}', { pathParameters: { action }, body: JSON.stringify(body) });

test('what is declared is what is answered', () => {
  const never = {} as never;
  const queue = createQueueWorld();
  expect(Object.keys(operateRoutes({ queue, controls: never })).sort()).toEqual(
    [...declaredRoutes].sort(),
  );
});

describe('the queue', () => {
  test('is listed, shown and acted upon; the author is who calls', async () => {
    const world = createQueueWorld();
    await world.putOff();
    expect(await ask(world, 'GET /v1/queue')).toMatchObject({
      status: 200,
      body: { deliveries: [{ id: 'm-1', domain: 'example.org' }] },
    });
    expect(await act(world, 'hold', { id: 'm-1', reason: 'ticket 4711' })).toMatchObject({
      status: 200,
      body: { done: 1, skipped: [] },
    });
    const shown = await ask(world, 'GET /v1/queue/{id}', { pathParameters: { id: 'm-1' } });
    expect(shown.body.parts[0].deliveries[0].held).toMatchObject({
      author: iamCaller.iam.userArn,
      reason: 'ticket 4711',
    });
  });

  test.each<[string, string, EventParts, object, number, string]>([
    ['an order that is none', 'GET /v1/queue', {}, { order: 'size' }, 400, 'order'],
    ['a parameter that is none', 'GET /v1/queue', {}, { form: 'x' }, 400, 'form'],
    [
      'an action that is none',
      'POST /v1/queue/{action}',
      { pathParameters: { action: 'eat' }, body: '{}' },
      {},
      404,
      'override',
    ],
    [
      'nothing selected',
      'POST /v1/queue/{action}',
      { pathParameters: { action: 'retry' }, body: '{}' },
      {},
      422,
      'domain, sender and all',
    ],
    [
      'no JSON',
      'POST /v1/queue/{action}',
      { pathParameters: { action: 'retry' }, body: '{' },
      {},
      400,
      'JSON',
    ],
    [
      'an id that nobody knows',
      'GET /v1/queue/{id}',
      { pathParameters: { id: 'x' } },
      {},
      404,
      'id',
    ],
    ['no reason', 'POST /v1/dead-letters/bounce', { body: '{}' }, {}, 422, 'reason'],
  ])('a problem: %s', async (_reason, routeKey, parts, query, status, words) => {
    const answer = await ask(createQueueWorld(), routeKey, parts, query);
    expect(answer.status).toBe(status);
    expect(JSON.stringify(answer.body)).toContain(words);
  });
});

test('dead letters are listed, redriven and bounced', async () => {
  const world = createQueueWorld();
  const body =
    '{"mailFrom":"a@example.com","rcptTo":[{"address":"b@example.org"}],"content":{"data":""}}';
  const letter = { messageId: 's-1', receiptHandle: 'r', body, sentAtMs: 0 };
  world.letters.push(letter, { ...letter, messageId: 's-2' });
  const listed = await ask(world, 'GET /v1/dead-letters');
  expect(listed.body.deadLetters).toMatchObject([{ messageId: 's-1' }, { messageId: 's-2' }]);
  const redrive = { body: '{"messageIds":["s-2"]}' };
  expect(await ask(world, 'POST /v1/dead-letters/redrive', redrive)).toMatchObject({
    body: { done: 1 },
  });
  const bounce = { body: '{"reason":"nobody is there"}' };
  expect(await ask(world, 'POST /v1/dead-letters/bounce', bounce)).toMatchObject({
    body: { done: 1 },
  });
  expect(world.letters).toEqual([]);
  const row = await world.ports.control.readDelivery('sqs-s-1', 'example.org');
  expect(row?.why?.decision.row).toBe(`cancelled by ${iamCaller.iam.userArn}: nobody is there`);
});
