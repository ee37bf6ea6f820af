import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { TransportSecurityError } from '../../../functions/protocol/errors.ts';
import {
  formatStsRecord,
  parseStsRecord,
  selectStsRecord,
  stsRecordName,
} from '../../../functions/protocol/mta-sts/record.ts';

describe('parseStsRecord', () => {
  test.each([
    ['v=STSv1; id=20160831085700Z;', '20160831085700Z', 'RFC 8461 §3.1'],
    ['v=STSv1;id=a', 'a', 'no white space, no semicolon at the end'],
    ['v=STSv1 \t; \t id=a \t; ', 'a', 'white space around each delimiter'],
    ['v=STSv1; more=1; id=a; ext-2._=!<>~', 'a', 'unknown fields, before and after'],
    [`v=STSv1; id=${'0123456789abcdefABCDEF0123456789'}`, '0123456789abcdefABCDEF0123456789', '32'],
    ['v=STSv1; id=first; id=second', 'first', 'the first of two counts'],
    ['v=STSv1; id=a; id=not-an-id!', 'a', 'what follows the first is not judged'],
    ['v=STSv1; id=a; v=STSv2', 'a', 'a second v is an extension'],
    ['v=STSv1; ID=b; id=a', 'a', 'names are case-sensitive: ID is another field'],
  ])('%j gives %s: %s', (text, id) => {
    expect(parseStsRecord(text)).toEqual({ id });
  });

  test.each([
    ['', 'empty'],
    ['v=STSv1', 'no field at all'],
    ['v=STSv1;', 'no id'],
    ['v=STSv1; more=1', 'no id among the fields'],
    ['v=STSv2; id=a', 'another version'],
    ['v=STSv10; id=a', 'a longer version'],
    ['V=STSv1; id=a', 'the version is case-sensitive'],
    ['v=stsv1; id=a', 'the version is case-sensitive'],
    ['id=a; v=STSv1', 'the version is not first'],
    [' v=STSv1; id=a', 'white space before the version'],
    ['v = STSv1; id=a', 'white space within the version'],
    ['v=STSv1; id=', 'empty id'],
    ['v=STSv1; id=a-b', 'a hyphen in the id'],
    [`v=STSv1; id=${'a'.repeat(33)}`, '33 characters'],
    ['v=STSv1; id=a-b; id=ab', 'the first id counts, and it is none'],
    ['v=STSv1; id = a', 'white space around ='],
    ['v=STSv1; id=a ', 'white space at the end without a semicolon'],
    ['v=STSv1; id=a;;', 'an empty field'],
    ['v=STSv1;; id=a', 'an empty field in front'],
    ['v=STSv1; id=a; flag', 'a field without value'],
    ['v=STSv1; id=a; more=', 'a field with an empty value'],
    ['v=STSv1; id=a; more=x=y', '= in a value'],
    ['v=STSv1; id=a; more=x y', 'a space in a value'],
    ['v=STSv1; id=a; _more=x', 'a name that begins with an underscore'],
    [`v=STSv1; id=a; ${'n'.repeat(33)}=x`, 'a name of 33 characters'],
    ['v=STSv1; id=a; more=\u00e9', 'not US-ASCII'],
    ['v=STSv1; id=a\u0000', 'a control character'],
    ['v=STSv1;\nid=a', 'a line feed is no white space here'],
  ])('%j is no record: %s', (text) => {
    expect(() => parseStsRecord(text)).toThrow(TransportSecurityError);
  });

  test('only ever throws its own error, whatever the text', () => {
    const nearly = fc
      .array(
        fc.oneof(
          fc.constantFrom('v=STSv1', 'id=', 'id=a', ';', ' ', '\t', '=', 'x=1', '\0'),
          fc.string(),
        ),
      )
      .map((parts) => parts.join(''));
    fc.assert(
      fc.property(fc.oneof(nearly, fc.string({ unit: 'binary' })), (text) => {
        try {
          expect(parseStsRecord(text).id).toMatch(/^[A-Za-z0-9]{1,32}$/);
        } catch (error) {
          expect(error).toBeInstanceOf(TransportSecurityError);
        }
      }),
    );
  });

  test('a record of 64 KiB of blanks is refused in no time', () => {
    const startedAt = performance.now();
    expect(() => parseStsRecord(`v=STSv1;${' '.repeat(65_000)}!`)).toThrow('not a field');
    expect(performance.now() - startedAt).toBeLessThan(500);
  });
});

describe('selectStsRecord', () => {
  test.each([
    [['v=STSv1; id=a;'], 'a', 'one'],
    [['v=spf1 -all', 'v=STSv1; id=a;', 'google-site-verification=x'], 'a', 'one among others'],
    [['v=STSv1 ; id=a;'], 'a', 'alone, it only has to fit the grammar'],
    [['v=STSv1 ; id=b;', 'v=STSv1; id=a;'], 'a', 'among several the filter is literal'],
    [['v=STSv2; id=b;', 'v=STSv1; id=a;'], 'a', 'another version is filtered out'],
  ])('%j selects %s: %s', (texts, id) => {
    expect(selectStsRecord(texts)).toEqual({ kind: 'record', record: { id } });
  });

  test.each([
    [[], /no TXT record/, 'nothing there'],
    [['v=spf1 -all'], /does not begin/, 'only another kind of record'],
    [['v=spf1 -all', 'v=STSv1x; id=a'], /no TXT record/, 'several, none of them ours'],
    [['v=STSv1; id=a', 'v=STSv1; id=b'], /2 TXT records/, 'two'],
    [['v=STSv1; id=a', 'v=STSv1; id=a'], /2 TXT records/, 'two, though alike'],
    [
      ['v=STSv1; id=a', 'v=STSv1; broken'],
      /2 TXT records/,
      'counted before their syntax is looked at',
    ],
    [['v=STSv1; broken'], /not a field/, 'one, malformed'],
  ])('%j selects none: %s %s', (texts, reason) => {
    expect(selectStsRecord(texts)).toEqual({ kind: 'none', reason: expect.stringMatching(reason) });
  });
});

describe('formatStsRecord', () => {
  test('gives the form of RFC 8461 §3.1', () => {
    expect(formatStsRecord({ id: '20160831085700Z' })).toBe('v=STSv1; id=20160831085700Z;');
    expect(stsRecordName('example.com')).toBe('_mta-sts.example.com');
  });

  test('is undone by parseStsRecord', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[A-Za-z0-9]{1,32}$/), (id) => {
        expect(parseStsRecord(formatStsRecord({ id }))).toEqual({ id });
      }),
    );
  });

  test.each(['', 'a b', 'a;b', 'a'.repeat(33)])('refuses the id %j: a bug of ours', (id) => {
    expect(() => formatStsRecord({ id })).toThrow(RangeError);
  });
});
