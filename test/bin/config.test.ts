import { readFileSync } from 'node:fs';
import { rootCertificates } from 'node:tls';
import { describe, expect, test } from 'vitest';
import { toDeliverySettings } from '../../bin/config/delivery.ts';
import { ConfigError, exampleConfigPath, loadConfig, readConfig } from '../../bin/config/load.ts';
import { toNetworkSetting } from '../../bin/config/network.ts';
import type { SealpostConfig } from '../../bin/config/schema.ts';
import { toStacksProps } from '../../bin/config/stacks-props.ts';

const nowMs = Date.parse('2026-11-24T00:00:00Z');

const [rootA, rootB] = rootCertificates as [string, string];

const domain = { domain: 'example.com', mtaSts: { mode: 'enforce', mx: ['mx.example.com'] } };
const exception = {
  domain: 'example.net',
  policy: 'mta-sts',
  reason: 'ticket 4711',
  expires: '2027-01-01T00:00:00Z',
};
const smartHost = {
  kind: 'smartHost',
  host: 'relay.example.com',
  port: 465,
  credentialsSecretArn: 'arn:aws:secretsmanager:eu-west-1:111122223333:secret:relay-AbCdEf',
};
const elasticIps = [
  { allocationId: 'eipalloc-0123456789abcdef0', address: '198.51.100.25' },
  { allocationId: 'eipalloc-0123456789abcdef1', address: '198.51.100.26' },
];

/** The least that is a config, with sections replaced. */
function write(sections: Readonly<Record<string, unknown>> = {}): string {
  return JSON.stringify({
    organization: 'Example Ltd',
    domains: [domain],
    delivery: { ehloName: 'out.example.com' },
    egress: { kind: 'nat' },
    ...sections,
  });
}

function read(sections: Readonly<Record<string, unknown>> = {}): SealpostConfig {
  return readConfig(write(sections), 'test.json', nowMs).config;
}

/** The lines of the error, without the file's. */
function refusal(text: string): readonly string[] {
  try {
    readConfig(text, 'test.json', nowMs);
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    const [head, ...lines] = (error as ConfigError).message.split('\n');
    expect(head).toMatch(/^test\.json:/);
    return lines.map((line) => line.trim());
  }
  return [];
}

describe('what is left out gets a default', () => {
  test('the toggles are as on the product page', () => {
    const { delivery, egress } = read();
    expect(toDeliverySettings(delivery, egress)).toEqual({
      ehloName: 'out.example.com',
      requireTls: true,
      mtaSts: true,
      mtaStsCache: true,
      dane: true,
      daneInsecureMx: true,
      daneOnly: [],
      keepAddressTag: false,
      exceptions: [],
      connectionsPerMxMax: 3,
      expiryDays: 5,
      retryWaitsMinutes: [5, 10, 20, 30, 60, 120, 240],
      delayNoticeHours: 4,
      historyDays: 30,
      bounceFrom: 'MAILER-DAEMON@out.example.com',
      redactBounces: false,
      rules: [],
      dkimKeys: [],
    });
  });

  test('a policy is kept for a week, and a certificate has ten names', () => {
    const config = read();
    expect(config.domains[0]?.mtaSts.maxAgeSeconds).toBe(604_800);
    expect(config.certificateNamesMax).toBe(10);
  });

  test('nothing is cached where MTA-STS is off', () => {
    const { delivery, egress } = read({
      delivery: { ehloName: 'out.example.com', mtaSts: false, requireTls: false },
    });
    expect(toDeliverySettings(delivery, egress).mtaStsCache).toBe(false);
  });

  test('the network stays at what the functions know by themselves', () => {
    expect(toNetworkSetting(read().network)).toEqual({});
    expect(toNetworkSetting(read({ network: {} }).network)).toEqual({});
  });
});

