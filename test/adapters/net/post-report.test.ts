/** Posting reports over real TLS: what was taken, by whom, and what was in the way. */
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  type CertificateKind,
  type Certificates,
  createCertificates,
} from '../../../bin/world/certificates.ts';
import { createReportPoster } from '../../../functions/adapters/net/post-report.ts';
import type { NetworkSetting } from '../../../functions/environment.ts';
import type { Answer, RecordType, Resolver } from '../../../functions/protocol/dns/answer.ts';
import type { SendOutcome } from '../../../functions/reporting/ports.ts';

const host = 'reports.example.com';
const gzip = gzipSync(JSON.stringify({ 'report-id': 'x'.repeat(1_000) }));

interface Received {
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

let certificates: Certificates;
let received: Received[];
const cleanups: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  certificates = await createCertificates(Date.now);
});

beforeEach(() => {
  received = [];
});

afterEach(async () => {
  await Promise.all(cleanups.splice(0).map((cleanup) => cleanup()));
});

type Answering = (response: ServerResponse) => void;

/** A destination that reads what it is sent, and then answers. */
async function startDestination(
  answer: Answering,
  certificate: CertificateKind = 'valid',
): Promise<number> {
  const server = createServer(
    await certificates.credential(certificate, host),
    async (request, response) => {
      const chunks = await request.toArray();
      const { method, url, headers } = request;
      received.push({ method, url, headers, body: Buffer.concat(chunks) });
      answer(response);
    },
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
    (server as Partial<Server>).closeAllConnections?.();
  });
  return (server.address() as AddressInfo).port;
}

const answerWith =
  (status: number, headers: Readonly<Record<string, string>> = {}): Answering =>
  (response) => {
    response.writeHead(status, headers).end('thanks');
  };

let questions: string[] = [];
const resolver = (addresses: readonly string[]): Resolver => ({
  lookup: async <T extends RecordType>(name: string, type: T) => {
    questions.push(`${name} ${type}`);
    const facts = { canonicalName: name, aliases: [], ttlSeconds: 60, status: 'insecure' };
    return { ...facts, kind: 'records', records: addresses } as unknown as Answer<T>;
  },
});

interface Attempt {
  readonly uri?: string;
  readonly port?: number;
  readonly addresses?: readonly string[];
  readonly network?: NetworkSetting;
  readonly timeMs?: number;
}

function post(attempt: Attempt): Promise<SendOutcome> {
  questions = [];
  const { port = 1, timeMs = 5_000, uri = `https://${host}:${port}/in/tlsrpt?d=a` } = attempt;
  const send = createReportPoster({
    resolver: resolver(attempt.addresses ?? ['127.0.10.1']),
    network: {
      extraRoots: certificates.rootPem,
      allowPrivateAddresses: true,
      ipv6: false,
      ...attempt.network,
    },
  });
  return send(uri, { gzip }, Date.now() + timeMs);
}

describe('what is posted', () => {
  test('is the compressed report, to the path and query of the URI', async () => {
    const port = await startDestination(answerWith(201));
    expect(await post({ port })).toEqual({ kind: 'delivered', detail: 'HTTP 201' });
    expect(received).toEqual([
      {
        method: 'POST',
        url: '/in/tlsrpt?d=a',
        headers: expect.objectContaining({
          host: `${host}:${port}`,
          'content-type': 'application/tlsrpt+gzip',
          'content-length': String(gzip.length),
        }),
        body: gzip,
      },
    ]);
    expect(received[0]?.headers['content-encoding']).toBeUndefined();
  });

  test('goes to the port of the network where the URI has none', async () => {
    const port = await startDestination(answerWith(200));
    const uri = `https://${host}/`;
    expect(await post({ uri, network: { httpsPort: port } })).toMatchObject({ kind: 'delivered' });
  });

  test('goes to the next address where one does not answer, and to no second one', async () => {
    const port = await startDestination(answerWith(500));
    const addresses = ['127.0.10.99', '127.0.10.1', '127.0.10.1'];
    expect(await post({ port, addresses })).toEqual({ kind: 'failed', detail: 'HTTP 500' });
    expect(received).toHaveLength(1);
  });
});

