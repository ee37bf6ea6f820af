/** `sealpost queue` and `sealpost why` as processes of their own, on tables, queues and a bucket in emulators. */
import { ReceiveMessageCommand, SendMessageCommand } from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runQueue } from '../../../bin/commands/queue.ts';
import { UsageError } from '../../../bin/commands/usage.ts';
import { runWhy } from '../../../bin/commands/why.ts';
import type { PreparedMessage } from '../../../functions/submission/queue-message.ts';
import {
  claimRequest,
  minuteMs,
  noonMs,
  preparedMessage,
  recipientsAfter,
  whyRecord,
} from '../../delivery/port-fixtures.ts';
import { type InstallationUnderTest, startInstallation } from './installation-fixture.ts';

let installation: InstallationUnderTest;

beforeAll(async () => {
  installation = await startInstallation();
});

afterAll(() => installation?.stop());

const run = (...args: string[]) => installation.run(args);

/** A message that was tried once, with the second recipient pending. */
async function putOff(id: string, over: Partial<PreparedMessage> = {}): Promise<void> {
  const octets = Buffer.from('From: alice@example.com\r\nSubject: hello\r\n\r\nbody\r\n');
  const content = await installation.contents.keep(id, octets);
  const message = preparedMessage({ id, content, ...over });
  const claim = await installation.messages.claim(claimRequest({ message, token: id }));
  if (claim.kind !== 'claimed') {
    throw new Error(claim.kind);
  }
  await installation.messages.settle({
    delivery: claim.delivery,
    recipients: recipientsAfter(claim.delivery, 'delivered', 'pending'),
    next: { dueAtMs: noonMs + 5 * minuteMs, content },
    why: whyRecord({ id }),
    nowMs: noonMs,
  });
}

/** The ids of what lies in the delivery queue, which is empty from then on, however slow the machine. */
async function takeQueued(): Promise<readonly string[]> {
  const { sqs, deliveryQueueUrl: QueueUrl } = installation;
  const { Messages: records = [] } = await sqs.send(
    new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10, VisibilityTimeout: 43_200 }),
  );
  return records.map(({ Body: body = '' }) => JSON.parse(body).id);
}

test('what waits is listed, oldest first, in whole or in part', async () => {
  await putOff('list-2', { submittedAt: '2026-11-24T12:01:00.000Z', mailFrom: '' });
  await putOff('list-1');
  const listed = await run('queue', 'list', '--domain', 'Example.ORG');
  expect(listed).toMatchObject({ status: 0, stderr: '' });
  expect(listed.stdout.split('\n').map((line) => line.split(/ {2,}/))).toEqual([
    ['submitted', 'id', 'to domain', 'from', 'attempts', 'next attempt'],
    [
      '2026-11-24T12:00:00Z',
      'list-1',
      'example.org',
      '<alice@example.com>',
      '1',
      expect.any(String),
    ],
    ['2026-11-24T12:01:00Z', 'list-2', 'example.org', '<>', '1', '2026-11-24T12:05:00Z'],
    [''],
  ]);
  const json = await run('queue', 'list', '--sender', '', '--json');
  expect(JSON.parse(json.stdout)).toMatchObject({ id: 'list-2', mailFrom: '' });
  const first = await run('queue', 'list', '--limit', '1', '--json');
  expect(first.stdout.trim().split('\n')).toHaveLength(1);
  expect(first.stderr).toBe('there are more than 1: see --limit\n');
  expect((await run('queue', 'list', '--held', '--json')).stdout).toBe('');
});

test('one message is shown with recipients and demand, and why its attempts went as they went', async () => {
  await putOff('show-1');
  const shown = await run('queue', 'show', 'show-1');
  expect(shown).toMatchObject({ status: 0, stderr: '' });
  expect(shown.stdout).toMatch(/^message +show-1$/m);
  expect(shown.stdout).toMatch(/^example\.org: waiting, attempt 1$/m);
  expect(shown.stdout).toMatch(/^ +to +carol@example\.org: pending 4\.2\.0 smtp; reply/m);
  expect(shown.stdout).toMatch(/^ +demand +require: requireTls of the message$/m);
  const why = await run('why', 'show-1');
  expect(why).toMatchObject({ status: 0, stderr: '' });
  expect(why.stdout).toMatch(
    /^attempt 1, 2026-11-24T12:00:00Z to 2026-11-24T12:00:02Z\nexample\.org/,
  );
  expect(why.stdout).toContain('192.0.2.1 (pkix), TLSv1.3');
  const json = await run('why', 'show-1', '--json');
  expect(JSON.parse(json.stdout)).toMatchObject({ id: 'show-1', attempt: 1 });
  expect(await run('why', 'show-1', '--domain', 'other.example')).toMatchObject({ status: 66 });
});

