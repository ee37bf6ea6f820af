import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  type PolicyAnswer,
  processPolicyResponse,
} from '../../../functions/protocol/mta-sts/response.ts';

const text = 'version: STSv1\r\nmode: enforce\r\nmx: mail.example.com\r\nmax_age: 604800\r\n';

function answer(change: Partial<PolicyAnswer> = {}): PolicyAnswer {
  return { status: 200, contentType: 'text/plain', body: Buffer.from(text), ...change };
}

test.each<[string, Partial<PolicyAnswer>]>([
  ['as it should be', {}],
  ['with a charset', { contentType: 'text/plain; charset=utf-8' }],
  ['with another charset, which is ignored', { contentType: 'text/plain; charset=iso-8859-1' }],
  ['with US-ASCII, which it is', { contentType: 'text/plain; charset="us-ascii"' }],
  ['with other parameters', { contentType: 'Text/PLAIN ;format=flowed; x=y;' }],
])('takes a policy %s', (_, change) => {
  expect(processPolicyResponse(answer(change))).toEqual({
    kind: 'policy',
    policy: { mode: 'enforce', mx: ['mail.example.com'], maxAgeSeconds: 604_800 },
    text,
  });
});

test('keeps the text as served, UTF-8 and stray lines included', () => {
  const served = `${text}x-note: Grüße\n\nend`;
  expect(processPolicyResponse(answer({ body: Buffer.from(served) }))).toMatchObject({
    text: served,
  });
});

test.each([201, 203, 204, 206, 299, 300, 301, 302, 304, 307, 308, 400, 404, 410, 500, 503])(
  'status %i is a fetch error, whatever the body says',
  (status) => {
    expect(processPolicyResponse(answer({ status }))).toEqual({
      kind: 'failed',
      code: 'sts-policy-fetch-error',
      reason: `HTTP status ${status}`,
    });
  },
);

test.each<[string, Partial<PolicyAnswer>, RegExp]>([
  ['no media type', { contentType: undefined }, /media type absent/],
  ['an empty media type', { contentType: '' }, /media type ""/],
  ['HTML', { contentType: 'text/html; charset=utf-8' }, /text\/html/],
  ['octets', { contentType: 'application/octet-stream' }, /octet-stream/],
  ['another kind of text', { contentType: 'text/plaintext' }, /plaintext/],
  ['two media types', { contentType: 'text/plain, text/html' }, /text\/html/],
  ['plain text as a parameter only', { contentType: 'x; text/plain' }, /not text\/plain/],
  ['an empty body', { body: Buffer.alloc(0) }, /version/],
  ['octets that are no UTF-8', { body: Buffer.from(`${text}x: \xe9`, 'latin1') }, /not utf-8/],
  ['an overlong form', { body: Buffer.from([...Buffer.from(text), 0xc0, 0xae]) }, /not utf-8/],
  ['a surrogate', { body: Buffer.from([...Buffer.from(text), 0xed, 0xa0, 0x80]) }, /not utf-8/],
  [
    'UTF-8 where US-ASCII was promised',
    { contentType: 'text/plain; charset=us-ascii', body: Buffer.from(`${text}x: é`) },
    /not us-ascii/,
  ],
  ['UTF-16', { body: Buffer.from(text, 'utf16le') }, /control characters/],
  ['a byte order mark', { body: Buffer.from(`\ufeff${text}`) }, /name of a field/],
  ['a page served as plain text', { body: Buffer.from('<!doctype html>\n<p>404') }, /version/],
  [
    '64 KiB and an octet',
    { body: Buffer.from(text.padEnd(65_537, '\n')) },
    /more than 65536 octets/,
  ],
])('%s is an invalid policy', (_, change, reason) => {
  expect(processPolicyResponse(answer(change))).toEqual({
    kind: 'failed',
    code: 'sts-policy-invalid',
    reason: expect.stringMatching(reason),
  });
});

test('64 KiB are not too much', () => {
  expect(
    processPolicyResponse(answer({ body: Buffer.from(text.padEnd(65_536, '\n')) })),
  ).toMatchObject({ kind: 'policy' });
});

test('gives a verdict on anything', () => {
  const any = fc.record({
    status: fc.oneof(fc.constant(200), fc.integer()),
    contentType: fc.option(fc.oneof(fc.constant('text/plain'), fc.string()), { nil: undefined }),
    body: fc.uint8Array({ maxLength: 200 }),
  });
  fc.assert(
    fc.property(any, (some) => {
      expect(['policy', 'failed']).toContain(processPolicyResponse(some).kind);
    }),
  );
});
