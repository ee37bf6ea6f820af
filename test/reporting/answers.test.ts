/** What operators are told of received reports. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  countedSums,
  failuresByKind,
  listReporters,
  sessionsByDay,
} from '../../functions/reporting/answers.ts';
import {
  type CheckReportsOptions,
  checkReports,
  daysBefore,
  domainsToCheck,
  type ReportAlarm,
} from '../../functions/reporting/check-reports.ts';
import { adviseEnforce } from '../../functions/reporting/enforce-advice.ts';
import type { FailureSum, ReportSums } from '../../functions/reporting/report-sums.ts';
import { createMemoryReceipts, type MemoryReceipts } from './memory-receipts.ts';

const failure = (over: Partial<FailureSum> = {}): FailureSum => ({
  policyType: 'sts',
  resultType: 'certificate-expired',
  mxHost: 'mx1.a.example',
  sessions: 1,
  ...over,
});

let serial = 0;
function sums(day: string, reporter: string, over: Partial<ReportSums> = {}): ReportSums {
  const failures = over.failures ?? [];
  const failed = failures.reduce((sum, { sessions }) => sum + sessions, 0);
  serial += 1;
  return {
    id: `id-${serial}`,
    domain: 'a.example',
    day,
    reporter,
    organization: reporter.toUpperCase(),
    way: 'mail',
    policies: [
      { type: 'sts', mode: 'testing', mxHosts: ['*.a.example'], successes: 100, failures: failed },
    ],
    failures,
    ...over,
  };
}

const today = '2026-11-24';
/** Two weeks before today, by two reporters, without a failure. */
const quiet = Array.from({ length: 14 }, (_, at) => daysBefore(today, at + 1)).flatMap((day) => [
  sums(day, 'x.example'),
  sums(day, 'y.example'),
]);

describe('sessions', () => {
  test('by day and type of policy, the latest first', () => {
    const both = sums('2026-11-23', 'x.example', {
      policies: [
        { type: 'sts', mxHosts: [], successes: 5, failures: 1 },
        { type: 'tlsa', mxHosts: [], successes: 6, failures: 0 },
      ],
    });
    expect(
      sessionsByDay([sums('2026-11-22', 'x.example'), both, sums('2026-11-23', 'y.example')]),
    ).toEqual([
      {
        domain: 'a.example',
        day: '2026-11-23',
        policyType: 'sts',
        successes: 105,
        failures: 1,
        reporters: 2,
      },
      {
        domain: 'a.example',
        day: '2026-11-23',
        policyType: 'tlsa',
        successes: 6,
        failures: 0,
        reporters: 1,
      },
      {
        domain: 'a.example',
        day: '2026-11-22',
        policyType: 'sts',
        successes: 100,
        failures: 0,
        reporters: 1,
      },
    ]);
  });

  test('that nobody signed are left out unless asked for', () => {
    const posted = sums('2026-11-23', 'x.example', { way: 'https' });
    expect(countedSums([posted])).toEqual([]);
    expect(countedSums([posted], { unsigned: true })).toEqual([posted]);
  });

  test('add up to what was reported, however they are grouped', () => {
    const some = fc.array(
      fc.record({
        day: fc.constantFrom('2026-11-21', '2026-11-22'),
        reporter: fc.constantFrom('x.example', 'y.example'),
        failures: fc.array(
          fc.record({
            policyType: fc.constantFrom('sts', 'tlsa'),
            resultType: fc.constantFrom('a', 'b'),
            mxHost: fc.constantFrom('m', 'n'),
            sessions: fc.nat(100),
          }),
        ),
      }),
    );
    fc.assert(
      fc.property(some, (list) => {
        const all = list.map(({ day, reporter, failures }) => sums(day, reporter, { failures }));
        const failed = all
          .flatMap(({ failures }) => failures)
          .reduce((sum, each) => sum + each.sessions, 0);
        const add = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
        expect(add(failuresByKind(all).map(({ sessions }) => sessions))).toBe(failed);
        expect(add(sessionsByDay(all).map(({ failures }) => failures))).toBe(failed);
        expect(add(sessionsByDay(all).map(({ successes }) => successes))).toBe(100 * all.length);
        expect(add(listReporters(all).map(({ reports }) => reports))).toBe(all.length);
      }),
    );
  });
});

