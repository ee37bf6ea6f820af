import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { TransportSecurityError } from '../../../functions/protocol/errors.ts';
import {
  createReplyReader,
  describeReply,
  interpretReply,
  type RawReply,
} from '../../../functions/protocol/smtp/reply.ts';

/** All replies in `wire`, pushed in pieces of `step` octets, and whether something was left. */
function readAll(wire: string, step = wire.length || 1): { replies: RawReply[]; rest: boolean } {
  const reader = createReplyReader();
  const octets = Buffer.from(wire, 'latin1');
  const replies: RawReply[] = [];
  for (let at = 0; at < octets.length; at += step) {
    reader.push(octets.subarray(at, at + step));
    for (let reply = reader.next(); reply !== undefined; reply = reader.next()) {
      replies.push(reply);
    }
  }
  return { replies, rest: reader.hasRest };
}

describe('reading replies (RFC 5321 §4.2)', () => {
  test.each<[string, RawReply[], string]>([
    ['250 OK\r\n', [{ code: 250, texts: ['OK'] }], 'one line'],
    [
      '250-First line\r\n250-Second line\r\n250-234 Text beginning with numbers\r\n250 The last line\r\n',
      [
        {
          code: 250,
          texts: ['First line', 'Second line', '234 Text beginning with numbers', 'The last line'],
        },
      ],
      'RFC 5321 §4.2.1',
    ],
    ['250\r\n', [{ code: 250, texts: [''] }], 'the code alone (§4.2)'],
    ['250 \r\n', [{ code: 250, texts: [''] }], 'code and space'],
    ['250-\r\n250\r\n', [{ code: 250, texts: ['', ''] }], 'lines without text'],
    ['250 OK\n', [{ code: 250, texts: ['OK'] }], 'LF alone'],
    ['250 a\rb\r\n', [{ code: 250, texts: ['a\rb'] }], 'a CR within stays text'],
    ['571 no\r\n', [{ code: 571, texts: ['no'] }], 'an unknown code, told by its first digit'],
    [
      '250 a\r\n354 b\r\n',
      [
        { code: 250, texts: ['a'] },
        { code: 354, texts: ['b'] },
      ],
      'two replies are not one of two lines (RFC 2920 §3.1)',
    ],
    [`250 ${'x'.repeat(2_043)}\r\n`, [{ code: 250, texts: ['x'.repeat(2_043)] }], 'a long line'],
  ])('%j', (wire, replies, _why) => {
    expect(readAll(wire)).toEqual({ replies, rest: false });
    expect(readAll(wire, 1)).toEqual({ replies, rest: false });
  });

  test.each([
    ['', 'nothing'],
    ['25', 'part of a line'],
    ['250-a\r\n', 'part of a reply'],
    ['250-a\r\n250', 'part of its last line'],
  ])('waits for more after %j', (wire) => {
    expect(readAll(wire)).toEqual({ replies: [], rest: wire !== '' });
  });

  test.each([
    ['hello\r\n', 'no code'],
    ['\r\n', 'an empty line'],
    [' 250 ok\r\n', 'a space first'],
    ['25 ok\r\n', 'two digits'],
    ['2500 ok\r\n', 'four digits'],
    ['250ok\r\n', 'no separator'],
    ['250\tok\r\n', 'a tab as separator'],
    ['150 ok\r\n', '1yz does not exist in SMTP'],
    ['600 ok\r\n', '6yz neither'],
    ['250-a\r\n251 b\r\n', 'another code in a reply'],
    ['250-a\r\nSIZE\r\n', 'a continuation without code'],
    [`250 ${'x'.repeat(2_048)}\r\n`, 'a line beyond the limit'],
    ['x'.repeat(2_049), 'a line beyond the limit that does not end'],
    ['250-a\r\n'.repeat(101), 'more than 100 lines'],
    [`250-${'x'.repeat(1_000)}\r\n`.repeat(66), 'more than 64 KB'],
    ['\x16\x03\x01\x02\x00\x01\r\n', 'TLS where text was due'],
    ['HTTP/1.1 400 Bad Request\r\n', 'another protocol'],
  ])('refuses %j', (wire) => {
    expect(() => readAll(wire)).toThrow(
      expect.objectContaining({ name: 'TransportSecurityError', code: 'reply-malformed' }),
    );
  });

  test('what is wrong is shown without control octets', () => {
    expect(() => readAll('\x1b[2J\x07\xff\r\n')).toThrow('\\x1b[2J\\x07\\xff');
  });

  test('100 lines and 64 KB pass', () => {
    expect(readAll(`${'250-a\r\n'.repeat(99)}250 b\r\n`).replies[0]?.texts).toHaveLength(100);
  });

  test('property: any octets give replies or reply-malformed, however they are cut', () => {
    const line = fc.oneof(
      fc.string({ unit: 'binary-ascii' }),
      fc
        .tuple(fc.integer({ min: 190, max: 610 }), fc.constantFrom(' ', '-', ''), fc.string())
        .map((parts) => parts.join('')),
    );
    fc.assert(
      fc.property(fc.array(line), fc.integer({ min: 1, max: 9 }), (lines, step) => {
        const wire = lines.map((each) => `${each}\r\n`).join('');
        let whole: unknown;
        try {
          whole = readAll(wire).replies;
        } catch (error) {
          expect(error).toBeInstanceOf(TransportSecurityError);
          expect(() => readAll(wire, step)).toThrow(TransportSecurityError);
          return;
        }
        expect(readAll(wire, step).replies).toEqual(whole);
      }),
    );
  });
});

