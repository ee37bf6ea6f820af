import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { rootName } from '../../../functions/protocol/dns/name-tree.ts';
import { formatAbsoluteName, formatRdata } from '../../../functions/protocol/dns/presentation.ts';
import { parseType, recordTypes } from '../../../functions/protocol/dns/record-type.ts';
import { parseZoneText, readVector } from '../../vectors/zone-text.ts';

describe('RDATA for people', () => {
  test.each([
    ['A', 'c0000201', '192.0.2.1'],
    ['AAAA', `20010db8${'00'.repeat(11)}01`, '2001:db8::1'],
    ['MX', '000a026d7800', '10 mx.'],
    ['MX', '000000', '0 .'],
    ['TXT', '026869027e22', '"hi" "~\\034"'],
    ['TXT', '03410a5c', '"A\\010\\092"'],
    ['SRV', '000100020019026d7800', '1 2 25 mx.'],
    ['SOA', `0161000162 00${'00000001'.repeat(5)}`.replace(' ', ''), 'a. b. 1 1 1 1 1'],
    ['DS', '4f660802e06d', '20326 8 2 E06D'],
    ['DNSKEY', '0101030803010001', '257 3 8 AwEAAQ=='],
    ['TLSA', '030101abcd', '3 1 1 ABCD'],
    ['CAA', '0005697373756563612e74657374', '0 issue "ca.test"'],
    ['NSEC', '0161000006400100000003', 'a. A MX RRSIG NSEC'],
    ['NSEC3PARAM', '0100000000', '1 0 0 -'],
    ['NSEC3PARAM', '0100000c04aabbccdd', '1 0 12 AABBCCDD'],
    ['TYPE65280', '0102', '\\# 2 0102'],
    ['TYPE65280', '', '\\# 0'],
    ['A', 'c00002', '\\# 3 C00002'],
    ['MX', '000a026d78', '\\# 5 000A026D78'],
    ['A', 'c000020100', '\\# 5 C000020100'],
  ])('%s %s', (type, hex, text) => {
    expect(formatRdata(parseType(type) ?? 0, Buffer.from(hex, 'hex'))).toBe(text);
  });

  test('names end with a dot', () => {
    expect(formatAbsoluteName(rootName)).toBe('.');
  });

  test.each(['rfc4035-zone.txt', 'rfc5155-zone.txt'])('%s, read again, is the same', (file) => {
    const known = new Set<number>(Object.values(recordTypes));
    for (const record of parseZoneText(readVector(file)).filter(({ type }) => known.has(type))) {
      const text = `${record.name}. ${record.ttlSeconds} IN TYPE${record.type} ${formatRdata(record.type, record.rdata)}`;
      const [again] = parseZoneText(text);
      expect({ ...again, rdata: Buffer.from(again?.rdata ?? []) }).toEqual({
        ...record,
        rdata: Buffer.from(record.rdata),
      });
    }
  });

  test('any octets of any type are shown, on one line of plain characters', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 260 }),
        fc.uint8Array({ maxLength: 60 }),
        (type, rdata) => {
          expect(formatRdata(type, rdata)).toMatch(/^[\x20-\x7e]*$/);
        },
      ),
    );
  });
});
