import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  fieldsNamed,
  parseMessage,
  unfoldValue,
} from '../../functions/protocol/message/message-parts.ts';
import { type AcceptContext, acceptMessage } from '../../functions/submission/accept-message.ts';
import type { Controls } from '../../functions/submission/ports.ts';
import {
  type ContentReference,
  type PreparedMessage,
  parseQueueMessage,
  type QueueMessage,
} from '../../functions/submission/queue-message.ts';
import { createSignContent } from '../../functions/submission/sign-content.ts';
import { deliverySettings } from '../delivery-settings.ts';
import { ed25519, rsa, verdicts } from '../protocol/dkim/keys.ts';

const sentAtMs = Date.UTC(2026, 10, 24, 9, 0, 1);
const complete =
  'From: a@sender.example\r\nDate: Mon, 23 Nov 2026 09:00:00 +0000\r\nMessage-ID: <1@sender.example>\r\n';

const message = (over: object = {}): QueueMessage =>
  parseQueueMessage(
    JSON.stringify({
      id: 'm1',
      mailFrom: 'alice@sender.example',
      rcptTo: [{ address: 'bob@rcpt.example' }],
      content: { data: '' },
      ...over,
    }),
    { sqsMessageId: 'sqs', sentAtMs, expiryDays: 5 },
  );
const to = (...domains: string[]): object => ({
  rcptTo: domains.map((domain) => ({ address: `bob@${domain}` })),
});

interface World {
  readonly context: AcceptContext;
  readonly kept: Map<string, string>;
  readonly shared: unknown[];
}

function createWorld(
  over: Partial<AcceptContext['settings']> = {},
  controls: Controls = { rules: [], exceptions: [] },
): World {
  const kept = new Map<string, string>();
  const shared: unknown[] = [];
  return {
    kept,
    shared,
    context: {
      way: 'sqs',
      settings: { ...deliverySettings, ...over },
      ports: {
        now: () => sentAtMs,
        readControls: async () => controls,
        signContent: createSignContent(async (domain) =>
          [ed25519, rsa].filter((key) => key.domain === domain),
        ),
        contents: {
          read: async (reference) =>
            Buffer.from('data' in reference ? reference.data : '', 'base64'),
          keep: async (name, content) => {
            kept.set(name, Buffer.from(content).toString('latin1'));
            return { bucket: 'b', key: `content/${name}` };
          },
        },
        shareContent: async (content, parts) => void shared.push([content, parts]),
      },
    },
  };
}

const http = { way: 'http' } as const;

/** The content that goes out, of a message for one domain. */
async function accepted(
  content: string,
  over: object = {},
  context: Partial<AcceptContext> = {},
): Promise<string> {
  const parts = await accept(content, over, context);
  return inline(parts[0]?.content);
}

function accept(
  content: string,
  over: object = {},
  context: Partial<AcceptContext> = {},
): ReturnType<typeof acceptMessage> {
  const octets = Buffer.from(content, 'latin1');
  return acceptMessage(message(over), octets, { ...createWorld().context, ...context });
}

function inline(content: ContentReference | undefined): string {
  expect(content).toHaveProperty('data');
  return Buffer.from((content as { data: string }).data, 'base64').toString('latin1');
}

function valuesOf(content: string, name: string): string[] {
  return fieldsNamed(parseMessage(Buffer.from(content, 'latin1')).fields, name).map(unfoldValue);
}

