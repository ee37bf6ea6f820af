import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fieldValues, readHeaderFields } from '../../../functions/protocol/message/header.ts';

const bytes = (text: string): Uint8Array => Buffer.from(text, 'latin1');

describe('readHeaderFields', () => {
  test.each([
    ['Subject: a\r\nTo: b\r\n\r\nX: body\r\n', ['Subject=a', 'To=b'], 'the empty line ends it'],
    ['Subject: a\nTo: b\n\nX: body\n', ['Subject=a', 'To=b'], 'LF alone, as on Unix disks'],
    ['A: one\r\n two\r\n\tthree\r\n\r\n', ['A=one two\tthree'], 'unfolded, RFC 5322 §2.2.3'],
    ['A : spaced\r\n\r\n', ['A=spaced'], 'obsolete syntax, RFC 5322 §4.5'],
    ['A:\r\n\r\n', ['A='], 'an empty value'],
    ['A: 1\r\nnot a field\r\nB: 2\r\n\r\n', ['A=1'], 'what is no field ends the header'],
    [' folded: nothing\r\nA: 1\r\n', [], 'a continuation of nothing'],
    ['\r\nA: body\r\n', [], 'no header at all'],
    ['', [], 'nothing'],
    ['A: no end', ['A=no end'], 'no line end'],
    ['A: caf\xe9\r\n\r\n', ['A=caf\xe9'], 'octets stay octets'],
  ])('%j gives %j: %s', (text, expected) => {
    const fields = readHeaderFields(bytes(text));
    expect(fields.map(({ name, value }) => `${name}=${value}`)).toEqual(expected);
  });

  test('a 64 KB line is read whole, and a megabyte of header is enough', () => {
    const long = 'x'.repeat(65_536);
    expect(readHeaderFields(bytes(`A: ${long}\r\n\r\n`))[0]?.value).toBe(long);
    const endless = `${'A: 1\r\n'.repeat(300_000)}Last: field\r\n`;
    expect(fieldValues(readHeaderFields(bytes(endless)), 'Last')).toEqual([]);
  });

  test('never throws', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 500 }), (content) => {
        readHeaderFields(content);
      }),
    );
  });
});

test('field names are compared without case, and all fields of a name are given', () => {
  const fields = readHeaderFields(bytes('TLS-REQUIRED: No\r\nx: y\r\ntls-required: yes\r\n\r\n'));
  expect(fieldValues(fields, 'TLS-Required')).toEqual(['No', 'yes']);
});
