import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Deed } from '../../functions/operating/delivery-actions.ts';
import { listRequestSchema, queueRequestSchema } from '../../functions/operating/queue-requests.ts';
import { encodeCursor, waitingCursorSchema } from '../../functions/operating/waiting-cursor.ts';

const reason = 'ticket 4711 of the help desk';

describe('an action on the queue', () => {
  test.each<[Deed['action'], object, object]>([
    ['retry', { id: 'm-1' }, { selection: { kind: 'message', id: 'm-1' }, reason: '' }],
    [
      'retry',
      { id: 'm-1', domain: 'Example.ORG' },
      { selection: { kind: 'message', id: 'm-1', domain: 'example.org' } },
    ],
    ['release', { domain: 'BÜCHER.example' }, { selection: { domain: 'xn--bcher-kva.example' } }],
    ['hold', { sender: '', reason }, { selection: { kind: 'sender', sender: '' }, reason }],
    ['cancel', { all: true, reason }, { deed: { action: 'cancel', bounce: true } }],
    ['cancel', { all: true, reason, bounce: false }, { deed: { bounce: false } }],
    ['override', { id: 'm-1', demand: 'default', reason }, { deed: { demand: 'default' } }],
    ['override', { id: 'm-1', demand: 'require', reason: 'ask' }, { deed: { demand: 'require' } }],
  ])('%s %j', (action, body, expected) => {
    expect(queueRequestSchema(action).parse(body)).toMatchObject(expected);
  });

  test.each<[Deed['action'], object, string, string]>([
    ['retry', {}, 'id', 'nothing is selected: all must be said'],
    ['retry', { id: 'm-1', all: true }, 'id', 'two selections'],
    ['retry', { id: 'm-1', domain: 'example.org', sender: '' }, 'id', 'a part of it, and more'],
    ['retry', { all: false }, 'all', 'all is true, or left out'],
    ['retry', { domain: 'not a domain' }, 'domain', 'no domain name'],
    ['retry', { sender: 'alice' }, 'sender', 'no mailbox'],
    ['retry', { id: 'm-1', cursor: '!' }, 'cursor', 'made up'],
    ['retry', { all: true, limit: 100_000 }, 'limit', 'more than a page'],
    ['hold', { id: 'm-1' }, 'reason', 'a hold says why'],
    ['cancel', { id: 'm-1', reason: ' ' }, 'reason', 'blank'],
    ['hold', { id: 'm-1', reason: 'two\nlines' }, 'reason', 'two lines'],
    ['override', { id: 'm-1', reason }, 'demand', 'which demand'],
    ['override', { domain: 'example.org', demand: 'default', reason }, 'id', 'one message only'],
    [
      'override',
      { id: 'm-1', demand: 'optional', reason: 'asked' },
      'reason',
      'too short to lower',
    ],
  ])('%s %j is refused: %s (%s)', (action, body, field) => {
    const parsed = queueRequestSchema(action).safeParse(body);
    expect(parsed.error?.issues[0]?.path[0]).toBe(field);
  });
});

describe('a list', () => {
  test('by default oldest first, fifty', () => {
    expect(listRequestSchema.parse({})).toEqual({ order: 'age', limit: 50 });
  });

  test('what a query string holds is read', () => {
    const query = { order: 'due', held: 'false', limit: '7', domain: 'Example.ORG' };
    expect(listRequestSchema.parse(query)).toEqual({
      order: 'due',
      held: false,
      limit: 7,
      domain: 'example.org',
    });
  });
});

describe('a cursor', () => {
  test('comes back as it went', () => {
    const cursor = {
      order: 'age',
      places: [null, 'end', { id: 'm-1', domain: 'example.org', atMs: 1 }],
    } as const;
    expect(waitingCursorSchema.parse(encodeCursor(cursor))).toEqual(cursor);
  });

  test('whatever a stranger makes up is refused and never throws', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        const made = Buffer.from(text).toString('base64url');
        expect(waitingCursorSchema.safeParse(made).success).toBe(false);
        expect(waitingCursorSchema.safeParse(text).success).toBe(false);
      }),
    );
  });
});
