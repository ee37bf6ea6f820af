import { describe, expect, test } from 'vitest';
import type { TaggingRule } from '../../functions/environment.ts';
import {
  bounceDeadLetters,
  listDeadLetters,
  redriveDeadLetters,
} from '../../functions/operating/dead-letters.ts';
import type { DeadLetter } from '../../functions/operating/ports.ts';
import type { TlsDemand } from '../../functions/protocol/requiretls/demand.ts';
import { mailBucket, noonMs, preparedMessage } from '../delivery/port-fixtures.ts';
import { createQueueWorld, type QueueWorld } from './queue-world.ts';

const actor = { author: 'alice', reason: 'the domain is gone' };
const minimal = {
  mailFrom: 'alice@example.com',
  rcptTo: [{ address: 'bob@example.org' }, { address: 'carol@example.net' }],
  content: { data: Buffer.from('Subject: secret\r\n\r\nbody\r\n').toString('base64') },
};

function letter(messageId: string, body: unknown, reason?: string): DeadLetter {
  return {
    messageId,
    receiptHandle: `receipt of ${messageId}`,
    body: typeof body === 'string' ? body : JSON.stringify(body),
    sentAtMs: noonMs,
    ...(reason !== undefined && { reason }),
  };
}

function worldWith(...letters: readonly DeadLetter[]): QueueWorld {
  const world = createQueueWorld();
  world.letters.push(...letters);
  return world;
}

const bounce = (world: QueueWorld, changes = {}) =>
  bounceDeadLetters({ limit: 10, discardUnreadable: false, ...changes }, actor, world);

describe('list', () => {
  test('shows envelope and reason, nothing of the content, and takes nothing away', async () => {
    const world = worldWith(letter('s-1', minimal), letter('s-2', '{', 'the body is not JSON'));
    const listed = await listDeadLetters(10, world);
    expect(listed).toMatchObject([
      { messageId: 's-1', message: { id: 'sqs-s-1', recipients: 2, attempt: 1 } },
      { messageId: 's-2', reason: 'the body is not JSON' },
    ]);
    expect(JSON.stringify(listed)).not.toContain(minimal.content.data);
    expect(listed[1]).not.toHaveProperty('message');
    expect(await listDeadLetters(10, world)).toEqual(listed);
  });
});

test('what is left as it is can be seen again at once, and so can what was not meant', async () => {
  const letters = [letter('s-1', '{'), letter('s-2', minimal), letter('s-3', minimal)];
  const world = worldWith(...letters);
  const messageIds = ['s-1', 's-2'];
  const result = await redriveDeadLetters({ limit: 10, messageIds }, world);
  expect(result).toEqual({ done: 1, skipped: [{ messageId: 's-1', reason: 'unreadable' }] });
  expect((await listDeadLetters(10, world)).map(({ messageId }) => messageId)).toEqual([
    's-1',
    's-3',
  ]);
});

describe('redrive', () => {
  test('sends it as the same message, also where its sender gave no id', async () => {
    const world = worldWith(letter('s-1', minimal));
    expect(await redriveDeadLetters({ limit: 10 }, world)).toEqual({ done: 1, skipped: [] });
    expect(world.stores.sent).toMatchObject([
      { id: 'sqs-s-1', submittedAt: new Date(noonMs).toISOString() },
    ]);
    expect(world.letters).toEqual([]);
  });

  test('only those that are named; one that is not seen is said to be so', async () => {
    const world = worldWith(letter('s-1', minimal), letter('s-2', minimal));
    const result = await redriveDeadLetters({ limit: 1, messageIds: ['s-2', 's-9'] }, world);
    expect(result).toEqual({ done: 1, skipped: [{ messageId: 's-9', reason: 'not-found' }] });
    expect(world.letters.map(({ messageId }) => messageId)).toEqual(['s-1']);
  });

  test('what cannot be read stays', async () => {
    const world = worldWith(letter('s-1', 'no JSON'));
    const result = await redriveDeadLetters({ limit: 10 }, world);
    expect(result.skipped).toEqual([{ messageId: 's-1', reason: 'unreadable' }]);
    expect(world.letters).toHaveLength(1);
  });

  test('sent first, removed after: where it cannot be sent, it stays', async () => {
    const world = worldWith(letter('s-1', minimal));
    world.stores.fail('enqueue', 'before');
    await expect(redriveDeadLetters({ limit: 10 }, world)).rejects.toMatchObject({
      code: 'store-unavailable',
    });
    expect(world.letters).toHaveLength(1);
  });
});

