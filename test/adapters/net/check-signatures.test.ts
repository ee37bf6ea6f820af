/** DKIM of received reports, with keys from our resolver. */
import { dkimSign } from 'mailauth/lib/dkim/sign.js';
import { expect, test } from 'vitest';
import { createSignatureCheck } from '../../../functions/adapters/net/check-signatures.ts';
import { rsaKey } from '../../protocol/dkim/keys.ts';
import { googleStyle } from '../../protocol/tlsrpt/received-samples.ts';
import { keyOf, keyRecords, mailOf, resolverOf, signed } from '../../reporting/report-mails.ts';

const times = { receivedAtMs: Date.parse('2026-11-24T03:00:00Z'), deadlineMs: 0 };
const key = keyOf('org.example');
const mail = signed(mailOf(googleStyle), key);
const keyName = 'r._domainkey.org.example';
const valid = {
  domain: 'org.example',
  outcome: 'valid',
  detail: 'pass',
  coversBody: true,
  authorDomain: 'org.example',
};

test.each(['tlsrpt', '*', 'email', 'other : tlsrpt'])('a key of service type %s', async (type) => {
  const check = createSignatureCheck(resolverOf(keyRecords([key], type)));
  expect(await check(mail, times)).toEqual([valid]);
});

test.each([
  ['a key for something else', keyRecords([key], 'other'), 'invalid', 'key not for email'],
  ['no key', {}, 'invalid', 'no key'],
  ['another record in its place', { [keyName]: 'v=spf1 -all' }, 'invalid', 'no key'],
  [
    'a key that was taken back',
    { [keyName]: 'v=DKIM1; k=ed25519; p=' },
    'invalid',
    'invalid public key',
  ],
])('%s', async (_what, records, outcome, detail) => {
  const check = createSignatureCheck(resolverOf(records));
  expect(await check(mail, times)).toEqual([{ ...valid, outcome, detail }]);
});

test('one octet of the body changed', async () => {
  const text = mail.toString('latin1').replace('aggregate', 'aggregatE');
  const check = createSignatureCheck(resolverOf(keyRecords([key])));
  expect(await check(Buffer.from(text, 'latin1'), times)).toMatchObject([{ outcome: 'invalid' }]);
});

test('a server that does not answer', async () => {
  const check = createSignatureCheck(resolverOf({}, [keyName]));
  expect(await check(mail, times)).toMatchObject([{ outcome: 'unknown', domain: 'org.example' }]);
});

test('a signature has expired or not by when the mail came (RFC 6376 §3.5)', async () => {
  const expires = new Date('2026-11-24T04:00:00Z');
  const pem = rsaKey.export({ type: 'pkcs1', format: 'pem' });
  const unsigned = mailOf(googleStyle);
  const { signatures } = await dkimSign(unsigned, {
    signTime: new Date('2026-11-24T02:00:00Z'),
    expires,
    signatureData: [{ signingDomain: 'org.example', selector: 'r', privateKey: String(pem) }],
  } as Parameters<typeof dkimSign>[1]);
  const records = keyRecords([{ ...key, privateKey: rsaKey }]);
  const check = createSignatureCheck(resolverOf(records));
  const octets = Buffer.concat([Buffer.from(signatures), unsigned]);
  expect(await check(octets, times)).toMatchObject([{ outcome: 'valid' }]);
  const late = { ...times, receivedAtMs: expires.getTime() + 1_000 };
  expect(await check(octets, late)).toMatchObject([{ outcome: 'invalid', detail: 'expired' }]);
});

test('a signature of somebody else is of another domain than the author', async () => {
  const other = keyOf('evil.test');
  const check = createSignatureCheck(resolverOf(keyRecords([other])));
  expect(await check(signed(mailOf(googleStyle), other), times)).toEqual([
    { domain: 'evil.test', outcome: 'valid', detail: 'pass', coversBody: true },
  ]);
});

test.each([
  ['two authors', 'tls@org.example, x@b.example'],
  ['a group of authors', 'all: tls@org.example, x@b.example;'],
  ['no author that can be read', 'nobody'],
])('of %s nobody is the one author', async (_what, from) => {
  const check = createSignatureCheck(resolverOf(keyRecords([key])));
  const { authorDomain: _author, ...rest } = valid;
  expect(await check(signed(mailOf(googleStyle, { from }), key), times)).toEqual([rest]);
});

test('a signature over a part of the body is told from one over all', async () => {
  const text = mail.toString('latin1').replace(/c=relaxed\/relaxed;/, '$& l=10;');
  const check = createSignatureCheck(resolverOf(keyRecords([key])));
  expect(await check(Buffer.from(text, 'latin1'), times)).toMatchObject([{ coversBody: false }]);
});

test('a mail without a signature, or with a crowd of them, makes nobody ask DNS', async () => {
  const resolver = resolverOf(keyRecords([key]));
  const check = createSignatureCheck(resolver);
  const field = /^DKIM-Signature:.*?(?=\r\n[^ ])/s.exec(mail.toString('latin1'))?.[0] ?? '';
  const crowd = Buffer.from(`${`${field}\r\n`.repeat(10)}${mail.toString('latin1')}`, 'latin1');
  expect(await check(mailOf(googleStyle), times)).toEqual([]);
  expect(await check(crowd, times)).toEqual([]);
  expect(resolver.asked).toEqual([]);
});
