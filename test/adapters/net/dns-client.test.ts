import { createSocket } from 'node:dgram';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createDnsClient } from '../../../functions/adapters/net/dns-client.ts';
import type { Answer, RecordType } from '../../../functions/protocol/dns/answer.ts';
import {
  A,
  CNAME,
  character,
  MX,
  name,
  type Octets,
  questionName,
  record,
  TXT,
  u16,
} from '../../protocol/dns/wire.ts';
import {
  closedPort,
  framed,
  respond,
  type Script,
  type ScriptedServer,
  startScriptedServer,
  type TcpQuery,
  type UdpQuery,
} from './dns-scripted-server.ts';

const address = record({ type: A, rdata: [192, 0, 2, 1] });
const forged = record({ type: A, rdata: [203, 0, 113, 66] });
const found = { kind: 'records', status: 'insecure', records: ['192.0.2.1'] };

const answerUdp = ({ octets, reply }: UdpQuery): void => reply(respond(octets, [address]));
const answerTcp = ({ octets, reply }: TcpQuery): void => reply(respond(octets, [address]));
const truncate = ({ octets, reply }: UdpQuery): void => reply(respond(octets, [], 0x8380));
const refuse = ({ octets, reply }: UdpQuery): void => reply(respond(octets, [], 0x8185));

/** Asks the servers, at most twice each, with 200 ms of patience and then 400. */
function ask<T extends RecordType>(
  servers: readonly ScriptedServer[] | readonly string[],
  type: T,
  { host = 'example.com', withinMs = 5_000 } = {},
): Promise<Answer<T>> {
  const client = createDnsClient({
    servers: servers.map((server) => (typeof server === 'string' ? server : server.server)),
    tryTimeoutMs: 200,
    rounds: 2,
  });
  return client.lookup(host, type, Date.now() + withinMs);
}

/** One server by the script, asked for an address with patience enough for a busy machine. */
async function askOne(script: Script): Promise<Answer<'A'>> {
  const { server } = await startScriptedServer(script);
  const client = createDnsClient({ servers: [server], tryTimeoutMs: 5_000, rounds: 1 });
  return client.lookup('example.com', 'A', Date.now() + 10_000);
}

describe('answers', () => {
  test.each<readonly [string, RecordType, Octets, unknown]>([
    ['an address', 'A', address, '192.0.2.1'],
    [
      'an MX',
      'MX',
      record({ type: MX, rdata: [...u16(10), ...name('mail.example')] }),
      { preference: 10, exchange: 'mail.example' },
    ],
    ['a null MX', 'MX', record({ type: MX, rdata: [0, 0, 0] }), { preference: 0, exchange: '' }],
    [
      'a TXT of two strings',
      'TXT',
      record({ type: TXT, rdata: [...character('v=STSv1;'), ...character(' id=1;')] }),
      'v=STSv1; id=1;',
    ],
  ])('%s', async (_, type, answer, data) => {
    const server = await startScriptedServer({
      udp: ({ octets, reply }) => reply(respond(octets, [answer])),
    });
    const client = createDnsClient({ servers: [server.server] });
    expect(await client.lookup('example.com', type, Date.now() + 5_000)).toEqual({
      kind: 'records',
      status: 'insecure',
      canonicalName: 'example.com',
      aliases: [],
      ttlSeconds: 300,
      records: [data],
    });
  });

  test.each([
    ['NXDOMAIN', 0x8183, { kind: 'nxdomain', status: 'insecure' }],
    ['NODATA', 0x8180, { kind: 'nodata', status: 'insecure' }],
    ['SERVFAIL', 0x8182, { kind: 'failed', code: 'dns-server-failure' }],
    ['REFUSED', 0x8185, { kind: 'failed', code: 'dns-server-failure' }],
  ])('%s', async (_, flags, answer) => {
    expect(
      await askOne({ udp: ({ octets, reply }) => reply(respond(octets, [], flags)) }),
    ).toMatchObject(answer);
  });

  test('an alias whose target the server left out is asked for', async () => {
    const server = await startScriptedServer({
      udp: ({ octets, reply }) => {
        const target = octets.includes(0x7a)
          ? address
          : record({ type: CNAME, rdata: name('z.example') });
        reply(respond(octets, [target]));
      },
    });
    expect(await ask([server], 'A')).toMatchObject({
      ...found,
      canonicalName: 'z.example',
      aliases: [{ name: 'example.com', target: 'z.example', status: 'insecure' }],
    });
    expect(server.received).toHaveLength(2);
  });

  test('an endless chain of aliases is given up after twelve', async () => {
    // Each answer leads to a name one label longer.
    const server = await startScriptedServer({
      udp: ({ octets, reply }) =>
        reply(respond(octets, [record({ type: CNAME, rdata: [1, 97, ...questionName] })])),
    });
    expect(await ask([server], 'A')).toMatchObject({ kind: 'failed', code: 'dns-malformed' });
    expect(server.received).toHaveLength(13);
  });
});

