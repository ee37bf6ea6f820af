/** Reports as JSON and as mail, against RFC 8460 §4.4, §5.1, §5.3 and Appendix B. */
import PostalMime from 'postal-mime';
import { describe, expect, test } from 'vitest';
import {
  buildReport,
  dayRange,
  reportFileName,
  utcDay,
} from '../../../functions/protocol/tlsrpt/report.ts';
import { composeReportMail } from '../../../functions/protocol/tlsrpt/report-mail.ts';
import type { PolicyTally } from '../../../functions/protocol/tlsrpt/tally.ts';

/** RFC 8460 Appendix B, but for the URI of `additional-information`, which we never send. */
const companyY: PolicyTally = {
  policy: {
    type: 'sts',
    domain: 'company-y.example',
    strings: ['version: STSv1', 'mode: testing', 'mx: *.mail.company-y.example', 'max_age: 86400'],
    mxHosts: ['*.mail.company-y.example'],
  },
  successes: 5_326,
  failures: 303,
  details: [
    {
      failure: {
        resultType: 'certificate-expired',
        sendingMtaIp: '2001:db8:abcd:0012::1',
        receivingMxHostname: 'mx1.mail.company-y.example',
      },
      sessions: 100,
    },
    {
      failure: {
        resultType: 'starttls-not-supported',
        sendingMtaIp: '2001:db8:abcd:0013::1',
        receivingMxHostname: 'mx2.mail.company-y.example',
        receivingIp: '203.0.113.56',
      },
      sessions: 200,
    },
    {
      failure: {
        resultType: 'validation-failure',
        sendingMtaIp: '198.51.100.62',
        receivingMxHostname: 'mx-backup.mail.company-y.example',
        receivingIp: '203.0.113.58',
        failureReasonCode: 'X509_V_ERR_PROXY_PATH_LENGTH_EXCEEDED',
      },
      sessions: 3,
    },
  ],
};
const facts = {
  organizationName: 'Company-X',
  contactInfo: 'sts-reporting@company-x.example',
  reportId: '5065427c-23d3-47ca-b6e0-946ea0e8c4be',
  day: '2016-04-01',
  policies: [companyY],
};

test('the example of RFC 8460 Appendix B', () => {
  expect(buildReport(facts)).toEqual({
    'organization-name': 'Company-X',
    'date-range': {
      'start-datetime': '2016-04-01T00:00:00Z',
      'end-datetime': '2016-04-01T23:59:59Z',
    },
    'contact-info': 'sts-reporting@company-x.example',
    'report-id': '5065427c-23d3-47ca-b6e0-946ea0e8c4be',
    policies: [
      {
        policy: {
          'policy-type': 'sts',
          'policy-string': companyY.policy.strings,
          'policy-domain': 'company-y.example',
          // RFC 8460 §4.4: an array, though the example itself has a string.
          'mx-host': ['*.mail.company-y.example'],
        },
        summary: {
          'total-successful-session-count': 5_326,
          'total-failure-session-count': 303,
        },
        'failure-details': [
          {
            'result-type': 'certificate-expired',
            'sending-mta-ip': '2001:db8:abcd:0012::1',
            'receiving-mx-hostname': 'mx1.mail.company-y.example',
            'failed-session-count': 100,
          },
          {
            'result-type': 'starttls-not-supported',
            'sending-mta-ip': '2001:db8:abcd:0013::1',
            'receiving-mx-hostname': 'mx2.mail.company-y.example',
            'receiving-ip': '203.0.113.56',
            'failed-session-count': 200,
          },
          {
            'result-type': 'validation-failure',
            'sending-mta-ip': '198.51.100.62',
            'receiving-mx-hostname': 'mx-backup.mail.company-y.example',
            'receiving-ip': '203.0.113.58',
            'failed-session-count': 3,
            'failure-reason-code': 'X509_V_ERR_PROXY_PATH_LENGTH_EXCEEDED',
          },
        ],
      },
    ],
  });
});

test('without a policy there is no policy-string and no mx-host', () => {
  const policy = {
    type: 'no-policy-found',
    domain: 'a.example',
    strings: [],
    mxHosts: [],
  } as const;
  const { policies } = buildReport({
    ...facts,
    policies: [{ policy, successes: 1, failures: 0, details: [] }],
  });
  expect(policies).toEqual([
    {
      policy: { 'policy-type': 'no-policy-found', 'policy-domain': 'a.example' },
      summary: { 'total-successful-session-count': 1, 'total-failure-session-count': 0 },
    },
  ]);
});

describe('days are UTC days', () => {
  test.each<[string, string, string]>([
    ['2026-11-23T23:59:59.999Z', '2026-11-23', 'the last millisecond'],
    ['2026-11-24T00:00:00.000Z', '2026-11-24', 'the first'],
    ['2026-03-29T01:30:00+01:00', '2026-03-29', 'within a change of clocks in Europe'],
    ['2024-02-29T12:00:00Z', '2024-02-29', 'a leap day'],
  ])('%s is of %s', (time, day, _reason) => {
    const atMs = Date.parse(time);
    expect(utcDay(atMs)).toBe(day);
    const { startMs, endMs } = dayRange(day);
    expect(endMs - startMs).toBe(86_400_000);
    expect(startMs <= atMs && atMs < endMs).toBe(true);
  });

  test.each([['2026-02-30'], ['2026-1-1'], ['yesterday'], ['']])('%j is none', (day) => {
    expect(() => dayRange(day)).toThrow(RangeError);
  });
});