describe('what is written is what the functions get', () => {
  test('names become A-labels', () => {
    const config = read({
      domains: [
        { domain: 'Bücher.Example', mtaSts: { mode: 'testing', mx: ['*.Bücher.example'] } },
      ],
    });
    expect(config.domains[0]).toMatchObject({
      domain: 'xn--bcher-kva.example',
      mtaSts: { mx: ['*.xn--bcher-kva.example'] },
    });
  });

  test('a smart host is part of the delivery settings', () => {
    const { delivery, egress } = read({ egress: smartHost });
    expect(toDeliverySettings(delivery, egress).smartHost).toEqual({
      host: smartHost.host,
      port: 465,
      credentialsSecretArn: smartHost.credentialsSecretArn,
    });
  });

  test('a confirmed network setting goes through, its confirmation does not', () => {
    const { network } = read({
      network: { smtpPort: 2525, resolvers: ['192.0.2.53:53'], confirm: ['smtpPort'] },
    });
    expect(toNetworkSetting(network)).toEqual({ smtpPort: 2525, resolvers: ['192.0.2.53:53'] });
  });

  test('the TXT id follows from the content of the policy, and from nothing else', () => {
    const text = (sections: Readonly<Record<string, unknown>>): string | undefined =>
      toStacksProps(read(sections)).domains[0]?.announcement.text;
    const first = text({});
    expect(first).toMatch(/^v=STSv1; id=[0-9a-f]{32};$/);
    expect(text({ organization: 'Another Ltd' })).toBe(first);
    const mtaSts = { ...domain.mtaSts, maxAgeSeconds: 604_801 };
    expect(text({ domains: [{ ...domain, mtaSts }] })).not.toBe(first);
  });

  test.each([
    ['account and region', { account: '111122223333', region: 'eu-west-1' }],
    ['no domains', { domains: [] }],
    ['two Elastic IPs', { egress: { kind: 'nat', elasticIps } }],
    ['zones', { egress: { kind: 'nat', availabilityZones: ['eu-west-1a', 'eu-west-1c'] } }],
    ['port 587', { egress: { ...smartHost, port: 587 } }],
    ['reports', { reports: { contact: 'tls@example.com' } }],
    ['mode none without mx', { domains: [{ ...domain, mtaSts: { mode: 'none' } }] }],
    ['a hosted zone', { domains: [{ ...domain, hostedZone: { id: 'Z1', name: 'Example.com' } }] }],
    [
      'a hosted zone above',
      {
        domains: [
          { ...domain, domain: 'a.example.com', hostedZone: { id: 'Z1', name: 'example.com' } },
        ],
      },
    ],
    ['an exception', { delivery: { ehloName: 'out.example.com', exceptions: [exception] } }],
    [
      'an exception of the smart host',
      {
        egress: smartHost,
        delivery: {
          ehloName: 'out.example.com',
          exceptions: [{ ...exception, domain: smartHost.host }],
        },
      },
    ],
    ['resolvers', { network: { resolvers: ['192.0.2.53:53', '192.0.2.54:5353'] } }],
    [
      'resolvers over HTTPS',
      { network: { resolvers: ['https://dns.example.com/dns-query@192.0.2.53,192.0.2.54'] } },
    ],
    [
      'anchors that are confirmed',
      {
        network: {
          trustAnchors: '. IN DS 1 13 2 00\n; and\nexample. IN DS 2 13 2 01\n',
          negativeTrustAnchors: ['.', 'broken.example.com'],
          confirm: ['trustAnchors', 'negativeTrustAnchors'],
        },
      },
    ],
    [
      'DANE only, and an exception from MTA-STS',
      {
        delivery: {
          ehloName: 'out.example.com',
          daneOnly: ['example.net', 'Bücher.example'],
          exceptions: [exception],
        },
      },
    ],
    [
      'network settings at their defaults',
      { network: { smtpPort: 25, httpsPort: 443, allowPrivateAddresses: false } },
    ],
    [
      'extra roots that are confirmed',
      { network: { extraRoots: `${rootA}\n${rootB}\n`, confirm: ['extraRoots'] } },
    ],
  ])('accepts %s', (_what, sections) => {
    expect(refusal(write(sections))).toEqual([]);
  });
});

