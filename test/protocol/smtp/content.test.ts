import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { canonicalizeContent, stuffDots } from '../../../functions/protocol/smtp/content.ts';

const windowOctets = 262_144;

function canonical(text: string): string {
  return canonicalizeContent(Buffer.from(text, 'latin1')).octets.toString('latin1');
}

function stuffed(text: string): string {
  const content = canonicalizeContent(Buffer.from(text, 'latin1'));
  return Buffer.concat(stuffDots(content)).toString('latin1');
}

describe('line ends (RFC 5321 §2.3.8)', () => {
  test.each([
    ['', '', 'nothing stays nothing'],
    ['a\r\nb\r\n', 'a\r\nb\r\n', 'clean'],
    ['a', 'a\r\n', 'the last line is ended'],
    ['a\nb\n', 'a\r\nb\r\n', 'LF'],
    ['a\rb\r', 'a\r\nb\r\n', 'CR'],
    ['a\r\r\nb', 'a\r\n\r\nb\r\n', 'CR CRLF'],
    ['a\n\rb', 'a\r\n\r\nb\r\n', 'LF CR'],
    ['\n', '\r\n', 'a bare LF alone'],
    ['a\r\nb\nc\rd\r\n', 'a\r\nb\r\nc\r\nd\r\n', 'mixed'],
    ['a\n.\nMAIL FROM:<x>\n', 'a\r\n.\r\nMAIL FROM:<x>\r\n', 'smuggling by LF . LF'],
    ['a\r.\rb', 'a\r\n.\r\nb\r\n', 'smuggling by CR . CR'],
    ['a\r\n.\nb', 'a\r\n.\r\nb\r\n', 'smuggling by CRLF . LF'],
    ['a\0b\xff\r\n', 'a\0b\xff\r\n', 'other octets are left alone'],
  ])('%j', (text, expected, _why) => {
    expect(canonical(text)).toBe(expected);
  });

  test('clean content is not copied', () => {
    const content = Buffer.from('a\r\n.b\r\n');
    expect(canonicalizeContent(content).octets.buffer).toBe(content.buffer);
    const noDots = Buffer.from('a\r\nb\r\n');
    expect(stuffDots(canonicalizeContent(noDots))).toEqual([noDots]);
    const dots = Buffer.from('.a\r\n.b\r\nc\r\n');
    for (const octets of [noDots, dots]) {
      const pieces = stuffDots(canonicalizeContent(octets));
      expect(pieces.every(({ buffer }) => buffer === octets.buffer)).toBe(true);
    }
  });

  test.each([255, 256, 257, 600])('%i lines that begin with a dot', (lines) => {
    const text = '.a\r\n'.repeat(lines);
    expect(stuffed(text)).toBe(text.replaceAll('.', '..'));
    expect(stuffed(`x\r\n${text}`)).toBe(`x\r\n${text.replaceAll('.', '..')}`);
  });

  test('takes a view into a larger buffer for what it is', () => {
    const whole = Buffer.from('xxa\nbxx');
    expect(
      canonicalizeContent(new Uint8Array(whole.buffer, whole.byteOffset + 2, 3)).octets.toString(),
    ).toBe('a\r\nb\r\n');
  });

  test.each([-2, -1, 0, 1, 2])('pairs across the edge of a window, %i octets off', (shift) => {
    const fill = 'x'.repeat(windowOctets + shift);
    for (const pair of ['\r\n', '\n', '\r', '\r\r', '\n\n', '\n\r']) {
      const expected = `${fill}${pair.replace(/\r\n|\r|\n/g, '\r\n')}y\r\n`;
      expect(canonical(`${fill}${pair}y`) === expected).toBe(true);
    }
    expect(stuffed(`${fill}\r\n.y\r\n`) === `${fill}\r\n..y\r\n`).toBe(true);
  });

  test('property: no bare CR or LF is left, and a second pass changes nothing', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('\r', '\n', '.', 'a') }), (text) => {
        const once = canonical(text);
        expect(once).not.toMatch(/\r(?!\n)|(?<!\r)\n/);
        expect(once === '' || once.endsWith('\r\n')).toBe(true);
        expect(canonical(once)).toBe(once);
      }),
    );
  });
});

describe('transparency (RFC 5321 §4.5.2)', () => {
  test.each([
    ['a\r\n', 'a\r\n', 'no dot'],
    ['.\r\n', '..\r\n', 'a lone dot'],
    ['.a\r\n.b\r\n', '..a\r\n..b\r\n', 'each line'],
    ['..\r\n', '...\r\n', 'two dots'],
    ['a.\r\nb.c\r\n', 'a.\r\nb.c\r\n', 'dots elsewhere'],
    ['\r\n.\r\n', '\r\n..\r\n', 'after an empty line'],
    ['', '', 'nothing'],
  ])('%j', (text, expected, _why) => {
    expect(stuffed(text)).toBe(expected);
  });

  test('property: what is stuffed holds no end of data, and a receiver gets the message back', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('\r', '\n', '.', 'a') }), (text) => {
        const message = canonical(text);
        const wire = `${stuffed(message)}.\r\n`;
        expect(`\r\n${wire}`.indexOf('\r\n.\r\n')).toBe(wire.length - 3);
        const received = wire.slice(0, -3).replace(/^\./gm, '');
        expect(received).toBe(message);
      }),
    );
  });
});

describe('8-bit content (RFC 6152, RFC 6531 §3.2)', () => {
  test.each([
    ['Subject: a\r\n\r\nb\r\n', false, false, 'seven bits'],
    ['Subject: a\r\n\r\n\xe4\r\n', true, false, 'the body'],
    ['Subject: \xc3\xa4\r\n\r\nb\r\n', true, true, 'the header'],
    ['Subject: a\n\n\xe4\n', true, false, 'the body behind bare LF'],
    ['\r\n\xe4', true, false, 'an empty header'],
    ['Subject: \xe4', true, true, 'no body'],
    ['\xe4', true, true, 'nothing but a line, which is header'],
    ['a\x7f\r\n', false, false, 'DEL has seven bits'],
  ])('%j', (text, eightBit, eightBitHeader, _why) => {
    expect(canonicalizeContent(Buffer.from(text, 'latin1'))).toMatchObject({
      eightBit,
      eightBitHeader,
    });
  });

  test('one octet at the far end of a large message', () => {
    const text = `a: b\r\n\r\n${'x'.repeat(3 * windowOctets)}\xff\r\n`;
    expect(canonicalizeContent(Buffer.from(text, 'latin1'))).toMatchObject({
      eightBit: true,
      eightBitHeader: false,
    });
  });
});

test.each([
  ['\n', 'bare line ends'],
  ['.\r\n', 'dots'],
])('1 MB of %j takes less than a second of CPU', (unit) => {
  const content = Buffer.from(unit.repeat(1_000_000 / unit.length));
  const started = process.cpuUsage().user;
  stuffDots(canonicalizeContent(content));
  expect(process.cpuUsage().user - started).toBeLessThan(1_000_000);
});
