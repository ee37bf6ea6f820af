import { describe, expect, test } from 'vitest';
import {
  readDeliverEnvironment,
  readPolicyHostEnvironment,
  readReconcileEnvironment,
  readRefreshEnvironment,
  readRequeueEnvironment,
  type Variables,
} from '../../functions/handlers/read-environment.ts';

const network = {
  resolvers: ['127.0.0.1:5300', 'https://dns.example/dns-query@192.0.2.53'],
  trustAnchors: '. IN DS 1 13 2 00',
  negativeTrustAnchors: ['', 'broken.example'],
  smtpPort: 2525,
  httpsPort: 8443,
  extraRoots: '-----BEGIN CERTIFICATE-----',
  allowPrivateAddresses: true,
  ipv6: false,
};

const delivery = {
  ehloName: 'out.example.com',
  requireTls: true,
  mtaSts: true,
  mtaStsCache: true,
  dane: true,
  daneInsecureMx: false,
  daneOnly: ['only.example'],
  keepAddressTag: false,
  exceptions: [
    {
      domain: 'example.net',
      policy: 'mta-sts',
      reason: 'their certificate ran out',
      expires: '2026-12-01T00:00:00Z',
    },
  ],
  connectionsPerMxMax: 4,
  expiryDays: 5,
  retryWaitsMinutes: [5, 10],
  delayNoticeHours: 4,
  historyDays: 30,
  bounceFrom: 'MAILER-DAEMON@out.example.com',
  redactBounces: false,
  rules: [{ name: 'board', match: { sender: { glob: '*@board.example' } }, action: 'require' }],
  dkimKeys: [{ domain: 'example.com', selector: 's1', secretArn: 'arn:aws:y' }],
  smartHost: { host: 'relay.example.com', port: 587, credentialsSecretArn: 'arn:aws:x' },
};

const deliver = {
  SEALPOST_NETWORK: JSON.stringify(network),
  SEALPOST_DELIVERY: JSON.stringify(delivery),
  SEALPOST_POLICY_TABLE: 'policies',
  SEALPOST_MESSAGE_TABLE: 'messages',
  SEALPOST_RETRY_TABLE: 'retries',
  SEALPOST_CONTROL_TABLE: 'controls',
  SEALPOST_MESSAGE_BUCKET: 'bodies',
  SEALPOST_DELIVERY_QUEUE_URL: 'https://sqs.example/delivery',
  SEALPOST_DEAD_LETTER_QUEUE_URL: 'https://sqs.example/dead',
};

const policy = { mode: 'enforce', mx: ['mail.example.com'], maxAgeSeconds: 604_800 };

function invalid(...parts: RegExp[]) {
  const message = expect.stringMatching(new RegExp(parts.map(({ source }) => source).join('.*')));
  return expect.objectContaining({ code: 'settings-invalid', message });
}

describe('readDeliverEnvironment', () => {
  test('reads every variable, and nothing else of the environment', () => {
    expect(readDeliverEnvironment({ ...deliver, PATH: '/bin' })).toEqual({
      ...deliver,
      SEALPOST_NETWORK: network,
      SEALPOST_DELIVERY: delivery,
    });
  });

  test.each(['SEALPOST_REPORT_TABLE', 'SEALPOST_SENDING_MTA_IP'] as const)(
    'takes %s where it is set',
    (name) => {
      expect(readDeliverEnvironment(deliver)[name]).toBeUndefined();
      expect(readDeliverEnvironment({ ...deliver, [name]: 'x' })[name]).toBe('x');
      const empty = { ...deliver, [name]: '' };
      expect(() => readDeliverEnvironment(empty)).toThrow(
        invalid(new RegExp(`^${name} is not set`)),
      );
    },
  );

  test('leaves out what is left out', () => {
    const { smartHost: _, ...direct } = delivery;
    const variables = {
      ...deliver,
      SEALPOST_NETWORK: '{}',
      SEALPOST_DELIVERY: JSON.stringify(direct),
    };
    expect(readDeliverEnvironment(variables)).toMatchObject({
      SEALPOST_NETWORK: {},
      SEALPOST_DELIVERY: direct,
    });
  });

  test.each(Object.keys(deliver))('says so when %s is not set', (name) => {
    const expected = invalid(new RegExp(`^${name} is not set`), /deploy again/);
    expect(() => readDeliverEnvironment({ ...deliver, [name]: undefined })).toThrow(expected);
    expect(() => readDeliverEnvironment({ ...deliver, [name]: '' })).toThrow(expected);
  });

  test.each<[string, object, RegExp]>([
    ['a host name that is none', { ehloName: 'out_example' }, /ehloName: not a domain name/],
    ['a switch as text', { requireTls: 'yes' }, /requireTls: /],
    ['a switch left out', { mtaStsCache: undefined }, /mtaStsCache: /],
    ['a second switch left out', { dane: undefined }, /dane: /],
    ['DANE only for a name that is none', { daneOnly: ['a_b.example'] }, /daneOnly\.0: /],
    ['no connection at all', { connectionsPerMxMax: 0 }, /connectionsPerMxMax: /],
    ['a setting nobody knows', { requireTLS: true }, /requireTLS/],
    [
      'an exception without an end',
      { exceptions: [{ domain: 'a.example', policy: 'mta-sts', reason: 'x' }] },
      /exceptions\.0\.expires: /,
    ],
    [
      'an exception in upper case',
      { exceptions: [{ ...delivery.exceptions[0], domain: 'A.example' }] },
      /exceptions\.0\.domain: /,
    ],
    ['a port that is none', { smartHost: { host: 'a.example', port: 0 } }, /smartHost\.port: /],
  ])('names the field for %s', (_, change, field) => {
    const variables = { ...deliver, SEALPOST_DELIVERY: JSON.stringify({ ...delivery, ...change }) };
    expect(() => readDeliverEnvironment(variables)).toThrow(invalid(/^SEALPOST_DELIVERY/, field));
  });
});

