import { generateKeyPairSync } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createBodyHash } from '../../../functions/protocol/dkim/relaxed.ts';
import {
  type DkimKey,
  keyFault,
  type SignOptions,
  signMessage,
} from '../../../functions/protocol/dkim/sign-message.ts';
import { signatureDomains } from '../../../functions/protocol/dkim/signature-domains.ts';
import { formatMessage, parseMessage } from '../../../functions/protocol/message/message-parts.ts';
import { canonicalizeContent } from '../../../functions/protocol/smtp/content.ts';
import { ed25519, ed25519Key, rsa, rsaKey, verdicts } from './keys.ts';

const nowMs = 1_528_637_909_000;

/** RFC 8463 Appendix A.3. */
const body = 'Hi.\r\n\r\nWe lost the game.  Are you hungry yet?\r\n\r\nJoe.\r\n';
const header = [
  'From: Joe SixPack <joe@football.example.com>',
  'To: Suzie Q <suzie@shopping.example.net>',
  'Subject: Is dinner ready?',
  'Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)',
  'Message-ID: <20030712040037.46341.5F8J@football.example.com>',
].join('\r\n');
const message = `${header}\r\n\r\n${body}`;

function sign(
  text: string,
  keys: readonly DkimKey[] = [ed25519, rsa],
  options: Omit<SignOptions, 'nowMs'> = {},
): Buffer {
  const parts = parseMessage(canonicalizeContent(Buffer.from(text, 'latin1')).octets);
  const fields = [...signMessage(parts, keys, { ...options, nowMs }), ...parts.fields];
  return formatMessage({ ...parts, fields });
}

/** The tags of the first signature. */
function tagsOf(signed: Buffer): Record<string, string> {
  const [field] = parseMessage(signed).fields;
  const value = (field?.raw ?? '').replace(/^DKIM-Signature:/, '').replaceAll(/\s/g, '');
  return Object.fromEntries(
    value
      .split(';')
      .map((tag) => [tag.slice(0, tag.indexOf('=')), tag.slice(tag.indexOf('=') + 1)]),
  );
}

describe('RFC 8463 Appendix A', () => {
  test('the body hash', () => {
    const hash = createBodyHash();
    hash.update(Buffer.from(body));
    expect(hash.finish().toString('base64')).toBe('2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=');
  });

  test('the keys and the verifier of these tests agree with its signatures', async () => {
    const signatures = [
      'DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;',
      ' d=football.example.com; i=@football.example.com;',
      ' q=dns/txt; s=brisbane; t=1528637909; h=from : to :',
      ' subject : date : message-id : from : subject : date;',
      ' bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;',
      ' b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus',
      ' Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==',
      'DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;',
      ' d=football.example.com; i=@football.example.com;',
      ' q=dns/txt; s=test; t=1528637909; h=from : to : subject :',
      ' date : message-id : from : subject : date;',
      ' bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;',
      ' b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3',
      ' DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz',
      ' dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=',
    ];
    const signed = Buffer.from(`${signatures.join('\r\n')}\r\n${message}`);
    expect(await verdicts(signed, [ed25519, rsa])).toEqual(['pass', 'pass']);
  });

  test('its message, signed by us with both keys', async () => {
    const signed = sign(message);
    expect(await verdicts(signed, [ed25519, rsa])).toEqual(['pass', 'pass']);
    expect(signed.toString().endsWith(message)).toBe(true);
  });
});

describe('a signature', () => {
  test('says what it is, and when it was made', () => {
    expect(tagsOf(sign(message))).toMatchObject({
      v: '1',
      a: 'ed25519-sha256',
      c: 'relaxed/relaxed',
      d: 'football.example.com',
      s: 'brisbane',
      t: '1528637909',
      bh: '2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=',
    });
  });

  test('covers the whole body: RFC 6376 §8.2 warns of l=', () => {
    expect(tagsOf(sign(message))).not.toHaveProperty('l');
  });

  test('is the same every time', () => {
    expect(sign(message)).toEqual(sign(message));
  });

  test('lines stay below the 78 chars of RFC 5322 §2.1.1', () => {
    const signed = sign(message).toString().slice(0, -message.length);
    expect(Math.max(...signed.split('\r\n').map(({ length }) => length))).toBeLessThanOrEqual(78);
  });

  test.each([
    [{}, (h: string[]) => h.filter((name) => name === 'from').length === 2, 'From is oversigned'],
    [{}, (h: string[]) => h.includes('reply-to'), 'what is absent is signed as absent'],
    [{}, (h: string[]) => !h.includes('return-path'), 'RFC 6376 §5.4: never Return-Path'],
    [{ except: ['Date', 'FROM'] }, (h: string[]) => !h.includes('date'), 'left out'],
    [{ except: ['Date', 'FROM'] }, (h: string[]) => h.includes('from'), 'but never From'],
    [{ also: ['X-Own'] }, (h: string[]) => !h.includes('x-own'), 'named, and not there'],
    [{ also: ['to'] }, (h: string[]) => h.filter((n) => n === 'to').length === 2, 'named twice'],
  ] as const)('%j (%#: %s)', (options, holds, _why) => {
    expect(holds((tagsOf(sign(message, [rsa], options))['h'] ?? '').split(':'))).toBe(true);
  });

  test('covers fields that the caller names', async () => {
    const report = `TLS-Report-Domain: a.example\r\n${message}`;
    const signed = sign(report, [rsa], { also: ['TLS-Report-Domain'] });
    expect(tagsOf(signed)['h']).toContain('tls-report-domain');
    const changed = Buffer.from(signed.toString().replace('a.example', 'b.example'));
    expect(await verdicts(signed, [rsa])).toEqual(['pass']);
    expect(await verdicts(changed, [rsa])).toEqual(['fail']);
  });

  test('a message without From cannot be signed: a bug', () => {
    expect(() => sign('Subject: x\r\n\r\n')).toThrow(TypeError);
  });
});