test('a message is held, released and tried at once, and its history says by whom', async () => {
  await putOff('act-1');
  const author = ['--author', 'alice'];
  const held = await run('queue', 'hold', 'act-1', '--reason', 'ticket 7', ...author);
  expect(held).toMatchObject({ status: 0, stdout: 'hold: 1 done\n', stderr: '' });
  const retried = await run('queue', 'retry', 'act-1');
  expect(retried).toMatchObject({ status: 69, stderr: '' });
  expect(retried.stdout).toContain('left as it is: 1 held (act-1 to example.org)');
  expect((await run('queue', 'list', '--held')).stdout).toContain('held by alice: ticket 7');
  expect(await takeQueued()).toEqual([]);
  expect(await run('queue', 'release', 'act-1', ...author)).toMatchObject({ status: 0 });
  expect(await takeQueued()).toEqual(['act-1']);
  expect(await run('queue', 'retry', 'act-1', '--json', ...author)).toMatchObject({
    status: 0,
    stdout: '{"done":1,"skipped":[]}\n',
  });
  expect(await takeQueued()).toEqual(['act-1']);
  const { stdout } = await run('queue', 'show', 'act-1');
  const actions = stdout.split('\n').filter((line) => / by alice/.test(line));
  expect(actions.map((line) => line.trim().replace(/^\S+ /, ''))).toEqual([
    'hold by alice: ticket 7',
    'release by alice',
    'retry by alice',
  ]);
});

test('a message that nobody has begun with is held, cancelled and shown, where its domain is named', async () => {
  const which = ['new-1', '--domain', 'Example.ORG'];
  const author = ['--author', 'alice'];
  expect(await run('queue', 'hold', 'new-1', '--reason', 'ticket 7')).toMatchObject({
    status: 66,
    stderr: expect.stringContaining('if it came by SQS, name its domain too'),
  });
  const held = await run('queue', 'hold', ...which, '--reason', 'ticket 7', ...author);
  const noted = 'noted for when its first attempt begins: 1\n';
  expect(held).toMatchObject({ status: 0, stdout: `hold: 0 done\n${noted}`, stderr: '' });
  const again = await run('queue', 'hold', ...which, '--reason', 'ticket 7');
  expect(again).toMatchObject({ status: 69 });
  expect((await run('queue', 'show', 'new-1')).stdout).toMatch(
    /^example\.org: not begun, held by alice: ticket 7\n {2}id +new-1\n {2}\S+ hold by alice/m,
  );
  await run('queue', 'cancel', ...which, '--reason', 'ticket 8', ...author);
  expect((await run('queue', 'show', 'new-1')).stdout).toMatch(
    /^example\.org: not begun, cancelled by alice: ticket 8$/m,
  );
  const json = await run('queue', 'release', ...which, '--json');
  expect(JSON.parse(json.stdout)).toMatchObject({ done: 0, skipped: [{ reason: 'finished' }] });
});

test('what is given up, and whose record comes again only after its lease, says so', async () => {
  const message = preparedMessage({ id: 'late-1', content: { data: 'aGVsbG8=' } });
  await installation.messages.claim(claimRequest({ message }));
  const why = ['--reason', 'ticket 9', '--author', 'alice'];
  expect(await run('queue', 'cancel', 'late-1', ...why)).toMatchObject({ status: 0 });
  const { stdout } = await run('queue', 'show', 'late-1');
  expect(stdout).toMatch(/^example\.org: cancelled, attempt 1$/m);
  expect(stdout).toMatch(/^ +next +cancelled by alice: ticket 9$/m);
});

test('through a smart host a message that nobody has begun with goes by its name', async () => {
  const smart = await startInstallation({ smartHost: { host: 'relay.example', port: 465 } });
  try {
    const hold = ['queue', 'hold', 'new-1', '--reason', 'ticket 7', '--domain'];
    const refused = await smart.run([...hold, 'example.org']);
    expect(refused).toMatchObject({ status: 66, stdout: '' });
    expect(refused.stderr).toContain('--domain relay.example');
    expect(await smart.run([...hold, 'relay.example'])).toMatchObject({ status: 0, stderr: '' });
  } finally {
    await smart.stop();
  }
});

test('its demand is overridden by name, and whoever is pending given up', async () => {
  await putOff('over-1');
  const why = ['--reason', 'their TLS is broken, ticket 7', '--author', 'alice'];
  const demand = ['--demand=optional'];
  expect(await run('queue', 'override', 'over-1', ...demand, ...why)).toMatchObject({ status: 0 });
  expect((await run('queue', 'show', 'over-1')).stdout).toMatch(
    /demand +optional: overridden by alice: their TLS is broken, ticket 7/,
  );
  expect(await run('queue', 'cancel', 'over-1', ...why)).toMatchObject({ status: 0, stderr: '' });
  expect(await takeQueued()).toEqual([expect.stringMatching(/^dsn-/)]);
  const again = await run('queue', 'cancel', 'over-1', ...why);
  expect(again).toMatchObject({ status: 69 });
  expect(again.stdout).toContain('left as it is: 1 finished');
});

test('without --no-bounce the sender is told; with it nobody is', async () => {
  await putOff('silent-1');
  const args = ['silent-1', '--no-bounce', '--reason', 'spam run, ticket 8'];
  expect(await run('queue', 'cancel', ...args)).toMatchObject({ status: 0 });
  expect(await takeQueued()).toEqual([]);
});

