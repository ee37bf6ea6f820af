/** Sending: every destination, at least once, one report id whatever happens, no longer than a day. */
import { randomUUID } from 'node:crypto';
import { gunzipSync } from 'node:zlib';
import { beforeEach, describe, expect, test } from 'vitest';
import type { ReportJson } from '../../functions/protocol/tlsrpt/report.ts';
import type { PolicyTally } from '../../functions/protocol/tlsrpt/tally.ts';
import type { FrozenReport, RecordLookup } from '../../functions/reporting/ports.ts';
import {
  type JobOutcome,
  type SendPorts,
  sendDomainReport,
} from '../../functions/reporting/send-report.ts';
import {
  createMemoryDestinations,
  createMemoryReports,
  type MemoryDestinations,
  type MemoryReports,
  stateOf,
} from './memory-reports.ts';

const job = { day: '2026-11-23', domain: 'a.example' };
const mail = 'mailto:r@a.example';
const post = 'https://r.a.example/tlsrpt';
const hour = 3_600_000;

const policy = (mode: string, failures = 0): PolicyTally => ({
  policy: { type: 'sts', domain: 'a.example', strings: [`mode: ${mode}`], mxHosts: [] },
  successes: 2,
  failures,
  details:
    failures === 0 ? [] : [{ failure: { resultType: 'certificate-expired' }, sessions: failures }],
});

let nowMs: number;
let stores: MemoryReports;
let world: MemoryDestinations;
let suppressed: Set<string>;
let settings: SendPorts['settings'];
let lookup: RecordLookup;

beforeEach(() => {
  nowMs = Date.parse('2026-11-24T01:00:00Z');
  stores = createMemoryReports();
  world = createMemoryDestinations();
  suppressed = new Set();
  settings = {
    organizationName: 'Example Ltd',
    contactInfo: 'tls@sender.example',
    onlyFailures: false,
    destinations: [],
  };
  lookup = { kind: 'none', reason: 'no TXT' };
});

const ports = (): SendPorts => ({
  results: stores.results,
  reports: stores.reports,
  suppressions: { active: async () => suppressed },
  sendReport: world.send,
  lookUpRecord: async () => lookup,
  settings,
  now: () => nowMs,
  newId: randomUUID,
});

async function recorded(record: string | undefined, ...policies: PolicyTally[]): Promise<void> {
  const id = `r${Math.trunc(nowMs)}-${JSON.stringify([record, policies]).length}`;
  await stores.results.write([{ id, ...job, policies, ...(record !== undefined && { record }) }]);
}

const run = (over: Partial<SendPorts> = {}): Promise<JobOutcome> =>
  sendDomainReport(job, { ...ports(), ...over }, nowMs + 60_000);
const kept = (): FrozenReport | undefined => stores.frozen.get(`${job.day} ${job.domain}`);
const unpack = (gzip: Uint8Array): ReportJson =>
  JSON.parse(gunzipSync(gzip).toString()) as ReportJson;

test('sums what several processes recorded, and sends it to every destination', async () => {
  await recorded(`v=TLSRPTv1; rua=${mail},${post}`, policy('enforce', 1));
  await recorded(`v=TLSRPTv1;rua=${mail}`, policy('enforce'), policy('testing'));
  expect(await run()).toEqual({ kind: 'done', result: 'delivered', reason: 'delivered' });
  expect(world.received.map(({ uri }) => uri)).toEqual([mail, post]);
  const [first] = world.received;
  expect(first?.report.fileName).toMatch(
    /^sender\.example!a\.example!1795392000!1795478399![0-9a-f]{16}\.json\.gz$/,
  );
  expect(unpack(first?.report.gzip as Uint8Array)).toMatchObject({
    'organization-name': 'Example Ltd',
    'contact-info': 'tls@sender.example',
    'report-id': first?.report.reportId,
    policies: [
      { summary: { 'total-successful-session-count': 4, 'total-failure-session-count': 1 } },
      { summary: { 'total-successful-session-count': 2, 'total-failure-session-count': 0 } },
    ],
  });
});

