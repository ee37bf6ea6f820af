import { describe, expect, test } from 'vitest';
import { attemptsMax } from '../../functions/submission/limits.ts';
import { hashQueueMessage, parseQueueMessage } from '../../functions/submission/queue-message.ts';

const defaults = { sqsMessageId: 'm-1', sentAtMs: Date.UTC(2026, 0, 2), expiryDays: 5 };
const minimal = {
  mailFrom: 'alice@sender.example',
  rcptTo: [{ address: 'bob@rcpt.example' }],
  content: { data: Buffer.from('Subject: x\r\n\r\nhi\r\n').toString('base64') },
};
const parse = (value: unknown): ReturnType<typeof parseQueueMessage> =>
  parseQueueMessage(typeof value === 'string' ? value : JSON.stringify(value), defaults);

describe('parseQueueMessage', () => {
  test('fills the minimal form in, the same at every redelivery', () => {
    expect(parse(minimal)).toEqual({
      ...minimal,
      version: 1,
      id: 'sqs-m-1',
      attempt: 1,
      submittedAt: '2026-01-02T00:00:00.000Z',
      expiresAt: '2026-01-07T00:00:00.000Z',
    });
    expect(parse(minimal)).toEqual(parse(minimal));
  });

  test.each([
    ['2026-01-14T00:00:00.000Z', '2026-01-14T00:00:00.000Z', 'the latest'],
    ['2026-01-14T00:00:01.000Z', '2026-01-14T00:00:00.000Z', 'later than its body may be there'],
    ['9999-12-31T23:59:59-12:00', '2026-01-14T00:00:00.000Z', 'beyond what four digits write'],
    ['2026-01-01T00:00:00.000Z', '2026-01-01T00:00:00.000Z', 'over'],
  ])('expires, when asked for %s, at %s (%s)', (expiresAt, expected, _why) => {
    expect(parse({ ...minimal, expiresAt }).expiresAt).toBe(expected);
  });

  test('expires in time where it says that it was submitted in the future', () => {
    const { expiresAt } = parse({ ...minimal, submittedAt: '2027-01-01T00:00:00Z' });
    expect(expiresAt).toBe('2026-01-14T00:00:00.000Z');
  });

  test.each([
    [{ ...minimal, mailFrom: '' }, 'the null reverse-path'],
    [{ ...minimal, content: { bucket: 'my-bucket', key: 'a/b.eml' } }, 'content in S3'],
    [{ ...minimal, requireTls: true, ret: 'HDRS', envid: 'x' }, 'DSN parameters'],
    [{ ...minimal, submittedAt: '2026-01-02T01:00:00+01:00' }, 'a zone offset'],
    [{ ...minimal, content: { data: '' } }, 'an empty body'],
    [{ ...minimal, attempt: attemptsMax }, 'the last attempt that there can be'],
    [
      { ...minimal, rcptTo: [{ address: 'b@x.example', orcpt: 'utf-8;jörg@bücher.example' }] },
      'an original recipient beyond ASCII',
    ],
    [
      {
        ...minimal,
        rcptTo: Array.from({ length: 2_000 }, (_, i) => ({ address: `u${i}@x.example` })),
      },
      '2,000 recipients',
    ],
  ])('takes %#: %s', (value, _why) => {
    expect(() => parse(value)).not.toThrow();
  });

  test.each([
    ['', 'the body is not JSON', 'nothing'],
    ['{"mailFrom":', 'the body is not JSON', 'cut off'],
    ['null', '(message)', 'not an object'],
    [{ ...minimal, mailFrom: undefined }, 'mailFrom', 'a field missing'],
    [{ ...minimal, mailFrom: 'a@b.example\r\nRCPT TO:<x@y.example>' }, 'mailFrom', 'CR LF'],
    [{ ...minimal, mailFrom: 'a\0@b.example' }, 'mailFrom', 'NUL'],
    [{ ...minimal, rcptTo: [] }, 'rcptTo', 'nobody'],
    [{ ...minimal, rcptTo: [{ address: 'bob' }] }, 'rcptTo.0.address', 'no domain'],
    [{ ...minimal, rcptTo: [{ address: '<b@c.example>' }] }, 'rcptTo.0.address', 'angle brackets'],
    [
      { ...minimal, rcptTo: Array.from({ length: 2_001 }, () => ({ address: 'u@x.example' })) },
      'rcptTo',
      'too many',
    ],
    [{ ...minimal, content: { data: '***' } }, 'content', 'not base64'],
    [{ ...minimal, content: {} }, 'content', 'no content'],
    [{ ...minimal, attempt: attemptsMax + 1 }, 'attempt', 'one more than there can be'],
    [{ ...minimal, version: 2 }, 'version', 'a version of the future'],
    [{ ...minimal, id: 'a b' }, 'id', 'an id with a space'],
    [{ ...minimal, envid: 'a\nb' }, 'envid', 'a control character'],
    [{ ...minimal, envid: '+'.repeat(50) }, 'envid', 'too long as encoded'],
    [
      { ...minimal, rcptTo: [{ address: 'b@x.example', orcpt: 'b@x.example' }] },
      'rcptTo.0.orcpt',
      'an original recipient without its type',
    ],
    [{ ...minimal, expiresAt: 'tomorrow' }, 'expiresAt', 'not a date'],
    [{ ...minimal, priority: 1 }, 'priority', 'a field that nobody knows'],
  ])('refuses %# and names %s: %s', (value, named, _why) => {
    expect(() => parse(value)).toThrow(
      expect.objectContaining({
        code: 'queue-message-invalid',
        message: expect.stringContaining(named),
      }),
    );
  });
});

describe('hashQueueMessage', () => {
  test('is of envelope and content, not of what changes from attempt to attempt', () => {
    const message = parse(minimal);
    expect(hashQueueMessage({ ...message, attempt: 7 })).toBe(hashQueueMessage(message));
    expect(hashQueueMessage({ ...message, mailFrom: 'eve@sender.example' })).not.toBe(
      hashQueueMessage(message),
    );
    expect(hashQueueMessage({ ...message, requireTls: true })).not.toBe(hashQueueMessage(message));
    expect(hashQueueMessage({ ...message, content: { data: '' } })).not.toBe(
      hashQueueMessage(message),
    );
  });

  test('is another one for each content, inline or not, and for each redacted form', () => {
    const message = parse(minimal);
    const contents = [
      { data: 'QUJD' },
      { data: 'QUJDREVG' },
      { data: 'REVGR0hJ' },
      { bucket: 'QUJD', key: 'REVG' },
      { bucket: 'QUJDREVG', key: '' },
    ];
    const messages = contents.flatMap((content) => [
      { ...message, content },
      ...contents.map((redacted) => ({ ...message, content, redacted })),
    ]);
    expect(new Set(messages.map(hashQueueMessage)).size).toBe(messages.length);
  });
});
