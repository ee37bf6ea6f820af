import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:https';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import {
  type CertificateKind,
  type Certificates,
  createCertificates,
} from '../../../bin/world/certificates.ts';
import {
  type PolicyHost,
  type PolicyHostBehaviour,
  startPolicyHost,
} from '../../../bin/world/policy-host.ts';
import { createPolicyFetcher } from '../../../functions/adapters/net/fetch-policy.ts';
import type { NetworkSetting } from '../../../functions/environment.ts';
import type { PolicyResponse } from '../../../functions/policy/ports.ts';
import type { Answer, RecordType, Resolver } from '../../../functions/protocol/dns/answer.ts';

const domain = 'example.com';
const host = 'mta-sts.example.com';
const text = 'version: STSv1\r\nmode: enforce\r\nmx: mail.example.com\r\nmax_age: 604800\r\n';

let certificates: Certificates;
const cleanups: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  certificates = await createCertificates(Date.now);
});

afterEach(async () => {
  await Promise.all(cleanups.splice(0).map((cleanup) => cleanup()));
});

async function startHost(
  behaviour: Partial<PolicyHostBehaviour> = {},
  place: { readonly address?: string; readonly port?: number } = {},
): Promise<PolicyHost> {
  const policyHost = await startPolicyHost({
    domain,
    behaviour: { text, ...behaviour },
    address: place.address ?? '127.0.10.1',
    port: place.port ?? 0,
    certificates,
  });
  cleanups.push(() => policyHost.stop());
  return policyHost;
}

/** A server of its own make, with a certificate that is as it should be. */
async function startServer(
  answer: Parameters<typeof createServer>[1],
  options: { readonly maxVersion?: 'TLSv1.1'; readonly ciphers?: string } = {},
): Promise<number> {
  const server: Server = createServer(
    { ...(await certificates.credential('valid', host)), minVersion: 'TLSv1', ...options },
    answer,
  );
  server.on('tlsClientError', () => {
    // The client's side of it is what is looked at.
  });
  return listen(server);
}

async function listen(server: ReturnType<typeof createTcpServer>): Promise<number> {
  server.listen(0, '127.0.10.1');
  await once(server, 'listening');
  cleanups.push(async () => {
    server.close();
    if ('closeAllConnections' in server) {
      (server as Server).closeAllConnections();
    }
  });
  return (server.address() as AddressInfo).port;
}

type Addresses = Partial<Record<'A' | 'AAAA', readonly string[] | 'failed' | 'bogus'>>;

/** Answers for `mta-sts.example.com`; every question is noted. */
function resolverFor(addresses: Addresses, questions: string[] = []): Resolver {
  return {
    lookup: async <T extends RecordType>(name: string, type: T) => {
      questions.push(`${name} ${type}`);
      const records = addresses[type as 'A' | 'AAAA'];
      if (records === 'failed') {
        return { kind: 'failed', code: 'dns-timeout', reason: 'no answer' };
      }
      const facts = { canonicalName: name, aliases: [], ttlSeconds: 60 };
      if (records === undefined) {
        return { ...facts, status: 'insecure', kind: 'nodata' };
      }
      const status = records === 'bogus' ? 'bogus' : 'insecure';
      const list = records === 'bogus' ? ['127.0.10.1'] : records;
      return { ...facts, status, kind: 'records', records: list } as unknown as Answer<T>;
    },
  };
}

interface Attempt {
  readonly port: number;
  readonly addresses?: Addresses;
  readonly network?: NetworkSetting;
  readonly timeMs?: number;
  readonly domain?: string;
}

function fetchFrom(attempt: Attempt): Promise<PolicyResponse> {
  const fetchPolicy = createPolicyFetcher({
    resolver: resolverFor(attempt.addresses ?? { A: ['127.0.10.1'] }),
    network: {
      httpsPort: attempt.port,
      extraRoots: certificates.rootPem,
      allowPrivateAddresses: true,
      ipv6: true,
      ...attempt.network,
    },
  });
  return fetchPolicy(attempt.domain ?? domain, Date.now() + (attempt.timeMs ?? 5000));
}

function failed(code: string, reason: RegExp) {
  return { kind: 'failed', code, reason: expect.stringMatching(reason) };
}

