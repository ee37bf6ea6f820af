/** `sealpost dns` as a process of its own, in a simulated internet. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { DescribedResolution } from '../../../bin/commands/format-resolution.ts';
import { encodeSignedAnswer, readQuestion } from '../../../bin/world/dnssec-answers.ts';
import { createSignedTree } from '../../../bin/world/signed-tree.ts';
import { startWorld, type World, type WorldDefinition } from '../../../bin/world/world.ts';
import { createZoneTable } from '../../../bin/world/zone.ts';
import { httpsCertificates, startHttpsServer } from '../../adapters/net/dns-https-server.ts';
import {
  multipartFile,
  runSealpost,
  type WorldOptions,
  worldOptions,
  writeTemporaryFile,
} from '../../command-line.ts';

const definition: WorldDefinition = {
  zones: [
    {
      origin: 'signed.example',
      records: [
        { name: 'signed.example', type: 'MX', preference: 10, exchange: 'mx.signed.example' },
        { name: 'alias.signed.example', type: 'CNAME', data: 'mx.plain.example' },
        {
          name: 'mx.signed.example',
          type: 'TLSA',
          usage: 3,
          selector: 1,
          matchingType: 1,
          about: 'leaf',
        },
      ],
      signed: {},
    },
    { origin: 'hashed.example', records: [], signed: { denial: 'NSEC3' } },
    { origin: 'bogus.example', records: [], signed: { ds: 'wrong' } },
    { origin: 'plain.example', records: [] },
  ],
  faults: [{ name: 'failing.plain.example', fault: 'SERVFAIL' }],
  mxHosts: ['mx.signed.example', 'mx.plain.example'].map((name) => ({ name, behaviour: {} })),
  policyHosts: [],
};

let world: World;
let command: WorldOptions;

beforeAll(async () => {
  world = await startWorld(definition);
  command = await worldOptions(world);
});

afterAll(async () => {
  await command?.remove();
  await world?.stop();
});

describe('one look-up', () => {
  test.each([
    ['signed.example', 'MX', 0, /^signed\.example\. MX: secure$/m, 'signed from the root down'],
    ['Signed.Example.', 'mx', 0, /^signed\.example\. MX: secure$/m, 'spelt otherwise'],
    ['signed.example', 'MX', 0, /record +signed\.example\. 0 IN MX 10 mx\./, 'the record'],
    ['signed.example', 'MX', 0, /^\|---example\. secure$/m, 'the chain'],
    [
      '_.signed.example',
      'A',
      0,
      /no such name, secure\n +proof .* NSEC /,
      'absence, and its proof',
    ],
    ['hashed.example', 'A', 0, /no such records, secure\n +proof .* NSEC3 /, 'the same by NSEC3'],
    ['plain.example', 'A', 0, /no such records, insecure, .*no DS/, 'an unsigned zone'],
    ['alias.signed.example', 'A', 0, /insecure.*\n +alias .*: secure\n/, 'a signed alias'],
    ['bogus.example', 'A', 65, /bogus, /, 'a key that the parent does not know'],
    ['failing.plain.example', 'A', 75, /dns-server-failure, indeterminate/, 'a failing server'],
    ['xn--tda.example', 'TYPE65280', 0, /TYPE65280: no such name/, 'a type by number'],
    ['ü.example', 'A', 0, /^xn--tda\.example\. A: no such name/, 'a name in another script'],
  ])('%s %s: status %i, %s (%s)', async (name, type, status, printed) => {
    const ran = await runSealpost(['dns', name, type, ...command.dns]);
    expect(ran).toMatchObject({ status, stderr: '' });
    expect(ran.stdout).toMatch(printed);
  });

  test('as JSON, all of it', async () => {
    const name = `_${world.network.smtpPort}._tcp.mx.signed.example`;
    const ran = await runSealpost(['dns', name, 'TLSA', '--json', ...command.dns]);
    expect(ran).toMatchObject({ status: 0, stderr: '' });
    const described = JSON.parse(ran.stdout) as DescribedResolution;
    expect(described).toMatchObject({ name, type: 'TLSA', outcome: 'records', status: 'secure' });
    expect(described.records[0]?.data).toMatch(/^3 1 1 [0-9A-F]{64}$/);
    const { chain } = described;
    expect(chain.map(({ zone }) => zone)).toEqual(['', 'example', 'signed.example']);
    const [anchor] = chain[0]?.ds ?? [];
    expect(world.network.trustAnchors.toLowerCase()).toContain(anchor?.digest);
  });

  test('over HTTPS, from the anchor given', async () => {
    const zones = createZoneTable([{ origin: 'far.example', records: [], signed: {} }]);
    const tree = createSignedTree(zones, Date.now);
    const { server } = await startHttpsServer({
      answer: ({ octets, reply }) => {
        const question = readQuestion(octets);
        reply(question ? encodeSignedAnswer(octets, tree.answer(question)) : octets);
      },
    });
    const { rootPem } = await httpsCertificates();
    const ca = await writeTemporaryFile('roots.pem', rootPem);
    const options = ['--doh', server, '--ca', ca, ...command.dns.slice(-2)];
    const ran = await runSealpost(['dns', 'far.example', 'A', ...options]);
    expect(ran).toMatchObject({ status: 0, stderr: '' });
    expect(ran.stdout).toContain('far.example. A: no such records, secure');
  });
});

describe('wrong usage: status 64, and what is wrong', () => {
  test.each([
    [['dns'], /give NAME TYPE/, 'nothing'],
    [['dns', 'a.example'], /give NAME TYPE/, 'no type'],
    [['dns', 'a.example', 'MX', 'TXT'], /give NAME TYPE/, 'two types'],
    [['dns', 'a..example', 'MX'], /not a domain name/, 'an empty label'],
    [['dns', 'a.example', 'MAIL'], /not a record type/, 'no such type'],
    [['dns', 'a.example', 'RRSIG'], /not a record type/, 'signatures are not signed'],
    [['dns', 'a.example', 'TYPE255'], /not a record type/, 'ANY by its number'],
    [['dns', 'a.example', 'MX', '--dns', 'https://dns.example/@192.0.2.1'], /--doh/, 'not plain'],
    [['dns', 'a.example', 'MX', '--doh', '192.0.2.1'], /--dns/, 'not HTTPS'],
    [['dns', 'a.example', 'MX', '--anchor', '/nonexistent'], /cannot read/, 'no such file'],
    [['dns', 'a.example', 'MX', '--anchor', multipartFile], /not a trust anchor/, 'no anchor'],
  ])('%j: %s: %s', async (args, complaint) => {
    const ran = await runSealpost(args);
    expect(ran.status).toBe(64);
    expect(ran.stderr).toMatch(complaint);
  });

  test('help is no wrong usage', async () => {
    const ran = await runSealpost(['dns', '--help']);
    expect(ran).toMatchObject({ status: 0, stderr: '' });
    expect(ran.stdout).toContain('usage: sealpost dns');
  });
});
