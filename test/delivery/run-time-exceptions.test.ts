/** What operators decide while mail flows: exceptions made at run time, and policies that were set by hand. */
import { expect, test } from 'vitest';
import { TransportSecurityError } from '../../functions/protocol/errors.ts';
import { storedException } from '../operating/control-store-contract.ts';
import { createHarness, enforce, record } from './harness.ts';

const domain = 'rcpt.example';
const later = '2026-02-01T00:00:00Z';

test.each<[string, Partial<ReturnType<typeof storedException>>, string, string]>([
  ['mta-sts', { domain, expires: later }, 'opportunistic', 'the policy is not asked for'],
  ['mta-sts', { domain, expires: '2026-01-01T00:00:30Z' }, 'pkix', 'over: it holds again'],
  ['mta-sts', { domain: 'other.example', expires: later }, 'pkix', 'another domain'],
  ['dane', { domain, policy: 'dane', expires: later }, 'pkix', 'another policy'],
])('an exception from %s, %j: %s (%s)', async (_, over, tls) => {
  const harness = createHarness();
  harness.sts = enforce('mx.rcpt.example');
  harness.controls = { rules: [], exceptions: [storedException(over)] };
  await harness.deliver(record());
  expect(harness.sent.map((sent) => sent.tls)).toEqual([tls]);
});

test('an exception does not take away what the message itself asks for: 5.7.30', async () => {
  const harness = createHarness();
  harness.sts = enforce('mx.rcpt.example');
  harness.peers.set('mx.rcpt.example', { requireTls: true });
  harness.controls = { rules: [], exceptions: [storedException({ domain, expires: later })] };
  await harness.deliver(record({ id: 'm-ask', requireTls: true }));
  const row = await harness.stores.messages.readDelivery('m-ask', domain);
  expect(row?.recipients).toMatchObject([{ state: 'failed', status: '5.7.30' }]);
  expect(harness.opened).toEqual([]);
});

test('an exception from tagging leaves REQUIRETLS of the message itself as it is', async () => {
  const harness = createHarness();
  harness.sts = enforce('mx.rcpt.example');
  harness.peers.set('mx.rcpt.example', { requireTls: true });
  const exception = storedException({ domain, policy: 'tagging', expires: later });
  harness.controls = { rules: [], exceptions: [exception] };
  await harness.deliver(record({ id: 'm-ask', requireTls: true }));
  expect(harness.sent).toMatchObject([{ tls: 'pkix', transaction: { requireTls: true } }]);
});

test('where nobody knows what operators decided nothing is sent', async () => {
  const harness = createHarness();
  const one = record();
  Object.assign(harness.parts.ports, {
    readControls: async () => {
      throw new TransportSecurityError('store-unavailable', 'an outage');
    },
  });
  expect(await harness.deliver(one)).toEqual([one.messageId]);
  expect(harness.sent).toEqual([]);
});

test('a policy that was set by hand is quoted with who set it and why', async () => {
  const harness = createHarness();
  const policy = enforce('mx.rcpt.example');
  if (policy.kind !== 'policy') {
    throw new TypeError('enforce gives a policy');
  }
  const setBy = { author: 'alice', reason: 'their host is down, ticket 7' };
  harness.sts = { ...policy, cached: { ...policy.cached, setBy } };
  await harness.deliver(record({ id: 'm-set' }));
  const row = await harness.stores.messages.readDelivery('m-set', domain);
  expect(row?.why?.policy?.setBy).toBe('alice: their host is down, ticket 7');
});