/** Each names the setting, its value and the remedy. */
describe('what is wrong is said with its remedy', () => {
  test.each([
    [
      'organization missing',
      { organization: undefined },
      'organization: missing. The name of your organization, like "Example Ltd".',
    ],
    [
      'organization empty',
      { organization: ' ' },
      'organization = " ": Too small: expected string to have >=1 characters. The name of your organization, like "Example Ltd".',
    ],
    [
      'account as a number',
      { account: 111122223333 },
      'account = 111122223333: Invalid input: expected string, received number. The AWS account to deploy to, 12 digits in quotes. Default: that of your credentials.',
    ],
    ['region misspelt', { region: 'ireland' }, /^region = "ireland": .*like "eu-west-1"/],
    [
      'too many names for ACM',
      { certificateNamesMax: 101 },
      /^certificateNamesMax = 101: Too big.* 1 to 100/,
    ],
    [
      'an unknown setting',
      { organisation: 'x' },
      'organisation: no such setting. Remove it, or use one of: $schema, organization, account, region, certificateNamesMax, domains, delivery, egress, api, reports, reportInbox, network.',
    ],
    [
      'reports without contact',
      { reports: {} },
      /^reports.contact: missing. The contact-info in reports, and the address that they come from/,
    ],
    [
      'a contact that is no address',
      { reports: { contact: 'me' } },
      /^reports.contact = "me": Invalid email address. The contact-info/,
    ],
  ])('%s', (_what, sections, line) => {
    expectRefusal(sections, line);
  });

  test.each([
    [
      'domain missing',
      { domain: undefined },
      /^domains\[0\].domain: missing. The part behind the @/,
    ],
    [
      'one label',
      { domain: 'com' },
      'domains[0].domain = "com": not a domain name. Use two labels or more of letters, digits and hyphens, like "mail.example.com".',
    ],
    ['an address', { domain: '192.0.2.1' }, /not a domain name/],
    ['an underscore', { domain: '_dmarc.example.com' }, /not a domain name/],
    ['a URL', { domain: 'https://example.com/' }, /not a domain name/],
    [
      'a name that leaves no room',
      { domain: `${'a'.repeat(60)}.${'b'.repeat(60)}.${'c'.repeat(60)}.${'d'.repeat(60)}.com` },
      /^domains\[0\].domain = .* too long to have a policy host mta-sts.<domain>. Remove it./,
    ],
    [
      'an unknown mode',
      { mtaSts: { mode: 'report', mx: ['mx.example.com'] } },
      /^domains\[0\].mtaSts.mode = "report": Invalid option.* enforce \(do not deliver\)/,
    ],
    [
      'enforce without mx',
      { mtaSts: { mode: 'enforce' } },
      'domains[0].mtaSts.mx: mode enforce needs one mail host at least. Use the names in your MX records, or mode "none".',
    ],
    [
      'testing without mx',
      { mtaSts: { mode: 'testing', mx: [] } },
      'domains[0].mtaSts.mx = []: mode testing needs one mail host at least. Use the names in your MX records, or mode "none".',
    ],
    [
      'an mx twice',
      { mtaSts: { mode: 'enforce', mx: ['mx.example.com', 'MX.example.com'] } },
      'domains[0].mtaSts.mx[1] = "MX.example.com": listed twice. Remove one.',
    ],
    [
      'a wildcard within',
      { mtaSts: { mode: 'enforce', mx: ['mx*.example.com'] } },
      /^domains\[0\].mtaSts.mx\[0\] = "mx\*.example.com": a wildcard stands for the whole left-most label/,
    ],
    [
      'a wildcard alone',
      { mtaSts: { mode: 'enforce', mx: ['*'] } },
      /a wildcard stands for the whole left-most label/,
    ],
    [
      'a wildcard of a top-level domain',
      { mtaSts: { mode: 'enforce', mx: ['*.com'] } },
      /a wildcard stands for/,
    ],
    [
      'a negative max_age',
      { mtaSts: { ...domain.mtaSts, maxAgeSeconds: -1 } },
      /^domains\[0\].mtaSts.maxAgeSeconds = -1: Too small.* 0 to 31557600/,
    ],
    [
      'a max_age above the RFC',
      { mtaSts: { ...domain.mtaSts, maxAgeSeconds: 31_557_601 } },
      /= 31557601: Too big.* 0 to 31557600/,
    ],
    [
      'half a second',
      { mtaSts: { ...domain.mtaSts, maxAgeSeconds: 0.5 } },
      /= 0.5: .*expected int/,
    ],
    [
      'a zone id that is none',
      { hostedZone: { id: '/hostedzone/Z1', name: 'example.com' } },
      /^domains\[0\].hostedZone.id = "\/hostedzone\/Z1": .*like "Z0123456789ABCDEFGHIJ"/,
    ],
    [
      'a zone of another domain',
      { hostedZone: { id: 'Z1', name: 'ample.com' } },
      'domains[0].hostedZone.name = "ample.com": example.com is not within this zone. Use the zone that serves example.com, or remove hostedZone.',
    ],
  ])('domains: %s', (_what, changes, line) => {
    expectRefusal({ domains: [{ ...domain, ...changes }] }, line);
  });

  test('a domain twice, once as U-labels', () => {
    const twice = ['xn--bcher-kva.example', 'bücher.example'].map((name) => ({
      ...domain,
      domain: name,
    }));
    expectRefusal(
      { domains: twice },
      'domains[1].domain = "bücher.example": configured twice. Remove one entry; IDNs are compared as A-labels.',
    );
  });

  test('more domains than the certificate has names', () => {
    const domains = Array.from({ length: 3 }, (_, n) => ({ ...domain, domain: `d${n}.example` }));
    expectRefusal(
      { domains, certificateNamesMax: 2 },
      /^domains = .*: 3 domains, but one certificate takes 2 names. Ask AWS for a higher ACM quota/,
    );
    expect(refusal(write({ domains, certificateNamesMax: 3 }))).toEqual([]);
  });

  test('only names that are too long to come first on a certificate', () => {
    expectRefusal(
      { domains: [{ ...domain, domain: `${'a'.repeat(60)}.example` }] },
      /ACM needs one name of 64 characters at most/,
    );
  });

  test.each([
    [
      'ehloName missing',
      { ehloName: undefined },
      /^delivery.ehloName: missing. The name Sealpost gives itself in EHLO/,
    ],
    [
      'a toggle as text',
      { requireTls: 'yes' },
      /^delivery.requireTls = "yes": .*expected boolean.*REQUIRETLS/,
    ],
    [
      'too many connections',
      { connectionsPerMxMax: 21 },
      /^delivery.connectionsPerMxMax = 21: .*1 to 20/,
    ],
    ['expiry of a year', { expiryDays: 365 }, /^delivery.expiryDays = 365: .*1 to 12/],
    [
      'attempts without number',
      { retryWaitsMinutes: [5, 1] },
      'delivery.retryWaitsMinutes = [5,1]: could come to 17284 attempts within the 12 days that a message may wait, and 10000 are the most. Make the last wait longer.',
    ],
    ['one invocation', { invocationsMax: 1 }, /^delivery.invocationsMax = 1: .*2 to 1000/],
    [
      'a smart host here',
      { smartHost },
      /^delivery.smartHost: no such setting. Remove it, or use one of: ehloName,/,
    ],
    [
      'a cache of nothing',
      { mtaSts: false, mtaStsCache: true },
      'delivery.mtaStsCache = true: there is nothing to cache while mtaSts is false. Remove it, or set mtaSts to true.',
    ],
    [
      'a tag without a meaning',
      { requireTls: false, keepAddressTag: true },
      /^delivery.keepAddressTag = true: the address tag means nothing while requireTls is false/,
    ],
    [
      'an exception without a reason',
      { exceptions: [{ ...exception, reason: undefined }] },
      'delivery.exceptions[0].reason: missing. Why, for whoever finds this later; a ticket number helps.',
    ],
    [
      'an exception for ever',
      { exceptions: [{ ...exception, expires: undefined }] },
      /^delivery.exceptions\[0\].expires: missing. When the policy applies again/,
    ],
    [
      'an expiry without a zone',
      { exceptions: [{ ...exception, expires: '2027-01-01T00:00:00' }] },
      /^delivery.exceptions\[0\].expires = "2027-01-01T00:00:00": .*RFC 3339/,
    ],
    [
      'an exception twice',
      { exceptions: [exception, exception] },
      'delivery.exceptions[1].domain = "example.net": has an exception of this policy above. Remove one of the two.',
    ],
    [
      'an exception from nothing',
      { mtaSts: false, exceptions: [exception] },
      /^delivery.exceptions\[0\].policy = "mta-sts": MTA-STS applies to no domain while mtaSts is false/,
    ],
    [
      'an exception from no DANE',
      { dane: false, exceptions: [{ ...exception, policy: 'dane' }] },
      /^delivery.exceptions\[0\].policy = "dane": DANE applies to no domain while dane is false/,
    ],
    [
      'DANE only, without DANE',
      { dane: false, daneOnly: ['example.net'] },
      'delivery.daneOnly = ["example.net"]: no mail could reach these domains while dane is false. Remove them, or set dane to true.',
    ],
    [
      'DANE only, and not at all',
      { daneOnly: ['example.net'], exceptions: [{ ...exception, policy: 'dane' }] },
      'delivery.daneOnly[0] = "example.net": has an exception from DANE too. Remove the exception, or the domain from daneOnly.',
    ],
    [
      'DANE only, twice',
      { daneOnly: ['bücher.example', 'xn--bcher-kva.example'] },
      'delivery.daneOnly[1] = "xn--bcher-kva.example": listed twice. Remove one.',
    ],
    [
      'DANE only for a name that is none',
      { daneOnly: ['example'] },
      /^delivery.daneOnly\[0\] = "example": not a domain name/,
    ],
  ])('delivery: %s', (_what, changes, line) => {
    expectRefusal({ delivery: { ehloName: 'out.example.com', ...changes } }, line);
  });

  test.each([
    ['no kind', {}, /^egress.kind: .*"nat" or "smartHost"/],
    [
      'an unknown kind',
      { kind: 'ses' },
      'egress.kind = "ses": no such way out. Use "nat" or "smartHost" as its kind.',
    ],
    [
      'one Elastic IP',
      { kind: 'nat', elasticIps: elasticIps.slice(1) },
      /^egress.elasticIps = .*: .*The two Elastic IPs/,
    ],
    [
      'an Elastic IP twice',
      { kind: 'nat', elasticIps: [elasticIps[0], elasticIps[0]] },
      /the same twice. Name two Elastic IPs/,
    ],
    [
      'an id that is none',
      {
        kind: 'nat',
        elasticIps: [elasticIps[0], { ...elasticIps[1], allocationId: 'eipassoc-1' }],
      },
      /^egress.elasticIps\[1\].allocationId = "eipassoc-1": .*The allocation id/,
    ],
    [
      'a zone twice',
      { kind: 'nat', availabilityZones: ['eu-west-1a', 'eu-west-1a'] },
      /^egress.availabilityZones = .*: the same twice. Name two zones./,
    ],
    [
      'a relay and NAT',
      { kind: 'nat', host: 'relay.example.com' },
      'egress.host: no such setting. Remove it, or use one of: kind, elasticIps, availabilityZones.',
    ],
    ['port 25', { ...smartHost, port: 25 }, /^egress.port = 25: .*465: TLS from the first byte/],
    [
      'no credentials',
      { ...smartHost, credentialsSecretArn: undefined },
      /^egress.credentialsSecretArn: missing. The whole ARN/,
    ],
    [
      'a secret by name',
      { ...smartHost, credentialsSecretArn: 'relay' },
      /^egress.credentialsSecretArn = "relay": .*The whole ARN/,
    ],
  ])('egress: %s', (_what, egress, line) => {
    expectRefusal({ egress }, line);
  });

  test.each([
    [
      'a secret elsewhere',
      { egress: smartHost, region: 'eu-central-1' },
      /^egress.credentialsSecretArn = .*: in another region than the functions. Replicate the secret to eu-central-1/,
    ],
    [
      'a zone elsewhere',
      {
        egress: { kind: 'nat', availabilityZones: ['eu-west-1a', 'eu-west-2a'] },
        region: 'eu-west-1',
      },
      'egress.availabilityZones[1] = "eu-west-2a": not in eu-west-1. Use one of its zones, or remove availabilityZones.',
    ],
    [
      'an exception that a smart host makes void',
      { egress: smartHost, delivery: { ehloName: 'out.example.com', exceptions: [exception] } },
      /^delivery.exceptions\[0\].domain = "example.net": has no effect: with a smart host the only policy domain is relay.example.com/,
    ],
    [
      'DANE only through a smart host',
      { egress: smartHost, delivery: { ehloName: 'out.example.com', daneOnly: ['example.net'] } },
      /^delivery.daneOnly\[0\] = "example.net": has no effect: with a smart host no MX host is looked up/,
    ],
  ])('between sections: %s', (_what, sections, line) => {
    expectRefusal(sections, line);
  });

  test.each([
    [
      'another SMTP port',
      { smtpPort: 2525 },
      'network.smtpPort = 2525: fit for a test network only. Remove it, or confirm it with "confirm": ["smtpPort"].',
    ],
    [
      'another HTTPS port',
      { httpsPort: 8443 },
      /^network.httpsPort = 8443: fit for a test network only/,
    ],
    [
      'private addresses',
      { allowPrivateAddresses: true },
      /^network.allowPrivateAddresses = true: fit for a test network only/,
    ],
    [
      'extra roots',
      { extraRoots: rootA },
      /^network.extraRoots = "-----BEGIN.*…: fit for a test network only/,
    ],
    [
      'another confirmation',
      { smtpPort: 2525, httpsPort: 8443, confirm: ['smtpPort'] },
      /^network.httpsPort = 8443: fit/,
    ],
    [
      'a confirmation in store',
      { confirm: ['extraRoots'] },
      /^network.confirm = \["extraRoots"\]: extraRoots is not set.*Remove "extraRoots"./,
    ],
    [
      'a confirmation of nothing',
      { confirm: ['resolvers'] },
      /^network.confirm\[0\] = "resolvers": Invalid option/,
    ],
    [
      'roots that are none',
      { extraRoots: 'PEM', confirm: ['extraRoots'] },
      /^network.extraRoots = "PEM": not a list of PEM certificates. Use/,
    ],
    [
      'a root that is damaged',
      { extraRoots: rootA.replace('MII', 'MIJ'), confirm: ['extraRoots'] },
      /not a list of PEM certificates/,
    ],
    [
      'text beside the roots',
      { extraRoots: `${rootA}\nx`, confirm: ['extraRoots'] },
      /not a list of PEM certificates/,
    ],
    [
      'a resolver by name',
      { resolvers: ['dns.example.com:53'] },
      'network.resolvers[0] = "dns.example.com:53": not a server at IPv4 addresses, and the functions have no IPv6. Use a form like "192.0.2.53:53" or "https://dns.example.com/dns-query@192.0.2.53".',
    ],
    ['a resolver without port', { resolvers: ['192.0.2.53'] }, /not a server at IPv4 addresses/],
    ['a resolver with port 0', { resolvers: ['192.0.2.53:0'] }, /not a server at IPv4 addresses/],
    ['a resolver by IPv6', { resolvers: ['[2001:db8::53]:53'] }, /not a server at IPv4 addresses/],
    [
      'DNS over HTTPS without an address',
      { resolvers: ['https://dns.example.com/dns-query'] },
      /not a server at IPv4 addresses/,
    ],
    [
      'DNS over HTTPS by IPv6',
      { resolvers: ['https://dns.example.com/dns-query@192.0.2.53,2001:db8::53'] },
      /not a server at IPv4 addresses/,
    ],
    [
      'other anchors',
      { trustAnchors: '. IN DS 1 13 2 00' },
      'network.trustAnchors = ". IN DS 1 13 2 00": whoever holds these keys can say anything of any name. Remove it, or confirm it with "confirm": ["trustAnchors"].',
    ],
    [
      'anchors that are none',
      { trustAnchors: '. IN DS 1 13', confirm: ['trustAnchors'] },
      /^network.trustAnchors = ". IN DS 1 13": not a list of DS or DNSKEY records/,
    ],
    [
      'a negative anchor',
      { negativeTrustAnchors: ['broken.example.com'] },
      /^network.negativeTrustAnchors = .*: DNSSEC protects nothing at and below these names. Remove it, or confirm/,
    ],
    [
      'a negative anchor that is no name',
      { negativeTrustAnchors: [''], confirm: ['negativeTrustAnchors'] },
      /^network.negativeTrustAnchors\[0\] = "": not a domain name in lower-case A-labels/,
    ],
  ])('network: %s', (_what, network, line) => {
    expectRefusal({ network }, line);
  });

  test('every setting at fault is listed at once', () => {
    const lines = refusal(write({ organization: undefined, delivery: {}, egress: { kind: 'x' } }));
    expect(lines.map((line) => line.split(':')[0])).toEqual([
      'organization',
      'delivery.ehloName',
      'egress.kind = "x"',
    ]);
  });

  test.each([
    ['{"organization": "x"', /^test.json: not JSON with comments: .*Mend it there.$/],
    ['[]', /^test.json:\n {2}\(file\) = \[\]: Invalid input: expected object/],
    ['null', /^test.json:\n {2}\(file\) = null: Invalid input: expected object/],
  ])('a file that is no config: %s', (text, message) => {
    expect(() => readConfig(text, 'test.json', nowMs)).toThrow(message);
  });

  test('a file that is not there', () => {
    expect(() => loadConfig('no/such.json', nowMs)).toThrow(
      /^no\/such.json: cannot be read \(ENOENT\). Copy sealpost.config.example.jsonc to sealpost.config.json, or name your config with -c config=PATH.$/,
    );
  });
});

