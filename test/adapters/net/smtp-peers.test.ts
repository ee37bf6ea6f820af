/** Against npm's smtp-server: a peer that we did not write. */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { SMTPServer, type SMTPServerOptions } from 'smtp-server';
import { describe, expect, onTestFinished, test } from 'vitest';
import { credential, message, opener, soon, target } from './smtp-fixture.ts';

interface Received {
  readonly from: string;
  readonly to: readonly string[];
  readonly content: string;
  readonly envelope: unknown;
}

async function smtpServer(
  options: SMTPServerOptions = {},
): Promise<{ port: number; received: Received[] }> {
  const received: Received[] = [];
  const { key, cert } = await credential();
  const server = new SMTPServer({
    ...(key === undefined || cert === undefined ? {} : { key, cert: String(cert) }),
    authOptional: true,
    disableReverseLookup: true,
    hideREQUIRETLS: false,
    hideDSN: false,
    hideENHANCEDSTATUSCODES: false,
    onData: (stream, session, callback) => {
      const pieces: Buffer[] = [];
      stream.on('data', (piece: Buffer) => pieces.push(piece));
      stream.on('end', () => {
        const { mailFrom, rcptTo } = session.envelope;
        received.push({
          from: mailFrom === false ? '' : mailFrom.address,
          to: rcptTo.map(({ address }) => address),
          content: Buffer.concat(pieces).toString('latin1'),
          envelope: session.envelope,
        });
        callback(null, 'queued');
      });
    },
    ...options,
  } as SMTPServerOptions);
  server.on('error', () => {}); // a client that leaves is no fault
  const listener = server.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  onTestFinished(
    () =>
      new Promise((resolve) => {
        server.close(() => resolve());
      }),
  );
  return { port: (listener.address() as AddressInfo).port, received };
}

describe('smtp-server', () => {
  test('verified TLS, REQUIRETLS, DSN and SMTPUTF8, three messages over one connection', async () => {
    const { port, received } = await smtpServer();
    const channel = await opener()(target(port, { tls: 'pkix' }), soon());
    expect(channel.tls?.pkix).toEqual({ verified: true });
    expect(channel.capabilities.has('REQUIRETLS')).toBe(true);
    const results = await Promise.all([
      channel.transact(
        message('Subject: one\n\n.dot\n', ['b@y.test', 'c@y.test'], {
          requireTls: true,
          ret: 'HDRS',
          envid: 'e+1',
          recipients: [
            { address: 'b@y.test', notify: ['SUCCESS', 'FAILURE'], orcpt: 'rfc822;b+tag@y.test' },
            { address: 'c@y.test' },
          ],
        }),
        soon(),
      ),
      channel.transact(message('Subject: two\r\n\r\n\xc3\xa4\r\n', ['\u00e9@y.test']), soon()),
      channel.transact(message('Subject: three', ['d@y.test'], { mailFrom: '' }), soon()),
    ]);
    await channel.quit();
    expect(results.flatMap(({ recipients }) => recipients.map(({ outcome }) => outcome))).toEqual(
      Array(4).fill('delivered'),
    );
    expect(received).toMatchObject([
      {
        from: 'a@x.test',
        to: ['b@y.test', 'c@y.test'],
        content: 'Subject: one\r\n\r\n.dot\r\n',
        envelope: {
          requireTLS: true,
          dsn: { ret: 'HDRS' },
        },
      },
      { to: ['\u00e9@y.test'], content: 'Subject: two\r\n\r\n\xc3\xa4\r\n' },
      { from: '', content: 'Subject: three\r\n' },
    ]);
  });

  test('recipients refused one by one', async () => {
    const { port, received } = await smtpServer({
      onRcptTo: ({ address }, _session, callback) => {
        const error = Object.assign(new Error('no such user'), { responseCode: 550 });
        callback(address.startsWith('no') ? error : null);
      },
    });
    const channel = await opener()(target(port, { tls: 'mandatory' }), soon());
    const mixed = await channel.transact(message('x: y', ['no@y.test', 'b@y.test']), soon());
    expect(mixed.recipients.map(({ outcome }) => outcome)).toEqual(['failed', 'delivered']);
    const none = await channel.transact(message('x: y', ['no@y.test']), soon());
    expect(none).toMatchObject({ contentSent: 'none', sessionLost: false });
    const next = await channel.transact(message('x: y', ['b@y.test']), soon());
    expect(next.recipients.map(({ outcome }) => outcome)).toEqual(['delivered']);
    await channel.quit();
    expect(received.map(({ to }) => to)).toEqual([['b@y.test'], ['b@y.test']]);
  });

  test('implicit TLS with AUTH PLAIN', async () => {
    const seen: unknown[] = [];
    const { port, received } = await smtpServer({
      secure: true,
      authOptional: false,
      onAuth: ({ method, username, password }, _session, callback) => {
        seen.push([method, username, password]);
        callback(null, { user: username });
      },
    });
    const channel = await opener()(
      target(port, {
        tls: 'pkix',
        implicitTls: true,
        credentials: { username: 'tim', password: 'p\u00e4ss' },
      }),
      soon(),
    );
    const { recipients } = await channel.transact(message('x: y'), soon());
    await channel.quit();
    expect(recipients).toMatchObject([{ outcome: 'delivered' }]);
    expect(seen).toEqual([['PLAIN', 'tim', 'p\u00e4ss']]);
    expect(received).toHaveLength(1);
  });

  test('a size limit is read and kept', async () => {
    const { port } = await smtpServer({ size: 1_000 });
    const channel = await opener()(target(port, { tls: 'pkix' }), soon());
    const { recipients } = await channel.transact(message('x'.repeat(2_000)), soon());
    await channel.quit();
    expect(recipients).toMatchObject([{ outcome: 'failed', code: 'size-exceeded' }]);
  });
});
