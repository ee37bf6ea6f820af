/** Builds all reports of a day in a process of its own, whose memory is limited as a function's is. */
import { randomUUID } from 'node:crypto';
import type { ReportSettings } from '../../functions/environment.ts';
import { buildDomainReport } from '../../functions/reporting/freeze-report.ts';
import { cpuSecondsSince } from './report.ts';
import { type DaySize, day, domainOf, itemsOf, readDay } from './tlsrpt-day.ts';

const reportSettings: ReportSettings = {
  organizationName: 'Sender',
  contactInfo: 'tls@sender.example',
  onlyFailures: false,
  destinations: [],
};

/** How far it was, and the most memory that the process had taken by then. */
export interface Progress {
  readonly domains: number;
  readonly items: number;
  readonly peakBytes: number;
}

/** The answer to a size. */
export interface Built {
  readonly progress: readonly Progress[];
  readonly seconds: number;
  readonly cpuSeconds: number;
  /** Of those, for the domain with half of all sessions. */
  readonly largestSeconds: number;
  readonly gzipBytes: number;
}

async function build(size: DaySize): Promise<Built> {
  const results = readDay(size);
  const ports = {
    results,
    lookUpRecord: async () => ({ kind: 'none', reason: 'never asked' }) as const,
    suppressed: new Set<string>(),
    settings: reportSettings,
    newId: randomUUID,
  };
  const nowMs = Date.parse(`${day}T00:00:00Z`) + 86_400_000;
  const marks = new Set(
    [0, 0.1, 0.5, 1].map((part) => Math.max(1, Math.round(size.domains * part))),
  );
  const progress: Progress[] = [];
  const begun = process.cpuUsage();
  const begunMs = performance.now();
  let largestSeconds = 0;
  let gzipBytes = 0;
  let items = 0;
  for (let rank = 0; rank < size.domains; rank += 1) {
    const job = { day, domain: domainOf(rank) };
    const built = await buildDomainReport(job, ports, { nowMs, deadlineMs: nowMs });
    if (built.kind !== 'report') {
      throw new Error(`${job.domain}: ${built.reason}`);
    }
    gzipBytes += built.report.parts.reduce((sum, { gzip }) => sum + gzip.length, 0);
    items += itemsOf(rank, size);
    if (rank === 0) {
      largestSeconds = (performance.now() - begunMs) / 1_000;
    }
    if (marks.has(rank + 1)) {
      const peakBytes = process.resourceUsage().maxRSS * 1_024;
      progress.push({ domains: rank + 1, items, peakBytes });
    }
  }
  const seconds = (performance.now() - begunMs) / 1_000;
  return { progress, seconds, cpuSeconds: cpuSecondsSince(begun), largestSeconds, gzipBytes };
}

process.once('message', (size: DaySize) => {
  void build(size).then((built) => process.send?.(built));
});
