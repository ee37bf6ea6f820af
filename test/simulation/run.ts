/** `npm run simulate -- --messages N --seed S [--backlog N] [--hours N] [--json]`: prints the books; fails where they do not balance. */
import { parseArgs } from 'node:util';
import { comparedShares, findGrowth } from './backlog.ts';
import { quantile } from './books.ts';
import { addUp, commandFor, runWorlds, splitRun, type WorldOptions } from './run-worlds.ts';
import type { SimulationResult } from './simulate.ts';

const { values } = parseArgs({
  options: {
    messages: { type: 'string', default: '10000' },
    seed: { type: 'string' },
    backlog: { type: 'string', default: '0' },
    hours: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});

const options: WorldOptions = {
  messages: readCount(values.messages),
  backlog: readCount(values.backlog),
  seed: values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : readCount(values.seed),
  ...(values.hours !== undefined && { hours: readCount(values.hours) }),
};
const begunMs = performance.now();
const worlds = splitRun(options);
const results = await runWorlds(worlds);
const seconds = (performance.now() - begunMs) / 1_000;
const [without, backlogged] = results;
const isCompared = options.backlog !== undefined && options.backlog > 0;
const growth =
  isCompared && without && backlogged
    ? findGrowth(without.delaysSeconds, backlogged.delaysSeconds)
    : [];
const measured = { worlds: worlds.length, seconds };
const books =
  isCompared && without && backlogged
    ? { ...describe(backlogged, measured), ...describeDelays(without, 'without the backlog: ') }
    : describe(addUp(results), measured);
process.stdout.write(values.json ? `${JSON.stringify(books)}\n` : format(books));
for (const [index, world] of worlds.entries()) {
  const { violations = [] } = results[index] ?? {};
  if (violations.length > 0) {
    process.stderr.write(violations.map((violation) => `  ! ${violation}\n`).join(''));
    process.stderr.write(`the books do not balance; replay: ${commandFor(world)}\n`);
    process.exitCode = 1;
  }
}

if (growth.length > 0) {
  process.stderr.write(growth.map((grown) => `  ! ${grown}\n`).join(''));
  process.exitCode = 1;
}

function readCount(text: string): number {
  const count = Number(text);
  if (!Number.isSafeInteger(count) || count < 0) {
    process.stderr.write(`not a whole number: ${text}\n`);
    process.exit(64);
  }
  return count;
}

function describe(
  { awsCalls, delaysSeconds, violations: _violations, ...facts }: SimulationResult,
  measured: { readonly worlds: number; readonly seconds: number },
): Readonly<Record<string, number | string>> {
  return {
    ...facts,
    ...describeDelays({ delaysSeconds }),
    ...awsCalls,
    ...measured,
    residentMbMax: process.resourceUsage().maxRSS / 1_024,
  };
}

function describeDelays(
  { delaysSeconds }: Pick<SimulationResult, 'delaysSeconds'>,
  prefix = '',
): Readonly<Record<string, number>> {
  return Object.fromEntries(
    comparedShares.map((share) => [
      `${prefix}p${share * 100}DelaySeconds`,
      quantile(delaysSeconds, share),
    ]),
  );
}

function format(books: Readonly<Record<string, number | string>>): string {
  const rows = Object.entries(books);
  const width = Math.max(...rows.map(([name]) => name.length));
  const lines = rows.map(
    ([name, value]) =>
      `  ${name.padEnd(width)}  ${typeof value === 'number' ? Number(value.toFixed(2)).toLocaleString('en-US') : value}\n`,
  );
  return `the books\n${lines.join('')}`;
}
