/** What senders are told, once, and by what way; and which bodies are removed when all is told. */
import { describe, expect, test } from 'vitest';
import type { DeliverySettings } from '../../functions/environment.ts';
import type { Answer } from '../../functions/protocol/dns/answer.ts';
import type { RecipientResult, Reply } from '../../functions/protocol/smtp/transaction.ts';
import type { QueueMessage } from '../../functions/submission/queue-message.ts';
import { deliverySettings } from '../delivery-settings.ts';
import {
  alike,
  createHarness,
  delivered,
  enforce,
  type Harness,
  mxOf,
  type Peer,
  record,
  reply,
} from './harness.ts';
import { mailBucket } from './port-fixtures.ts';

const refused: RecipientResult = {
  outcome: 'failed',
  code: 'rejected',
  reason: 'RCPT answered by 550 unknown',
  reply: reply(550, 'unknown'),
};
const later: RecipientResult = {
  outcome: 'deferred',
  code: 'deferred-by-peer',
  reason: 'busy',
  reply: reply(450, 'busy'),
};
const leaseMs = 21 * 60_000;

function answering(result: RecipientResult): Harness {
  const harness = createHarness();
  harness.peers.set('mx.rcpt.example', {
    requireTls: true,
    answer: (transaction) => alike(transaction, result),
  });
  return harness;
}

const notices = ({ stores }: Harness): readonly QueueMessage[] =>
  stores.sent.filter(({ notificationOf }) => notificationOf !== undefined);

const textOf = ({ content }: QueueMessage): string =>
  'data' in content ? Buffer.from(content.data, 'base64').toString() : '';

const recipient = (over: object): object => ({
  rcptTo: [{ address: 'bob@rcpt.example', ...over }],
});

describe('RFC 3461: what is told', () => {
  test.each<[RecipientResult, object, string | undefined, string]>([
    [refused, {}, 'failed', '§5.2.6 (c): without NOTIFY'],
    [refused, { notify: ['FAILURE'] }, 'failed', '§5.2.6 (a)'],
    [refused, { notify: ['SUCCESS', 'DELAY'] }, undefined, '§5.2.6 (b)'],
    [refused, { notify: ['NEVER'] }, undefined, '§4.1'],
    [delivered, { notify: ['SUCCESS'] }, 'relayed', '§5.2.2 (b): the peer has no DSN'],
    [delivered, {}, undefined, '§5.2.2 (e)'],
    [later, {}, undefined, 'not late yet'],
  ])('%j, %j: %s (%s)', async (result, over, action, _why) => {
    const harness = answering(result);
    await harness.deliver(record(recipient(over)));
    expect(notices(harness).map((notice) => /^Action: (.*)\r$/m.exec(textOf(notice))?.[1])).toEqual(
      action === undefined ? [] : [action],
    );
  });

  test('success is for a peer that has DSN to tell, and failure is not (§5.2.1)', async () => {
    const harness = createHarness();
    const rcptTo = ['a', 'b'].map((local) => ({
      address: `${local}@rcpt.example`,
      notify: ['SUCCESS', 'FAILURE'],
    }));
    harness.peers.set('mx.rcpt.example', {
      dsn: true,
      answer: (transaction) => {
        const result = alike(transaction, delivered);
        return { ...result, recipients: [delivered, refused] };
      },
    });
    await harness.deliver(record({ rcptTo }));
    const [notice, ...more] = notices(harness).map(textOf);
    expect(more).toEqual([]);
    expect(notice?.match(/^(Final-Recipient|Action): .*$/gm)).toEqual([
      'Final-Recipient: rfc822;b@rcpt.example',
      'Action: failed',
    ]);
  });

  test('without a failure the header goes back, whatever RET says (§4.3)', async () => {
    const harness = answering(delivered);
    await harness.deliver(record({ ...recipient({ notify: ['SUCCESS'] }), ret: 'FULL' }));
    expect(notices(harness).map(textOf).join()).toContain('Content-Type: text/rfc822-headers\r\n');
  });

  test('the envelope is empty, and asks for nothing (§6.1)', async () => {
    const harness = answering(refused);
    await harness.deliver(record({ envid: 'QQ314159' }));
    const [notice] = notices(harness);
    expect(notice).toMatchObject({
      mailFrom: '',
      rcptTo: [{ address: 'alice@sender.example', notify: ['NEVER'] }],
    });
    expect(notice).not.toHaveProperty('ret');
    expect(notice).not.toHaveProperty('prepared');
    expect(notice && textOf(notice)).toContain('Original-Envelope-Id: QQ314159\r\n');
  });

  test('one notification for all recipients of an attempt', async () => {
    const harness = answering(refused);
    const rcptTo = ['a', 'b', 'c'].map((local) => ({ address: `${local}@rcpt.example` }));
    await harness.deliver(record({ rcptTo }));
    const [notice, ...more] = notices(harness);
    expect(more).toEqual([]);
    expect(notice && textOf(notice).match(/^Final-Recipient/gm)).toHaveLength(3);
  });

  test.each([
    ['FULL', 'message/rfc822'],
    ['HDRS', 'text/rfc822-headers'],
    [undefined, 'text/rfc822-headers'],
  ])('RET=%s: %s', async (ret, type) => {
    const harness = answering(refused);
    await harness.deliver(record(ret === undefined ? {} : { ret }));
    expect(notices(harness).map(textOf).join()).toContain(`Content-Type: ${type}\r\n`);
  });
});

