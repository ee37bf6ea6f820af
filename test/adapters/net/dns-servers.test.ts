import { describe, expect, test } from 'vitest';
import {
  formatDnsServer,
  machineServers,
  parseDnsServer,
} from '../../../functions/adapters/net/dns-servers.ts';

describe('DNS servers as configured', () => {
  test.each([
    ['192.0.2.1', '192.0.2.1', 53, '192.0.2.1:53'],
    ['192.0.2.1:5300', '192.0.2.1', 5300, '192.0.2.1:5300'],
    ['2001:db8::1', '2001:db8::1', 53, '[2001:db8::1]:53'],
    ['[2001:db8::1]', '2001:db8::1', 53, '[2001:db8::1]:53'],
    ['[2001:db8::1]:5300', '2001:db8::1', 5300, '[2001:db8::1]:5300'],
    ['fe80::1%eth0', 'fe80::1%eth0', 53, '[fe80::1%eth0]:53'],
  ])('%s', (text, address, port, formatted) => {
    expect(parseDnsServer(text)).toEqual({ kind: 'plain', address, port });
    expect(formatDnsServer(parseDnsServer(text))).toBe(formatted);
  });

  test.each([
    ['', 'nothing'],
    ['dns.example', 'a name'],
    ['dns.example:53', 'a name with a port'],
    ['192.0.2.1:0', 'port 0'],
    ['192.0.2.1:65536', 'a port over 65535'],
    ['192.0.2.1:dns', 'a port by name'],
    ['192.0.2.1:', 'no port behind the colon'],
    ['[192.0.2.1]:53', 'an IPv4 address in brackets'],
    ['[2001:db8::1', 'half of the brackets'],
    ['192.0.2.1:53 ', 'a blank'],
  ])('%j is refused: %s', (text) => {
    expect(() => parseDnsServer(text)).toThrow(
      expect.objectContaining({ name: 'TransportSecurityError', code: 'settings-invalid' }),
    );
  });

  test.each([
    [
      'https://dns.example/dns-query@192.0.2.1,2001:db8::1',
      'dns.example',
      443,
      '/dns-query',
      ['192.0.2.1', '2001:db8::1'],
      'https://dns.example/dns-query',
    ],
    [
      'https://dns.example:8443/q/%40?a=b@192.0.2.1',
      'dns.example',
      8443,
      '/q/%40?a=b',
      ['192.0.2.1'],
      'https://dns.example:8443/q/%40?a=b',
    ],
    [
      'https://dns.example/@192.0.2.1',
      'dns.example',
      443,
      '/',
      ['192.0.2.1'],
      'https://dns.example/',
    ],
    [
      'https://dns.example/~me@home@192.0.2.1',
      'dns.example',
      443,
      '/~me@home',
      ['192.0.2.1'],
      'https://dns.example/~me@home',
    ],
  ])('%s', (text, host, port, path, addresses, formatted) => {
    const server = parseDnsServer(text);
    expect(server).toEqual({ kind: 'https', host, port, path, addresses });
    expect(formatDnsServer(server)).toBe(formatted);
  });

  test.each([
    ['https://dns.example/dns-query', 'no addresses: who would look the name up?'],
    ['https://dns.example/dns-query@', 'addresses that are none'],
    ['https://dns.example/dns-query@192.0.2.1,', 'half a list'],
    ['https://dns.example/dns-query@192.0.2.1:443', 'a port behind an address'],
    ['https://dns.example/dns-query@dns.example', 'a name for an address'],
    ['https://dns.example@192.0.2.1', 'no path'],
    ['https://dns.example/dns-query{?dns}@192.0.2.1', 'a template, which is for GET'],
    ['https://dns.example/dns-query#a@192.0.2.1', 'a fragment'],
    ['https://dns.example/dns query@192.0.2.1', 'a blank'],
    ['https://192.0.2.1/dns-query@192.0.2.1', 'an address for the name'],
    ['https://DNS.example/dns-query@192.0.2.1', 'upper case'],
    ['https://user@dns.example/dns-query@192.0.2.1', 'a user'],
    ['https://dns.example:0/dns-query@192.0.2.1', 'port 0'],
    ['http://dns.example/dns-query@192.0.2.1', 'no TLS'],
  ])('%s is refused: %s', (text) => {
    expect(() => parseDnsServer(text)).toThrow(
      expect.objectContaining({ name: 'TransportSecurityError', code: 'settings-invalid' }),
    );
  });

  test("the machine's own can be read", () => {
    for (const server of machineServers()) {
      expect(parseDnsServer(server).port).toBeGreaterThan(0);
    }
  });
});