test('all that waits for a domain is acted upon', async () => {
  const prepared = { ...preparedMessage().prepared, domain: 'two.example', hash: '' };
  await putOff('two-1', { prepared });
  await putOff('two-2', { prepared });
  const held = await run('queue', 'hold', '--domain', 'two.example', '--reason', 'ticket 9');
  expect(held).toMatchObject({ status: 0, stdout: 'hold: 2 done\n' });
});

test('dead letters are listed, sent again, and given up', async () => {
  const { sqs, deadLetterQueueUrl: QueueUrl } = installation;
  const body = JSON.stringify({
    id: 'dead-1',
    mailFrom: 'alice@example.com',
    rcptTo: [{ address: 'bob@example.org' }],
    content: { data: Buffer.from('Subject: x\r\n\r\nx\r\n').toString('base64') },
  });
  await sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: body }));
  const { MessageId: broken = '' } = await sqs.send(
    new SendMessageCommand({ QueueUrl, MessageBody: '{' }),
  );
  const listed = await run('queue', 'dead', 'list');
  expect(listed).toMatchObject({ status: 0, stderr: '' });
  expect(listed.stdout).toMatch(/ dead-1 +<alice@example\.com> +1 recipients .* too many faults/);
  expect(listed.stdout).toContain(`${broken}  (cannot be read)`);
  const redriven = await run('queue', 'dead', 'redrive');
  expect(redriven).toMatchObject({
    status: 0,
    stdout: `1 redriven\n${broken} cannot be read\n`,
  });
  expect(await takeQueued()).toEqual(['dead-1']);
  const reason = ['--reason', 'never was a message'];
  expect(await run('queue', 'dead', 'bounce', broken, ...reason)).toMatchObject({ status: 69 });
  const gone = await run('queue', 'dead', 'bounce', broken, '--discard-unreadable', ...reason);
  expect(gone).toMatchObject({ status: 0, stdout: '1 given up\n' });
  expect((await run('queue', 'dead', 'list', '--json')).stdout).toBe('');
});

test.each([
  ['queue', 'show', 'nobody'],
  ['queue', 'retry', 'nobody'],
  ['why', 'nobody'],
])('%s %s of an id that nobody knows: status 66', async (...args) => {
  const ran = await run(...args);
  expect(ran).toMatchObject({ status: 66, stdout: '' });
  expect(ran.stderr).toMatch(/nothing is kept under nobody/);
});

describe('wrong usage', () => {
  test.each<[readonly string[], RegExp, string]>([
    [[], /say what to do/, 'nothing'],
    [['show'], /give ID/, 'which?'],
    [['list', 'x'], /no argument is taken/, 'too much'],
    [['list', '--limit', '0'], /--limit takes a whole number/, 'none'],
    [['list', '--order', 'size'], /--order: /, 'no such order'],
    [['list', '--domain', 'a..b'], /--domain: not a domain name/, 'no domain'],
    [['retry'], /WHICH: give exactly one of/, 'which?'],
    [['retry', 'a', '--all'], /WHICH: give exactly one of/, 'one or all?'],
    [['retry', 'a', 'b'], /one ID at a time/, 'two'],
    [['hold', 'a'], /--reason: say why/, 'why?'],
    [['cancel', '--sender', 'nobody', '--reason', 'x'], /--sender: not a mailbox/, 'no mailbox'],
    [['hold', 'a', '--reason', 'x', '--no-bounce'], /no-bounce/, 'nobody is told anyhow'],
    [['override', 'a', '--reason', 'x'], /--demand: one of require/, 'what?'],
    [['override', 'a', '--reason', 'x', '--demand'], /--demand/, 'what?'],
    [['override', 'a', '--demand', 'none', '--reason', 'x'], /--demand: one of/, 'no such demand'],
    [
      ['override', 'a', '--demand', 'optional', '--reason', 'short'],
      /--reason: protection is taken away/,
      'a word is no reason',
    ],
    [
      ['override', '--all', '--demand', 'require', '--reason', 'x'],
      /WHICH: a demand is overridden for one message/,
      'not for all',
    ],
    [['dead'], /say what to do/, 'nothing'],
    [['dead', 'bounce'], /--reason: /, 'why?'],
    [['dead', 'redrive', '--limit', '51'], /--limit takes a whole number, 1 to 50/, 'too many'],
  ])('queue %j: %s (%s)', async (args, complaint) => {
    const ran = runQueue(args);
    await expect(ran).rejects.toThrow(UsageError);
    await expect(ran).rejects.toThrow(complaint);
  });

  test('why of nothing', async () => {
    await expect(runWhy([])).rejects.toThrow(UsageError);
  });

  test.each([['queue'], ['queue', 'dead'], ['why']])('%s %s --help', async (...args) => {
    const ran = await run(...args.filter(Boolean), '--help');
    expect(ran).toMatchObject({ status: 0, stderr: '' });
    expect(ran.stdout).toMatch(/^usage: sealpost /);
  });
});
