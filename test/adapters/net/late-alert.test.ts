/**
 * A server that rejects our part of a TLS 1.3 handshake does so after we hold it for done (RFC 8446 §4.4.2.4): such a
 * session is told for reports once, as a failure (RFC 8460 §4.3).
 */
import type { SecureVersion } from 'node:tls';
import { expect, onTestFinished, test } from 'vitest';
import { createChannelPool } from '../../../functions/delivery/channel-pool.ts';
import { createSessionLog } from '../../../functions/delivery/session-log.ts';
import { TransportSecurityError } from '../../../functions/protocol/errors.ts';
import type { RecordedSession } from '../../../functions/reporting/record-sessions.ts';
import { scriptedServer, standardScript } from './scripted-smtp-server.ts';
import { credential, opener, soon, target } from './smtp-fixture.ts';

/** What is told of one session with a server that does, or does not, ask for our certificate. */
async function tellSession(
  version: SecureVersion,
  demandsCertificate: boolean,
): Promise<{ readonly told: readonly RecordedSession[]; readonly refusal: unknown }> {
  const tls = { ...(await credential()), minVersion: version, maxVersion: version };
  const server = await scriptedServer(
    standardScript({ capabilities: ['STARTTLS'], credential: tls, demandsCertificate }),
  );
  onTestFinished(server.close);
  const told: RecordedSession[] = [];
  const sessions = createSessionLog({ now: Date.now, record: (session) => told.push(session) });
  const pool = createChannelPool({ openChannel: opener(), perHostMax: 1, now: Date.now });
  const plan = { domain: 'rcpt.test', sts: undefined };
  const note = sessions.begin(plan, { host: 'mx.test', dane: undefined, address: '127.0.0.1' });
  let refusal: unknown;
  try {
    const channel = await pool.acquire(target(server.port, { tls: 'mandatory' }), soon(), note);
    note.opened(channel);
    await pool.release(channel);
  } catch (error) {
    refusal = error;
    if (error instanceof TransportSecurityError) {
      note.failed(error);
    }
  }
  await pool.close();
  return { told, refusal };
}

test.each<[SecureVersion, string]>([
  ['TLSv1.3', 'behind the handshake, as it looks to us'],
  ['TLSv1.2', 'within it'],
])('%s: a certificate that is demanded of us, %s, is one session that failed', async (version) => {
  const { told, refusal } = await tellSession(version, true);
  expect(refusal).toMatchObject({ code: 'tls-handshake-failed' });
  expect(told).toEqual([
    {
      domain: 'rcpt.test',
      startedAtMs: expect.any(Number),
      policy: { type: 'no-policy-found', domain: 'rcpt.test', strings: [], mxHosts: [] },
      failure: {
        resultType: 'validation-failure',
        receivingMxHostname: 'mx.test',
        receivingMxHelo: 'mx.test',
        receivingIp: '127.0.0.1',
        failureReasonCode: expect.stringMatching(/^ERR_SSL_.*ALERT/),
      },
    },
  ]);
});

test('without the demand it is one that succeeded', async () => {
  const { told, refusal } = await tellSession('TLSv1.3', false);
  expect(refusal).toBeUndefined();
  expect(told).toHaveLength(1);
  expect(told[0]).not.toHaveProperty('failure');
});
