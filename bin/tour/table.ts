/** The tour's table: scenario, what was expected to happen, what happened, why. */

export interface TourRow {
  readonly scenario: string;
  readonly expected: string;
  readonly happened: string;
  readonly why: string;
  /** Empty where all was as expected. */
  readonly differences: readonly string[];
}

const headings = ['scenario', 'expected', 'happened', 'why'] as const;

/** Wide enough to tell; a terminal wraps the last column itself. */
const whyCharsMax = 110;

/** Formats the rows with a mark each; what differs stands below its row. */
export function formatTable(rows: readonly TourRow[]): string {
  const cells = rows.map(({ scenario, expected, happened, why }) => [
    scenario,
    expected,
    happened,
    why.length > whyCharsMax ? `${why.slice(0, whyCharsMax - 1)}…` : why,
  ]);
  const widths = headings.map((heading, column) =>
    column === headings.length - 1
      ? 0
      : Math.max(heading.length, ...cells.map((row) => row[column]?.length ?? 0)),
  );
  const line = (mark: string, row: readonly string[]): string =>
    `${mark} ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')}`.trimEnd();
  const body = rows.flatMap(({ differences }, index) => [
    line(differences.length === 0 ? '✓' : '✗', cells[index] ?? []),
    ...differences.map((difference) => `    ${difference}`),
  ]);
  return [line(' ', headings), ...body].join('\n');
}

/** `delivered 2.0.0`, or each outcome once where they differ. */
export function summarizeOutcomes(
  recipients: readonly { readonly outcome: string; readonly status: string }[],
): string {
  const outcomes = recipients.map(({ outcome, status }) => `${outcome} ${status}`);
  return [...new Set(outcomes)].sort().join(', ') || 'nothing';
}
