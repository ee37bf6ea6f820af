import fc from 'fast-check';
import PostalMime from 'postal-mime';
import { describe, expect, test } from 'vitest';
import { composeNotification } from '../../../functions/protocol/dsn/compose.ts';
import { adviseOn } from '../../../functions/protocol/dsn/failure-advice.ts';
import type {
  NoticedRecipient,
  Notification,
} from '../../../functions/protocol/dsn/notification.ts';
import { wantsNotice } from '../../../functions/protocol/dsn/notify.ts';
import { encodeQuotedPrintable } from '../../../functions/protocol/dsn/quoted-printable.ts';
import { type FailureCode, failures } from '../../../functions/protocol/errors.ts';

const failed: NoticedRecipient = {
  address: 'carol@ivory.example',
  orcpt: 'rfc822;Carol@ivory.example',
  action: 'failed',
  status: '5.1.1',
  failure: { code: 'rejected', reason: 'RCPT answered by 550' },
  reply: { code: 550, lines: ['mailbox unavailable', 'user has moved with no forwarding address'] },
  remoteMta: 'mx.ivory.example',
};

const original = Buffer.from(
  'From: alice@example.org\r\nMessage-ID: <a@b>\r\nSubject: secret\r\n\r\nbody\r\n',
);

function notification(changes: Partial<Notification> = {}): Notification {
  return {
    id: 'dsn-1',
    nowMs: Date.UTC(2026, 10, 24, 12),
    reportingMta: 'mail.sender.example',
    from: 'MAILER-DAEMON@mail.sender.example',
    returnPath: 'alice@example.org',
    queueId: 'm-1',
    arrivedAtMs: Date.UTC(2026, 10, 24, 8),
    retryUntilMs: Date.UTC(2026, 10, 29, 8),
    recipients: [failed],
    content: original,
    returned: 'headers',
    tlsOptional: false,
    ...changes,
  };
}

interface Parsed {
  readonly text: string;
  readonly types: readonly string[];
  /** The second part, and the third. */
  readonly status: string;
  readonly returned: string | undefined;
  readonly header: string;
}

async function compose(changes: Partial<Notification> = {}): Promise<Parsed> {
  const { content } = composeNotification(notification(changes));
  const { text = '', attachments } = await PostalMime.parse(content, {
    forceRfc822Attachments: true,
    attachmentEncoding: 'arraybuffer',
  });
  const bodies = attachments.map((each) => Buffer.from(each.content as ArrayBuffer).toString());
  return {
    text,
    types: attachments.map(({ mimeType }) => mimeType),
    status: bodies[0] ?? '',
    returned: bodies[1],
    header: Buffer.from(content).toString().split('\r\n\r\n', 1)[0] ?? '',
  };
}

function expectLegalLines(content: Uint8Array): void {
  const text = Buffer.from(content).toString('latin1');
  expect(text.endsWith('\r\n')).toBe(true);
  expect(/\r(?!\n)|(?<!\r)\n|\0/.test(text)).toBe(false);
  expect(Math.max(...text.split('\r\n').map((line) => line.length))).toBeLessThanOrEqual(998);
}