test('failures by type and host: how many, who saw them, since when', () => {
  const all = [
    sums('2026-11-20', 'x.example', { failures: [failure({ reason: 'r1', sessions: 2 })] }),
    sums('2026-11-22', 'y.example', {
      failures: [failure({ reason: 'r2' }), failure({ mxHost: 'mx2.a.example' })],
    }),
  ];
  expect(failuresByKind(all)).toEqual([
    {
      resultType: 'certificate-expired',
      mxHost: 'mx1.a.example',
      sessions: 3,
      reporters: [
        { reporter: 'x.example', sessions: 2 },
        { reporter: 'y.example', sessions: 1 },
      ],
      firstDay: '2026-11-20',
      lastDay: '2026-11-22',
      reasons: ['r1', 'r2'],
    },
    {
      resultType: 'certificate-expired',
      mxHost: 'mx2.a.example',
      sessions: 1,
      reporters: [{ reporter: 'y.example', sessions: 1 }],
      firstDay: '2026-11-22',
      lastDay: '2026-11-22',
      reasons: [],
    },
  ]);
});

test('who reports, the most faithful first, and whether it is signed', () => {
  const posted = sums('2026-11-23', 'x.example', { way: 'https' });
  const all = [
    sums('2026-11-21', 'y.example'),
    sums('2026-11-20', 'x.example', { organization: 'Old' }),
    sums('2026-11-22', 'x.example', { organization: 'New', failures: [failure()] }),
    posted,
  ];
  expect(listReporters(all)).toMatchObject([
    {
      reporter: 'x.example',
      organization: 'New',
      isSigned: true,
      reports: 2,
      days: 2,
      firstDay: '2026-11-20',
      lastDay: '2026-11-22',
      failingDays: 1,
    },
    { reporter: 'x.example', isSigned: false, days: 1 },
    { reporter: 'y.example', days: 1, failingDays: 0 },
  ]);
});

describe('may I switch to enforce?', () => {
  const seenByBoth = (over: Partial<FailureSum> = {}): ReportSums[] => [
    sums('2026-11-23', 'x.example', { failures: [failure(over)] }),
    sums('2026-11-22', 'y.example', { failures: [failure(over)] }),
  ];
  const inMode = (mode: string): ReportSums[] =>
    quiet.map((each) => ({
      ...each,
      policies: each.policies.map((policy) => ({ ...policy, mode })),
    }));

  test.each([
    ['two weeks, two reporters, no failure', quiet, 'yes', []],
    [
      'a failure that one of them saw',
      [...quiet, sums('2026-11-23', 'x.example', { failures: [failure({ sessions: 500 })] })],
      'yes',
      [],
    ],
    ['a few failures that both saw', [...quiet, ...seenByBoth({ sessions: 5 })], 'yes', []],
    [
      'more of them than one in 200',
      [...quiet, ...seenByBoth({ sessions: 10 })],
      'no',
      [/^0\.66 % .*certificate-expired/],
    ],
    [
      'a host that is not listed, as both saw',
      [...quiet, ...seenByBoth({ mxHost: 'old.b.example', resultType: 'validation-failure' })],
      'no',
      [/^old\.b\.example takes mail/],
    ],
    ['a week', quiet.slice(0, 14), 'unknown', [/^Sessions were reported of 7 days/]],
    [
      'one reporter',
      quiet.filter(({ reporter }) => reporter === 'x.example'),
      'unknown',
      [/^1 reported/],
    ],
    ['nothing', [], 'unknown', [/^No reporter saw a policy/]],
    [
      'no policy',
      quiet.map((each) => ({
        ...each,
        policies: [{ type: 'no-policy-found', mxHosts: [], successes: 1, failures: 0 }],
      })),
      'unknown',
      [/^No reporter saw a policy/],
    ],
    ['mode none', inMode('none'), 'unknown', [/^The policy is in mode none/]],
    ['mode enforce', inMode('enforce'), 'enforced', []],
    [
      'failures under DANE only',
      [...quiet, ...seenByBoth({ sessions: 500, policyType: 'tlsa' })].map((each) => ({
        ...each,
        policies: each.policies.map((policy) => ({ ...policy, failures: 0 })),
      })),
      'yes',
      [],
    ],
  ] as const)('%s', (_what, given, verdict, reasons) => {
    const advice = adviseEnforce('a.example', given);
    expect(advice.verdict).toBe(verdict);
    expect(advice.reasons).toEqual(reasons.map((reason) => expect.stringMatching(reason)));
  });

  test('with the evidence', () => {
    const single = failure({ sessions: 3, mxHost: 'odd.b.example' });
    const blind = sums('2026-11-23', 'z.example', {
      policies: [{ type: 'no-policy-found', mxHosts: [], successes: 9, failures: 0 }],
    });
    const given = [...quiet, sums('2026-11-23', 'x.example', { failures: [single] }), blind];
    expect(adviseEnforce('a.example', given)).toMatchObject({
      verdict: 'yes',
      remarks: [
        'certificate-expired at odd.b.example, 3 sessions: x.example alone saw it.',
        'odd.b.example is not listed by the policy: x.example alone met it.',
        'z.example finds no policy.',
      ],
      evidence: {
        mode: 'testing',
        mxPatterns: ['*.a.example'],
        days: 14,
        firstDay: '2026-11-10',
        lastDay: '2026-11-23',
        reporters: ['x.example', 'y.example'],
        successes: 2_900,
        failures: 3,
        sharedFailureShare: 0,
        unlistedHosts: [{ host: 'odd.b.example', reporters: ['x.example'] }],
        withoutPolicy: ['z.example'],
      },
    });
  });
});