describe('RFC 3461 §6.3 (h), (i): whose word it is', () => {
  const expired = { expiresAt: '2026-01-01T00:00:30Z' };
  const fieldsOf = (harness: Harness): (string | undefined)[] => {
    const text = notices(harness).map(textOf).join();
    return ['Remote-MTA', 'Diagnostic-Code', 'Status'].map(
      (name) => new RegExp(`^${name}: (.*)\r$`, 'm').exec(text)?.[1],
    );
  };
  const busy: Reply = { code: 554, enhanced: '5.7.1', lines: ['go away'] };

  test.each<[Peer, string, string]>([
    [{ refuse: 'greeting-refused', refusal: busy }, 'smtp; 554 5.7.1 go away', 'at the greeting'],
    [{ refuse: 'ehlo-refused', refusal: busy }, 'smtp; 554 5.7.1 go away', 'at EHLO'],
    [{ refuse: 'starttls-refused', refusal: busy }, 'smtp; 554 5.7.1 go away', 'at STARTTLS'],
    [{ refuse: 'connect-failed' }, 'x-sealpost; expired: ', 'no word at all'],
    [
      {
        answer: (transaction) =>
          alike(transaction, later, { contentSent: 'none', sessionLost: true }),
      },
      'smtp; 450 busy',
      'a session that ended before the content',
    ],
  ])('%j: %s (%s)', async (peer, diagnostic, _why) => {
    const harness = createHarness();
    harness.sts = enforce('mx.rcpt.example');
    harness.peers.set('mx.rcpt.example', peer);
    await harness.deliver(record(expired));
    const [remoteMta, shown, status] = fieldsOf(harness);
    expect(remoteMta).toBe('dns; mx.rcpt.example');
    expect(shown?.startsWith(diagnostic)).toBe(true);
    expect(status).toBe('5.4.7');
  });

  test("nobody's, where no host was tried", async () => {
    const harness = createHarness();
    harness.sts = enforce('old.rcpt.example');
    await harness.deliver(record(expired));
    const [remoteMta, shown] = fieldsOf(harness);
    expect(remoteMta).toBeUndefined();
    expect(shown).toMatch(/^x-sealpost; /);
  });

  test('the why record has its one line, and no more', async () => {
    const harness = createHarness();
    harness.peers.set('mx.rcpt.example', { refuse: 'greeting-refused', refusal: busy });
    const one = record();
    await harness.deliver(one);
    const { id } = JSON.parse(one.body);
    const row = await harness.stores.messages.readDelivery(id, 'rcpt.example');
    expect(row?.why?.hosts[0]?.tries[0]?.failure).toEqual({
      code: 'greeting-refused',
      reason: 'mx.rcpt.example: greeting-refused',
    });
  });
});

