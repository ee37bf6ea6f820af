import { describe, expect, test } from 'vitest';
import { createDnsExchange } from '../../../functions/adapters/net/dns-exchange.ts';
import { decodeMessage } from '../../../functions/protocol/dns/message.ts';
import { parseName } from '../../../functions/protocol/dns/name.ts';
import { encodeQuery } from '../../../functions/protocol/dns/query.ts';
import { recordTypes } from '../../../functions/protocol/dns/record-type.ts';
import type { Exchange } from '../../../functions/resolving/ports.ts';
import { A, opt, record, u16 } from '../../protocol/dns/wire.ts';
import {
  closedPort,
  respond,
  type Script,
  type ScriptedServer,
  startScriptedServer,
  type UdpQuery,
} from './dns-scripted-server.ts';

const query = encodeQuery({
  id: 0,
  name: parseName('example.com'),
  type: recordTypes.A,
  dnssec: true,
});

const numbered = (last: number): readonly number[] => record({ type: A, rdata: [192, 0, 2, last] });
const answerWith =
  (last: number) =>
  ({ octets, reply }: UdpQuery): void =>
    reply(respond(octets, [numbered(last)]));
const withFlags =
  (flags: number) =>
  ({ octets, reply }: UdpQuery): void =>
    reply(respond(octets, [], flags));
const serverFailure = withFlags(0x8182);
const refusal = withFlags(0x8185);

/** Servers on loopback addresses of their own. */
function startServers(...scripts: readonly Script['udp'][]): Promise<readonly ScriptedServer[]> {
  return Promise.all(
    scripts.map((udp, index) =>
      startScriptedServer({
        address: `127.0.0.${index + 1}`,
        ...(udp === undefined ? {} : { udp }),
      }),
    ),
  );
}

/** Each server is asked twice at the most, with 200 ms of patience and then 400, by a clock that stands still. */
function exchangeWith(
  servers: readonly (ScriptedServer | string)[],
  over: {
    readonly now?: () => number;
    readonly tryTimeoutMs?: number;
    readonly rounds?: number;
  } = {},
): Exchange {
  return createDnsExchange({
    servers: servers.map((server) => (typeof server === 'string' ? server : server.server)),
    now: () => 0,
    tryTimeoutMs: 200,
    rounds: 2,
    ...over,
  });
}

/** The last octet of the first address in the answer says whose it is. */
async function askWith(
  exchange: Exchange,
  rejected: readonly Uint8Array[] = [],
): Promise<number | undefined> {
  const octets = await exchange(query, 60_000, rejected);
  return decodeMessage(octets).answers[0]?.rdata[3];
}

const counts = (servers: readonly ScriptedServer[]): readonly number[] =>
  servers.map(({ received }) => received.length);

test('nobody is asked before a server is configured', () => {
  expect(() => createDnsExchange({ servers: [] })).toThrow(
    expect.objectContaining({ code: 'settings-invalid' }),
  );
});

describe('the next server is asked', () => {
  test.each<readonly [string, Script['udp']]>([
    ['refuses', refusal],
    ['fails', serverFailure],
    ['knows no EDNS', withFlags(0x8181)],
    [
      'says BADVERS, which is partly in the OPT record',
      ({ octets, reply }) => reply(withOpt(respond(octets, [opt([], { ttl: 0x0100_0000 })]))),
    ],
    [
      'answers malformed',
      ({ octets, reply }) => reply(respond(octets, [numbered(1)]).slice(0, -1)),
    ],
    ['is silent', undefined],
    ['wants TCP and has none', withFlags(0x8380)],
  ])('where the first %s', async (_, udp) => {
    const servers = await startServers(udp, answerWith(2));
    expect(await askWith(exchangeWith(servers))).toBe(2);
    expect(servers[0]?.received.length).toBeGreaterThan(0);
  });

  test('where nobody listens', async () => {
    const [server] = await startServers(answerWith(1));
    const nobody = `127.0.0.3:${await closedPort('127.0.0.3')}`;
    expect(await askWith(exchangeWith([nobody, server?.server ?? '']))).toBe(1);
  });

  test('not where the first denies: NXDOMAIN and NODATA are answers', async () => {
    for (const flags of [0x8183, 0x8180]) {
      const servers = await startServers(withFlags(flags), answerWith(2));
      expect(await askWith(exchangeWith(servers))).toBeUndefined();
      expect(counts(servers)).toEqual([1, 0]);
    }
  });
});

