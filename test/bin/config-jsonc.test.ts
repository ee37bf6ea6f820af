import { describe, expect, test } from 'vitest';
import { parseJsonc } from '../../bin/config/jsonc.ts';

describe('parseJsonc', () => {
  test.each<[string, unknown, string]>([
    ['{"a": 1}', { a: 1 }, 'plain JSON'],
    ['// x\n{"a": 1 // y\n}', { a: 1 }, 'line comments'],
    ['{/* x\n y */"a": 1}', { a: 1 }, 'block comment over lines'],
    ['{"a": [1, 2,], }', { a: [1, 2] }, 'a comma behind the last entry'],
    ['{"a": [1, /* x */ ], // y\n}', { a: [1] }, 'a comma with comments behind it'],
    ['{"a": "https://b/ /* c */ ,]"}', { a: 'https://b/ /* c */ ,]' }, 'all of it within a string'],
    ['{"a": "\\"// b", "c": 1}', { a: '"// b', c: 1 }, 'an escaped quote does not end a string'],
    ['{"a": "\\\\"} // "', { a: '\\' }, 'an escaped backslash does not keep one open'],
  ])('%s', (text, value) => {
    expect(parseJsonc(text)).toEqual(value);
  });

  test.each([
    ['', 'nothing'],
    ['{,}', 'a comma without an entry'],
    ['[1,,]', 'two commas'],
    ['{"a": 1} /* x', 'a comment without an end'],
    ['{"a": "b\n"}', 'a string over two lines'],
    ["{'a': 1}", 'single quotes'],
  ])('refuses %j: %s', (text) => {
    expect(() => parseJsonc(text)).toThrow(SyntaxError);
  });

  test('an error is found where it stands in the file, comments and all', () => {
    const text = '{\n  /* one\n     two */ "a": 1 "b"\n}';
    expect(() => parseJsonc(text)).toThrow(/line 3 column 20/);
  });
});
