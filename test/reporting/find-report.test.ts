/** Reports in whatever mail they come, and mail that is made to do harm. */
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { reportBytesMax } from '../../functions/protocol/tlsrpt/read-report.ts';
import { findReport, mailBytesMax, unpackReport } from '../../functions/reporting/find-report.ts';
import { companyX, googleStyle } from '../protocol/tlsrpt/received-samples.ts';
import { type MailForm, mailOf } from './report-mails.ts';

const json = JSON.stringify(googleStyle);
const plain = Buffer.from(json);

/** Puts the part into a multipart of its own. */
const nested = (part: readonly string[]): readonly string[] => [
  'Content-Type: multipart/mixed; boundary="inner"',
  '',
  '--inner',
  'Content-Type: text/plain',
  '',
  'More words.',
  '--inner',
  ...part,
  '--inner--',
];

/** Puts the part into a mail that was passed on. */
const forwarded = (part: readonly string[]): readonly string[] => [
  'Content-Type: message/rfc822',
  '',
  'From: tls@org.example',
  'MIME-Version: 1.0',
  'Content-Type: multipart/report; report-type=tlsrpt; boundary="inner"',
  '',
  '--inner',
  ...part,
  '--inner--',
];

const none: readonly string[] = [];
const forms: readonly (readonly [string, MailForm, readonly string[]])[] = [
  ['RFC 8460 §5.3.1', {}, none],
  ['not compressed', { content: plain, partType: 'application/tlsrpt+json' }, none],
  [
    'compressed under the type of JSON',
    { partType: 'application/tlsrpt+json' },
    ['mail: the part is application/tlsrpt+json, not application/tlsrpt+gzip'],
  ],
  ["Google's multipart/mixed around it, as Groups pass it on", { wrap: nested }, none],
  [
    'octets of no type, by name only',
    { partType: 'application/octet-stream', fileName: 'report.json.gz' },
    ['mail: the part is application/octet-stream, not application/tlsrpt+gzip'],
  ],
  [
    'JSON by name only',
    { partType: 'application/octet-stream', fileName: 'REPORT.JSON', content: plain },
    ['mail: the part is application/octet-stream, not application/tlsrpt+json'],
  ],
  [
    'a type of no meaning and the name of RFC 8460 §5.1',
    { partType: 'application/x-whatever', fileName: 'a.example!b.example!1!2.json.gz' },
    ['mail: the part is application/x-whatever, not application/tlsrpt+gzip'],
  ],
  [
    'gzip without a name',
    { partType: 'application/gzip', fileName: null },
    [
      'mail: the part is application/gzip, not application/tlsrpt+gzip',
      'mail: the part has no file name',
    ],
  ],
  [
    'gzip under a type that a gateway made of it',
    { partType: 'application/x-gzip-compressed', fileName: 'report.gz' },
    ['mail: the part is application/x-gzip-compressed, not application/tlsrpt+gzip'],
  ],
  [
    'JSON by its octets only',
    { partType: 'application/json', fileName: null, content: plain },
    [
      'mail: the part is application/json, not application/tlsrpt+json',
      'mail: the part has no file name',
    ],
  ],
  [
    'a name beside the type only',
    { partType: 'text/x-any; name="report.json.gz"', fileName: null },
    ['mail: the part is text/x-any, not application/tlsrpt+gzip'],
  ],
  [
    'multipart/mixed',
    { contentType: 'multipart/mixed; boundary="outer"' },
    ['mail: not multipart/report', 'mail: no report-type=tlsrpt'],
  ],
  [
    'multipart/report of no type',
    { contentType: 'multipart/report; boundary="outer"' },
    ['mail: no report-type=tlsrpt'],
  ],
  [
    'nothing else in the mail',
    { contentType: 'application/tlsrpt+gzip' },
    ['mail: not multipart/report', 'mail: no report-type=tlsrpt'],
  ],
  ['a mail within the mail', { wrap: forwarded }, none],
  [
    'none of the fields that RFC 8460 §5.3 asks for',
    { fields: [] },
    ['mail: no TLS-Report-Domain', 'mail: no TLS-Report-Submitter'],
  ],
  [
    'gzip of two members (RFC 1952 §2.2)',
    {
      content: Buffer.concat([gzipSync(json.slice(0, 50)), gzipSync(json.slice(50))]),
    },
    none,
  ],
];

test.each(forms)('%s', async (_what, form, deviations) => {
  const found = await findReport(mailOf(googleStyle, form));
  expect(found).toMatchObject({ kind: 'found', deviations });
  expect(found.kind === 'found' && JSON.parse(Buffer.from(found.json).toString())).toEqual(
    googleStyle,
  );
});