/** Moves the one record of a response from its answer section to the additional one. */
function withOpt(octets: Uint8Array): Uint8Array {
  return Uint8Array.from([
    ...octets.subarray(0, 6),
    ...u16(0),
    ...u16(0),
    ...u16(1),
    ...octets.subarray(12),
  ]);
}

describe('time', () => {
  test('a silent server is asked again, one that refused is not; both are in the reason', async () => {
    const [silent, refusing] = await startServers(undefined, refusal);
    const servers = [silent, refusing].filter((server) => server !== undefined);
    await expect(askWith(exchangeWith(servers))).rejects.toMatchObject({
      code: 'dns-server-failure',
      message: `${silent?.server}: no answer in 400 ms; ${refusing?.server}: REFUSED`,
    });
    expect(counts(servers)).toEqual([2, 1]);
  });

  test('an answer lost once is had at the second try', async () => {
    let lost = 0;
    const servers = await startServers((asked) => {
      lost += 1;
      if (lost > 1) {
        answerWith(1)(asked);
      }
    });
    expect(await askWith(exchangeWith(servers, { rounds: 5 }))).toBe(1);
  });

  test('the deadline holds whatever is left to try', async () => {
    const servers = await startServers(undefined, undefined);
    const exchange = exchangeWith(servers, { now: Date.now, tryTimeoutMs: 60_000 });
    const start = Date.now();
    await expect(exchange(query, start + 50, [])).rejects.toMatchObject({ code: 'dns-timeout' });
    expect(Date.now() - start).toBeLessThan(5_000);
  });

  test('past the deadline nothing is sent', async () => {
    const servers = await startServers(answerWith(1));
    const exchange = exchangeWith(servers, { now: () => 60_000 });
    await expect(askWith(exchange)).rejects.toMatchObject({
      code: 'dns-timeout',
      message: 'no time left to ask',
    });
    expect(counts(servers)).toEqual([0]);
  });
});

describe('rejected answers', () => {
  test("are asked for at the other servers, and at their senders' when those have none", async () => {
    const servers = await startServers(answerWith(1), answerWith(2), serverFailure);
    const exchange = exchangeWith(servers);
    const first = await exchange(query, 60_000, []);
    const second = await exchange(query, 60_000, [first]);
    expect(decodeMessage(first).answers[0]?.rdata[3]).toBe(1);
    expect(decodeMessage(second).answers[0]?.rdata[3]).toBe(2);
    expect(counts(servers)).toEqual([1, 1, 0]);
    expect(await askWith(exchange, [first, second])).toBe(1);
    expect(counts(servers)).toEqual([2, 1, 1]);
  });

  test('of nobody known change nothing', async () => {
    const servers = await startServers(answerWith(1), answerWith(2));
    expect(await askWith(exchangeWith(servers), [Uint8Array.of(1, 2, 3)])).toBe(1);
  });

  test('of the only server are asked for there', async () => {
    const servers = await startServers(answerWith(1));
    const exchange = exchangeWith(servers);
    expect(await askWith(exchange, [await exchange(query, 60_000, [])])).toBe(1);
  });
});

describe('a server that failed', () => {
  test('is asked last for five seconds, then for ten', async () => {
    let nowMs = 0;
    const nobody = `127.0.0.3:${await closedPort('127.0.0.3')}`;
    const [second] = await startServers(answerWith(2));
    const exchange = exchangeWith([nobody, second?.server ?? ''], { now: () => nowMs });
    expect(await askWith(exchange)).toBe(2);
    // From here on the first one would answer, were it asked.
    await startScriptedServer({ udp: answerWith(1), address: '127.0.0.3', port: portOf(nobody) });
    expect(await askWith(exchange)).toBe(2);
    nowMs = 4_999;
    expect(await askWith(exchange)).toBe(2);
    nowMs = 5_000;
    expect(await askWith(exchange)).toBe(1);
  });

  test('is asked all the same when no other answers', async () => {
    let down = true;
    const servers = await startServers((asked) => {
      if (!down) {
        answerWith(1)(asked);
      }
    }, serverFailure);
    const exchange = exchangeWith(servers);
    await expect(askWith(exchange)).rejects.toMatchObject({ code: 'dns-server-failure' });
    down = false;
    expect(await askWith(exchange)).toBe(1);
  });

  test('is in good standing after an error of a domain', async () => {
    let fails = true;
    const servers = await startServers((asked) => {
      (fails ? serverFailure : answerWith(1))(asked);
      fails = false;
    }, answerWith(2));
    const exchange = exchangeWith(servers);
    expect(await askWith(exchange)).toBe(2);
    expect(await askWith(exchange)).toBe(1);
  });
});

function portOf(server: string): number {
  return Number(server.split(':')[1]);
}
