import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  foldName,
  formatName,
  isSubdomain,
  parseName,
  readName,
  sameName,
} from '../../../functions/protocol/dns/name.ts';
import type { Reader } from '../../../functions/protocol/dns/reader.ts';
import { TransportSecurityError } from '../../../functions/protocol/errors.ts';
import { chars, labels, name, type Octets, pointer } from './wire.ts';

const header: Octets = new Array<number>(12).fill(0);
const malformed = expect.objectContaining({ code: 'dns-malformed' });

function readerAt(octets: Octets, offset: number): Reader {
  const message = Uint8Array.from(octets);
  return { message, end: message.length, offset };
}

const label63 = 'a'.repeat(63);

describe('names on the wire', () => {
  test('RFC 1035 §4.1.4: the example of compression', () => {
    const octets = [
      ...new Array<number>(20).fill(0),
      ...labels('F', 'ISI', 'ARPA'),
      ...new Array<number>(8).fill(0),
      ...[3, ...chars('FOO'), ...pointer(20)],
      ...new Array<number>(18).fill(0),
      ...pointer(26),
      ...new Array<number>(26).fill(0),
      0,
    ];
    const read = (offset: number): string => formatName(readName(readerAt(octets, offset)));
    expect([read(20), read(40), read(64), read(92)]).toEqual([
      'F.ISI.ARPA',
      'FOO.F.ISI.ARPA',
      'ARPA',
      '',
    ]);
  });

  test.each<readonly [Octets, string, number, string]>([
    [name('example.com'), 'example.com', 13, 'plain'],
    [name('ExAmPlE.com'), 'ExAmPlE.com', 13, 'case is kept'],
    [[0], '', 1, 'the root'],
    [labels('a.b', 'c'), 'a\\046b.c', 7, 'a dot within a label'],
    [labels('a\\b'), 'a\\092b', 5, 'a backslash'],
    [labels('\0\xff "'), '\\000\\255\\032\\034', 6, 'odd octets'],
    [labels('xn--bcher-kva', '*', '_25'), 'xn--bcher-kva.*._25', 21, 'plain ASCII is not escaped'],
    [labels(label63), label63, 65, 'RFC 1035 §2.3.4: 63 octets'],
    [
      labels(label63, label63, label63, 'a'.repeat(61)),
      `${label63}.${label63}.${label63}.${'a'.repeat(61)}`,
      255,
      'RFC 1035 §2.3.4: 255 octets',
    ],
  ])('%j is read as %j', (octets, text, length) => {
    const reader = readerAt([...header, ...octets, 99], 12);
    const read = readName(reader);
    expect(formatName(read)).toBe(text);
    expect([...read]).toEqual([...octets]);
    expect(reader.offset).toBe(12 + length);
  });

  test('the reader stands behind the first pointer, wherever the name went', () => {
    const octets = [...header, ...name('com'), 7, ...chars('example'), ...pointer(12), 99];
    const reader = readerAt(octets, 17);
    expect(formatName(readName(reader))).toBe('example.com');
    expect(reader.offset).toBe(27);
  });

  /** Name k is a pointer to name k-1; the first is the root. */
  const chain = (length: number): Octets => [
    ...header,
    0,
    0,
    ...Array.from({ length }, (_, index) => pointer(index === 0 ? 12 : 12 + index * 2)).flat(),
  ];

  test('64 pointers are followed', () => {
    const octets = chain(64);
    expect(formatName(readName(readerAt(octets, octets.length - 2)))).toBe('');
  });

  const chained = chain(65);
  test.each<readonly [Octets, number, string]>([
    [chained, chained.length - 2, '65 pointers'],
    [[...header, ...pointer(12)], 12, 'a pointer to itself'],
    [[...header, 1, 97, ...pointer(12)], 12, 'a pointer to the beginning of its own name'],
    [[...header, 1, 97, ...pointer(13)], 12, 'a pointer into its own name'],
    [[...header, ...pointer(14), 0], 12, 'a pointer forward'],
    [[...header, ...pointer(14), ...pointer(12)], 14, 'two pointers to each other'],
    [[...header, ...pointer(0x3fff)], 12, 'a pointer behind the end'],
    [[...header, ...pointer(0)], 12, 'a pointer into the header'],
    [
      [...header, 1, 97, ...pointer(12), 0],
      14,
      'a run that leads into the name that it is part of',
    ],
    [[...header, 0xc0], 12, 'half a pointer'],
    [[...header], 12, 'nothing'],
    [[...header, 3, 97, 98], 12, 'a label cut short'],
    [[...header, 1, 97], 12, 'no root'],
    [[...header, 0x40, 0], 12, 'label type 01, extended (RFC 6891 §5)'],
    [[...header, 0x46, ...chars('a'.repeat(70)), 0], 12, 'a label of 70 octets'],
    [[...header, 0x80, 0], 12, 'label type 10'],
    [[...header, ...labels(label63, label63, label63, 'a'.repeat(62))], 12, 'a name of 256 octets'],
    [
      [
        ...header,
        ...labels(label63, label63),
        ...labels(label63, 'a'.repeat(62)).slice(0, -1),
        ...pointer(12),
      ],
      141,
      '256 octets by compression',
    ],
  ])('%# is refused', (octets, offset) => {
    expect(() => readName(readerAt(octets, offset))).toThrow(malformed);
  });

  test('a name ends where its bound does, whatever the message has behind it', () => {
    const message = Uint8Array.from([...header, ...name('example.com')]);
    expect(() => readName({ message, end: 20, offset: 12 })).toThrow(malformed);
    expect(() => readName({ message, end: 24, offset: 12 })).toThrow(malformed);
    expect(formatName(readName({ message, end: 25, offset: 12 }))).toBe('example.com');
  });
});

