import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { TransportSecurityError } from '../../../functions/protocol/errors.ts';
import { isMailbox, parseMailbox } from '../../../functions/protocol/smtp/mailbox.ts';

/** ASCII and what is special in it as often as any other code point, lone surrogates included. */
const anyText = fc
  .array(
    fc.oneof(
      fc.integer({ min: 0, max: 0x7f }),
      fc.constantFrom(...'"\\@.<>\r\n\0 ').map((special) => special.charCodeAt(0)),
      fc.integer({ min: 0x80, max: 0x10_ffff }),
    ),
  )
  .map((points) => String.fromCodePoint(...points));

describe('mailboxes (RFC 5321 §4.1.2, RFC 6531 §3.3)', () => {
  test.each([
    ['Smith@bar.com', 'Smith', 'bar.com', 'RFC 5321 Appendix D'],
    ['userx@xyz.com', 'userx', 'xyz.com', 'RFC 5321 §4.1.1.3'],
    ['a@b', 'a', 'b', 'one label'],
    ['first.last+tag@example.com', 'first.last+tag', 'example.com', 'dot-string'],
    ["!#$%&'*+-/=?^_`{|}~@example.com", "!#$%&'*+-/=?^_`{|}~", 'example.com', 'all of atext'],
    ['"two words"@example.com', '"two words"', 'example.com', 'quoted-string'],
    ['"a@b"@example.com', '"a@b"', 'example.com', '"@" within quotes'],
    ['"a\\"\\\\b"@example.com', '"a\\"\\\\b"', 'example.com', 'quoted pairs'],
    ['"<>"@example.com', '"<>"', 'example.com', 'angle brackets within quotes'],
    ['""@example.com', '""', 'example.com', 'the grammar allows no content'],
    ['Pelé@example.com', 'Pelé', 'example.com', 'UTF-8 local part'],
    ['用户@例子.广告', '用户', '例子.广告', 'U-labels, as written'],
    ['a@xn--fsqu00a.xn--4rr70v', 'a', 'xn--fsqu00a.xn--4rr70v', 'A-labels'],
    ['A@EXAMPLE.Com', 'A', 'EXAMPLE.Com', 'case kept'],
    ['a@1.example', 'a', '1.example', 'a label that begins with a digit'],
    [`${'l'.repeat(64)}@example.com`, 'l'.repeat(64), 'example.com', '64 octets'],
    [`${'é'.repeat(32)}@example.com`, 'é'.repeat(32), 'example.com', '64 octets of UTF-8'],
    [`a@${'x'.repeat(63)}.com`, 'a', `${'x'.repeat(63)}.com`, 'a label of 63'],
    [`a@${'abcd.'.repeat(50)}abcde`, 'a', `${'abcd.'.repeat(50)}abcde`, '255 octets'],
  ])('takes %j', (text, localPart, domain, _why) => {
    expect(isMailbox(text)).toBe(true);
    expect(parseMailbox(text)).toEqual({ localPart, domain });
  });

  test.each([
    ['', 'nothing'],
    ['a', 'no "@"'],
    ['@example.com', 'no local part'],
    ['a@', 'no domain'],
    ['a@b@example.com', 'two "@" outside quotes'],
    ['.a@example.com', 'a dot at the start'],
    ['a.@example.com', 'a dot at the end'],
    ['a..b@example.com', 'two dots'],
    ['a b@example.com', 'a space'],
    ['"a@example.com', 'an open quote'],
    ['"a"b@example.com', 'text after the quote'],
    ['"a\\"@example.com', 'the closing quote is quoted'],
    ['"a\\é"@example.com', 'a quoted pair beyond ASCII'],
    ['<a@example.com>', 'angle brackets'],
    ['a@example.com> SIZE=1', 'ends the path early'],
    ['a>b@example.com', 'an angle bracket'],
    ['a@example.com\r\nRCPT TO:<b@example.com>', 'a second command'],
    ['"a\r\nb"@example.com', 'CRLF within quotes'],
    ['"a\\\nb"@example.com', 'a quoted LF'],
    ['a@example.com\n', 'LF at the end'],
    ['a\0@example.com', 'NUL'],
    ['"a\u007f"@example.com', 'DEL'],
    ['a\u0085@example.com', 'a C1 control'],
    ['\ud800@example.com', 'a lone surrogate'],
    ['a@[192.0.2.1]', 'an address literal'],
    ['a@[IPv6:2001:db8::1]', 'an IPv6 literal'],
    ['a@192.0.2.1', 'a dotted quad'],
    ['a@example.com.', 'a final dot'],
    ['a@.example.com', 'an empty label'],
    ['a@example..com', 'an empty label within'],
    ['a@-example.com', 'a hyphen first'],
    ['a@example-.com', 'a hyphen last'],
    ['a@exa_mple.com', 'an underscore'],
    ['a@exa mple.com', 'a space in the domain'],
    ['a@example\u3002com', 'an ideographic full stop, which IDNA maps to a dot'],
    ['a@example\uff0ecom', 'a full-width full stop'],
    ['a@exa\u202emple.com', 'a bidi override'],
    ['@relay.example:a@example.com', 'a source route (RFC 5321 Appendix C)'],
    [`${'l'.repeat(65)}@example.com`, '65 octets'],
    [`${'é'.repeat(33)}@example.com`, '66 octets of UTF-8'],
    [`a@${'x'.repeat(64)}.com`, 'a label of 64'],
    [`a@${'abcd.'.repeat(50)}abcdef`, '256 octets'],
  ])('refuses %j: %s', (text) => {
    expect(isMailbox(text)).toBe(false);
    expect(() => parseMailbox(text)).toThrow(TransportSecurityError);
  });

  test.each(['', '@', 'a@b@c', '\ud800@x', '<a@b>'])(
    '%j is either taken or refused with an error of ours',
    (text) => {
      expect(() => parseMailbox(text)).toThrow(TransportSecurityError);
    },
  );

  test('the error carries its code and not the address', () => {
    expect(() => parseMailbox('secret name')).toThrow(
      expect.objectContaining({
        code: 'address-invalid',
        message: expect.not.stringContaining('secret'),
      }),
    );
  });

  test('takes linear time over what looks ambiguous', () => {
    const started = process.cpuUsage().user;
    for (const text of [
      `${'a.'.repeat(32)}!@x`,
      `"${'\\"'.repeat(31)}@x`,
      `a@${'a-'.repeat(127)}`,
    ]) {
      isMailbox(text);
    }
    isMailbox(`${'a.'.repeat(5_000_000)}@x`);
    expect(process.cpuUsage().user - started).toBeLessThan(500_000);
  });

  test('property: what is taken has no octet that could end a command or a path', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        for (const candidate of [
          text,
          `${text}@example.com`,
          `"${text}"@example.com`,
          `a@${text}`,
        ]) {
          if (!isMailbox(candidate)) {
            continue;
          }
          const { localPart, domain } = parseMailbox(candidate);
          const isSafe = !/\p{Cc}/u.test(candidate) && !/[<>\s@]/.test(domain);
          expect([`${localPart}@${domain}`, isSafe]).toEqual([candidate, true]);
        }
      }),
    );
  });
});