describe('a delay', () => {
  const late = { submittedAt: '2025-12-31T19:00:00Z', expiresAt: '2026-01-05T19:00:00Z' };
  test.each<[object, Partial<DeliverySettings>, number, string]>([
    [late, {}, 1, 'after four hours'],
    [late, { delayNoticeHours: 0 }, 0, 'switched off'],
    [{ ...late, ...recipient({ notify: ['FAILURE'] }) }, {}, 0, '§5.2.5 (c)'],
    [{ ...late, expiresAt: '2026-01-01T00:03:00Z' }, {}, 0, 'the next attempt is the last'],
  ])('%j, %j: %i (%s)', async (over, settings, count, _why) => {
    const harness = answering(later);
    harness.settings = { ...deliverySettings, ...settings };
    await harness.deliver(record(over));
    expect(notices(harness)).toHaveLength(count);
  });

  test('the last attempt is when the message expires, and no later', async () => {
    const harness = answering(later);
    const expiresAt = '2026-01-01T00:03:00Z';
    await harness.deliver(record({ ...late, expiresAt }));
    expect(harness.stores.retryEntries().map(({ dueAtMs }) => dueAtMs)).toEqual([
      Date.parse(expiresAt),
    ]);
  });

  test('is told once', async () => {
    const harness = answering(later);
    await harness.deliver(record(late));
    const [retry] = harness.stores.retryEntries();
    harness.nowMs = retry?.dueAtMs ?? Number.NaN;
    await harness.deliver(record({}, { body: JSON.stringify(retry?.message) }));
    expect(harness.sent).toHaveLength(2);
    expect(notices(harness)).toHaveLength(1);
  });
});

describe('RFC 8689', () => {
  test('§5: with REQUIRETLS, the header alone whatever RET says, and a redacted form beside', async () => {
    const harness = answering(refused);
    await harness.deliver(record({ requireTls: true, ret: 'FULL' }));
    const [notice] = notices(harness);
    // The MX is not authenticated here, so that it fails for that.
    expect(notice).toMatchObject({ requireTls: true, redacted: { data: expect.any(String) } });
    expect(notice && textOf(notice)).toContain('text/rfc822-headers');
    const redacted =
      notice?.redacted !== undefined && 'data' in notice.redacted ? notice.redacted.data : '';
    expect(Buffer.from(redacted, 'base64').toString()).not.toMatch(/Subject: x|rfc822-headers/);
  });

  test.each<[Partial<DeliverySettings>, string]>([
    [{ redactBounces: true }, 'always redacted'],
    [{ requireTls: false }, 'REQUIRETLS is switched off, and would stop it'],
  ])('%j: %s', async (settings, _why) => {
    const harness = answering(refused);
    harness.settings = { ...deliverySettings, ...settings };
    await harness.deliver(record({ requireTls: true }));
    const [notice] = notices(harness);
    expect(notice).not.toHaveProperty('requireTls');
    expect(notice && textOf(notice)).not.toMatch(/Subject: x|rfc822-headers/);
  });

  test.each([
    ['optional', { requireTls: true, redacted: expect.anything() }],
    ['default', { requireTls: true, redacted: expect.anything() }],
  ] as const)(
    '§5: an override with %s takes nothing from what is told of it',
    async (demand, expected) => {
      const harness = answering(later);
      harness.mx.set('rcpt.example', {
        ...mxOf('mx.rcpt.example'),
        status: 'secure',
      } as Answer<'MX'>);
      await harness.deliver(record({ rcptTo: [{ address: 'bob+requiretls@rcpt.example' }] }));
      const [retry] = harness.stores.retryEntries();
      const message = retry?.message;
      harness.nowMs = retry?.dueAtMs ?? Number.NaN;
      const row = harness.stores.messageRows.get(`${message?.id}#rcpt.example`);
      Object.assign(row ?? {}, {
        demand: { demand, demandReason: 'alice: let it', explicit: false },
      });
      await harness.deliver(record({}, { body: JSON.stringify(message) }));
      harness.peers.set('mx.rcpt.example', {
        answer: (transaction) => alike(transaction, refused),
      });
      await harness.deliver(record({}, { body: JSON.stringify(harness.stores.sent.at(-1)) }));
      expect(harness.sent.at(-1)?.transaction.requireTls).toBe(false);
      expect(notices(harness)).toEqual([expect.objectContaining(expected)]);
    },
  );

  test('§6: what is told of TLS-Required: No says so too', async () => {
    const harness = answering(refused);
    const content = Buffer.from('TLS-Required: No\r\n\r\nhi\r\n').toString('base64');
    await harness.deliver(record({ content: { data: content } }));
    expect(notices(harness).map(textOf).join()).toMatch(/^TLS-Required: No\r$/m);
  });
});