describe('who gets a report', () => {
  test.each<[string, RecordLookup, string | undefined, boolean, string]>([
    [
      'a record that could not be looked up then, and is there now',
      { kind: 'record', text: `v=TLSRPTv1; rua=${mail}` },
      undefined,
      true,
      'results are not lost',
    ],
    [
      'a record that is not there',
      { kind: 'none', reason: 'no TXT' },
      undefined,
      false,
      'nobody asks',
    ],
  ])('%s', async (_name, found, record, sent, _reason) => {
    lookup = found;
    await recorded(record, policy('enforce'));
    expect((await run()).kind).toBe('done');
    expect(world.received.length > 0).toBe(sent);
  });

  test('while the record cannot be looked up the job waits, and not for ever', async () => {
    lookup = { kind: 'failed', reason: 'SERVFAIL' };
    await recorded(undefined, policy('enforce'));
    expect(await run()).toEqual({ kind: 'later', atMs: nowMs + hour, reason: 'SERVFAIL' });
    nowMs += 30 * hour;
    expect(await run()).toMatchObject({ kind: 'done', result: 'given-up' });
  });

  test('with onlyFailures a day without any is not reported', async () => {
    settings = { ...settings, onlyFailures: true };
    await recorded(`v=TLSRPTv1; rua=${mail}`, policy('enforce'));
    expect(await run()).toEqual({ kind: 'done', result: 'unwanted', reason: 'no failure' });
    await recorded(`v=TLSRPTv1; rua=${mail}`, policy('enforce', 1));
    expect(await run()).toEqual({ kind: 'done', result: 'delivered', reason: 'delivered' });
  });

  test('nothing recorded is nothing to send', async () => {
    expect(await run()).toEqual({ kind: 'done', result: 'unwanted', reason: 'no session' });
  });

  test('destinations are rewritten, discarded and suppressed', async () => {
    settings = {
      ...settings,
      destinations: [{ from: mail, to: 'mailto:other@b.example' }, { from: post }],
    };
    suppressed.add('mailto:gone@a.example');
    await recorded(`v=TLSRPTv1; rua=${mail},${post},mailto:gone@A.example`, policy('enforce'));
    await run();
    expect(stateOf(kept())).toEqual({
      'mailto:other@b.example': 'delivered',
      [post]: 'discarded',
      'mailto:gone@A.example': 'suppressed',
    });
    expect(world.received.map(({ uri }) => uri)).toEqual(['mailto:other@b.example']);
  });
});

describe('records as a day brings them', () => {
  test('one that is none, as other mail servers pass it on, costs the others nothing', async () => {
    await recorded('v=TLSRPTv1; rua=r@a.example', policy('enforce'));
    expect(await run()).toMatchObject({ kind: 'done', result: 'unwanted' });
    await recorded(`v=TLSRPTv1; rua=${mail}`, policy('enforce'));
    expect(await run()).toMatchObject({ kind: 'done', result: 'delivered' });
    expect(world.received).toHaveLength(1);
  });

  test('a destination that is spelt in two ways, or rewritten to another, is sent to once', async () => {
    settings = { ...settings, destinations: [{ from: post, to: mail }] };
    await recorded(`v=TLSRPTv1; rua=${mail},MAILTO:%72@A.example,${post}`, policy('enforce'));
    await run();
    expect(world.received.map(({ uri }) => uri)).toEqual([mail]);
  });

  test('a record that is another each time makes us send to twenty destinations', async () => {
    for (let index = 0; index < 30; index += 1) {
      nowMs += 1;
      await recorded(`v=TLSRPTv1; rua=mailto:victim${index}@b.example`, policy('enforce'));
    }
    await run();
    expect(world.received).toHaveLength(20);
  });
});

