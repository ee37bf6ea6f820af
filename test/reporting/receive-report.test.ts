/** What becomes of a report that comes in: counted once, kept apart, or kept with a reason. */
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatTable } from '../../bin/commands/format-table.ts';
import { createSignatureCheck } from '../../functions/adapters/net/check-signatures.ts';
import type { ReceivedReport } from '../../functions/protocol/tlsrpt/received-report.ts';
import { buildReport, reportFileName } from '../../functions/protocol/tlsrpt/report.ts';
import { composeReportMail } from '../../functions/protocol/tlsrpt/report-mail.ts';
import type { PolicyTally } from '../../functions/protocol/tlsrpt/tally.ts';
import { failuresByKind } from '../../functions/reporting/answers.ts';
import type { ReceiptEvent, ReceiptStore } from '../../functions/reporting/receive-ports.ts';
import {
  type Arrival,
  receivePoison,
  receiveReport,
} from '../../functions/reporting/receive-report.ts';
import { sumReport } from '../../functions/reporting/report-sums.ts';
import { companyXLately, googleStyle } from '../protocol/tlsrpt/received-samples.ts';
import { createMemoryReceipts, type MemoryReceipts } from './memory-receipts.ts';
import { keyOf, keyRecords, mailOf, resolverOf, signed } from './report-mails.ts';

const nowMs = Date.parse('2026-11-24T03:00:00Z');
const org = keyOf('org.example');
const evil = keyOf('evil.example');
const report = { ...googleStyle, 'contact-info': 'tls@org.example' };
const failing = { ...companyXLately, 'contact-info': 'tls@org.example' };
const failingTypes = ['certificate-expired', 'starttls-not-supported', 'validation-failure'];

interface World {
  readonly store: MemoryReceipts;
  /** Types of failure that were told as new. */
  readonly announced: string[];
  receive(octets: Uint8Array, over?: Partial<Arrival>): Promise<ReceiptEvent>;
}

function world(failing: readonly string[] = [], over: Partial<ReceiptStore> = {}): World {
  const store = createMemoryReceipts();
  const resolver = resolverOf(keyRecords([org, evil, keyOf('sender.example')]), failing);
  const announced: string[] = [];
  let arrivals = 0;
  return {
    store,
    announced,
    receive: (octets, arrival = {}) => {
      arrivals += 1;
      const facts = { way: 'mail', rawKey: `raw-${arrivals}`, receivedAtMs: nowMs } as const;
      return receiveReport(
        { ...facts, octets, isLastTry: false, ...arrival },
        {
          store: { ...store, ...over },
          checkSignatures: createSignatureCheck(resolver),
          own: { domains: ['company-y.example'], mxHosts: ['*.mx.company-y.example'] },
          deadlineMs: nowMs,
          announce: (failures) =>
            void announced.push(...failures.map(({ resultType }) => resultType)),
        },
      );
    },
  };
}

