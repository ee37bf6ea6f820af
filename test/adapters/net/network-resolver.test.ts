/** The resolver of a network setting, over real sockets, asked of signed zones. */
import { describe, expect, test } from 'vitest';
import {
  answerSigned,
  encodeSignedAnswer,
  readQuestion,
} from '../../../bin/world/dnssec-answers.ts';
import type { SignedZone } from '../../../bin/world/dnssec-signer.ts';
import { parseDnsServer } from '../../../functions/adapters/net/dns-servers.ts';
import {
  createNetworkResolver,
  publicDnsServers,
} from '../../../functions/adapters/net/network-resolver.ts';
import type { NetworkSetting } from '../../../functions/environment.ts';
import type { ValidatingResolver } from '../../../functions/resolving/validating-resolver.ts';
import { deadlineMs, nowSeconds, signTree } from '../../resolving/signed-world.ts';
import { httpsCertificates, startHttpsServer } from './dns-https-server.ts';
import { respond, type Script, startScriptedServer } from './dns-scripted-server.ts';

const zones: readonly SignedZone[] = signTree([
  { origin: '' },
  { origin: 'test' },
  {
    origin: 'example.test',
    records: [{ name: 'mx.example.test', type: 'A', data: '192.0.2.1' }],
  },
]);

const answerFromZones = (query: Uint8Array): Uint8Array =>
  encodeSignedAnswer(query, answerSigned(zones, readQuestion(query) ?? { name: '', type: 0 }));

/** The same without signatures, as an unsigned zone or a resolver that strips them would answer. */
const answerStripped = (query: Uint8Array): Uint8Array => {
  const { answers } = answerSigned(zones, readQuestion(query) ?? { name: '', type: 0 });
  const bare = answers.filter(({ type }) => type !== 46);
  return encodeSignedAnswer(query, { rcode: 0, answers: bare, authorities: [] });
};

/** Anchors as an operator writes them. */
function anchorOf(origin: string): string {
  const zone = zones.find((one) => one.origin === origin);
  const lines = (zone?.ds ?? []).map((rdata) => {
    const octets = Buffer.from(rdata);
    const hex = octets.toString('hex', 4);
    return `${origin}. IN DS ${octets.readUInt16BE(0)} ${octets[2]} ${octets[3]} ${hex}`;
  });
  return lines.join('\n');
}

function startPlain(answer: (query: Uint8Array) => Uint8Array, address = '127.0.0.1') {
  const udp: Script['udp'] = ({ octets, reply }) => reply(answer(octets));
  return startScriptedServer({ udp, address });
}

function resolverOf(network: NetworkSetting): ValidatingResolver {
  return createNetworkResolver(network, { now: () => nowSeconds * 1_000, tryTimeoutMs: 4_000 });
}

const secure = { kind: 'records', status: 'secure', records: ['192.0.2.1'] };
const insecure = { ...secure, status: 'insecure' };

describe('the servers of the setting', () => {
  test('over UDP', async () => {
    const { server } = await startPlain(answerFromZones);
    const resolver = resolverOf({ resolvers: [server], trustAnchors: anchorOf('') });
    expect(await resolver.lookup('mx.example.test', 'A', deadlineMs)).toMatchObject(secure);
  });

  test('over HTTPS, with a root of the setting', async () => {
    const { server } = await startHttpsServer({
      answer: ({ octets, reply }) => reply(answerFromZones(octets)),
    });
    const { rootPem: extraRoots } = await httpsCertificates();
    const resolver = resolverOf({ resolvers: [server], trustAnchors: anchorOf(''), extraRoots });
    expect(await resolver.lookup('mx.example.test', 'A', deadlineMs)).toMatchObject(secure);
  });

  test('the next one is asked where the first strips signatures or fails', async () => {
    const second = await startPlain(answerFromZones, '127.0.0.2');
    for (const bad of [answerStripped, (query: Uint8Array) => respond(query, [], 0x8182)]) {
      const first = await startPlain(bad);
      const resolver = resolverOf({
        resolvers: [first.server, second.server],
        trustAnchors: anchorOf(''),
      });
      expect(await resolver.lookup('mx.example.test', 'A', deadlineMs)).toMatchObject(secure);
      expect(first.received.length).toBeGreaterThan(0);
    }
  });

  test('all stripping signatures prove nothing', async () => {
    const { server } = await startPlain(answerStripped);
    const resolver = resolverOf({ resolvers: [server], trustAnchors: anchorOf('') });
    expect(await resolver.lookup('mx.example.test', 'A', deadlineMs)).toMatchObject({
      kind: 'failed',
      code: 'dns-bogus',
    });
  });

  test('by default are two public ones of different vendors, at pinned addresses', () => {
    expect(publicDnsServers.map((text) => parseDnsServer(text).kind)).toEqual(['https', 'https']);
    expect(() => createNetworkResolver({})).not.toThrow();
  });
});

describe('anchors', () => {
  test("the root's are those of the real root, unless the setting has others", async () => {
    const { server } = await startPlain(answerFromZones);
    expect(
      await resolverOf({ resolvers: [server] }).lookup('mx.example.test', 'A', deadlineMs),
    ).toMatchObject({ kind: 'failed', code: 'dns-bogus' });
  });

  test("anchors of other names stand beside the root's", async () => {
    const { server } = await startPlain(answerFromZones);
    const resolver = resolverOf({ resolvers: [server], trustAnchors: anchorOf('example.test') });
    expect(await resolver.lookup('mx.example.test', 'A', deadlineMs)).toMatchObject(secure);
    // Above it the real root's keys still count, which this root is not signed by.
    expect(await resolver.lookup('test', 'A', deadlineMs)).toMatchObject({ code: 'dns-bogus' });
  });

  test.each([
    ['', 'the root, written as nothing'],
    ['.', 'the root'],
    ['test', 'a zone on the way'],
    ['Example.Test.', 'the zone itself, in any case'],
    ['mx.example.test', 'the name'],
  ])('nothing is validated at and below the negative anchor %j: %s', async (name) => {
    const { server } = await startPlain(answerStripped);
    const resolver = resolverOf({
      resolvers: [server],
      trustAnchors: anchorOf(''),
      negativeTrustAnchors: [name],
    });
    expect(await resolver.lookup('mx.example.test', 'A', deadlineMs)).toMatchObject(insecure);
  });

  test('an anchor below a negative one counts', async () => {
    const { server } = await startPlain(answerFromZones);
    const resolver = resolverOf({
      resolvers: [server],
      trustAnchors: anchorOf('example.test'),
      negativeTrustAnchors: [''],
    });
    expect(await resolver.lookup('mx.example.test', 'A', deadlineMs)).toMatchObject(secure);
  });
});

describe('a setting that cannot be meant is refused', () => {
  test.each<readonly [string, NetworkSetting]>([
    ['no server', { resolvers: [] }],
    ['a server by name', { resolvers: ['dns.example'] }],
    ['no anchor', { trustAnchors: '; none\n' }],
    ['half an anchor', { trustAnchors: '. IN DS 20326 8' }],
    ['a name with an empty label', { negativeTrustAnchors: ['a..example'] }],
    ['no certificate', { extraRoots: 'none' }],
  ])('%s', (_, network) => {
    expect(() => createNetworkResolver(network)).toThrow(
      expect.objectContaining({ name: 'TransportSecurityError', code: 'settings-invalid' }),
    );
  });
});
