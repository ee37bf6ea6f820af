/** `sealpost deliver` as a process of its own, in a simulated internet. */
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { acceptedMessages } from '../../../bin/world/mx-record.ts';
import { joinWorlds } from '../../../bin/world/scenario.ts';
import { drawScenario, type ScenarioOutline } from '../../../bin/world/scenario-outline.ts';
import { startWorld, type World } from '../../../bin/world/world.ts';
import {
  multipartFile,
  readJsonWhys,
  runSealpost,
  type WorldOptions,
  worldOptions,
} from '../../command-line.ts';

const selfSigned = { tls: { certificate: 'self-signed' } } as const;

const hosts: readonly Pick<ScenarioOutline, 'name' | 'mx' | 'policy' | 'signed' | 'tlsa'>[] = [
  { name: 'enforced', mx: { mx1: {} }, policy: {} },
  { name: 'requiretls', mx: { mx1: { requireTls: 'after-tls' } }, policy: {} },
  { name: 'expired', mx: { mx1: { tls: { certificate: 'expired' } } }, policy: {} },
  { name: 'refusing', mx: { mx1: { steps: { rcpt: { reply: '550 5.1.1 nobody here' } } } } },
  { name: 'down', mx: { mx1: { state: 'down' } } },
  { name: 'dane', mx: { mx1: selfSigned }, signed: {}, tlsa: { mx1: [[3, 1, 1]] } },
  { name: 'mismatch', mx: { mx1: {} }, signed: {}, tlsa: { mx1: [[3, 1, 1, 'stranger']] } },
  { name: 'bogus', mx: { mx1: {} }, signed: { ds: 'wrong' } },
];

const from = ['--from', 'juergen@sender.example'];

let world: World;
let command: WorldOptions;

beforeAll(async () => {
  const scenarios = hosts.map((host) => drawScenario({ ...host, title: '', expected: {} }));
  world = await startWorld(joinWorlds(scenarios));
  command = await worldOptions(world);
});

afterAll(async () => {
  await command?.remove();
  await world?.stop();
});

/** The recipient's domain, options, status, outcome, reason. */
type AttemptRow = readonly [string, readonly string[], number, string, string];

describe('one attempt', () => {
  test.each<AttemptRow>([
    ['enforced', [], 0, 'delivered', 'verified TLS, as the policy demands'],
    ['requiretls', ['--require-tls'], 0, 'delivered', 'the host offers REQUIRETLS'],
    ['expired', [], 75, 'deferred', 'RFC 8461 §5.1: a policy that is not met is transient'],
    ['down', [], 75, 'deferred', 'nobody answers'],
    ['dane', [], 0, 'delivered', 'the key is the one of the TLSA record'],
    ['mismatch', [], 75, 'deferred', 'no TLSA record matches'],
    ['bogus', [], 75, 'deferred', 'the MX record does not validate'],
    ['enforced', ['--require-tls'], 69, 'failed', 'RFC 8689 §4.2.1: REQUIRETLS is not offered'],
    ['refusing', [], 69, 'failed', 'the recipient is refused'],
  ] as const)(
    'to %s.example with %j: status %i, %s: %s',
    async (name, options, status, outcome) => {
      const mx = world.mx(`mx1.${name}.example`);
      mx.forget();
      const ran = await runSealpost([
        ...['deliver', multipartFile, ...from, '--to', `user@${name}.example`, '--json'],
        ...[...options, ...command.options],
      ]);
      expect(ran).toMatchObject({ status, stderr: '' });
      expect(readJsonWhys(ran).map(({ decision }) => decision.outcome)).toEqual([outcome]);
      const contents = acceptedMessages(mx.connections).map(({ content }) => String(content));
      // Accepted as the function would: with a trace line in front, and what is missing behind its header.
      const given = String(await readFile(multipartFile));
      const body = given.slice(given.indexOf('\r\n\r\n'));
      expect(contents).toEqual(
        outcome === 'delivered' ? [expect.stringMatching(/^Received: by /)] : [],
      );
      expect(contents.every((content) => content.endsWith(body))).toBe(true);
    },
  );

  test('several domains: a record for each, and the status of the worst', async () => {
    const ran = await runSealpost([
      ...['deliver', multipartFile, ...from, '--json', ...command.options],
      ...['--to', 'user@enforced.example', '--to', 'user@down.example'],
    ]);
    expect(ran.status).toBe(75);
    const outcomes = readJsonWhys(ran).map(({ domain, decision }) => [domain, decision.outcome]);
    expect(Object.fromEntries(outcomes)).toEqual({
      'enforced.example': 'delivered',
      'down.example': 'deferred',
    });
  });

  test('from standard input, with the record in words', async () => {
    const mx = world.mx('mx1.enforced.example');
    mx.forget();
    const content = Buffer.from('Subject: hello\r\n\r\nFrom a pipe.\r\n');
    const to = ['--to', 'user@enforced.example'];
    const ran = await runSealpost(['deliver', '-', ...from, ...to, ...command.options], content);
    expect(ran).toMatchObject({ status: 0, stderr: '' });
    expect(ran.stdout).toContain('enforced.example: delivered');
    expect(ran.stdout).toMatch(/TLSv1\.3 .* verified/);
    const [accepted] = acceptedMessages(mx.connections);
    expect(String(accepted?.content)).toMatch(
      /^Received: by .*\r\nSubject: hello\r\nFrom: juergen@sender\.example\r\nDate: .*\r\n\r\nFrom a pipe\.\r\n$/s,
    );
  });
});

