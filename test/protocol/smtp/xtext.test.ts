import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  encodeUtf8AddressXtext,
  encodeXtext,
  formatEnvid,
  formatOrcpt,
} from '../../../functions/protocol/smtp/xtext.ts';

describe('xtext (RFC 3461 §4)', () => {
  test.each([
    ['QQ314159', 'QQ314159', 'RFC 3461 §10.1'],
    ['!~*,<>', '!~*,<>', 'printable ASCII as it is'],
    ['a+b=c', 'a+2Bb+3Dc', 'plus and equals sign'],
    ['a b', 'a+20b', 'a space'],
    ['a\r\nRSET\r\n', 'a+0D+0ARSET+0D+0A', 'line ends cannot end a line'],
    ['\0\x7f', '+00+7F', 'NUL and DEL'],
    ['é', '+C3+A9', 'octets of UTF-8'],
    ['😀', '+F0+9F+98+80', 'beyond the first plane'],
  ])('%j', (text, encoded, _why) => {
    expect(encodeXtext(text)).toBe(encoded);
  });

  test('property: decoding by octets gives the text back, and no octet is special', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom('a', '+', '=', ' ', '\r', '\n', '\0', 'é', '例', '😀') }),
        (text) => {
          const encoded = encodeXtext(text);
          expect(encoded).toMatch(/^[!-~]*$/);
          expect(encoded).not.toContain('=');
          const decoded = encoded.replace(/\+([0-9A-F]{2})/g, (_, octet: string) =>
            String.fromCharCode(Number.parseInt(octet, 16)),
          );
          expect(Buffer.from(decoded, 'latin1').toString()).toBe(text);
        },
      ),
    );
  });
});

describe('utf-8-addr-xtext (RFC 6533 §3)', () => {
  test.each([
    ['user@example.com', 'user@example.com', 'ASCII'],
    ['é@例.test', '\\x{E9}@\\x{4F8B}.test', 'code points'],
    ['a+b\\=c d', 'a\\x{2B}b\\x{5C}\\x{3D}c\\x{20}d', 'what is special in one of the two'],
    ['\n', '\\x{0A}', 'two digits at least'],
    ['😀', '\\x{1F600}', 'five digits'],
  ])('%j', (text, encoded, _why) => {
    expect(encodeUtf8AddressXtext(text)).toBe(encoded);
  });
});

describe('ORCPT (RFC 3461 §4.2)', () => {
  test.each([
    ['rfc822;Bob@Example.COM', 'ORCPT=rfc822;Bob@Example.COM', 'RFC 3461 §10.2'],
    ['rfc822;a+tag@x.test', 'ORCPT=rfc822;a+2Btag@x.test', 'encoded'],
    ['x400;/C=US/;v', 'ORCPT=x400;/C+3DUS/;v', 'the first semicolon counts'],
    ['utf-8;é@x.test', 'ORCPT=utf-8;\\x{E9}@x.test', 'RFC 6533 §3'],
    ['UTF-8;é@x.test', 'ORCPT=utf-8;\\x{E9}@x.test', 'case of the type'],
    ['rfc822;é@x.test', 'ORCPT=utf-8;\\x{E9}@x.test', 'what rfc822 cannot carry'],
    ['rfc822;a\r\nRSET', 'ORCPT=rfc822;a+0D+0ARSET', 'no second line'],
    ['user@example.com', undefined, 'no type'],
    ['rfc822;', undefined, 'no address'],
    [';a@b', undefined, 'an empty type'],
    ['rf c;a@b', undefined, 'a type that is none'],
    ['rfc822\r\n;a@b', undefined, 'a line end in the type'],
    ['x400;é', undefined, 'a type that has ASCII only'],
    [
      `rfc822;${'+'.repeat(162)}a`,
      `ORCPT=rfc822;${'+2B'.repeat(162)}a`,
      '500 octets as encoded (§5.4)',
    ],
    [`rfc822;${'+'.repeat(162)}ab`, undefined, 'one more'],
    [
      `utf-8;${'例'.repeat(61)}`,
      `ORCPT=utf-8;${'\\x{4F8B}'.repeat(61)}`,
      '500 of another encoding',
    ],
    [`utf-8;${'例'.repeat(61)}a`, undefined, 'one more'],
  ])('%j', (orcpt, value, _why) => {
    expect(formatOrcpt(orcpt)).toBe(value);
  });
});

describe('ENVID (RFC 3461 §4.4)', () => {
  test.each([
    ['QQ314159', 'ENVID=QQ314159', 'RFC 3461 §10.1'],
    ['a b', 'ENVID=a+20b', 'encoded'],
    ['', undefined, 'RFC 5321 §4.1.2: a value has a character at least'],
    ['x'.repeat(94), `ENVID=${'x'.repeat(94)}`, '100 octets (§5.4)'],
    ['x'.repeat(95), undefined, 'one more'],
    [' '.repeat(31), `ENVID=${'+20'.repeat(31)}`, '99 as encoded'],
    [' '.repeat(32), undefined, '102 as encoded'],
  ])('%j', (envid, value, _why) => {
    expect(formatEnvid(envid)).toBe(value);
  });
});
