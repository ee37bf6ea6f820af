/** From a session, or the attempt at one, to what each policy that applied makes of it (RFC 8460 §4.3). */
import { describe, expect, test } from 'vitest';
import type { Channel, ChannelTarget, TlsFacts } from '../../functions/delivery/channel.ts';
import {
  judgeFailed,
  judgeOpened,
  judgePolicyLookup,
  type SessionFacts,
} from '../../functions/delivery/session-results.ts';
import type { StsState } from '../../functions/policy/ports.ts';
import type { DaneLevel } from '../../functions/protocol/dane/dane-level.ts';
import type { FailureCode } from '../../functions/protocol/errors.ts';

const text =
  'version: STSv1\r\nmode: enforce\r\nmx: mx.rcpt.example\r\nnmx: typo\r\nmax_age: 86400\r\n';
const sts = (
  mode: 'enforce' | 'testing' | 'none' = 'enforce',
  mx = ['mx.rcpt.example'],
): StsState => ({
  kind: 'policy',
  source: 'wire',
  cached: {
    domain: 'rcpt.example',
    id: '1',
    policy: { mode, mx, maxAgeSeconds: 86_400 },
    text,
    fetchedAtMs: 0,
    usedAtMs: 0,
  },
});
const record = { usage: 3, selector: 1, matchingType: 1, data: Uint8Array.of(0xab, 0xcd) };
const usable: DaneLevel = { level: 'usable', base: 'mx.other.example', records: [record] };
const unusable: DaneLevel = {
  level: 'unusable',
  base: 'mx.other.example',
  records: [{ ...record, usage: 0 }],
  code: 'tlsa-invalid',
  reason: 'usage 0',
};
const bogus: DaneLevel = {
  level: 'failed',
  code: 'dns-bogus',
  reason: 'a signature ran out',
  infoCode: 7,
};

const facts = (over: Partial<SessionFacts> = {}): SessionFacts => ({
  domain: 'rcpt.example',
  sts: undefined,
  dane: undefined,
  host: 'mx.rcpt.example',
  address: '192.0.2.7',
  sendingMtaIp: '198.51.100.1',
  ...over,
});

const good: TlsFacts = {
  version: 'TLSv1.3',
  cipher: 'TLS_AES_128_GCM_SHA256',
  fingerprint: '00',
  resumed: false,
  pkix: { verified: true },
};
const untrusted: TlsFacts = {
  ...good,
  pkix: { verified: false, code: 'certificate-not-trusted', reason: 'self-signed' },
};

function channel(tls: TlsFacts | undefined, over: Partial<Channel> = {}): Channel {
  return {
    target: { host: 'mx.rcpt.example', tls: 'opportunistic' } as ChannelTarget,
    peerName: 'mail.rcpt.example',
    capabilities: new Map(),
    usable: true,
    transact: () => Promise.reject(new Error('nothing is sent here')),
    quit: () => Promise.resolve(),
    ...(tls !== undefined && { tls }),
    ...over,
  };
}

/** `type domain: success` or `type domain: result type`. */
const told = (results: ReturnType<typeof judgeOpened>): string[] =>
  results.map(
    ({ policy, failure }) => `${policy.type} ${policy.domain}: ${failure?.resultType ?? 'success'}`,
  );