describe('wrong usage: status 64, and what is wrong', () => {
  const to = ['--to', 'user@enforced.example'];
  test.each([
    [[], /usage:/, 'no command'],
    [['send'], /no command "send"/, 'no such command'],
    [['deliver', ...from, ...to], /give FILE\.eml/, 'no file'],
    [['deliver', multipartFile, multipartFile, ...from, ...to], /give FILE\.eml/, 'two files'],
    [['deliver', '/nonexistent.eml', ...from, ...to], /cannot read/, 'no such file'],
    [['deliver', multipartFile, ...to], /--from/, 'no sender'],
    [['deliver', multipartFile, '--from', 'alice', ...to], /--from/, 'a sender without a domain'],
    [['deliver', multipartFile, ...from], /--to/, 'no recipient'],
    [['deliver', multipartFile, ...from, '--to', 'a b@c'], /--to .*a b@c/, 'no address'],
    [['deliver', multipartFile, ...from, ...to, '--smtp-port', '0'], /--smtp-port/, 'no port'],
    [
      ['deliver', multipartFile, ...from, ...to, '--dns', 'resolver'],
      /--dns/,
      'no address literal',
    ],
    [
      ['deliver', multipartFile, ...from, ...to, '--doh', 'https://dns.example/dns-query'],
      /--doh: .*addresses/,
      'no addresses of the server',
    ],
    [
      ['deliver', multipartFile, ...from, ...to, '--anchor', multipartFile],
      /--anchor .*not a trust anchor/,
      'no anchor',
    ],
    [['deliver', multipartFile, ...from, ...to, '--ca', multipartFile], /no PEM/, 'no certificate'],
    [['deliver', multipartFile, ...from, ...to, '--insecure'], /--insecure/, 'no such option'],
  ])('%j: %s: %s', async (args, complaint) => {
    const ran = await runSealpost(args);
    expect(ran.status).toBe(64);
    expect(ran.stderr + ran.stdout).toMatch(complaint);
  });

  test('help is no wrong usage', async () => {
    const ran = await runSealpost(['deliver', '--help']);
    expect(ran).toMatchObject({ status: 0, stderr: '' });
    expect(ran.stdout).toContain('usage: sealpost deliver');
  });
});
