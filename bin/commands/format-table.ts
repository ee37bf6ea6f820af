/** Tables for people: columns of text under headings. */

/** What a terminal would obey, or would turn round (RFC 6530 §13 and UTS 55 tell of the harm). */
const unprintable = /[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/gu;

/** A text that stays on its line, whoever wrote it. */
export function printable(text: string): string {
  return text.replace(
    unprintable,
    (char) => `\\u{${(char.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}}`,
  );
}

/** Aligned columns; the last one is as long as it is. */
export function formatTable(
  headings: readonly string[],
  rows: readonly (readonly string[])[],
): string {
  const cells = [headings, ...rows.map((row) => row.map(printable))];
  const widths = headings.map((_, column) =>
    Math.max(...cells.map((row) => row[column]?.length ?? 0)),
  );
  return cells
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** Labelled lines, of those that have a value. */
export function formatFacts(
  facts: readonly (readonly [label: string, value: string | undefined])[],
): string {
  const known = facts.filter(([, value]) => value !== undefined);
  const width = Math.max(0, ...known.map(([label]) => label.length));
  return known
    .map(([label, value]) => `${label.padEnd(width)}  ${printable(value ?? '')}`)
    .join('\n');
}

/** A moment to the second, in UTC. */
export function formatTime(time: number | string): string {
  return `${new Date(time).toISOString().slice(0, 19)}Z`;
}

/** Writes values as JSON, one a line; or as the text that is made of them. */
export function print(
  values: readonly unknown[],
  { json, text }: { readonly json: boolean; readonly text: () => string },
): void {
  process.stdout.write(
    json ? values.map((value) => `${JSON.stringify(value)}\n`).join('') : `${text()}\n`,
  );
}
