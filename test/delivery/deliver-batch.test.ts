import { describe, expect, test } from 'vitest';
import type { RecipientResult } from '../../functions/protocol/smtp/transaction.ts';
import { attemptsMax } from '../../functions/submission/limits.ts';
import { parseQueueMessage } from '../../functions/submission/queue-message.ts';
import {
  absent,
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

const lost: RecipientResult = { outcome: 'deferred', code: 'connection-lost', reason: 'closed' };

const only = 'rcpt.example';
const idOf = ({ body }: { body: string }): string => JSON.parse(body).id;

describe('one message', () => {
  test('is looked up, claimed, sent and settled: one content, nothing kept', async () => {
    const harness = createHarness();
    const one = record();
    expect(await harness.deliver(one)).toEqual([]);
    // The first read is prepare's, of an inline body.
    expect(harness.stores.calls).toEqual(['read', 'readBackoff', 'claim', 'read', 'settle']);
    const row = await harness.stores.messages.readDelivery(idOf(one), only);
    expect(row).toMatchObject({
      state: 'finished',
      recipients: [{ address: 'bob@rcpt.example', state: 'delivered' }],
      why: {
        decision: { row: 'nothing published', outcome: 'delivered' },
        policy: { kind: 'absent' },
        hosts: [{ host: 'mx.rcpt.example', tries: [{ address: '203.0.114.25' }] }],
      },
    });
  });

  test('put off: the retry item is written before the row is settled', async () => {
    const harness = createHarness();
    harness.peers.set('mx.rcpt.example', {
      answer: (transaction) =>
        alike(transaction, {
          outcome: 'deferred',
          code: 'deferred-by-peer',
          reason: 'greylisted',
          reply: { ...reply(450, 'come back later'), enhanced: '4.2.0' },
        }),
    });
    const one = record();
    expect(await harness.deliver(one)).toEqual([]);
    expect(harness.stores.calls.slice(-3)).toEqual(['keep', 'put', 'settle']);
    const [entry] = harness.stores.retryEntries();
    expect(entry?.message).toMatchObject({ attempt: 2, content: { key: expect.any(String) } });
    expect(entry?.dueAtMs).toBeGreaterThanOrEqual(harness.nowMs + 5 * 60_000);
    const row = await harness.stores.messages.readDelivery(idOf(one), only);
    expect(row).toMatchObject({
      state: 'deferred',
      recipients: [{ state: 'pending', status: '4.2.0' }],
    });
  });

  test('greylisted with a time announced: the next attempt comes right after it', async () => {
    const harness = createHarness();
    harness.peers.set('mx.rcpt.example', {
      answer: (transaction) => ({
        ...alike(transaction, delivered),
        recipients: [20, 12].map((minutes) => ({
          outcome: 'deferred',
          code: 'deferred-by-peer',
          reason: 'greylisted',
          reply: { ...reply(451, `Greylisted for ${minutes} minutes`), enhanced: '4.7.1' },
        })),
      }),
    });
    await harness.deliver(
      record({ rcptTo: [{ address: 'a@rcpt.example' }, { address: 'b@rcpt.example' }] }),
    );
    const [entry] = harness.stores.retryEntries();
    const minutes = ((entry?.dueAtMs ?? 0) - harness.nowMs) / 60_000;
    expect(minutes).toBeGreaterThan(20);
    expect(minutes).toBeLessThan(21);
  });

  test('the second attempt takes the row over and only what is pending', async () => {
    const harness = createHarness();
    harness.peers.set('mx.rcpt.example', {
      answer: (transaction, index) =>
        index > 0
          ? alike(transaction, delivered)
          : {
              ...alike(transaction, delivered),
              recipients: [
                delivered,
                { outcome: 'failed', code: 'rejected', reason: 'no', reply: reply(550, 'unknown') },
                { outcome: 'deferred', code: 'deferred-by-peer', reason: 'later' },
              ],
            },
    });
    const rcptTo = ['a', 'b', 'c'].map((local) => ({ address: `${local}@rcpt.example` }));
    const one = record({ rcptTo });
    await harness.deliver(one);
    const [retry] = harness.stores.retryEntries();
    harness.nowMs = retry?.dueAtMs ?? Number.NaN;
    await harness.deliver(record({}, { body: JSON.stringify(retry?.message) }));
    expect(harness.sent[1]?.transaction.recipients).toEqual([{ address: 'c@rcpt.example' }]);
    const row = await harness.stores.messages.readDelivery(idOf(one), only);
    expect(row?.recipients.map(({ state }) => state)).toEqual(['delivered', 'failed', 'delivered']);
    expect(row).toMatchObject({ state: 'finished', attempt: 2 });
  });

  test('beyond its time what would be put off has failed, 5.4.7', async () => {
    const harness = createHarness();
    harness.peers.set('mx.rcpt.example', { refuse: 'connect-failed' });
    const one = record({ submittedAt: '2026-01-01T00:00:00Z', expiresAt: '2026-01-01T00:00:30Z' });
    await harness.deliver(one);
    expect(harness.stores.retryEntries()).toEqual([]);
    expect(await harness.stores.messages.readDelivery(idOf(one), only)).toMatchObject({
      state: 'finished',
      recipients: [{ state: 'failed', status: '5.4.7' }],
    });
  });

  test('put off at the last attempt that a queue message can have, it has failed as well', async () => {
    const harness = createHarness();
    harness.peers.set('mx.rcpt.example', { refuse: 'connect-failed' });
    const one = record({ attempt: attemptsMax });
    await harness.deliver(one);
    expect(harness.stores.retryEntries()).toEqual([]);
    expect(await harness.stores.messages.readDelivery(idOf(one), only)).toMatchObject({
      state: 'finished',
      recipients: [{ state: 'failed', status: '5.4.7' }],
    });
  });

  test('no reply after the final dot is recorded as in doubt', async () => {
    const harness = createHarness();
    harness.peers.set('mx.rcpt.example', {
      answer: (transaction) =>
        alike(
          transaction,
          { outcome: 'deferred', code: 'in-doubt', reason: 'silent' },
          { sessionLost: true },
        ),
    });
    const one = record();
    await harness.deliver(one);
    const row = await harness.stores.messages.readDelivery(idOf(one), only);
    expect(row?.why?.decision).toMatchObject({ outcome: 'deferred', code: 'in-doubt' });
    expect(harness.events).toContainEqual({ kind: 'in-doubt', count: 1 });
  });
});

describe('what cannot be a delivery', () => {
  const crowd = Array.from({ length: 2_000 }, (_, i) => ({
    address: `${i}@rcpt.example`,
    orcpt: `rfc822;${'x'.repeat(193)}`,
  }));

  test.each<[object, RegExp, string]>([
    [{ mailFrom: 'x' }, /mailFrom/, 'a malformed message'],
    [{ content: { bucket: 'sealpost-mail', key: 'gone' } }, /gone/, 'content that is not there'],
    [{ content: { bucket: 'somebody-elses', key: 'x' } }, /somebody-elses/, 'a foreign bucket'],
    [{ rcptTo: crowd }, /recipients/, 'more recipients than a row can hold'],
  ])(
    '%# goes to the dead letters with its reason, and stops nobody: %s (%s)',
    async (over, reason, _why) => {
      const harness = createHarness();
      const good = record();
      expect(await harness.deliver(record(over), good)).toEqual([]);
      expect(harness.stores.deadLetters).toEqual([
        { body: expect.any(String), reason: expect.stringMatching(reason) },
      ]);
      expect(harness.sent).toHaveLength(1);
    },
  );

  test.each<[object, string]>([
    [{ content: { bucket: 'sealpost-mail', key: 'gone' } }, 'before it is accepted'],
    [{ rcptTo: crowd }, 'when it is claimed'],
  ])('%# stays the same message among the dead letters, found %s', async (over) => {
    const harness = createHarness();
    const one = record({ ...over, id: undefined, submittedAt: undefined, expiresAt: undefined });
    await harness.deliver(one);
    const body = harness.stores.deadLetters[0]?.body ?? '';
    // As a letter it has another SQS id and time, and settings may have changed when it is looked at.
    const asLetter = { sqsMessageId: 'letter', sentAtMs: one.sentAtMs + 1_000, expiryDays: 1 };
    expect(parseQueueMessage(body, asLetter)).toEqual(
      parseQueueMessage(one.body, {
        sqsMessageId: one.messageId,
        sentAtMs: one.sentAtMs,
        expiryDays: harness.settings.expiryDays,
      }),
    );
  });

  test('a used id with another message', async () => {
    const harness = createHarness();
    await harness.deliver(record({ id: 'twice' }));
    await harness.deliver(record({ id: 'twice', mailFrom: 'eve@sender.example' }));
    expect(harness.stores.deadLetters[0]?.reason).toContain('twice');
    expect(harness.sent).toHaveLength(1);
  });

  test.each([
    ['rcpt.example', { kind: 'nxdomain' }, '5.1.2', 'NXDOMAIN'],
    ['rcpt.example', mxOf(''), '5.1.10', 'null MX'],
  ])('%s, %j: failed at once with %s (%s)', async (domain, answer, status, _why) => {
    const harness = createHarness();
    const facts = { status: 'insecure', canonicalName: domain, aliases: [], ttlSeconds: 1 };
    harness.mx.set(domain, { ...facts, ...answer } as never);
    const one = record();
    await harness.deliver(one);
    expect(await harness.stores.messages.readDelivery(idOf(one), domain)).toMatchObject({
      recipients: [{ state: 'failed', status }],
    });
  });
});

test('refused when it was accepted: failed with that reason at once, and nothing is looked up', async () => {
  const harness = createHarness();
  const refusal = { code: 'mail-loop', reason: '51 Received fields' } as const;
  const good = record();
  const looping = record({
    submittedAt: '2026-01-01T00:00:00Z',
    prepared: {
      domain: only,
      demand: 'default',
      demandReason: 'the message asks for nothing special',
      explicit: false,
      hash: '0'.repeat(64),
      refusal,
    },
  });
  expect(await harness.deliver(looping, good)).toEqual([]);
  expect(harness.sent).toHaveLength(1);
  expect(await harness.stores.messages.readDelivery(idOf(looping), only)).toMatchObject({
    state: 'finished',
    recipients: [{ state: 'failed', status: '5.4.6', diagnostic: '51 Received fields' }],
    why: { lookups: [], decision: { code: 'mail-loop' } },
  });
});

describe('a split', () => {
  test('enqueues a record a domain before the whole is let go, and sends nothing itself', async () => {
    const harness = createHarness();
    const rcptTo = [{ address: 'a@rcpt.example' }, { address: 'b@other.example' }];
    const whole = record({ rcptTo });
    expect(await harness.deliver(whole)).toEqual([]);
    expect(harness.stores.sent.map(({ prepared }) => prepared?.domain)).toEqual([
      'rcpt.example',
      'other.example',
    ]);
    expect(harness.sent).toEqual([]);
    await harness.deliver(
      ...harness.stores.sent.map((part) => record({}, { body: JSON.stringify(part) })),
    );
    expect(harness.sent).toHaveLength(2);
  });

  test('stays in the queue when its parts could not be enqueued', async () => {
    const harness = createHarness();
    harness.stores.fail('enqueue', 'before');
    const whole = record({
      rcptTo: [{ address: 'a@rcpt.example' }, { address: 'b@other.example' }],
    });
    expect(await harness.deliver(whole)).toEqual([whole.messageId]);
  });
});

describe('several messages to one domain', () => {
  test('share one connection', async () => {
    const harness = createHarness();
    await harness.deliver(record(), record(), record());
    expect(harness.sent.map(({ connection }) => connection)).toEqual([1, 1, 1]);
  });

  test('with different demands do not', async () => {
    const harness = createHarness();
    harness.sts = enforce('mx.rcpt.example');
    harness.peers.set('mx.rcpt.example', { requireTls: true });
    await harness.deliver(record(), record({ requireTls: true }));
    expect(new Set(harness.sent.map(({ connection }) => connection)).size).toBe(2);
    expect(harness.sent.map(({ transaction }) => transaction.requireTls).toSorted()).toEqual([
      false,
      true,
    ]);
  });

  test('a rider whose connection dies before its content went out costs no attempt', async () => {
    const harness = createHarness();
    harness.peers.set('mx.rcpt.example', {
      answer: (transaction, index) =>
        index === 1
          ? alike(transaction, lost, { contentSent: 'none', sessionLost: true })
          : alike(transaction, delivered),
    });
    const records = [record(), record(), record()];
    expect(await harness.deliver(...records)).toEqual([]);
    for (const each of records) {
      const row = await harness.stores.messages.readDelivery(idOf(each), only);
      expect(row).toMatchObject({ attempt: 1, recipients: [{ state: 'delivered' }] });
    }
    expect(new Set(harness.sent.map(({ connection }) => connection)).size).toBe(2);
  });

  test('a host that always dies before any content is given up for the next one', async () => {
    const harness = createHarness();
    harness.mx.set('rcpt.example', mxOf('mx.rcpt.example', 'mx2.rcpt.example'));
    harness.peers.set('mx.rcpt.example', {
      answer: (transaction) => alike(transaction, lost, { contentSent: 'none', sessionLost: true }),
    });
    await harness.deliver(record(), record());
    expect(harness.sent.map(({ host }) => host)).toEqual([
      'mx.rcpt.example',
      'mx2.rcpt.example',
      'mx2.rcpt.example',
    ]);
  });

  test('a refusal stands, though the session ends with it', async () => {
    const harness = createHarness();
    harness.mx.set('rcpt.example', mxOf('mx.rcpt.example', 'mx2.rcpt.example'));
    harness.peers.set('mx.rcpt.example', {
      answer: (transaction) =>
        alike(
          transaction,
          { outcome: 'failed', code: 'rejected', reason: 'no', reply: reply(550, 'no') },
          { contentSent: 'none', sessionLost: true },
        ),
    });
    const one = record();
    await harness.deliver(one);
    expect(harness.sent).toHaveLength(1);
    expect(await harness.stores.messages.readDelivery(idOf(one), only)).toMatchObject({
      recipients: [{ state: 'failed' }],
    });
  });

  test('one that is refused does not stop the others', async () => {
    const harness = createHarness();
    harness.peers.set('mx.rcpt.example', {
      answer: (transaction, index) =>
        index === 0
          ? alike(
              transaction,
              { outcome: 'failed', code: 'size-exceeded', reason: 'too big' },
              { contentSent: 'none' },
            )
          : alike(transaction, delivered),
    });
    const records = [record(), record()];
    await harness.deliver(...records);
    const states = await Promise.all(
      records.map((each) => harness.stores.messages.readDelivery(idOf(each), only)),
    );
    expect(states.map((row) => row?.recipients[0])).toMatchObject([
      { state: 'failed', status: '5.3.4' },
      { state: 'delivered' },
    ]);
  });
});

describe('the time that is left', () => {
  const tooShort: RecipientResult = {
    outcome: 'deferred',
    code: 'time-too-short',
    reason: 'no time',
  };
  /** The first message takes four minutes of less than five for content, or none; for the next there is no time. */
  const firstTakes = (harness: Harness, elapsedMs: number): Peer => ({
    answer: (transaction, index) => {
      harness.nowMs += index === 0 ? elapsedMs : 0;
      return index === 0
        ? alike(transaction, delivered)
        : alike(transaction, tooShort, { contentSent: 'none', sessionLost: true });
    },
  });

  test('too short to await the reply of one begun late: back to now, no attempt counted', async () => {
    const harness = createHarness();
    harness.peers.set('mx.rcpt.example', firstTakes(harness, 4 * 60_000));
    const one = record();
    expect(await harness.deliver(record(), one)).toEqual([]);
    expect(harness.stores.sent).toMatchObject([{ id: idOf(one), attempt: 1 }]);
    harness.peers.clear();
    await harness.deliver(record({}, { body: JSON.stringify(harness.stores.sent[0]) }));
    expect(await harness.stores.messages.readDelivery(idOf(one), only)).toMatchObject({
      attempt: 1,
      recipients: [{ state: 'delivered' }],
    });
  });

  test('too short for one begun early: its peer is slow, and the attempt counts', async () => {
    const harness = createHarness();
    harness.peers.set('mx.rcpt.example', firstTakes(harness, 0));
    const one = record();
    expect(await harness.deliver(record(), one)).toEqual([]);
    expect(harness.stores.sent).toEqual([]);
    expect(harness.stores.retryEntries()).toMatchObject([
      { message: { id: idOf(one), attempt: 2 } },
    ]);
  });

  test('too short for one that has expired: given up, not put back', async () => {
    const harness = createHarness();
    harness.peers.set('mx.rcpt.example', firstTakes(harness, 4 * 60_000));
    const one = record({ expiresAt: '2026-01-01T00:02:00Z' });
    await harness.deliver(record(), one);
    expect(harness.stores.sent).toMatchObject([{ notificationOf: { id: idOf(one) } }]);
    expect(await harness.stores.messages.readDelivery(idOf(one), only)).toMatchObject({
      recipients: [{ state: 'failed', status: '5.4.7' }],
    });
  });

  test('used up by one that came early without any host to blame: the attempt counts', async () => {
    const harness = createHarness();
    harness.answers.set('mx.rcpt.example A', {
      ...harness.mx.get('rcpt.example'),
      get records() {
        harness.nowMs += 5 * 60_000;
        return ['203.0.114.25'];
      },
    } as never);
    const [early, late] = [record(), record()];
    await harness.deliver(early, late);
    expect(harness.stores.retryEntries()).toMatchObject([
      { message: { id: idOf(early), attempt: 2 } },
    ]);
    expect(harness.stores.sent).toMatchObject([{ id: idOf(late), attempt: 1 }]);
  });

  test('is what a channel has to be opened in: later no content may begin', async () => {
    const harness = createHarness();
    const leftMs: number[] = [];
    harness.peers.set('mx.rcpt.example', {
      refuse: (_target, deadlineMs) => {
        leftMs.push(deadlineMs - harness.nowMs);
        return 'smtp-timeout';
      },
    });
    await harness.deliver(record());
    expect(leftMs).toEqual([15 * 60_000 - 610_000]);
  });

  test('used up by hosts that failed: the attempt counts, or it would never end', async () => {
    const harness = createHarness();
    harness.mx.set('rcpt.example', mxOf('mx.rcpt.example', 'mx2.rcpt.example'));
    harness.peers.set('mx.rcpt.example', {
      refuse: () => {
        harness.nowMs += 14 * 60_000;
        return 'smtp-timeout';
      },
    });
    const one = record();
    await harness.deliver(one);
    expect(harness.opened).toHaveLength(1);
    expect(harness.stores.retryEntries()).toMatchObject([{ message: { attempt: 2 } }]);
  });
});

describe('policies', () => {
  test('a host outside the policy is passed over for one inside', async () => {
    const harness = createHarness();
    harness.mx.set('rcpt.example', mxOf('evil.example', 'mx.rcpt.example'));
    harness.sts = enforce('mx.rcpt.example');
    await harness.deliver(record());
    expect(harness.sent).toMatchObject([{ host: 'mx.rcpt.example', tls: 'pkix' }]);
    expect(harness.events).toContainEqual({
      kind: 'violation-prevented',
      code: 'sts-mx-mismatch',
      domain: 'rcpt.example',
    });
  });

  test('before a policy has the last word it is looked up afresh (RFC 8461 §5.1)', async () => {
    const harness = createHarness();
    harness.sts = enforce('old.rcpt.example');
    harness.stsAfresh = enforce('mx.rcpt.example');
    await harness.deliver(record());
    expect(harness.sent).toMatchObject([{ host: 'mx.rcpt.example', tls: 'pkix' }]);
  });

  test('another text under the same id is another policy', async () => {
    const harness = createHarness();
    const old = enforce('old.rcpt.example');
    const fresh = enforce('mx.rcpt.example');
    if (old.kind !== 'policy' || fresh.kind !== 'policy') {
      throw new TypeError('not a policy');
    }
    harness.sts = old;
    harness.stsAfresh = { ...fresh, cached: { ...fresh.cached, id: old.cached.id } };
    await harness.deliver(record());
    expect(harness.sent).toMatchObject([{ host: 'mx.rcpt.example', tls: 'pkix' }]);
  });

  test.each([
    ['dns-timeout', 'nobody says which policy is current'],
    ['sts-policy-fetch-error', 'there is a new one that cannot be had'],
  ] as const)('and where that fails with %s, nothing is sent: %s', async (code, _) => {
    const harness = createHarness();
    harness.sts = enforce('old.rcpt.example');
    harness.stsAfresh = { kind: 'unknown', failure: { code, reason: 'no answer' } };
    const one = record();
    await harness.deliver(one);
    expect(harness.sent).toEqual([]);
    expect(await harness.stores.messages.readDelivery(idOf(one), only)).toMatchObject({
      state: 'deferred',
      recipients: [{ status: '4.7.5' }],
    });
  });

  test('and where it still stands, nothing is sent', async () => {
    const harness = createHarness();
    harness.sts = enforce('old.rcpt.example');
    const one = record();
    await harness.deliver(one);
    expect(harness.sent).toEqual([]);
    expect(await harness.stores.messages.readDelivery(idOf(one), only)).toMatchObject({
      state: 'deferred',
      recipients: [{ status: '4.7.5' }],
      why: { hosts: [{ skipped: { code: 'sts-mx-mismatch', resultType: 'validation-failure' } }] },
    });
  });

  test('so too before a message expires by it: the last attempt goes by the policy of now', async () => {
    const harness = createHarness();
    harness.sts = enforce('old.rcpt.example');
    harness.stsAfresh = enforce('mx.rcpt.example');
    const expired = { expiresAt: '2026-01-01T00:00:30Z' };
    const one = record(expired);
    await harness.deliver(one);
    expect(await harness.stores.messages.readDelivery(idOf(one), only)).toMatchObject({
      recipients: [{ state: 'delivered' }],
    });
    harness.stsAfresh = undefined;
    const two = record(expired);
    await harness.deliver(two);
    expect(await harness.stores.messages.readDelivery(idOf(two), only)).toMatchObject({
      recipients: [{ state: 'failed', status: '5.4.7' }],
    });
  });

  describe('where the time is over before all hosts were tried', () => {
    const expired = { expiresAt: '2026-01-01T00:00:30Z' };

    /** Two hosts, both in the policy; the first takes all the time that there is for content. */
    function createSlowHost(): Harness {
      const harness = createHarness();
      harness.mx.set('rcpt.example', mxOf('mx.rcpt.example', 'mx2.rcpt.example'));
      harness.sts = enforce('mx.rcpt.example', 'mx2.rcpt.example');
      harness.peers.set('mx.rcpt.example', {
        refuse: () => {
          harness.nowMs += 6 * 60_000;
          return 'certificate-expired';
        },
      });
      return harness;
    }

    test('what expires by a policy that does not stand any more is tried by the one of now', async () => {
      const harness = createSlowHost();
      harness.stsAfresh = absent;
      const one = record(expired);
      expect(await harness.deliver(one)).toEqual([]);
      expect(harness.stores.sent).toMatchObject([{ id: idOf(one), attempt: 1 }]);
      harness.sts = absent;
      harness.peers.clear();
      await harness.deliver(record({}, { body: JSON.stringify(harness.stores.sent[0]) }));
      expect(await harness.stores.messages.readDelivery(idOf(one), only)).toMatchObject({
        attempt: 1,
        recipients: [{ state: 'delivered' }],
      });
    });

    test('but not without end by one that changes all the time', async () => {
      const harness = createSlowHost();
      harness.stsAfresh = absent;
      const one = record({ expiresAt: '2025-12-31T23:00:00Z' });
      await harness.deliver(one);
      expect(await harness.stores.messages.readDelivery(idOf(one), only)).toMatchObject({
        recipients: [{ state: 'failed', status: '5.4.7' }],
      });
    });

    test('what expires by one that still stands is given up', async () => {
      const harness = createSlowHost();
      const one = record(expired);
      expect(await harness.deliver(one)).toEqual([]);
      expect(harness.stores.sent).toMatchObject([{ notificationOf: { id: idOf(one) } }]);
      expect(await harness.stores.messages.readDelivery(idOf(one), only)).toMatchObject({
        recipients: [{ state: 'failed', status: '5.4.7' }],
      });
    });
  });

  test('opportunistic: a failing handshake leads to clear text on a new connection', async () => {
    const harness = createHarness();
    harness.peers.set('mx.rcpt.example', {
      refuse: ({ tls }) => (tls === 'opportunistic' ? 'tls-handshake-failed' : undefined),
    });
    await harness.deliver(record());
    expect(harness.opened.map(({ tls }) => tls)).toEqual(['opportunistic', 'clear']);
    expect(harness.sent).toMatchObject([{ tls: 'clear' }]);
  });

  test('under enforce it leads nowhere', async () => {
    const harness = createHarness();
    harness.sts = enforce('mx.rcpt.example');
    harness.peers.set('mx.rcpt.example', {
      refuse: ({ tls }) => (tls === 'pkix' ? 'tls-handshake-failed' : undefined),
    });
    await harness.deliver(record());
    expect(harness.opened.map(({ tls }) => tls)).toEqual(['pkix']);
    expect(harness.sent).toEqual([]);
  });
});

describe('REQUIRETLS', () => {
  const require = { requireTls: true };
  const status = async (
    harness: ReturnType<typeof createHarness>,
    over: object,
  ): Promise<unknown> => {
    const one = record(over);
    await harness.deliver(one);
    const row = await harness.stores.messages.readDelivery(idOf(one), only);
    return row?.recipients.map(({ state, status: code }) => `${state} ${code}`);
  };

  test('the parameter goes out only where the peer offers the keyword', async () => {
    const harness = createHarness();
    harness.sts = enforce('mx.rcpt.example');
    expect(await status(harness, require)).toEqual(['failed 5.7.30']);
    expect(harness.sent).toEqual([]);
    harness.peers.set('mx.rcpt.example', { requireTls: true });
    expect(await status(harness, require)).toEqual(['delivered 2.0.0']);
    expect(harness.sent[0]?.transaction.requireTls).toBe(true);
  });

  test('no policy: 5.7.10 at once, no connection', async () => {
    const harness = createHarness();
    expect(await status(harness, require)).toEqual(['failed 5.7.10']);
    expect(harness.opened).toEqual([]);
  });

  describe('notifications (RFC 8689 §5)', () => {
    const inline = (text: string) => ({
      data: Buffer.from(`From: MAILER-DAEMON@sender.example\r\n\r\n${text}\r\n`).toString('base64'),
    });
    const notification = { ...require, mailFrom: '', content: inline('the full form') };
    const withRedacted = { ...notification, redacted: inline('the redacted form') };
    const sentTexts = ({ sent }: Harness): string[] =>
      sent.map(({ tls, transaction: { requireTls, content } }) =>
        [
          tls,
          requireTls ? 'REQUIRETLS' : '-',
          Buffer.from(content).toString().trim().split('\r\n').at(-1),
        ].join(' '),
      );
    const downAnd = (harness: Harness): void => {
      harness.mx.set('rcpt.example', mxOf('mx.rcpt.example', 'mx2.rcpt.example'));
      harness.peers.set('mx2.rcpt.example', { refuse: 'connect-failed' });
    };

    const refusingUnderRequireTls =
      (enhanced: string) =>
      (harness: Harness): void => {
        harness.peers.set('mx.rcpt.example', {
          requireTls: true,
          answer: (transaction) =>
            transaction.requireTls
              ? alike(
                  transaction,
                  {
                    outcome: 'failed',
                    code: 'rejected',
                    reason: 'MAIL refused',
                    reply: { ...reply(550, 'no'), enhanced },
                  },
                  { contentSent: 'none' },
                )
              : alike(transaction, delivered),
        });
      };

    test.each<[string, object, (harness: Harness) => void, string[], string[]]>([
      [
        'where a host offers the keyword the full form goes with it',
        withRedacted,
        (harness) => harness.peers.set('mx.rcpt.example', { requireTls: true }),
        ['delivered 2.0.0'],
        ['pkix REQUIRETLS the full form'],
      ],
      [
        'where none does the redacted form goes by default, without the parameter',
        withRedacted,
        () => {},
        ['delivered 2.0.0'],
        ['pkix - the redacted form'],
      ],
      [
        'nothing published, nobody authentic: the redacted form by default too',
        withRedacted,
        (harness) => {
          harness.sts = absent;
        },
        ['delivered 2.0.0'],
        ['opportunistic - the redacted form'],
      ],
      [
        'a host that may have it and is down is waited for',
        withRedacted,
        downAnd,
        ['pending 4.7.30'],
        [],
      ],
      [
        'but not beyond the time that the message has',
        { ...withRedacted, expiresAt: '2026-01-01T00:00:30Z' },
        downAnd,
        ['delivered 2.0.0'],
        ['pkix - the redacted form'],
      ],
      [
        'with REQUIRETLS switched off it is not used, and the notification not dropped',
        withRedacted,
        (harness) => {
          harness.settings = { ...harness.settings, requireTls: false };
        },
        ['delivered 2.0.0'],
        ['pkix - the redacted form'],
      ],
      ...(['5.7.30', '5.7.10'] as const).map(
        (enhanced): [string, object, (harness: Harness) => void, string[], string[]] => [
          `a host that refuses it by ${enhanced} gets the redacted form`,
          withRedacted,
          refusingUnderRequireTls(enhanced),
          ['delivered 2.0.0'],
          ['pkix REQUIRETLS the full form', 'pkix - the redacted form'],
        ],
      ),
      [
        'a host that refuses it for something else has refused it',
        withRedacted,
        refusingUnderRequireTls('5.7.1'),
        ['failed 5.7.1'],
        ['pkix REQUIRETLS the full form'],
      ],
      [
        'refused so without a redacted form it fails as any other',
        notification,
        refusingUnderRequireTls('5.7.30'),
        ['failed 5.7.30'],
        ['pkix REQUIRETLS the full form'],
      ],
      [
        'nor given up by a policy that does not stand any more (RFC 8461 §5.1)',
        { ...withRedacted, expiresAt: '2026-01-01T00:00:30Z' },
        (harness) => {
          harness.settings = { ...harness.settings, requireTls: false };
          harness.sts = enforce('old.rcpt.example');
          harness.stsAfresh = enforce('mx.rcpt.example');
        },
        ['delivered 2.0.0'],
        ['pkix - the redacted form'],
      ],
      [
        'without a redacted form it fails as any other',
        notification,
        () => {},
        ['failed 5.7.30'],
        [],
      ],
      [
        'of a message with a reverse-path no other form goes',
        { ...withRedacted, mailFrom: 'alice@sender.example' },
        () => {},
        ['failed 5.7.30'],
        [],
      ],
      [
        'a redacted form that no host may have either is given up',
        { ...withRedacted, expiresAt: '2026-01-01T00:00:30Z' },
        (harness) => {
          harness.sts = enforce('old.rcpt.example');
        },
        ['failed 5.4.7'],
        [],
      ],
      [
        'a network that is down is no reason for it',
        { ...withRedacted, expiresAt: '2026-01-01T00:00:30Z' },
        (harness) => harness.peers.set('mx.rcpt.example', { refuse: 'connect-failed' }),
        ['failed 5.4.7'],
        [],
      ],
    ])('%s', async (_what, over, prepare, states, texts) => {
      const harness = createHarness();
      harness.sts = enforce('mx.rcpt.example', 'mx2.rcpt.example');
      prepare(harness);
      expect(await status(harness, over)).toEqual(states);
      expect(sentTexts(harness)).toEqual(texts);
    });

    test('why says what went, why, and what was tried before', async () => {
      const harness = createHarness();
      harness.sts = enforce('mx.rcpt.example');
      const one = record(withRedacted);
      await harness.deliver(one);
      const row = await harness.stores.messages.readDelivery(idOf(one), only);
      expect(row?.why).toMatchObject({
        demand: { level: 'default', reason: expect.stringContaining('redacted form') },
        hosts: [
          { tries: [{ failure: { code: 'requiretls-not-offered' } }] },
          { tries: [{ level: 'pkix' }] },
        ],
      });
    });

    test('put off, it is the full form that waits', async () => {
      const harness = createHarness();
      harness.sts = enforce('mx.rcpt.example');
      harness.peers.set('mx.rcpt.example', {
        answer: (transaction) =>
          alike(transaction, { outcome: 'deferred', code: 'deferred-by-peer', reason: 'later' }),
      });
      await harness.deliver(record(withRedacted));
      const [retry] = harness.stores.retryEntries();
      harness.peers.set('mx.rcpt.example', { requireTls: true });
      harness.nowMs = retry?.dueAtMs ?? Number.NaN;
      await harness.deliver(record({}, { body: JSON.stringify(retry?.message) }));
      expect(sentTexts(harness)).toEqual([
        'pkix - the redacted form',
        'pkix REQUIRETLS the full form',
      ]);
    });

    test('one that has no redacted form and one that has are told apart', async () => {
      const harness = createHarness();
      harness.sts = enforce('mx.rcpt.example');
      const [whole, both] = [record(notification), record(withRedacted)];
      expect(await harness.deliver(whole, both)).toEqual([]);
      expect(sentTexts(harness)).toEqual(['pkix - the redacted form']);
      const failed = await harness.stores.messages.readDelivery(idOf(whole), only);
      expect(failed?.recipients).toMatchObject([{ state: 'failed', status: '5.7.30' }]);
    });
  });

  test('absent before and unknown now is doubt, and nothing bounces on doubt', async () => {
    const harness = createHarness();
    const failure = { code: 'dns-timeout', reason: 'no answer to the TXT query' } as const;
    harness.stsAfresh = { kind: 'unknown', failure };
    expect(await status(harness, require)).toEqual(['pending 4.7.5']);
  });

  test('nothing is definite about a domain whose hosts were not all tried', async () => {
    const harness = createHarness();
    const hosts = Array.from({ length: 12 }, (_, index) => `mx${index}.rcpt.example`);
    harness.mx.set(only, mxOf(...hosts));
    harness.sts = enforce('mx0.rcpt.example');
    const one = record(require);
    await harness.deliver(one);
    const row = await harness.stores.messages.readDelivery(idOf(one), only);
    expect(row).toMatchObject({ state: 'deferred', recipients: [{ status: '4.7.30' }] });
    expect(row?.why?.decision.reason).toContain('2 more hosts');
    expect(row?.why?.lookups[0]?.detail).toContain('and 2 more');
  });

  test('the address tag asks for it, and the peer does not see the tag', async () => {
    const harness = createHarness();
    harness.sts = enforce('mx.rcpt.example');
    harness.peers.set('mx.rcpt.example', { requireTls: true });
    await harness.deliver(record({ rcptTo: [{ address: 'bob+requiretls@rcpt.example' }] }));
    expect(harness.sent[0]?.transaction).toMatchObject({
      requireTls: true,
      recipients: [{ address: 'bob@rcpt.example', orcpt: 'rfc822;bob+requiretls@rcpt.example' }],
    });
  });
});

describe('toggles', () => {
  const exception = (expires: string) => ({
    domain: only,
    policy: 'mta-sts' as const,
    reason: 'their certificate, ticket 7',
    expires,
  });
  const run = async (settings: object, over: object): Promise<string> => {
    const harness = createHarness();
    harness.sts = enforce('mx.rcpt.example');
    harness.peers.set('mx.rcpt.example', { requireTls: true });
    harness.settings = { ...harness.settings, ...settings };
    const one = record(over);
    await harness.deliver(one);
    const row = await harness.stores.messages.readDelivery(idOf(one), only);
    const [recipient] = row?.recipients ?? [];
    return `${recipient?.state} ${recipient?.status} ${harness.sent[0]?.tls ?? '-'}`;
  };
  const tagged = { rcptTo: [{ address: 'bob+requiretls@rcpt.example' }] };

  test.each([
    [{}, {}, 'delivered 2.0.0 pkix', 'all on'],
    [{ mtaSts: false }, {}, 'delivered 2.0.0 opportunistic', 'MTA-STS off'],
    [{ mtaSts: false }, { requireTls: true }, 'failed 5.7.10 -', 'nothing vouches for the MX'],
    [{ requireTls: false }, { requireTls: true }, 'failed 5.7.30 -', 'explicit: never without'],
    [{ requireTls: false }, tagged, 'delivered 2.0.0 pkix', 'the tag is ordinary text'],
    [
      { exceptions: [exception('2027-01-01T00:00:00Z')] },
      {},
      'delivered 2.0.0 opportunistic',
      'an exception stops the policy',
    ],
    [
      { exceptions: [exception('2025-01-01T00:00:00Z')] },
      {},
      'delivered 2.0.0 pkix',
      'not after it ran out',
    ],
    [
      { exceptions: [exception('2027-01-01T00:00:00Z')] },
      { requireTls: true },
      'failed 5.7.30 -',
      'nor what the message asks for itself',
    ],
    [
      { exceptions: [exception('2027-01-01T00:00:00Z')] },
      tagged,
      'delivered 2.0.0 opportunistic',
      'but the tag',
    ],
  ])('%j, %j: %s (%s)', async (settings, over, expected, _why) => {
    expect(await run(settings, over)).toBe(expected);
  });

  test('MTA-STS off: the policy is not even asked for', async () => {
    const harness = createHarness();
    harness.settings = { ...harness.settings, mtaSts: false };
    harness.sts = absent;
    const one = record();
    await harness.deliver(one);
    const row = await harness.stores.messages.readDelivery(idOf(one), only);
    expect(row?.why?.policy).toMatchObject({ kind: 'not-asked' });
  });
});