describe('the fields for programs', () => {
  test('RFC 3461 §9.2: a reply of several lines, each after the first indented', async () => {
    const { status } = await compose({ envid: 'QQ314159' });
    expect(status.trimEnd().replaceAll('\r', '').split('\n')).toEqual([
      'Original-Envelope-Id: QQ314159',
      'Reporting-MTA: dns; mail.sender.example',
      'Arrival-Date: Tue, 24 Nov 2026 08:00:00 +0000',
      'X-Sealpost-Message-Id: m-1',
      '',
      'Original-Recipient: rfc822;Carol@ivory.example',
      'Final-Recipient: rfc822;carol@ivory.example',
      'Action: failed',
      'Status: 5.1.1',
      'Remote-MTA: dns; mx.ivory.example',
      'Diagnostic-Code: smtp; 550-mailbox unavailable',
      ' 550 user has moved with no forwarding address',
      'Last-Attempt-Date: Tue, 24 Nov 2026 12:00:00 +0000',
    ]);
  });

  test.each<[Partial<NoticedRecipient>, RegExp, RegExp, string]>([
    [
      { action: 'delayed', status: '4.4.1' },
      /Will-Retry-Until: Sun, 29/,
      /Action: failed/,
      'RFC 3464 §2.3.9',
    ],
    [
      { action: 'relayed', status: '2.0.0' },
      /Action: relayed/,
      /Will-Retry-Until/,
      'not of a relay',
    ],
    [{ status: '5.01.1' }, /Status: 5\.0\.0/, /5\.01/, 'RFC 3461 §6.3 g: no valid code'],
    [{ address: 'δ@ivory.example' }, /Final-Recipient: utf-8;δ@/, /rfc822;δ/, 'RFC 6533 §3'],
    [
      { orcpt: 'rfc822;δ@ivory.example' },
      /Original-Recipient: utf-8;δ@/,
      /rfc822;δ/,
      'RFC 6533 §3: as on the wire',
    ],
    [{ orcpt: 'x400;/S=Carol' }, /Original-Recipient: x400;\/S=Carol/, /rfc822;Carol/, 'any type'],
    [
      { orcpt: 'no type' },
      /Original-Recipient: unknown;no type/,
      /rfc822;Carol/,
      'RFC 3464 §2.3.1',
    ],
  ])('%j: %s', async (changes, present, absent, _why) => {
    const { status } = await compose({ recipients: [{ ...failed, ...changes }] });
    expect(status).toMatch(present);
    expect(status).not.toMatch(absent);
  });

  test.each<[Partial<NoticedRecipient>, string, string]>([
    [{}, 'message/delivery-status', 'RFC 3464 §2.1'],
    [{ address: 'δ@ivory.example' }, 'message/global-delivery-status', 'RFC 6533 §4.1'],
    [{ orcpt: 'utf-8;δ@ivory.example' }, 'message/global-delivery-status', 'RFC 6533 §4.1'],
  ])('%j: of type %s (%s)', async (changes, type, _why) => {
    expect((await compose({ recipients: [{ ...failed, ...changes }] })).types[0]).toBe(type);
  });

  test.each([undefined, '', ' '])('envid %j: no Original-Envelope-Id', async (envid) => {
    const { status } = await compose(envid === undefined ? {} : { envid });
    expect(status).not.toMatch(/Original-Envelope-Id/i);
  });

  test('a verdict of ours is no word of a peer', async () => {
    const { reply: _reply, remoteMta: _remoteMta, ...ours } = failed;
    const { status } = await compose({ recipients: [ours] });
    expect(status).toContain('Diagnostic-Code: x-sealpost; rejected: RCPT answered by 550');
    expect(status).not.toMatch(/Remote-MTA|smtp;/);
  });
});

