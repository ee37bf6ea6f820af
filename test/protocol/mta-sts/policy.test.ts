import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { TransportSecurityError } from '../../../functions/protocol/errors.ts';
import { mxMatches } from '../../../functions/protocol/mta-sts/mx.ts';
import {
  formatPolicy,
  maxAgeSecondsMax,
  parsePolicy,
  policyHostName,
  type StsPolicy,
} from '../../../functions/protocol/mta-sts/policy.ts';
import { policyId } from '../../../functions/protocol/mta-sts/policy-id.ts';

/** A policy file whose lines after the first are given. */
function file(...lines: string[]): string {
  return ['version: STSv1', ...lines].join('\n');
}

describe('parsePolicy', () => {
  test.each<[string, string, StsPolicy]>([
    [
      'the policy of RFC 8461 §3.2',
      'version: STSv1\r\nmode: enforce\r\nmx: mail.example.com\r\nmx: *.example.net\r\nmx: backupmx.example.com\r\nmax_age: 604800\r\n',
      {
        mode: 'enforce',
        mx: ['mail.example.com', '*.example.net', 'backupmx.example.com'],
        maxAgeSeconds: 604_800,
      },
    ],
    [
      'the policy of RFC 8461 appendix A, in LF lines without the last',
      'version: STSv1\nmode: testing\nmx: mx1.example.com\nmx: mx2.example.com\nmx: mx.backup-example.com\nmax_age: 1296000',
      {
        mode: 'testing',
        mx: ['mx1.example.com', 'mx2.example.com', 'mx.backup-example.com'],
        maxAgeSeconds: 1_296_000,
      },
    ],
    [
      'white space after the colon and at the end of a line, or none',
      'version:STSv1 \r\nmode:\t enforce\t\nmx:a.example\nmax_age:  1  ',
      { mode: 'enforce', mx: ['a.example'], maxAgeSeconds: 1 },
    ],
    [
      'fields in any order',
      'max_age: 5\nmx: a.example\nmode: testing\nversion: STSv1\n',
      { mode: 'testing', mx: ['a.example'], maxAgeSeconds: 5 },
    ],
    [
      'mode none without mx',
      file('mode: none', 'max_age: 86400'),
      { mode: 'none', mx: [], maxAgeSeconds: 86_400 },
    ],
    [
      'mode none with mx',
      file('mode: none', 'mx: a.example', 'max_age: 1'),
      { mode: 'none', mx: ['a.example'], maxAgeSeconds: 1 },
    ],
    [
      'the least max_age',
      file('mode: none', 'max_age: 0'),
      { mode: 'none', mx: [], maxAgeSeconds: 0 },
    ],
    [
      'the greatest max_age, kept as it is',
      file('mode: none', 'max_age: 31557600'),
      { mode: 'none', mx: [], maxAgeSeconds: 31_557_600 },
    ],
    [
      'max_age with leading zeros, ten digits in all',
      file('mode: none', 'max_age: 0000000060'),
      { mode: 'none', mx: [], maxAgeSeconds: 60 },
    ],
    [
      'the first of duplicates, and no look at the others',
      file(
        'mode: enforce',
        'mode: none',
        'mode: ?',
        'mx: a.example',
        'max_age: 7',
        'max_age: x',
      ).concat('\nversion: STSv2'),
      { mode: 'enforce', mx: ['a.example'], maxAgeSeconds: 7 },
    ],
    [
      'unknown fields, UTF-8 and empty values among them',
      file('mode: none', 'max_age: 1', 'x-note: Grüße: an alle', 'more.1_:', 'Mode: enforce'),
      { mode: 'none', mx: [], maxAgeSeconds: 1 },
    ],
    [
      'lines without a colon',
      file('', '# a remark', 'mode: enforce', '', 'mx: a.example', 'max_age: 1', '', ''),
      { mode: 'enforce', mx: ['a.example'], maxAgeSeconds: 1 },
    ],
    [
      'host names in any case',
      file('mode: enforce', 'mx: MAIL.Example.COM', 'mx: *.XN--BCHER-KVA.example', 'max_age: 1'),
      {
        mode: 'enforce',
        mx: ['mail.example.com', '*.xn--bcher-kva.example'],
        maxAgeSeconds: 1,
      },
    ],
  ])('reads %s', (_, text, policy) => {
    expect(parsePolicy(text)).toEqual(policy);
  });

  test.each([
    ['', 'nothing'],
    ['mode: none\nmax_age: 1', 'no version'],
    ['version: STSv2\nmode: none\nmax_age: 1', 'another version'],
    ['version: stsv1\nmode: none\nmax_age: 1', 'the version is case-sensitive'],
    ['version: STSv2\nversion: STSv1\nmode: none\nmax_age: 1', 'the first version counts'],
    ['Version: STSv1\nmode: none\nmax_age: 1', 'names are case-sensitive'],
    [file('max_age: 1'), 'no mode'],
    [file('mode: Enforce', 'mx: a.example', 'max_age: 1'), 'the mode is case-sensitive'],
    [file('mode: report', 'mx: a.example', 'max_age: 1'), 'an unknown mode'],
    [file('mode: none'), 'no max_age'],
    [file('mode: none', 'max_age:'), 'an empty max_age'],
    [file('mode: none', 'max_age: -1'), 'a negative max_age'],
    [file('mode: none', 'max_age: 1.5'), 'a fraction'],
    [file('mode: none', 'max_age: 1e3'), 'an exponent'],
    [file('mode: none', 'max_age: 0x10'), 'a hexadecimal number'],
    [file('mode: none', 'max_age: 31557601'), 'a max_age beyond the greatest'],
    [file('mode: none', 'max_age: 00000000060'), 'eleven digits'],
    [file('mode: enforce', 'max_age: 1'), 'enforce without mx'],
    [file('mode: testing', 'max_age: 1'), 'testing without mx'],
    [file('mode: enforce', 'nmx: a.example', 'max_age: 1'), 'enforce with a misspelt mx only'],
    [file('mode : enforce', 'mx: a.example', 'max_age: 1'), 'white space before a colon'],
    [file(' mode: enforce', 'mx: a.example', 'max_age: 1'), 'white space before a name'],
    [file('mode: none', 'max_age: 1', '_x: 1'), 'a name that begins with an underscore'],
    [file('mode: none', 'max_age: 1', `${'n'.repeat(33)}: 1`), 'a name of 33 characters'],
    [file('mode: none', 'max_age: 1', '<meta http-equiv="a:b">'), 'markup with a colon in it'],
    ['\ufeffversion: STSv1\nmode: none\nmax_age: 1', 'a byte order mark'],
    ['version: STSv1\rmode: none\rmax_age: 1', 'lines that end in CR'],
    [file('mode: none\0', 'max_age: 1'), 'a NUL'],
    [file('mode: none', 'max_age: 1', 'x: \x07'), 'a control character in an unknown field'],
    [file('mode: none', 'max_age: 1', 'x: \x7f'), 'DEL'],
    ['version: STSv1; mode: none; max_age: 1', 'all in one line'],
    [`${file('mode: none', 'max_age: 1')}\n${'x'.repeat(65_536)}`, 'more than 64 KiB'],
  ])('%j is no policy: %s', (text) => {
    expect(() => parsePolicy(text)).toThrow(
      expect.objectContaining({ name: 'TransportSecurityError', code: 'sts-policy-invalid' }),
    );
  });

  test.each([
    ['*', 'a lone asterisk'],
    ['*.', 'nothing behind the wildcard'],
    ['.example.com', 'an empty label'],
    ['a..example.com', 'an empty label within'],
    ['a.example.com.', 'a dot at the end'],
    ['*.*.example.com', 'two wildcards'],
    ['**.example.com', 'a doubled wildcard'],
    ['mail*.example.com', 'a wildcard for a part of a label'],
    ['mail.*.com', 'a wildcard not in front'],
    ['*example.com', 'a wildcard without a dot'],
    ['m\u00fcx.example', 'a U-label'],
    ['mail_1.example.com', 'an underscore'],
    ['-mail.example.com', 'a hyphen in front'],
    ['mail-.example.com', 'a hyphen behind'],
    ['a.example, b.example', 'two hosts in one field'],
    ['a.example b.example', 'a space'],
    ['https://a.example', 'a URL'],
    ['a.example:25', 'a port'],
    ['[192.0.2.1]', 'an address literal'],
    ['192.0.2.1', 'an address'],
    [`${'a'.repeat(64)}.example`, 'a label of 64'],
    [`${'a.'.repeat(126)}ab`, 'a name of 254'],
    ['', 'empty'],
  ])('mx: %s is no pattern: %s', (pattern) => {
    const text = file('mode: enforce', `mx: ${pattern}`, 'mx: good.example', 'max_age: 1');
    expect(() => parsePolicy(text)).toThrow(/not an mx pattern/);
  });

  test('only ever throws its own error, whatever the text', () => {
    const nearly = fc
      .array(
        fc.oneof(
          fc.constantFrom('version: STSv1', 'mode: enforce', 'mode: none', 'max_age: 1', 'mx: a.b'),
          fc.constantFrom('mx: *.a', ':', '\r', '\n', ' ', '\ufeff', 'mx:'),
          fc.string(),
        ),
      )
      .map((parts) => parts.join('\n'));
    fc.assert(
      fc.property(fc.oneof(nearly, fc.string({ unit: 'binary' })), (text) => {
        try {
          const policy = parsePolicy(text);
          expect(policy.maxAgeSeconds).toBeLessThanOrEqual(maxAgeSecondsMax);
          expect(policy.mode === 'none' || policy.mx.length > 0).toBe(true);
        } catch (error) {
          expect(error).toBeInstanceOf(TransportSecurityError);
        }
      }),
    );
  });

  test.each([
    `version: STSv1\nmode: none\nmax_age: 1${' '.repeat(65_000)}1`,
    `${'\n'.repeat(65_000)}`,
    `${'a:'.repeat(32_000)}`,
    `version: STSv1\nmode: enforce\n${'mx: a\n'.repeat(10_000)}max_age: 1`,
  ])('64 KiB of repetition are read or refused in no time', (text) => {
    const startedAt = performance.now();
    try {
      parsePolicy(text);
    } catch (error) {
      expect(error).toBeInstanceOf(TransportSecurityError);
    }
    expect(performance.now() - startedAt).toBeLessThan(1000);
  });
});