describe('what we send, we take', () => {
  const tally: PolicyTally = {
    policy: {
      type: 'sts',
      domain: 'company-y.example',
      strings: ['mode: enforce'],
      mxHosts: ['mx'],
    },
    successes: 41,
    failures: 3,
    details: [
      { failure: { resultType: 'certificate-expired', receivingMxHostname: 'mx' }, sessions: 2 },
      { failure: { resultType: 'validation-failure', failureReasonCode: 'x' }, sessions: 1 },
    ],
  };

  function ourMail(policies: readonly PolicyTally[]): Buffer {
    const facts = {
      organizationName: 'Sender',
      contactInfo: 'tls@sender.example',
      reportId: '1@sender.example',
      day: '2026-11-23',
      policies,
    };
    const names = { submitter: 'sender.example', policyDomain: 'company-y.example' };
    const mail = composeReportMail({
      from: 'tls@sender.example',
      to: 'reports@company-y.example',
      policyDomain: 'company-y.example',
      reportId: facts.reportId,
      fileName: reportFileName({ ...names, day: facts.day, uniqueId: '1' }),
      gzip: gzipSync(JSON.stringify(buildReport(facts))),
      nowMs,
    });
    return signed(mail, keyOf('sender.example'));
  }

  test('with our signature, without a deviation, and every count as it was', async () => {
    const { receive, store } = world();
    const { receipt, sums } = await receive(ourMail([tally]));
    expect(receipt).toMatchObject({ state: 'counted', deviations: [] });
    expect(sums).toEqual([...store.sums.values()]);
    expect(sums).toMatchObject([
      {
        domain: 'company-y.example',
        day: '2026-11-23',
        reporter: 'sender.example',
        organization: 'Sender',
        policies: [{ type: 'sts', mode: 'enforce', mxHosts: ['mx'], successes: 41, failures: 3 }],
        failures: [
          { policyType: 'sts', resultType: 'certificate-expired', mxHost: 'mx', sessions: 2 },
          { policyType: 'sts', resultType: 'validation-failure', reason: 'x', sessions: 1 },
        ],
      },
    ]);
  });

  test('with dates and ids that SES puts in the place of ours', async () => {
    const text = ourMail([tally]).toString('latin1');
    const mail = text
      .replace(/^Date: .*$/m, 'Date: Tue, 24 Nov 2026 02:22:22 +0000')
      .replace(/^Message-ID: .*$/m, 'Message-ID: <ses@eu-west-1.amazonses.example>');
    const { receipt } = await world().receive(Buffer.from(mail, 'latin1'));
    expect(receipt.state).toBe('counted');
  });
});

describe('who is believed', () => {
  const own = signed(mailOf(report), org);

  test('a signed report is counted', async () => {
    const { receive, announced } = world();
    const { receipt, sums } = await receive(own);
    expect(receipt).toMatchObject({ state: 'counted', way: 'mail' });
    expect(receipt.summary).toMatchObject({ submitter: 'org.example', successes: 12, failures: 0 });
    expect(sums.length).toBe(1);
    expect(announced).toEqual([]);
  });

  test.each([
    ['an unsigned one', mailOf(report), /^not signed/],
    ['one signed by another', signed(mailOf(report), evil), /evil\.example: another domain/],
    [
      'one changed on the way',
      Buffer.from(own.toString('latin1').replace('aggregate', 'other'), 'latin1'),
      /body hash/,
    ],
    [
      'one that names nobody',
      mailOf({ ...report, 'contact-info': undefined }, { from: 'nobody', fields: [] }),
      'it does not say whose it is',
    ],
  ])('%s is kept apart', async (_what, mail, reason) => {
    const { receive, store } = world();
    const { receipt } = await receive(mail);
    expect(receipt).toMatchObject({ state: 'unverified', reason: expect.stringMatching(reason) });
    expect(store.sums.size).toBe(0);
  });

  test("a stranger's signature under words that are Google's", async () => {
    const mail = signed(mailOf(googleStyle, { from: 'x@evil.example' }), evil);
    expect((await world().receive(mail)).receipt.state).toBe('unverified');
  });

  test('without a contact the field speaks, and then From', async () => {
    const { 'contact-info': _contact, ...without } = report;
    const byField = await world().receive(signed(mailOf(without), org));
    expect(byField.receipt).toMatchObject({
      state: 'counted',
      summary: { submitter: 'org.example' },
    });
    const byFrom = await world().receive(signed(mailOf(without, { fields: [] }), org));
    expect(byFrom.receipt.summary?.submitter).toBe('org.example');
  });

  test('a field that names another than the contact is noted (RFC 8460 §5.3, §5.6)', async () => {
    const fields = ['TLS-Report-Domain: company-y.example', 'TLS-Report-Submitter: evil.example'];
    const { receipt } = await world().receive(signed(mailOf(report, { fields }), org));
    expect(receipt).toMatchObject({
      state: 'counted',
      deviations: ['mail: TLS-Report-Submitter is not the domain of contact-info'],
    });
  });

  test('a key that DNS does not say now is asked for again, and done without at the last try', async () => {
    const { receive, store } = world(['r._domainkey.org.example']);
    await expect(receive(own)).rejects.toMatchObject({ code: 'dns-server-failure' });
    expect(store.receipts.size).toBe(0);
    const { receipt } = await receive(own, { isLastTry: true });
    expect(receipt).toMatchObject({
      state: 'unverified',
      reason: expect.stringContaining('DNS failure'),
    });
  });
});

