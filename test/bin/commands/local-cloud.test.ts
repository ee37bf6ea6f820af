/** The commands of operators against the whole of Sealpost, as `npm start` runs it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { WaitingDelivery } from '../../../functions/delivery/stored-delivery.ts';
import type { ShownMessage } from '../../../functions/operating/show-message.ts';
import type { Receipt } from '../../../functions/reporting/receive-ports.ts';
import { type CommandResult, runSealpost } from '../../command-line.ts';

/** Synthesis, the start of the cloud and the first attempts, on a busy machine. */
const patience = { timeout: 280_000, interval: 1_000 };
const timeoutMs = 300_000;

let directory: string;
let file: string;
let cloud: ChildProcess;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'sealpost-local-cloud-'));
  file = join(directory, 'cloud.json');
  cloud = spawn(process.execPath, ['bin/start.ts'], {
    stdio: 'ignore',
    env: { ...process.env, SEALPOST_LOCAL_CLOUD: file },
  });
  await vi.waitFor(() => access(file), patience);
}, timeoutMs);

afterAll(async () => {
  if (cloud?.exitCode === null) {
    cloud.kill('SIGINT');
    await once(cloud, 'close');
  }
  await rm(directory, { recursive: true, force: true });
}, timeoutMs);

const run = (...args: string[]): Promise<CommandResult> =>
  runSealpost([...args, '--local'], undefined, { SEALPOST_LOCAL_CLOUD: file });

async function readJson<T>(...args: string[]): Promise<readonly T[]> {
  const { stdout } = await run(...args, '--json');
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as T);
}

/** A message of the tour that its domain's policy keeps waiting. */
async function waitingDelivery(): Promise<WaitingDelivery> {
  return vi.waitFor(async () => {
    const listed = await readJson<WaitingDelivery>('queue', 'list', '--limit', '1000');
    const found = listed.find(({ domain }) => domain === 'enforce-expired.example');
    expect(found?.nextDueAtMs).toBeGreaterThan(0);
    return found as WaitingDelivery;
  }, patience);
}

test(
  'what waits is listed, explained, held, released, tried again and given up',
  async () => {
    const { id, domain } = await waitingDelivery();
    const why = await run('why', id);
    expect(why).toMatchObject({ status: 0, stderr: '' });
    expect(why.stdout).toContain('certificate-expired');
    expect(await run('queue', 'hold', id, '--reason', 'ticket 7')).toMatchObject({ status: 0 });
    expect(await readJson('queue', 'list', '--held')).toMatchObject([{ id, domain }]);
    expect(await run('queue', 'release', id)).toMatchObject({ status: 0 });
    await vi.waitFor(async () => {
      const [shown] = await readJson<ShownMessage>('queue', 'show', id);
      expect(shown?.parts[0]?.deliveries).toMatchObject([{ attempt: 2, state: 'deferred' }]);
    }, patience);
    const reason = ['--reason', 'the test is over'];
    expect(await run('queue', 'cancel', id, ...reason)).toMatchObject({ status: 0 });
    const [shown] = await readJson<ShownMessage>('queue', 'show', id);
    expect(shown?.parts[0]).toMatchObject({
      deliveries: [{ state: 'finished', recipients: [{ state: 'failed' }] }],
      actions: [{ action: 'hold' }, { action: 'release' }, { action: 'cancel' }],
    });
    expect(await readJson('policy', 'show', domain)).toMatchObject([
      { domain, policy: { mode: 'enforce' } },
    ]);
  },
  timeoutMs,
);

test(
  'the report that came in is listed and shown',
  async () => {
    const receipt = await vi.waitFor(async () => {
      const [found] = await readJson<Receipt>('report', 'list');
      expect(found).toMatchObject({ state: 'counted', way: 'mail' });
      return found as Receipt;
    }, patience);
    const shown = await run('report', 'show', receipt.id);
    expect(shown).toMatchObject({ status: 0, stderr: '' });
    expect(shown.stdout).toMatch(
      /^enforce-valid\.example, sts: \d+ sessions succeeded, 0 failed$/m,
    );
  },
  timeoutMs,
);

test(
  'the cloud is not found any more once it has ended',
  async () => {
    cloud.kill('SIGINT');
    await once(cloud, 'close');
    await expect(access(file)).rejects.toThrow('ENOENT');
    expect(await run('queue', 'list')).toMatchObject({ status: 78 });
  },
  timeoutMs,
);
