/** Reports of others, as RFC 8460 has them and as they come. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { jsonExcess } from '../../../functions/protocol/tlsrpt/json-scan.ts';
import {
  type ReadReport,
  readReport,
  reportBytesMax,
} from '../../../functions/protocol/tlsrpt/read-report.ts';
import type { ReceivedReport } from '../../../functions/protocol/tlsrpt/received-report.ts';
import { parseReportTime } from '../../../functions/protocol/tlsrpt/report-time.ts';
import { companyX, googleStyle, microsoftStyle } from './received-samples.ts';

const octets = (value: unknown): Buffer =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value));

function reportOf(value: unknown): { report: ReceivedReport; deviations: readonly string[] } {
  const read = readReport(octets(value));
  if (read.kind !== 'report') {
    throw new Error(read.reason);
  }
  return read;
}

test('the sum of all that a report can claim is exact, and so can be kept', () => {
  const detail = { 'result-type': 'x', 'failed-session-count': Number.MAX_SAFE_INTEGER };
  const { report } = reportOf({
    'date-range': { 'start-datetime': '2026-11-23T00:00:00Z' },
    policies: [
      {
        policy: { 'policy-type': 'sts', 'policy-domain': 'a.example' },
        'failure-details': Array.from({ length: 10_000 }, () => detail),
      },
    ],
  });
  const [policy] = report.policies;
  expect(policy?.details).toHaveLength(10_000);
  expect(Number.isSafeInteger(policy?.failures)).toBe(true);
});

describe('by the book', () => {
  test('RFC 8460 Appendix B; its mx-host is a text, against §4.4', () => {
    const { report, deviations } = reportOf(companyX);
    expect(report).toEqual({
      organization: 'Company-X',
      contact: 'sts-reporting@company-x.example',
      submitter: 'company-x.example',
      reportId: '5065427c-23d3-47ca-b6e0-946ea0e8c4be',
      startMs: Date.parse('2016-04-01T00:00:00Z'),
      endMs: Date.parse('2016-04-01T23:59:59Z'),
      day: '2016-04-01',
      policies: [
        {
          type: 'sts',
          domain: 'company-y.example',
          strings: [
            'version: STSv1',
            'mode: testing',
            'mx: *.mail.company-y.example',
            'max_age: 86400',
          ],
          mxHosts: ['*.mail.company-y.example'],
          successes: 5_326,
          failures: 303,
          details: [
            {
              resultType: 'certificate-expired',
              sendingMtaIp: '2001:db8:abcd:0012::1',
              receivingMxHostname: 'mx1.mail.company-y.example',
              sessions: 100,
            },
            {
              resultType: 'starttls-not-supported',
              sendingMtaIp: '2001:db8:abcd:0013::1',
              receivingMxHostname: 'mx2.mail.company-y.example',
              receivingIp: '203.0.113.56',
              sessions: 200,
              additionalInformation:
                'https://reports.company-x.example/report_info?id=5065427c-23d3#StarttlsNotSupported',
            },
            {
              resultType: 'validation-failure',
              sendingMtaIp: '198.51.100.62',
              receivingIp: '203.0.113.58',
              receivingMxHostname: 'mx-backup.mail.company-y.example',
              sessions: 3,
              failureReasonCode: 'X509_V_ERR_PROXY_PATH_LENGTH_EXCEEDED',
            },
          ],
        },
      ],
    });
    expect(deviations).toEqual(['policies[0].policy.mx-host: not an array']);
  });

  test('as Google writes it', () => {
    const { report, deviations } = reportOf(googleStyle);
    expect(deviations).toEqual([]);
    expect(report).toMatchObject({ organization: 'Google Inc.', submitter: 'google.com' });
    expect(report.policies.map(({ successes }) => successes)).toEqual([12]);
  });

  test('as Microsoft writes it: dates with seven decimals and no policy lines of no policy', () => {
    const { report, deviations } = reportOf(microsoftStyle);
    expect(deviations).toEqual([]);
    expect(report).toMatchObject({ day: '2026-11-22', submitter: 'microsoft.com' });
  });
});

const base = {
  'organization-name': 'Org',
  'date-range': {
    'start-datetime': '2026-11-23T00:00:00Z',
    'end-datetime': '2026-11-23T23:59:59Z',
  },
  'contact-info': 'tls@org.example',
  'report-id': 'id-1',
  policies: [
    {
      policy: { 'policy-type': 'no-policy-found', 'policy-domain': 'a.example' },
      summary: { 'total-successful-session-count': 3, 'total-failure-session-count': 1 },
      'failure-details': [{ 'result-type': 'starttls-not-supported', 'failed-session-count': 1 }],
    },
  ],
};
const [entry] = base.policies;

/** One deviation each: what is changed, what must be noted of it, and what is read all the same. */
const deviations: readonly [string, object, string, object][] = [
  [
    'no organization: the contact speaks',
    { 'organization-name': undefined },
    'organization-name: missing',
    { organization: 'org.example' },
  ],
  [
    'a URL for a contact',
    { 'contact-info': 'https://org.example/tls' },
    'contact-info: not an address',
    { contact: 'https://org.example/tls' },
  ],
  ['a number for an id', { 'report-id': 17 }, 'report-id: not a text', { reportId: '17' }],
  [
    'one policy without an array',
    { policies: entry },
    'policies: not an array',
    { policies: [{ successes: 3 }] },
  ],
  ['no policies at all, in an array', { policies: [] }, 'policies: empty', { policies: [] }],
  [
    'dates without a zone',
    {
      'date-range': {
        'start-datetime': '2026-11-23T00:00:00',
        'end-datetime': '2026-11-23T23:59:59Z',
      },
    },
    'date-range.start-datetime: without a time zone, taken for UTC',
    { day: '2026-11-23' },
  ],
  [
    'no end',
    { 'date-range': { 'start-datetime': '2026-11-23T00:00:00Z' } },
    'date-range.end-datetime: missing',
    { day: '2026-11-23', endMs: Date.parse('2026-11-23T23:59:59Z') },
  ],
  [
    'an end before the beginning',
    {
      'date-range': {
        'start-datetime': '2026-11-23T00:00:00Z',
        'end-datetime': '2026-11-20T00:00:00Z',
      },
    },
    'date-range.end-datetime: before the beginning',
    { day: '2026-11-23' },
  ],
  [
    'a policy type that is none',
    {
      policies: [
        {
          ...entry,
          policy: {
            'policy-type': 'dane-2',
            'policy-domain': 'a.example',
            'policy-string': 'one\ntwo',
          },
        },
      ],
    },
    'policies[0].policy.policy-string: not an array',
    { policies: [{ type: 'dane-2', strings: ['one', 'two'] }] },
  ],
  [
    'no policy lines where there must be some',
    { policies: [{ ...entry, policy: { 'policy-type': 'sts', 'policy-domain': 'a.example' } }] },
    'policies[0].policy.policy-string: missing',
    { policies: [{ type: 'sts', strings: [] }] },
  ],
  [
    'a domain in U-labels',
    {
      policies: [
        {
          ...entry,
          policy: { 'policy-type': 'no-policy-found', 'policy-domain': 'Bücher.example.' },
        },
      ],
    },
    'policies[0].policy.policy-domain: not in lower-case A-labels',
    { policies: [{ domain: 'xn--bcher-kva.example' }] },
  ],
  [
    'no summary',
    { policies: [{ ...entry, summary: undefined }] },
    'policies[0].summary: missing',
    { policies: [{ successes: 0, failures: 1 }] },
  ],
  [
    'counts as texts',
    {
      policies: [
        {
          ...entry,
          summary: { 'total-successful-session-count': '3', 'total-failure-session-count': 1 },
        },
      ],
    },
    'policies[0].summary.total-successful-session-count: not a number',
    { policies: [{ successes: 3 }] },
  ],
  [
    'a count below zero',
    {
      policies: [
        {
          ...entry,
          summary: { 'total-successful-session-count': -3, 'total-failure-session-count': 1 },
        },
      ],
    },
    'policies[0].summary.total-successful-session-count: not a count',
    { policies: [{ successes: 0 }] },
  ],
  [
    'details that do not add up',
    {
      policies: [
        {
          ...entry,
          summary: { 'total-successful-session-count': 3, 'total-failure-session-count': 5 },
        },
      ],
    },
    'policies[0].failure-details: 1 sessions, the summary has 5',
    { policies: [{ failures: 5 }] },
  ],
  [
    'a failure without a type',
    { policies: [{ ...entry, 'failure-details': [{ 'failed-session-count': 1 }] }] },
    'policies[0].failure-details[0].result-type: missing',
    { policies: [{ details: [{ resultType: 'unspecified', sessions: 1 }] }] },
  ],
  [
    'a failure without a count',
    { policies: [{ ...entry, 'failure-details': [{ 'result-type': 'x' }] }] },
    'policies[0].failure-details[0].failed-session-count: missing',
    { policies: [{ details: [{ resultType: 'x', sessions: 1 }] }] },
  ],
  [
    'details that are no objects',
    { policies: [{ ...entry, 'failure-details': [7] }] },
    'policies[0].failure-details: entry 0 is not an object',
    { policies: [{ details: [] }] },
  ],
];

