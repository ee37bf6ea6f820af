import { describe, expect, test } from 'vitest';
import { judgeReach, rememberAbsence } from '../../functions/delivery/back-off.ts';
import type { FailureCode } from '../../functions/protocol/errors.ts';
import { alike, createHarness, enforce, type Harness, mxOf, record, reply } from './harness.ts';
import { createMemoryPorts } from './memory-ports.ts';

const domain = 'rcpt.example';
const minuteMs = 60_000;
const idOf = ({ body }: { body: string }): string => JSON.parse(body).id;

/** A harness whose one host refuses connections until `isUp`. */
function createDeadHost(): { harness: Harness; up: () => void } {
  const harness = createHarness();
  harness.peers.set('mx.rcpt.example', { refuse: 'connect-failed' });
  return { harness, up: () => harness.peers.delete('mx.rcpt.example') };
}

const stateOf = async ({ stores }: Harness): Promise<object | undefined> =>
  (await stores.backoffs.list()).map(({ failures, recovered }) => ({ failures, recovered }))[0];

const decisionOf = async ({ stores }: Harness, one: { body: string }): Promise<unknown> =>
  (await stores.messages.readDelivery(idOf(one), domain))?.why?.decision.code;

describe('a domain whose hosts cannot be connected to', () => {
  test('backs off: what comes next waits, uncontacted and listed, its attempt counted', async () => {
    const { harness } = createDeadHost();
    const [first, second] = [record(), record()];
    await harness.deliver(first);
    expect(await stateOf(harness)).toEqual({ failures: 1, recovered: false });
    await harness.deliver(second);
    expect(harness.opened).toHaveLength(1);
    expect(await decisionOf(harness, first)).toBe('connect-failed');
    expect(await decisionOf(harness, second)).toBe('backing-off');
    const [failed, waiting] = harness.stores.retryEntries();
    expect([failed?.waitingFor, waiting?.waitingFor]).toEqual([domain, domain]);
    expect(waiting?.message.attempt).toBe(2);
    // The delay notice of four hours comes before the last wait is over.
    const submittedAtMs = Date.UTC(2026, 0, 1);
    expect(waiting?.dueAtMs).toBeLessThanOrEqual(submittedAtMs + 240 * minuteMs);
    expect(waiting?.dueAtMs).toBeGreaterThan(harness.nowMs + 200 * minuteMs);
    expect(harness.asked.filter((question) => question.endsWith(' MX'))).toHaveLength(1);
  });

  test('is probed by one when it is time, and after each failure later', async () => {
    const { harness } = createDeadHost();
    await harness.deliver(record());
    const [state] = await harness.stores.backoffs.list();
    harness.nowMs = state?.nextProbeAtMs ?? Number.NaN;
    await Promise.all([harness.deliver(record()), harness.deliver(record())]);
    expect(harness.opened).toHaveLength(2);
    const [after] = await harness.stores.backoffs.list();
    expect(after).toMatchObject({ failures: 2, probeUntilMs: 0 });
    const waitMinutes = ((after?.nextProbeAtMs ?? 0) - harness.nowMs) / minuteMs;
    expect(waitMinutes).toBeGreaterThanOrEqual(9);
    expect(waitMinutes).toBeLessThanOrEqual(11);
  });

  test('recovers as soon as a channel opens, before the message is through', async () => {
    const { harness } = createDeadHost();
    await harness.deliver(record());
    const [state] = await harness.stores.backoffs.list();
    harness.nowMs = state?.nextProbeAtMs ?? Number.NaN;
    const seen: unknown[] = [];
    harness.peers.set('mx.rcpt.example', {
      answer: (transaction) => {
        seen.push(harness.stores.calls.at(-1), harness.stores.calls.includes('recover'));
        return alike(transaction, {
          outcome: 'deferred',
          code: 'deferred-by-peer',
          reason: 'later',
          reply: reply(451, 'local error'),
        });
      },
    });
    await harness.deliver(record());
    expect(seen[1]).toBe(true);
    expect(await stateOf(harness)).toEqual({ failures: 1, recovered: true });
    await harness.deliver(record());
    expect(harness.sent).toHaveLength(2);
    expect(harness.stores.retryEntries().at(-1)?.waitingFor).toBeUndefined();
  });

  test('that answers again between the look at it and the probe is no reason to wait', async () => {
    const { harness, up } = createDeadHost();
    await harness.deliver(record());
    const [state] = await harness.stores.backoffs.list();
    harness.nowMs = state?.nextProbeAtMs ?? Number.NaN;
    up();
    harness.stores.intercept(({ operation, phase }) => {
      if (operation === 'takeProbe' && phase === 'before') {
        harness.stores.intercept(() => {});
        return harness.stores.backoffs.recover(domain);
      }
      return undefined;
    });
    await harness.deliver(record());
    expect(harness.sent).toHaveLength(1);
    expect(harness.stores.retryEntries()).toHaveLength(1);
  });

  test('settles what waits side by side, so that a backlog leaves the queue soon', async () => {
    const { harness } = createDeadHost();
    await harness.deliver(record());
    let underWay = 0;
    let underWayMax = 0;
    harness.stores.intercept(({ operation, phase }) => {
      if (operation === 'claim' && phase === 'before') {
        underWay += 1;
        underWayMax = Math.max(underWayMax, underWay);
      } else if (operation === 'settle' && phase === 'after') {
        underWay -= 1;
      }
    });
    await harness.deliver(...Array.from({ length: 10 }, () => record()));
    expect([underWay, underWayMax]).toEqual([0, 10]);
  });

  test('gives up what expires while it waits', async () => {
    const { harness } = createDeadHost();
    await harness.deliver(record());
    const late = record({ expiresAt: '2026-01-01T00:00:30Z' });
    await harness.deliver(late);
    expect(await harness.stores.messages.readDelivery(idOf(late), domain)).toMatchObject({
      recipients: [{ state: 'failed', status: '5.4.7' }],
    });
  });

  test('a store that fails is no reason not to try', async () => {
    const { harness, up } = createDeadHost();
    await harness.deliver(record());
    up();
    harness.stores.fail('readBackoff', 'before');
    expect(await harness.deliver(record())).toEqual([]);
    expect(harness.sent).toHaveLength(1);
    harness.peers.set('mx.rcpt.example', { refuse: 'connect-failed' });
    harness.stores.fail('readBackoff', 'before');
    harness.stores.fail('prolong', 'before');
    const one = record();
    expect(await harness.deliver(one)).toEqual([]);
    expect(await decisionOf(harness, one)).toBe('connect-failed');
  });

  test.each<[string, (harness: Harness) => void]>([
    [
      'one of two hosts is dead',
      (harness) => {
        harness.mx.set(domain, mxOf('dead.example', 'mx.rcpt.example'));
        harness.peers.set('dead.example', { refuse: 'connect-failed' });
        harness.peers.set('mx.rcpt.example', { refuse: 'greeting-refused' });
      },
    ],
    [
      'a policy is not met',
      (harness) => {
        harness.sts = enforce('other.example');
      },
    ],
    [
      'the peer defers',
      (harness) =>
        harness.peers.set('mx.rcpt.example', {
          answer: (transaction) =>
            alike(transaction, { outcome: 'deferred', code: 'deferred-by-peer', reason: 'later' }),
        }),
    ],
  ])('is none where %s', async (_what, prepare) => {
    const harness = createHarness();
    prepare(harness);
    await harness.deliver(record());
    expect(await stateOf(harness)).toBeUndefined();
    expect(harness.stores.retryEntries()).toHaveLength(1);
    expect(harness.stores.retryEntries()[0]?.waitingFor).toBeUndefined();
  });
});

