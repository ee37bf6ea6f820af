/** What a benchmark says: numbers with their units, for people or for programs. */

export interface Measurement {
  readonly what: string;
  readonly value: number;
  readonly unit: string;
  /** What the number is to be held against. */
  readonly note?: string;
}

export interface Report {
  readonly benchmark: string;
  readonly measurements: readonly Measurement[];
}

/** A line each, values right-aligned. */
export function formatReport({ benchmark, measurements }: Report): string {
  const values = measurements.map(({ value }) => formatValue(value));
  const whatWidth = Math.max(...measurements.map(({ what }) => what.length));
  const valueWidth = Math.max(...values.map((value) => value.length));
  const lines = measurements.map(
    ({ what, unit, note }, index) =>
      `  ${what.padEnd(whatWidth)}  ${(values[index] ?? '').padStart(valueWidth)} ${unit}${note === undefined ? '' : `  (${note})`}\n`,
  );
  return `${benchmark}\n${lines.join('')}`;
}

function formatValue(value: number): string {
  return value >= 100
    ? Math.round(value).toLocaleString('en-US')
    : String(Number(value.toPrecision(3)));
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2;
}

/** CPU seconds of this process, all of its threads, since `begun`. */
export function cpuSecondsSince(begun: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(begun);
  return (user + system) / 1e6;
}
