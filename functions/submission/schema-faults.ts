/** What a schema found wrong with something that came in over HTTP, in the words of a problem document (RFC 9457). */
import type * as z from 'zod';
import type { FieldFault } from '../protocol/problem.ts';

/** Faults found in one request, however many it has. */
const faultsMax = 100;

/**
 * The faults, field by field. A rule of ours brings its remedy along.
 *
 * @param known The fields that may stand at the top, named to whoever wrote another.
 */
export function schemaFaults(error: z.ZodError, known: readonly string[] = []): FieldFault[] {
  return error.issues.slice(0, faultsMax).flatMap((issue) => {
    const path = issue.path.map(String);
    if (issue.code !== 'unrecognized_keys') {
      return [{ field: fieldName(path), fault: issue.message }];
    }
    const isAtTop = path.length === 0 && known.length > 0;
    const fault = `no such field: ${isAtTop ? `remove it, or use ${known.join(', ')}` : 'remove it'}`;
    return issue.keys
      .slice(0, faultsMax)
      .map((key) => ({ field: fieldName([...path, key]), fault }));
  });
}

/** Names come from outside: bounded, and without what a terminal would obey. */
function fieldName(path: readonly string[]): string {
  const name = path.join('.').replace(/[^\x20-\x7e]+/g, '?');
  return name === '' ? '(body)' : name.slice(0, 200);
}