describe('names as text', () => {
  test.each<readonly [string, Octets, string]>([
    ['example.com', name('example.com'), 'plain'],
    ['example.com.', name('example.com'), 'with its root'],
    ['', [0], 'the root'],
    ['.', [0], 'the root'],
    ['a\\.b.c', labels('a.b', 'c'), 'RFC 1035 §5.1: \\X'],
    ['a\\046b.c', labels('a.b', 'c'), 'RFC 1035 §5.1: \\DDD'],
    ['a\\\\b', labels('a\\b'), 'a backslash'],
    ['\\000\\255', labels('\0\xff'), 'any octet'],
    ['a\\.', labels('a.'), 'an escaped dot at the end'],
    ['_mta-sts.example', name('_mta-sts.example'), 'an underscore'],
  ])('%j: %j', (text, octets) => {
    expect([...parseName(text)]).toEqual([...octets]);
  });

  test.each([
    ['a..b', 'an empty label ends the name early for dns-packet'],
    ['..', 'two roots'],
    ['.a', 'an empty label first'],
    [`${label63}a.example`, 'a label of 64 octets'],
    ['a'.repeat(200), 'a label of 200 octets, a pointer for dns-packet'],
    [`${label63}.${label63}.${label63}.${'a'.repeat(62)}`, 'a name of 256 octets'],
    ['a\\', 'a backslash at the end'],
    ['a\\25', 'an escape of two digits'],
    ['a\\256', 'an octet over 255'],
    ['bücher.example', 'a U-label: parseDomainName comes first'],
    ['a b', 'a blank'],
    ['a\nb', 'a line end'],
    ['a\0', 'a NUL'],
    ['😀.example', 'beyond the basic plane'],
  ])('%j is refused: %s', (text) => {
    expect(() => parseName(text)).toThrow(malformed);
  });

  const anyLabel = fc
    .uint8Array({ minLength: 1, maxLength: 63 })
    .map((octets) => String.fromCharCode(...octets));
  const anyName = fc
    .array(anyLabel, { maxLength: 3 })
    .map((texts) => Uint8Array.from(labels(...texts)));

  test('any name comes round by text, and text split at dots gives its labels', () => {
    fc.assert(
      fc.property(anyName, (wire) => {
        const text = formatName(wire);
        expect(text).toMatch(/^[!-~]*$/);
        expect(parseName(text)).toEqual(wire);
        const count = text === '' ? 0 : text.split('.').length;
        expect(parseName(text).length).toBeGreaterThanOrEqual(count * 2 + 1);
        let labelCount = 0;
        for (let at = 0; wire[at]; at += 1 + (wire[at] ?? 0)) {
          labelCount += 1;
        }
        expect(count).toBe(labelCount);
      }),
    );
  });

  test('two names have the same text only where they are the same', () => {
    fc.assert(
      fc.property(anyName, anyName, (a, b) => {
        expect(formatName(foldName(a)) === formatName(foldName(b))).toBe(sameName(a, b));
      }),
    );
  });

  test('any text is parsed or refused with dns-malformed', () => {
    const text = fc.string({ unit: fc.constantFrom('a', '.', '\\', '0', '046', '256', 'é', ' ') });
    fc.assert(
      fc.property(text, (candidate) => {
        try {
          expect(formatName(parseName(candidate)).length).toBeLessThanOrEqual(4 * 253);
        } catch (error) {
          expect(error).toBeInstanceOf(TransportSecurityError);
        }
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('names compared', () => {
  test.each([
    ['example.com', 'EXAMPLE.com', true, 'RFC 4343: case does not count'],
    ['a\\.b', 'a.b', false, 'one label is not two'],
    ['a[', 'a{', false, 'only letters have case'],
    ['a@', 'a`', false, 'only letters have case'],
    ['\\192', '\\224', false, 'only ASCII letters have case'],
    ['example.com', 'example.org', false, 'another name'],
    ['example.com', 'a.example.com', false, 'a longer name'],
  ])('%s and %s: %s', (a, b, same) => {
    expect(sameName(parseName(a), parseName(b))).toBe(same);
  });

  test.each([
    ['www.example.com', 'example.com', true, 'below'],
    ['example.com', 'example.com', true, 'itself'],
    ['WWW.Example.COM', 'eXample.com', true, 'case does not count'],
    ['example.com', '', true, 'the root'],
    ['', '', true, 'the root itself'],
    ['example.com', 'ample.com', false, 'not at a label boundary'],
    ['example.com', 'www.example.com', false, 'above'],
    ['x\\.example.com', 'example.com', false, 'a dot within a label is no boundary'],
    ['x\\007example\\003com', 'example.com', false, 'octets that look like labels'],
    ['example.com', 'com.example', false, 'another order'],
  ])('%s below %s: %s', (below, above, expected) => {
    expect(isSubdomain(parseName(below), parseName(above))).toBe(expected);
  });
});
