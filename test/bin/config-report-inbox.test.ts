import { expect, test } from 'vitest';
import { readConfig } from '../../bin/config/load.ts';
import { toStacksProps } from '../../bin/config/stacks-props.ts';
import type { ReportInboxChoice } from '../../lib/report-records.ts';

const hostedZone = { id: 'Z0123456789ABCDEFGHIJ', name: 'example.com' };
const domain = {
  domain: 'example.com',
  mtaSts: { mode: 'testing', mx: ['mx.example.com', '*.mx.example.com'] },
  hostedZone,
};
const mailbox = 'reports@tlsrpt.example.com';
const topic = 'arn:aws:sns:eu-west-1:111122223333:operators';

function read(
  reportInbox: unknown,
  domains: readonly unknown[] = [domain],
): ReportInboxChoice | undefined {
  const config = {
    organization: 'Example Ltd',
    region: 'eu-west-1',
    domains,
    delivery: { ehloName: 'out.example.com' },
    egress: { kind: 'nat' },
    ...(reportInbox !== undefined && { reportInbox }),
  };
  return toStacksProps(readConfig(JSON.stringify(config), 'test.json', 0).config).reportInbox;
}

test('left out, nothing is received', () => {
  expect(read(undefined)).toBeUndefined();
});

test('the mailbox alone: by mail only, and about the domains that are published', () => {
  expect(read({ mailbox })).toEqual({
    mailbox,
    createsIdentity: true,
    https: false,
    setting: {
      domains: ['example.com'],
      mxHosts: ['mx.example.com', '*.mx.example.com'],
      failurePercentMax: 5,
    },
    domains: [{ domain: 'example.com', hostedZone }],
  });
});

test('all of it', () => {
  const written = {
    mailbox,
    hostedZone,
    identity: 'exists',
    https: true,
    domains: ['Bücher.example', 'example.com'],
    failurePercentMax: 0.5,
    alarmTopicArn: topic,
  };
  expect(read(written)).toMatchObject({
    hostedZone,
    createsIdentity: false,
    https: true,
    alarmTopicArn: topic,
    setting: { domains: ['example.com', 'xn--bcher-kva.example'], failurePercentMax: 0.5 },
    domains: [{ domain: 'example.com', hostedZone }, { domain: 'xn--bcher-kva.example' }],
  });
});

test.each<[unknown, RegExp, string]>([
  [{}, /mailbox/, 'no mailbox'],
  [{ mailbox: 'tlsrpt.example.com' }, /not an address/, 'a domain in its place'],
  [{ mailbox: 'a@TLSRPT.example.com' }, /not an address/, 'a domain in capitals'],
  [{ mailbox: 'a@b@example' }, /not an address/, 'no address'],
  [{ mailbox: 'reports@example.com' }, /all go to SES/, 'a domain that has mail'],
  [{ mailbox: 'reports@mx.example.com' }, /all go to SES/, 'a mail host'],
  [
    { mailbox: 'reports@other.example', hostedZone },
    /not within this zone/,
    'the zone of another domain',
  ],
  [{ mailbox, https: 'yes' }, /https/, 'no toggle'],
  [{ mailbox, alarmTopicArn: 'operators' }, /not the ARN of a standard SNS topic/, 'no ARN'],
  [
    { mailbox, alarmTopicArn: `${topic}.fifo` },
    /not the ARN of a standard SNS topic/,
    'a FIFO topic, which takes no alarms',
  ],
  [
    { mailbox, alarmTopicArn: topic.replace('eu-west-1', 'us-east-1') },
    /in another region than the alarms\. Use a topic in eu-west-1/,
    'a topic of elsewhere',
  ],
  [{ mailbox, failurePercentMax: 101 }, /failurePercentMax/, 'more than all'],
  [{ mailbox, rua: 'x' }, /reportInbox\.rua: no such setting/, 'what there is not'],
])('reportInbox %j is refused, naming %s: %s', (written, line) => {
  expect(() => read(written)).toThrow(line);
});

test('an inbox for no domain is refused', () => {
  expect(() => read({ mailbox }, [])).toThrow(/no domain whose reports are counted/);
  expect(read({ mailbox, domains: ['b.example'] }, [])?.domains).toEqual([{ domain: 'b.example' }]);
});
