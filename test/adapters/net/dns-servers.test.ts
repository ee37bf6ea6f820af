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
    expect(parseDnsServer(text)).toEqual({ address, port });
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

  test("the machine's own can be read", () => {
    for (const server of machineServers()) {
      expect(parseDnsServer(server).port).toBeGreaterThan(0);
    }
  });
});