describe('each day', () => {
  /** What is told on a day, by what was there on it. */
  async function check(
    list: readonly ReportSums[],
    {
      on = today,
      store = createMemoryReceipts(),
      announce = () => undefined,
    }: {
      readonly on?: string;
      readonly store?: MemoryReceipts;
      readonly announce?: CheckReportsOptions['announce'];
    } = {},
  ): Promise<readonly ReportAlarm[]> {
    await store.writeSums(list);
    const nowMs = Date.parse(`${on}T12:00:00Z`);
    return checkReports({
      reader: store,
      memory: store,
      announce,
      domains: ['a.example'],
      failurePercentMax: 5,
      nowMs,
    });
  }
  const upTo = (reporter: string, last: string): ReportSums[] =>
    quiet.filter((each) => each.reporter === reporter && each.day <= last);

  test('all is well', async () => {
    expect(await check(quiet)).toEqual([]);
    expect(await check([])).toEqual([]);
  });

  test.each([
    ['silent for three days that should be here', '2026-11-19', ['reporter-silent']],
    ['the last of which may still come', '2026-11-20', []],
  ])('one is %s', async (_what, last, kinds) => {
    const alarms = await check([...upTo('x.example', last), ...upTo('y.example', today)]);
    expect(alarms.map(({ kind }) => kind)).toEqual(kinds);
  });

  test('a silence is told of each day for three weeks, and then it is what is usual', async () => {
    const daysTold: number[] = [];
    for (let days = 1; days <= 40; days += 1) {
      const on = daysBefore(today, -days);
      const alarms = await check(upTo('x.example', today), { on });
      daysTold.push(...(alarms.length > 0 ? [days] : []));
    }
    // The last report is of yesterday, so the third whole day without one is over for two days on the fourth.
    expect([daysTold.at(0), daysTold.at(-1), daysTold.length]).toEqual([4, 23, 20]);
  });

  test('one who reports now and then is not missed', async () => {
    expect(await check([...upTo('x.example', '2026-11-14'), ...upTo('y.example', today)])).toEqual(
      [],
    );
  });

  /** Days on which somebody reports: those whose place in four weeks, of which the first is a Monday, is told. */
  const rhythms = [
    ['on weekdays', (at: number) => at % 7 < 5],
    ['from Monday to Thursday', (at: number) => at % 7 < 4],
    ['once a week', (at: number) => at % 7 === 2],
    ['every second day', (at: number) => at % 2 === 0],
    ['every second week', (at: number) => at % 14 < 7],
    ['on weekdays, and a Monday is a holiday', (at: number) => at % 7 < 5 && at !== 21],
  ] as const;

  test.each(rhythms)(
    'one who reports %s is not called silent on any day',
    async (_what, reports) => {
      const days = Array.from({ length: 42 }, (_, at) => at).filter(reports);
      for (let at = 21; at < 42; at += 1) {
        const here = days.filter((each) => each <= at - 2);
        const list = here.map((each) => sums(daysBefore('2026-11-30', 42 - each), 'x.example'));
        expect(await check(list, { on: daysBefore('2026-11-30', 42 - at) })).toEqual([]);
      }
    },
  );

  test('one who reports on weekdays and stops is called silent within eight days', async () => {
    const days = Array.from({ length: 19 }, (_, at) => at).filter((at) => at % 7 < 5);
    const list = days.map((each) => sums(daysBefore('2026-11-30', 42 - each), 'x.example'));
    const alarms = await check(list, { on: daysBefore('2026-11-30', 42 - 18 - 8) });
    expect(alarms.map(({ kind }) => kind)).toEqual(['reporter-silent', 'domain-silent']);
  });

  test('all are silent: the fault is ours', async () => {
    expect(
      await check([...upTo('x.example', '2026-11-18'), ...upTo('y.example', '2026-11-19')]),
    ).toEqual([
      {
        kind: 'reporter-silent',
        domain: 'a.example',
        reporter: 'x.example',
        lastDay: '2026-11-18',
      },
      {
        kind: 'reporter-silent',
        domain: 'a.example',
        reporter: 'y.example',
        lastDay: '2026-11-19',
      },
      { kind: 'domain-silent', domain: 'a.example', lastDay: '2026-11-19' },
    ]);
  });

  test('more sessions failed than is put up with, of the latest whole day', async () => {
    const bad = sums('2026-11-22', 'x.example', { failures: [failure({ sessions: 17 })] });
    const less = sums('2026-11-22', 'x.example', { failures: [failure({ sessions: 15 })] });
    expect(await check([...quiet, bad])).toEqual([
      {
        kind: 'failures-above-share',
        domain: 'a.example',
        day: '2026-11-22',
        policyType: 'sts',
        failures: 17,
        sessions: 317,
      },
    ]);
    expect(await check([...quiet, less])).toEqual([]);
  });

  const shareOf = (alarms: readonly ReportAlarm[]): readonly string[] =>
    alarms.flatMap((alarm) => (alarm.kind === 'failures-above-share' ? [alarm.day] : []));
  const badOn = (day: string, sessions = 900): ReportSums =>
    sums(day, 'x.example', { failures: [failure({ sessions })] });

  test('of a day it is told once, of the next again', async () => {
    const store = createMemoryReceipts();
    const list = [...quiet, badOn('2026-11-22'), badOn('2026-11-23')];
    expect(shareOf(await check(list, { store }))).toEqual(['2026-11-22']);
    expect(shareOf(await check([], { store }))).toEqual([]);
    expect(shareOf(await check([], { store, on: '2026-11-25' }))).toEqual(['2026-11-23']);
  });

  test('a run that was missed, and a report that came late, cost no alarm', async () => {
    const store = createMemoryReceipts();
    expect(shareOf(await check(quiet, { store }))).toEqual([]);
    expect(shareOf(await check([badOn('2026-11-15')], { store }))).toEqual(['2026-11-15']);
    const missed = [badOn('2026-11-23'), badOn('2026-11-25')];
    expect(shareOf(await check(missed, { store, on: '2026-11-29' }))).toEqual([
      '2026-11-25',
      '2026-11-23',
    ]);
  });

  test('who dies of telling tells again', async () => {
    const store = createMemoryReceipts();
    const announce = (): void => {
      throw new Error('the process died');
    };
    await expect(check([badOn('2026-11-22')], { store, announce })).rejects.toThrow('died');
    expect(shareOf(await check([], { store }))).toEqual(['2026-11-22']);
  });

  test('MX hosts are looked at too, as DANE is reported by them; patterns name none', () => {
    const mxHosts = ['mx.a.example', '*.mx.a.example', 'a.example'];
    expect(domainsToCheck({ domains: ['a.example', 'b.example'], mxHosts })).toEqual([
      'a.example',
      'b.example',
      'mx.a.example',
    ]);
  });

  test('counts that no number holds are judged all the same', async () => {
    const most = 100_000_000_000_000;
    const bad = Array.from({ length: 200 }, () =>
      sums('2026-11-22', 'x.example', {
        policies: [{ type: 'sts', mxHosts: [], successes: most, failures: most }],
        failures: [failure({ sessions: most })],
      }),
    );
    expect(200 * most).toBeGreaterThan(Number.MAX_SAFE_INTEGER);
    expect(shareOf(await check(bad))).toEqual(['2026-11-22']);
    expect(failuresByKind(bad)[0]?.sessions).toBeCloseTo(200 * most, -3);
    expect(adviseEnforce('a.example', bad).evidence.failures).toBeCloseTo(200 * most, -3);
  });

  test('a flood of signed reports, full of particulars, does not fill the memory', async () => {
    setFlagsFromString('--expose-gc');
    const collectGarbage = runInNewContext('gc') as () => void;
    const heaps: number[] = [];
    const store = createMemoryReceipts();
    const sumsOf: MemoryReceipts['sumsOf'] = async function* flood() {
      for (let portion = 0; portion < 200; portion += 1) {
        yield Array.from({ length: 10 }, (_, at) => {
          const failures = Array.from({ length: 100 }, (_none, kind) =>
            failure({ reason: `${portion} ${at} ${kind} `.repeat(20) }),
          );
          return sums('2026-11-21', `r${portion}-${at}.example`, { failures });
        });
        if (portion === 0 || portion === 199) {
          collectGarbage();
          heaps.push(process.memoryUsage().heapUsed);
        }
      }
    };
    await check([], { store: { ...store, sumsOf } });
    const [before = 0, after = 0] = heaps;
    expect(after - before).toBeLessThan(10_000_000);
  });

  test('nobody raises an alarm by HTTPS', async () => {
    const posted = {
      ...sums('2026-11-22', 'x.example', { failures: [failure({ sessions: 900 })] }),
      way: 'https' as const,
    };
    expect(await check([...quiet, posted])).toEqual([]);
  });
});