describe('bounce', () => {
  test('every delivery of it has failed, its sender is told, and it is gone', async () => {
    const world = worldWith(letter('s-1', minimal));
    expect(await bounce(world)).toEqual({ done: 1, skipped: [] });
    expect(world.stores.sent).toMatchObject([{ mailFrom: '' }, { mailFrom: '' }]);
    expect(world.letters).toEqual([]);
  });

  test('of a delivery that was put off, whose row then ends too', async () => {
    const world = createQueueWorld();
    await world.putOff();
    const content = { bucket: 'sealpost-mail', key: 'content/gone' };
    const hash = preparedHash(await world.ports.control.readDelivery('m-1', 'example.org'));
    const body = preparedMessage({
      attempt: 2,
      content,
      prepared: { ...preparedMessage().prepared, hash },
    });
    world.letters.push(letter('s-1', body, 'no object content/gone'));
    expect(await bounce(world)).toEqual({ done: 1, skipped: [] });
    expect(await world.ports.control.readDelivery('m-1', 'example.org')).toMatchObject({
      state: 'finished',
    });
    expect(world.stores.sent).toHaveLength(1);
  });

  test('of one whose id is another message: that one goes its own way', async () => {
    const world = createQueueWorld();
    await world.putOff();
    const other = preparedMessage({ mailFrom: 'mallory@example.com', content: minimal.content });
    world.letters.push(letter('s-1', other, 'id m-1 was used by another message'));
    expect(await bounce(world)).toEqual({ done: 1, skipped: [] });
    expect(await world.ports.control.readDelivery('m-1', 'example.org')).toMatchObject({
      state: 'deferred',
    });
    expect(await world.ports.control.readDelivery('letter-s-1', 'example.org')).toMatchObject({
      state: 'finished',
    });
  });

  test('an empty return path is told nothing, and is kept in the history', async () => {
    const world = worldWith(
      letter('s-1', {
        ...minimal,
        id: 'n-1',
        rcptTo: [{ address: 'bob@example.org' }],
        mailFrom: '',
      }),
    );
    expect(await bounce(world)).toEqual({ done: 1, skipped: [] });
    expect(world.stores.sent).toEqual([]);
    expect(await world.ports.control.readDelivery('n-1', 'example.org')).toMatchObject({
      state: 'finished',
    });
  });

  test.each([
    [false, 'stays: nobody can be told', 1],
    [true, 'is discarded where that is asked for', 0],
  ])('one that cannot be read, discard %s: %s', async (discardUnreadable, _reason, left) => {
    const world = worldWith(letter('s-1', 'no JSON'));
    await bounce(world, { discardUnreadable });
    expect(world.letters).toHaveLength(left);
  });

  test('one that somebody is at stays', async () => {
    const world = createQueueWorld();
    const message = preparedMessage();
    await world.begin(message);
    world.letters.push(letter('s-1', message));
    expect((await bounce(world)).skipped).toEqual([{ messageId: 's-1', reason: 'busy' }]);
    expect(world.letters).toHaveLength(1);
  });
});

