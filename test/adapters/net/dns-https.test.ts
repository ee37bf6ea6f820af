import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import type { CertificateKind } from '../../../bin/world/certificates.ts';
import { createDnsExchange } from '../../../functions/adapters/net/dns-exchange.ts';
import { parseName } from '../../../functions/protocol/dns/name.ts';
import { encodeQuery } from '../../../functions/protocol/dns/query.ts';
import { recordTypes } from '../../../functions/protocol/dns/record-type.ts';
import { A, opt, record } from '../../protocol/dns/wire.ts';
import {
  type HttpsQuery,
  type HttpsScript,
  httpsCertificates,
  httpsHost,
  startHttpsServer,
} from './dns-https-server.ts';
import { closedPort, respond } from './dns-scripted-server.ts';

const address = record({ type: A, rdata: [192, 0, 2, 1] });
const query = encodeQuery({
  id: 0,
  name: parseName('example.com'),
  type: recordTypes.A,
  dnssec: true,
});
const expected = respond(query, [address]);

const answer = ({ octets, reply }: HttpsQuery): void => reply(respond(octets, [address]));

interface Asking {
  ask(withinMs?: number): Promise<number[]>;
}

/** One exchange with patience enough for a busy machine. */
async function askingOf(
  servers: readonly string[],
  over: { readonly now?: () => number; readonly tryTimeoutMs?: number } = {},
): Promise<Asking> {
  const exchange = createDnsExchange({
    servers,
    extraRoots: (await httpsCertificates()).rootPem,
    tryTimeoutMs: 5_000,
    rounds: 1,
    ...over,
  });
  const now = over.now ?? Date.now;
  return {
    ask: async (withinMs = 10_000) => [...(await exchange(query, now() + withinMs, []))],
  };
}

async function askOne(script: HttpsScript): Promise<number[]> {
  const { server } = await startHttpsServer(script);
  return (await askingOf([server])).ask();
}

describe.each(['h2', 'http/1.1'] as const)('over %s', (protocol) => {
  // By HTTP/1.1 the next question may come before the connection is free again.
  const kept = protocol === 'h2' ? 1 : 2;

  test('the query is posted and the answer comes back', async () => {
    const server = await startHttpsServer({ protocol, answer });
    expect(await (await askingOf([server.server])).ask()).toEqual([...expected]);
    expect(server.received).toMatchObject([
      {
        method: 'POST',
        path: '/dns-query',
        headers: {
          accept: 'application/dns-message',
          'content-type': 'application/dns-message',
          'content-length': String(query.length),
        },
      },
    ]);
    // RFC 8484 §4.1: the id is 0. DO and CD are set (RFC 6840 §5.9).
    expect([...(server.received[0]?.octets ?? [])]).toEqual([...query]);
    expect(server.received[0]?.headers).not.toHaveProperty('user-agent');
  });

  test('connections are kept', async () => {
    const server = await startHttpsServer({ protocol, answer });
    const { ask } = await askingOf([server.server]);
    for (let count = 0; count < 10; count += 1) {
      await ask();
    }
    expect(server.connections()).toBeLessThanOrEqual(kept);
  });

  test('a kept connection that the server closed meanwhile is replaced, once', async () => {
    const server = await startHttpsServer({ protocol, answer });
    const { ask } = await askingOf([server.server]);
    await ask();
    await server.hangUp();
    expect(await ask()).toEqual([...expected]);
    expect(server.connections()).toBe(2);
  });

  test('a kept connection that breaks under the question is replaced, once', async () => {
    let breaks = 0;
    const server = await startHttpsServer({
      protocol,
      answer: (asked) => {
        if (breaks > 0) {
          breaks -= 1;
          asked.hangUp();
        } else {
          answer(asked);
        }
      },
    });
    const { ask } = await askingOf([server.server]);
    await ask();
    breaks = 1;
    expect(await ask()).toEqual([...expected]);
    breaks = 2;
    await expect(ask()).rejects.toMatchObject({ code: 'dns-server-failure' });
  });

  test('a fresh connection that breaks is a failure', async () => {
    const server = await startHttpsServer({ protocol, answer: ({ hangUp }) => hangUp() });
    const { ask } = await askingOf([server.server]);
    await expect(ask()).rejects.toMatchObject({ code: 'dns-server-failure' });
    expect(server.received).toHaveLength(1);
  });

  test('after half a minute without a question, a fresh connection is made', async () => {
    let nowMs = 1_000_000;
    const server = await startHttpsServer({ protocol, answer });
    const { ask } = await askingOf([server.server], { now: () => nowMs });
    await ask();
    nowMs += 30_000;
    await ask();
    const before = server.connections();
    expect(before).toBeLessThanOrEqual(kept);
    nowMs += 30_001;
    await ask();
    expect(server.connections()).toBe(before + 1);
  });

  test('an answer that never ends is given up in time', async () => {
    const server = await startHttpsServer({
      protocol,
      answer: ({ octets, begin }) => begin(octets.subarray(0, 12)),
    });
    const { ask } = await askingOf([server.server], { tryTimeoutMs: 500 });
    await expect(ask()).rejects.toMatchObject({ code: 'dns-timeout' });
  });

  test('a connection on which nothing came is not used again', async () => {
    let silent = true;
    const server = await startHttpsServer({
      protocol,
      answer: (asked) => {
        if (!silent) {
          answer(asked);
        }
      },
    });
    const { ask } = await askingOf([server.server], { tryTimeoutMs: 1_000 });
    await expect(ask()).rejects.toMatchObject({
      code: 'dns-timeout',
      message: expect.stringContaining('no answer over HTTPS in 1000 ms'),
    });
    silent = false;
    await ask();
    expect(server.connections()).toBe(2);
  });
});