describe('a policy host as it should be', () => {
  test('gives status, media type and body, asked by GET for the well-known path with SNI', async () => {
    const policyHost = await startHost({ contentType: 'text/plain; charset=utf-8' });
    expect(await fetchFrom(policyHost)).toEqual({
      kind: 'response',
      status: 200,
      contentType: 'text/plain; charset=utf-8',
      body: new TextEncoder().encode(text),
    });
    expect(policyHost.requests).toEqual([
      {
        method: 'GET',
        path: '/.well-known/mta-sts.txt',
        host: `${host}:${policyHost.port}`,
        serverName: host,
        tlsVersion: 'TLSv1.3',
      },
    ]);
  });

  test('is connected to anew for each fetch, by a full handshake', async () => {
    let resumed = false;
    const port = await startServer((request, response) => {
      resumed ||= (request.socket as unknown as { isSessionReused(): boolean }).isSessionReused();
      response.end(text);
    });
    const fetchPolicy = createPolicyFetcher({
      resolver: resolverFor({ A: ['127.0.10.1'] }),
      network: {
        httpsPort: port,
        extraRoots: certificates.rootPem,
        allowPrivateAddresses: true,
        ipv6: false,
      },
    });
    for (let count = 0; count < 3; count += 1) {
      expect(await fetchPolicy(domain, Date.now() + 5000)).toMatchObject({ status: 200 });
    }
    expect(resumed).toBe(false);
  });

  test('is asked for no coding, and a coded body is refused', async () => {
    let asked: string | undefined;
    const port = await startServer((request, response) => {
      asked = request.headers['accept-encoding'] as string | undefined;
      response.writeHead(200, { 'content-type': 'text/plain', 'content-encoding': 'gzip' });
      response.end(text);
    });
    expect(await fetchFrom({ port })).toEqual(failed('sts-policy-invalid', /coding "gzip"/));
    expect(asked).toBe('identity');
  });
});

describe('certificates', () => {
  test.each<[CertificateKind, boolean]>([
    ['valid', true],
    ['valid-p384', true],
    ['wildcard', true],
    ['intermediate', true],
    ['expired', false],
    ['not-yet-valid', false],
    ['wrong-name', false],
    ['self-signed', false],
    ['other-authority', false],
    ['missing-intermediate', false],
    ['not-an-authority', false],
    ['common-name-only', false],
    ['partial-wildcard', false],
    ['client-only', false],
  ])('%s: accepted %s', async (certificate, accepted) => {
    const policyHost = await startHost({ certificate });
    const response = await fetchFrom(policyHost);
    if (accepted) {
      expect(response).toMatchObject({ kind: 'response', status: 200 });
    } else {
      expect(response).toEqual(failed('sts-webpki-invalid', /127\.0\.10\.1: /));
      expect(policyHost.requests).toEqual([]);
    }
  });

  test('for an address, or for a deeper name, are for somebody else', async () => {
    for (const names of [['127.0.10.1'], [`a.${host}`], ['*.com'], ['example.com'], ['*']]) {
      const server = createServer(await certificates.root.issue({ names }), (_, response) => {
        response.end(text);
      });
      const port = await listen(server);
      expect(await fetchFrom({ port })).toMatchObject({ code: 'sts-webpki-invalid' });
    }
  });

  test('of a root that only the setting names are trusted by nobody else', async () => {
    const policyHost = await startHost();
    const network = {
      httpsPort: policyHost.port,
      allowPrivateAddresses: true,
      ipv6: false,
    };
    const resolver = resolverFor({ A: ['127.0.10.1'] });
    const fetchPolicy = createPolicyFetcher({ resolver, network });
    expect(await fetchPolicy(domain, Date.now() + 5000)).toEqual(
      failed('sts-webpki-invalid', /SELF_SIGNED|UNABLE/),
    );
  });

  test('TLS 1.1 is no way to fetch a policy, nor to blame the certificate', async () => {
    const port = await startServer((_, response) => response.end(text), {
      maxVersion: 'TLSv1.1',
      ciphers: 'DEFAULT@SECLEVEL=0',
    });
    expect(await fetchFrom({ port })).toEqual(failed('sts-policy-fetch-error', /./));
  });

  test('extraRoots that cannot be read are found out at once', () => {
    const network = { extraRoots: 'not PEM' };
    expect(() => createPolicyFetcher({ resolver: resolverFor({}), network })).toThrow(
      expect.objectContaining({ code: 'settings-invalid' }),
    );
  });

  test.each([
    ['NODE_EXTRA_CA_CERTS', (rootFile: string) => rootFile],
    ['NODE_TLS_REJECT_UNAUTHORIZED', () => '0'],
    ['SSL_CERT_FILE', (rootFile: string) => rootFile],
  ] as const)('%s changes nothing', async (variable, value) => {
    const policyHost = await startHost();
    const directory = await mkdtemp(join(tmpdir(), 'fetch-policy-'));
    cleanups.push(() => rm(directory, { recursive: true }));
    const rootFile = join(directory, 'root.pem');
    await writeFile(rootFile, certificates.rootPem);
    const script = join(import.meta.dirname, 'fetch-policy-process.ts');
    const run = promisify(execFile);
    const { stdout } = await run(
      process.execPath,
      ['--no-warnings', script, String(policyHost.port)],
      { env: { [variable]: value(rootFile) }, timeout: 20_000 },
    );
    expect(JSON.parse(stdout)).toMatchObject({ code: 'sts-webpki-invalid' });
  });
});

