/** What every store of received reports holds to. */
import { expect, test } from 'vitest';
import type {
  FailureSighting,
  Receipt,
  ReceiptReader,
  ReceiptStore,
  ShareMemory,
} from '../../../functions/reporting/receive-ports.ts';
import type { ReportSums } from '../../../functions/reporting/report-sums.ts';

const receipt = (over: Partial<Receipt> = {}): Receipt => ({
  id: 'a'.repeat(32),
  state: 'counted',
  way: 'mail',
  receivedAtMs: Date.parse('2026-11-24T01:02:03Z'),
  rawKey: 'received/mail/1',
  deviations: ['mail: no TLS-Report-Domain'],
  summary: {
    organization: 'Org',
    submitter: 'org.example',
    reportId: 'id-1',
    day: '2026-11-23',
    startMs: 1,
    endMs: 2,
    domains: ['a.example'],
    successes: 3,
    failures: 1,
  },
  ...over,
});

const sums = (over: Partial<ReportSums> = {}): ReportSums => ({
  id: 'a'.repeat(32),
  domain: 'a.example',
  day: '2026-11-23',
  reporter: 'org.example',
  organization: 'Org',
  way: 'mail',
  policies: [{ type: 'sts', mode: 'testing', mxHosts: ['mx'], successes: 3, failures: 1 }],
  failures: [
    {
      policyType: 'sts',
      resultType: 'certificate-expired',
      mxHost: 'mx',
      reason: 'x',
      sessions: 1,
    },
  ],
  ...over,
});

async function collect<T>(portions: AsyncIterable<readonly T[]>): Promise<T[]> {
  const all: T[] = [];
  for await (const portion of portions) {
    all.push(...portion);
  }
  return all;
}

/** `create` gives an empty store. */
export function testReceiptStore(
  create: () => Promise<ReceiptStore & ReceiptReader & ShareMemory>,
): void {
  test('the first of an id is kept; it may come again until it is settled, and another is a duplicate', async () => {
    const store = await create();
    const other = receipt({ rawKey: 'received/mail/2' });
    expect(await store.settle(receipt().id)).toBe(false);
    expect(await store.keep(receipt())).toBe('open');
    expect(await store.keep(receipt())).toBe('open');
    expect(await store.keep(other)).toBe('duplicate');
    expect(await store.settle(receipt().id)).toBe(true);
    expect(await store.settle(receipt().id)).toBe(false);
    expect(await store.keep(receipt())).toBe('settled');
    expect(await store.keep(other)).toBe('duplicate');
    expect(await store.read(receipt().id)).toEqual(receipt());
    expect(await store.read('b'.repeat(32))).toBeUndefined();
  });

  test('a day lists what came on it, oldest first, each once', async () => {
    const store = await create();
    const { summary: _summary, ...bare } = receipt();
    const late = { ...bare, id: 'b'.repeat(32), receivedAtMs: bare.receivedAtMs + 1 };
    const unreadable: Receipt = { ...late, state: 'unreadable', reason: 'not JSON' };
    await store.keep(unreadable);
    await store.keep(receipt());
    await store.keep(receipt());
    await store.keep(receipt({ id: 'c'.repeat(32), receivedAtMs: Date.parse('2026-11-25') }));
    expect(await collect(store.receivedOn('2026-11-24'))).toEqual([receipt(), unreadable]);
  });

  test('sums of a domain are had by their days, written once or again', async () => {
    const store = await create();
    const days = ['2026-11-21', '2026-11-22', '2026-11-23', '2026-11-24'];
    await store.writeSums(days.map((day) => sums({ day })));
    await store.writeSums([sums(), sums({ domain: 'b.example' }), sums({ reporter: 'z.example' })]);
    const found = await collect(store.sumsOf('a.example', '2026-11-22', '2026-11-23'));
    expect(found.map(({ day, reporter }) => `${day} ${reporter}`).sort()).toEqual([
      '2026-11-22 org.example',
      '2026-11-23 org.example',
      '2026-11-23 z.example',
    ]);
    expect(found).toContainEqual(sums());
  });

  test('a type of failure is new once for each domain', async () => {
    const store = await create();
    const note = (id: string, over: Partial<FailureSighting> = {}): Promise<boolean> =>
      store.noteFailure({
        domain: 'a.example',
        resultType: 'certificate-expired',
        day: '2026-11-23',
        id,
        ...over,
      });
    expect(await note('1')).toBe(true);
    expect(await note('2')).toBe(false);
    expect(await note('3', { day: '2026-11-24' })).toBe(false);
    expect(await note('4', { day: '2026-11-20' })).toBe(false);
    expect(await note('5', { domain: 'b.example' })).toBe(true);
    // The first may have died before it told of it.
    expect(await note('1')).toBe(true);
    // 396 days after the 24th, which is the last that was noted, and one more.
    expect(await note('6', { day: '2027-12-25' })).toBe(false);
    expect(await note('7', { day: '2029-01-25' })).toBe(true);
    expect(await note('1', { day: '2029-01-25' })).toBe(false);
  });

  test('what the operator was told of a domain is remembered', async () => {
    const store = await create();
    await store.noteShare('a.example', '2026-11-23', 'sts');
    await store.noteShare('a.example', '2026-11-23', 'sts');
    await store.noteShare('a.example', '2026-11-22', '');
    await store.noteShare('b.example', '2026-11-21', 'tlsa');
    expect([...(await store.toldShares('a.example'))].sort()).toEqual([
      '2026-11-22#',
      '2026-11-23#sts',
    ]);
  });
}
