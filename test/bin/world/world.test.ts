import { Resolver } from 'node:dns/promises';
import { createServer, get } from 'node:https';
import { connect as connectTls } from 'node:tls';
import { createTransport } from 'nodemailer';
import { afterEach, describe, expect, test } from 'vitest';
import { startWorld, type World, type WorldDefinition } from '../../../bin/world/world.ts';

const text = 'version: STSv1\r\nmode: enforce\r\nmx: mx1.example.test\r\nmax_age: 86400\r\n';

const definition: WorldDefinition = {
  zones: [
    {
      origin: 'example.test',
      records: [
        { name: 'example.test', type: 'MX', preference: 10, exchange: 'mx1.example.test' },
        { name: '_mta-sts.example.test', type: 'TXT', data: 'v=STSv1; id=1;' },
        { name: 'alias.example.test', type: 'CNAME', data: 'mx1.example.test' },
        { name: 'two.example.test', type: 'A', addressOf: 'dead.example.test' },
        { name: 'two.example.test', type: 'A', addressOf: 'mx1.example.test' },
      ],
    },
  ],
  faults: [{ name: 'broken.example.test', fault: 'SERVFAIL' }],
  mxHosts: [
    { name: 'mx1.example.test', behaviour: {} },
    { name: 'dead.example.test', behaviour: { state: 'down' } },
  ],
  policyHosts: [{ domain: 'example.test', behaviour: { text } }],
};

const worlds: World[] = [];
afterEach(async () => {
  await Promise.all(worlds.splice(0).map((world) => world.stop()));
});

async function start(given: WorldDefinition = definition): Promise<World> {
  const world = await startWorld(given);
  worlds.push(world);
  return world;
}

function resolverOf(world: World): Resolver {
  const resolver = new Resolver({ timeout: 1_000, tries: 1 });
  resolver.setServers([...world.network.resolvers]);
  return resolver;
}

/** The body at `https://<name>/.well-known/mta-sts.txt` in this world. */
function fetchText(world: World, name: string, address: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const asked = get(
      {
        host: address,
        port: world.network.httpsPort,
        servername: name,
        headers: { host: name },
        path: '/.well-known/mta-sts.txt',
        ca: world.network.extraRoots,
        agent: false,
      },
      (response) => {
        let body = '';
        response.on('data', (chunk) => {
          body += String(chunk);
        });
        response.on('end', () => resolve(body));
      },
    );
    asked.on('error', reject);
  });
}

describe('a world', () => {
  test('can be found, asked and mailed by what its network setting says', async () => {
    const world = await start();
    const resolver = resolverOf(world);
    const [mx] = await resolver.resolveMx('example.test');
    const [address = ''] = await resolver.resolve4(mx?.exchange ?? '');
    expect(address).toBe(world.mx('mx1.example.test').address);
    const sent = await createTransport({
      host: address,
      port: world.network.smtpPort,
      requireTLS: true,
      tls: { ca: world.network.extraRoots, servername: 'mx1.example.test' },
    }).sendMail({ from: 'a@client.test', to: 'b@example.test', text: 'hello' });
    expect(sent.accepted).toEqual(['b@example.test']);
    expect(world.mx('mx1.example.test').messages).toHaveLength(1);

    const [policyAddress = ''] = await resolver.resolve4('mta-sts.example.test');
    expect(await fetchText(world, 'mta-sts.example.test', policyAddress)).toBe(text);
    expect(world.policyHost('example.test').requests).toHaveLength(1);
    expect(world.dns.questions).toContainEqual({
      name: 'example.test',
      type: 'MX',
      transport: 'udp',
    });
  });

  test('fills in the addresses of hosts, and leaves names alone that the zone has placed', async () => {
    const world = await start();
    const resolver = resolverOf(world);
    const live = world.mx('mx1.example.test').address;
    expect(await resolver.resolve4('two.example.test')).toEqual([
      world.mx('dead.example.test').address,
      live,
    ]);
    expect(await resolver.resolve4('alias.example.test')).toEqual([live]);
    await expect(resolver.resolve4('broken.example.test')).rejects.toThrow('ESERVFAIL');
  });

  test('changes while it runs', async () => {
    const world = await start();
    const resolver = resolverOf(world);
    await world.change({ kind: 'policy-host', domain: 'example.test', behaviour: { text: 'x' } });
    await world.change({
      kind: 'mx-host',
      name: 'mx1.example.test',
      behaviour: { steps: { greeting: { reply: '554 5.3.2 No' } } },
    });
    await world.change({
      kind: 'records',
      name: '_mta-sts.example.test',
      type: 'TXT',
      records: [{ name: '_mta-sts.example.test', type: 'TXT', data: 'v=STSv1; id=2;' }],
    });
    await world.change({ kind: 'fault', name: 'broken.example.test', fault: undefined });
    const { address } = world.policyHost('example.test');
    expect(await fetchText(world, 'mta-sts.example.test', address)).toBe('x');
    expect(await resolver.resolveTxt('_mta-sts.example.test')).toEqual([['v=STSv1; id=2;']]);
    await expect(resolver.resolve4('broken.example.test')).rejects.toThrow('ENOTFOUND');
    const transport = createTransport({
      host: world.mx('mx1.example.test').address,
      port: world.network.smtpPort,
    });
    await expect(transport.verify()).rejects.toThrow('5.3.2');
  });

  test('reserves a place for a server of somebody else', async () => {
    const world = await start();
    const { name, address, port, key, cert } = await world.reserve('mta-sts.own.test');
    expect(await resolverOf(world).resolve4('mta-sts.own.test')).toEqual([address]);
    const server = createServer({ key, cert }, (_, response) => response.end('own'));
    await new Promise<void>((resolve) => server.listen(port, address, resolve));
    try {
      expect(await fetchText(world, name, address)).toBe('own');
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });

  test('does not disturb another one, although their hosts have the same addresses', async () => {
    const [one, other] = await Promise.all([start(), start()]);
    expect(one.mx('mx1.example.test').address).toBe(other.mx('mx1.example.test').address);
    expect(one.network.smtpPort).not.toBe(other.network.smtpPort);
    expect(one.network.httpsPort).not.toBe(other.network.httpsPort);
  });

  test('has hosts that refuse connections, and lets go of all its ports at the end', async () => {
    const world = await start();
    const { smtpPort } = world.network;
    const dead = world.mx('dead.example.test').address;
    await expect(connected(dead, smtpPort)).rejects.toThrow('ECONNREFUSED');
    const { address } = world.mx('mx1.example.test');
    await world.stop();
    worlds.length = 0;
    await expect(connected(address, smtpPort)).rejects.toThrow('ECONNREFUSED');
  });

  test('tells a host that there is not from one that there is', async () => {
    const world = await start();
    expect(() => world.mx('mx9.example.test')).toThrow(RangeError);
    expect(() => world.policyHost('other.test')).toThrow(RangeError);
  });
});

function connected(host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connectTls({ host, port }, () => {
      socket.destroy();
      resolve();
    });
    socket.on('error', reject);
  });
}

test.each<[Partial<WorldDefinition>, string]>([
  [{ zones: [...definition.zones, ...definition.zones] }, 'two zones of one origin'],
  [{ mxHosts: [...definition.mxHosts, ...definition.mxHosts] }, 'two hosts of one name'],
  [{ mxHosts: [] }, 'an address of a host that there is not'],
])('%# is no world: %s', async (changes) => {
  await expect(startWorld({ ...definition, ...changes })).rejects.toThrow(RangeError);
});