describe('a channel that was opened', () => {
  test.each<[string, Partial<SessionFacts>, Channel, string[], string]>([
    [
      'TLS, nothing published',
      {},
      channel(untrusted),
      ['no-policy-found rcpt.example: success'],
      'nothing asks for a certificate',
    ],
    [
      'no STARTTLS, nothing published',
      {},
      channel(undefined),
      ['no-policy-found rcpt.example: starttls-not-supported'],
      '§4.3.1',
    ],
    [
      'TLS as the policy asks',
      { sts: sts() },
      channel(good),
      ['sts rcpt.example: success'],
      'verified',
    ],
    [
      'a bad certificate under testing',
      { sts: sts('testing') },
      channel(untrusted),
      ['sts rcpt.example: certificate-not-trusted'],
      'RFC 8461 §5: delivered, and reported',
    ],
    [
      'no STARTTLS under testing',
      { sts: sts('testing') },
      channel(undefined),
      ['sts rcpt.example: starttls-not-supported'],
      'delivered, and reported',
    ],
    [
      'a host outside the policy under testing',
      { sts: sts('testing', ['other.example']) },
      channel(good),
      ['sts rcpt.example: validation-failure'],
      'delivered, and reported',
    ],
    [
      'a policy of mode none',
      { sts: sts('none') },
      channel(good),
      ['no-policy-found rcpt.example: success'],
      'none is no policy',
    ],
    [
      'DANE that verified',
      { dane: usable },
      channel({ ...untrusted, dane: { verified: true, reason: '3 1 1' } }),
      ['tlsa mx.other.example: success'],
      'PKIX is nothing to DANE',
    ],
    [
      'DANE and STS',
      { dane: usable, sts: sts() },
      channel({ ...good, dane: { verified: true, reason: '3 1 1' } }),
      ['sts rcpt.example: success', 'tlsa mx.other.example: success'],
      'a result for each policy that applied',
    ],
    [
      'TLSA records of which none can be used',
      { dane: unusable },
      channel(good),
      ['tlsa mx.other.example: tlsa-invalid'],
      '§4.3.2.1',
    ],
    [
      'TLSA that were looked up and are absent',
      { dane: { level: 'absent', reason: '' } },
      channel(good),
      ['no-policy-found rcpt.example: success'],
      'no policy',
    ],
    [
      'clear text after a handshake that failed',
      {},
      channel(undefined, { target: { host: 'mx.rcpt.example', tls: 'clear' } as ChannelTarget }),
      [],
      'the first connection has told',
    ],
  ])('%s', (_name, over, opened, expected, _reason) => {
    expect(told(judgeOpened(facts(over), opened))).toEqual(expected);
  });

  test('TLSA records are told as they are published, those that cannot be used too', () => {
    const strings = (dane: DaneLevel): unknown =>
      judgeOpened(facts({ dane }), channel(good))[0]?.policy.strings;
    expect(strings(usable)).toEqual(['3 1 1 abcd']);
    expect(strings(unusable)).toEqual(['0 1 1 abcd']);
  });

  test('a certificate that fails is told by the name that OpenSSL has for it', () => {
    const expired: TlsFacts = {
      ...good,
      pkix: {
        verified: false,
        code: 'certificate-expired',
        reason: 'the chain: CERT_HAS_EXPIRED',
        reasonCode: 'CERT_HAS_EXPIRED',
      },
    };
    const [result] = judgeOpened(facts({ sts: sts('testing') }), channel(expired));
    expect(result?.failure?.failureReasonCode).toBe('CERT_HAS_EXPIRED');
  });

  test('a failure carries who spoke to whom', () => {
    const [result] = judgeOpened(facts({ sts: sts('testing') }), channel(untrusted));
    expect(result).toEqual({
      policy: {
        type: 'sts',
        domain: 'rcpt.example',
        // RFC 8460 §4.5: with the errors that are in it.
        strings: [
          'version: STSv1',
          'mode: enforce',
          'mx: mx.rcpt.example',
          'nmx: typo',
          'max_age: 86400',
        ],
        mxHosts: ['mx.rcpt.example'],
      },
      failure: {
        resultType: 'certificate-not-trusted',
        sendingMtaIp: '198.51.100.1',
        receivingMxHostname: 'mx.rcpt.example',
        receivingMxHelo: 'mail.rcpt.example',
        receivingIp: '192.0.2.7',
        failureReasonCode: 'certificate-not-trusted',
      },
    });
  });
});

