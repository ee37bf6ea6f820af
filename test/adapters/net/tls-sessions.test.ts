import { expect, test } from 'vitest';
import {
  createTlsSessions,
  type StoredSession,
} from '../../../functions/adapters/net/tls-sessions.ts';
import { target } from './smtp-fixture.ts';

function session(name: string, notAfterMs = 10_000_000): StoredSession {
  return {
    ticket: Buffer.from(name),
    notAfterMs,
    facts: {
      version: 'TLSv1.3',
      cipher: 'TLS_AES_256_GCM_SHA384',
      fingerprint: '00',
      resumed: false,
      pkix: { verified: true },
    },
  };
}

const pkix = target(25, { tls: 'pkix' });

test('a ticket is given once, the newest first', () => {
  const sessions = createTlsSessions();
  sessions.put(pkix, session('a'), 0);
  sessions.put(pkix, session('b'), 0);
  expect(sessions.take(pkix, 0)?.ticket.toString()).toBe('b');
  expect(sessions.take(pkix, 0)?.ticket.toString()).toBe('a');
  expect(sessions.take(pkix, 0)).toBeUndefined();
});

test.each([
  ['level', { ...pkix, tls: 'mandatory' as const }],
  ['host', { ...pkix, host: 'mx2.test' }],
  ['port', { ...pkix, port: 26 }],
  ['verdict key', { ...pkix, verdictKey: 'other' }],
])('another %s is another key', (_what, other) => {
  const sessions = createTlsSessions();
  sessions.put(pkix, session('a'), 0);
  expect(sessions.take(other, 0)).toBeUndefined();
  expect(sessions.take({ ...pkix, address: '127.0.0.2' }, 0)).toBeDefined();
});

test.each([
  [3_599_999, 10_000_000, true, 'within the hour'],
  [3_600_000, 10_000_000, false, 'after an hour'],
  [999, 1_000, true, 'while the certificate holds'],
  [1_000, 1_000, false, 'when the certificate has ended'],
])('at %i ms, the certificate ending at %i: %s (%s)', (nowMs, notAfterMs, given) => {
  const sessions = createTlsSessions();
  sessions.put(pkix, session('a', notAfterMs), 0);
  expect(sessions.take(pkix, nowMs) !== undefined).toBe(given);
});

test('four tickets are kept for a key, and 512 keys', () => {
  const sessions = createTlsSessions();
  for (let index = 0; index < 600; index += 1) {
    sessions.put(target(index, { tls: 'pkix' }), session('a'), 0);
  }
  for (const name of 'abcdef') {
    sessions.put(pkix, session(name), 0);
  }
  const left = Array.from({ length: 600 }, (_, port) =>
    sessions.take(target(port, { tls: 'pkix' }), 0),
  );
  expect(left.filter((each) => each !== undefined).length).toBe(512);
  expect(left[0]).toBeUndefined();
  const tickets = Array.from({ length: 5 }, () => sessions.take(pkix, 0)?.ticket.toString());
  expect(tickets).toEqual(['e', 'd', 'c', undefined, undefined]);
});