describe('what becomes of it on the way', () => {
  test.each([
    [
      (text: string) => text.replace('Subject: Is', 'subject :  Is'),
      'pass',
      'white space and case',
    ],
    [
      (text: string) => text.replace('game.  Are', 'game. \tAre'),
      'pass',
      'white space in the body',
    ],
    [(text: string) => `${text}\r\n\r\n`, 'pass', 'blank lines at the end'],
    [(text: string) => `Received: by x; y\r\n${text}`, 'pass', 'a trace line in front'],
    [
      (text: string) => `${text}PS\r\n`,
      'neutral',
      'a line behind; mailauth calls another body hash so',
    ],
    [(text: string) => text.replace('dinner', 'supper'), 'fail', 'another subject'],
    [(text: string) => `From: eve@x.example\r\n${text}`, 'fail', 'a second From'],
    [(text: string) => `Subject: urgent\r\n${text}`, 'fail', 'a second subject'],
    [(text: string) => `Reply-To: eve@x.example\r\n${text}`, 'fail', 'a field that was absent'],
    [(text: string) => `Content-Type: text/html\r\n${text}`, 'fail', 'another reading of the body'],
    [(text: string) => `X-Spam: no\r\n${text}`, 'pass', 'a field that nobody reads'],
  ])('%#: %s %s', async (change, verdict) => {
    const changed = Buffer.from(change(sign(message).toString()));
    expect(await verdicts(changed, [ed25519, rsa])).toEqual([verdict, verdict]);
  });

  test('any content verifies', async () => {
    const octets = fc.string({
      unit: fc.constantFrom('a', ' ', '\t', '\r\n', '\n', '\r', '\xe4', '.', '\r\n\r\n', ':', '='),
      maxLength: 80,
    });
    const value = fc.string({ unit: fc.constantFrom('a', ' ', '\t', '\r\n ', '\xc3\xa4', ';') });
    await fc.assert(
      fc.asyncProperty(octets, value, async (content, subject) => {
        const text = `From: a@x.example\r\nSubject: x${subject}\r\n\r\n${content}`;
        expect(await verdicts(sign(text), [ed25519, rsa])).toEqual(['pass', 'pass']);
      }),
      { numRuns: 150 },
    );
  }, 60_000);
});

describe('keys', () => {
  const rsaOf = (modulusLength: number): DkimKey['privateKey'] =>
    generateKeyPairSync('rsa', { modulusLength }).privateKey;

  test.each([
    [ed25519Key, undefined, 'RFC 8463'],
    [rsaKey, undefined, '1024 bits'],
    [rsaOf(2_048), undefined, '2048 bits'],
    [rsaOf(768), /768 bits/, 'RFC 8301 §3.2: too short'],
    [generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey, /type ec/, 'no such algorithm'],
    [generateKeyPairSync('ed25519').publicKey, /not a private key/, 'the public half'],
  ])('%#: %s (%s)', (key, fault, _why) => {
    if (fault === undefined) {
      expect(keyFault(key)).toBeUndefined();
    } else {
      expect(keyFault(key)).toMatch(fault);
    }
  });

  test('another kind of key than the two signs nothing: a bug', () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    expect(() => sign(message, [{ ...rsa, privateKey }])).toThrow(TypeError);
  });
});

describe('who has signed', () => {
  test.each([
    ['v=1; d=A.example; s=x', ['a.example'], 'without case'],
    ['v=1;\r\n d =\r\n a.example\r\n ;b=', ['a.example'], 'RFC 6376 §3.2: folded, white space'],
    ['v=1; bd=a.example', [], 'another tag'],
    ['d', [], 'no value'],
    ['', [], 'nothing'],
  ])('%j: %j (%s)', (value, expected, _why) => {
    const { fields } = parseMessage(Buffer.from(`DKIM-Signature: ${value}\r\n\r\n`));
    expect([...signatureDomains(fields)]).toEqual(expected);
  });
});