describe('how the notification is protected', () => {
  const toBob = (content: object) => ({
    ...minimal,
    rcptTo: [{ address: 'bob@example.org' }],
    content,
  });
  const inline = (text: string) => ({ data: Buffer.from(text).toString('base64') });
  const secret: TaggingRule = {
    name: 'secret',
    match: { header: { field: 'Subject', value: { glob: '*secret*' } } },
    action: 'require',
  };

  test.each<[object, boolean, string]>([
    [inline('Subject: hello\n\nbody\n'), false, 'its header asks for nothing'],
    [inline('Subject: secret\n\nbody\n'), true, 'a rule sees the header as acceptance would'],
    [inline('Subject: hello\n\nbo\0dy\n'), false, 'the header can be read, the body is at fault'],
    [inline('no header\n\nbody\n'), true, 'the header cannot be read'],
    [{ bucket: 'foreign', key: 'x' }, true, 'the content is not read'],
    [{ bucket: mailBucket, key: 'uploads/gone' }, true, 'the content is gone'],
  ])('of %j: REQUIRETLS %s, since %s', async (content, isRequired) => {
    const world = createQueueWorld({ rules: [secret] });
    world.letters.push(letter('s-1', toBob(content)));
    expect(await bounce(world)).toEqual({ done: 1, skipped: [] });
    const [notification] = world.stores.sent;
    expect(notification?.requireTls ?? false).toBe(isRequired);
    expect(notification?.redacted !== undefined).toBe(isRequired);
  });

  // An override takes nothing from what is told of the message (RFC 8689 §5): the record says what was accepted.
  test.each<[TlsDemand, TlsDemand, boolean]>([
    ['default', 'require', true],
    ['require', 'default', true],
    ['default', 'default', false],
  ])('the record says %s, the row %s: REQUIRETLS %s', async (said, demand, isRequired) => {
    const world = createQueueWorld();
    const key = await world.putOff();
    const row = await world.ports.control.readDelivery(key.id, key.domain);
    await world.ports.control.override(
      key,
      { demand, demandReason: 'an operator', explicit: false },
      world.nowMs,
    );
    const prepared = { ...preparedMessage().prepared, demand: said, hash: preparedHash(row) };
    world.letters.push(letter('s-1', preparedMessage({ attempt: 2, prepared })));
    expect(await bounce(world)).toEqual({ done: 1, skipped: [] });
    expect(world.stores.sent[0]?.requireTls ?? false).toBe(isRequired);
  });
});

test('a letter that cannot be given up stops none of the others, and is said to have failed', async () => {
  const world = worldWith(letter('s-1', minimal), letter('s-2', minimal));
  world.stores.fail('enqueue', 'before');
  expect(await bounce(world)).toEqual({
    done: 1,
    skipped: [{ messageId: 's-1', reason: 'failed', detail: 'enqueue: throttled' }],
  });
  expect(world.letters.map(({ messageId }) => messageId)).toEqual(['s-1']);
  expect(await bounce(world)).toEqual({ done: 1, skipped: [] });
});

test('more recipients than a row has room for are given up in several', async () => {
  const world = createQueueWorld();
  const rcptTo = Array.from({ length: 2_000 }, (_, n) => ({
    address: `${String(n).padStart(60, 'x')}@${'long.'.repeat(20)}example.org`,
  }));
  world.letters.push(letter('s-1', { ...minimal, rcptTo }, 'rcptTo: too many'));
  expect(await bounce(world)).toEqual({ done: 1, skipped: [] });
  const rows = await Promise.all(
    [0, 1].map((n) =>
      world.ports.control.readDelivery(`letter-s-1-${n}`, `${'long.'.repeat(20)}example.org`),
    ),
  );
  expect(rows.flatMap((row) => row?.recipients.map(({ address }) => address))).toEqual(
    rcptTo.map(({ address }) => address),
  );
  expect(world.stores.sent).toHaveLength(2);
});

function preparedHash(row: { envelope: { prepared: { hash: string } } } | undefined): string {
  return row?.envelope.prepared.hash ?? '';
}
