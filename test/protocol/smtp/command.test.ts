import { describe, expect, test } from 'vitest';
import {
  encodeSaslPlain,
  formatAuthPlain,
  formatBdatLast,
  formatHello,
  formatMail,
  formatRcpt,
  type MailParameters,
} from '../../../functions/protocol/smtp/command.ts';
import type { TransactionRecipient } from '../../../functions/protocol/smtp/transaction.ts';

const plain: MailParameters = { eightBit: false, smtpUtf8: false, requireTls: false };

describe('MAIL (RFC 5321 §4.1.1.2)', () => {
  test.each<[string, Partial<MailParameters>, string, string]>([
    ['Smith@bar.com', {}, 'MAIL FROM:<Smith@bar.com>', 'RFC 5321 Appendix D.1'],
    ['', {}, 'MAIL FROM:<>', 'the null reverse-path'],
    ['a@x.test', { sizeOctets: 500_000 }, 'MAIL FROM:<a@x.test> SIZE=500000', 'RFC 1870 §8'],
    ['a@x.test', { eightBit: true }, 'MAIL FROM:<a@x.test> BODY=8BITMIME', 'RFC 6152 §3'],
    ['é@x.test', { smtpUtf8: true }, 'MAIL FROM:<é@x.test> SMTPUTF8', 'RFC 6531 §3.4'],
    ['a@x.test', { requireTls: true }, 'MAIL FROM:<a@x.test> REQUIRETLS', 'RFC 8689 §2'],
    [
      'Alice@Pure-Heart.ORG',
      { ret: 'HDRS', envid: 'QQ314159' },
      'MAIL FROM:<Alice@Pure-Heart.ORG> RET=HDRS ENVID=QQ314159',
      'RFC 3461 §10.1',
    ],
    ['a@x.test', { envid: 'a b+=' }, 'MAIL FROM:<a@x.test> ENVID=a+20b+2B+3D', 'xtext'],
    [
      'a@x.test',
      {
        sizeOctets: 1,
        eightBit: true,
        smtpUtf8: true,
        ret: 'FULL',
        envid: '\r\n',
        requireTls: true,
      },
      'MAIL FROM:<a@x.test> SIZE=1 BODY=8BITMIME SMTPUTF8 RET=FULL ENVID=+0D+0A REQUIRETLS',
      'everything',
    ],
  ])('%j %j', (mailFrom, parameters, line, _why) => {
    expect(formatMail(mailFrom, { ...plain, ...parameters })).toBe(`${line}\r\n`);
  });
});

describe('RCPT (RFC 5321 §4.1.1.3, RFC 3461 §4)', () => {
  test.each<[Omit<TransactionRecipient, 'address'>, string, string]>([
    [{}, '', 'none'],
    [{ notify: ['SUCCESS'] }, ' NOTIFY=SUCCESS', 'one kind'],
    [{ notify: ['NEVER'] }, ' NOTIFY=NEVER', 'NEVER alone'],
    [{ notify: ['FAILURE', 'DELAY', 'FAILURE'] }, ' NOTIFY=FAILURE,DELAY', 'each once'],
    [{ notify: ['NEVER', 'FAILURE'] }, ' NOTIFY=FAILURE', 'NEVER is not for company (§4.1)'],
    [{ notify: [] }, '', 'an empty list'],
    [{ orcpt: 'rfc822;Bob@Example.COM' }, ' ORCPT=rfc822;Bob@Example.COM', 'RFC 3461 §10.2'],
    [{ orcpt: 'nonsense' }, '', 'an original recipient that is none'],
    [
      { notify: ['SUCCESS', 'FAILURE'], orcpt: 'rfc822;a+b@x.test' },
      ' NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;a+2Bb@x.test',
      'both',
    ],
  ])('%j', (parameters, suffix, _why) => {
    const recipient = { address: 'Bob@Big-Bucks.COM', ...parameters };
    expect(formatRcpt(recipient, true)).toBe(`RCPT TO:<Bob@Big-Bucks.COM>${suffix}\r\n`);
    // RFC 3461 §5.2.2: nothing of it to a peer without DSN.
    expect(formatRcpt(recipient, false)).toBe('RCPT TO:<Bob@Big-Bucks.COM>\r\n');
  });
});

describe('the other commands', () => {
  test.each([
    [formatHello('EHLO', 'out.example.com'), 'EHLO out.example.com\r\n'],
    [formatHello('HELO', '[192.0.2.1]'), 'HELO [192.0.2.1]\r\n'],
    [formatBdatLast(0), 'BDAT 0 LAST\r\n'],
    [formatAuthPlain(), 'AUTH PLAIN\r\n'],
    [
      formatAuthPlain(encodeSaslPlain('tim', 'tanstaaftanstaaf')),
      'AUTH PLAIN AHRpbQB0YW5zdGFhZnRhbnN0YWFm\r\n',
    ],
  ])('%j', (line, expected) => {
    expect(line).toBe(expected);
  });

  test.each([
    ['a@x.test>\r\nRSET\r\n', 'CRLF'],
    ['a@x.test\n', 'LF'],
    ['a@x.test\r', 'CR'],
    ['a\0@x.test', 'NUL'],
  ])('a line with %j does not come to be, should it ever get here', (text) => {
    expect(() => formatMail(text, plain)).toThrow(TypeError);
    expect(() => formatRcpt({ address: text }, true)).toThrow(TypeError);
    expect(() => formatHello('EHLO', text)).toThrow(TypeError);
  });
});
