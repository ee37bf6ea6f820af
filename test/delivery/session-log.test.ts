/** Which sessions of a delivery are told for TLS reports, and how often (RFC 8460 §4). */
import { describe, expect, test } from 'vitest';
import type { TlsFacts } from '../../functions/delivery/channel.ts';
import type { StsState } from '../../functions/policy/ports.ts';
import { createHarness, enforce, type Harness, mxOf, type Peer, record } from './harness.ts';

const good: TlsFacts = {
  version: 'TLSv1.3',
  cipher: 'TLS_AES_128_GCM_SHA256',
  fingerprint: '00',
  resumed: false,
  pkix: { verified: true },
};

const untrusted: TlsFacts = {
  ...good,
  pkix: {
    verified: false,
    code: 'certificate-not-trusted',
    reason: 'self-signed',
    reasonCode: 'DEPTH_ZERO_SELF_SIGNED_CERT',
  },
};

/** `type: success` or `type: result type`, and whose. */
const told = ({ sessions }: Harness): string[] =>
  sessions.map(
    ({ domain, policy, failure }) =>
      `${domain} ${policy.type}: ${failure?.resultType ?? 'success'}`,
  );

function testing(...mx: string[]): StsState {
  const state = enforce(...mx);
  if (state.kind !== 'policy') {
    throw new TypeError('a policy is one');
  }
  const { cached } = state;
  return { ...state, cached: { ...cached, policy: { ...cached.policy, mode: 'testing' } } };
}

const fetchFailed: StsState = {
  kind: 'unknown',
  failure: { code: 'sts-policy-fetch-error', reason: 'HTTP 500' },
};

describe('one message', () => {
  test.each<[string, Peer, StsState | undefined, string[], string]>([
    ['TLS', { tls: good }, undefined, ['no-policy-found: success'], 'a session'],
    [
      'no STARTTLS',
      {},
      undefined,
      ['no-policy-found: starttls-not-supported'],
      'RFC 8460 §4.3.1, whatever the policy',
    ],
    [
      'a policy that holds',
      { tls: good },
      enforce('mx.rcpt.example'),
      ['sts: success'],
      'under the policy',
    ],
    [
      'a bad certificate under testing',
      { tls: untrusted },
      testing('mx.rcpt.example'),
      ['sts: certificate-not-trusted'],
      'RFC 8461 §5: delivered, and reported',
    ],
    [
      'a host that the policy does not list',
      { tls: good },
      enforce('other.rcpt.example'),
      ['sts: validation-failure'],
      'no connection, and yet a result; the policy looked up afresh says the same',
    ],
    [
      'a policy that cannot be fetched',
      { tls: good },
      fetchFailed,
      ['sts: sts-policy-fetch-error', 'no-policy-found: success'],
      'RFC 8460 §4.3.2.2, and the session went on without',
    ],
    [
      'a handshake that fails',
      { refuse: ({ tls }) => (tls === 'clear' ? undefined : 'tls-handshake-failed') },
      undefined,
      ['no-policy-found: validation-failure'],
      'the second connection, in the clear, says nothing more',
    ],
    [
      'a host that cannot be reached',
      { refuse: 'connect-failed' },
      undefined,
      [],
      'RFC 8460 §4.3.4: the network is no result',
    ],
    [
      'an alert after our part of the handshake',
      { tls: good, refuse: ({ tls }) => (tls === 'clear' ? undefined : 'tls-handshake-failed') },
      undefined,
      ['no-policy-found: validation-failure'],
      'RFC 8446 §4.4.2.4: a TLS 1.3 session that was held for good is none',
    ],
    [
      'a connection that is lost behind the handshake',
      { tls: good, refuse: 'connection-lost' },
      undefined,
      ['no-policy-found: success'],
      'a TLS session all the same',
    ],
  ])('%s', async (_name, peer, sts, expected, _reason) => {
    const harness = createHarness();
    harness.peers.set('mx.rcpt.example', peer);
    harness.sts = sts ?? harness.sts;
    await harness.deliver(record());
    expect(told(harness)).toEqual(expected.map((each) => `rcpt.example ${each}`));
  });
});

test('a session that carries many messages counts once', async () => {
  const harness = createHarness();
  harness.peers.set('mx.rcpt.example', { tls: good });
  await harness.deliver(...Array.from({ length: 8 }, () => record()));
  expect(harness.sent).toHaveLength(8);
  expect(told(harness)).toEqual(['rcpt.example no-policy-found: success']);
});

test('each session counts, and each host', async () => {
  const harness = createHarness();
  harness.mx.set('rcpt.example', mxOf('mx.rcpt.example', 'mx2.rcpt.example'));
  harness.peers.set('mx.rcpt.example', { tls: untrusted, refuse: 'certificate-not-trusted' });
  harness.peers.set('mx2.rcpt.example', { tls: good });
  harness.sts = enforce('mx.rcpt.example', 'mx2.rcpt.example');
  await harness.deliver(record());
  expect(harness.sessions).toEqual([
    {
      domain: 'rcpt.example',
      startedAtMs: harness.nowMs,
      policy: expect.objectContaining({ type: 'sts', domain: 'rcpt.example' }),
      failure: {
        resultType: 'certificate-not-trusted',
        sendingMtaIp: '198.51.100.1',
        receivingMxHostname: 'mx.rcpt.example',
        receivingMxHelo: 'mx.rcpt.example',
        receivingIp: '203.0.114.25',
        failureReasonCode: 'DEPTH_ZERO_SELF_SIGNED_CERT',
      },
    },
    {
      domain: 'rcpt.example',
      startedAtMs: harness.nowMs,
      policy: expect.objectContaining({ type: 'sts' }),
    },
  ]);
});

test('the policy that cannot be had counts once, however many messages wait for it', async () => {
  const harness = createHarness();
  harness.sts = fetchFailed;
  harness.peers.set('mx.rcpt.example', { refuse: 'connect-failed' });
  await harness.deliver(...Array.from({ length: 25 }, () => record()));
  expect(told(harness)).toEqual(['rcpt.example sts: sts-policy-fetch-error']);
});

describe('sessions that carry reports', () => {
  const report = (type: string) => ({
    content: {
      data: Buffer.from(`Content-Type: ${type}\r\n\r\n--x--\r\n`).toString('base64'),
    },
  });

  test.each([
    ['multipart/report; report-type="tlsrpt"; boundary=x', 0, 'RFC 8460 §5.3'],
    ['Multipart/Report;\r\n boundary=x;\r\n Report-Type=TLSRPT', 0, 'in whatever case and order'],
    ['multipart/report; report-type=delivery-status; boundary=x', 1, 'another report'],
    ['multipart/mixed; report-type=tlsrpt; boundary=x', 1, 'not a report'],
    ['multipart/report; x=report-type=tlsrpt2; boundary=x', 1, 'another parameter'],
  ])('%s', async (type, count, _reason) => {
    const harness = createHarness();
    harness.peers.set('mx.rcpt.example', { tls: good });
    await harness.deliver(record(report(type)));
    expect(harness.sent).toHaveLength(1);
    expect(told(harness)).toHaveLength(count);
  });

  test('are not shared with other mail, which does count', async () => {
    const harness = createHarness();
    harness.peers.set('mx.rcpt.example', { tls: good });
    await harness.deliver(record(report('multipart/report; report-type=tlsrpt')), record());
    expect(harness.opened).toHaveLength(2);
    expect(told(harness)).toEqual(['rcpt.example no-policy-found: success']);
  });
});
