import { createSocket } from 'node:dgram';
import { Resolver } from 'node:dns/promises';
import { once } from 'node:events';
import { connect } from 'node:net';
import { decode, encode, RECURSION_DESIRED } from 'dns-packet';
import fc from 'fast-check';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { decodeQuery, encodeResponse } from '../../../bin/world/dns-message.ts';
import { startDnsServer } from '../../../bin/world/dns-server.ts';
import { createZoneTable, type Zone } from '../../../bin/world/zone.ts';

const long = 'x'.repeat(300);
const zone: Zone = {
  origin: 'example.test',
  records: [
    { name: 'example.test', type: 'MX', preference: 10, exchange: 'mx1.example.test' },
    { name: 'example.test', type: 'MX', preference: 20, exchange: 'mx2.example.test' },
    { name: 'mx1.example.test', type: 'A', data: '127.25.0.1' },
    { name: 'mx1.example.test', type: 'AAAA', data: '2001:db8::1' },
    { name: 'null.example.test', type: 'MX', preference: 0, exchange: '' },
    { name: 'alias.example.test', type: 'CNAME', data: 'far.other.test' },
    { name: 'broken.example.test', type: 'CNAME', data: 'nobody.other.test' },
    { name: 'loop.example.test', type: 'CNAME', data: 'loop.example.test' },
    { name: '_mta-sts.example.test', type: 'TXT', data: ['v=STSv1;', ' id=1;'] },
    { name: 'long.example.test', type: 'TXT', data: long },
    ...Array.from({ length: 40 }, (_, index) => ({
      name: 'many.example.test',
      type: 'TXT' as const,
      data: `${index} ${'y'.repeat(60)}`,
    })),
  ],
};
const other: Zone = {
  origin: 'other.test',
  records: [{ name: 'far.other.test', type: 'A', data: '127.25.0.9' }],
};

const zones = createZoneTable([zone, other]);
const server = await startDnsServer({ zones, address: '127.53.0.1' });
const resolver = new Resolver({ timeout: 500, tries: 1 });
resolver.setServers([`${server.address}:${server.port}`]);
afterAll(() => server.stop());

beforeEach(() => {
  for (const name of ['mx1.example.test', 'example.test']) {
    zones.fault(name, undefined);
    zones.fault(name, undefined, 'MX');
  }
});

/** The code with which node:dns fails. */
async function failure(asked: Promise<unknown>): Promise<string | undefined> {
  return asked.then(
    () => undefined,
    (error: NodeJS.ErrnoException) => error.code,
  );
}

describe('node:dns as the client', () => {
  test('MX, A and AAAA', async () => {
    const mx = await resolver.resolveMx('example.test');
    expect(mx).toHaveLength(2);
    expect(mx.find(({ priority }) => priority === 10)?.exchange).toBe('mx1.example.test');
    expect(await resolver.resolve4('mx1.example.test')).toEqual(['127.25.0.1']);
    expect(await resolver.resolve6('mx1.example.test')).toEqual(['2001:db8::1']);
  });

  test('names are found whatever their case', async () => {
    expect(await resolver.resolve4('MX1.Example.TEST')).toEqual(['127.25.0.1']);
  });

  test('a null MX has the root as its exchange', async () => {
    const [mx] = await resolver.resolveMx('null.example.test');
    expect(mx).toMatchObject({ priority: 0, exchange: '' });
  });

  test('a TXT record in several character-strings, or cut at 255 octets', async () => {
    expect(await resolver.resolveTxt('_mta-sts.example.test')).toEqual([['v=STSv1;', ' id=1;']]);
    const [strings] = await resolver.resolveTxt('long.example.test');
    expect(strings?.map((text) => text.length)).toEqual([255, 45]);
  });

  test('an alias into another zone', async () => {
    expect(await resolver.resolve4('alias.example.test')).toEqual(['127.25.0.9']);
    expect(await resolver.resolveCname('alias.example.test')).toEqual(['far.other.test']);
  });

  test('what does not fit comes over TCP', async () => {
    expect(await resolver.resolveTxt('many.example.test')).toHaveLength(40);
    expect(server.questions.slice(-2)).toEqual([
      { name: 'many.example.test', type: 'TXT', transport: 'udp' },
      { name: 'many.example.test', type: 'TXT', transport: 'tcp' },
    ]);
  });

  test.each([
    ['nobody.example.test', 'ENOTFOUND', 'no such name'],
    ['broken.example.test', 'ENOTFOUND', 'the alias leads to no such name'],
    ['nowhere.invalid', 'ENOTFOUND', 'no such zone'],
    ['example.test', 'ENODATA', 'the name exists, the type does not'],
    ['loop.example.test', 'ESERVFAIL', 'an alias of itself'],
  ])('A of %s: %s (%s)', async (name, code) => {
    expect(await failure(resolver.resolve4(name))).toBe(code);
  });

  test.each([
    ['SERVFAIL', 'ESERVFAIL'],
    ['REFUSED', 'EREFUSED'],
    ['silence', 'ETIMEOUT'],
    ['malformed', 'EBADRESP'],
  ] as const)('fault %s: %s', async (fault, code) => {
    zones.fault('mx1.example.test', fault);
    expect(await failure(resolver.resolve4('mx1.example.test'))).toBe(code);
  });

  test.each(['truncated', 'spoofed'] as const)(
    'fault %s: the answer all the same',
    async (fault) => {
      zones.fault('mx1.example.test', fault);
      expect(await resolver.resolve4('mx1.example.test')).toEqual(['127.25.0.1']);
    },
  );

  test('a fault of one type leaves the others alone', async () => {
    zones.fault('example.test', 'SERVFAIL', 'MX');
    expect(await failure(resolver.resolveMx('example.test'))).toBe('ESERVFAIL');
    expect(await failure(resolver.resolve4('example.test'))).toBe('ENODATA');
  });

  test('zones change while it runs', async () => {
    zones.put({
      origin: 'new.test',
      records: [{ name: 'new.test', type: 'A', data: '127.25.0.2' }],
    });
    expect(await resolver.resolve4('new.test')).toEqual(['127.25.0.2']);
    zones.replace('new.test', 'A', [{ name: 'new.test', type: 'A', data: '127.25.0.3' }]);
    expect(await resolver.resolve4('new.test')).toEqual(['127.25.0.3']);
    zones.remove('new.test');
    expect(await failure(resolver.resolve4('new.test'))).toBe('ENOTFOUND');
    expect(() => zones.replace('new.test', 'A', [])).toThrow(RangeError);
  });
});