describe('a report counts once', () => {
  test('when it comes twice, and when it is sent in another mail', async () => {
    const { receive, store } = world();
    const mail = signed(mailOf(report), org);
    await receive(mail);
    expect((await receive(mail)).outcome).toBe('duplicate');
    const other = signed(mailOf(report, { fileName: 'org.example!y!1!2!2.json.gz' }), org);
    expect(await receive(other)).toMatchObject({ outcome: 'duplicate', sums: [] });
    expect(store.sums.size).toBe(1);
  });

  test('and another of the same day is another', async () => {
    const { receive, store } = world();
    await receive(signed(mailOf(report), org));
    await receive(signed(mailOf({ ...report, 'report-id': 'other' }), org));
    expect(store.sums.size).toBe(2);
  });

  test('an object that is told of twice is one arrival', async () => {
    const { receive, announced } = world();
    const mail = signed(mailOf(failing), org);
    expect((await receive(mail, { rawKey: 'one' })).outcome).toBe('first');
    expect(await receive(mail, { rawKey: 'one' })).toMatchObject({ outcome: 'again', sums: [] });
    expect(announced).toEqual(failingTypes);
  });

  test('two who receive it at once count it once', async () => {
    const { receive } = world();
    const mail = signed(mailOf(failing), org);
    const both = await Promise.all([1, 2].map(() => receive(mail, { rawKey: 'one' })));
    expect(both.map(({ outcome }) => outcome).sort()).toEqual(['again', 'first']);
  });

  /** Calls of the store for a report with three types of failure: the receipt, the sums, each type, the end. */
  const calls = 6;
  const deaths = Array.from({ length: calls }, (_, at) => at + 1).flatMap((at) => [
    [at, 'before'] as const,
    [at, 'after'] as const,
  ]);

  test.each(deaths)(
    'the process dies at write %i, %s it is done: nothing is lost',
    async (at, when) => {
      let left = at;
      const dying = Object.fromEntries(
        (['keep', 'writeSums', 'noteFailure', 'settle'] as const).map((name) => [
          name,
          async (argument: never) => {
            left -= 1;
            if (left === 0 && when === 'before') {
              throw new Error('the process died');
            }
            const answer = await store[name](argument);
            if (left === 0) {
              throw new Error('the process died');
            }
            return answer;
          },
        ]),
      );
      const { receive, store, announced } = world([], dying);
      const mail = signed(mailOf(failing), org);
      await expect(receive(mail, { rawKey: 'one' })).rejects.toThrow('died');
      const { outcome, sums } = await receive(mail, { rawKey: 'one' });
      expect([...new Set(announced)].sort()).toEqual(failingTypes);
      expect([...store.sums.values()]).toMatchObject([{ policies: [{ failures: 303 }] }]);
      // Whether it died before the end or at it: it is counted once at the most.
      const isSettled = at === calls && when === 'after';
      expect(outcome).toBe(isSettled ? 'again' : 'first');
      expect(sums.length).toBe(isSettled ? 0 : 1);
    },
  );

  test('a copy that nobody signed neither counts after the one that is signed, nor takes its place', async () => {
    const { receive, store } = world();
    expect((await receive(mailOf(report))).receipt.state).toBe('unverified');
    expect(await receive(signed(mailOf(report), org))).toMatchObject({
      outcome: 'first',
      receipt: { state: 'counted' },
    });
    expect((await receive(mailOf(report, { fileName: 'x.json.gz' }))).receipt.state).toBe(
      'unverified',
    );
    expect(store.sums.size).toBe(1);
  });

  test('two organizations may have thought of the same id, under one submitter too', async () => {
    const { receive, store } = world();
    const other = { ...report, 'contact-info': 'tls@evil.example' };
    const branch = { ...report, 'organization-name': 'Org, the other branch' };
    await receive(signed(mailOf(report), org));
    await receive(signed(mailOf(other, { from: 'tls@evil.example' }), evil));
    await receive(signed(mailOf(branch), org));
    expect([...store.sums.values()].map(({ reporter }) => reporter).sort()).toEqual([
      'evil.example',
      'org.example',
      'org.example',
    ]);
  });

  test('nobody takes the place of a report by its words: not unsigned, not by HTTPS, not as another', async () => {
    const { receive, store } = world();
    await receive(mailOf(report));
    await receive(Buffer.from(JSON.stringify(report)), { way: 'https' });
    const theirs = { ...report, 'contact-info': 'x@evil.example' };
    await receive(signed(mailOf(theirs, { from: 'x@evil.example' }), evil));
    const { receipt, outcome } = await receive(signed(mailOf(report), org));
    expect(receipt.state).toBe('counted');
    expect(outcome).toBe('first');
    expect(
      [...store.sums.values()].map(({ reporter, way }) => `${way} ${reporter}`).sort(),
    ).toEqual(['https org.example', 'mail evil.example', 'mail org.example']);
  });
});

