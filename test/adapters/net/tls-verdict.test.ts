/** What the peer's TLS has to show, over real handshakes. */
import type { SecureContextOptions } from 'node:tls';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { CertificateKind } from '../../../bin/world/certificates.ts';
import type { Channel, ChannelTarget, OpenChannel } from '../../../functions/delivery/channel.ts';
import { type FailureCode, failures } from '../../../functions/protocol/errors.ts';
import type { ResultType } from '../../../functions/protocol/tlsrpt/result-type.ts';
import { type ScriptedServer, scriptedServer, standardScript } from './scripted-smtp-server.ts';
import { credential, opener, soon, target } from './smtp-fixture.ts';

async function mxHost(certificate: SecureContextOptions): Promise<ScriptedServer> {
  const server = await scriptedServer(
    standardScript({ capabilities: ['STARTTLS', 'PIPELINING'], credential: certificate }),
  );
  onTestFinished(server.close);
  return server;
}

async function open(
  server: ScriptedServer,
  options: Partial<ChannelTarget>,
  openChannel: OpenChannel = opener(),
): Promise<Channel> {
  const channel = await openChannel(target(server.port, options), soon());
  onTestFinished(() => channel.quit());
  return channel;
}

describe('certificates (RFC 8461 §4.2)', () => {
  test.each<[CertificateKind, string]>([
    ['valid', 'a DNS-ID equal to the MX name'],
    ['valid-p384', 'another curve'],
    ['wildcard', 'a wildcard for the left-most label'],
    ['intermediate', 'a chain of three'],
  ])('%s verifies: %s', async (kind) => {
    const server = await mxHost(await credential(kind, 'mx.sub.test'));
    const channel = await open(server, { tls: 'pkix', host: 'mx.sub.test' });
    expect(channel.tls?.pkix).toEqual({ verified: true });
  });

  test.each(['MX.Test', 'mx.test.'])('a name published as %s is the same', async (host) => {
    const server = await mxHost(await credential());
    const channel = await open(server, { tls: 'pkix', host });
    expect(channel.tls?.pkix).toEqual({ verified: true });
  });

  test.each<[CertificateKind, FailureCode, ResultType, string]>([
    ['expired', 'certificate-expired', 'certificate-expired', 'out of date'],
    ['not-yet-valid', 'certificate-not-yet-valid', 'validation-failure', 'too early'],
    ['wrong-name', 'certificate-host-mismatch', 'certificate-host-mismatch', 'another name'],
    ['common-name-only', 'certificate-host-mismatch', 'certificate-host-mismatch', 'no DNS-ID'],
    ['partial-wildcard', 'certificate-host-mismatch', 'certificate-host-mismatch', 'm*.test'],
    ['self-signed', 'certificate-not-trusted', 'certificate-not-trusted', 'vouches for itself'],
    ['other-authority', 'certificate-not-trusted', 'certificate-not-trusted', 'unknown root'],
    ['missing-intermediate', 'certificate-not-trusted', 'certificate-not-trusted', 'chain cut'],
    ['not-an-authority', 'certificate-not-trusted', 'certificate-not-trusted', 'may not issue'],
    ['client-only', 'certificate-not-trusted', 'certificate-not-trusted', 'for clients'],
  ])('%s: %s', async (kind, code, resultType) => {
    expect(failures[code].resultType).toBe(resultType);
    const server = await mxHost(await credential(kind));
    await expect(open(server, { tls: 'pkix' })).rejects.toMatchObject({ code });
    await server.sessions[0]?.ended();
    // The verdict comes before the second EHLO (RFC 8689 §4.2.1: QUIT is all that follows).
    expect(server.sessions[0]?.log).toEqual(['EHLO out.test', 'STARTTLS', 'QUIT']);

    for (const tls of ['opportunistic', 'mandatory'] as const) {
      const channel = await open(server, { tls });
      expect(channel.tls?.pkix).toMatchObject({ verified: false, code });
      expect(channel.tls?.fingerprint).toMatch(/^[0-9a-f]{64}$/);
    }
  });

  test('what fails the chain has the name that OpenSSL gives it, for reports', async () => {
    const server = await mxHost(await credential('expired'));
    const channel = await open(server, { tls: 'mandatory' });
    expect(channel.tls?.pkix).toMatchObject({ reasonCode: 'CERT_HAS_EXPIRED' });
  });

  test('a wildcard is for one label', async () => {
    const server = await mxHost(await credential('wildcard', 'mx.sub.test'));
    await expect(open(server, { tls: 'pkix', host: 'a.b.sub.test' })).rejects.toMatchObject({
      code: 'certificate-host-mismatch',
    });
    await expect(open(server, { tls: 'pkix', host: 'sub.test' })).rejects.toMatchObject({
      code: 'certificate-host-mismatch',
    });
  });

  test('a wildcard for a whole top-level domain is none', async () => {
    const server = await mxHost(await credential('wildcard', 'mx.test'));
    await expect(open(server, { tls: 'pkix' })).rejects.toMatchObject({
      code: 'certificate-host-mismatch',
    });
  });

  test('an address is no reference identifier', async () => {
    const server = await mxHost(await credential());
    await expect(open(server, { tls: 'pkix', host: '127.0.0.1' })).rejects.toMatchObject({
      code: 'certificate-host-mismatch',
    });
  });

  test('the bundled roots do not know the tests’ authority', async () => {
    const server = await mxHost(await credential());
    const strict = opener({ network: {} });
    await expect(open(server, { tls: 'pkix' }, strict)).rejects.toMatchObject({
      code: 'certificate-not-trusted',
    });
  });
});

