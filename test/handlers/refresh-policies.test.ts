import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { createCertificates } from '../../bin/world/certificates.ts';
import { startDnsServer } from '../../bin/world/dns-server.ts';
import { startPolicyHost } from '../../bin/world/policy-host.ts';
import { createZoneTable } from '../../bin/world/zone.ts';
import { createPolicyTable } from '../../functions/adapters/aws/policy-table.ts';
import { instrumentHandler } from '../../functions/handlers/middleware.ts';
import { refreshPoliciesHandler } from '../../functions/handlers/refresh-policies.ts';
import { formatPolicy } from '../../functions/protocol/mta-sts/policy.ts';
import { startDynamoDb } from '../adapters/aws/local-aws.ts';
import {
  cachedPolicy,
  createPolicyWorld,
  dayMs,
  domain,
  enforce,
  minuteMs,
} from '../policy/policy-world.ts';
import { captureOutput, lambdaContext } from './lambda-context.ts';

const cleanups: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  vi.restoreAllMocks();
  await Promise.all(cleanups.splice(0).map((cleanup) => cleanup()));
});

describe('the handler', () => {
  async function run(host: 'up' | 'down', remainingMs: number) {
    const world = createPolicyWorld();
    await world.store.writePolicy(cachedPolicy());
    world.nowMs += dayMs;
    if (host === 'down') {
      world.host = { kind: 'failed', code: 'sts-policy-fetch-error', reason: 'refused' };
    }
    const written = captureOutput();
    const handler = instrumentHandler('refresh-policies', (instruments) =>
      refreshPoliciesHandler({ ...world, random: () => 0 }, instruments),
    );
    return { summary: await handler({}, lambdaContext(remainingMs)), written };
  }

  test('refreshes what is due and counts it', async () => {
    const { summary, written } = await run('up', 10 * minuteMs);
    expect(summary).toEqual({ listed: 1, refreshed: 1, failed: 0, skipped: 0, leftOver: 0 });
    expect(written.metrics).toMatchObject({
      service: 'refresh-policies',
      PoliciesRefreshed: 1,
      PoliciesLeftOver: 0,
      PolicyFetches: 1,
    });
  });

  test('raises a metric for each refresh that fails, and says what runs out when', async () => {
    const { summary, written } = await run('down', 10 * minuteMs);
    expect(summary).toMatchObject({ refreshed: 0, failed: 1 });
    expect(written.metrics).toMatchObject({ PolicyRefreshFailures: 1, PolicyFetchFailures: 1 });
    expect(written.lines).toContainEqual(
      expect.objectContaining({
        level: 'WARN',
        domain,
        code: 'sts-policy-fetch-error',
        expiresAt: '2026-12-01T00:00:00.000Z',
      }),
    );
  });

  test('begins nothing that it could not end', async () => {
    const { summary, written } = await run('up', 65_000);
    expect(summary).toMatchObject({ refreshed: 0, leftOver: 1 });
    expect(written.metrics).toMatchObject({ PoliciesLeftOver: 1 });
  });
});

/** Answers one message with what the handler answers. */
const bootstrap = `
process.once('message', async ({ file, remainingMs }) => {
  const { handler } = await import(file);
  const result = await handler({}, { getRemainingTimeInMillis: () => remainingMs });
  process.send(result, () => process.disconnect());
});
`;

async function bundle(): Promise<{ readonly folder: string; readonly file: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'refresh-policies-'));
  cleanups.push(() => rm(folder, { recursive: true }));
  const file = join(folder, 'index.mjs');
  await build({
    entryPoints: [join(import.meta.dirname, '../../functions/handlers/refresh-policies.ts')],
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'node',
    mainFields: ['module', 'main'],
    banner: {
      js: "import { createRequire as r } from 'node:module'; const require = r(import.meta.url);",
    },
    outfile: file,
  });
  await writeFile(join(folder, 'bootstrap.mjs'), bootstrap);
  return { folder, file };
}

test('the bundle, in a process of its own, refreshes over DNS and HTTPS into DynamoDB', async () => {
  const certificates = await createCertificates(Date.now);
  const policyHost = await startPolicyHost({
    domain,
    behaviour: { text: formatPolicy({ ...enforce, mode: 'testing' }) },
    address: '127.0.10.20',
    port: 0,
    certificates,
  });
  const zones = createZoneTable([
    {
      origin: domain,
      records: [
        { name: `mta-sts.${domain}`, type: 'A', data: policyHost.address },
        { name: `_mta-sts.${domain}`, type: 'TXT', data: 'v=STSv1; id=new;' },
      ],
    },
  ]);
  const dns = await startDnsServer({ zones, address: '127.0.10.21' });
  const dynamoDb = await startDynamoDb();
  cleanups.push(
    () => policyHost.stop(),
    () => dns.stop(),
    () => dynamoDb.stop(),
  );
  const client = dynamoDb.createClient();
  const tableName = await dynamoDb.createTable('domain');
  const store = createPolicyTable({ client, tableName });
  const fetchedAtMs = Date.now() - 2 * dayMs;
  await store.writePolicy(cachedPolicy({ fetchedAtMs, usedAtMs: fetchedAtMs }));

  const { folder, file } = await bundle();
  const endpoint = await client.config.endpoint?.();
  const child = fork(join(folder, 'bootstrap.mjs'), {
    silent: true,
    env: {
      AWS_REGION: 'eu-central-1',
      AWS_ACCESS_KEY_ID: 'local',
      AWS_SECRET_ACCESS_KEY: 'local',
      AWS_ENDPOINT_URL_DYNAMODB: `http://${endpoint?.hostname}:${endpoint?.port}`,
      SEALPOST_POLICY_TABLE: tableName,
      SEALPOST_NETWORK: JSON.stringify({
        resolvers: [`${dns.address}:${dns.port}`],
        // Nothing here is signed.
        negativeTrustAnchors: ['.'],
        httpsPort: policyHost.port,
        extraRoots: certificates.rootPem,
        allowPrivateAddresses: true,
        ipv6: false,
      }),
    },
  });
  child.send({ file, remainingMs: 10 * minuteMs });
  const [summary] = await once(child, 'message');
  expect(summary).toEqual({ listed: 1, refreshed: 1, failed: 0, skipped: 0, leftOver: 0 });
  expect(await store.read(domain)).toMatchObject({
    cached: { id: 'new', policy: { mode: 'testing' }, usedAtMs: fetchedAtMs },
  });
  await once(child, 'exit');
});
