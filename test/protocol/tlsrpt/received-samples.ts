/** Reports as others write them, made up for these tests in the form in which theirs come. */

/** RFC 8460 Appendix B, with the line break taken out of the URI. */
export const companyX = {
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
        'policy-string': [
          'version: STSv1',
          'mode: testing',
          'mx: *.mail.company-y.example',
          'max_age: 86400',
        ],
        'policy-domain': 'company-y.example',
        'mx-host': '*.mail.company-y.example',
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
          'additional-information':
            'https://reports.company-x.example/report_info?id=5065427c-23d3#StarttlsNotSupported',
        },
        {
          'result-type': 'validation-failure',
          'sending-mta-ip': '198.51.100.62',
          'receiving-ip': '203.0.113.58',
          'receiving-mx-hostname': 'mx-backup.mail.company-y.example',
          'failed-session-count': 3,
          'failure-reason-code': 'X509_V_ERR_PROXY_PATH_LENGTH_EXCEEDED',
        },
      ],
    },
  ],
} as const;

/** The same, of a day in which others report too. */
export const companyXLately: Omit<typeof companyX, 'date-range'> & {
  readonly 'date-range': object;
} = {
  ...companyX,
  'date-range': {
    'start-datetime': '2026-11-22T00:00:00Z',
    'end-datetime': '2026-11-22T23:59:59Z',
  },
};

/** Google's: an id that begins with the day, `mx-host` as an array, no details where nothing failed. */
export const googleStyle = {
  'organization-name': 'Google Inc.',
  'date-range': {
    'start-datetime': '2026-11-22T00:00:00Z',
    'end-datetime': '2026-11-22T23:59:59Z',
  },
  'contact-info': 'smtp-tls-reporting@google.com',
  'report-id': '2026-11-22T00:00:00Z_company-y.example',
  policies: [
    {
      policy: {
        'policy-type': 'sts',
        'policy-string': [
          'version: STSv1',
          'mode: testing',
          'mx: *.mail.company-y.example',
          'max_age: 86400',
        ],
        'policy-domain': 'company-y.example',
        'mx-host': ['*.mail.company-y.example'],
      },
      summary: { 'total-successful-session-count': 12, 'total-failure-session-count': 0 },
    },
  ],
} as const;

/** Microsoft's: seven decimals of a second, and an empty list of details. */
export const microsoftStyle = {
  'organization-name': 'Microsoft Corporation',
  'date-range': {
    'start-datetime': '2026-11-22T00:00:00.0000000Z',
    'end-datetime': '2026-11-22T23:59:59.9999999Z',
  },
  'contact-info': 'tlsrpt-noreply@microsoft.com',
  'report-id': '134083008000000000+company-y.example',
  policies: [
    {
      policy: { 'policy-type': 'no-policy-found', 'policy-domain': 'company-y.example' },
      summary: { 'total-successful-session-count': 7, 'total-failure-session-count': 0 },
      'failure-details': [],
    },
  ],
} as const;
