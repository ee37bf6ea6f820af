import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Problem } from '../../functions/protocol/problem.ts';
import {
  type ReadSubmission,
  readJsonSubmission,
} from '../../functions/submission/read-json-submission.ts';
import {
  parametersBesideJson,
  type RawRequest,
  readRawSubmission,
} from '../../functions/submission/read-raw-submission.ts';
import { inlineBytesMax, type Submission } from '../../functions/submission/submission.ts';

const place = { bucket: 'sealpost-mail', nowMs: Date.UTC(2026, 10, 24) };
const octets = Buffer.from('Subject: x\r\n\r\nhello\r\n');
const data = octets.toString('base64');
const upload = 'u'.repeat(32);

function readOf(read: ReadSubmission): Submission {
  if ('problem' in read) {
    throw new Error(JSON.stringify(read.problem));
  }
  return read.submission;
}

function problemOf(read: ReadSubmission): Problem {
  if ('submission' in read) {
    throw new Error('it was taken');
  }
  return read.problem;
}

/** The least, with fields replaced. */
function json(changes: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  return {
    mailFrom: 'alice@sender.example',
    rcptTo: [{ address: 'bob@rcpt.example' }],
    content: { data },
    ...changes,
  };
}

describe('JSON', () => {
  test('the minimal form of a queue message', () => {
    expect(readOf(readJsonSubmission(json(), place))).toEqual({
      envelope: { mailFrom: 'alice@sender.example', rcptTo: [{ address: 'bob@rcpt.example' }] },
      content: { kind: 'octets', octets },
    });
  });

  test.each<[Readonly<Record<string, unknown>>, string]>([
    [{ mailFrom: '' }, 'the null reverse-path'],
    [{ version: 1 }, 'the version of queue messages'],
    [{ requireTls: true, ret: 'HDRS', envid: 'e-1', smtpUtf8: true }, 'every parameter of MAIL'],
    [
      { rcptTo: [{ address: 'b@x.example', notify: ['NEVER'], orcpt: 'rfc822;b@x.example' }] },
      'RCPT',
    ],
    [{ rcptTo: [{ address: 'jörg@bücher.example', notify: ['FAILURE', 'DELAY'] }] }, 'UTF-8'],
    [
      { rcptTo: [{ address: 'b@x.example', orcpt: 'utf-8;jörg+requiretls@bücher.example' }] },
      'an original recipient beyond ASCII (RFC 6533 §3)',
    ],
    [
      { rcptTo: [{ address: 'b@x.example', orcpt: 'rfc822;jörg@bücher.example' }] },
      'the same by its older type',
    ],
    [{ rcptTo: [{ address: 'b@x.example', orcpt: 'x400;/C=US/A= /' }] }, 'another type'],
    [{ envid: 'x'.repeat(94) }, 'as long as an envelope id may be'],
    [{ expiresAt: '2026-12-01T00:00:00+01:00' }, 'an expiry'],
    [{ content: { upload } }, 'an upload'],
    [{ content: { bucket: 'sealpost-mail', key: `uploads/${upload}` } }, 'an upload by its key'],
  ])('%j is taken: %s', (changes) => {
    expect(() => readOf(readJsonSubmission(json(changes), place))).not.toThrow();
  });

  test.each<[unknown, string, string]>([
    [null, '(body)', 'nothing'],
    [[], '(body)', 'a list'],
    ['x', '(body)', 'a text'],
    [{}, 'mailFrom', 'nothing in it'],
    [json({ mailFrom: 'alice' }), 'mailFrom', 'no mailbox'],
    [json({ mailFrom: 'a@x.example\r\nRCPT TO:<b@x.example>' }), 'mailFrom', 'a line end'],
    [json({ mailFrom: null }), 'mailFrom', 'no text'],
    [json({ rcptTo: [] }), 'rcptTo', 'nobody'],
    [json({ rcptTo: ['bob@rcpt.example'] }), 'rcptTo.0', 'an address without its object'],
    [json({ rcptTo: [{ address: 'bob@[192.0.2.1]' }] }), 'rcptTo.0.address', 'an address literal'],
    [
      json({ rcptTo: [{ address: 'b@x.example', notify: ['NEVER', 'DELAY'] }] }),
      'rcptTo.0.notify',
      'NEVER and something',
    ],
    [
      json({ rcptTo: [{ address: 'b@x.example', notify: ['ALWAYS'] }] }),
      'rcptTo.0.notify.0',
      'no such notification',
    ],
    [
      json({ rcptTo: [{ address: 'b@x.example', orcpt: 'b@x.example' }] }),
      'rcptTo.0.orcpt',
      'no address type',
    ],
    [
      json({ rcptTo: [{ address: 'b@x.example', admin: true }] }),
      'rcptTo.0.admin',
      'an unknown field of a recipient',
    ],
    [json({ requireTls: 'yes' }), 'requireTls', 'a switch as text'],
    [json({ ret: 'BODY' }), 'ret', 'no such RET'],
    [json({ envid: 'é' }), 'envid', 'not ASCII'],
    [json({ envid: '' }), 'envid', 'empty'],
    [json({ envid: 'x'.repeat(95) }), 'envid', 'too long'],
    [json({ envid: '+'.repeat(50) }), 'envid', 'too long as encoded'],
    ...[
      [`rfc822;${'+'.repeat(170)}`, 'too long as encoded'],
      [`utf-8;${'例'.repeat(62)}`, 'too long as encoded, beyond ASCII'],
      ['x400;é', 'beyond ASCII in a type that has ASCII only'],
      ['utf-8;a\u0085b', 'a control character'],
      ['utf-8;\ud800', 'half of a surrogate pair'],
      ['rfc822;', 'no address'],
    ].map(([orcpt = '', reason = '']): [unknown, string, string] => [
      json({ rcptTo: [{ address: 'b@x.example', orcpt }] }),
      'rcptTo.0.orcpt',
      reason,
    ]),
    [json({ expiresAt: 'tomorrow' }), 'expiresAt', 'no date-time'],
    [json({ expiresAt: '2026-11-23T00:00:00Z' }), 'expiresAt', 'in the past'],
    [json({ expiresAt: '2027-01-01T00:00:00Z' }), 'expiresAt', 'further away than a body is kept'],
    [json({ id: 'mine' }), 'id', 'an id, which a key gives'],
    [json({ prepared: {} }), 'prepared', 'what prepare adds'],
    [json({ attempt: 2 }), 'attempt', 'another attempt'],
    [json({ redacted: { data } }), 'redacted', 'what notifications have'],
    [json({ submittedAt: '2020-01-01T00:00:00Z' }), 'submittedAt', 'another time'],
    [json({ content: undefined }), 'content', 'no content'],
    [json({ content: {} }), 'content', 'no form of content'],
    [json({ content: { data, upload } }), 'content', 'two forms of content'],
    [json({ content: { data: 'x' } }), 'content.data', 'no base64'],
    [json({ content: { data: `${data}\n` } }), 'content.data', 'a line end in base64'],
    [json({ content: { data: '' } }), 'content.data', 'an empty message'],
    [json({ content: { data: 1 } }), 'content.data', 'no text'],
    [json({ content: { upload: '../content/x' } }), 'content.upload', 'no upload'],
    [
      json({ content: { bucket: 'sealpost-mail', key: 'content/m/hash' } }),
      'content.key',
      "others' mail",
    ],
    [
      json({ content: { bucket: 'sealpost-mail', key: 'uploads/' } }),
      'content.key',
      'the prefix alone',
    ],
    [
      json({ content: { bucket: 'payroll', key: `uploads/${upload}` } }),
      'content.bucket',
      "others' bucket",
    ],
    [JSON.parse('{"__proto__":{"requireTls":true}}'), 'mailFrom', 'a prototype'],
  ])('%j is refused, naming %s: %s', (value, field) => {
    const { status, fields, detail } = problemOf(readJsonSubmission(value, place));
    expect(status).toBe(422);
    expect(fields?.map((each) => each.field)).toContain(field);
    expect(detail.length).toBeGreaterThan(0);
  });

  test('an unknown field is told what there is', () => {
    const { fields } = problemOf(readJsonSubmission(json({ rcptto: [] }), place));
    expect(fields?.[0]?.fault).toMatch(
      /^no such field: remove it, or use mailFrom, rcptTo, .*content$/,
    );
  });

  test.each<[string, RawRequest['headers'], string | undefined, string]>([
    ['', { 'content-type': 'application/json' }, undefined, 'nothing beside it'],
    ['X-Amz-Signature=00', {}, undefined, 'a signature in the query'],
    ['requireTls=true', {}, 'requireTls', 'a parameter, which would go unheard'],
    ['require=true', {}, 'require', 'what is none'],
    ['', { 'sealpost-requiretls': 'true' }, 'Sealpost-requireTls', 'a field'],
    ['', { 'sealpost-tls': 'true' }, 'Sealpost-tls', 'a misspelt one'],
  ])('beside it %j and %j: refused for %s (%s)', (query, headers, field, _why) => {
    const problem = parametersBesideJson({ query, headers });
    expect(problem?.fields?.map((each) => each.field)).toEqual(field && [field]);
  });

  test('a message that is too large is sent to uploads', () => {
    const large = Buffer.alloc(inlineBytesMax + 1, 'x').toString('base64');
    expect(problemOf(readJsonSubmission(json({ content: { data: large } }), place))).toMatchObject({
      status: 413,
      detail: expect.stringContaining('POST /v1/uploads'),
    });
    const fits = Buffer.alloc(inlineBytesMax, 'x').toString('base64');
    expect(() =>
      readOf(readJsonSubmission(json({ content: { data: fits } }), place)),
    ).not.toThrow();
  });

  test('whatever JSON says: taken or a problem, never a throw, and never a value in it', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const read = readJsonSubmission(value, place);
        expect('submission' in read || read.problem.status >= 400).toBe(true);
      }),
    );
  });
});