test.each(deviations)('%s', (_why, change, noted, expected) => {
  const { report, deviations: found } = reportOf({ ...base, ...change });
  expect(found).toContain(noted);
  expect(report).toMatchObject(expected);
});

test.each([
  ['-1', undefined],
  ['-0', 0],
  ['1.5', undefined],
  ['1e400', undefined],
  ['9007199254740993', undefined],
  ['9007199254740991', 100_000_000_000],
  ['"12"', 12],
  ['"-12"', undefined],
  ['"1e3"', undefined],
  ['true', undefined],
  ['{"valueOf":1}', undefined],
  ['null', undefined],
])('a count of %s', (written, expected) => {
  const text = JSON.stringify(base).replace(
    '"total-successful-session-count":3',
    `"total-successful-session-count":${written}`,
  );
  const [policy] = reportOf(text).report.policies;
  // What is no count is not made up for: there was no session.
  expect(Math.abs(policy?.successes ?? -1)).toBe(expected ?? 0);
});

test('without an id the same octets have the same, others another', () => {
  const { 'report-id': _id, ...rest } = base;
  const first = reportOf(rest).report.reportId;
  expect(first).toMatch(/^sha256:[0-9a-f]{64}$/);
  expect(reportOf(rest).report.reportId).toBe(first);
  expect(reportOf({ ...rest, 'organization-name': 'Other' }).report.reportId).not.toBe(first);
});