test('the file name is as in RFC 8460 §5.1', () => {
  const name = reportFileName({
    submitter: 'mail.sndr.example.com',
    policyDomain: 'example.net',
    day: '2016-08-01',
    uniqueId: '001',
  });
  expect(name).toBe('mail.sndr.example.com!example.net!1470009600!1470095999!001.json.gz');
});

describe('the mail', () => {
  const mail = {
    from: 'tlsrpt@mail.sender.example.com',
    to: 'mts-sts-tlsrpt@example.net',
    policyDomain: 'example.net',
    reportId: '735ff.e317+bf22029@mail.sender.example.com',
    fileName: 'mail.sender.example.com!example.net!1!2!001.json.gz',
    gzip: Uint8Array.from({ length: 300 }, (_, index) => index % 256),
    nowMs: Date.UTC(2026, 10, 24, 0, 30),
  };

  test('has the parts and fields of RFC 8460 §5.3', async () => {
    const octets = composeReportMail(mail);
    const text = Buffer.from(octets).toString('latin1');
    expect(text).toMatch(
      /^From: tlsrpt@mail\.sender\.example\.com\r\nTo: mts-sts-tlsrpt@example\.net\r\nDate: Tue, 24 Nov 2026 00:30:00 \+0000\r\n/,
    );
    expect(text).toContain(
      '\r\nSubject: Report Domain: example.net\r\n Submitter: mail.sender.example.com\r\n Report-ID: <735ff.e317+bf22029@mail.sender.example.com>\r\n',
    );
    expect(text).toContain('\r\nTLS-Report-Domain: example.net\r\n');
    expect(text).toContain('\r\nTLS-Report-Submitter: mail.sender.example.com\r\n');
    expect(text).toContain('\r\nTLS-Required: No\r\n');
    expect(text).toContain(
      '\r\nContent-Type: multipart/report; report-type="tlsrpt";\r\n boundary="',
    );
    expect(text).toContain('\r\nContent-Type: application/tlsrpt+gzip;\r\n');
    expect(text.split('\r\n').every((line) => line.length <= 98 && !/[\r\n]/.test(line))).toBe(
      true,
    );
    const parsed = await PostalMime.parse(octets);
    expect(parsed.text).toContain('example.net');
    expect(parsed.attachments).toMatchObject([
      { mimeType: 'application/tlsrpt+gzip', filename: mail.fileName },
    ]);
    expect(new Uint8Array(parsed.attachments[0]?.content as ArrayBuffer)).toEqual(mail.gzip);
  });

  test('octet by octet', () => {
    // RFC 8460 §5.3: its own example, with the fields that it asks for and those of any mail.
    const boundary = 'tlsrpt-BOUNDARY';
    const expected = [
      'From: tlsrpt@mail.sender.example.com',
      'To: mts-sts-tlsrpt@example.net',
      'Date: Fri, 05 May 2017 11:30:00 +0000',
      'Message-ID: <735ff.e317+bf22029@mail.sender.example.com>',
      'Subject: Report Domain: example.net',
      ' Submitter: mail.sender.example.com',
      ' Report-ID: <735ff.e317+bf22029@mail.sender.example.com>',
      'TLS-Report-Domain: example.net',
      'TLS-Report-Submitter: mail.sender.example.com',
      'TLS-Required: No',
      'Auto-Submitted: auto-generated',
      'MIME-Version: 1.0',
      'Content-Type: multipart/report; report-type="tlsrpt";',
      ` boundary="${boundary}"`,
      '',
      `--${boundary}`,
      'Content-Type: text/plain; charset="us-ascii"',
      'Content-Transfer-Encoding: 7bit',
      '',
      'This is an aggregate TLS report about example.net,',
      'sent by mail.sender.example.com (RFC 8460).',
      '',
      `--${boundary}`,
      'Content-Type: application/tlsrpt+gzip;',
      ' name="mail.sender.example.com!example.net!1493856000!1493942399!001.json.gz"',
      'Content-Transfer-Encoding: base64',
      'Content-Disposition: attachment;',
      ' filename="mail.sender.example.com!example.net!1493856000!1493942399!001.json.gz"',
      '',
      'AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4',
      'OTo7',
      `--${boundary}--`,
      '',
    ].join('\r\n');
    const octets = composeReportMail({
      ...mail,
      fileName: reportFileName({
        submitter: 'mail.sender.example.com',
        policyDomain: 'example.net',
        day: '2017-05-04',
        uniqueId: '001',
      }),
      gzip: Uint8Array.from({ length: 60 }, (_, index) => index),
      nowMs: Date.UTC(2017, 4, 5, 11, 30),
    });
    const text = Buffer.from(octets).toString('latin1');
    expect(text.replaceAll(/tlsrpt-[0-9a-f]{32}/g, boundary)).toBe(expected);
  });

  test('is the same each time it is sent, but for its date', () => {
    const later = composeReportMail({ ...mail, nowMs: mail.nowMs + 3_600_000 });
    const undated = (octets: Uint8Array): string =>
      Buffer.from(octets)
        .toString()
        .replace(/Date: .*/, '');
    expect(undated(later)).toBe(undated(composeReportMail(mail)));
  });

  test.each([
    ['to', 'a@example.net\r\nBcc: b@example.net'],
    ['policyDomain', 'example.net\nX: y'],
    ['reportId', 'a\u00e9@example.net'],
    ['fileName', 'a\r\n\r\nb'],
  ])('refuses a %s that breaks out of its field', (name, value) => {
    expect(() => composeReportMail({ ...mail, [name]: value })).toThrow(RangeError);
  });
});