describe('the header as it goes out', () => {
  test('a complete one gets a trace line, and every other octet stays', async () => {
    const given = `X-Odd :  a\r\n\tb \r\n${complete}subject:x\r\n\r\n body \r\n\r\n`;
    expect(await accepted(given)).toBe(
      `Received: by mail.sender.example with SQS\r\n id m1;\r\n Tue, 24 Nov 2026 09:00:01 +0000\r\n${given}`,
    );
  });

  test('the trace line names the way, and neither a client nor a recipient', async () => {
    const [received] = valuesOf(await accepted(`${complete}\r\n`, {}, http), 'Received');
    expect(received).toMatch(/^by mail\.sender\.example with HTTP id m1; /);
    expect(received).not.toMatch(/from|for|bob/i);
  });

  test.each([
    ['\r\n', 'From', 'alice@sender.example', 'RFC 5322 §3.6.2, from the envelope'],
    ['From: \r\n\r\n', 'From', 'alice@sender.example', 'in the place of an empty one'],
    ['\r\n', 'Date', 'Tue, 24 Nov 2026 09:00:01 +0000', 'RFC 6409 §8.2, when it was submitted'],
    ['\r\n', 'Message-ID', '<m1@mail.sender.example>', 'RFC 6409 §8.3'],
    ['MESSAGE-id: <x@y>\r\n\r\n', 'Message-ID', '<x@y>', 'one that is there stays'],
    ['Date: yesterday\r\n\r\n', 'Date', 'yesterday', 'so does an odd date'],
  ])('%j: %s is %s (%s)', async (given, name, value, _why) => {
    expect(valuesOf(await accepted(given), name)).toEqual([value]);
  });

  test('a sender beyond ASCII is written in UTF-8, its domain in A-labels', async () => {
    const over = { mailFrom: 'jürgen@bücher.example', smtpUtf8: true };
    const [from = ''] = valuesOf(await accepted('\r\n', over), 'From');
    expect(Buffer.from(from, 'latin1').toString()).toBe('jürgen@xn--bcher-kva.example');
  });

  test.each([
    ['Bcc: secret@x.example\r\n', 'Bcc'],
    ['BCC: a@x.example,\r\n b@x.example\r\nbcc: c@x.example\r\n', 'Bcc'],
    ['Resent-Bcc: secret@x.example\r\n', 'Resent-Bcc'],
    ['Return-Path: <b@x.example>\r\n', 'Return-Path'],
  ])('%j goes', async (field, name) => {
    const content = await accepted(`${field}${complete}\r\nhi\r\n`);
    expect(valuesOf(content, name)).toEqual([]);
    expect(content).not.toContain('x.example');
    expect(content.endsWith(`${complete}\r\nhi\r\n`)).toBe(true);
  });

  test('a field of that name in the body is text', async () => {
    expect(await accepted(`${complete}\r\nBcc: x\r\n`)).toContain('\r\n\r\nBcc: x\r\n');
  });

  test('line ends become CRLF, as the wire will have them', async () => {
    expect(await accepted('From: a@b.example\n\nhi\rthere\n')).toMatch(/\r\n\r\nhi\r\nthere\r\n$/);
  });

  test('is the same every time', async () => {
    expect(await accepted('\r\nhi')).toBe(await accepted('\r\nhi'));
  });

  test('accepting what was accepted adds a trace line and nothing else', async () => {
    const value = fc.string({
      unit: fc.constantFrom('a', ' ', '\r\n ', 'Bcc: x\r\n', '\n'),
      maxLength: 20,
    });
    await fc.assert(
      fc.asyncProperty(value, value, async (subject, body) => {
        const once = await accepted(`Subject: ${subject}x\r\n\r\n${body}`).catch(() => undefined);
        if (once !== undefined) {
          const twice = await accepted(once);
          expect(twice.endsWith(once)).toBe(true);
        }
      }),
    );
  });
});

describe('what is refused, however it came', () => {
  test.each([
    ['\r\n', { mailFrom: '' }, 'queue-message-invalid', /From is missing/, 'nobody to be From'],
    ['From: x\r\n\r\n', {}, 'queue-message-invalid', /From has no address/, 'no address'],
    [`${complete}From: b@x.example\r\n\r\n`, {}, 'queue-message-invalid', /From is there 2/, 'two'],
    ['hello\r\n', {}, 'content-invalid', /line 1 of the header/, 'no header'],
    [`${complete}\r\n\0`, {}, 'content-invalid', /octet 0 of the body is NUL/, 'RFC 5322 §4'],
  ])('%#: %j, %j: %s %s (%s)', async (given, over, code, reason, _why) => {
    const refused = { code, message: expect.stringMatching(reason) };
    await expect(accept(given, over)).rejects.toMatchObject(refused);
    await expect(accept(given, over, http)).rejects.toMatchObject(refused);
  });
});