describe('what hosts have shown', () => {
  test.each<[boolean, FailureCode[][], 'reached' | 'unreachable' | 'unknown', string]>([
    [false, [['connect-failed', 'connect-failed']], 'unreachable', 'two addresses of one host'],
    [false, [['connect-failed'], ['smtp-timeout']], 'unreachable', 'refused, silent'],
    [false, [['connect-failed'], ['no-mail-host']], 'unreachable', 'nothing to connect to'],
    [false, [['connection-lost']], 'unreachable', 'closed before a word was said'],
    [true, [['connection-lost']], 'reached', 'opened, and lost later'],
    [false, [['connect-failed'], ['greeting-refused']], 'reached', 'an answer'],
    [false, [['sts-mx-mismatch']], 'reached', 'stopped by a policy'],
    [false, [['certificate-expired']], 'reached', 'TLS was spoken'],
    [false, [['connect-failed'], ['dns-timeout']], 'unknown', 'one was not tried'],
    [false, [['no-mail-host']], 'unknown', 'nobody was tried'],
    [false, [['time-too-short']], 'unknown', 'no time'],
    [false, [], 'unknown', 'no host'],
  ])('opened: %s, %j: %s (%s)', (hasOpened, codes, expected) => {
    const failures = codes.map((list, index) => ({
      host: `mx${index}.example`,
      isTried: true,
      failures: list.map((code) => ({ code, reason: code })),
    }));
    expect(judgeReach({ hasOpened, failures: () => failures })).toBe(expected);
  });
});

describe('absence is remembered', () => {
  test('for half a minute, by domain', async () => {
    const { backoffs, calls } = createMemoryPorts();
    let nowMs = 0;
    const store = rememberAbsence(backoffs, () => nowMs);
    await store.read(domain);
    nowMs = 29_999;
    await store.read(domain);
    expect(calls).toHaveLength(1);
    await store.read('other.example');
    nowMs = 30_000;
    await store.read(domain);
    expect(calls).toHaveLength(3);
  });

  test('not beyond what this process finds out', async () => {
    const { backoffs } = createMemoryPorts();
    const store = rememberAbsence(backoffs, () => 0);
    await store.read(domain);
    await store.prolong(domain, minuteMs, 0);
    expect(await store.read(domain)).toMatchObject({ failures: 1 });
  });

  test('and presence is not', async () => {
    const { backoffs, calls } = createMemoryPorts();
    await backoffs.prolong(domain, minuteMs, 0);
    const store = rememberAbsence(backoffs, () => 0);
    await store.read(domain);
    await store.read(domain);
    expect(calls).toEqual(['prolong', 'readBackoff', 'readBackoff']);
  });
});
