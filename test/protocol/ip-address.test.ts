import { isIPv4, isIPv6 } from 'node:net';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { TransportSecurityError } from '../../functions/protocol/errors.ts';
import {
  formatIpAddress,
  isPublicAddress,
  parseIpAddress,
} from '../../functions/protocol/ip-address.ts';

describe('addresses as text', () => {
  test.each([
    ['192.0.2.1', '192.0.2.1', 'a dotted quad'],
    ['255.255.255.255', '255.255.255.255', 'the last one'],
    ['2001:db8:0:0:8:800:200c:417a', '2001:db8::8:800:200c:417a', 'RFC 4291 §2.2'],
    ['0:0:0:0:0:0:0:1', '::1', 'RFC 4291 §2.2'],
    ['0:0:0:0:0:0:0:0', '::', 'RFC 4291 §2.2'],
    ['::13.1.68.3', '::d01:4403', 'RFC 4291 §2.2: a dotted quad at the end'],
    ['::FFFF:129.144.52.38', '::ffff:129.144.52.38', 'RFC 5952 §5: mapped ones keep the quad'],
    [
      '2001:db8:aaaa:bbbb:cccc:dddd:eeee:0001',
      '2001:db8:aaaa:bbbb:cccc:dddd:eeee:1',
      'RFC 5952 §4.1',
    ],
    ['2001:db8::1:1:1:1:1', '2001:db8:0:1:1:1:1:1', 'RFC 5952 §4.2.2: one group is not shortened'],
    ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1', 'RFC 5952 §4.2.3: the longest run'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1', 'RFC 5952 §4.2.3: the first of equals'],
    ['2001:DB8::AAA', '2001:db8::aaa', 'RFC 5952 §4.3: lower case'],
    ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0', 'a run at the end'],
    ['fe80::', 'fe80::', 'a longer run at the end'],
  ])('%s -> %s: %s', (text, formatted) => {
    expect(formatIpAddress(parseIpAddress(text))).toBe(formatted);
  });

  test.each([
    ['', 'nothing'],
    ['1.2.3', 'three numbers'],
    ['1.2.3.4.5', 'five numbers'],
    ['1.2.3.256', 'a number over 255'],
    ['01.2.3.4', 'a leading zero, octal to some'],
    ['0x7f.0.0.1', 'hexadecimal'],
    ['2130706433', 'one number'],
    ['1.2.3.4 ', 'a blank'],
    ['1.2.3.-4', 'a sign'],
    [':', 'half of nothing'],
    [':::', 'three colons'],
    ['1::2::3', 'two runs'],
    ['1:2:3:4:5:6:7', 'seven groups'],
    ['1:2:3:4:5:6:7:8:9', 'nine groups'],
    ['1:2:3:4:5:6:7::8', 'a run of nothing'],
    ['12345::', 'five digits'],
    ['::1.2.3', 'half a quad'],
    ['1.2.3.4::', 'a quad not at the end'],
    ['::1.2.3.4:5', 'a quad not at the end'],
    ['fe80::1%eth0', 'a zone id'],
    ['[::1]', 'brackets'],
    ['::1/128', 'a prefix length'],
    ['example.com', 'a name'],
    ['1'.repeat(100_000), 'a very long one'],
  ])('%j is refused: %s', (text) => {
    expect(() => parseIpAddress(text)).toThrow(
      expect.objectContaining({ name: 'TransportSecurityError', code: 'address-invalid' }),
    );
    expect(isPublicAddress(text)).toBe(false);
  });

  test('agrees with node:net on what is an address, and comes round', () => {
    const text = fc.oneof(
      fc.ipV4(),
      fc.ipV4Extended(),
      fc.ipV6(),
      fc.string({ unit: fc.constantFrom('0', '1', '25', 'f', ':', '::', '.', '%', 'g') }),
    );
    fc.assert(
      fc.property(text, (candidate) => {
        const known = isIPv4(candidate) || (isIPv6(candidate) && !candidate.includes('%'));
        try {
          const formatted = formatIpAddress(parseIpAddress(candidate));
          expect(known).toBe(true);
          expect(parseIpAddress(formatted)).toEqual(parseIpAddress(candidate));
          expect(formatted.length).toBeLessThanOrEqual(39);
        } catch (error) {
          expect(error).toBeInstanceOf(TransportSecurityError);
          expect(known).toBe(false);
        }
      }),
      { numRuns: 5_000 },
    );
  });
});

