/** `npm run bench -- NAME [--json]`: what things cost on this machine. Nothing passes or fails by it. */
import { parseArgs } from 'node:util';
import { benchDelivery } from './delivery.ts';
import { benchDns } from './dns.ts';
import { benchHostile } from './hostile.ts';
import { formatReport, type Report } from './report.ts';

const benchmarks: Readonly<Record<string, () => Promise<Report>>> = {
  delivery: benchDelivery,
  dns: benchDns,
  hostile: benchHostile,
};

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { json: { type: 'boolean', default: false } },
});
const names = positionals.length === 0 ? Object.keys(benchmarks) : positionals;
const unknown = names.filter((name) => !Object.hasOwn(benchmarks, name));
if (unknown.length > 0) {
  process.stderr.write(
    `no such benchmark: ${unknown.join(', ')}; there are ${Object.keys(benchmarks).join(', ')}\n`,
  );
  process.exitCode = 64;
} else {
  for (const name of names) {
    const report = await benchmarks[name]?.();
    if (report !== undefined) {
      process.stdout.write(values.json ? `${JSON.stringify(report)}\n` : formatReport(report));
    }
  }
}