describe('handshakes', () => {
  const old = { ciphers: 'DEFAULT:@SECLEVEL=0' };

  test.each<[string, SecureContextOptions]>([
    ['TLS 1.0', { ...old, minVersion: 'TLSv1', maxVersion: 'TLSv1' }],
    ['TLS 1.1', { ...old, minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1' }],
  ])('%s alone is too old (RFC 8996)', async (_version, options) => {
    const server = await mxHost({ ...(await credential()), ...options });
    for (const tls of ['opportunistic', 'mandatory', 'pkix'] as const) {
      await expect(open(server, { tls })).rejects.toMatchObject({ code: 'tls-handshake-failed' });
    }
    for (const session of server.sessions) {
      await session.ended();
      expect(session.log).toEqual(['EHLO out.test', 'STARTTLS']);
    }
  });

  test('TLS 1.2 will do', async () => {
    const server = await mxHost({ ...(await credential()), maxVersion: 'TLSv1.2' });
    const channel = await open(server, { tls: 'pkix' });
    expect(channel.tls).toMatchObject({ version: 'TLSv1.2', pkix: { verified: true } });
  });

  test('SNI is the MX name (RFC 8461 §7.1); a literal sends none', async () => {
    const names: unknown[] = [];
    const server = await scriptedServer(async (session) => {
      session.send('220 mx.test\r\n');
      await session.line();
      session.send('250-mx.test\r\n250 STARTTLS\r\n');
      await session.line();
      session.send('220 go\r\n');
      await session.startTls(await credential());
      names.push((session.socket as unknown as { servername: unknown }).servername);
    });
    onTestFinished(server.close);
    await expect(open(server, { tls: 'mandatory' })).rejects.toThrow();
    await expect(open(server, { tls: 'mandatory', host: '127.0.0.1' })).rejects.toThrow();
    expect(names).toEqual(['mx.test', false]);
  });

  test.each<[string, (text: (line: string) => void, end: () => void) => void]>([
    ['closes', (_send, end) => end()],
    ['speaks another language', (send) => send('HTTP/1.1 400 Bad Request\r\n\r\n')],
  ])('a peer that %s within the handshake', async (_what, misbehave) => {
    const server = await scriptedServer(async (session) => {
      session.send('220 mx.test\r\n');
      await session.line();
      session.send('250-mx.test\r\n250 STARTTLS\r\n');
      await session.line();
      session.send('220 go\r\n');
      await session.arrival();
      misbehave(session.send, () => session.socket.destroy());
      await session.ended();
    });
    onTestFinished(server.close);
    await expect(open(server, { tls: 'opportunistic' })).rejects.toMatchObject({
      code: 'tls-handshake-failed',
    });
  });

  test('a failure after the handshake and before the first reply is one of the handshake', async () => {
    const certificate = await credential();
    const server = await scriptedServer(async (session) => {
      session.send('220 mx.test\r\n');
      await session.line();
      session.send('250-mx.test\r\n250 STARTTLS\r\n');
      await session.line();
      session.send('220 go\r\n');
      const plain = session.socket;
      await session.startTls(certificate);
      await session.line();
      // What a TLS 1.3 server answers to a handshake that it rejects comes after the client is done with it.
      plain.write('no TLS record');
      await session.ended();
    });
    onTestFinished(server.close);
    await expect(open(server, { tls: 'pkix' })).rejects.toMatchObject({
      code: 'tls-handshake-failed',
      message: expect.stringContaining('mx.test [127.0.0.1]'),
    });
  });
});

describe('resumption', () => {
  /** Opens, makes sure that tickets have arrived by a reply, and leaves. */
  async function visit(
    server: ScriptedServer,
    openChannel: OpenChannel,
    options: Partial<ChannelTarget>,
  ): Promise<Channel> {
    const channel = await open(server, options, openChannel);
    await channel.quit();
    return channel;
  }

  test.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'a session of the same verdict is resumed with its facts, under %s',
    async (version) => {
      const server = await mxHost({ ...(await credential()), maxVersion: version });
      const openChannel = opener();
      const first = await visit(server, openChannel, { tls: 'pkix' });
      const second = await visit(server, openChannel, { tls: 'pkix' });
      expect(first.tls?.resumed).toBe(false);
      expect(second.tls).toEqual({ ...first.tls, resumed: true });
      // Each resumption brings a ticket for the next.
      expect((await visit(server, openChannel, { tls: 'pkix' })).tls?.resumed).toBe(true);
    },
  );

  test.each<[Partial<ChannelTarget>, string]>([
    [{ tls: 'pkix' }, 'a higher level'],
    [{ tls: 'mandatory' }, 'another level'],
    [{ verdictKey: 'another' }, 'another verdict key'],
    [{ host: 'mx2.test' }, 'another host'],
  ])('none is offered for %j: %s', async (options) => {
    const certificate = await credential();
    const server = await mxHost(certificate);
    const openChannel = opener();
    await visit(server, openChannel, { tls: 'opportunistic' });
    const channel = await visit(server, openChannel, { tls: 'opportunistic', ...options });
    expect(channel.tls?.resumed).toBe(false);
  });

  test('a session with the wrong certificate does not open the door to an authenticated one', async () => {
    const server = await mxHost(await credential('wrong-name'));
    const openChannel = opener();
    const lenient = await visit(server, openChannel, { tls: 'opportunistic' });
    expect(lenient.tls?.pkix.verified).toBe(false);
    expect((await visit(server, openChannel, { tls: 'opportunistic' })).tls).toMatchObject({
      resumed: true,
      pkix: { verified: false, code: 'certificate-host-mismatch' },
    });
    for (let time = 0; time < 2; time += 1) {
      await expect(open(server, { tls: 'pkix' }, openChannel)).rejects.toMatchObject({
        code: 'certificate-host-mismatch',
      });
    }
  });

  test('an hour after the certificate was seen it is a full handshake again', async () => {
    const server = await mxHost(await credential());
    let nowMs = Date.now();
    const openChannel = opener({ now: () => nowMs });
    const visitNow = async (): Promise<boolean | undefined> => {
      const channel = await openChannel(target(server.port, { tls: 'pkix' }), nowMs + 660_000);
      await channel.quit();
      return channel.tls?.resumed;
    };
    expect(await visitNow()).toBe(false);
    nowMs += 1_800_000;
    expect(await visitNow()).toBe(true);
    // Resuming has not put it off.
    nowMs += 1_801_000;
    expect(await visitNow()).toBe(false);
  });
});
