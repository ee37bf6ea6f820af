import { createSocket } from 'node:dgram';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createDnsExchange } from '../../../functions/adapters/net/dns-exchange.ts';
import { decodeMessage } from '../../../functions/protocol/dns/message.ts';
import { parseName } from '../../../functions/protocol/dns/name.ts';
import { encodeQuery } from '../../../functions/protocol/dns/query.ts';
import { recordTypes } from '../../../functions/protocol/dns/record-type.ts';
import { A, name, record } from '../../protocol/dns/wire.ts';
import {
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
const found = ['192.0.2.1'];

const answerUdp = ({ octets, reply }: UdpQuery): void => reply(respond(octets, [address]));
const answerTcp = ({ octets, reply }: TcpQuery): void => reply(respond(octets, [address]));
const truncate = ({ octets, reply }: UdpQuery): void => reply(respond(octets, [], 0x8380));

const query = encodeQuery({
  id: 0,
  name: parseName('example.com'),
  type: recordTypes.A,
  dnssec: true,
});

/** The addresses in an answer. */
const addressesIn = (octets: Uint8Array): readonly string[] =>
  decodeMessage(octets).answers.map(({ rdata }) => rdata.join('.'));

/** Asks the servers, at most twice each, with 200 ms of patience and then 400. */
async function ask(servers: readonly ScriptedServer[]): Promise<readonly string[]> {
  const exchange = createDnsExchange({
    servers: servers.map(({ server }) => server),
    tryTimeoutMs: 200,
    rounds: 2,
  });
  return addressesIn(await exchange(query, Date.now() + 5_000, []));
}

/** One server by the script, asked for an address with patience enough for a busy machine. */
async function askOne(script: Script): Promise<readonly string[]> {
  const { server } = await startScriptedServer(script);
  const exchange = createDnsExchange({ servers: [server], tryTimeoutMs: 5_000, rounds: 1 });
  return addressesIn(await exchange(query, Date.now() + 10_000, []));
}

describe('what is sent', () => {
  test('is the query with RD, CD, EDNS and DO, with another id and from another port each time', async () => {
    const server = await startScriptedServer({ udp: answerUdp });
    for (let count = 0; count < 20; count += 1) {
      await ask([server]);
    }
    const ids = server.received.map(({ octets }) => `${octets[0]}.${octets[1]}`);
    expect(new Set(ids).size).toBeGreaterThan(15);
    expect(new Set(server.ports).size).toBeGreaterThan(15);
    expect([...(server.received[0]?.octets.subarray(2) ?? [])]).toEqual([
      ...[0x01, 0x10, 0, 1, 0, 0, 0, 0, 0, 1],
      ...[...name('example.com'), 0, 1, 0, 1],
      ...[0, 0, 41, 0x04, 0xd0, 0, 0, 0x80, 0, 0, 0],
    ]);
  });
});

describe('datagrams that are not the answer are passed over', () => {
  const changed = (octets: Uint8Array, at: number): Uint8Array =>
    octets.map((octet, index) => (index === at ? octet ^ 1 : octet));

  test.each<readonly [string, (sent: Uint8Array) => Uint8Array]>([
    ['another id', (sent) => changed(respond(sent, [forged]), 1)],
    ['another name', (sent) => changed(respond(sent, [forged]), 14)],
    ['another type', (sent) => changed(respond(sent, [forged]), 26)],
    ['the query itself', (sent) => sent],
    ['a message cut short', (sent) => respond(sent, [forged]).slice(0, -1)],
    [
      'a message with an octet too many',
      (sent) => Uint8Array.from([...respond(sent, [forged]), 0]),
    ],
    ['an empty datagram', () => new Uint8Array(0)],
    ['noise', () => Uint8Array.from({ length: 600 }, (_, index) => (index * 89) & 0xff)],
  ])('%s', async (_, forge) => {
    const answer = await askOne({
      udp: ({ octets, reply }) => reply(forge(octets), respond(octets, [address])),
    });
    expect(answer).toEqual(found);
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
    expect(answer).toEqual(found);
  });

  test('sixteen wrong ids are somebody guessing: the rest is done over TCP', async () => {
    const answer = await askOne({
      udp: ({ octets, reply }) => {
        const guesses = Array.from({ length: 16 }, () => changed(respond(octets, [forged]), 0));
        reply(...guesses, respond(octets, [forged]));
      },
      tcp: answerTcp,
    });
    expect(answer).toEqual(found);
  });

  test('malformed answers alone are dns-malformed, foreign ones alone are dns-timeout', async () => {
    const malformed = await startScriptedServer({
      udp: ({ octets, reply }) => reply(respond(octets, [forged]).slice(0, -1)),
    });
    const foreign = await startScriptedServer({
      udp: ({ octets, reply }) => reply(changed(respond(octets, [forged]), 1)),
    });
    await expect(ask([malformed])).rejects.toMatchObject({ code: 'dns-malformed' });
    await expect(ask([foreign])).rejects.toMatchObject({
      code: 'dns-timeout',
      message: expect.stringContaining('1 datagrams were no answer'),
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
    const exchange = createDnsExchange({ servers: [server.server], tryTimeoutMs: 5_000 });
    expect(addressesIn(await exchange(query, Date.now() + 10_000, []))).toHaveLength(90);
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
    expect(answer).toEqual(found);
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
    const asked = askOne({ udp: truncate, ...(tcp === undefined ? {} : { tcp }) });
    await expect(asked).rejects.toMatchObject({ code });
  });

  test('that says nothing is a timeout', async () => {
    const server = await startScriptedServer({ udp: truncate, tcp: () => undefined });
    await expect(ask([server])).rejects.toMatchObject({ code: 'dns-timeout' });
  });
});