const label = fc.stringMatching(/^[a-z](?:[a-z0-9-]{0,8}[a-z0-9])?$/);
const hostName = fc.array(label, { minLength: 1, maxLength: 4 }).map((labels) => labels.join('.'));
const pattern = fc.tuple(fc.constantFrom('', '*.'), hostName).map((parts) => parts.join(''));
const anyPolicy: fc.Arbitrary<StsPolicy> = fc.record({
  mode: fc.constantFrom('enforce', 'testing', 'none'),
  mx: fc.array(pattern, { minLength: 1, maxLength: 5 }),
  maxAgeSeconds: fc.integer({ min: 0, max: maxAgeSecondsMax }),
});

describe('formatPolicy', () => {
  test('ends each line in CRLF', () => {
    const policy: StsPolicy = {
      mode: 'enforce',
      mx: ['a.example', '*.b.example'],
      maxAgeSeconds: 1,
    };
    expect(formatPolicy(policy)).toBe(
      'version: STSv1\r\nmode: enforce\r\nmx: a.example\r\nmx: *.b.example\r\nmax_age: 1\r\n',
    );
  });

  test('is undone by parsePolicy', () => {
    fc.assert(
      fc.property(anyPolicy, (policy) => {
        expect(parsePolicy(formatPolicy(policy))).toEqual(policy);
      }),
    );
  });
});