describe('what goes back of the message', () => {
  const utf8 = Buffer.from('Subject: δ\r\n\r\nδ\r\n');
  test.each<[Partial<Notification>, string | undefined, RegExp, string]>([
    [{}, 'text/rfc822-headers', /^(?!.*body)/s, 'the header alone'],
    [{ returned: 'full' }, 'message/rfc822', /body/, 'all of it'],
    [{ content: utf8 }, 'message/global-headers', /δ/, 'UTF-8 in the header'],
    [{ content: utf8, returned: 'full' }, 'message/global', /δ/, 'and whole'],
    [
      { returned: 'full', content: Buffer.concat([original, Buffer.alloc(262_144, 'x\r\n')]) },
      'text/rfc822-headers',
      /secret/,
      'RFC 3461 §6.2: too long',
    ],
    [
      { returned: 'full', content: Buffer.concat([original, Buffer.alloc(255_000, 'x\r\n')]) },
      'message/rfc822',
      /x/,
      'RFC 3461 §6.2: not too long',
    ],
    [
      { returned: 'full', content: Buffer.concat([original, Buffer.alloc(999, 'x')]) },
      'text/rfc822-headers',
      /secret/,
      'a line that no part may have',
    ],
    [
      { returned: 'full', content: Buffer.concat([original, Buffer.from([0])]) },
      'text/rfc822-headers',
      /secret/,
      'NUL',
    ],
  ])('%#: %s (%s)', async (changes, type, pattern, _why) => {
    const { types, returned = '' } = await compose(changes);
    expect(types[1]).toBe(type);
    expect(returned).toMatch(pattern);
    expectLegalLines(composeNotification(notification(changes)).content);
  });

  test('RFC 8689 §5: withheld is withheld everywhere', () => {
    const { content } = composeNotification(notification({ returned: 'withheld' }));
    expect(Buffer.from(content).toString()).not.toMatch(
      /secret|<a@b>|alice@example.org\r\nMessage/,
    );
  });
});

describe('the header', () => {
  test('says that nobody is to answer, and what it answers (RFC 3834)', async () => {
    const { header } = await compose();
    expect(header).toMatch(/^Auto-Submitted: auto-replied$/m);
    expect(header).toMatch(/^In-Reply-To: <a@b>\r$/m);
    expect(header).toMatch(/report-type=delivery-status/);
    expect(header).not.toMatch(/TLS-Required/);
  });

  test('RFC 8689 §6: repeats TLS-Required: No', async () => {
    expect((await compose({ tlsOptional: true })).header).toMatch(/^TLS-Required: No\r$/m);
  });

  test.each([
    ['alice@bücher.example', false, /To: <alice@xn--bcher-kva.example>/, 'a domain has A-labels'],
    ['δ@example.org', true, /To: <δ@example.org>/, 'a local part has none'],
    ['a@\u0301x.example', true, /To: <a@\u0301x.example>/, 'what is no name stays as it is'],
    [`a@${'ü'.repeat(60)}.example`, true, /To: <a@ü{60}.example>/, 'nor is one that is too long'],
  ])('%s: SMTPUTF8 %s', (returnPath, smtpUtf8, to, _why) => {
    const composed = composeNotification(notification({ returnPath }));
    expect(composed.smtpUtf8).toBe(smtpUtf8);
    expect(Buffer.from(composed.content).toString()).toMatch(to);
  });

  test.each([
    ['Message-ID: <a@b>\r\nMessage-ID: <c@d>\r\n', 'there are two'],
    ['Message-ID: <a@b> (x)\r\n', 'it is more than an id'],
    ['Message-ID: a@b\r\n', 'it is none'],
    ['', 'there is none'],
  ])('%j is not answered: %s', async (header, _why) => {
    const content = Buffer.from(`${header}Subject: x\r\n\r\n`);
    expect((await compose({ content })).header).not.toMatch(/^(In-Reply-To|References):/m);
  });

  test('a line break in an address is a bug, not a header field', () => {
    expect(() => composeNotification(notification({ returnPath: 'a@b\r\nBcc: c@d' }))).toThrow(
      TypeError,
    );
  });
});

test.each(Object.keys(failures) as FailureCode[])('%s has words of its own', async (code) => {
  const { what, remedy } = adviseOn(code);
  expect([what, remedy].every((words) => /^[\x20-\x7e]+\.$/.test(words))).toBe(true);
  const recipient = { ...failed, failure: { code, reason: 'because' } };
  const { text } = await compose({ recipients: [recipient] });
  expect(text.replace(/\s+/g, ' ')).toContain(what);
});

test.each([
  [undefined, 'FAILURE', true, 'the default'],
  [undefined, 'DELAY', true, 'the default'],
  [undefined, 'SUCCESS', false, 'the default'],
  [['NEVER'], 'FAILURE', false, 'NEVER'],
  [['SUCCESS'], 'FAILURE', false, 'not asked for'],
  [['NEVER', 'FAILURE'], 'FAILURE', true, 'rather one too many'],
] as const)('NOTIFY %j, %s: %s (%s)', (notify, kind, expected, _why) => {
  expect(wantsNotice(notify, kind)).toBe(expected);
});

