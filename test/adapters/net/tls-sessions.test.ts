import { expect, test } from 'vitest';
import {
  createTlsSessions,
  resumableUntil,
  type StoredSession,
} from '../../../functions/adapters/net/tls-sessions.ts';
import { target } from './smtp-fixture.ts';

function session(name: string, untilMs = 1_000): StoredSession {
  return {
    ticket: Buffer.from(name),
    untilMs,
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
  sessions.put(pkix, session('a'));
  sessions.put(pkix, session('b'));
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
  sessions.put(pkix, session('a'));
  expect(sessions.take(other, 0)).toBeUndefined();
  expect(sessions.take({ ...pkix, address: '127.0.0.2' }, 0)).toBeDefined();
});

test('a session is not given when its time is over', () => {
  const sessions = createTlsSessions();
  sessions.put(pkix, session('a', 1_000));
  sessions.put(pkix, session('b', 1_000));
  expect(sessions.take(pkix, 999)).toBeDefined();
  expect(sessions.take(pkix, 1_000)).toBeUndefined();
});

test.each([
  [10_000_000, 3_600_000, 'an hour'],
  [1_000, 1_000, 'the end of the certificate'],
])('a certificate that ends at %i is seen again after %i: %s', (endsAtMs, untilMs) => {
  expect(resumableUntil(0, endsAtMs)).toBe(untilMs);
});

test('four tickets are kept for a key, and 512 keys', () => {
  const sessions = createTlsSessions();
  for (let index = 0; index < 600; index += 1) {
    sessions.put(target(index, { tls: 'pkix' }), session('a'));
  }
  for (const name of 'abcdef') {
    sessions.put(pkix, session(name));
  }
  const left = Array.from({ length: 600 }, (_, port) =>
    sessions.take(target(port, { tls: 'pkix' }), 0),
  );
  expect(left.filter((each) => each !== undefined).length).toBe(512);
  expect(left[0]).toBeUndefined();
  const tickets = Array.from({ length: 5 }, () => sessions.take(pkix, 0)?.ticket.toString());
  expect(tickets).toEqual(['e', 'd', 'c', undefined, undefined]);
});
