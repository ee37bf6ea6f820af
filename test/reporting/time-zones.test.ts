/** Days of reports are UTC's (RFC 8460 §4.1), wherever the machine is and whatever its clocks do that day. */
import { gzipSync } from 'node:zlib';
import { afterEach, expect, test, vi } from 'vitest';
import { readReport } from '../../functions/protocol/tlsrpt/read-report.ts';
import {
  buildReport,
  dayRange,
  reportFileName,
  utcDay,
} from '../../functions/protocol/tlsrpt/report.ts';
import { composeReportMail } from '../../functions/protocol/tlsrpt/report-mail.ts';
import { daysBefore } from '../../functions/reporting/check-reports.ts';
import { planReports } from '../../functions/reporting/plan-reports.ts';
import { createMemoryReports } from './memory-reports.ts';

afterEach(() => {
  vi.unstubAllEnvs();
});

/** Zones, a day on which their clocks change, and what they are off UTC at its UTC noon, in minutes. */
const zones = [
  ['UTC', '2026-03-29', 0],
  ['Europe/Berlin', '2026-03-29', -120],
  ['Europe/Berlin', '2026-10-25', -60],
  ['America/New_York', '2026-03-08', 240],
  ['Australia/Lord_Howe', '2026-04-05', -630],
  ['Pacific/Kiritimati', '2026-11-23', -840],
  ['Pacific/Pago_Pago', '2026-11-23', 660],
] as const;

test.each(zones)('in %s on %s', async (zone, day, offset) => {
  vi.stubEnv('TZ', zone);
  const noon = Date.parse(`${day}T12:00:00Z`);
  expect(new Date(noon).getTimezoneOffset()).toBe(offset);
  const { startMs, endMs } = dayRange(day);
  expect([startMs, endMs]).toEqual([noon - 43_200_000, noon + 43_200_000]);
  expect([startMs - 1, startMs, endMs - 1, endMs].map(utcDay)).toEqual([
    daysBefore(day, 1),
    day,
    day,
    daysBefore(day, -1),
  ]);
  const report = buildReport({
    organizationName: 'Sender',
    contactInfo: 'tls@sender.example',
    reportId: '1@sender.example',
    day,
    policies: [],
  });
  expect(report['date-range']).toEqual({
    'start-datetime': `${day}T00:00:00Z`,
    'end-datetime': `${day}T23:59:59Z`,
  });
  const names = { submitter: 'sender.example', policyDomain: 'a.example', day, uniqueId: '1' };
  expect(reportFileName(names)).toContain(`!${startMs / 1_000}!${endMs / 1_000 - 1}!`);
  const mail = composeReportMail({
    from: 'tls@sender.example',
    to: 'r@a.example',
    policyDomain: 'a.example',
    reportId: '1@sender.example',
    fileName: reportFileName(names),
    gzip: gzipSync('{}'),
    nowMs: noon,
  });
  expect(/^Date: (.*)$/m.exec(Buffer.from(mail).toString('latin1'))?.[1]).toMatch(
    / 12:00:00 \+0000$/,
  );
  for (const time of [day, `${day}T00:00:00`, `${day} 02:30:00`]) {
    const range = { 'start-datetime': time };
    expect(
      readReport(Buffer.from(JSON.stringify({ 'date-range': range, policies: [] }))),
    ).toMatchObject({
      report: { day },
    });
  }
});

test.each(zones)(
  'the reports of a day are planned half an hour after its end, in %s on %s',
  async (zone, day) => {
    vi.stubEnv('TZ', zone);
    const stores = createMemoryReports(50);
    const domains = Array.from({ length: 20 }, (_, at) => `d${at}.example`);
    await stores.results.write(
      domains.map((domain) => ({ id: domain, day, domain, policies: [] })),
    );
    const { endMs } = dayRange(day);
    expect(await planReports(stores, endMs + 29 * 60_000)).toBe(0);
    for (let minute = 30; minute <= 270; minute += 15) {
      await planReports(stores, endMs + minute * 60_000);
    }
    expect(stores.jobs.map(({ job }) => job.day)).toEqual(domains.map(() => day));
  },
);