describe('where a stranger may send us', () => {
  test.each([
    ['1.1.1.1', 'unicast'],
    ['9.255.255.255', 'before 10/8'],
    ['11.0.0.0', 'behind 10/8'],
    ['100.63.255.255', 'before the shared space'],
    ['100.128.0.0', 'behind the shared space'],
    ['126.255.255.255', 'before loopback'],
    ['169.253.255.255', 'before link local'],
    ['172.15.255.255', 'before 172.16/12'],
    ['172.32.0.0', 'behind 172.16/12'],
    ['192.0.1.0', 'behind protocol assignments'],
    ['192.88.98.1', 'before the 6to4 relays'],
    ['192.167.255.255', 'before 192.168/16'],
    ['198.17.255.255', 'before benchmarking'],
    ['198.20.0.0', 'behind benchmarking'],
    ['223.255.255.255', 'before multicast'],
    ['2000::1', 'the first of global unicast'],
    ['2001:200::1', 'behind protocol assignments'],
    ['2001:db7:ffff::1', 'before documentation'],
    ['2001:db9::1', 'behind documentation'],
    ['2606:4700:4700::1111', 'unicast'],
    ['3ffe:ffff::1', 'before documentation'],
    ['3fff:1000::1', 'behind documentation'],
    ['64:ff9b::1.1.1.1', 'RFC 6052: NAT64 of a public address'],
    ['2002:101:101::1', '6to4 of a public address'],
  ])('%s is public: %s', (address) => {
    expect(isPublicAddress(address)).toBe(true);
  });

  test.each([
    ['0.0.0.0', 'this host'],
    ['0.255.255.255', 'this network'],
    ['10.0.0.1', 'RFC 1918'],
    ['100.64.0.0', 'RFC 6598, the first'],
    ['100.127.255.255', 'RFC 6598, the last'],
    ['127.0.0.1', 'loopback'],
    ['127.255.255.255', 'loopback'],
    ['169.254.169.254', 'cloud metadata'],
    ['172.16.0.0', 'RFC 1918'],
    ['172.31.255.255', 'RFC 1918'],
    ['192.0.0.1', 'RFC 6890'],
    ['192.0.0.9', 'RFC 7723, refused with its block'],
    ['192.0.2.1', 'RFC 5737'],
    ['192.88.99.1', 'RFC 7526'],
    ['192.168.255.255', 'RFC 1918'],
    ['198.18.0.0', 'RFC 2544'],
    ['198.19.255.255', 'RFC 2544'],
    ['198.51.100.1', 'RFC 5737'],
    ['203.0.113.255', 'RFC 5737'],
    ['224.0.0.1', 'multicast'],
    ['239.255.255.255', 'multicast'],
    ['240.0.0.1', 'reserved'],
    ['255.255.255.255', 'broadcast'],
    ['::', 'unspecified'],
    ['::1', 'loopback'],
    ['::10.0.0.1', 'IPv4-compatible'],
    ['::1.1.1.1', 'IPv4-compatible, deprecated'],
    ['::ffff:127.0.0.1', 'IPv4-mapped loopback'],
    ['::ffff:1.1.1.1', 'IPv4-mapped'],
    ['64:ff9b::10.0.0.1', 'NAT64 of a private address'],
    ['64:ff9b::a9fe:a9fe', 'NAT64 of the metadata address'],
    ['64:ff9b:0:0:0:1:101:101', 'not within the /96'],
    ['64:ff9b:1::1.1.1.1', 'RFC 8215, local NAT64'],
    ['100::1', 'RFC 6666, discard only'],
    ['2001::1', 'Teredo'],
    ['2001:2::1', 'benchmarking'],
    ['2001:1ff:ffff::1', 'protocol assignments, the last'],
    ['2001:db8::1', 'documentation'],
    ['2002:7f00:1::1', '6to4 of loopback'],
    ['2002:a00:1::', '6to4 of a private address'],
    ['3fff::1', 'RFC 9637'],
    ['3fff:fff:ffff::1', 'RFC 9637, the last'],
    ['4000::1', 'unassigned'],
    ['5f00::1', 'RFC 9602, segment routing'],
    ['1fff:ffff::1', 'before global unicast'],
    ['fc00::1', 'RFC 4193'],
    ['fdff:ffff::1', 'RFC 4193'],
    ['fe80::1', 'link local'],
    ['febf::1', 'link local'],
    ['fec0::1', 'site local, deprecated'],
    ['ff02::1', 'multicast'],
    ['fe80::1%1', 'a zone id'],
    ['2606:4700::1111%1', 'a zone id'],
    ['localhost', 'no address'],
  ])('%s is not: %s', (address) => {
    expect(isPublicAddress(address)).toBe(false);
  });
});