describe('what is valid and yet surprises is warned of', () => {
  function warnings(sections: Readonly<Record<string, unknown>>): readonly string[] {
    return readConfig(write(sections), 'test.json', nowMs).warnings;
  }

  test('nothing in a plain config', () => {
    expect(warnings({})).toEqual([]);
  });

  test.each([
    [
      'enforce for less than a day',
      { domains: [{ ...domain, mtaSts: { ...domain.mtaSts, maxAgeSeconds: 86_399 } }] },
      /^example.com: mode enforce with maxAgeSeconds 86399 protects for less than a day/,
    ],
    [
      'an exception that is over',
      {
        delivery: {
          ehloName: 'out.example.com',
          exceptions: [{ ...exception, expires: '2026-11-24T01:00:00+01:00' }],
        },
      },
      /the mta-sts exception of example.net expired at 2026-11-24T01:00:00\+01:00/,
    ],
    [
      'REQUIRETLS with nothing to authenticate by',
      { delivery: { ehloName: 'out.example.com', mtaSts: false, dane: false } },
      /every message that asks for REQUIRETLS will bounce/,
    ],
  ])('%s', (_what, sections, line) => {
    expect(warnings(sections)).toEqual([expect.stringMatching(line)]);
  });

  test.each([
    [
      'testing may be short',
      {
        domains: [
          { ...domain, mtaSts: { mode: 'testing', mx: ['mx.example.com'], maxAgeSeconds: 60 } },
        ],
      },
    ],
    [
      'a day is a day',
      { domains: [{ ...domain, mtaSts: { ...domain.mtaSts, maxAgeSeconds: 86_400 } }] },
    ],
    [
      'DNSSEC authenticates MX hosts too',
      { delivery: { ehloName: 'out.example.com', mtaSts: false } },
    ],
    [
      'a smart host is authenticated by its name',
      { egress: smartHost, delivery: { ehloName: 'out.example.com', mtaSts: false, dane: false } },
    ],
  ])('not: %s', (_what, sections) => {
    expect(warnings(sections)).toEqual([]);
  });
});

describe('the shipped example', () => {
  const text = readFileSync(exampleConfigPath, 'utf8');

  test('is valid', () => {
    expect(readConfig(text, exampleConfigPath, nowMs).warnings).toEqual([]);
  });

  test("names the account of AWS's documentation, so that nobody deploys it by mistake", () => {
    expect(readConfig(text, exampleConfigPath, nowMs).config.account).toBe('111122223333');
  });

  test('shows the toggles at their defaults', () => {
    const example = readConfig(text, exampleConfigPath, nowMs).config;
    expect(toDeliverySettings(example.delivery, example.egress)).toEqual(
      toDeliverySettings(read().delivery, read().egress),
    );
  });
});

function expectRefusal(sections: Readonly<Record<string, unknown>>, line: string | RegExp): void {
  const lines = refusal(write(sections));
  expect(lines).toEqual([typeof line === 'string' ? line : expect.stringMatching(line)]);
}
