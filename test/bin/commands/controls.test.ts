/** `sealpost exception` and `sealpost rule` as processes of their own, on a control table in dynalite. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runException } from '../../../bin/commands/exception.ts';
import { runRule } from '../../../bin/commands/rule.ts';
import { UsageError } from '../../../bin/commands/usage.ts';
import { multipartFile, runSealpost } from '../../command-line.ts';
import { type InstallationUnderTest, startInstallation } from './installation-fixture.ts';

let installation: InstallationUnderTest;

beforeAll(async () => {
  installation = await startInstallation({
    exceptions: [
      { domain: 'm.example', policy: 'dane', reason: 'ticket 1', expires: '2040-01-01T00:00:00Z' },
    ],
    rules: [{ name: 'configured', match: { bytesMin: 1 }, action: 'optional' }],
  });
});

afterAll(() => installation?.stop());

const run = (...args: string[]) => installation.run(args);

describe('exceptions', () => {
  test('are added, listed beside those of the config, and removed', async () => {
    const reason = 'their certificate ran out';
    const added = await run(
      ...['exception', 'add', 'Bücher.example', '--policy', 'mta-sts', '--reason', reason],
      ...['--days', '7', '--author', 'alice'],
    );
    expect(added).toMatchObject({ status: 0, stderr: '' });
    expect(added.stdout).toMatch(/^xn--bcher-kva\.example: no mta-sts until \d{4}-[-\dT:]+Z\n$/);
    const listed = await run('exception', 'list');
    expect(listed).toMatchObject({ status: 0, stderr: '' });
    const [heading, ...rows] = listed.stdout.trimEnd().split('\n');
    expect(heading).toMatch(/^domain +not applied +until +state +by +reason$/);
    expect(rows).toEqual([
      expect.stringMatching(/^m\.example +dane +2040-01-01T00:00:00Z +in force +\(config\) +tic/),
      expect.stringMatching(/^xn--bcher-kva\.example +mta-sts .* in force +alice +their cert/),
    ]);
    const json = await run('exception', 'list', '--json');
    expect(
      json.stdout
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toMatchObject([
      { domain: 'm.example', source: 'config' },
      { domain: 'xn--bcher-kva.example', source: 'run-time', author: 'alice', state: 'in-force' },
    ]);
    const removal = ['exception', 'remove', 'xn--bcher-kva.example', '--policy', 'mta-sts'];
    expect(await run(...removal)).toMatchObject({ status: 0 });
    expect(await run(...removal)).toMatchObject({
      status: 66,
      stderr: 'sealpost exception: there is no mta-sts exception of xn--bcher-kva.example\n',
    });
  });

  test.each<[readonly string[], RegExp, string]>([
    [['remove', 'm.example'], /--policy: one of/, 'which one?'],
    [['add', 'a.example', '--policy', 'dane', '--days', '7'], /--reason: /, 'no reason'],
    [
      ['add', 'a.example', '--policy', 'dane', '--reason', 'x'],
      /one of --days and --expires/,
      'no end',
    ],
    [
      ['add', 'a.example', '--policy', 'dane', '--reason', 'x', '--days', '367'],
      /--days takes a whole number, 1 to 366/,
      'too long',
    ],
    [
      ['add', 'a..b', '--policy', 'dane', '--reason', 'x', '--days', '1'],
      /DOMAIN: not a domain name/,
      'no domain',
    ],
    [['add'], /give DOMAIN/, 'nothing'],
    [['list', 'x'], /no argument is taken/, 'too much'],
    [['alter'], /no action "alter": one of add, list, remove/, 'no such action'],
    [[], /say what to do/, 'no action'],
  ])('%j is wrong usage: %s (%s)', async (args, complaint) => {
    const ran = runException(args);
    await expect(ran).rejects.toThrow(UsageError);
    await expect(ran).rejects.toThrow(complaint);
  });

  test.each<[readonly string[], number, RegExp, string]>([
    [['remove', 'm.example', '--policy', 'dane'], 66, /stands in the config/, 'of the config'],
    [
      [
        'add',
        'a.example',
        '--policy',
        'dane',
        '--reason',
        'x',
        '--expires',
        '2020-01-01T00:00:00Z',
      ],
      65,
      /expires: it is over already/,
      'in the past',
    ],
  ])('%j: status %i, %s (%s)', async (args, status, complaint) => {
    const ran = await run('exception', ...args);
    expect(ran.stderr).toMatch(complaint);
    expect(ran).toMatchObject({ status, stdout: '' });
  });
});

describe('rules', () => {
  test('are added in order, listed before those of the config, replaced and removed', async () => {
    const add = (name: string, ...args: string[]) =>
      run('rule', 'add', name, '--author', 'alice', ...args);
    const banks = ['--action', 'require', '--sender', 'glob:*@bank.example'];
    expect(await add('banks', ...banks)).toMatchObject({
      status: 0,
      stdout: 'rule banks at position 10\n',
    });
    const secrets = ['--action', 'require', '--header', 'Subject=regex:^\\[secret\\].*'];
    expect(await add('secrets', ...secrets, '--position', '5')).toMatchObject({ status: 0 });
    expect(await add('banks', ...banks)).toMatchObject({
      status: 65,
      stderr: 'sealpost rule: there is a rule banks already: use --replace\n',
    });
    const replaced = await add('banks', ...banks, '--bytes-max', '1000', '--replace');
    expect(replaced).toMatchObject({ status: 0 });
    const { stdout } = await run('rule', 'list');
    expect(stdout.split('\n').map((line) => line.split(/ {2,}/))).toEqual([
      ['position', 'name', 'action', 'where', 'by'],
      ['5', 'secrets', 'require', 'Subject regex:^\\[secret\\].*', 'alice'],
      ['10', 'banks', 'require', 'sender glob:*@bank.example, bytes <= 1000', 'alice'],
      ['config', 'configured', 'optional', 'bytes >= 1'],
      [''],
    ]);
    expect(await run('rule', 'remove', 'secrets')).toMatchObject({ status: 0 });
    expect(await run('rule', 'remove', 'secrets')).toMatchObject({ status: 66 });
    expect(await run('rule', 'remove', 'banks')).toMatchObject({ status: 0 });
  });

  test('are tried on a message without sending it', async () => {
    const message = 'Subject: [secret] plans\n\nhello\n';
    const rule = ['--action', 'require', '--header', 'Subject=glob:[[]secret]*'];
    await run('rule', 'add', 'never', ...rule);
    await run('rule', 'add', 'plans', '--action', 'require', '--header', 'Subject=glob:*plans');
    const envelope = ['--from', 'a@b.example', '--to', 'c@x.example', '--to', 'd@y.example'];
    const tested = await installation.run(['rule', 'test', '-', ...envelope], message);
    expect(tested).toMatchObject({ status: 0, stderr: '' });
    expect(tested.stdout).toMatch(/^rule +plans\naction +require\nwhere +Subject glob:\*plans\n\n/);
    expect(tested.stdout).toMatch(/^x\.example +require +rule plans requires TLS +c@x\.example$/m);
    expect(tested.stdout).toMatch(/^y\.example +require /m);
    const json = await installation.run(
      ['rule', 'test', multipartFile, ...envelope, '--json'],
      message,
    );
    expect(JSON.parse(json.stdout)).toMatchObject({
      rule: { name: 'configured' },
      domains: [{ domain: 'x.example', demand: 'optional' }, {}],
    });
    const broken = ['rule', 'test', '-', ...envelope];
    expect(await installation.run(broken, 'no header\n\nhello\n')).toMatchObject({ status: 65 });
    await run('rule', 'remove', 'never');
    await run('rule', 'remove', 'plans');
  });

  test.each<[readonly string[], RegExp, string]>([
    [['add', 'a', '--sender', 'glob:*'], /--action: /, 'no action'],
    [['add', 'a', '--action', 'require'], /say what must match/, 'all mail?'],
    [['add', 'a', '--action', 'drop', '--sender', 'glob:*'], /--action: /, 'no such action'],
    [['add', 'a b', '--action', 'leave', '--sender', 'glob:*'], /NAME: /, 'no name'],
    [['add', 'a', '--action', 'leave', '--sender', '*'], /--sender takes equals:/, 'what kind?'],
    [['add', 'a', '--action', 'leave', '--header', 'glob:x'], /FIELD=PATTERN/, 'no field'],
    [['add', 'a', '--action', 'leave', '--header', 'a b=glob:x'], /--header: /, 'no field name'],
    [['test', multipartFile, '--from', 'a@b.example'], /--to takes/, 'to whom?'],
    [['test', '/nonexistent', '--from', '', '--to', 'a@b.example'], /cannot read/, 'no file'],
  ])('%j is wrong usage: %s (%s)', async (args, complaint) => {
    const ran = runRule(args);
    await expect(ran).rejects.toThrow(UsageError);
    await expect(ran).rejects.toThrow(complaint);
  });

  test.each<[readonly string[], number, RegExp, string]>([
    [['add', 'a', '--action', 'leave', '--sender', 'regex:('], 65, /not an RE2 exp/, 'not RE2'],
    [
      ['add', 'configured', '--action', 'leave', '--sender', 'glob:*'],
      65,
      /rule\.name: a rule of the config/,
      'a name of the config',
    ],
    [['remove', 'configured'], 66, /stands in the config/, 'of the config'],
  ])('%j: status %i, %s (%s)', async (args, status, complaint) => {
    const ran = await run('rule', ...args);
    expect(ran.stderr).toMatch(complaint);
    expect(ran).toMatchObject({ status, stdout: '' });
  });
});

describe('the installation', () => {
  test('that does not run is said not to', async () => {
    const ran = await runSealpost(['rule', 'list', '--local'], undefined, {
      SEALPOST_LOCAL_CLOUD: '/nonexistent/cloud.json',
    });
    expect(ran).toMatchObject({ status: 78, stdout: '' });
    expect(ran.stderr).toMatch(/no local cloud runs here .*npm start/);
  });

  test('of another prefix is not there', async () => {
    const ran = await run('rule', 'list', '--stack', 'Other');
    expect(ran).toMatchObject({ status: 78, stdout: '' });
    expect(ran.stderr).toMatch(/there is no stack OtherState here/);
  });

  test.each<[readonly string[], RegExp]>([
    [['--region', 'eu-west-1'], /--local has no --region/],
    [['--profile', 'x'], /--local has no --region/],
    [['--stack', '../x'], /--stack takes/],
  ])('%j with --local is wrong usage', async (args, complaint) => {
    const ran = await run('rule', 'list', ...args);
    expect(ran.status).toBe(64);
    expect(ran.stderr).toMatch(complaint);
  });

  test.each(['exception', 'rule', 'policy'])('sealpost %s --help', async (command) => {
    const ran = await runSealpost([command, '--help']);
    expect(ran).toMatchObject({ status: 0, stderr: '' });
    expect(ran.stdout).toMatch(new RegExp(`^usage: sealpost ${command} `));
    const ofAction = await runSealpost([command, 'list', '--help']);
    expect(ofAction.stdout).toBe(ran.stdout);
  });
});
