/**
 * The TLS-Required header field.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc8689.html#section-3 RFC 8689 §3}
 */
import { fieldValues, type HeaderField } from '../message/header.ts';

/**
 * Reports whether a message asks that the recipient domain's TLS policy be ignored.
 *
 * `Unclear:` RFC 8689 §3 forbids a second field but not what to do with one. A message that breaks the rule has no
 * say: doubt never lowers the protection. So has one whose parameter is not `No`, the only one there is.
 */
export function asksForTlsOptional(fields: readonly HeaderField[]): boolean {
  const values = fieldValues(fields, 'TLS-Required');
  // RFC 8689 §3: `"No"` in ABNF, which RFC 5234 §2.3 compares without case.
  return values.length === 1 && values[0]?.toLowerCase() === 'no';
}
