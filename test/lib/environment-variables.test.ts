import { Aws } from 'aws-cdk-lib';
import { describe, expect, test } from 'vitest';
import { encodeEnvironment, explainOversize } from '../../lib/environment-variables.ts';

describe('encodeEnvironment', () => {
  test('strings as they are, the rest as JSON', () => {
    expect(encodeEnvironment({ A: 'x', B: { c: [1] }, D: false })).toEqual({
      A: 'x',
      B: '{"c":[1]}',
      D: 'false',
    });
  });
});

describe('explainOversize', () => {
  const room = 4_096 - JSON.stringify({ A: '' }).length;

  test.each<[Record<string, string>, string]>([
    [{ A: 'x'.repeat(room) }, 'exactly what Lambda takes'],
    [
      { A: `${'x'.repeat(3_900)}`, B: Aws.STACK_NAME },
      'with room for a name that is not known yet',
    ],
  ])('%#: fits, %s', (variables) => {
    expect(explainOversize(variables)).toBeUndefined();
  });

  test.each<[Record<string, string>, RegExp, string]>([
    [{ A: 'x'.repeat(room + 1) }, /4097 bytes and Lambda allows 4096. A takes 4097/, 'a byte over'],
    [{ A: 'é'.repeat(room / 2 + 1) }, /Lambda allows 4096/, 'bytes count, not characters'],
    [{ A: '"'.repeat(room / 2 + 1) }, /Lambda allows 4096/, 'as JSON, where a quote takes two'],
    [{ A: 'x'.repeat(3_950), B: Aws.STACK_NAME }, /A takes 3958/, 'no room for a name to come'],
    [{ A: 'x', B: 'y'.repeat(5_000) }, /B takes 5008 of them/, 'the largest is named'],
  ])('%#: does not fit, %s', (variables, explanation) => {
    expect(explainOversize(variables)).toMatch(explanation);
  });
});