test('content that line ends make too large is refused, and not kept to be unreadable', async () => {
  const large = Buffer.concat([Buffer.from(`${complete}\r\n`), Buffer.alloc(21 * 1_048_576, '\n')]);
  const { context, kept } = createWorld();
  await expect(acceptMessage(message(), large, context)).rejects.toMatchObject({
    code: 'content-invalid',
    message: expect.stringMatching(/^content: 4\d{7} octets with CRLF .* at most 41943040$/),
  });
  expect(kept.size).toBe(0);
});

describe('what the API tells its caller, and mail by SQS gets away with', () => {
  test.each([
    [`${complete}To: a\r\nto: b\r\n\r\n`, {}, 'queue-message-invalid', /To is there 2 times/],
    [`${complete}Date: x\r\n\r\n`, {}, 'queue-message-invalid', /Date is there 2 times/],
    [
      `${complete}TLS-Required: No\r\nTLS-Required: No\r\n\r\n`,
      {},
      'queue-message-invalid',
      /TLS-Required .*8689/,
    ],
    [
      `${complete}X: \xc3\xa4\r\n\r\n`,
      {},
      'queue-message-invalid',
      /X has characters beyond ASCII. Set smtpUtf8/,
    ],
    [
      `${complete}X: \xe4\r\n\r\n`,
      { smtpUtf8: true },
      'queue-message-invalid',
      /X is not in UTF-8/,
    ],
    [`${'Received: x\r\n'.repeat(51)}${complete}\r\n`, {}, 'mail-loop', /51|50 Received/],
  ])('%#', async (given, over, code, reason) => {
    await expect(accept(given, over, http)).rejects.toMatchObject({
      code,
      message: expect.stringMatching(reason),
    });
    expect(await accept(given, over)).toHaveLength(1);
  });

  test('a header beyond ASCII with smtpUtf8 is taken', async () => {
    const given = `${complete}X: \xc3\xa4\r\n\r\n`;
    expect(await accept(given, { smtpUtf8: true }, http)).toHaveLength(1);
  });

  test('two TLS-Required fields count as none by SQS: RFC 8689 §3 forbids them', async () => {
    const field = 'TLS-Required: No\r\n';
    const demandOf = async (fields: string): Promise<string | undefined> =>
      (await accept(`${fields}${complete}\r\n`))[0]?.prepared.demand;
    expect(await demandOf(field)).toBe('optional');
    expect(await demandOf(field + field)).toBe('default');
  });

  const exception = { domain: 'rcpt.example', reason: 'r', expires: '2027-01-01T00:00:00Z' };

  test.each([
    [{ requireTls: false }, [], /setting requireTls/, 'switched off'],
    [{}, [{ ...exception, policy: 'dane' }], /exception for rcpt\.example/, 'at run time'],
    [{ exceptions: [{ ...exception, policy: 'mta-sts' }] }, [], /exception/, 'in the config'],
  ] as const)(
    '%#: requireTls that could not be kept: %j %j %s (%s)',
    async (over, exceptions, reason, _why) => {
      const { context } = createWorld(over, { rules: [], exceptions });
      const asked = { requireTls: true };
      await expect(accept(`${complete}\r\n`, asked, { ...context, ...http })).rejects.toMatchObject(
        {
          code: 'requiretls-disabled',
          message: expect.stringMatching(reason),
        },
      );
      expect((await accept(`${complete}\r\n`, asked, context))[0]?.prepared.explicit).toBe(true);
      expect(await accept(`${complete}\r\n`, {}, { ...context, ...http })).toHaveLength(1);
    },
  );
});

