/** The channel at level `dane`, over real handshakes: what TLSA records prove, and that nothing is resumed under them. */
import { createHash, X509Certificate } from 'node:crypto';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { CertificateKind } from '../../../bin/world/certificates.ts';
import type { Channel, DaneDemand, OpenChannel } from '../../../functions/delivery/channel.ts';
import type { TlsaRecord } from '../../../functions/protocol/dane/tlsa-record.ts';
import { type ScriptedServer, scriptedServer, standardScript } from './scripted-smtp-server.ts';
import { credential, opener, soon, target } from './smtp-fixture.ts';

interface Host {
  readonly server: ScriptedServer;
  /** TLSA 3 1 1 of its key. */
  readonly record: TlsaRecord;
}

async function mxHost(kind: CertificateKind, name = 'mx.test'): Promise<Host> {
  const { key, cert } = await credential(kind, name);
  const certificate = { key, cert } as { key: string; cert: string };
  const server = await scriptedServer(
    standardScript({ capabilities: ['STARTTLS', 'PIPELINING'], credential: certificate }),
  );
  onTestFinished(server.close);
  const spki = new X509Certificate(certificate.cert).publicKey.export({
    type: 'spki',
    format: 'der',
  });
  const data = createHash('sha256').update(spki).digest();
  return { server, record: { usage: 3, selector: 1, matchingType: 1, data } };
}

const demand = (record: TlsaRecord, over: Partial<DaneDemand> = {}): DaneDemand => ({
  records: [record],
  referenceIdentifiers: { base: 'mx.test', nextHop: [] },
  alsoPkix: false,
  ...over,
});

async function open(
  { server }: Host,
  dane: DaneDemand,
  openChannel: OpenChannel = opener(),
): Promise<Channel> {
  const channel = await openChannel(target(server.port, { tls: 'dane', dane }), soon());
  onTestFinished(() => channel.quit());
  return channel;
}

const wrong = (record: TlsaRecord): TlsaRecord => ({ ...record, data: new Uint8Array(32) });

describe('DANE-EE (RFC 7672 §3.1.1)', () => {
  test.each<[CertificateKind, string]>([
    ['valid', 'a certificate that PKIX would take too'],
    ['self-signed', 'nobody vouches for it, and nobody needs to'],
    ['expired', 'dates do not count'],
    ['wrong-name', 'nor do names'],
  ])('%s: %s', async (kind) => {
    const host = await mxHost(kind);
    const channel = await open(host, demand(host.record));
    expect(channel.tls?.dane).toMatchObject({ verified: true });
    expect(channel.tls?.pkix.verified).toBe(kind === 'valid');
  });

  test('another key is refused though PKIX would take it, and nothing more is said', async () => {
    const host = await mxHost('valid');
    await expect(open(host, demand(wrong(host.record)))).rejects.toMatchObject({
      code: 'dane-mismatch',
    });
  });
});

describe('DANE with MTA-STS (alsoPkix)', () => {
  test('both hold', async () => {
    const host = await mxHost('valid');
    const channel = await open(host, demand(host.record, { alsoPkix: true }));
    expect(channel.tls?.pkix).toEqual({ verified: true });
  });

  test.each<[CertificateKind, string]>([
    ['self-signed', 'certificate-not-trusted'],
    ['expired', 'certificate-expired'],
  ])('%s: what DANE takes PKIX refuses', async (kind, code) => {
    const host = await mxHost(kind);
    await expect(open(host, demand(host.record, { alsoPkix: true }))).rejects.toMatchObject({
      code,
    });
  });
});

test('no session is resumed under DANE, nor its ticket kept', async () => {
  const host = await mxHost('valid');
  const openChannel = opener();
  for (let time = 0; time < 3; time += 1) {
    const channel = await open(host, demand(host.record), openChannel);
    expect(channel.tls?.resumed).toBe(false);
    await channel.quit();
  }
});

test('the level and the records go together', async () => {
  const host = await mxHost('valid');
  const openChannel = opener();
  await expect(openChannel(target(host.server.port, { tls: 'dane' }), soon())).rejects.toThrow(
    TypeError,
  );
  await expect(
    openChannel(target(host.server.port, { tls: 'pkix', dane: demand(host.record) }), soon()),
  ).rejects.toThrow(TypeError);
});