/** One datagram there, one back. */
async function exchange(message: Buffer): Promise<ReturnType<typeof decode>> {
  const socket = createSocket('udp4');
  socket.send(message, server.port, server.address);
  const [answer] = (await once(socket, 'message')) as [Buffer];
  socket.close();
  return decode(answer);
}

describe('on the wire', () => {
  const question = { type: 'TXT', name: 'many.example.test' } as const;

  test('without EDNS 512 octets are the limit, and TC comes with no records', async () => {
    const answer = await exchange(encode({ type: 'query', id: 7, questions: [question] }));
    expect(answer).toMatchObject({ id: 7, flag_qr: true, flag_aa: true, flag_tc: true });
    expect(answer.answers).toEqual([]);
    expect(answer.additionals).toEqual([]);
  });

  test('EDNS is answered with EDNS, and DO is repeated', async () => {
    const opt = {
      type: 'OPT',
      name: '.',
      udpPayloadSize: 1232,
      extendedRcode: 0,
      ednsVersion: 0,
      flags: 0x8000,
      flag_do: true,
      options: [],
    } as const;
    const answer = await exchange(
      encode({
        type: 'query',
        id: 8,
        flags: RECURSION_DESIRED,
        questions: [{ type: 'TXT', name: 'LONG.example.test' }],
        additionals: [{ ...opt, options: [] }],
      }),
    );
    expect(answer).toMatchObject({ flag_rd: true, flag_ra: true, flag_tc: false });
    expect(answer.questions?.[0]?.name).toBe('LONG.example.test');
    expect(answer.answers?.[0]?.name).toBe('LONG.example.test');
    expect(answer.additionals?.[0]).toMatchObject({ type: 'OPT', flag_do: true });
  });

  test('a denial carries the SOA of its zone', async () => {
    const answer = await exchange(
      encode({ type: 'query', id: 9, questions: [{ type: 'A', name: 'nobody.example.test' }] }),
    );
    expect(answer.authorities).toMatchObject([{ type: 'SOA', name: 'example.test' }]);
  });

  test('what is no query is not answered and does no harm', async () => {
    const socket = createSocket('udp4');
    socket.send(Buffer.from('no DNS'), server.port, server.address);
    socket.send(
      encode({ type: 'response', id: 1, questions: [question] }),
      server.port,
      server.address,
    );
    socket.send(
      encode({ type: 'query', id: 2, questions: [question] }),
      server.port,
      server.address,
    );
    const [answer] = (await once(socket, 'message')) as [Buffer];
    socket.close();
    expect(decode(answer).id).toBe(2);
  });

  test('several queries on one TCP connection, in pieces', async () => {
    const socket = connect(server.port, server.address);
    const messages = [1, 2].map((id) => {
      const message = encode({ type: 'query', id, questions: [question] });
      const length = Buffer.alloc(2);
      length.writeUInt16BE(message.length);
      return Buffer.concat([length, message]);
    });
    const octets = Buffer.concat(messages);
    socket.write(octets.subarray(0, 20));
    await once(socket, 'connect');
    socket.write(octets.subarray(20));
    let received: Buffer = Buffer.alloc(0);
    const ids: number[] = [];
    for await (const chunk of socket as AsyncIterable<Buffer>) {
      received = Buffer.concat([received, chunk]);
      while (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0)) {
        const end = 2 + received.readUInt16BE(0);
        ids.push(decode(received.subarray(2, end)).id ?? 0);
        received = received.subarray(end);
      }
      if (ids.length === 2) {
        break;
      }
    }
    expect(ids).toEqual([1, 2]);
  });
});

test('whatever arrives is answered or ignored, never thrown at', () => {
  const label = fc.uint8Array({ minLength: 1, maxLength: 63 });
  const question = fc
    .tuple(fc.array(label, { maxLength: 4 }), fc.uint8Array({ minLength: 4, maxLength: 4 }))
    .map(([labels, rest]) => [
      ...[0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0],
      ...labels.flatMap((octets) => [octets.length, ...octets]),
      ...[0, ...rest],
    ]);
  fc.assert(
    fc.property(fc.oneof(question, fc.array(fc.nat(255))), (octets) => {
      const query = decodeQuery(Buffer.from(octets));
      if (query !== undefined) {
        encodeResponse(query, { rcode: 'NXDOMAIN', records: [], soaOf: '', serial: 1 });
      }
    }),
  );
});
