/** JSON with comments: the format of the config file, so that the shipped example can explain itself. */

/**
 * Parses JSON in which line and block comments and a comma behind the last entry are allowed.
 *
 * Comments are blanked, not cut out, so that the position in a syntax error is that of the file.
 *
 * @throws {SyntaxError} as JSON.parse does.
 */
export function parseJsonc(text: string): unknown {
  const tokens = /"(?:[^"\\\n]|\\.)*"|\/\/[^\n]*|\/\*[\s\S]*?\*\//g;
  const bare = text.replace(tokens, (token) => (token.startsWith('"') ? token : blank(token)));
  // Strings are matched here once more so that a comma inside one is left alone.
  const strict = bare.replace(/"(?:[^"\\\n]|\\.)*"|(?<=["\w\]}]\s*),(?=\s*[}\]])/g, (token) =>
    token === ',' ? ' ' : token,
  );
  return JSON.parse(strict);
}

/** Spaces in place of a comment, its line ends kept. */
function blank(comment: string): string {
  return comment.replace(/[^\n]/g, ' ');
}