describe('policyId', () => {
  const policy: StsPolicy = { mode: 'enforce', mx: ['a.example'], maxAgeSeconds: 604_800 };

  test('is the same for the same policy, today and tomorrow', () => {
    expect(policyId(policy)).toBe('d7c52bc092f5ec50d4d945498d637cf6');
    expect(policyId({ ...policy })).toBe(policyId(policy));
  });

  test.each<[Partial<StsPolicy>, string]>([
    [{ mode: 'testing' }, 'another mode'],
    [{ mx: ['b.example'] }, 'another host'],
    [{ mx: ['*.example'] }, 'a wildcard'],
    [{ mx: ['a.example', 'b.example'] }, 'one host more'],
    [{ maxAgeSeconds: 604_801 }, 'a second more'],
  ])('differs for %j: %s', (change) => {
    expect(policyId({ ...policy, ...change })).not.toBe(policyId(policy));
  });

  test('is always 1 to 32 letters and digits', () => {
    fc.assert(
      fc.property(anyPolicy, (any) => {
        expect(policyId(any)).toMatch(/^[A-Za-z0-9]{1,32}$/);
      }),
    );
  });
});

describe('mxMatches', () => {
  test.each([
    ['mail.example.com', ['*.example.com'], true, 'RFC 8461 §4.1'],
    ['example.com', ['*.example.com'], false, 'RFC 8461 §4.1: the bare domain'],
    ['foo.bar.example.com', ['*.example.com'], false, 'RFC 8461 §4.1: two labels'],
    ['mail.example.com', ['mail.example.com'], true, 'the name itself'],
    ['mail.example.com', ['a.example', 'mail.example.com'], true, 'the second pattern'],
    ['mail.example.com', [], false, 'no pattern'],
    ['mail.example.com', ['example.com'], false, 'a parent is no pattern for its children'],
    ['example.com', ['mail.example.com'], false, 'nor the other way round'],
    ['mailexample.com', ['*.example.com'], false, 'no dot'],
    ['mail.notexample.com', ['*.example.com'], false, 'a longer name with the same end'],
    ['.example.com', ['*.example.com'], false, 'an empty label'],
    ['*.example.com', ['*.example.com'], true, 'a host so named is one label too'],
    [
      'tenant.mail.protection.outlook.com',
      ['*.mail.protection.outlook.com'],
      true,
      'Microsoft 365',
    ],
    ['a.tenant.mx.microsoft', ['*.mx.microsoft'], false, 'a name deeper than its wildcard'],
    ['localhost', ['*.localhost'], false, 'a single label'],
  ])('%s in %j is %s: %s', (host, patterns, expected) => {
    expect(mxMatches(host, patterns)).toBe(expected);
  });

  test('a wildcard takes exactly the names one label longer', () => {
    fc.assert(
      fc.property(hostName, label, label, (domain, one, two) => {
        expect(mxMatches(`${one}.${domain}`, [`*.${domain}`])).toBe(true);
        expect(mxMatches(`${two}.${one}.${domain}`, [`*.${domain}`])).toBe(false);
        expect(mxMatches(domain, [domain])).toBe(true);
      }),
    );
  });
});

test('policyHostName prepends mta-sts', () => {
  expect(policyHostName('example.com')).toBe('mta-sts.example.com');
});