describe('a destination that does not take it', () => {
  test('is tried again with growing pauses for a day, under one report id', async () => {
    world.answers.set(mail, ['failed']);
    await recorded(`v=TLSRPTv1; rua=${mail}`, policy('enforce'));
    const start = nowMs;
    const pauses: number[] = [];
    const ids = new Set<string | undefined>();
    for (;;) {
      const outcome = await run();
      ids.add(kept()?.parts[0]?.reportId);
      if (outcome.kind === 'done') {
        break;
      }
      pauses.push((outcome.atMs - nowMs) / 60_000);
      nowMs = outcome.atMs;
    }
    expect(pauses).toEqual([15, 30, 60, 120, 240, 480, 480, 15]);
    expect(nowMs - start).toBe(24 * hour);
    expect(stateOf(kept())).toEqual({ [mail]: 'failed' });
    expect(ids.size).toBe(1);
  });

  test('is given up once another has taken it (RFC 8460 §3)', async () => {
    world.answers.set(mail, ['failed']);
    await recorded(`v=TLSRPTv1; rua=${mail},${post}`, policy('enforce'));
    expect(await run()).toEqual({ kind: 'done', result: 'delivered', reason: 'delivered' });
    expect(stateOf(kept())).toEqual({ [mail]: 'pending', [post]: 'delivered' });
    await run();
    expect(world.received.length).toBe(1);
  });

  test('that there was no time left for is tried first thing the next time', async () => {
    await recorded(`v=TLSRPTv1; rua=${mail},${post}`, policy('enforce'));
    world.answers.set(mail, ['failed', 'delivered']);
    const slow: SendPorts['sendReport'] = async (destination, report) => {
      nowMs += 60_000;
      return world.send(destination, report);
    };
    expect(await run({ sendReport: slow })).toEqual({
      kind: 'later',
      atMs: nowMs + 15 * 60_000,
      reason: 'failed',
    });
    expect(kept()?.destinations.map(({ attempts }) => attempts)).toEqual([1, 0]);
    nowMs += 15 * 60_000;
    await run();
    expect(stateOf(kept())).toEqual({ [mail]: 'delivered', [post]: 'delivered' });
  });

  test('that there was no time left for is tried although another has taken it', async () => {
    await recorded(`v=TLSRPTv1; rua=${mail},${post}`, policy('enforce'));
    const slow: SendPorts['sendReport'] = async (destination, report) => {
      nowMs += 60_000;
      return world.send(destination, report);
    };
    const outcome = await run({ sendReport: slow });
    expect(outcome).toMatchObject({ kind: 'later', atMs: nowMs + 60_000 });
    expect(await run()).toMatchObject({ kind: 'done', result: 'delivered' });
    expect(world.received.map(({ uri }) => uri)).toEqual([mail, post]);
  });

  test('for a fault of ours costs the others no second report', async () => {
    await recorded(`v=TLSRPTv1; rua=${post},${mail}`, policy('enforce'));
    const keyless: SendPorts['sendReport'] = async (destination, report) => {
      if (destination.scheme === 'mailto') {
        throw new Error('no key');
      }
      return world.send(destination, report);
    };
    for (let attempt = 0; attempt < 3; attempt += 1) {
      await expect(run({ sendReport: keyless })).rejects.toThrow('no key');
    }
    await run();
    expect(world.received.map(({ uri }) => uri)).toEqual([post, mail]);
  });

  test('is not sent what another process has sent between its reading and its claim', async () => {
    await recorded(`v=TLSRPTv1; rua=${mail}`, policy('enforce'));
    const reports: SendPorts['reports'] = {
      ...stores.reports,
      read: async (day, domain) => {
        const report = await stores.reports.read(day, domain);
        await run();
        return report;
      },
    };
    world.answers.set(mail, ['failed', 'delivered']);
    await run();
    expect(await run({ reports })).toMatchObject({ result: 'delivered' });
    expect(world.received).toHaveLength(1);
  });

  test('for its size gets one report for each policy', async () => {
    world.answers.set(post, ['too-large', 'delivered']);
    await recorded(`v=TLSRPTv1; rua=${post}`, policy('enforce', 1), policy('testing'));
    const outcome = await run();
    nowMs = outcome.kind === 'later' ? outcome.atMs : nowMs;
    expect(await run()).toEqual({ kind: 'done', result: 'delivered', reason: 'delivered' });
    const reports = world.received.map(({ report }) => unpack(report.gzip));
    expect(reports.map(({ policies }) => policies.length)).toEqual([1, 1]);
    expect(new Set(reports.map((each) => each['report-id'])).size).toBe(2);
    expect(
      reports.map((each, index) => each['report-id'] === world.received[index]?.report.reportId),
    ).toEqual([true, true]);
  });

  test('for the size of a single policy is given up', async () => {
    world.answers.set(post, ['too-large']);
    await recorded(`v=TLSRPTv1; rua=${post}`, policy('enforce'));
    const outcome = await run();
    nowMs = outcome.kind === 'later' ? outcome.atMs : nowMs;
    expect(await run()).toMatchObject({ kind: 'done', result: 'given-up' });
    expect(stateOf(kept())).toEqual({ [post]: 'failed' });
  });
});

