/**
 * Text patterns of tagging rules: whole, without case and in NFC on both sides, in time that is linear in the text.
 *
 * Regular expressions run on RE2, which never backtracks; the size of its program and the length of the text are
 * bounded on top, so that neither a rule nor a message can hold the function up.
 */
import { RE2JS } from 're2js';
import type { TextPattern } from '../environment.ts';
import { addressPatternForms } from './address-forms.ts';

/** Longest text that is compared, chars: four times a line's length (RFC 5322 §2.1.1). */
export const comparedCharsMax = 4_096;

/** Instructions of a compiled expression. `{n,m}` multiplies them; ten times this take seconds to match. */
const programSizeMax = 500;

/** `in-doubt`: the text is too long to be compared. */
export type PatternVerdict = 'yes' | 'no' | 'in-doubt';

/** Compares a text with a pattern. */
export type ComparePattern = (text: string) => PatternVerdict;

/**
 * Makes the comparison of a pattern.
 *
 * @throws {SyntaxError} an expression that RE2 does not take, or that is too large; the message says why.
 */
export function compilePattern(pattern: TextPattern): ComparePattern {
  const matches = compile(pattern);
  return (text) => {
    if (text.length > comparedCharsMax) {
      return 'in-doubt';
    }
    return matches(text.normalize('NFC')) ? 'yes' : 'no';
  };
}

/**
 * Makes the comparison of a pattern for addresses with the forms of an address (`addressForms`). It need match one form
 * only: whether a domain is written in A-labels or U-labels, here or there, changes nothing. An expression is compared as
 * it is.
 *
 * @throws {SyntaxError} as {@link compilePattern}
 */
export function compileAddressPattern(pattern: TextPattern): ComparePattern {
  const compares = addressPatterns(pattern).map(compilePattern);
  return (form) => strongest(compares.map((compare) => compare(form)));
}

function addressPatterns(pattern: TextPattern): TextPattern[] {
  if ('equals' in pattern) {
    return addressPatternForms(pattern.equals).map((equals) => ({ equals }));
  }
  return 'glob' in pattern
    ? addressPatternForms(pattern.glob).map((glob) => ({ glob }))
    : [pattern];
}

/** Of comparisons one of which is enough. */
export function strongest(verdicts: readonly PatternVerdict[]): PatternVerdict {
  if (verdicts.includes('yes')) {
    return 'yes';
  }
  return verdicts.includes('in-doubt') ? 'in-doubt' : 'no';
}

/** Why a pattern cannot be used; undefined for one that can. */
export function patternFault(pattern: TextPattern): string | undefined {
  try {
    compilePattern(pattern);
    return undefined;
  } catch (error) {
    if (error instanceof SyntaxError) {
      return error.message;
    }
    throw error;
  }
}

function compile(pattern: TextPattern): (text: string) => boolean {
  if ('equals' in pattern) {
    const wanted = pattern.equals.normalize('NFC').toLowerCase();
    return (text) => text.toLowerCase() === wanted;
  }
  if ('glob' in pattern) {
    const glob = [...pattern.glob.normalize('NFC').toLowerCase()];
    return (text) => globMatches(glob, [...text.toLowerCase()]);
  }
  const expression = compileExpression(pattern.regex.normalize('NFC'));
  return (text) => expression.matches(text);
}

function compileExpression(regex: string): RE2JS {
  let expression: RE2JS;
  try {
    expression = RE2JS.compile(regex, RE2JS.CASE_INSENSITIVE | RE2JS.DOTALL);
  } catch (cause) {
    const detail = cause instanceof Error ? cause.message : String(cause);
    throw new SyntaxError(`not an RE2 expression: ${detail}`, { cause });
  }
  if (expression.programSize() > programSizeMax) {
    throw new SyntaxError(
      `too large an expression: ${expression.programSize()} instructions, ${programSizeMax} are taken. Use smaller repeat counts`,
    );
  }
  return expression;
}

/**
 * `*` stands for any characters, `?` for one. Only the last `*` is ever gone back to, so that the steps are at most
 * pattern times text.
 */
function globMatches(glob: readonly string[], text: readonly string[]): boolean {
  let at = 0;
  let star = -1;
  let resume = 0;
  for (let place = 0; place < text.length; ) {
    if (glob[at] === '*') {
      star = at;
      resume = place;
      at += 1;
    } else if (at < glob.length && (glob[at] === '?' || glob[at] === text[place])) {
      at += 1;
      place += 1;
    } else if (star >= 0) {
      resume += 1;
      place = resume;
      at = star + 1;
    } else {
      return false;
    }
  }
  return glob.slice(at).every((char) => char === '*');
}
