import { request } from 'node:https';
import { afterEach, describe, expect, test } from 'vitest';
import { type CertificateKind, createCertificates } from '../../../bin/world/certificates.ts';
import {
  type PolicyHost,
  type PolicyHostBehaviour,
  startPolicyHost,
} from '../../../bin/world/policy-host.ts';

const certificates = await createCertificates(Date.now);
const text = 'version: STSv1\r\nmode: enforce\r\nmx: mx1.example.test\r\nmax_age: 86400\r\n';
let host: PolicyHost | undefined;

afterEach(async () => {
  await host?.stop();
});

async function start(behaviour: Partial<PolicyHostBehaviour> = {}): Promise<PolicyHost> {
  host = await startPolicyHost({
    domain: 'example.test',
    behaviour: { text, ...behaviour },
    address: '127.44.9.1',
    port: 0,
    certificates,
  });
  return host;
}

interface Got {
  readonly status: number | undefined;
  readonly type: string | undefined;
  readonly location: string | undefined;
  readonly body: string;
}

/** GETs as a sender does; rejects with the error of node:https, or when a body outlasts `withinMs` or 64 KiB. */
function get(
  at: PolicyHost,
  options: { path?: string; servername?: string; withinMs?: number } = {},
): Promise<Got> {
  const { path = '/.well-known/mta-sts.txt', withinMs = 2_000 } = options;
  return new Promise((resolve, reject) => {
    const sent = request(
      {
        host: at.address,
        port: at.port,
        path,
        servername: options.servername ?? 'mta-sts.example.test',
        headers: { host: 'mta-sts.example.test' },
        ca: certificates.rootPem,
        agent: false,
        signal: AbortSignal.timeout(withinMs),
      },
      (response) => {
        let body = '';
        response.setEncoding('latin1');
        response.on('data', (chunk: string) => {
          body += chunk;
          if (body.length > 65_536) {
            sent.destroy(new Error('over 64 KiB'));
          }
        });
        response.on('error', reject);
        response.on('end', () => {
          const { 'content-type': type, location } = response.headers;
          resolve({ status: response.statusCode, type, location, body });
        });
      },
    );
    sent.on('error', reject);
    sent.end();
  });
}

/** The code or name of what went wrong. */
async function failure(asked: Promise<unknown>): Promise<string | undefined> {
  return asked.then(
    () => undefined,
    (error: NodeJS.ErrnoException) =>
      error.name === 'AbortError' ? 'AbortError' : (error.code ?? error.message),
  );
}

describe('a host that works', () => {
  test('serves its policy and notes who asked', async () => {
    const at = await start();
    expect(await get(at)).toEqual({
      status: 200,
      type: 'text/plain',
      location: undefined,
      body: text,
    });
    expect(at.requests).toEqual([
      {
        method: 'GET',
        path: '/.well-known/mta-sts.txt',
        host: 'mta-sts.example.test',
        serverName: 'mta-sts.example.test',
        tlsVersion: 'TLSv1.3',
      },
    ]);
    expect(at.connections).toBe(1);
    at.forget();
    expect([at.requests, at.connections]).toEqual([[], 0]);
  });

  test('has nothing elsewhere', async () => {
    expect(await get(await start(), { path: '/' })).toMatchObject({ status: 404 });
  });

  test('shows its certificate to nobody who asks for another name', async () => {
    const at = await start();
    expect(await failure(get(at, { servername: 'mta-sts.other.test' }))).toBe(
      'ERR_TLS_CERT_ALTNAME_INVALID',
    );
    expect(at.requests).toEqual([]);
  });
});

test.each<[CertificateKind, string]>([
  ['expired', 'CERT_HAS_EXPIRED'],
  ['wrong-name', 'ERR_TLS_CERT_ALTNAME_INVALID'],
  ['self-signed', 'DEPTH_ZERO_SELF_SIGNED_CERT'],
  ['other-authority', 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'],
])('certificate %s: %s', async (certificate, code) => {
  expect(await failure(get(await start({ certificate })))).toBe(code);
});

test.each<[Partial<PolicyHostBehaviour>, Partial<Got>, string]>([
  [{ status: 404 }, { status: 404 }, 'another status'],
  [{ contentType: 'text/html' }, { type: 'text/html' }, 'another content type'],
  [{ contentType: null }, { type: undefined }, 'no content type'],
  [{ redirectTo: '/there' }, { status: 301, location: '/there', body: '' }, 'a redirection'],
  [{ redirectTo: '/there', status: 302 }, { status: 302 }, 'another redirection'],
])('%j is what the client gets: %j (%s)', async (behaviour, got) => {
  expect(await get(await start(behaviour))).toMatchObject(got);
});

test('a client that follows the redirection finds the policy', async () => {
  const at = await start({ redirectTo: '/there' });
  expect(await get(at, { path: '/there' })).toMatchObject({ status: 200, body: text });
});

test.each<[Partial<PolicyHostBehaviour>, string, string]>([
  [{ body: 'oversized' }, 'over 64 KiB', 'more than a policy may have'],
  [{ body: 'cut-off' }, 'ECONNRESET', 'less than was promised'],
  [{ body: 'trickle' }, 'AbortError', 'ten octets a second'],
  [{ body: 'endless' }, 'AbortError', 'no end in sight'],
  [{ state: 'silent' }, 'AbortError', 'no TLS handshake'],
  [{ state: 'down' }, 'ECONNREFUSED', 'nobody listens'],
])('%j: %s (%s)', async (behaviour, code) => {
  const at = await startDown(behaviour);
  expect(await failure(get(at, { withinMs: 400 }))).toBe(code);
});

/** A host that is down from the start has no port yet, so it is taken down once it has one. */
async function startDown(behaviour: Partial<PolicyHostBehaviour>): Promise<PolicyHost> {
  const { port, stop } = await start();
  await stop();
  host = await startPolicyHost({
    domain: 'example.test',
    behaviour: { text, ...behaviour },
    address: '127.44.9.1',
    port,
    certificates,
  });
  return host;
}

test('behaviour changes while it runs, down and up again', async () => {
  const at = await startDown({});
  await at.behave({ state: 'down' });
  expect(await failure(get(at))).toBe('ECONNREFUSED');
  await at.behave({ state: 'up', certificate: 'expired' });
  expect(await failure(get(at))).toBe('CERT_HAS_EXPIRED');
  await at.behave({ certificate: 'valid', text: 'version: STSv1\n' });
  expect(await get(at)).toMatchObject({ body: 'version: STSv1\n' });
});