describe('what is sent', () => {
  test('is a query with RD and EDNS, with another id and from another port each time', async () => {
    const server = await startScriptedServer({ udp: answerUdp });
    for (let count = 0; count < 20; count += 1) {
      await ask([server], 'A');
    }
    const ids = server.received.map(({ octets }) => `${octets[0]}.${octets[1]}`);
    expect(new Set(ids).size).toBeGreaterThan(15);
    expect(new Set(server.ports).size).toBeGreaterThan(15);
    expect([...(server.received[0]?.octets.subarray(2) ?? [])]).toEqual([
      ...[0x01, 0x00, 0, 1, 0, 0, 0, 0, 0, 1],
      ...[...name('example.com'), 0, 1, 0, 1],
      ...[0, 0, 41, 0x04, 0xd0, 0, 0, 0, 0, 0, 0],
    ]);
  });

  test('nothing, for a name that cannot exist', async () => {
    const server = await startScriptedServer({ udp: answerUdp });
    const host = `_mta-sts.${'a'.repeat(63)}.${'b'.repeat(63)}.${'c'.repeat(63)}.${'d'.repeat(61)}`;
    expect(await ask([server], 'A', { host })).toMatchObject({
      kind: 'failed',
      code: 'dns-malformed',
    });
    expect(server.received).toHaveLength(0);
  });

  test('nothing, where the deadline is over', async () => {
    const server = await startScriptedServer({ udp: answerUdp });
    expect(await ask([server], 'A', { withinMs: 0 })).toEqual({
      kind: 'failed',
      code: 'dns-timeout',
      reason: 'example.com A: no time left to ask',
    });
    expect(server.received).toHaveLength(0);
  });

  test('nothing, before a server is configured', () => {
    expect(() => createDnsClient({ servers: [] })).toThrow(
      expect.objectContaining({ code: 'settings-invalid' }),
    );
  });
});

