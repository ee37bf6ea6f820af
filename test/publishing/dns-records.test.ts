import { expect, test } from 'vitest';
import { policyId } from '../../functions/protocol/mta-sts/policy-id.ts';
import { parseStsRecord } from '../../functions/protocol/mta-sts/record.ts';
import { formatReportRecord, publishedRecords } from '../../functions/publishing/dns-records.ts';

const policy = { mode: 'enforce', mx: ['mail.example.com'], maxAgeSeconds: 604_800 } as const;
const common = { domain: 'example.com', policy, policyHostTarget: 'd1.cloudfront.example' };

test('the policy host comes first, then what announces its policy (RFC 8461 §8.1)', () => {
  expect(publishedRecords(common)).toEqual([
    { name: 'mta-sts.example.com', type: 'CNAME', value: 'd1.cloudfront.example' },
    { name: '_mta-sts.example.com', type: 'TXT', value: `v=STSv1; id=${policyId(policy)};` },
  ]);
});

test('the announcement is read as it was meant', () => {
  const announcement = publishedRecords(common)[1]?.value ?? '';
  expect(parseStsRecord(announcement)).toEqual({ id: policyId(policy) });
});

test('reports are asked for where there is somewhere to send them', () => {
  const records = publishedRecords({ ...common, reportUris: ['mailto:reports@example.com'] });
  expect(records.at(-1)).toEqual({
    name: '_smtp._tls.example.com',
    type: 'TXT',
    value: 'v=TLSRPTv1; rua=mailto:reports@example.com',
  });
});

test.each([
  [['mailto:reports@example.com'], 'v=TLSRPTv1; rua=mailto:reports@example.com', 'RFC 8460 §3.1.1'],
  [
    ['mailto:a@example.com', 'https://reports.example.com/v1'],
    'v=TLSRPTv1; rua=mailto:a@example.com,https://reports.example.com/v1',
    'two, by comma',
  ],
  [
    ['https://reports.example.com/?a=1,2;b=!'],
    'v=TLSRPTv1; rua=https://reports.example.com/?a=1%2C2%3Bb=%21',
    'what tells URIs and fields apart is encoded',
  ],
])('%j: %s (%s)', (uris, record) => {
  expect(formatReportRecord(uris)).toBe(record);
});
