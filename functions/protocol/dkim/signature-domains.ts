/**
 * By whom a message is signed already, as its DKIM-Signature fields say. Nothing is verified.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc6376.html#section-3.5 RFC 6376 §3.5}
 */
import { fieldsNamed, type RawField, unfoldValue } from '../message/message-parts.ts';

/** The d= of each signature, in lower case. */
export function signatureDomains(fields: readonly RawField[]): ReadonlySet<string> {
  const domains = fieldsNamed(fields, 'DKIM-Signature').flatMap((field) => {
    // RFC 6376 §3.2: a tag's name, "=", its value; white space around each of them.
    const tags = unfoldValue(field).split(';');
    const tag = tags.find((each) => each.slice(0, Math.max(0, each.indexOf('='))).trim() === 'd');
    return tag === undefined
      ? []
      : [
          tag
            .slice(tag.indexOf('=') + 1)
            .trim()
            .toLowerCase(),
        ];
  });
  return new Set(domains);
}
