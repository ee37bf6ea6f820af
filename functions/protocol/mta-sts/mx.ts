/**
 * MX host validation against an MTA-STS policy.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc8461.html#section-4.1 RFC 8461 §4.1}
 */

/**
 * Reports whether a candidate MX host is covered by a policy's `mx` patterns.
 *
 * Both sides are lower-case A-labels without a trailing dot; `parsePolicy` and the resolver see to it, so nothing is
 * normalized here. It says nothing of the certificate: a host that is covered must still present one that names
 * itself, not the pattern (RFC 8461 §4.2).
 *
 * @example
 * mxMatches('mail.example.com', ['*.example.com']); // true
 * mxMatches('foo.bar.example.com', ['*.example.com']); // false
 */
export function mxMatches(host: string, patterns: readonly string[]): boolean {
  return patterns.some((pattern) => {
    if (!pattern.startsWith('*.')) {
      return host === pattern;
    }
    // RFC 8461 §4.1: the wildcard stands for the entire left-most label and no more, so the rest of the host is compared
    // whole: neither the bare domain nor a deeper name is covered.
    const dot = host.indexOf('.');
    return dot > 0 && host.slice(dot + 1) === pattern.slice(2);
  });
}