describe('answers', () => {
  test.each([301, 302, 303, 307, 308])('%i is not followed', async (status) => {
    const elsewhere = await startHost({}, { address: '127.0.10.2' });
    const policyHost = await startHost({
      status,
      redirectTo: `https://${host}:${elsewhere.port}/policy.txt`,
    });
    expect(await fetchFrom(policyHost)).toMatchObject({ kind: 'response', status });
    expect(policyHost.requests).toHaveLength(1);
    expect(elsewhere.connections).toBe(0);
  });

  test.each([201, 204, 404, 500, 503])('%i is given as it is, without a body', async (status) => {
    const policyHost = await startHost({ status });
    expect(await fetchFrom(policyHost)).toMatchObject({
      kind: 'response',
      status,
      body: new Uint8Array(),
    });
  });

  test('an error page without end is not read', async () => {
    const policyHost = await startHost({ status: 404, body: 'endless' });
    expect(await fetchFrom(policyHost)).toMatchObject({ kind: 'response', status: 404 });
  });

  test.each([
    ['text/html', 'text/html'],
    [null, undefined],
  ])('the media type %j is given as it is', async (contentType, given) => {
    const policyHost = await startHost({ contentType });
    expect(await fetchFrom(policyHost)).toMatchObject({ status: 200, contentType: given });
  });

  test('two media types are one text that is neither', async () => {
    const port = await startServer((_, response) => {
      response.setHeader('content-type', ['text/plain', 'text/html']);
      response.end(text);
    });
    expect(await fetchFrom({ port })).toMatchObject({ contentType: 'text/plain, text/html' });
  });

  test('more than 64 KiB is broken off', async () => {
    const policyHost = await startHost({ body: 'oversized' });
    expect(await fetchFrom(policyHost)).toEqual(failed('sts-policy-invalid', /65536 octets/));
  });

  test.each([65_536, 65_537])('%i octets in chunks', async (size) => {
    const port = await startServer((_, response) => {
      response.write(text);
      response.end('\n'.repeat(size - text.length));
    });
    const response = await fetchFrom({ port });
    expect(response.kind).toBe(size === 65_536 ? 'response' : 'failed');
  });

  test('a promise of gigabytes is no reason to wait for them', async () => {
    const port = await startServer((_, response) => {
      response.writeHead(200, { 'content-length': 8 * 1024 ** 3 });
      response.write('x'.repeat(100_000));
    });
    expect(await fetchFrom({ port })).toMatchObject({ code: 'sts-policy-invalid' });
  });

  test('a body that breaks off is no policy', async () => {
    const policyHost = await startHost({ body: 'cut-off' });
    expect(await fetchFrom(policyHost)).toEqual(failed('sts-policy-fetch-error', /./));
  });

  test('header fields without end are broken off', async () => {
    const server = createServer(await certificates.credential('valid', host));
    server.removeAllListeners('secureConnection');
    server.on('secureConnection', (socket) => {
      socket.on('error', () => {
        // The client hangs up, as it should.
      });
      socket.write('HTTP/1.1 200 OK\r\n');
      for (let count = 0; count < 2000 && !socket.destroyed; count += 1) {
        socket.write(`x-${count}: ${'x'.repeat(100)}\r\n`);
      }
    });
    const port = await listen(server);
    expect(await fetchFrom({ port })).toEqual(failed('sts-policy-fetch-error', /./));
  });

  test('plain HTTP on the port is a failed connection', async () => {
    const server = createTcpServer((socket) => {
      socket.end(`HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\n${text}`);
    });
    const port = await listen(server);
    expect(await fetchFrom({ port })).toEqual(failed('sts-policy-fetch-error', /./));
  });
});