describe('about whom', () => {
  const [policy] = report.policies;
  const about = (domain: string): object => ({
    ...policy,
    policy: { ...policy.policy, 'policy-domain': domain },
  });

  test.each([
    ['another domain', 'other.example', 'foreign'],
    ['a domain beneath ours, of which nobody said so', 'sub.company-y.example', 'foreign'],
    ['an MX host of ours: the policy domain of DANE', 'a.mx.company-y.example', 'counted'],
  ])('%s', async (_what, domain, state) => {
    const mail = signed(mailOf({ ...report, policies: [about(domain)] }), org);
    expect((await world().receive(mail)).receipt.state).toBe(state);
  });

  test('a thousand of our hosts, each with failures of its own, cost a few writes', async () => {
    let writes = 0;
    const { receive, store } = world([], {
      noteFailure: async () => {
        writes += 1;
        return false;
      },
    });
    const policies = Array.from({ length: 1_000 }, (_, at) => ({
      ...about(`h${at}.mx.company-y.example`),
      'failure-details': Array.from({ length: 10 }, (_none, kind) => ({
        'result-type': `made-up-${kind}`,
        'failed-session-count': 1,
      })),
    }));
    const { outcome } = await receive(signed(mailOf({ ...report, policies }), org));
    expect(outcome).toBe('first');
    expect(store.sums.size).toBe(1_000);
    expect(writes).toBe(300);
  });

  test('of ours and of others: ours is counted', async () => {
    const policies = [about('other.example'), policy];
    const { sums, receipt } = await world().receive(signed(mailOf({ ...report, policies }), org));
    expect(sums.map(({ domain }) => domain)).toEqual(['company-y.example']);
    expect(receipt.summary?.domains).toEqual(['other.example', 'company-y.example']);
  });
});

test('a type of failure is new the first time; by HTTPS nothing is', async () => {
  const { receive, announced } = world();
  const posted = await receive(Buffer.from(JSON.stringify(failing)), { way: 'https' });
  expect(posted).toMatchObject({ outcome: 'first', receipt: { state: 'counted', way: 'https' } });
  expect(announced).toEqual([]);
  await receive(signed(mailOf(failing), org));
  expect(announced).toEqual(failingTypes);
  await receive(signed(mailOf({ ...failing, 'report-id': '2' }), org));
  expect(announced).toEqual(failingTypes);
});