describe('interpreting replies (RFC 2034 §4, RFC 3463 §2)', () => {
  test.each([
    [250, '2.1.5 Recipient ok', '2.1.5', 'Recipient ok', 'class, subject, detail'],
    [550, '5.1.1', '5.1.1', '', 'without text'],
    [452, '4.5.3 too many', '4.5.3', 'too many', '4yz'],
    [550, '5.7.999 x', '5.7.999', 'x', 'three digits'],
    [550, '4.1.1 x', undefined, '4.1.1 x', 'the class is not that of the code'],
    [354, '3.0.0 x', undefined, '3.0.0 x', 'there is no class 3'],
    [550, '5.1.1: x', undefined, '5.1.1: x', 'something behind it'],
    [550, '5.1 x', undefined, '5.1 x', 'two numbers'],
    [550, '5.1.1.1 x', undefined, '5.1.1.1 x', 'four numbers, such as an address'],
    [550, '5.1.0001 x', undefined, '5.1.0001 x', 'four digits'],
    [550, '5.01.1 x', undefined, '5.01.1 x', 'a leading zero'],
    [550, ' 5.1.1 x', undefined, ' 5.1.1 x', 'not at the beginning'],
    [550, '#5.1.1 x', undefined, '#5.1.1 x', 'in another form'],
  ])('%i %j', (code, text, enhanced, rest, _why) => {
    const reply = interpretReply({ code, texts: [text] });
    expect(reply).toEqual({ code, lines: [rest], ...(enhanced === undefined ? {} : { enhanced }) });
  });

  test('each line loses its code, the first one counts', () => {
    expect(interpretReply({ code: 550, texts: ['5.7.1 a', '5.7.1 b', 'c', '2.0.0 d'] })).toEqual({
      code: 550,
      enhanced: '5.7.1',
      lines: ['a', 'b', 'c', '2.0.0 d'],
    });
    expect(interpretReply({ code: 550, texts: ['a', '5.7.1 b'] })).toEqual({
      code: 550,
      lines: ['a', 'b'],
    });
  });

  test('control and non-ASCII octets are escaped', () => {
    expect(interpretReply({ code: 550, texts: ['\x1b[31mn\xc3\xb6\t\0\r\x7f'] }).lines).toEqual([
      '\\x1b[31mn\\xc3\\xb6\\x09\\x00\\x0d\\x7f',
    ]);
  });

  test('a description is one line of bounded length', () => {
    expect(describeReply({ code: 550, enhanced: '5.1.1', lines: ['no', 'such user'] })).toBe(
      '550 5.1.1 no / such user',
    );
    expect(describeReply({ code: 250, lines: [''] })).toBe('250');
    expect(describeReply({ code: 250, lines: ['x'.repeat(5_000)] })).toHaveLength(500);
  });
});
