/** `sealpost report` as a process of its own. */
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runReport } from '../../../bin/commands/report.ts';
import { UsageError } from '../../../bin/commands/usage.ts';
import { createSignatureCheck } from '../../../functions/adapters/net/check-signatures.ts';
import { utcDay } from '../../../functions/protocol/tlsrpt/report.ts';
import { daysBefore } from '../../../functions/reporting/check-reports.ts';
import { type Arrival, receiveReport } from '../../../functions/reporting/receive-report.ts';
import { companyX } from '../../protocol/tlsrpt/received-samples.ts';
import { keyOf, keyRecords, mailOf, resolverOf, signed } from '../../reporting/report-mails.ts';
import { type InstallationUnderTest, startInstallation } from './installation-fixture.ts';

const nowMs = Date.now();
const yesterday = daysBefore(utcDay(nowMs), 1);
const org = keyOf('org.example');
const report = {
  ...companyX,
  'contact-info': 'tls@org.example',
  'date-range': {
    'start-datetime': `${yesterday}T00:00:00Z`,
    'end-datetime': `${yesterday}T23:59:59Z`,
  },
};
const posted = {
  ...report,
  'organization-name': 'Any\u001b[2JBody',
  'contact-info': 'x@any.example',
};

let installation: InstallationUnderTest;

beforeAll(async () => {
  installation = await startInstallation();
  const arrivals: readonly (readonly [Arrival['way'], Uint8Array])[] = [
    ['mail', signed(mailOf(report), org)],
    ['mail', mailOf(report)],
    ['mail', Buffer.from('From: a@b.example\r\n\r\nBuy')],
    ['https', gzipSync(JSON.stringify(posted))],
  ];
  for (const [index, [way, octets]] of arrivals.entries()) {
    const rawKey = `received/${way}/${index}`;
    await installation.putReport(rawKey, octets);
    await receiveReport(
      { way, rawKey, octets, receivedAtMs: nowMs + index, isLastTry: true },
      {
        store: installation.receipts,
        checkSignatures: createSignatureCheck(resolverOf(keyRecords([org]))),
        own: { domains: ['company-y.example'], mxHosts: [] },
        deadlineMs: nowMs,
        announce: () => undefined,
      },
    );
  }
});

afterAll(async () => {
  await installation?.stop();
});

const run = (...args: string[]) => installation.run(['report', ...args]);

async function json(...args: string[]): Promise<readonly Record<string, unknown>[]> {
  const { stdout } = await run(...args, '--json');
  return stdout
    .trim()
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line));
}

test('list tells what came, and what became of it', async () => {
  const receipts = await json('list', '--days', '2');
  expect(receipts.map(({ state, way }) => `${state} ${way}`)).toEqual([
    'counted mail',
    'unverified mail',
    'unreadable mail',
    'counted https',
  ]);
  const { stdout } = await run('list', '--state', 'unverified');
  expect(stdout).toMatch(
    / unverified +mail +org\.example +company-y\.example +5629 +303 +not signed/,
  );
  expect(stdout).not.toContain('unreadable');
});

test('show reads the raw report again', async () => {
  const [receipt] = await json('list');
  const shown = await run('show', String(receipt?.['id']));
  expect(shown).toMatchObject({ status: 0, stderr: '' });
  expect(shown.stdout).toMatch(/^organization +Company-X$/m);
  expect(shown.stdout).toMatch(/^company-y\.example, sts: 5326 sessions succeeded, 303 failed$/m);
  expect(shown.stdout).toMatch(/^ {2}mode: testing$/m);
  expect(shown.stdout).toMatch(
    /^validation-failure +mx-backup\.mail\.company-y\.example +198\.51\.100\.62 +3 +X509_V/m,
  );
  expect(await run('show', 'f'.repeat(32))).toMatchObject({
    status: 66,
    stderr: `sealpost report: there is no report ${'f'.repeat(32)}\n`,
  });
});

test('sessions, failures and reporters add up what was signed', async () => {
  expect(await json('sessions', 'Company-Y.example')).toEqual([
    {
      domain: 'company-y.example',
      day: yesterday,
      policyType: 'sts',
      successes: 5_326,
      failures: 303,
      reporters: 1,
    },
  ]);
  expect(await json('failures', 'company-y.example')).toMatchObject([
    { resultType: 'starttls-not-supported', sessions: 200, firstDay: yesterday },
    { resultType: 'certificate-expired', sessions: 100 },
    { resultType: 'validation-failure', sessions: 3 },
  ]);
  expect(await json('reporters', 'company-y.example')).toMatchObject([{ reporter: 'org.example' }]);
  const { stdout } = await run('reporters', 'company-y.example', '--unsigned');
  expect(stdout).toMatch(/^any\.example +no +1 +1 /m);
  // Nobody moves the cursor of an operator's terminal.
  expect(stdout).not.toContain('\u001b');
});

test('enforce gives its evidence, and its status', async () => {
  const { status, stdout } = await run('enforce', 'company-y.example');
  expect(status).toBe(1);
  expect(stdout).toMatch(/^enforce\? +not known yet$/m);
  expect(stdout).toMatch(/^because +1 reported; /m);
  expect(stdout).toMatch(/^sessions +5629, 303 of them failed$/m);
  expect(await json('enforce', 'other.example')).toMatchObject([{ verdict: 'unknown' }]);
});

test.each([
  [['list', '--state', 'lost'], /--state takes one of/],
  [['list', '--days', '1000'], /--days takes a whole number, 1 to 395/],
  [['sessions'], /give DOMAIN/],
  [['sessions', 'not a domain'], /not a domain name/],
  [['forget'], /no action "forget"/],
])('%j is refused', async (args, message) => {
  const refused = runReport(args);
  await expect(refused).rejects.toThrow(UsageError);
  await expect(refused).rejects.toThrow(message);
});

test('suppression: a destination is added, listed and removed', async () => {
  const uri = 'mailto:Reports@A.example?subject=x';
  const added = await run('suppression', 'add', uri, '--reason', 'ticket 4711', '--days', '30');
  expect(added).toMatchObject({ status: 0, stderr: '' });
  expect(added.stdout).toMatch(/^mailto:Reports@a\.example: no reports until \d{4}-/);
  expect(await json('suppression', 'list')).toMatchObject([
    { uri: 'mailto:Reports@a.example', reason: 'ticket 4711', state: 'in-force' },
  ]);
  expect((await run('suppression', 'list')).stdout).toMatch(
    /^mailto:Reports@a\.example +\d{4}-\S+( \S+)* +in force +\S+ +ticket 4711$/m,
  );
  expect(await json('suppression', 'remove', uri)).toEqual([{ kind: 'removed', uri }]);
  expect(await run('suppression', 'remove', uri)).toMatchObject({
    status: 66,
    stderr: `sealpost report: ${uri} is not suppressed\n`,
  });
  expect(await json('suppression', 'list')).toEqual([]);
});

test.each([
  [['add', 'ftp://a.example', '--reason', 'x', '--days', '3'], 65, /uri: /],
  [['add', 'mailto:r@a.example', '--reason', 'x', '--days', '367'], 64, /--days takes/],
  [['add', 'mailto:r@a.example', '--days', '3'], 64, /--reason: /],
  [['add', 'mailto:r@a.example', '--reason', 'x'], 64, /say when it ends/],
  [['add', '--reason', 'x', '--days', '3'], 64, /give URI/],
])('suppression %j ends with %i', async (args, status, why) => {
  const ended = await run('suppression', ...args);
  expect(ended.status).toBe(status);
  expect(ended.stderr).toMatch(why);
});