describe('time', () => {
  test.each<[string, Partial<PolicyHostBehaviour>]>([
    ['a body that trickles', { body: 'trickle' }],
    ['a body without end', { body: 'endless' }],
    ['a host that never says a word', { state: 'silent' }],
  ])('%s ends with the deadline', async (_, behaviour) => {
    const policyHost = await startHost(behaviour);
    const startedAt = performance.now();
    const response = await fetchFrom({ port: policyHost.port, timeMs: 400 });
    expect(response).toEqual(failed('sts-policy-fetch-error', /time is over/));
    expect(performance.now() - startedAt).toBeLessThan(2000);
  });

  test('a host that takes the request and never answers ends with the deadline', async () => {
    const port = await startServer(() => {
      // Silence.
    });
    const response = await fetchFrom({ port, timeMs: 400 });
    expect(response).toEqual(failed('sts-policy-fetch-error', /time is over/));
  });

  test('a deadline that has passed connects to nobody', async () => {
    const policyHost = await startHost();
    const response = await fetchFrom({ port: policyHost.port, timeMs: -1 });
    expect(response).toEqual(failed('sts-policy-fetch-error', /no time left/));
    expect(policyHost.connections).toBe(0);
  });

  test('no deadline is longer than a minute', async () => {
    const deadlines: number[] = [];
    const resolver: Resolver = {
      lookup: async (_name, _type, deadlineMs) => {
        deadlines.push(deadlineMs);
        return { kind: 'failed', code: 'dns-timeout', reason: 'no answer' };
      },
    };
    const fetchPolicy = createPolicyFetcher({ resolver, network: { ipv6: false }, now: () => 0 });
    await fetchPolicy(domain, 3_600_000);
    expect(deadlines).toEqual([60_000]);
  });
});

