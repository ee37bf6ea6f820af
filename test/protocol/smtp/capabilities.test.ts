import { describe, expect, test } from 'vitest';
import {
  offersSaslPlain,
  parseCapabilities,
  readPeerName,
  readSizeLimit,
} from '../../../functions/protocol/smtp/capabilities.ts';

describe('EHLO keywords (RFC 5321 §4.1.1.1)', () => {
  test('RFC 5321 Appendix D.1', () => {
    const texts = ['foo.com greets bar.com', '8BITMIME', 'SIZE', 'DSN', 'HELP'];
    expect([...parseCapabilities(texts)]).toEqual([
      ['8BITMIME', ''],
      ['SIZE', ''],
      ['DSN', ''],
      ['HELP', ''],
    ]);
    expect(readPeerName(texts)).toBe('foo.com');
  });

  test.each<[string[], string, boolean, string]>([
    [['mx', 'REQUIRETLS'], 'REQUIRETLS', true, 'the keyword'],
    [['mx', 'requiretls'], 'REQUIRETLS', true, 'case does not count'],
    [['mx', 'REQUIRETLS '], 'REQUIRETLS', true, 'a space behind it'],
    [['mx', 'X-NO-REQUIRETLS'], 'REQUIRETLS', false, 'part of another keyword'],
    [['mx', 'REQUIRETLS-NOT'], 'REQUIRETLS', false, 'the beginning of another keyword'],
    [['mx', 'X REQUIRETLS'], 'REQUIRETLS', false, 'a parameter'],
    [['mx', ' REQUIRETLS'], 'REQUIRETLS', false, 'not the first token'],
    [['mx', '2.0.0 REQUIRETLS'], 'REQUIRETLS', false, 'behind an enhanced code'],
    [['REQUIRETLS'], 'REQUIRETLS', false, 'the greeting line'],
    [['mail-dsn.size-pipelining.example PIPELINING'], 'PIPELINING', false, 'words of the greeting'],
    [['mx', 'REQUIRETLS=1'], 'REQUIRETLS', false, 'not of the form of a keyword'],
    [['mx', 'REQUIRETLS\x00'], 'REQUIRETLS', false, 'a NUL'],
    [['mx', 'RÉQUIRETLS'], 'REQUIRETLS', false, 'other letters'],
    [[], 'REQUIRETLS', false, 'no line at all'],
  ])('%j has %s: %s', (texts, keyword, offered, _why) => {
    expect(parseCapabilities(texts).has(keyword)).toBe(offered);
  });

  test.each<[string[], string, string]>([
    [['mx', 'AUTH PLAIN LOGIN'], 'PLAIN LOGIN', 'parameters as written'],
    [['mx', 'AUTH LOGIN', 'AUTH PLAIN'], 'LOGIN', 'the first of two'],
    [['mx', 'AUTH=CRAM-MD5', 'AUTH PLAIN'], 'PLAIN', 'the old form is no keyword'],
  ])('%j', (texts, parameters, _why) => {
    expect(parseCapabilities(texts).get('AUTH')).toBe(parameters);
  });

  test.each([
    ['PLAIN LOGIN', true],
    ['login plain', true],
    ['LOGIN XPLAIN', false],
    ['', false],
  ])('AUTH %j offers PLAIN: %s', (parameters, offered) => {
    expect(offersSaslPlain(new Map([['AUTH', parameters]]))).toBe(offered);
  });

  test.each<[string, number | undefined, string]>([
    ['1000', 1_000, 'octets (RFC 1870 §4)'],
    ['0', undefined, 'no fixed limit'],
    ['', undefined, 'none told'],
    ['-1', undefined, 'no number'],
    ['1e3', undefined, 'no number'],
    ['10 20', undefined, 'no number'],
    ['999999999999999999999', undefined, 'more than 20 digits'],
  ])('SIZE %j limits to %s: %s', (parameter, limit) => {
    expect(readSizeLimit(new Map([['SIZE', parameter]]))).toBe(limit);
  });

  test('a peer name is escaped and cut', () => {
    expect(readPeerName(['\x1b[0m\xe4 hello'])).toBe('\\x1b[0m\\xe4');
    expect(readPeerName(['x'.repeat(2_000)])).toHaveLength(255);
    expect(readPeerName([])).toBe('');
  });
});
