/**
 * How much a JSON text holds, found out before it is parsed: ten megabytes of `[],[],[]…` would become a hundred times
 * the memory that they take as text.
 */

/** What a text may hold. */
export interface JsonLimits {
  /** Objects, arrays and what is in them. */
  readonly valuesMax: number;
  readonly depthMax: number;
}

const quote = 0x22;
const backslash = 0x5c;
const comma = 0x2c;
const openBracket = 0x5b;
const closeBracket = 0x5d;
const openBrace = 0x7b;
const closeBrace = 0x7d;

/**
 * Why a text, in UTF-8, is more than it may be; undefined for one within the limits. It need not be JSON: whether it is,
 * the parser says. One pass, without a copy, given up at the first value too many.
 *
 * @example
 * jsonExcess(Buffer.from('[[1,2]]'), { valuesMax: 9, depthMax: 1 }); // 'deeper than 1'
 */
export function jsonExcess(text: Uint8Array, limits: JsonLimits): string | undefined {
  let values = 1;
  let depth = 0;
  let quoted = false;
  for (let at = 0; at < text.length; at += 1) {
    const octet = text[at];
    if (quoted) {
      if (octet === backslash) {
        at += 1;
      } else if (octet === quote) {
        quoted = false;
      }
      continue;
    }
    if (octet === quote) {
      quoted = true;
    } else if (octet === comma) {
      values += 1;
    } else if (octet === openBracket || octet === openBrace) {
      // Even an empty one takes memory, so the value that may be in it is counted too.
      values += 1;
      depth += 1;
    } else if (octet === closeBracket || octet === closeBrace) {
      depth -= 1;
    }
    if (values > limits.valuesMax) {
      return `more than ${limits.valuesMax} values`;
    }
    if (depth > limits.depthMax) {
      return `deeper than ${limits.depthMax}`;
    }
  }
  return undefined;
}
