/**
 * `npm run bench -- NAME [--json] [--domains N] [--sessions N]`: what things cost on this machine. Nothing passes or fails by
 * it. The numbers are those of the day that `tlsrpt` reports.
 */
import { parseArgs } from 'node:util';
import { benchDelivery } from './delivery.ts';
import { benchDns } from './dns.ts';
import { benchHostile } from './hostile.ts';
import { formatReport, type Report } from './report.ts';
import { benchTlsrpt } from './tlsrpt.ts';
import type { DaySize } from './tlsrpt-day.ts';

const benchmarks: Readonly<Record<string, (size: DaySize) => Promise<Report>>> = {
  delivery: benchDelivery,
  dns: benchDns,
  hostile: benchHostile,
  tlsrpt: benchTlsrpt,
};

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'boolean', default: false },
    domains: { type: 'string', default: '100000' },
    sessions: { type: 'string', default: '10000000' },
  },
});
const size = { domains: Number(values.domains), sessions: Number(values.sessions) };
const names = positionals.length === 0 ? Object.keys(benchmarks) : positionals;
const unknown = names.filter((name) => !Object.hasOwn(benchmarks, name));
if (unknown.length > 0) {
  process.stderr.write(
    `no such benchmark: ${unknown.join(', ')}; there are ${Object.keys(benchmarks).join(', ')}\n`,
  );
  process.exitCode = 64;
} else if (!Object.values(size).every((count) => Number.isSafeInteger(count) && count > 0)) {
  process.stderr.write('--domains and --sessions take whole numbers from 1\n');
  process.exitCode = 64;
} else {
  for (const name of names) {
    const report = await benchmarks[name]?.(size);
    if (report !== undefined) {
      process.stdout.write(values.json ? `${JSON.stringify(report)}\n` : formatReport(report));
    }
  }
}
