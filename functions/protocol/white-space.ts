/**
 * ABNF's WSP: space and tab (RFC 5234 §B.1), which is less than `String.prototype.trim` takes off.
 *
 * Loops, not `/[ \t]+$/`: over a long run of blanks that does not end the text such a pattern takes quadratic time.
 */

/** Takes WSP off the beginning. */
export function trimWspStart(text: string): string {
  let start = 0;
  while (isWsp(text[start])) {
    start += 1;
  }
  return text.slice(start);
}

/** Takes WSP off the end. */
export function trimWspEnd(text: string): string {
  let end = text.length;
  while (isWsp(text[end - 1])) {
    end -= 1;
  }
  return text.slice(0, end);
}

/** Takes WSP off both ends. */
export function trimWsp(text: string): string {
  return trimWspStart(trimWspEnd(text));
}

function isWsp(char: string | undefined): boolean {
  return char === ' ' || char === '\t';
}
