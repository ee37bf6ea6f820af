import { describe, expect, test } from 'vitest';
import { formatName } from '../../../functions/protocol/dns/name.ts';
import { parseTrustAnchors, rootAnchors } from '../../../functions/protocol/dnssec/anchors.ts';
import { readVector } from '../../vectors/zone-text.ts';

const hex = (octets: Uint8Array | undefined): string => Buffer.from(octets ?? []).toString('hex');

test("the root's: 20326 and 38696, by SHA-256", () => {
  expect(
    rootAnchors.map(({ name, keyTag, algorithm, digestType }) => [
      formatName(name),
      keyTag,
      algorithm,
      digestType,
    ]),
  ).toEqual([
    ['', 20326, 8, 2],
    ['', 38696, 8, 2],
  ]);
  expect(hex(rootAnchors[1]?.digest)).toBe(
    '683d2d0acb8c9b712a1948b27f741219298d0a450d612c483af444a4c0fb2b16',
  );
});

/** RFC 4034 §5.4's key. */
const dnskey = `dskey.example.com. 86400 IN DNSKEY 256 3 5 ( AQOeiiR0GOMYkDshWoSKz9Xz
  fwJr1AYtsmx3TGkJaNXVbfi/ 2pHm822aJ5iI9BMzNXxeYCmZ DRD99WYwYqUSdjMmmAphXdvx
  egXd/M5+X7OrzKBaMbCVdFLU Uh6DhweJBjEVv5f2wwjM9Xzc nOf+EPbtG9DMBmADjFDc2w/r
  ljwvFw== ) ; key id = 60485`;

describe('anchors in text', () => {
  test.each([
    ['one line', '. IN DS 20326 8 2 E06D', '', 'e06d'],
    ['what dig prints', '.\t86400\tIN\tDS\t20326 8 2 E06D', '', 'e06d'],
    ['class before TTL', '. IN 60 DS 20326 8 2 E06D', '', 'e06d'],
    ['no class', 'example.test DS 20326 8 2 e0 6d', 'example.test', 'e06d'],
    ['lower case', 'Example.Test. in ds 20326 8 2 e06d', 'Example.Test', 'e06d'],
    ['comments and empty lines', '; root\n\n. DS 20326 8 2 E06D ; KSK-2017\n', '', 'e06d'],
    ['several lines', '. IN DS 20326 8 2 (\r\n E0\r\n 6D )\r\n', '', 'e06d'],
  ])('%s', (_, text, name, digest) => {
    const [anchor, ...more] = parseTrustAnchors(text);
    expect(more).toEqual([]);
    expect(anchor).toMatchObject({ keyTag: 20326, algorithm: 8, digestType: 2 });
    expect(formatName(anchor?.name ?? Uint8Array.of(0))).toBe(name);
    expect(hex(anchor?.digest)).toBe(digest);
  });

  test('a key is taken by its digest, its tag computed (RFC 4034 Appendix B)', () => {
    const anchors = parseTrustAnchors(`${dnskey}\n. DS 1 8 2 00`);
    expect(anchors).toMatchObject([
      { keyTag: 60485, algorithm: 5, digestType: 2 },
      { keyTag: 1, algorithm: 8 },
    ]);
    expect(anchors[0]?.digest).toHaveLength(32);
  });

  test('what an RFC prints', () => {
    expect(parseTrustAnchors(readVector('rfc4034-ds.txt'))).toMatchObject([
      { keyTag: 60485, algorithm: 5, digestType: 2 },
      { keyTag: 60485, algorithm: 5, digestType: 1 },
    ]);
  });

  test('nothing at all is no anchor', () => {
    expect(parseTrustAnchors('; nothing here\n')).toEqual([]);
  });

  test.each([
    ['no type', '. 20326 8 2 E06D'],
    ['another type', '. IN A 192.0.2.1'],
    ['another class', '. CH DS 20326 8 2 E06D'],
    ['no digest', '. IN DS 20326 8 2'],
    ['half an octet', '. IN DS 20326 8 2 E06'],
    ['no hex', '. IN DS 20326 8 2 XYZ'],
    ['no key', '. IN DNSKEY 257 3 8'],
    ['a name that is none', 'a..b. IN DS 20326 8 2 E06D'],
    ['an open parenthesis', '. IN DS 20326 8 ( 2'],
    ['words', 'trust me'],
  ])('%s', (_, text) => {
    expect(() => parseTrustAnchors(text)).toThrow(
      expect.objectContaining({
        code: 'settings-invalid',
        message: expect.stringMatching(/^not a trust anchor: ".+"; /),
      }),
    );
  });
});
