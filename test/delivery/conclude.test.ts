import { describe, expect, test } from 'vitest';
import {
  concludeExhausted,
  concludeExpired,
  concludeOutOfTime,
  concludeRefused,
  concludeWithoutHosts,
} from '../../functions/delivery/conclude.ts';
import type { FailureCode } from '../../functions/protocol/errors.ts';
import type { TlsDemand } from '../../functions/protocol/requiretls/demand.ts';

const passedOver = new Set<FailureCode>(['sts-mx-mismatch', 'no-mail-host', 'address-private']);

const hosts = (...codes: FailureCode[][]): Parameters<typeof concludeExhausted>[1] =>
  codes.map((list, index) => ({
    host: `mx${index}.example`,
    isTried: !list.some((code) => passedOver.has(code)),
    failures: list.map((code) => ({ code, reason: code })),
  }));

describe('no host was good enough', () => {
  test.each([
    ['default', [['connect-failed']], 'deferred 4.4.1', 'the network'],
    ['default', [['sts-mx-mismatch']], 'deferred 4.7.5', 'RFC 8461 §5: transient'],
    [
      'default',
      [['connect-failed'], ['certificate-expired']],
      'deferred 4.7.5',
      'the policy tells',
    ],
    ['default', [['starttls-not-offered']], 'deferred 4.7.10', 'under a policy'],
    ['default', [['no-mail-host'], ['no-mail-host']], 'failed 5.4.4', 'no address on any host'],
    ['default', [['address-private']], 'failed 5.4.4', 'private only'],
    ['default', [['no-mail-host'], ['dns-timeout']], 'deferred 4.4.3', 'one is not known'],
    ['default', [['no-mail-host'], ['connect-failed']], 'deferred 4.4.1', 'one is only down'],
    ['optional', [['connect-failed']], 'deferred 4.4.1', 'as default'],
    ['optional', [['certificate-expired']], 'deferred 4.7.5', 'never bounced for TLS'],
    ['require', [['requiretls-not-offered']], 'failed 5.7.30', 'RFC 8689 §4.2.1'],
    ['require', [['mx-not-authenticated']], 'failed 5.7.10', 'RFC 8689 §4.2.1'],
    ['require', [['certificate-expired']], 'failed 5.7.10', 'no verified TLS'],
    ['require', [['starttls-not-offered']], 'failed 5.7.10', 'no TLS'],
    ['require', [['sts-mx-mismatch']], 'failed 5.7.10', 'the MX is not authentic'],
    [
      'require',
      [['certificate-expired'], ['requiretls-not-offered']],
      'failed 5.7.30',
      'one lacked the keyword alone',
    ],
    [
      'require',
      [['certificate-expired', 'requiretls-not-offered']],
      'failed 5.7.10',
      'not for the keyword alone',
    ],
    [
      'require',
      [['requiretls-not-offered'], ['connect-failed']],
      'deferred 4.7.30',
      'the other host may offer it',
    ],
    ['require', [['sts-policy-unknown']], 'deferred 4.7.5', 'not known'],
    ['require', [['starttls-deferred']], 'deferred 4.7.0', 'a 4xx waits'],
    ['require', [['no-mail-host'], ['requiretls-not-offered']], 'failed 5.7.30', 'all definite'],
    ['require', [['no-mail-host']], 'failed 5.4.4', 'nobody to ask'],
    ['default', [], 'deferred 4.4.2', 'every channel was spent on other messages'],
    ['require', [], 'deferred 4.4.2', 'nothing definite is known of any host'],
  ] as const)('%s, %j: %s (%s)', (demand, codes, expected, _reason) => {
    const { outcome, status } = concludeExhausted(demand, hosts(...codes.map((list) => [...list])));
    expect(`${outcome} ${status}`).toBe(expected);
  });
});