test("a stranger's words are words: none is anything to the program", async () => {
  const words = [
    '__proto__',
    'constructor',
    'toString',
    'hasOwnProperty',
    '\u202egpj.exe',
    '\0\u001b[2J',
  ];
  const policies = words.map((word) => ({
    policy: {
      'policy-type': word,
      'policy-string': [`mode: ${word}`],
      'policy-domain': 'company-y.example',
      'mx-host': [word],
    },
    summary: { 'total-successful-session-count': 1, 'total-failure-session-count': 1 },
    'failure-details': [
      {
        'result-type': word,
        'receiving-mx-hostname': word,
        'failure-reason-code': word,
        'failed-session-count': 1,
      },
    ],
  }));
  const { receive, announced, store } = world();
  const hostile = {
    ...report,
    'organization-name': '__proto__',
    'report-id': '__proto__',
    policies,
  };
  const { receipt } = await receive(signed(mailOf(hostile), org));
  expect(receipt).toMatchObject({
    state: 'counted',
    summary: { organization: '__proto__', reportId: '__proto__', successes: 6, failures: 6 },
  });
  const [sums] = [...store.sums.values()];
  const types = [
    '__proto__',
    'constructor',
    'toString',
    'hasOwnProperty',
    '\u202egpj.exe',
    '\ufffd\ufffd[2J',
  ];
  expect(sums?.policies.map(({ type }) => type)).toEqual(types);
  expect(sums?.failures.map(({ resultType }) => resultType)).toEqual(types);
  expect(announced).toEqual(types);
  const answers = failuresByKind(sums === undefined ? [] : [sums]);
  expect(answers.map(({ resultType }) => resultType).sort()).toEqual(types.toSorted());
  expect(
    formatTable(
      ['type'],
      types.map((type) => [type]),
    ),
  ).not.toMatch(/\p{Bidi_C}/u);
});

describe('about a day', () => {
  const of = (day: string): Buffer => {
    const range = { 'start-datetime': `${day}T00:00:00Z`, 'end-datetime': `${day}T23:59:59Z` };
    return signed(mailOf({ ...report, 'date-range': range }), org);
  };

  test.each([
    ['of tomorrow, by a clock that is fast', '2026-11-25', 'counted', undefined],
    ['to come', '2026-11-26', 'untimely', 'about 2026-11-26, which is to come'],
    ['of another century', '2099-12-31', 'untimely', 'about 2099-12-31, which is to come'],
    ['13 months ago', '2025-10-24', 'counted', undefined],
    ['of before that', '2025-10-22', 'untimely', 'about 2025-10-22, more than 13 months ago'],
    ['of before reports', '2016-04-01', 'untimely', 'about 2016-04-01, more than 13 months ago'],
  ])('%s', async (_what, day, state, reason) => {
    const { receive, store } = world();
    const { receipt } = await receive(of(day));
    expect(receipt.state).toBe(state);
    expect(receipt.reason).toBe(reason);
    expect(receipt.summary?.day).toBe(day);
    expect(store.sums.size).toBe(state === 'counted' ? 1 : 0);
  });
});

describe('what cannot be read', () => {
  test.each([
    [
      'mail without a report',
      Buffer.from('From: a@b.example\r\n\r\nBuy now'),
      'mail',
      'no part of it is a report',
    ],
    ['no JSON in it', mailOf(null, { content: gzipSync('oops') }), 'mail', 'not JSON'],
    [
      'a million entries',
      mailOf(null, { content: gzipSync(`[${'{},'.repeat(1_000_000)}{}]`) }),
      'mail',
      'more than 200000 values',
    ],
    ['posted rubbish', Buffer.from('oops'), 'https', 'not JSON'],
    ['a posted bomb', gzipSync(Buffer.alloc(100_000_000)), 'https', /^unpacks to more than/],
  ] as const)('%s: kept with its reason, once', async (_what, octets, way, reason) => {
    const { receive, store } = world();
    const { receipt } = await receive(octets, { way });
    expect(receipt).toMatchObject({ state: 'unreadable', reason: expect.stringMatching(reason) });
    await receive(octets, { way });
    expect(store.receipts.size).toBe(1);
  });

  test('what no try survived is kept unread', async () => {
    const { store } = world();
    const facts = { way: 'mail', rawKey: 'raw', receivedAtMs: nowMs } as const;
    expect(
      (await receivePoison(facts, { store, announce: () => undefined })).receipt,
    ).toMatchObject({ state: 'unreadable' });
    expect(store.receipts.size).toBe(1);
  });
});

