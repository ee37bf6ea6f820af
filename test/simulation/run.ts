/** `npm run simulate -- --messages N --seed S [--backlog N] [--hours N] [--json]`: prints the books; fails where they do not balance. */
import { parseArgs } from 'node:util';
import { type SimulationResult, simulate } from './simulate.ts';

const { values } = parseArgs({
  options: {
    messages: { type: 'string', default: '10000' },
    seed: { type: 'string' },
    backlog: { type: 'string', default: '0' },
    hours: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});

const seed =
  values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : readCount(values.seed);
const options = {
  messages: readCount(values.messages),
  backlog: readCount(values.backlog),
  seed,
  ...(values.hours !== undefined && { hours: readCount(values.hours) }),
};
const begunMs = performance.now();
const result = await simulate(options);
const seconds = (performance.now() - begunMs) / 1_000;
process.stdout.write(
  values.json ? `${JSON.stringify({ ...result, seconds })}\n` : format(result, seconds),
);
if (result.violations.length > 0) {
  const backlog = options.backlog === 0 ? '' : ` --backlog ${options.backlog}`;
  const hours = options.hours === undefined ? '' : ` --hours ${options.hours}`;
  process.stderr.write(
    `the books do not balance; replay: npm run simulate -- --messages ${options.messages} --seed ${seed}${backlog}${hours}\n`,
  );
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

function format({ violations, awsCalls, ...facts }: SimulationResult, tookSeconds: number): string {
  const rows = Object.entries({ ...facts, ...awsCalls, seconds: tookSeconds });
  const width = Math.max(...rows.map(([name]) => name.length));
  const lines = rows.map(
    ([name, value]) =>
      `  ${name.padEnd(width)}  ${typeof value === 'number' ? Number(value.toFixed(2)).toLocaleString('en-US') : value}\n`,
  );
  const complaints = violations.map((violation) => `  ! ${violation}\n`);
  return `the books\n${lines.join('')}${complaints.join('')}`;
}