const hostile = fc.string({ unit: 'binary', maxLength: 1_200 });

test('whatever strangers put in, every line is legal and it parses back', async () => {
  const recipient = fc.record({
    address: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 300 }),
    orcpt: hostile,
    action: fc.constantFrom('failed', 'delayed', 'relayed'),
    status: hostile,
    failure: fc.record({
      code: fc.constantFrom(...(Object.keys(failures) as FailureCode[])),
      reason: hostile,
    }),
    reply: fc.record({ code: fc.integer({ min: 200, max: 599 }), lines: fc.array(hostile) }),
    remoteMta: hostile,
  });
  await fc.assert(
    fc.asyncProperty(
      fc.array(recipient, { minLength: 1, maxLength: 5 }),
      fc.uint8Array({ maxLength: 2_000 }),
      fc.constantFrom('full', 'headers', 'withheld', 'lost'),
      async (recipients, content, returned) => {
        const changes = {
          recipients,
          content,
          returned,
          envid: recipients[0]?.orcpt ?? '',
        } as const;
        expectLegalLines(composeNotification(notification(changes)).content);
        const { status, types, header } = await compose(changes);
        expect(status.match(/^Final-Recipient:/gm)).toHaveLength(recipients.length);
        expect(status.match(/^Action: (failed|delayed|relayed)\r?$/gm)).toHaveLength(
          recipients.length,
        );
        expect(types).toHaveLength(returned === 'full' || returned === 'headers' ? 2 : 1);
        expect(header.match(/^To:/gm)).toHaveLength(1);
      },
    ),
    { numRuns: 100 },
  );
});

describe('the words for people', () => {
  const flat = async (changes: Partial<Notification>): Promise<string> =>
    (await compose(changes)).text.replace(/\s+/g, ' ');

  test('where the time was over they say what stood in the way at last', async () => {
    const failure = {
      code: 'expired',
      lastCode: 'sts-mx-mismatch',
      reason: 'mx is not listed',
    } as const;
    const { reply: _reply, ...ours } = failed;
    const text = await flat({ recipients: [{ ...ours, status: '5.4.7', failure }] });
    expect(text).toContain(adviseOn('expired').what);
    expect(text).toContain(adviseOn('sts-mx-mismatch').what);
    expect(text).toContain('(5.4.7: mx is not listed)');
  });

  test("a peer's own words stand for ours", async () => {
    const text = await flat({});
    expect(text).toContain('The mail server mx.ivory.example said: 550-mailbox unavailable');
    expect(text).not.toContain('RCPT answered by 550');
  });

  test('of a crowd fifty are named', async () => {
    const recipients = Array.from({ length: 52 }, (_, number) => ({
      ...failed,
      address: `r${number}@ivory.example`,
    }));
    const text = await flat({ recipients });
    expect(text).toContain('r49@ivory.example and 2 more');
    expect(text).not.toContain('r50@ivory.example');
  });
});

test('quoted-printable decodes to what went in, in lines of 76', async () => {
  await fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 5 }), (lines) => {
      const text = lines
        .map((line) =>
          Buffer.from(line)
            .toString('latin1')
            .replace(/[\r\n]/g, '.'),
        )
        .join('\r\n');
      const encoded = encodeQuotedPrintable(Buffer.from(text, 'latin1'));
      expect(encoded.split('\r\n').every((line) => line.length <= 76 && !/[ \t]$/.test(line))).toBe(
        true,
      );
      const decoded = encoded
        .replaceAll('=\r\n', '')
        .replace(/=([0-9A-F]{2})/g, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)));
      expect(decoded).toBe(text);
    }),
  );
});
