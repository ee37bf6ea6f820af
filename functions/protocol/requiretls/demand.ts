/**
 * What a message demands of the channels it travels over.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc8689.html RFC 8689}
 */

/**
 * `require`: REQUIRETLS (RFC 8689 §2); `optional`: `TLS-Required: No` (§3); `default`: neither. REQUIRETLS goes
 * before the header field (§4.1).
 */
export type TlsDemand = 'require' | 'default' | 'optional';