describe('what the mail around says', () => {
  const policy = { 'policy-type': 'no-policy-found' };
  const without = octets({ ...base, policies: [{ ...entry, policy }] });

  test('counts where the report does not say it (RFC 8460 §5.6)', () => {
    const read = readReport(without, { policyDomain: 'hint.example' });
    expect(read).toMatchObject({
      kind: 'report',
      report: { policies: [{ domain: 'hint.example' }] },
    });
    expect(readReport(octets(base), { policyDomain: 'hint.example' })).toMatchObject({
      report: { policies: [{ domain: 'a.example' }] },
    });
  });

  test('and where neither says it there is nothing to count under', () => {
    expect(readReport(without)).toEqual({ kind: 'unreadable', reason: 'no policies' });
  });
});

test('a policy without a domain among others is left out, and noted', () => {
  const { report, deviations: found } = reportOf({ ...base, policies: [entry, { summary: {} }] });
  expect(report.policies.length).toBe(1);
  expect(found).toContain('policies[1]: no policy-domain, left out');
});

test.each([
  ['nothing', '', 'not JSON'],
  ['half of it', JSON.stringify(base).slice(0, 200), 'not JSON'],
  ['an array', [base], 'not a JSON object'],
  ['null', 'null', 'not a JSON object'],
  ['no day to count under', { ...base, 'date-range': undefined }, 'no date-range that can be read'],
  [
    'a day that is none',
    { ...base, 'date-range': { 'start-datetime': 'yesterday' } },
    'no date-range that can be read',
  ],
  ['no policies', { ...base, policies: undefined }, 'no policies'],
  ['policies that are none', { ...base, policies: 7 }, 'no policies'],
  ['a million entries', `[${'[],'.repeat(1_000_000)}[]]`, 'more than 200000 values'],
  [
    'a million details',
    JSON.stringify(base).replace('"failure-details":[', `$&${'{},'.repeat(1_000_000)}`),
    'more than 200000 values',
  ],
  ['a tower', '['.repeat(100_000), 'deeper than 10'],
  [
    'ten megabytes and one octet',
    ' '.repeat(reportBytesMax + 1),
    `${reportBytesMax + 1} octets, ${reportBytesMax} are read`,
  ],
])('%s: refused with a reason', (_what, value, reason) => {
  expect(readReport(octets(value))).toEqual({ kind: 'unreadable', reason });
});

test('a huge text is refused before anything is made of it', () => {
  const text = Buffer.from(`[${'{},'.repeat(3_000_000)}{}]`);
  const before = process.memoryUsage().heapUsed;
  expect(jsonExcess(text, { valuesMax: 200_000, depthMax: 10 })).toBe('more than 200000 values');
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(5_000_000);
});

test.each([
  ['{"a":"[[[[[[{{{,,,,,,"}', undefined],
  ['{"a":"\\"[[[[[","b":[1]}', undefined],
  ['[[1,2]]', undefined],
  ['[[[1]]]', 'deeper than 2'],
  ['[1,2,3,4,5,6,7,8,9]', 'more than 8 values'],
  ['"never closed [[[', undefined],
])('%s: counts what is outside of texts', (text, expected) => {
  expect(jsonExcess(Buffer.from(text), { valuesMax: 8, depthMax: 2 })).toBe(expected);
});

test('hostile texts are cut, well-formed, and take no part in anything', () => {
  const { report, deviations: found } = reportOf(
    `{"__proto__":{"policies":1},"constructor":1,${JSON.stringify({
      ...base,
      'organization-name': `<script>${'x'.repeat(199 - 8)}\u{1f600}`,
      'report-id': 'y'.repeat(10_000),
    }).slice(1)}`,
  );
  expect(report.organization.length).toBe(200);
  expect(report.organization.isWellFormed()).toBe(true);
  expect(report.reportId.length).toBe(500);
  expect(found).toContain('report-id: 10000 chars, cut to 500');
  expect(({} as { policies?: unknown }).policies).toBeUndefined();
});

