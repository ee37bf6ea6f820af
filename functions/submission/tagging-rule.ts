/** Tagging rules as data: one schema for the config, the run-time table, the API and the command line. */
import * as z from 'zod';
import type { TaggingRule, TextPattern } from '../environment.ts';

/** Longest pattern, chars. An RE2 expression of this length compiles in bounded time and memory. */
const patternCharsMax = 500;

const patternText = z.string().max(patternCharsMax);

const textPatternSchema: z.ZodType<TextPattern> = z.union([
  z.strictObject({ equals: patternText }),
  z.strictObject({ glob: patternText }),
  z.strictObject({ regex: patternText.min(1) }),
]);

/** RFC 5322 §2.2: printable ASCII but the colon. */
const fieldName = z.string().regex(/^[\x21-\x39\x3b-\x7e]{1,100}$/, {
  error: 'not the name of a header field',
});

/** A rule as written down. */
export const taggingRuleSchema: z.ZodType<TaggingRule> = z.strictObject({
  name: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, {
    error: 'a name has letters, digits, ".", "_" and "-", 64 at most',
  }),
  match: z.strictObject({
    sender: textPatternSchema.exactOptional(),
    recipient: textPatternSchema.exactOptional(),
    header: z.strictObject({ field: fieldName, value: textPatternSchema }).exactOptional(),
    bytesMin: z.int().min(0).exactOptional(),
    bytesMax: z.int().min(0).exactOptional(),
  }),
  action: z.enum(['require', 'optional', 'leave']),
});