describe('addresses', () => {
  test('each is tried until one answers', async () => {
    const policyHost = await startHost({}, { address: '127.0.10.3' });
    const addresses = { A: ['127.0.10.1', '127.0.10.2', '127.0.10.3'] };
    expect(await fetchFrom({ port: policyHost.port, addresses })).toMatchObject({ status: 200 });
  });

  test('a bad certificate at one of them is made up for by the next, and told if none is', async () => {
    const bad = await startHost({ certificate: 'expired' }, { address: '127.0.10.1' });
    const place = { address: '127.0.10.2', port: bad.port };
    const good = await startHost({}, place);
    const addresses = { A: ['127.0.10.1', '127.0.10.2'] };
    expect(await fetchFrom({ port: bad.port, addresses })).toMatchObject({ status: 200 });
    await good.stop();
    expect(await fetchFrom({ port: bad.port, addresses })).toEqual(
      failed('sts-webpki-invalid', /127\.0\.10\.1: .*CERT_HAS_EXPIRED.*127\.0\.10\.2: .*REFUSED/),
    );
  });

  test('an answer that is no policy is an answer: the others are left alone', async () => {
    const first = await startHost({ status: 404 }, { address: '127.0.10.1' });
    const second = await startHost({}, { address: '127.0.10.2', port: first.port });
    const addresses = { A: ['127.0.10.1', '127.0.10.2'] };
    expect(await fetchFrom({ port: first.port, addresses })).toMatchObject({ status: 404 });
    expect(second.connections).toBe(0);
  });

  test('no more than six are tried', async () => {
    const policyHost = await startHost({}, { address: '127.0.10.99' });
    const A = ['1', '2', '3', '4', '5', '6', '99'].map((octet) => `127.0.10.${octet}`);
    const response = await fetchFrom({ port: policyHost.port, addresses: { A } });
    expect(response).toEqual(failed('sts-policy-fetch-error', /127\.0\.10\.6/));
    expect(policyHost.connections).toBe(0);
  });

  test('of both families, in turns', async () => {
    const policyHost = await startHost();
    const addresses = { AAAA: ['::1', '::2'], A: ['127.0.10.1'] };
    expect(await fetchFrom({ port: policyHost.port, addresses })).toMatchObject({ status: 200 });
  });

  test('of IPv6 are not asked for where the machine has none', async () => {
    const questions: string[] = [];
    const fetchPolicy = createPolicyFetcher({
      resolver: resolverFor({}, questions),
      network: { ipv6: false },
    });
    await fetchPolicy(domain, Date.now() + 1000);
    expect(questions).toEqual(['mta-sts.example.com A']);
  });

  test.each<[Addresses, RegExp]>([
    [{}, /has no address/],
    [{ A: 'failed' }, /no answer/],
    [{ AAAA: 'failed', A: [] }, /no answer/],
    [{ A: 'bogus' }, /has no address/],
  ])('%j: nobody to ask', async (addresses, reason) => {
    expect(await fetchFrom({ port: 1, addresses })).toEqual(
      failed('sts-policy-fetch-error', reason),
    );
  });

  test('a failing AAAA look-up does not spoil the A records', async () => {
    const policyHost = await startHost();
    const addresses = { AAAA: 'failed', A: ['127.0.10.1'] } as const;
    expect(await fetchFrom({ port: policyHost.port, addresses })).toMatchObject({ status: 200 });
  });

  test.each([
    ['127.0.10.1', 'loopback'],
    ['10.0.0.1', 'private'],
    ['169.254.169.254', 'cloud metadata'],
    ['100.64.0.1', 'carrier NAT'],
    ['0.0.0.0', 'this host'],
    ['::1', 'loopback'],
    ['::ffff:127.0.10.1', 'IPv4-mapped loopback'],
    ['64:ff9b::7f00:a01', 'NAT64 of loopback'],
    ['fd00::1', 'unique local'],
    ['fe80::1', 'link local'],
    ['fe80::1%lo', 'with a zone'],
  ])('%s is refused: %s', async (address) => {
    const policyHost = await startHost();
    const addresses = address.includes(':') ? { AAAA: [address] } : { A: [address] };
    const network = { allowPrivateAddresses: false };
    const response = await fetchFrom({ port: policyHost.port, addresses, network });
    expect(response).toEqual(failed('sts-policy-fetch-error', /private addresses only/));
    expect(policyHost.connections).toBe(0);
  });

  test('text that is no address is left out, and the others are tried', async () => {
    const policyHost = await startHost();
    const addresses = { AAAA: ['not-an-address', '127.1'], A: ['127.0.10.1'] };
    expect(await fetchFrom({ port: policyHost.port, addresses })).toMatchObject({ status: 200 });
  });

  test.each(['2130706433', '0x7f000001', '127.1', '0177.0.0.1', 'localhost', '[127.0.10.1]', ''])(
    'the address %j, which is none, is not looked up by the machine',
    async (address) => {
      const policyHost = await startHost();
      const response = await fetchFrom({ port: policyHost.port, addresses: { A: [address] } });
      expect(response).toMatchObject({ kind: 'failed', code: 'sts-policy-fetch-error' });
      expect(policyHost.connections).toBe(0);
    },
  );

  test.each([
    '127.0.0.1',
    '[::1]',
    '0x7f.1',
    '0x7f000001',
    'example.com@127.0.10.1',
    'example.com/..',
    'example.com:443',
    'example.com#',
    'example.com?',
    'example.com\\',
    'example.com%2f',
    'EXAMPLE.com',
    'ex\u00e4mple.com',
    'example.com.',
    ' example.com',
    'example.com\r\nHost: other',
    '',
    'a'.repeat(300),
  ])('the policy domain %j gets into no URL and no look-up', async (name) => {
    const questions: string[] = [];
    const fetchPolicy = createPolicyFetcher({
      resolver: resolverFor({ A: ['127.0.10.1'] }, questions),
      network: { ipv6: false },
    });
    expect(await fetchPolicy(name, Date.now() + 1000)).toEqual(
      failed('sts-policy-fetch-error', /not a host name/),
    );
    expect(questions).toEqual([]);
  });
});
