/** The world's signed zones, judged by the product's validator. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { encodeSignedAnswer, readQuestion } from '../../../bin/world/dnssec-answers.ts';
import { createSignedTree } from '../../../bin/world/signed-tree.ts';
import { startWorld, type World, type WorldDefinition } from '../../../bin/world/world.ts';
import type { ZoneDefinition } from '../../../bin/world/world-zones.ts';
import { createZoneTable, type SigningTerms, type Zone } from '../../../bin/world/zone.ts';
import type { DnssecStatus } from '../../../functions/protocol/dns/answer.ts';
import { parseName } from '../../../functions/protocol/dns/name.ts';
import { encodeQuery } from '../../../functions/protocol/dns/query.ts';
import { parseTrustAnchors } from '../../../functions/protocol/dnssec/anchors.ts';
import type { Exchange } from '../../../functions/resolving/ports.ts';
import {
  createValidatingResolver,
  type ValidatingResolver,
} from '../../../functions/resolving/validating-resolver.ts';

const nowMs = Date.parse('2026-11-24T12:00:00Z');
const now = (): number => nowMs;
const deadlineMs = nowMs + 5_000;

function zone(label: string, signed?: SigningTerms, parent = 'example'): Zone {
  const origin = `${label}.${parent}`;
  return {
    origin,
    records: [
      { name: origin, type: 'MX', preference: 10, exchange: `mx.${origin}` },
      { name: `mx.${origin}`, type: 'A', data: '127.25.0.1' },
      { name: `alias.${origin}`, type: 'CNAME', data: 'mx.right.example' },
    ],
    ...(signed === undefined ? {} : { signed }),
  };
}

const zones: readonly Zone[] = [
  zone('unsigned'),
  zone('right', {}),
  zone('rsa', { algorithm: 8 }),
  zone('ed25519', { algorithm: 15 }),
  zone('nsec3', { denial: 'NSEC3' }),
  zone('opt-out', { denial: 'NSEC3-opt-out' }),
  zone('unsigned', undefined, 'opt-out.example'),
  zone('signed', {}, 'opt-out.example'),
  zone('rollover', { rollover: true }),
  zone('sha1', { algorithm: 7 }),
  zone('no-ds', { ds: 'missing' }),
  zone('wrong-ds', { ds: 'wrong' }),
  zone('expired', { faults: [{ fault: 'expired' }] }),
  zone('future', { faults: [{ fault: 'future' }] }),
  zone('stripped', { faults: [{ fault: 'stripped' }] }),
  zone('wrong', { faults: [{ fault: 'wrong-signature', type: 'MX' }] }),
  zone('forged', {
    forged: [
      { name: 'forged.example', type: 'MX', preference: 1, exchange: 'mx.attacker.example' },
      { name: 'new.forged.example', type: 'A', data: '127.25.0.66' },
    ],
  }),
  zone('shop', {}, 'com'),
  zone('unsigned', undefined, 'com'),
  zone('unsigned', undefined, 'elsewhere'),
];

function resolverOver(given: readonly Zone[]): ValidatingResolver {
  const tree = createSignedTree(createZoneTable(given), now);
  const exchange: Exchange = async (query) => {
    const question = readQuestion(query);
    if (question === undefined) {
      throw new TypeError('not a query');
    }
    return encodeSignedAnswer(query, tree.answer(question));
  };
  const anchors = parseTrustAnchors(tree.trustAnchors);
  return createValidatingResolver({ exchange, anchors, now });
}

describe('a validator that trusts the root', () => {
  const resolver = resolverOver(zones);
  test.each<[string, 'A' | 'MX', string, DnssecStatus, string]>([
    ['right.example', 'MX', 'records', 'secure', 'ECDSA and NSEC'],
    ['rsa.example', 'MX', 'records', 'secure', 'RSA'],
    ['ed25519.example', 'MX', 'records', 'secure', 'Ed25519'],
    ['nsec3.example', 'MX', 'records', 'secure', 'NSEC3'],
    ['rollover.example', 'MX', 'records', 'secure', 'two keys, one known to the parent'],
    ['shop.com', 'MX', 'records', 'secure', 'below a top-level domain with opt-out'],
    ['alias.right.example', 'A', 'records', 'secure', 'a signed alias'],
    ['nobody.right.example', 'A', 'nxdomain', 'secure', 'absence by NSEC'],
    ['nobody.nsec3.example', 'A', 'nxdomain', 'secure', 'absence by NSEC3'],
    ['mx.nsec3.example', 'MX', 'nodata', 'secure', 'no such type, by NSEC3'],
    ['nobody', 'A', 'nxdomain', 'secure', 'no such top-level domain'],
    ['nobody.example', 'MX', 'nxdomain', 'secure', 'no such domain'],
    ['signed.opt-out.example', 'MX', 'records', 'secure', 'a signed delegation beside opt-out'],
    ['unsigned.example', 'MX', 'records', 'insecure', 'not signed, which NSEC proves'],
    ['nobody.unsigned.example', 'A', 'nxdomain', 'insecure', 'absence without proof'],
    ['unsigned.com', 'MX', 'records', 'insecure', 'not signed, by opt-out'],
    ['unsigned.opt-out.example', 'MX', 'records', 'insecure', 'not signed, by opt-out'],
    ['unsigned.elsewhere', 'MX', 'records', 'insecure', 'a top-level domain made for it'],
    ['no-ds.example', 'MX', 'records', 'insecure', 'the parent vouches for nothing'],
    ['sha1.example', 'MX', 'records', 'insecure', 'an algorithm that does not count'],
    ['alias.unsigned.example', 'A', 'records', 'secure', 'an insecure alias for a secure name'],
  ])('%s %s: %s, %s (%s)', async (name, type, kind, status) => {
    expect(await resolver.lookup(name, type, deadlineMs)).toMatchObject({ kind, status });
  });

  test.each<[string, 'A' | 'MX', string]>([
    ['wrong-ds.example', 'MX', 'the parent vouches for another key'],
    ['expired.example', 'MX', 'signatures of last month'],
    ['future.example', 'MX', 'signatures of tomorrow'],
    ['stripped.example', 'MX', 'signatures taken out'],
    ['wrong.example', 'MX', 'a bit turned'],
    ['forged.example', 'MX', 'other records under the signature'],
    ['new.forged.example', 'A', 'records without a signature'],
  ])('%s %s is bogus (%s)', async (name, type) => {
    const answer = await resolver.lookup(name, type, deadlineMs);
    expect(answer).toMatchObject({ kind: 'failed', code: 'dns-bogus' });
  });

  test('a fault of one set spoils no other', async () => {
    const answer = await resolver.lookup('mx.wrong.example', 'A', deadlineMs);
    expect(answer).toMatchObject({ kind: 'records', status: 'secure' });
  });
});

const name = 'signed.test';
const signedZone: ZoneDefinition = {
  origin: name,
  records: [
    { name, type: 'MX', preference: 10, exchange: `mx1.${name}` },
    ...(['leaf', 'issuer', 'stranger', Uint8Array.of(1, 2, 3)] as const).map((about, selector) => ({
      ...{ name: `mx1.${name}`, type: 'TLSA' as const, usage: 3, selector, matchingType: 1, about },
    })),
    { name: `big.${name}`, type: 'TXT', data: 'x'.repeat(1_500) },
  ],
  signed: { faults: [{ fault: 'wrong-signature', name: `mx2.${name}`, type: 'TLSA' }] },
};
const tlsaOfOther = {
  ...{ name: `mx2.${name}`, type: 'TLSA' as const, usage: 3, selector: 1, matchingType: 1 },
  about: 'leaf' as const,
};
const definition: WorldDefinition = {
  zones: [{ ...signedZone, records: [...signedZone.records, tlsaOfOther] }],
  faults: [{ name: `mx3.${name}`, type: 'TLSA', fault: 'SERVFAIL' }],
  mxHosts: ['mx1', 'mx2', 'mx3'].map((label) => ({ name: `${label}.${name}`, behaviour: {} })),
  policyHosts: [],
};

describe('a world, asked over UDP', () => {
  let world: World;
  let resolver: ValidatingResolver;
  beforeAll(async () => {
    world = await startWorld(definition);
    const anchors = parseTrustAnchors(world.network.trustAnchors);
    resolver = createValidatingResolver({ exchange: (query) => askUdp(world, query), anchors });
  });
  afterAll(() => world.stop());
  const soon = (): number => Date.now() + 5_000;
  const owner = (host: string): string => `_${world.network.smtpPort}._tcp.${host}.${name}`;

  test('answers what can be validated from its trust anchor', async () => {
    const mx = await resolver.lookup(name, 'MX', soon());
    expect(mx).toMatchObject({ kind: 'records', status: 'secure' });
    const { address } = world.mx(`mx1.${name}`);
    const a = await resolver.lookup(`mx1.${name}`, 'A', soon());
    expect(a).toMatchObject({ status: 'secure', records: [address] });
  });

  test('has TLSA records about the certificates of its hosts, at their port', async () => {
    const answer = await resolver.lookup(owner('mx1'), 'TLSA', soon());
    expect(answer).toMatchObject({ kind: 'records', status: 'secure' });
    const records = answer.kind === 'records' ? answer.records : [];
    expect(records.map(({ data }) => data.length).sort()).toEqual([3, 32, 32, 32]);
    expect(new Set(records.map(({ data }) => Buffer.from(data).toString('hex'))).size).toBe(4);
    expect(world.zones.lookup(owner('mx1'), 'TLSA').records).toHaveLength(4);
  });

  test('has faults at the same place', async () => {
    const bogus = await resolver.lookup(owner('mx2'), 'TLSA', soon());
    expect(bogus).toMatchObject({ kind: 'failed', code: 'dns-bogus' });
    const failing = await resolver.lookup(owner('mx3'), 'TLSA', soon());
    expect(failing).toMatchObject({ kind: 'failed', code: 'dns-server-failure' });
    const absent = await resolver.lookup(owner('mx4'), 'TLSA', soon());
    expect(absent).toMatchObject({ kind: 'nxdomain', status: 'secure' });
  });

  test('signs anew what changes', async () => {
    const records = [{ name, type: 'MX' as const, preference: 5, exchange: `mx2.${name}` }];
    await world.change({ kind: 'records', name, type: 'MX', records });
    const mx = await resolver.lookup(name, 'MX', soon());
    expect(mx).toMatchObject({ status: 'secure', records: [{ exchange: `mx2.${name}` }] });
  });

  test('truncates what is too large, and leaves signatures out for those who do not ask', async () => {
    const ask = (dnssec: boolean, type: number): Promise<Uint8Array> =>
      askUdp(world, encodeQuery({ id: 7, name: parseName(`big.${name}`), type, dnssec }));
    const flags = async (answer: Promise<Uint8Array>): Promise<number> =>
      Buffer.from(await answer).readUInt16BE(2);
    expect((await flags(ask(true, 16))) & 0x0200).toBe(0x0200);
    expect(await flags(ask(true, 1))).toBe(0x8190);
    const [plain, signed] = await Promise.all([ask(false, 1), ask(true, 1)]);
    expect(plain.length).toBeLessThan(signed.length);
  });
});

async function askUdp({ dns }: World, query: Uint8Array): Promise<Uint8Array> {
  const socket = createSocket('udp4');
  try {
    socket.send(query, dns.port, dns.address);
    const [message] = await once(socket, 'message', { signal: AbortSignal.timeout(2_000) });
    return message;
  } finally {
    socket.close();
  }
}