describe('a function that dies', () => {
  test.each(['before', 'after'])('in sending, %s the report was taken', async (phase) => {
    await recorded(`v=TLSRPTv1; rua=${mail},${post}`, policy('enforce'));
    const dying: SendPorts['sendReport'] = async (destination, report) => {
      if (phase === 'after' || destination.uri === mail) {
        await world.send(destination, report);
      }
      if (destination.uri === post) {
        throw new Error('killed');
      }
      return { kind: 'delivered', detail: '' };
    };
    await expect(run({ sendReport: dying })).rejects.toThrow('killed');
    nowMs += hour;
    expect(await run()).toMatchObject({ result: 'delivered' });
    expect(stateOf(kept())).toEqual({ [mail]: 'delivered', [post]: 'delivered' });
    expect(new Set(world.received.map(({ uri }) => uri))).toEqual(new Set([mail, post]));
    expect(new Set(world.received.map(({ report }) => report.reportId)).size).toBe(1);
  });

  const steps = ['freeze', 'claim', 'settle'] as const;
  test.each(steps.flatMap((step) => [[step, 'before'] as const, [step, 'after'] as const]))(
    '%s: %s it, sends the same report in the end',
    async (step, phase) => {
      await recorded(`v=TLSRPTv1; rua=${mail}`, policy('enforce'));
      const original = stores.reports[step] as (...args: unknown[]) => Promise<unknown>;
      const dying = {
        ...stores.reports,
        [step]: async (...args: unknown[]) => {
          if (phase === 'after') {
            await original(...args);
          }
          throw new Error('killed');
        },
      };
      await expect(run({ reports: dying })).rejects.toThrow('killed');
      // Results that come late change nothing that is frozen.
      await recorded(`v=TLSRPTv1; rua=${mail}`, policy('testing'));
      nowMs += hour;
      expect(await run()).toEqual({ kind: 'done', result: 'delivered', reason: 'delivered' });
      expect(new Set(world.received.map(({ report }) => report.reportId)).size).toBe(1);
      const bodies = new Set(
        world.received.map(({ report }) => Buffer.from(report.gzip).toString('hex')),
      );
      expect(bodies.size).toBe(1);
    },
  );

  test('holds the others off only as long as it may live', async () => {
    world.answers.set(mail, ['failed', 'delivered']);
    await recorded(`v=TLSRPTv1; rua=${mail}`, policy('enforce'));
    const killed = Promise.withResolvers<void>();
    void run({
      sendReport: () => {
        killed.resolve();
        return new Promise(() => {});
      },
    });
    await killed.promise;
    const outcome = await run();
    expect(outcome).toMatchObject({ kind: 'later', reason: 'somebody else is sending it' });
    nowMs = outcome.kind === 'later' ? outcome.atMs : nowMs;
    await run();
    expect(kept()?.destinations[0]?.attempts).toBe(1);
  });
});

test('two installations of an organization report about a day and domain under two ids', async () => {
  await recorded(`v=TLSRPTv1; rua=${mail}`, policy('enforce'));
  await run();
  stores = createMemoryReports();
  await recorded(`v=TLSRPTv1; rua=${mail}`, policy('enforce'));
  await run();
  const ids = world.received.map(({ report }) => report.reportId);
  expect(new Set(ids).size).toBe(2);
  for (const id of ids) {
    expect(id).toMatch(/^2026-11-23\.[0-9a-f-]{36}@sender\.example$/);
  }
});

test('a report over ten megabytes is sent in parts', async () => {
  const details = Array.from({ length: 100 }, (_, index) => ({
    failure: {
      resultType: 'validation-failure' as const,
      failureReasonCode: `${index}`.padEnd(200, 'x'),
    },
    sessions: 1,
  }));
  const policies = Array.from(
    { length: 100 },
    (_, index): PolicyTally => ({
      policy: {
        type: 'tlsa',
        domain: 'a.example',
        strings: Array.from(
          { length: 20 },
          (_line, line) => `${index} ${line} ${'AB'.repeat(3_000)}`,
        ),
        mxHosts: [],
      },
      successes: 0,
      failures: 100,
      details,
    }),
  );
  await recorded(`v=TLSRPTv1; rua=${post}`, ...policies);
  await run();
  const reports = world.received.map(({ report }) => unpack(report.gzip));
  expect(reports.length).toBeGreaterThan(1);
  expect(reports.flatMap((each) => each.policies).length).toBe(100);
  expect(Math.max(...reports.map((each) => JSON.stringify(each).length))).toBeLessThanOrEqual(
    10_000_000,
  );
});