test('over h2, questions side by side share one connection, the first ones too', async () => {
  const waiting: HttpsQuery[] = [];
  const server = await startHttpsServer({
    answer: (asked) => {
      waiting.push(asked);
      if (waiting.length === 20) {
        waiting.forEach(answer);
      }
    },
  });
  const { ask } = await askingOf([server.server]);
  await Promise.all(Array.from({ length: 20 }, () => ask()));
  expect(server.connections()).toBe(1);
});

test('over h2, a slow question does not cost the others their connection', async () => {
  let slow = 1;
  const server = await startHttpsServer({
    answer: (asked) => {
      if (slow > 0) {
        slow -= 1;
      } else {
        answer(asked);
      }
    },
  });
  const { ask } = await askingOf([server.server], { tryTimeoutMs: 1_000 });
  const first = ask().catch((error: unknown) => error);
  await ask();
  expect(await first).toMatchObject({ code: 'dns-timeout' });
  await ask();
  expect(server.connections()).toBe(1);
});

describe('certificates', () => {
  test.each<readonly [CertificateKind, string]>([
    ['valid', 'for the name of the URL'],
    ['intermediate', 'by an intermediate authority'],
    ['wildcard', 'a wildcard for the whole left-most label'],
  ])('%s passes: %s', async (certificate) => {
    expect(await askOne({ answer, certificate })).toEqual([...expected]);
  });

  test.each<readonly [CertificateKind, string]>([
    ['wrong-name', 'for another name'],
    ['common-name-only', 'the name in the CN alone'],
    ['partial-wildcard', 'a wildcard for a part of a label'],
    ['self-signed', 'by itself'],
    ['other-authority', 'by an authority that nobody trusts'],
    ['missing-intermediate', 'the chain with a gap'],
    ['expired', 'out of date'],
    ['not-yet-valid', 'ahead of its time'],
    ['client-only', 'for clients'],
  ])('%s fails: %s', async (certificate) => {
    const server = await startHttpsServer({ answer, certificate });
    await expect((await askingOf([server.server])).ask()).rejects.toMatchObject({
      code: 'dns-server-failure',
    });
    expect(server.received).toHaveLength(0);
  });

  test('TLS 1.1 fails', async () => {
    await expect(askOne({ answer, tlsVersionMax: 'TLSv1.1' })).rejects.toMatchObject({
      code: 'dns-server-failure',
    });
  });

  test('TLS 1.2 passes', async () => {
    expect(await askOne({ answer, tlsVersionMax: 'TLSv1.2' })).toEqual([...expected]);
  });
});

