/** Tagging rules as data: one schema for the config, the run-time table, the API and the command line. */
import * as z from 'zod';
import type { TaggingRule, TextPattern } from '../environment.ts';

/** Longest pattern, chars. An RE2 expression of this length compiles in bounded time and memory. */
const patternCharsMax = 500;

const patternText = z.string().max(patternCharsMax);

/** Whether an expression is one that RE2 takes is for whoever adds a rule to check (`patternFault`). */
const textPatternSchema: z.ZodType<TextPattern> = z.union(
  [
    z.strictObject({ equals: patternText.describe('The whole text, literally; without case.') }),
    z.strictObject({
      glob: patternText.describe(
        'The whole text, with "*" for any characters and "?" for one; without case.',
      ),
    }),
    z.strictObject({
      regex: patternText
        .min(1)
        .describe('An RE2 expression that matches the whole text; without case.'),
    }),
  ],
  { error: 'not a pattern. Use one of {"equals": …}, {"glob": …} and {"regex": …}, 500 chars' },
);

/** RFC 5322 §2.2: printable ASCII but the colon. */
const fieldName = z.string().regex(/^[\x21-\x39\x3b-\x7e]{1,100}$/, {
  error: 'not the name of a header field',
});

const headerMatchSchema = z.strictObject({
  field: fieldName.describe('The name of a header field, like "Subject".'),
  value: textPatternSchema.describe('What its value must be, unfolded and not decoded.'),
});

const matchSchema = z.strictObject({
  sender: textPatternSchema
    .exactOptional()
    .describe(
      'The envelope sender, its domain in A-labels or U-labels; {"equals": ""} is the null reverse-path.',
    ),
  recipient: textPatternSchema
    .exactOptional()
    .describe(
      'A recipient, without the address tag, its domain in A-labels or U-labels; one that matches speaks for all.',
    ),
  header: headerMatchSchema.exactOptional().describe('A header field; one that matches is enough.'),
  bytesMin: z.int().min(0).exactOptional().describe('The least size, octets as handed in.'),
  bytesMax: z.int().min(0).exactOptional().describe('The largest size, octets as handed in.'),
});

/** A rule as written down. */
export const taggingRuleSchema: z.ZodType<TaggingRule> = z.strictObject({
  name: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, {
      error: 'a name has letters, digits, ".", "_" and "-", 64 at most',
    })
    .describe('Its name, which reasons and records give; like "payroll".'),
  match: matchSchema.describe('What must hold, all of it; {} matches every message.'),
  action: z
    .enum(['require', 'optional', 'leave'])
    .describe(
      'require: REQUIRETLS (RFC 8689); optional: as with TLS-Required: No; leave: no rule that follows is asked.',
    ),
});