describe('datagrams that are not the answer are passed over', () => {
  const changed = (octets: Uint8Array, at: number): Uint8Array =>
    octets.map((octet, index) => (index === at ? octet ^ 1 : octet));

  test.each<readonly [string, (query: Uint8Array) => Uint8Array]>([
    ['another id', (query) => changed(respond(query, [forged]), 1)],
    ['another name', (query) => changed(respond(query, [forged]), 14)],
    ['another type', (query) => changed(respond(query, [forged]), 26)],
    ['the query itself', (query) => query],
    ['a message cut short', (query) => respond(query, [forged]).slice(0, -1)],
    [
      'a message with an octet too many',
      (query) => Uint8Array.from([...respond(query, [forged]), 0]),
    ],
    ['an empty datagram', () => new Uint8Array(0)],
    ['noise', () => Uint8Array.from({ length: 600 }, (_, index) => (index * 89) & 0xff)],
  ])('%s', async (_, forge) => {
    const answer = await askOne({
      udp: ({ octets, reply }) => reply(forge(octets), respond(octets, [address])),
    });
    expect(answer).toMatchObject(found);
  });

  test('the right octets from another address or port', async () => {
    const spoofer = createSocket('udp4');
    onTestFinished(() => void spoofer.close());
    spoofer.bind(0, '127.0.0.9');
    const answer = await askOne({
      udp: ({ octets, client, reply }) => {
        spoofer.send(respond(octets, [forged]), client.port, client.address, () =>
          reply(respond(octets, [address])),
        );
      },
    });
    expect(answer).toMatchObject(found);
  });

  test('sixteen wrong ids are somebody guessing: the rest is done over TCP', async () => {
    const answer = await askOne({
      udp: ({ octets, reply }) => {
        const guesses = Array.from({ length: 16 }, () => changed(respond(octets, [forged]), 0));
        reply(...guesses, respond(octets, [forged]));
      },
      tcp: answerTcp,
    });
    expect(answer).toMatchObject(found);
  });

  test('malformed answers alone are dns-malformed, foreign ones alone are dns-timeout', async () => {
    const malformed = await startScriptedServer({
      udp: ({ octets, reply }) => reply(respond(octets, [forged]).slice(0, -1)),
    });
    const foreign = await startScriptedServer({
      udp: ({ octets, reply }) => reply(changed(respond(octets, [forged]), 1)),
    });
    expect(await ask([malformed], 'A')).toMatchObject({ kind: 'failed', code: 'dns-malformed' });
    expect(await ask([foreign], 'A')).toMatchObject({
      kind: 'failed',
      code: 'dns-timeout',
      reason: expect.stringContaining('1 datagrams were no answer'),
    });
  });
});

describe('TCP', () => {
  test('has the answer that did not fit', async () => {
    const many = Array.from({ length: 90 }, (_, last) =>
      record({ type: A, rdata: [192, 0, 2, last] }),
    );
    const server = await startScriptedServer({
      udp: truncate,
      tcp: ({ octets, reply }) => reply(respond(octets, many)),
    });
    const client = createDnsClient({ servers: [server.server], tryTimeoutMs: 5_000 });
    const answer = await client.lookup('example.com', 'A', Date.now() + 10_000);
    expect(answer.kind === 'records' && answer.records).toHaveLength(90);
    expect(server.received.map(({ by }) => by)).toEqual(['udp', 'tcp']);
  });

  test('may bring it octet by octet, and more behind it', async () => {
    const answer = await askOne({
      udp: truncate,
      tcp: ({ octets, socket }) => {
        socket.setNoDelay(true);
        for (const octet of [...framed(respond(octets, [address])), 1, 2, 3]) {
          socket.write(Uint8Array.of(octet));
        }
      },
    });
    expect(answer).toMatchObject(found);
  });

  test.each<readonly [string, NonNullable<Script['tcp']> | undefined, string]>([
    ['nobody listens', undefined, 'dns-server-failure'],
    ['closed without an answer', ({ socket }) => void socket.end(), 'dns-server-failure'],
    ['reset', ({ socket }) => void socket.resetAndDestroy(), 'dns-server-failure'],
    [
      'closed within the length',
      ({ socket }) => void socket.end(Uint8Array.of(0)),
      'dns-server-failure',
    ],
    [
      'closed within the message',
      ({ octets, socket }) => void socket.end(framed(respond(octets, [address])).slice(0, -1)),
      'dns-server-failure',
    ],
    ['a message of no octets', ({ reply }) => reply(new Uint8Array(0)), 'dns-malformed'],
    ['truncated again', ({ octets, reply }) => reply(respond(octets, [], 0x8380)), 'dns-malformed'],
    [
      'another id',
      ({ octets, reply }) =>
        reply(respond(octets, [address]).map((octet, at) => (at === 0 ? octet ^ 1 : octet))),
      'dns-malformed',
    ],
    [
      'an octet too many',
      ({ octets, reply }) => reply(Uint8Array.from([...respond(octets, [address]), 0])),
      'dns-malformed',
    ],
    ['SERVFAIL', ({ octets, reply }) => reply(respond(octets, [], 0x8182)), 'dns-server-failure'],
  ])('%s', async (_, tcp, code) => {
    const answer = await askOne({ udp: truncate, ...(tcp === undefined ? {} : { tcp }) });
    expect(answer).toMatchObject({ kind: 'failed', code });
  });

  test('that says nothing is a timeout', async () => {
    const server = await startScriptedServer({ udp: truncate, tcp: () => undefined });
    expect(await ask([server], 'A')).toMatchObject({ kind: 'failed', code: 'dns-timeout' });
  });
});