describe('of which host a sender is told', () => {
  const refusal = { code: 554, lines: ['no'] };
  const refusing = { code: 'starttls-refused', reason: 'refused', refusal } as const;

  test.each([
    [[['connect-failed']], 'mx0.example', 'the only one'],
    [[['connect-failed'], ['certificate-expired']], 'mx1.example', 'the one that is to blame'],
    [[['smtp-timeout'], ['connect-failed'], ['sts-mx-mismatch']], 'mx1.example', 'the last tried'],
    [[['sts-mx-mismatch']], undefined, 'none was tried'],
    [[], undefined, 'none is left'],
  ] as const)('%j: %s (%s)', (codes, host, _why) => {
    const failed = hosts(...codes.map((list) => [...list]));
    expect(concludeExhausted('default', failed).host).toBe(host);
    expect(concludeOutOfTime(failed)?.host).toBe(host);
  });

  test.each<[TlsDemand, string]>([
    ['require', 'for good'],
    ['default', 'for now'],
  ])('%s: and what it said (%s)', (demand) => {
    const failed = [{ host: 'mx.example', isTried: true, failures: [refusing] }];
    const told = { host: 'mx.example', refusal };
    expect(concludeExhausted(demand, failed)).toMatchObject(told);
    expect(concludeExhausted(demand, failed, 3)).toMatchObject(told);
    expect(concludeOutOfTime(failed)).toMatchObject(told);
  });
});

describe('the time was over', () => {
  test('a policy tells more than a time-out, and nothing is definite', () => {
    const failed = hosts(['smtp-timeout'], ['requiretls-not-offered']);
    expect(concludeOutOfTime(failed)).toMatchObject({
      outcome: 'deferred',
      code: 'requiretls-not-offered',
      status: '4.4.7',
    });
  });

  test('with no host to blame', () => {
    expect(concludeOutOfTime([])).toBeUndefined();
  });
});

describe('some hosts were not even tried', () => {
  test.each([
    ['require', [['requiretls-not-offered']], 'deferred 4.7.30', 'one of them may offer it'],
    ['require', [['mx-not-authenticated']], 'deferred 4.7.10', 'no verdict for good'],
    ['default', [['no-mail-host']], 'deferred 4.4.4', 'one of them may have an address'],
    ['default', [['connect-failed']], 'deferred 4.4.1', 'as ever'],
  ] as const)('%s, %j: %s (%s)', (demand, codes, expected, _reason) => {
    const failed = hosts(...codes.map((list) => [...list]));
    const { outcome, status } = concludeExhausted(demand, failed, 3);
    expect(`${outcome} ${status}`).toBe(expected);
  });
});

test('what was refused when it was accepted has failed, whatever its code', () => {
  expect(concludeRefused('mail-loop', '51 hops')).toEqual({
    outcome: 'failed',
    code: 'mail-loop',
    status: '5.4.6',
    reason: '51 hops',
  });
  expect(concludeRefused('dns-timeout', 'x')).toMatchObject({ outcome: 'failed', status: '5.4.3' });
});

describe('the look-ups alone decide', () => {
  test.each([
    ['null-mx', 'failed 5.1.10', 'RFC 7505'],
    ['domain-not-found', 'failed 5.1.2', 'NXDOMAIN'],
    ['address-invalid', 'failed 5.1.3', 'no host name'],
    ['requiretls-disabled', 'failed 5.7.30', 'the toggle'],
    ['dns-timeout', 'deferred 4.4.3', 'may pass'],
    ['dns-server-failure', 'deferred 4.4.3', 'may pass'],
    ['dns-bogus', 'deferred 4.7.0', 'never downgraded'],
  ] as const)('%s: %s (%s)', (code, expected, _reason) => {
    const { outcome, status } = concludeWithoutHosts(code, 'because');
    expect(`${outcome} ${status}`).toBe(expected);
  });
});

test('what is given up says so, and why (RFC 3463 X.4.7)', () => {
  const deferred = concludeWithoutHosts('dns-timeout', 'no answer');
  expect(concludeExpired(deferred)).toMatchObject({
    outcome: 'failed',
    code: 'expired',
    status: '5.4.7',
    reason: expect.stringContaining('no answer'),
  });
});
