import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { TransportSecurityError } from '../../../functions/protocol/errors.ts';
import {
  fieldsNamed,
  formatField,
  formatMessage,
  parseMessage,
  unfoldValue,
  withoutFields,
} from '../../../functions/protocol/message/message-parts.ts';
import { canonicalizeContent } from '../../../functions/protocol/smtp/content.ts';

const parse = (text: string): ReturnType<typeof parseMessage> =>
  parseMessage(Buffer.from(text, 'latin1'));

describe('taking apart', () => {
  test('every octet of a field is kept, and the body', () => {
    const { fields, body } = parse('A: x\r\n\ty \r\nb :z\r\n\r\nhi\r\n\r\n');
    expect(fields).toEqual([
      { name: 'A', raw: 'A: x\r\n\ty \r\n' },
      { name: 'b', raw: 'b :z\r\n' },
    ]);
    expect(String(body)).toBe('hi\r\n\r\n');
  });

  test.each([
    ['', 0, '', 'nothing'],
    ['\r\n', 0, '', 'an empty line'],
    ['\r\nA: x\r\n', 0, 'A: x\r\n', 'a body that looks like a header'],
    ['A: x\r\n', 1, '', 'RFC 5322 §2.1: no body'],
    ['A: x\r\n\r\n', 1, '', 'an empty body'],
    ['A: x\r\n \r\n\r\nb\r\n', 1, 'b\r\n', 'a blank line that is folding (RFC 5322 §4.2)'],
    ['A:\r\n\r\nb\r\n', 1, 'b\r\n', 'an empty value'],
  ])('%j: %i fields, body %j (%s)', (text, fields, body, _why) => {
    const parts = parse(text);
    expect(parts.fields).toHaveLength(fields);
    expect(String(parts.body)).toBe(body);
  });

  test.each([
    ['hello\r\n', /line 1 .*not a header field/, 'no header at all'],
    ['A: x\r\nhello\r\n\r\n', /line 2 /, 'a line without a colon'],
    [' folded\r\n\r\n', /line 1 /, 'a continuation of nothing'],
    ['A: x\r\n: y\r\n\r\n', /line 2 /, 'no name'],
    ['A b: x\r\n\r\n', /line 1 /, 'white space within the name'],
    ['From alice Mon Jan 1\r\nA: x\r\n\r\n', /line 1 /, "a mailbox file's line"],
    ['A: x\0y\r\n\r\n', /line 1 .*NUL/, 'RFC 5322 §2.2'],
    ['A: x\r\n'.repeat(1_001), /1001 fields/, 'too many fields'],
    [`A: ${'x'.repeat(262_144)}\r\n\r\n`, /longer than 262144/, 'too long'],
    [`A: ${'x'.repeat(300_000)}`, /longer than 262144/, 'too long, and never ending'],
  ])('%#: refused: %s %s (%s)', (text, message, _why) => {
    expect(() => parse(text)).toThrow(
      expect.objectContaining({ code: 'content-invalid', message: expect.stringMatching(message) }),
    );
  });

  test('the limits themselves are taken', () => {
    expect(parse('A: x\r\n'.repeat(1_000)).fields).toHaveLength(1_000);
    expect(parse(`A: ${'x'.repeat(262_144 - 5)}\r\n\r\nb`).fields).toHaveLength(1);
  });
});

describe('putting together', () => {
  const text = fc.string({
    unit: fc.constantFrom('A', 'b: ', '\r\n', '\n', ' ', ':', '\xe4', 'From: x\r\n', '\0'),
  });

  test('gives back what was taken apart, with CRLF and an empty line', () => {
    fc.assert(
      fc.property(text, (given) => {
        const { octets } = canonicalizeContent(Buffer.from(given, 'latin1'));
        try {
          const whole = formatMessage(parseMessage(octets)).toString('latin1');
          const same = octets.toString('latin1');
          expect([same, `${same}\r\n`]).toContain(whole);
        } catch (error) {
          expect(error).toBeInstanceOf(TransportSecurityError);
        }
      }),
      { numRuns: 2_000 },
    );
  });

  test('taking a field out leaves the others as they were', () => {
    const parts = parse('A: 1\r\nBCC: x\r\n y\r\nB:2\r\n\r\nbody\r\n');
    const fields = withoutFields(parts.fields, ['Bcc']);
    expect(String(formatMessage({ ...parts, fields }))).toBe('A: 1\r\nB:2\r\n\r\nbody\r\n');
  });
});

describe('fields', () => {
  test.each([
    ['A: x\r\n', 'x', 'one line'],
    ['A:  x \r\n\t y \r\n', 'x \t y', 'RFC 5322 §2.2.3: unfolded'],
    ['A:\r\n', '', 'empty'],
    ['A: b: c\r\n', 'b: c', 'a colon within'],
    ['A: \xc3\xa0\r\n', '\xc3\xa0', 'octet A0 is no white space'],
    [`A:${' '.repeat(100_000)}\r\n`, '', 'much white space'],
  ])('%#: the value of %j is %j (%s)', (raw, value, _why) => {
    expect(unfoldValue({ name: 'A', raw })).toBe(value);
  });

  test('names are compared without case (RFC 5322 §1.2.2)', () => {
    const { fields } = parse('To: 1\r\ntO: 2\r\nX-To: 3\r\n\r\n');
    expect(fieldsNamed(fields, 'TO').map(unfoldValue)).toEqual(['1', '2']);
  });

  test('our own are folded where they are parted', () => {
    expect(formatField('X', 'a', 'b').raw).toBe('X: a\r\n b\r\n');
  });

  test.each(['\r', '\n', '\0'])('our own never have %j within a line: a bug', (char) => {
    expect(() => formatField('X', `a${char}Bcc: b`)).toThrow(TypeError);
  });
});
