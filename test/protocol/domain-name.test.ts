import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseDomainName } from '../../functions/protocol/domain-name.ts';
import { TransportSecurityError } from '../../functions/protocol/errors.ts';

const label63 = 'a'.repeat(63);
const name253 = `${label63}.${label63}.${label63}.${'a'.repeat(61)}`;

describe('a domain name in its one form', () => {
  test.each([
    ['example.com', 'example.com', 'as it is'],
    ['Example.COM', 'example.com', 'RFC 4343: case does not count'],
    ['example.com.', 'example.com', 'the root is left out'],
    ['com', 'com', 'RFC 5321 §2.3.5: a top-level domain may have mail'],
    ['1.example', '1.example', 'RFC 1123 §2.1: a label may begin with a digit'],
    ['3com.example', '3com.example', 'RFC 1123 §2.1'],
    ['bücher.example', 'xn--bcher-kva.example', 'a U-label'],
    ['BÜCHER.Example.', 'xn--bcher-kva.example', 'a U-label in capitals'],
    ['faß.example', 'xn--fa-hia.example', 'IDNA 2008 keeps the sharp s'],
    ['日本語。例え', 'xn--wgv71a119e.xn--r8jz45g', 'an ideographic full stop'],
    ['xn--bcher-kva.example', 'xn--bcher-kva.example', 'an A-label'],
    ['XN--BCHER-KVA.example', 'xn--bcher-kva.example', 'an A-label in capitals'],
    ['a--b.example', 'a--b.example', 'hyphens inside'],
    [name253, name253, 'RFC 1035 §2.3.4: 253 characters are 255 octets'],
    [`${name253}.`, name253, 'the same with its root'],
    ['example.0xz', 'example.0xz', 'no number'],
  ])('%s -> %s: %s', (text, name) => {
    expect(parseDomainName(text)).toBe(name);
  });

  test.each([
    ['', 'nothing'],
    ['.', 'the root'],
    ['a..b', 'an empty label'],
    ['.a', 'an empty label first'],
    ['a.b..', 'two dots at the end'],
    [`${label63}a.example`, 'RFC 1035 §2.3.4: a label of 64'],
    [`a${name253}`, 'a name of 254'],
    ['é'.repeat(60), 'a U-label over 63 octets as an A-label'],
    ['é'.repeat(10_000), 'a very long one'],
    ['-a.example', 'a hyphen first'],
    ['a-.example', 'a hyphen last'],
    ['_mta-sts.example', 'an underscore where nobody asked for it'],
    ['a b.example', 'a blank'],
    ['a\tb.example', 'a tab, which URL parsers drop'],
    ['a\nb.example', 'a line end, which URL parsers drop'],
    ['a\0b.example', 'a NUL'],
    ['a%41.example', 'percent-encoding, which URL parsers undo'],
    ['a/b.example', 'a slash, at which URL parsers stop'],
    ['a\\b.example', 'a backslash'],
    ['a\\046b.example', 'an escaped dot'],
    ['user@example', 'a mailbox'],
    ['example.com:25', 'a port'],
    ['*.example.com', 'a wildcard'],
    ['[192.0.2.1]', 'RFC 5321 §4.1.3: an address literal'],
    ['[IPv6:2001:db8::1]', 'RFC 5321 §4.1.3: an address literal'],
    ['2001:db8::1', 'an IPv6 address'],
    ['192.0.2.1', 'an IPv4 address'],
    ['127.1', 'a short IPv4 address'],
    ['0x7f.1', 'an IPv4 address to URL parsers'],
    ['2130706433', 'an IPv4 address as one number'],
    ['example.1', 'RFC 3696 §2: no top-level domain is a number'],
    ['example.0x10', 'a hexadecimal number, which URL parsers refuse'],
    ['example.0x', 'the shortest hexadecimal number of URL parsers'],
    ['１２７.０.０.１', 'an IPv4 address in full-width digits'],
    ['a％41.example', 'a full-width percent sign'],
    ['a\u200db.example', 'a joiner where IDNA forbids it'],
    ['\ud800.example', 'half a surrogate pair'],
  ])('%j is refused: %s', (text) => {
    expect(() => parseDomainName(text)).toThrow(
      expect.objectContaining({ name: 'TransportSecurityError', code: 'address-invalid' }),
    );
  });

  test.each([
    ['_mta-sts.Example.com', '_mta-sts.example.com', 'RFC 8461 §3.1'],
    ['_smtp._tls.example.com', '_smtp._tls.example.com', 'RFC 8460 §3'],
    ['_25._tcp.mail.example.com', '_25._tcp.mail.example.com', 'RFC 6698 §3'],
    ['a_b.example', 'a_b.example', 'inside a label'],
  ])('with underscores allowed, %s -> %s: %s', (text, name) => {
    expect(parseDomainName(text, { underscores: true })).toBe(name);
  });

  test('any text gives a name that stays as it is when parsed again, or the error', () => {
    const anything = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.domain(),
      fc.string({ unit: fc.constantFrom('a', 'B', '-', '.', '1', 'x', 'é', '。', '_', '０') }),
    );
    fc.assert(
      fc.property(anything, fc.boolean(), (text, underscores) => {
        try {
          const name = parseDomainName(text, { underscores });
          expect(name).toMatch(/^[a-z0-9_-]+(\.[a-z0-9_-]+)*$/);
          expect(parseDomainName(name, { underscores })).toBe(name);
          expect(parseDomainName(name.toUpperCase(), { underscores })).toBe(name);
        } catch (error) {
          expect(error).toBeInstanceOf(TransportSecurityError);
        }
      }),
      { numRuns: 2_000 },
    );
  });
});
