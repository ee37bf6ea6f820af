import packet from 'dns-packet';
import { describe, expect, test } from 'vitest';
import { answerSigned, encodeSignedAnswer } from '../../../bin/world/dnssec-answers.ts';
import {
  createSigningKey,
  encodeDs,
  type SigningAlgorithm,
} from '../../../bin/world/dnssec-keys.ts';
import { dsRecords, signZone } from '../../../bin/world/dnssec-signer.ts';
import { compareNames, encodeName, typeNumbers } from '../../../bin/world/dnssec-wire.ts';

describe('keys', () => {
  test.each<readonly [SigningAlgorithm, number]>([
    [8, 34_012],
    [13, 46_073],
    [14, 39_632],
    [15, 17_490],
    [16, 21_119],
  ])('of algorithm %d are the same on every run', (algorithm, keyTag) => {
    expect(createSigningKey({ seed: 'fixed', algorithm }).keyTag).toBe(keyTag);
  });

  test('of other seeds are others', () => {
    const [one, two] = ['one', 'two'].map((seed) => createSigningKey({ seed }));
    expect(one?.dnskey).not.toEqual(two?.dnskey);
  });

  test('RSA with 2,048 bits', () => {
    expect(createSigningKey({ seed: 'x', algorithm: 8, modulusBits: 2048 }).dnskey).toHaveLength(
      264,
    );
  });
});

describe('a signed zone', () => {
  const key = createSigningKey({ seed: 'zone' });
  const zone = signZone({
    origin: 'example.test',
    records: [
      { name: 'example.test', type: 'MX', preference: 10, exchange: 'mx.example.test' },
      { name: 'mx.example.test', type: 'A', data: '192.0.2.1' },
      { name: 'mx.example.test', type: 'AAAA', data: '2001:db8::1' },
      { name: 'text.example.test', type: 'TXT', data: 'x'.repeat(300) },
      { name: 'open.example.test', type: 'NS', data: 'ns.open.example.test' },
      { name: 'ns.open.example.test', type: 'A', data: '192.0.2.53' },
    ],
    keys: [key],
    inceptionSeconds: 1_000,
    expirationSeconds: 2_000,
  });

  const ask = (name: string, type: number) => {
    const question = packet.encode({
      type: 'query',
      id: 7,
      questions: [{ name, type: 'A', class: 'IN' }],
    });
    question.writeUInt16BE(type, question.length - 4);
    return packet.decode(
      Buffer.from(encodeSignedAnswer(question, answerSigned([zone], { name, type }))),
    );
  };

  test('dns-packet reads its answers', () => {
    expect(ask('example.test', typeNumbers.MX)).toMatchObject({
      id: 7,
      rcode: 'NOERROR',
      answers: [
        { name: 'example.test', type: 'MX', data: { preference: 10, exchange: 'mx.example.test' } },
        {
          type: 'RRSIG',
          data: {
            typeCovered: 'MX',
            algorithm: 13,
            labels: 2,
            originalTTL: 300,
            keyTag: key.keyTag,
            signersName: 'example.test',
          },
        },
      ],
      additionals: [{ type: 'OPT', flag_do: true }],
    });
    expect(ask('mx.example.test', typeNumbers.AAAA).answers?.[0]).toMatchObject({
      data: '2001:db8::1',
    });
    expect(ask('text.example.test', typeNumbers.TXT).answers?.[0]).toMatchObject({
      data: [Buffer.from('x'.repeat(255)), Buffer.from('x'.repeat(45))],
    });
  });

  test('and its denials', () => {
    expect(ask('absent.example.test', typeNumbers.A)).toMatchObject({
      rcode: 'NXDOMAIN',
      answers: [],
      authorities: [
        { type: 'SOA' },
        { type: 'RRSIG' },
        {
          type: 'NSEC',
          name: 'example.test',
          data: {
            nextDomain: 'mx.example.test',
            rrtypes: ['SOA', 'MX', 'RRSIG', 'NSEC', 'DNSKEY'],
          },
        },
        { type: 'RRSIG' },
      ],
    });
  });

  test('does not sign what is not its own (RFC 4035 §2.2)', () => {
    const signatures = (name: string, type: number): number | undefined =>
      zone.names.get(name)?.get(type)?.signatures.length;
    expect(signatures('open.example.test', typeNumbers.NS)).toBe(0);
    expect(signatures('open.example.test', typeNumbers.NSEC)).toBe(1);
    expect(signatures('ns.open.example.test', typeNumbers.A)).toBe(0);
    expect(zone.names.get('ns.open.example.test')?.has(typeNumbers.NSEC)).toBe(false);
  });

  test('says what its parent needs', () => {
    expect(dsRecords(zone)).toEqual([
      { name: 'example.test', type: typeNumbers.DS, rdata: encodeDs('example.test', key) },
    ]);
  });

  test('SERVFAIL for a zone that is not there', () => {
    expect(ask('elsewhere.test', typeNumbers.A)).toMatchObject({ rcode: 'SERVFAIL' });
  });
});

test('names: escapes and order', () => {
  expect([...encodeName('a\\046b.c')]).toEqual([3, 97, 46, 98, 1, 99, 0]);
  expect([...encodeName('')]).toEqual([0]);
  expect(['z.a', 'a', 'a.b', '*.a', 'b.a'].sort(compareNames)).toEqual([
    'a',
    '*.a',
    'b.a',
    'z.a',
    'a.b',
  ]);
});