describe('sums', () => {
  const name = fc.stringMatching(/^[a-z]{1,2}$/);
  const detail = fc.record({
    resultType: name,
    sessions: fc.nat(1_000),
    receivingMxHostname: name,
    failureReasonCode: name,
  });
  const policies = fc.array(
    fc.record({
      type: fc.constantFrom('sts', 'tlsa', 'no-policy-found', 'x'),
      domain: fc.constantFrom('a.example', 'b.example'),
      strings: fc.array(fc.constantFrom('mode: testing', 'mode:enforce', 'version: STSv1')),
      mxHosts: fc.array(name),
      successes: fc.nat(1_000),
      failures: fc.nat(1_000),
      details: fc.array(detail, { maxLength: 400 }),
    }),
    { maxLength: 8 },
  );
  const of = (list: ReceivedReport['policies']): ReceivedReport => ({
    organization: 'Org',
    reportId: '1',
    startMs: 0,
    endMs: 0,
    day: '2026-11-23',
    policies: list,
  });
  const total = <T>(list: readonly T[], count: (each: T) => number): number =>
    list.reduce((sum, each) => sum + count(each), 0);

  test('balance, whatever is in a report', () => {
    fc.assert(
      fc.property(policies, (list) => {
        const sums = sumReport(of(list), { id: '1', reporter: 'org.example', way: 'mail' });
        for (const domain of ['a.example', 'b.example']) {
          const expected = list.filter((each) => each.domain === domain);
          const found = sums.filter((each) => each.domain === domain);
          const summed = found.flatMap((each) => each.policies);
          expect(total(summed, ({ successes }) => successes)).toBe(
            total(expected, ({ successes }) => successes),
          );
          expect(total(summed, ({ failures }) => failures)).toBe(
            total(expected, ({ failures }) => failures),
          );
          expect(
            total(
              found.flatMap(({ failures }) => failures),
              ({ sessions }) => sessions,
            ),
          ).toBe(
            total(
              expected.flatMap(({ details }) => details),
              ({ sessions }) => sessions,
            ),
          );
        }
      }),
      { numRuns: 50 },
    );
  });

  test('stay small enough for an item, however many failures are told apart', () => {
    const long = 'x'.repeat(200);
    // Three octets each.
    const wide = '\uffff'.repeat(200);
    const details = Array.from({ length: 10_000 }, (_, at) => ({
      resultType: `${at % 7_000}${wide}`.slice(0, 100),
      sessions: 1,
      receivingMxHostname: `${at}${wide}`.slice(0, 200),
      failureReasonCode: `${at}${wide}`.slice(0, 200),
    }));
    const mxHosts = Array.from({ length: 200 }, (_, at) => `${at}${long}`);
    const many = Array.from({ length: 200 }, (_, at) => ({
      type: `${at}${wide}`.slice(0, 50),
      domain: 'a.example',
      strings: [],
      mxHosts,
      successes: 1,
      failures: 1,
      details: at === 0 ? details : [],
    }));
    const [sums] = sumReport(of(many), { id: '1', reporter: 'org.example', way: 'mail' });
    expect(Buffer.byteLength(JSON.stringify(sums))).toBeLessThan(380_000);
    expect(total(sums?.failures ?? [], ({ sessions }) => sessions)).toBe(10_000);
    expect(total(sums?.policies ?? [], ({ successes }) => successes)).toBe(200);
  });
});