function raw(query: string, changes: Partial<RawRequest> = {}): ReadSubmission {
  return readRawSubmission({ octets, query, headers: {}, ...changes }, place);
}

const least = 'from=alice@sender.example&to=bob@rcpt.example';

describe('message/rfc822', () => {
  test('everything in the query', () => {
    const query =
      'from=alice%40sender.example&to=bob@rcpt.example&to=carol@rcpt.example,dave@rcpt.example' +
      '&requireTls=true&ret=hdrs&envid=e%2D1&notify=failure,delay&smtpUtf8=false&expiresAt=2026-11-25T00:00:00Z';
    const notify = ['FAILURE', 'DELAY'];
    expect(readOf(raw(query))).toEqual({
      envelope: {
        mailFrom: 'alice@sender.example',
        rcptTo: ['bob', 'carol', 'dave'].map((name) => ({
          address: `${name}@rcpt.example`,
          notify,
        })),
        requireTls: true,
        ret: 'HDRS',
        envid: 'e-1',
        smtpUtf8: false,
        expiresAt: '2026-11-25T00:00:00Z',
      },
      content: { kind: 'octets', octets },
    });
  });

  test('everything in header fields', () => {
    const headers = {
      'sealpost-from': '<>',
      'sealpost-to': 'bob@rcpt.example, "a,b"@rcpt.example',
      'sealpost-requiretls': 'TRUE',
      'x-unrelated': 'é',
      'x-sealpost-trace': '1',
      'sealpost-envid': undefined,
    };
    expect(readOf(raw('', { headers })).envelope).toEqual({
      mailFrom: '',
      rcptTo: [{ address: 'bob@rcpt.example' }, { address: '"a,b"@rcpt.example' }],
      requireTls: true,
    });
  });

  test.each([
    ['from=&to=b@x.example', { mailFrom: '' }, 'the null reverse-path'],
    ['from=<>&to=b@x.example', { mailFrom: '' }, 'the same, as SMTP writes it'],
    [
      'from=a@x.example&to=b+requiretls@x.example',
      { rcptTo: [{ address: 'b+requiretls@x.example' }] },
      'a plus is a plus',
    ],
    [
      'from=a@x.example&to=j%C3%B6rg@x.example',
      { rcptTo: [{ address: 'jörg@x.example' }] },
      'UTF-8',
    ],
    [`${least}&X-Amz-Signature=00`, {}, 'a signature in the query'],
    [
      'from=a@x.example&to=b@x.example,c@x.example&orcpt=rfc822;"p,q"@y.example&orcpt=rfc822;r@y.example',
      {
        rcptTo: [
          { address: 'b@x.example', orcpt: 'rfc822;"p,q"@y.example' },
          { address: 'c@x.example', orcpt: 'rfc822;r@y.example' },
        ],
      },
      'original recipients, in the order of the recipients',
    ],
  ])('%s: %j, %s', (query, envelope, _reason) => {
    expect(readOf(raw(query)).envelope).toMatchObject(envelope);
  });

  test.each<[string, RawRequest['headers'], string, string]>([
    ['', {}, 'from', 'nothing at all'],
    ['to=b@x.example', {}, 'from', 'no sender'],
    ['from=a@x.example', {}, 'to', 'no recipient'],
    ['from=a@x.example&to=,', {}, 'to', 'a comma for recipients'],
    [`${least}&to=nobody`, {}, 'to.1', 'the second is no mailbox'],
    ['from=a%ff@x.example&to=b@x.example', {}, 'from', 'not UTF-8'],
    ['from=a%@x.example&to=b@x.example', {}, 'from', 'half of an encoding'],
    ['from=a@x.example&to=b%0D%0ADATA@x.example', {}, 'to.0', 'a line end'],
    ['from=a@x.example&from=b@x.example&to=c@x.example', {}, 'from', 'two senders'],
    [least, { 'sealpost-from': 'c@x.example' }, 'from', 'a sender at two places'],
    [
      'from=a@x.example',
      { 'sealpost-to': 'jÃ¶rg@x.example' },
      'Sealpost-to',
      'octets in a header field',
    ],
    [
      least,
      { 'sealpost-require-tls': 'true' },
      'Sealpost-require-tls',
      'a misspelt field, which would go without',
    ],
    [least, { 'sealpost-': 'true' }, 'Sealpost-', 'a field without a name'],
    [least, { 'sealpost-\u001b[1m': 'x' }, 'Sealpost-??1m', 'what a terminal would obey'],
    [`${least}&requireTls=1`, {}, 'requireTls', 'no boolean'],
    [`${least}&requiretls=true`, {}, 'requiretls', 'a name in other case, which would go without'],
    [`${least}&notify=never,delay`, {}, 'notify', 'NEVER and something'],
    [`${least}&ret=ALL`, {}, 'ret', 'no such RET'],
    [`${least}&to=c@x.example&orcpt=rfc822;o@y.example`, {}, 'orcpt', 'one for two recipients'],
    [`${least}&orcpt=`, {}, 'orcpt', 'an original recipient that is none'],
    [`${least}&orcpt=o@y.example`, {}, 'orcpt.0', 'one without a type'],
    [`${least}&expiresAt=2020-01-01T00:00:00Z`, {}, 'expiresAt', 'in the past'],
  ])('%s %j is refused, naming %s: %s', (query, headers, field) => {
    const { status, fields } = problemOf(raw(query, { headers }));
    expect(status).toBe(422);
    expect(fields?.map((each) => each.field)).toContain(field);
  });

  test('an empty body, and one that is too large', () => {
    expect(problemOf(raw(least, { octets: new Uint8Array() }))).toMatchObject({
      status: 422,
      fields: [{ field: '(body)' }],
    });
    expect(problemOf(raw(least, { octets: new Uint8Array(inlineBytesMax + 1) }))).toMatchObject({
      status: 413,
    });
  });

  test('what is not too large fits into the 6 MB of a Lambda event, in base64 and beside the rest', () => {
    expect((inlineBytesMax / 3) * 4).toBeLessThan(5.75 * 1_024 * 1_024);
  });

  test('faults of many recipients are told once each', () => {
    const { fields } = problemOf(raw(`${least}&notify=x`));
    expect(fields?.filter(({ field }) => field === 'notify')).toHaveLength(1);
  });

  test('whatever stands in the query: taken or a problem, never a throw', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string(), (query, header) => {
        const read = raw(query, { headers: { 'sealpost-to': header } });
        expect('submission' in read || read.problem.status >= 400).toBe(true);
      }),
    );
  });
});