describe('answers', () => {
  test.each<readonly [string, HttpsScript['answer'], string, RegExp]>([
    [
      'HTTP 500',
      ({ octets, reply }) => reply(octets, { status: 500 }),
      'dns-server-failure',
      /HTTP 500$/,
    ],
    [
      'HTTP 429',
      ({ octets, reply }) => reply(octets, { status: 429 }),
      'dns-server-failure',
      /HTTP 429$/,
    ],
    [
      'a redirect',
      ({ octets, reply }) => reply(octets, { status: 307, headers: { location: '/elsewhere' } }),
      'dns-server-failure',
      /HTTP 307$/,
    ],
    [
      'another media type',
      ({ octets, reply }) =>
        reply(respond(octets, [address]), { headers: { 'content-type': 'application/dns-json' } }),
      'dns-malformed',
      /application\/dns-json/,
    ],
    [
      'a content coding',
      ({ octets, reply }) =>
        reply(respond(octets, [address]), { headers: { 'content-encoding': 'gzip' } }),
      'dns-malformed',
      /content coding/,
    ],
    [
      'over 65,535 octets',
      ({ reply }) => reply(new Uint8Array(0x1_0000)),
      'dns-malformed',
      /more than 65535 octets/,
    ],
    ['no octets', ({ reply }) => reply(new Uint8Array(0)), 'dns-malformed', /malformed/],
    [
      'another id',
      ({ octets, reply }) =>
        reply(respond(octets, [address]).map((octet, at) => (at === 1 ? 1 : octet))),
      'dns-malformed',
      /another id or question/,
    ],
    [
      'another question',
      ({ octets, reply }) =>
        reply(respond(octets, [address]).map((octet, at) => (at === 14 ? octet ^ 1 : octet))),
      'dns-malformed',
      /another id or question/,
    ],
    [
      'an octet too many',
      ({ octets, reply }) => reply(Uint8Array.from([...respond(octets, [address]), 0])),
      'dns-malformed',
      /malformed/,
    ],
    [
      'truncated, which HTTPS has no need of',
      ({ octets, reply }) => reply(respond(octets, [], 0x8380)),
      'dns-malformed',
      /truncated/,
    ],
    [
      'SERVFAIL with HTTP 200',
      ({ octets, reply }) => reply(respond(octets, [], 0x8182)),
      'dns-server-failure',
      /SERVFAIL$/,
    ],
  ])('%s', async (_, script, code, message) => {
    await expect(askOne({ answer: script })).rejects.toMatchObject({
      name: 'TransportSecurityError',
      code,
      message: expect.stringMatching(message),
    });
  });

  test('65,535 octets are taken', async () => {
    const filler = record({ type: 65_280, rdata: Array.from({ length: 0xfff0 - 60 }, () => 1) });
    expect(
      (await askOne({ answer: ({ octets, reply }) => reply(respond(octets, [filler])) })).length,
    ).toBeGreaterThan(0xff00);
  });

  test('the media type is compared without case and parameters', async () => {
    const headers = { 'content-type': 'Application/DNS-Message; x=1' };
    expect(
      await askOne({
        answer: ({ octets, reply }) => reply(respond(octets, [address]), { headers }),
      }),
    ).toEqual([...expected]);
  });

  test.each([
    ['250', 300 - 250],
    ['301', 0],
    ['0', 300],
    ['-1', 300],
    ['soon', 300],
  ])('RFC 8484 §5.1: an Age of %s leaves %i of 300 seconds', async (age, ttl) => {
    const headers = { age };
    const aged = await askOne({
      answer: ({ octets, reply }) => reply(respond(octets, [address, opt()]), { headers }),
    });
    const left = record({ type: A, ttl, rdata: [192, 0, 2, 1] });
    expect(aged).toEqual([...respond(query, [left, opt()])]);
  });
});

describe('addresses', () => {
  test('the next one is tried where the first refuses, and is the first one from then on', async () => {
    const server = await startHttpsServer({ answer });
    const { ask } = await askingOf([server.server.replace('@', '@127.0.0.77,')]);
    expect(await ask()).toEqual([...expected]);
    await server.hangUp();
    expect(await ask()).toEqual([...expected]);
  });

  test('the next server is asked where nobody listens, or the deadline holds', async () => {
    const port = await closedPort();
    const server = await startHttpsServer({ answer });
    const { ask } = await askingOf([`https://${httpsHost}:${port}/q@127.0.0.1`, server.server]);
    expect(await ask()).toEqual([...expected]);
    const silent = await startHttpsServer({ answer: () => undefined });
    const start = Date.now();
    await expect((await askingOf([silent.server])).ask(100)).rejects.toMatchObject({
      code: 'dns-timeout',
    });
    expect(Date.now() - start).toBeLessThan(4_000);
  });
});

test('a kept connection does not keep the process', async () => {
  const server = await startHttpsServer({ answer });
  const script = `
    import { createDnsExchange } from './functions/adapters/net/dns-exchange.ts';
    const exchange = createDnsExchange({
      servers: [process.env.SERVER], extraRoots: process.env.ROOTS, tryTimeoutMs: 10_000,
    });
    const query = Buffer.from(process.env.QUERY, 'hex');
    console.log((await exchange(query, Date.now() + 10_000, [])).length);
  `;
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--input-type=module-typescript', '--eval', script],
    {
      env: {
        SERVER: server.server,
        ROOTS: (await httpsCertificates()).rootPem,
        QUERY: Buffer.from(query).toString('hex'),
      },
      timeout: 20_000,
    },
  );
  expect(stdout.trim()).toBe(String(expected.length));
}, 30_000);
