/** What every store of received reports holds to. */
import { expect, test } from 'vitest';
import type {
  Receipt,
  ReceiptReader,
  ReceiptStore,
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
export function testReceiptStore(create: () => Promise<ReceiptStore & ReceiptReader>): void {
  test('the first of an id is kept; it may come again, and another is a duplicate', async () => {
    const store = await create();
    expect(await store.keep(receipt())).toBe('kept');
    expect(await store.keep(receipt())).toBe('again');
    expect(await store.keep(receipt({ rawKey: 'received/mail/2' }))).toBe('duplicate');
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
    expect(await store.noteFailure('a.example', 'certificate-expired', '2026-11-23')).toBe(true);
    expect(await store.noteFailure('a.example', 'certificate-expired', '2026-11-23')).toBe(false);
    expect(await store.noteFailure('a.example', 'certificate-expired', '2026-11-24')).toBe(false);
    expect(await store.noteFailure('a.example', 'certificate-expired', '2026-11-20')).toBe(false);
    expect(await store.noteFailure('b.example', 'certificate-expired', '2026-11-23')).toBe(true);
  });
}
