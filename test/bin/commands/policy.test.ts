/** `sealpost policy` as a process of its own, in a simulated internet. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runPolicy } from '../../../bin/commands/policy.ts';
import { UsageError } from '../../../bin/commands/usage.ts';
import { startWorld, type World } from '../../../bin/world/world.ts';
import { formatPolicy } from '../../../functions/protocol/mta-sts/policy.ts';
import { type InstallationUnderTest, startInstallation } from './installation-fixture.ts';

const text = formatPolicy({ mode: 'enforce', mx: ['mx.sts.example'], maxAgeSeconds: 86_400 });

let world: World;
let installation: InstallationUnderTest;

beforeAll(async () => {
  world = await startWorld({
    zones: [
      {
        origin: 'sts.example',
        records: [{ name: '_mta-sts.sts.example', type: 'TXT', data: 'v=STSv1; id=20261124' }],
      },
      { origin: 'plain.example', records: [] },
    ],
    mxHosts: [],
    policyHosts: [{ domain: 'sts.example', behaviour: { text } }],
  });
  installation = await startInstallation({}, world.network);
});

afterAll(async () => {
  await installation?.stop();
  await world?.stop();
});

const run = (...args: string[]) => installation.run(['policy', ...args]);

test('a policy is fetched now, listed, shown and forgotten', async () => {
  expect(await run('list', '--json')).toMatchObject({ status: 0, stdout: '' });
  expect(await run('show', 'sts.example')).toMatchObject({
    status: 66,
    stderr: 'sealpost policy: nothing is stored of sts.example\n',
  });
  const refreshed = await run('refresh', 'STS.example.');
  expect(refreshed).toMatchObject({ status: 0, stderr: '' });
  expect(refreshed.stdout).toMatch(/^mode +enforce$/m);
  const listed = await run('list');
  expect(listed.stdout).toMatch(/^sts\.example +enforce +mx\.sts\.example +20261124 /m);
  const shown = await run('show', 'sts.example');
  expect(shown.stdout).toMatch(
    /^ {2}version: STSv1\n {2}mode: enforce\n {2}mx: mx\.sts\.example\n/m,
  );
  expect(await run('forget', 'sts.example')).toMatchObject({ status: 0 });
  expect(await run('forget', 'sts.example')).toMatchObject({ status: 66 });
});

test('one that is set by hand says by whom and why, and gives way to a refresh', async () => {
  const testing = text.replace('enforce', 'testing');
  const reason = 'their host is down, ticket 7';
  const set = await installation.run(
    ['policy', 'set', 'sts.example', '-', '--reason', reason, '--author', 'alice'],
    testing,
  );
  expect(set).toMatchObject({ status: 0, stderr: '' });
  expect(set.stdout).toMatch(/^id +20261124$/m);
  const json = await run('show', 'sts.example', '--json');
  expect(JSON.parse(json.stdout)).toMatchObject({
    domain: 'sts.example',
    policy: { mode: 'testing', text: testing, setBy: { author: 'alice', reason } },
  });
  expect((await run('list')).stdout).toMatch(/^sts\.example +testing .* alice$/m);
  expect(await run('refresh', 'sts.example')).toMatchObject({ status: 0 });
  expect((await run('show', 'sts.example')).stdout).not.toContain('alice');
});

test('one under another id than the domain announces is said not to last', async () => {
  const args = ['set', 'sts.example', '-', '--reason', 'ticket 7', '--id', 'mine'];
  const set = await installation.run(['policy', ...args], text);
  expect(set).toMatchObject({ status: 0 });
  expect(set.stderr).toContain('the domain announces id 20261124');
});

test('a domain without a policy has none to refresh', async () => {
  const ran = await run('refresh', 'plain.example');
  expect(ran).toMatchObject({ status: 66, stdout: '' });
  expect(ran.stderr).toMatch(/plain\.example has no policy: no TXT record/);
});

test.each<[readonly string[], RegExp, string]>([
  [['show'], /give DOMAIN/, 'which?'],
  [['show', 'a..b'], /not the name of a policy domain/, 'no domain'],
  [['refresh', '_mta-sts.a.example'], /not the name of a policy domain/, 'a record'],
  [['set', 'a.example'], /give DOMAIN FILE/, 'no file'],
  [['set', 'a.example', '/nonexistent', '--reason', 'x'], /cannot read/, 'no such file'],
  [['set', 'a.example', 'package.json', '--reason', 'x'], /package\.json: invalid MTA-STS/, 'JSON'],
  [['list', 'x'], /no argument is taken/, 'too much'],
])('%j is wrong usage: %s (%s)', async (args, complaint) => {
  const ran = runPolicy(args);
  await expect(ran).rejects.toThrow(UsageError);
  await expect(ran).rejects.toThrow(complaint);
});