test('an empty return path is told nothing; it is counted, and kept in history', async () => {
  const harness = answering(refused);
  const content = Buffer.from('From: daemon@sender.example\r\n\r\nhi\r\n').toString('base64');
  const one = record({ mailFrom: '', content: { data: content } });
  await harness.deliver(one);
  expect(harness.stores.sent).toEqual([]);
  const { id } = JSON.parse(one.body);
  expect(harness.events).toContainEqual(expect.objectContaining({ kind: 'dropped', id, count: 1 }));
  expect(await harness.stores.messages.readDelivery(id, 'rcpt.example')).toMatchObject({
    state: 'finished',
    recipients: [{ state: 'failed' }],
  });
});

describe('the function dies at any moment of a message that fails', () => {
  test.each(Array.from({ length: 10 }, (_, index) => index))('boundary %i', async (index) => {
    const harness = answering(refused);
    const one = record();
    const { promise: death, resolve } = Promise.withResolvers<void>();
    harness.stores.intercept((boundary) => {
      if (boundary.index < index) {
        return undefined;
      }
      resolve();
      return new Promise<void>(() => {});
    });
    await Promise.race([harness.deliver(one), death]);
    harness.stores.intercept(() => {});
    harness.nowMs += leaseMs;
    expect(await harness.deliver(one)).toEqual([]);
    expect(new Set(notices(harness).map(({ id }) => id)).size).toBe(1);
    const { id } = JSON.parse(one.body);
    expect(await harness.stores.messages.readDelivery(id, 'rcpt.example')).toMatchObject({
      state: 'finished',
      recipients: [{ state: 'failed' }],
    });
    // However many copies there are, and whenever they were made, they are one message to whoever delivers them.
    const bodies = notices(harness).map((notice) => record({}, { body: JSON.stringify(notice) }));
    harness.mx.set('sender.example', harness.mx.get('rcpt.example') as never);
    harness.peers.clear();
    const before = harness.sent.length;
    for (const body of bodies) {
      expect(await harness.deliver(body)).toEqual([]);
    }
    expect(harness.sent.length - before).toBe(1);
    expect(harness.stores.deadLetters).toEqual([]);
  });
});

test('an attempt that is made again, and comes to something else, is told of again', async () => {
  const harness = createHarness();
  const rcptTo = ['a', 'b'].map((local) => ({ address: `${local}@rcpt.example` }));
  const one = record({ rcptTo });
  harness.peers.set('mx.rcpt.example', {
    answer: (transaction, index) => ({
      ...alike(transaction, refused),
      recipients: index === 0 ? [refused, delivered] : [refused, refused],
    }),
  });
  harness.stores.fail('settle', 'before');
  expect(await harness.deliver(one)).toEqual([one.messageId]);
  harness.nowMs += leaseMs;
  expect(await harness.deliver(one)).toEqual([]);
  const [first, second, ...more] = notices(harness);
  expect(more).toEqual([]);
  expect(second?.id).not.toBe(first?.id);
  expect(second && textOf(second)).toContain('Final-Recipient: rfc822;b@rcpt.example\r\n');
});

test('nothing is settled where the notification could not be enqueued', async () => {
  const harness = answering(refused);
  const one = record();
  harness.stores.fail('enqueue', 'before');
  expect(await harness.deliver(one)).toEqual([one.messageId]);
  const row = await harness.stores.messages.readDelivery(JSON.parse(one.body).id, 'rcpt.example');
  expect(row?.state).toBe('attempting');
});