test('too many policies and details are cut, and the deviations stay few', () => {
  const many = Array.from({ length: 1_200 }, () => ({ ...entry, 'failure-details': [{}, {}] }));
  const { report, deviations: found } = reportOf({ ...base, policies: many });
  expect(report.policies.length).toBe(1_000);
  expect(found).toContain('policies: 1200 entries, 1000 are read');
  expect(found.length).toBe(50);
});

test.each([
  ['2026-11-23T00:00:00Z', '2026-11-23T00:00:00.000Z', undefined],
  ['2026-11-23t00:00:00z', '2026-11-23T00:00:00.000Z', undefined],
  ['2026-11-23T00:00:00.1234567Z', '2026-11-23T00:00:00.123Z', undefined],
  ['2026-11-23T02:00:00+02:00', '2026-11-23T00:00:00.000Z', undefined],
  ['2026-11-23T02:00:00+0200', '2026-11-23T00:00:00.000Z', 'not as RFC 3339 writes it'],
  ['2026-11-23 00:00:00Z', '2026-11-23T00:00:00.000Z', 'not as RFC 3339 writes it'],
  ['2026-11-23 00:00:00 UTC', '2026-11-23T00:00:00.000Z', 'not as RFC 3339 writes it'],
  ['2026-11-23T00:00Z', '2026-11-23T00:00:00.000Z', 'not as RFC 3339 writes it'],
  ['2026-11-23T00:00:00', '2026-11-23T00:00:00.000Z', 'without a time zone, taken for UTC'],
  ['2026-11-23', '2026-11-23T00:00:00.000Z', 'without a time zone, taken for UTC'],
  [1_795_392_000, '2026-11-23T00:00:00.000Z', 'seconds of an epoch, not a date-time'],
  ['1795392000', '2026-11-23T00:00:00.000Z', 'seconds of an epoch, not a date-time'],
  ['2026-02-31T25:00:00Z', undefined, undefined],
  ['0001-01-01T00:00:00Z', undefined, undefined],
  ['23.11.2026', undefined, undefined],
  [Number.NaN, undefined, undefined],
  [null, undefined, undefined],
])('the moment %j', (written, expected, deviation) => {
  const time = parseReportTime(written);
  expect(time && new Date(time.ms).toISOString()).toBe(expected);
  expect(time?.deviation).toBe(deviation);
});

test.each([
  ['2026-11-23T00:00:00Z', '2026-11-24T00:00:00Z', '2026-11-23'],
  ['2026-11-22T17:00:00-07:00', '2026-11-23T17:00:00-07:00', '2026-11-23'],
  ['2026-11-23T08:00:00Z', '2026-11-24T07:59:59Z', '2026-11-23'],
  ['2026-11-23T13:00:00Z', '2026-11-24T12:59:59Z', '2026-11-24'],
  ['2026-11-23T00:00:00Z', '2026-12-23T00:00:00Z', '2026-11-23'],
])('%s to %s is of %s', (start, end, day) => {
  const range = { 'start-datetime': start, 'end-datetime': end };
  expect(reportOf({ ...base, 'date-range': range }).report.day).toBe(day);
});

test('whatever comes: a report or a reason, and every count is one', () => {
  const counts = (read: ReadReport): readonly number[] =>
    read.kind === 'unreadable'
      ? []
      : read.report.policies.flatMap(({ successes, failures, details }) => [
          successes,
          failures,
          ...details.map(({ sessions }) => sessions),
        ]);
  const field = fc.oneof(fc.jsonValue({ maxDepth: 3 }), fc.constant(undefined));
  const anything = fc.record({
    'organization-name': field,
    'date-range': fc.oneof(field, fc.constant(base['date-range'])),
    'contact-info': field,
    'report-id': field,
    policies: fc.oneof(
      field,
      fc.array(
        fc.record({
          policy: fc.oneof(field, fc.constant(entry?.policy)),
          summary: fc.oneof(field, fc.record({ 'total-successful-session-count': field })),
          'failure-details': fc.oneof(
            field,
            fc.array(fc.record({ 'failed-session-count': field })),
          ),
        }),
      ),
    ),
  });
  fc.assert(
    fc.property(anything, (value) => {
      const read = readReport(octets(value));
      expect(counts(read).every((count) => Number.isSafeInteger(count) && count >= 0)).toBe(true);
    }),
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (random) => {
      expect(['report', 'unreadable']).toContain(readReport(random).kind);
    }),
  );
});