const requeue = {
  SEALPOST_RETRY_TABLE: 'retries',
  SEALPOST_DELIVERY_QUEUE_URL: 'https://sqs.example/delivery',
  SEALPOST_DEAD_LETTER_QUEUE_URL: 'https://sqs.example/dead',
};

const reconcile = {
  SEALPOST_MESSAGE_TABLE: 'messages',
  SEALPOST_RETRY_TABLE: 'retries',
  SEALPOST_CONTROL_TABLE: 'controls',
  SEALPOST_EXCEPTIONS: '[]',
};

describe.each<[string, (variables: Variables) => object, Readonly<Record<string, string>>]>([
  ['readRequeueEnvironment', readRequeueEnvironment, requeue],
  ['readReconcileEnvironment', readReconcileEnvironment, reconcile],
])('%s', (_name, read, variables) => {
  test('reads every variable, and nothing else of the environment', () => {
    const expected =
      'SEALPOST_EXCEPTIONS' in variables ? { ...variables, SEALPOST_EXCEPTIONS: [] } : variables;
    expect(read({ ...variables, PATH: '/bin' })).toEqual(expected);
  });

  test.each(Object.keys(variables))('says so when %s is not set', (name) => {
    expect(() => read({ ...variables, [name]: undefined })).toThrow(
      invalid(new RegExp(`^${name} is not set`), /deploy again/),
    );
  });
});

describe('readRefreshEnvironment', () => {
  test.each([
    ['not JSON', /is not JSON/],
    ['[]', /expected object/i],
    ['{"smtpPort":65536}', /smtpPort: /],
    ['{"resolvers":[]}', /resolvers: /],
    ['{"resolver":["127.0.0.1"]}', /resolver/],
    ['{"ipv6":null}', /ipv6: /],
    ['{"trustAnchors":""}', /trustAnchors: /],
    ['{"negativeTrustAnchors":"example"}', /negativeTrustAnchors: /],
  ])('SEALPOST_NETWORK %s is refused', (text, fault) => {
    const variables = { SEALPOST_POLICY_TABLE: 'policies', SEALPOST_NETWORK: text };
    expect(() => readRefreshEnvironment(variables)).toThrow(invalid(/^SEALPOST_NETWORK/, fault));
  });
});

describe('readPolicyHostEnvironment', () => {
  test('reads policies', () => {
    const policies = {
      'example.com': policy,
      'gone.example': { mode: 'none', mx: [], maxAgeSeconds: 0 },
    };
    const variables = { SEALPOST_POLICIES: JSON.stringify(policies) };
    expect(readPolicyHostEnvironment(variables)).toEqual({ SEALPOST_POLICIES: policies });
  });

  test.each<[string, object, string]>([
    ['Example.com', {}, 'a domain in upper case'],
    ['example.com.', {}, 'a domain with a dot at its end'],
    ['example.com', { mode: 'report' }, 'a mode that is none'],
    ['example.com', { mx: [] }, 'enforce without mx'],
    ['example.com', { mx: ['MAIL.example.com'] }, 'a host in upper case'],
    ['example.com', { mx: ['*'] }, 'a lone asterisk'],
    ['example.com', { mx: ['a.example\r\nmode: none'] }, 'a line more'],
    ['example.com', { maxAgeSeconds: 31_557_601 }, 'a max_age beyond the greatest'],
    ['example.com', { maxAgeSeconds: 1.5 }, 'a fraction of a second'],
    ['example.com', { id: '1' }, 'a field that nobody knows'],
  ])('%s %j is refused: %s', (domain, change) => {
    const variables = { SEALPOST_POLICIES: JSON.stringify({ [domain]: { ...policy, ...change } }) };
    expect(() => readPolicyHostEnvironment(variables)).toThrow(invalid(/^SEALPOST_POLICIES/));
  });
});