test('an exception from tagging does not stand in the way of what the message itself asks for', async () => {
  const exception = { domain: 'rcpt.example', reason: 'r', expires: '2027-01-01T00:00:00Z' };
  const controls = { rules: [], exceptions: [{ ...exception, policy: 'tagging' } as const] };
  const { context } = createWorld({}, controls);
  const parts = await accept(`${complete}\r\n`, { requireTls: true }, { ...context, ...http });
  expect(parts[0]?.prepared).toMatchObject({ demand: 'require', explicit: true });
});

test('an exception that is over does not stand in the way of a message that says it is old', async () => {
  const exceptions = [
    {
      domain: 'rcpt.example',
      policy: 'dane',
      reason: 'r',
      expires: '2026-11-24T09:00:00Z',
    } as const,
  ];
  const { context } = createWorld({}, { rules: [], exceptions });
  const asked = { requireTls: true, submittedAt: '2020-01-01T00:00:00Z' };
  const parts = await accept(`${complete}\r\n`, asked, { ...context, ...http });
  expect(parts[0]?.prepared.demand).toBe('require');
});

describe('a mail loop by SQS', () => {
  test('every recipient fails with it, and the message is neither signed nor traced', async () => {
    const given = `${'Received: x\r\n'.repeat(51)}Bcc: b@x.example\r\n${complete}\r\n`;
    const parts = await accept(given, to('x.example', 'y.example'));
    expect(parts.map(({ prepared }) => prepared.refusal)).toEqual([
      { code: 'mail-loop', reason: expect.stringContaining('50 Received') },
      { code: 'mail-loop', reason: expect.stringContaining('50 Received') },
    ]);
    expect(inline(parts[0]?.content)).toBe(`${'Received: x\r\n'.repeat(51)}${complete}\r\n`);
  });

  test('50 are none', async () => {
    const parts = await accept(`${'Received: x\r\n'.repeat(50)}${complete}\r\n`);
    expect(parts[0]?.prepared.refusal).toBeUndefined();
  });
});

describe('signatures', () => {
  const from = (address: string): string => `From: ${address}\r\nSubject: x\r\n\r\nhi\r\n`;

  test('one of each key of the From domain, over all that was added', async () => {
    const content = await accepted(from('Joe <joe@FOOTBALL.example.com>'));
    expect(await verdicts(Buffer.from(content, 'latin1'), [ed25519, rsa])).toEqual([
      'pass',
      'pass',
    ]);
    expect(content).toMatch(/^DKIM-Signature: .*h=[^;]*message-id.*\r\nReceived: /s);
  });

  test('the time is when the message was submitted', async () => {
    const content = await accepted(from('joe@football.example.com'));
    expect(content).toContain(`t=${Math.floor(sentAtMs / 1_000)};`);
  });

  test.each([
    [from('joe@example.com'), 0, 'a domain without a key'],
    [from('joe@sub.football.example.com'), 0, 'another domain, though below it'],
    [from('a@x.example, joe@football.example.com'), 2, 'one From address of several'],
    [
      `DKIM-Signature: v=1; d=Football.Example.com; b=\r\n${from('joe@football.example.com')}`,
      1,
      'signed already',
    ],
    [
      `DKIM-Signature: v=1; d=x.example; b=\r\n${from('joe@football.example.com')}`,
      3,
      'signed by another',
    ],
  ])('%#: %j has %i (%s)', async (given, count, _why) => {
    expect(valuesOf(await accepted(given), 'DKIM-Signature')).toHaveLength(count);
  });
});

