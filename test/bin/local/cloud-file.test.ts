import { spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { cloudFilePath, findCloud, publishCloud } from '../../../bin/local/cloud-file.ts';

const cloud = {
  variables: { AWS_ENDPOINT_URL_SQS: 'http://127.0.0.1:1' },
  stacks: [
    {
      name: 'SealpostState',
      region: 'eu-west-1',
      outputs: { PolicyTableName: 'policies', Zones: ['a', 'b'] },
      physicalIds: {},
    },
  ],
};

async function temporaryFile(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'sealpost-cloud-file-'));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  return join(directory, 'cloud.json');
}

/** The id of a process that has ended. */
function endedPid(): number {
  return spawnSync(process.execPath, ['--eval', '']).pid;
}

test('a cloud is found while it runs, and leaves nothing behind', async () => {
  const file = await temporaryFile();
  expect(await findCloud(file)).toBeUndefined();
  const withdraw = await publishCloud(cloud, { file, network: { smtpPort: 2525 } });
  expect(await findCloud(file)).toEqual({
    pid: process.pid,
    variables: { AWS_ENDPOINT_URL_SQS: 'http://127.0.0.1:1', AWS_REGION: 'eu-west-1' },
    network: { smtpPort: 2525 },
    outputs: { SealpostState: { PolicyTableName: 'policies' } },
  });
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  await withdraw();
  expect(await findCloud(file)).toBeUndefined();
  await expect(readFile(file)).rejects.toThrow('ENOENT');
});

test.each<[string, () => string, string]>([
  ['of a process that was killed', () => JSON.stringify(foundCloud(endedPid())), 'it is gone'],
  ['of another version', () => '{"version":2}', 'nobody knows what it says'],
  ['that is no JSON', () => '{', 'nobody wrote it'],
])('a file %s tells of no cloud: %s', async (_, text) => {
  const file = await temporaryFile();
  await writeFile(file, text());
  expect(await findCloud(file)).toBeUndefined();
});

function foundCloud(pid: number): object {
  return { pid, variables: {}, network: {}, outputs: {} };
}

test('the file of a cloud that was started since stays', async () => {
  const file = await temporaryFile();
  const withdraw = await publishCloud(cloud, { file, network: {} });
  await writeFile(file, JSON.stringify(foundCloud(process.ppid)));
  await withdraw();
  expect((await findCloud(file))?.pid).toBe(process.ppid);
});

test('it is in the checkout, or where a variable says', () => {
  expect(cloudFilePath({})).toBe(join(process.cwd(), '.local-cloud.json'));
  expect(cloudFilePath({ SEALPOST_LOCAL_CLOUD: '/run/x.json' })).toBe('/run/x.json');
});