test('the part of its own type is taken before others, and they are noted', async () => {
  const other = [
    'Content-Type: application/json',
    'Content-Disposition: attachment; filename=x.json',
    '',
    '{}',
  ];
  const form = { wrap: (part: readonly string[]) => [...other, '--outer', ...part] };
  const found = await findReport(mailOf(companyX, form));
  expect(found).toMatchObject({
    kind: 'found',
    json: Buffer.from(JSON.stringify(companyX)),
    deviations: ['mail: 1 more parts look like reports, and were not read'],
  });
});

describe('what the mail says', () => {
  test('of domains: From, TLS-Report-Submitter, TLS-Report-Domain', async () => {
    expect(await findReport(mailOf(googleStyle))).toMatchObject({
      claims: {
        fromDomains: ['org.example'],
        submitter: 'org.example',
        policyDomain: 'company-y.example',
      },
    });
  });

  test('the name of the file speaks where no field does; two fields say nothing', async () => {
    const field = 'TLS-Report-Submitter: a.example';
    const form = { fields: [field, field], fileName: 'a.example!y.example!1!2.json.gz' };
    expect(await findReport(mailOf(googleStyle, form))).toMatchObject({
      claims: { fromDomains: ['org.example'], policyDomain: 'y.example' },
    });
  });
});

const mail = mailOf(googleStyle);
const deep = (levels: number): Buffer =>
  Buffer.from(
    `${Array.from({ length: levels }, (_, at) => `Content-Type: multipart/mixed; boundary=b${at}\r\n\r\n--b${at}\r\n`).join('')}Content-Type: text/plain\r\n\r\nx`,
  );

describe('refused, with a reason', () => {
  test.each([
    ['an empty mail', Buffer.alloc(0), 'absent', 'no part of it is a report'],
    [
      'a mail with nothing to do with it',
      Buffer.from('From: a@b.example\r\n\r\nHello'),
      'absent',
      'no part of it is a report',
    ],
    [
      'a mail too large',
      Buffer.alloc(mailBytesMax + 1, 'x'),
      'unreadable',
      `${mailBytesMax + 1} octets, ${mailBytesMax} are read`,
    ],
    [
      'a tower of parts',
      deep(200),
      'unreadable',
      'Maximum MIME nesting depth of 20 levels exceeded',
    ],
    [
      'a crowd of parts',
      Buffer.concat([mail, Buffer.from('\r\n--outer\r\n\r\n'.repeat(2_000))]),
      'unreadable',
      'more than 1000 lines that part it',
    ],
    [
      'nothing but line ends',
      Buffer.alloc(4_000_000, '\r\n'),
      'unreadable',
      'more than 300000 lines',
    ],
    [
      'a header without end',
      Buffer.concat([Buffer.from('X: y\r\n'.repeat(100_000)), mail]),
      'unreadable',
      'Maximum header size of 262144 bytes exceeded',
    ],
    [
      'a zip bomb',
      mailOf(null, { content: gzipSync(Buffer.alloc(200_000_000)) }),
      'unreadable',
      `unpacks to more than ${reportBytesMax} octets`,
    ],
    [
      'a bomb of many members',
      mailOf(null, {
        content: Buffer.concat(Array.from({ length: 30 }, () => gzipSync(Buffer.alloc(1_000_000)))),
      }),
      'unreadable',
      `unpacks to more than ${reportBytesMax} octets`,
    ],
    [
      'half of a gzip',
      mailOf(null, { content: gzipSync(json).subarray(0, 60) }),
      'unreadable',
      'damaged gzip',
    ],
    [
      'a gzip with something behind',
      mailOf(null, {
        content: Buffer.concat([gzipSync(json), Buffer.from('\x1f\x8bxx', 'latin1')]),
      }),
      'unreadable',
      'damaged gzip',
    ],
  ])('%s', async (_what, octets, kind, reason) => {
    expect(await findReport(octets)).toEqual({ kind, reason });
  });
});

test('a bomb is given up at the limit', async () => {
  const bomb = gzipSync(Buffer.alloc(500_000_000));
  const before = process.memoryUsage().rss;
  expect(await unpackReport(bomb)).toMatchObject({ kind: 'unreadable' });
  expect(process.memoryUsage().rss - before).toBeLessThan(100_000_000);
});

test('whatever comes, it ends and says something', async () => {
  const lines = fc.constantFrom(
    'Content-Type: multipart/report; boundary=b',
    'Content-Type: message/rfc822',
    'Content-Type: application/tlsrpt+gzip',
    'Content-Transfer-Encoding: base64',
    'Content-Disposition: attachment; filename="=?utf-8?b?w7w=?=.json.gz"',
    'TLS-Report-Domain: \u00ff\u0000',
    '',
    '--b',
    '--b--',
    'H4sIAAAAAAAAA6uuBQBDv6ajAgAAAA==',
    '{}',
  );
  await fc.assert(
    fc.asyncProperty(fc.array(fc.oneof(lines, fc.string()), { maxLength: 40 }), async (all) => {
      const found = await findReport(Buffer.from(all.join('\r\n'), 'latin1'));
      expect(['found', 'absent', 'unreadable']).toContain(found.kind);
    }),
  );
});