test.each<[number, SendOutcome['kind'], string]>([
  [200, 'delivered', 'typically (RFC 8460 §5.4)'],
  [202, 'delivered', 'a successful response too'],
  [204, 'delivered', 'without a body'],
  [301, 'failed', 'no redirect is followed'],
  [308, 'failed', 'neither is this one'],
  [400, 'failed', 'a refusal'],
  [413, 'too-large', 'smaller ones may be taken'],
  [429, 'failed', 'later perhaps'],
  [503, 'failed', 'later perhaps'],
])('HTTP %i: %s, %s', async (status, kind, _reason) => {
  const port = await startDestination(answerWith(status, { location: `https://${host}/else` }));
  expect(await post({ port })).toEqual({ kind, detail: `HTTP ${status}` });
  expect(received).toHaveLength(1);
});

test.each<[CertificateKind, RegExp]>([
  ['expired', /CERT_HAS_EXPIRED/],
  ['self-signed', /SELF_SIGNED/],
  ['other-authority', /UNABLE_TO/],
  ['wrong-name', /not for reports\.example\.com/],
])('a certificate that is %s is no hindrance, and is told of', async (kind, reason) => {
  const port = await startDestination(answerWith(200), kind);
  const outcome = await post({ port });
  expect(outcome.kind).toBe('delivered');
  expect(outcome.detail).toMatch(/^HTTP 200; its certificate is not valid: /);
  expect(outcome.detail).toMatch(reason);
});

describe('where nothing is posted', () => {
  test.each([
    ['https://127.0.10.1/', 'an address of ours, by its number'],
    ['https://[::1]/', 'and another'],
    ['https://2130706433/', 'as one number'],
    ['https://localhost./', 'no name of the DNS'],
  ])('%s: %s', async (uri, _reason) => {
    const outcome = await post({ uri, network: { allowPrivateAddresses: false } });
    expect(outcome).toMatchObject({
      kind: 'failed',
      detail: expect.stringContaining('not a host name'),
    });
    expect(questions).toEqual([]);
  });

  test.each([['127.0.0.1'], ['10.0.0.1'], ['169.254.169.254'], ['192.168.1.1']])(
    'a name that leads to %s',
    async (address) => {
      const outcome = await post({
        addresses: [address],
        network: { allowPrivateAddresses: false },
      });
      expect(outcome).toEqual({
        kind: 'failed',
        detail: `${host} leads to private addresses only`,
      });
    },
  );
});

describe('what never ends is given up in time', () => {
  test('silence after the request', async () => {
    const port = await startDestination(() => {
      // No answer at all.
    });
    expect(await post({ port, timeMs: 300 })).toEqual({
      kind: 'failed',
      detail: 'the time is over',
    });
  });

  test('silence before TLS', async () => {
    const port = await listen(
      createTcpServer((socket) => {
        cleanups.push(async () => socket.destroy());
      }),
    );
    expect(await post({ port, timeMs: 300 })).toMatchObject({ kind: 'failed' });
  });

  test('a body without end is not read', async () => {
    const port = await startDestination((response) => {
      response.writeHead(200);
      response.write('x'.repeat(100_000));
    });
    expect(await post({ port })).toEqual({ kind: 'delivered', detail: 'HTTP 200' });
  });

  test('no time at all', async () => {
    const port = await startDestination(answerWith(200));
    expect(await post({ port, timeMs: -1 })).toMatchObject({ kind: 'failed' });
    expect(received).toEqual([]);
  });
});

test('nobody there', async () => {
  expect(await post({ port: 1 })).toMatchObject({
    kind: 'failed',
    detail: expect.stringMatching(/ECONNREFUSED/),
  });
});
