import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createBodyHash, relaxField } from '../../../functions/protocol/dkim/relaxed.ts';

const hashOf = (text: string): string => createHash('sha256').update(text, 'latin1').digest('hex');

/** Hashed in pieces that end at `cuts`. */
function relaxedHash(body: string, cuts: readonly number[] = []): string {
  const octets = Buffer.from(body, 'latin1');
  const ends = [...cuts.map((cut) => cut % (octets.length + 1)), octets.length];
  const hash = createBodyHash();
  let start = 0;
  for (const end of ends.toSorted((a, b) => a - b)) {
    hash.update(octets.subarray(start, end));
    start = end;
  }
  return hash.finish().toString('hex');
}

/** RFC 6376 §3.4.4 word by word, with no thought of time or memory. */
function relaxPlainly(body: string): string {
  const lines = body.split('\r\n').map((line) => line.replace(/[ \t]+/g, ' ').replace(/ $/, ''));
  while (lines.at(-1) === '') {
    lines.pop();
  }
  return lines.map((line) => `${line}\r\n`).join('');
}

describe('header fields', () => {
  test.each([
    ['A: X\r\n', 'a:X\r\n', 'RFC 6376 §3.4.5, first field'],
    ['B : Y\t\r\n\tZ  \r\n', 'b:Y Z\r\n', 'RFC 6376 §3.4.5, second field'],
    ['Subject:\r\n', 'subject:\r\n', 'an empty value'],
    ['X:\t \r\n', 'x:\r\n', 'nothing but white space'],
    ['X: a:  b\r\n', 'x:a: b\r\n', 'a colon within the value'],
    ['X: \xc3\xa0\xa0\r\n', 'x:\xc3\xa0\xa0\r\n', 'octet A0 is no white space'],
  ])('%j is %j (%s)', (raw, relaxed, _why) => {
    expect(relaxField(raw)).toBe(relaxed);
  });

  test('relaxing again changes nothing', () => {
    const value = fc.string({ unit: fc.constantFrom('a', ' ', '\t', ':', '\r\n ', 'B') });
    fc.assert(
      fc.property(value, (text) => {
        const once = relaxField(`Name: ${text}\r\n`);
        expect(relaxField(once)).toBe(once);
      }),
    );
  });
});

describe('bodies', () => {
  test.each([
    [' C \r\nD \t E\r\n\r\n\r\n', ' C\r\nD E\r\n', 'RFC 6376 §3.4.5'],
    ['', '', 'RFC 6376 §3.4.4: an empty body stays empty'],
    ['\r\n\r\n\r\n', '', 'nothing but blank lines'],
    [' \t\r\n \r\n', '', 'lines of white space are blank'],
    ['a', 'a\r\n', 'a last line without its end'],
    ['a \t', 'a\r\n', 'and with white space behind it'],
    ['\r\n\r\na\r\n', '\r\n\r\na\r\n', 'blank lines at the beginning stay'],
    ['a\r\n\r\nb\r\n', 'a\r\n\r\nb\r\n', 'and those between'],
    ['\xe4\xa0 \r\n', '\xe4\xa0\r\n', 'eight bits'],
  ])('%j is %j (%s)', (body, relaxed, _why) => {
    expect(relaxedHash(body)).toBe(hashOf(relaxed));
  });

  const text = fc.string({
    unit: fc.constantFrom('a', ' ', '\t', '\r\n', '\r\n\r\n', '.'),
    maxLength: 60,
  });

  test('however they are cut', () => {
    fc.assert(
      fc.property(text, fc.array(fc.nat(200), { maxLength: 8 }), (body, cuts) => {
        expect(relaxedHash(body, cuts)).toBe(hashOf(relaxPlainly(body)));
      }),
      { numRuns: 2_000 },
    );
  });

  test('a relaxed body has the hash of the one that it came from', () => {
    fc.assert(
      fc.property(text, (body) => {
        expect(relaxedHash(relaxPlainly(body))).toBe(relaxedHash(body));
      }),
    );
  });

  test.each([
    ['\r\n', 'blank lines at the end'],
    [' ', 'one line of spaces'],
    [' \r\n', 'blank lines with white space'],
    ['\t \r\n.\r\n', 'white space before each line end'],
    ['\r', 'carriage returns alone'],
  ])(
    'linear time and bounded memory over 16 MB of %j (%s)',
    (unit, _why) => {
      const chunk = Buffer.from(unit.repeat(Math.ceil(65_536 / unit.length)));
      const hash = createBodyHash();
      const startedAtMs = performance.now();
      const before = process.memoryUsage().arrayBuffers;
      for (let octets = 0; octets < 16_777_216; octets += chunk.length) {
        hash.update(chunk);
      }
      hash.finish();
      expect(performance.now() - startedAtMs).toBeLessThan(15_000);
      expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(64_000_000);
    },
    60_000,
  );

  test('windows of a large chunk hang together', () => {
    const body = `${'word  '.repeat(60_000)}\r\n${'x \r\n'.repeat(100_000)}\r\n`;
    expect(relaxedHash(body)).toBe(hashOf(relaxPlainly(body)));
  });
});