describe('a channel that did not come about', () => {
  test.each<[string, Partial<SessionFacts>, FailureCode, string[], string]>([
    ['a refused connection', { sts: sts() }, 'connect-failed', [], '§4.3.4: not TLS'],
    ['a time-out', { sts: sts() }, 'smtp-timeout', [], '§4.3.4: not TLS'],
    [
      'a host outside the policy',
      { sts: sts(), dane: usable },
      'sts-mx-mismatch',
      ['sts rcpt.example: validation-failure'],
      'says nothing of DANE',
    ],
    [
      'no STARTTLS',
      { sts: sts(), dane: usable },
      'starttls-not-offered',
      ['sts rcpt.example: starttls-not-supported', 'tlsa mx.other.example: starttls-not-supported'],
      'fails every policy',
    ],
    [
      'a handshake that failed',
      {},
      'tls-handshake-failed',
      ['no-policy-found rcpt.example: validation-failure'],
      'without a policy as well',
    ],
    [
      'a certificate under STS',
      { sts: sts() },
      'certificate-expired',
      ['sts rcpt.example: certificate-expired'],
      '§4.3.1',
    ],
    [
      'a certificate under DANE',
      { dane: usable },
      'certificate-expired',
      ['tlsa mx.other.example: certificate-expired'],
      'DANE-TA has dates',
    ],
    [
      'a certificate under both',
      { sts: sts(), dane: usable },
      'certificate-expired',
      ['sts rcpt.example: certificate-expired'],
      'DANE is judged first',
    ],
    [
      'no TLSA record that matches',
      { sts: sts(), dane: usable },
      'dane-mismatch',
      ['tlsa mx.other.example: validation-failure'],
      'says nothing of PKIX',
    ],
    [
      'a bogus TLSA answer',
      { dane: bogus },
      'dns-bogus',
      ['tlsa mx.rcpt.example: dnssec-invalid'],
      '§4.3.2.1',
    ],
    [
      'TLSA records that are demanded and absent',
      { dane: { level: 'absent', reason: '' } },
      'dane-required',
      ['tlsa mx.rcpt.example: dane-required'],
      '§4.3.2.1',
    ],
    ['a keyword that is missing', { sts: sts() }, 'requiretls-not-offered', [], 'no TLS failure'],
  ])('%s', (_name, over, code, expected, _reason) => {
    expect(told(judgeFailed(facts(over), { code }))).toEqual(expected);
  });

  test('the reason of OpenSSL goes before our own', () => {
    const [result] = judgeFailed(facts(), {
      code: 'tls-handshake-failed',
      reasonCode: 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION',
    });
    expect(result?.failure?.failureReasonCode).toBe('ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION');
  });

  test('so does the extended error of a look-up that failed (RFC 8914)', () => {
    const [result] = judgeFailed(facts({ dane: bogus }), { code: 'dns-bogus' });
    expect(result?.failure?.failureReasonCode).toBe('EDE 7');
    const [other] = judgeFailed(facts({ dane: bogus }), { code: 'dane-mismatch' });
    expect(other?.failure?.failureReasonCode).toBe('dane-mismatch');
  });

  test('a peer that has said its name is told with it', () => {
    const peerName = 'mail.rcpt.example';
    const [result] = judgeFailed(facts({ peerName }), { code: 'starttls-not-offered' });
    expect(result?.failure?.receivingMxHelo).toBe(peerName);
  });
});

describe('a policy that could not be had', () => {
  const failure = { code: 'sts-webpki-invalid', reason: 'expired' } as const;
  test.each<[string, StsState | undefined, string | undefined, string]>([
    [
      'nothing cached',
      { kind: 'unknown', failure },
      'sts-webpki-invalid',
      'counts without a policy',
    ],
    [
      'an older one cached',
      { ...(sts() as object), failure } as StsState,
      'sts-webpki-invalid',
      'counts though the cached one applies',
    ],
    [
      'DNS that does not answer',
      { kind: 'unknown', failure: { code: 'dns-timeout', reason: '' } },
      undefined,
      'no policy failure',
    ],
    ['nothing wrong', sts(), undefined, 'no failure'],
    ['not asked', undefined, undefined, 'no failure'],
  ])('%s', (_name, state, expected, _reason) => {
    expect(judgePolicyLookup('rcpt.example', state)?.failure?.resultType).toBe(expected);
  });

  test('is told with what was wrong', () => {
    expect(judgePolicyLookup('rcpt.example', { kind: 'unknown', failure })).toEqual({
      policy: { type: 'sts', domain: 'rcpt.example', strings: [], mxHosts: [] },
      failure: { resultType: 'sts-webpki-invalid', failureReasonCode: 'expired' },
    });
  });
});
