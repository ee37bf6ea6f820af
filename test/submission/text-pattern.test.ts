import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { TextPattern } from '../../functions/environment.ts';
import { compilePattern, patternFault } from '../../functions/submission/text-pattern.ts';

test.each<[TextPattern, string, 'yes' | 'no', string]>([
  [{ equals: 'Alice@X.example' }, 'alice@x.EXAMPLE', 'yes', 'without case'],
  [{ equals: 'alice' }, 'alice2', 'no', 'whole'],
  [{ equals: '' }, '', 'yes', 'the null reverse-path'],
  [{ equals: 'a*' }, 'ab', 'no', 'a star is a star'],
  [{ glob: '*@x.example' }, 'Bob@X.example', 'yes', 'a domain'],
  [{ glob: '*@x.example' }, 'bob@x.example.org', 'no', 'whole'],
  [{ glob: '*@x.example' }, 'bob@xaexample', 'no', 'a dot is a dot'],
  [{ glob: 'a?c' }, 'abc', 'yes', 'one character'],
  [{ glob: 'a?c' }, 'ac', 'no', 'not none'],
  [{ glob: 'a*b*c' }, 'aXbXbXc', 'yes', 'going back to the last star'],
  [{ glob: '*' }, '', 'yes', 'anything is nothing too'],
  [{ glob: '?' }, '\u{1f600}', 'yes', 'a character beyond the first plane is one'],
  [{ regex: '(hr|legal)@.*' }, 'HR@x.example', 'yes', 'without case'],
  [{ regex: 'hr' }, 'hr@x.example', 'no', 'whole'],
  [{ regex: 'a.b' }, 'a\nb', 'yes', 'a dot is any character'],
  [{ regex: '.*\\[secure\\].*' }, 'Re: [Secure] offer', 'yes', 'brackets'],
])('%j, %j: %s (%s)', (pattern, text, verdict, _why) => {
  expect(compilePattern(pattern)(text)).toBe(verdict);
});

test.each<[TextPattern, RegExp | undefined, string]>([
  [{ regex: '(' }, /not an RE2 expression/, 'no expression'],
  [
    { regex: '(a)\\1' },
    /not an RE2 expression/,
    'a back-reference cannot be matched in linear time',
  ],
  [{ regex: '(?=a)b' }, /not an RE2 expression/, 'nor can looking ahead'],
  [{ regex: '((a{100}){100}){100}' }, /not an RE2 expression/, 'repeats of repeats'],
  [{ regex: '(?:x{1000})'.repeat(40) }, /too large.*instructions/, 'repeats beside repeats'],
  [{ regex: '(a+)+$' }, undefined, 'nothing to fear of it in RE2'],
  [{ glob: '***(' }, undefined, 'a glob is never wrong'],
])('%j: %s (%s)', (pattern, fault, _why) => {
  if (fault === undefined) {
    expect(patternFault(pattern)).toBeUndefined();
  } else {
    expect(patternFault(pattern)).toMatch(fault);
  }
});

describe('time', () => {
  test.each<[TextPattern, string]>([
    [{ regex: '(a+)+$' }, 'nested quantifiers'],
    [{ regex: '(a|a)*b' }, 'alternatives that overlap'],
    [{ regex: '(x+x+)+y' }, 'the classic of catastrophes'],
    [{ regex: '(.*)*(.*)*(.*)*=' }, 'wildcards of wildcards'],
    [{ regex: '(\\pL?){90}\\pL{90}' }, 'as large as may be'],
    [{ glob: '*a'.repeat(250) }, 'stars'],
    [{ glob: `${'*a'.repeat(249)}b` }, 'stars that never match'],
  ])(
    '%j is bounded (%s)',
    (pattern, _why) => {
      const compare = compilePattern(pattern);
      const startedAtMs = performance.now();
      for (const text of ['a'.repeat(4_096), `${'x'.repeat(4_095)}!`, 'ab'.repeat(2_048)]) {
        compare(text);
      }
      expect(performance.now() - startedAtMs).toBeLessThan(10_000);
    },
    30_000,
  );

  test('a text that is too long is in doubt', () => {
    const compare = compilePattern({ glob: '*' });
    expect(compare('a'.repeat(4_096))).toBe('yes');
    expect(compare('a'.repeat(4_097))).toBe('in-doubt');
  });
});

test('a glob matches as the expression does that it stands for', () => {
  const unit = fc.constantFrom('a', 'b', '*', '?');
  const text = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 12 });
  fc.assert(
    fc.property(fc.string({ unit, maxLength: 8 }), text, (glob, value) => {
      const regex = `^${glob.replaceAll('*', '.*').replaceAll('?', '.')}$`;
      const expected = new RegExp(regex, 's').test(value) ? 'yes' : 'no';
      expect(compilePattern({ glob })(value)).toBe(expected);
    }),
    { numRuns: 1_000 },
  );
});
