/**
 * What the TXT records of MTA-STS and TLSRPT have in common: a version, then fields behind semicolons.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc8461.html#section-3.1 RFC 8461 §3.1}
 * @see {@link https://www.rfc-editor.org/rfc/rfc8460.html#section-3 RFC 8460 §3}
 */
import { trimWsp, trimWspEnd, trimWspStart } from './white-space.ts';

/** The one text that counts among the TXT records at a name, or why there is none. */
export type TextSelection =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'none'; readonly reason: string };

/**
 * Selects the record of a version (like `v=STSv1`). Each text is one record with its character-strings joined without a
 * separator.
 */
export function selectTextRecord(texts: readonly string[], version: string): TextSelection {
  const prefix = `${version};`;
  // RFC 8461 §3.1, RFC 8460 §3: the filter is for several records. A lone one only has to fit the grammar, which allows
  // white space before the first semicolon where the filter does not.
  const candidates = texts.length > 1 ? texts.filter((text) => text.startsWith(prefix)) : texts;
  const [text] = candidates;
  if (text === undefined) {
    return { kind: 'none', reason: `no TXT record begins with ${prefix}` };
  }
  return candidates.length > 1
    ? // Not exactly one is as good as none.
      { kind: 'none', reason: `${candidates.length} TXT records begin with ${prefix}` }
    : { kind: 'text', text };
}

/** The fields behind the version, without the white space of their delimiters; undefined for another version. */
export function splitTextRecord(text: string, version: string): readonly string[] | undefined {
  // No field holds a semicolon, so splitting there is the grammar's own cut.
  const [written = '', ...rest] = text.split(';');
  if (trimWspEnd(written) !== version) {
    return undefined;
  }
  // One delimiter may end the record: the white space around it is then all that is left.
  const closing = rest.length > 1 && trimWsp(rest.at(-1) ?? '') === '';
  const fields = closing ? rest.slice(0, -1) : rest;
  return fields.map((field, index) =>
    // White space belongs to a delimiter, and behind the last field there may be none.
    index === fields.length - 1 && !closing ? trimWspStart(field) : trimWsp(field),
  );
}