describe('the body of a finished delivery', () => {
  const large = Buffer.concat([Buffer.from('Subject: x\r\n\r\n'), Buffer.alloc(900_000, 'x\r\n')]);

  async function put(harness: Harness): Promise<{ bucket: string; key: string }> {
    await harness.stores.contents.keep('given', large);
    return { bucket: mailBucket, key: 'content/given' };
  }

  async function deferThenDeliver(harness: Harness): Promise<void> {
    const [retry] = harness.stores.retryEntries();
    harness.peers.clear();
    harness.nowMs = retry?.dueAtMs ?? Number.NaN;
    expect(await harness.deliver(record({}, { body: JSON.stringify(retry?.message) }))).toEqual([]);
  }

  test('is removed where it was kept for it', async () => {
    const harness = answering(later);
    await harness.deliver(record());
    const [retry] = harness.stores.retryEntries();
    const content = retry?.message.content ?? { data: '' };
    await deferThenDeliver(harness);
    await expect(harness.stores.contents.read(content)).rejects.toMatchObject({
      code: 'content-missing',
    });
  });

  test('that is gone fails the delivery for good, and its sender hears that it is lost', async () => {
    const harness = answering(later);
    const one = record();
    await harness.deliver(one);
    const [retry] = harness.stores.retryEntries();
    await harness.stores.contents.remove(retry?.message.content ?? { data: '' });
    const { id } = JSON.parse(one.body);
    const sentBefore = harness.sent.length;
    await deferThenDeliver(harness);
    expect(harness.sent).toHaveLength(sentBefore);
    expect(harness.stores.deadLetters).toEqual([]);
    const row = await harness.stores.messages.readDelivery(id, 'rcpt.example');
    expect(row).toMatchObject({
      state: 'finished',
      attempt: 2,
      recipients: [{ state: 'failed', status: '5.3.0' }],
      why: { decision: { code: 'content-missing', row: expect.stringContaining('no object') } },
    });
    const [notification] = harness.stores.sent;
    const content = notification?.content ?? { data: '' };
    const text = Buffer.from(await harness.stores.contents.read(content)).toString();
    expect(text).toContain('Nothing of your message is attached, since it could not be read');
    expect(text).toMatch(/Diagnostic-Code: x-sealpost; content-missing: the content .* is lost/);
    expect(harness.events).toContainEqual(expect.objectContaining({ kind: 'content-lost' }));
  });

  test('a delivery of which it is gone is not settled where nobody could be told', async () => {
    const harness = answering(later);
    await harness.deliver(record());
    const [retry] = harness.stores.retryEntries();
    await harness.stores.contents.remove(retry?.message.content ?? { data: '' });
    harness.nowMs = retry?.dueAtMs ?? Number.NaN;
    harness.stores.fail('enqueue', 'before');
    const again = record({}, { body: JSON.stringify(retry?.message) });
    expect(await harness.deliver(again)).toEqual([again.messageId]);
  });

  test('is removed with the last of those who share it', async () => {
    const harness = createHarness();
    const rcptTo = [{ address: 'a@rcpt.example' }, { address: 'b@other.example' }];
    await harness.deliver(record({ rcptTo, content: await put(harness) }));
    const [first, second] = harness.stores.sent;
    const shared = first?.content ?? { data: '' };
    expect(first?.prepared?.part).toBe(0);
    await harness.deliver(record({}, { body: JSON.stringify(first) }));
    expect(await harness.stores.contents.read(shared)).not.toHaveLength(0);
    await harness.deliver(record({}, { body: JSON.stringify(second) }));
    await expect(harness.stores.contents.read(shared)).rejects.toThrow('no object');
  });

  const large40 = Buffer.concat([
    Buffer.from('From: MAILER-DAEMON@sender.example\r\n\r\n'),
    Buffer.alloc(40_000, 'x\r\n'),
  ]).toString('base64');

  test.each([1, 2])(
    'is removed in both of its forms, of a message with an empty return path to %i domains',
    async (domains) => {
      const harness = createHarness();
      const given = await harness.stores.contents.keep('redacted', Buffer.from(large40, 'base64'));
      const rcptTo = ['a@rcpt.example', 'b@other.example']
        .slice(0, domains)
        .map((address) => ({ address }));
      const one = record({
        mailFrom: '',
        requireTls: true,
        rcptTo,
        content: { data: large40 },
        redacted: given,
      });
      harness.mx.set('other.example', mxOf('mx.rcpt.example'));
      const kept: string[] = [];
      const { keep } = harness.stores.contents;
      Object.assign(harness.stores.contents, {
        keep: async (name: string, content: Uint8Array) => {
          kept.push(name);
          return keep(name, content);
        },
      });
      await harness.deliver(one);
      const parts = harness.stores.sent.map((part) => record({}, { body: JSON.stringify(part) }));
      for (const part of parts) {
        expect(await harness.deliver(part)).toEqual([]);
      }
      expect(harness.sent).toHaveLength(domains);
      expect(kept).toHaveLength(1);
      await expect(
        harness.stores.contents.read({ bucket: mailBucket, key: `content/${kept[0]}` }),
      ).rejects.toThrow('no object');
    },
  );

  test('that cannot be removed is an event, and the mail is settled all the same', async () => {
    const harness = answering(later);
    await harness.deliver(record());
    harness.stores.fail('remove', 'before');
    await deferThenDeliver(harness);
    expect(harness.events).toContainEqual(expect.objectContaining({ kind: 'content-left' }));
  });
});