describe('the body', () => {
  const body = (octets: number): string => `${complete}\r\n${'x'.repeat(octets)}\r\n`;
  const many = ['a.example', 'b.example', 'c.example', 'd.example'];
  const placeOf = ({ content, prepared }: PreparedMessage): string =>
    `${'data' in content ? 'inline' : 'bucket'} ${prepared.part ?? '-'}`;

  test.each([
    [1, 100, ['inline -'], 'small'],
    [1, 700_000, ['inline -'], 'as large as a record takes'],
    [1, 740_000, ['bucket -'], 'larger'],
    [3, 190_000, ['inline -', 'inline -', 'inline -'], 'few, and small'],
    [3, 200_000, ['bucket 0', 'bucket 1', 'bucket 2'], 'few, and large'],
    [4, 100, ['bucket 0', 'bucket 1', 'bucket 2', 'bucket 3'], 'many'],
  ])('%i domains, %i octets: %j (%s)', async (domains, octets, places, _why) => {
    const { context, kept, shared } = createWorld();
    const parts = await acceptMessage(
      message(to(...many.slice(0, domains))),
      Buffer.from(body(octets)),
      context,
    );
    expect(parts.map(placeOf)).toEqual(places);
    const isKept = places[0]?.startsWith('bucket') === true;
    const [name = ''] = kept.keys();
    expect([...kept.keys()]).toEqual(isKept ? [expect.stringMatching(/^m1\/[0-9a-f]{64}$/)] : []);
    const reference = { bucket: 'b', key: `content/${name}` };
    expect(shared).toEqual(isKept && domains > 1 ? [[reference, domains]] : []);
    expect(kept.get(name)?.endsWith(body(octets))).toBe(isKept ? true : undefined);
  });

  const keyOf = async (
    over: object,
    settings: Partial<AcceptContext['settings']> = {},
    octets = 740_000,
  ): Promise<string | undefined> => {
    const { context, kept } = createWorld(settings);
    await acceptMessage(message(over), Buffer.from(body(octets)), context);
    return [...kept.keys()][0];
  };

  test('has the same key whenever the same message is accepted', async () => {
    expect(await keyOf(to(...many))).toBe(await keyOf(to(...many)));
    expect(await keyOf(to('a.example'))).toBe(await keyOf(to('a.example')));
  });

  test.each<[object, Partial<AcceptContext['settings']>, number, string]>([
    [to('a.example'), {}, 740_000, 'one recipient, who would remove it for all'],
    [to(...many, 'e.example'), {}, 740_000, 'one domain more, which would leave as another'],
    [to(...many.toReversed()), {}, 740_000, 'in another order, where ordinals are others'],
    [
      to(...many),
      { smartHost: { host: 'relay.example', port: 587 } },
      740_000,
      'the same message with another next hop',
    ],
    [to(...many), {}, 740_001, 'other octets'],
  ])('of a used id with something else has another key (%#: %j %j %i, %s)', async (...row) => {
    const [over, settings, octets] = row;
    expect(await keyOf(over, settings, octets)).not.toBe(await keyOf(to(...many)));
  });

  test('is written down as shared before any record has it', async () => {
    const { context } = createWorld();
    const fails = { ...context.ports, shareContent: () => Promise.reject(new Error('down')) };
    const given = message(to(...many));
    await expect(
      acceptMessage(given, Buffer.from(body(1)), { ...context, ports: fails }),
    ).rejects.toThrow('down');
  });
});

describe('a notification of ours', () => {
  test('both of its forms are completed and signed', async () => {
    const form = (text: string): string =>
      `From: MAILER-DAEMON@football.example.com\r\nSubject: x\r\n\r\n${text}\r\n`;
    const redacted = { data: Buffer.from(form('little')).toString('base64') };
    const parts = await accept(form('all'), { mailFrom: '', redacted });
    for (const [reference, text] of [
      [parts[0]?.content, 'all'],
      [parts[0]?.redacted, 'little'],
    ] as const) {
      const content = inline(reference);
      expect(content).toMatch(new RegExp(`^DKIM-Signature: .*\\r\\n\\r\\n${text}\\r\\n$`, 's'));
      expect(await verdicts(Buffer.from(content), [ed25519, rsa])).toEqual(['pass', 'pass']);
    }
  });
});