describe('several servers', () => {
  test.each<readonly [string, Script['udp']]>([
    ['refuses', refuse],
    ['fails', ({ octets, reply }) => reply(respond(octets, [], 0x8182))],
    ['answers malformed', ({ octets, reply }) => reply(respond(octets, [address]).slice(0, -1))],
    [
      'has malformed records',
      ({ octets, reply }) => reply(respond(octets, [record({ type: A, rdata: [1] })])),
    ],
    ['is silent', undefined],
    ['wants TCP and has none', truncate],
  ])('the next one is asked where the first %s', async (_, udp) => {
    const first = await startScriptedServer(udp === undefined ? {} : { udp });
    const second = await startScriptedServer({ udp: answerUdp, address: '127.0.0.2' });
    expect(await ask([first, second], 'A')).toMatchObject(found);
    expect(first.received.length).toBeGreaterThan(0);
  });

  test('the next one is asked where nobody listens', async () => {
    const second = await startScriptedServer({ udp: answerUdp });
    expect(
      await ask([`127.0.0.3:${await closedPort('127.0.0.3')}`, second.server], 'A'),
    ).toMatchObject(found);
  });

  test('a denial is an answer: nobody else is asked', async () => {
    const first = await startScriptedServer({
      udp: ({ octets, reply }) => reply(respond(octets, [], 0x8183)),
    });
    const second = await startScriptedServer({ udp: answerUdp });
    const client = createDnsClient({ servers: [first.server, second.server] });
    expect(await client.lookup('example.com', 'A', Date.now() + 5_000)).toMatchObject({
      kind: 'nxdomain',
    });
    expect(second.received).toHaveLength(0);
  });

  test('a silent one is asked again, one that refused is not; both are in the reason', async () => {
    const silent = await startScriptedServer({});
    const refusing = await startScriptedServer({ udp: refuse, address: '127.0.0.2' });
    expect(await ask([silent, refusing], 'A')).toEqual({
      kind: 'failed',
      code: 'dns-server-failure',
      reason: `example.com A: ${silent.server}: no answer in 400 ms; ${refusing.server}: REFUSED`,
    });
    expect([silent.received.length, refusing.received.length]).toEqual([2, 1]);
  });

  test('an answer lost once is had at the second try', async () => {
    let lost = 0;
    const server = await startScriptedServer({
      udp: (query) => {
        lost += 1;
        if (lost > 1) {
          answerUdp(query);
        }
      },
    });
    const client = createDnsClient({ servers: [server.server], tryTimeoutMs: 200, rounds: 5 });
    expect(await client.lookup('example.com', 'A', Date.now() + 10_000)).toMatchObject(found);
  });

  test('the deadline holds whatever is left to try', async () => {
    const silent = await startScriptedServer({});
    const client = createDnsClient({ servers: [silent.server], tryTimeoutMs: 60_000 });
    const start = Date.now();
    expect(await client.lookup('example.com', 'A', start + 50)).toMatchObject({
      kind: 'failed',
      code: 'dns-timeout',
    });
    expect(Date.now() - start).toBeLessThan(5_000);
  });

  test('time is that of the clock given', async () => {
    const server = await startScriptedServer({ udp: answerUdp });
    const client = createDnsClient({ servers: [server.server], now: () => 1_000 });
    expect(await client.lookup('example.com', 'A', 6_000)).toMatchObject(found);
    expect(await client.lookup('example.com', 'A', 1_000)).toMatchObject({ code: 'dns-timeout' });
  });
});
