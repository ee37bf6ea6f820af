/**
 * What a peer offers in its EHLO reply.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc5321.html#section-4.1.1.1 RFC 5321 §4.1.1.1}
 */
import { escapeText } from './reply.ts';

/** Upper-case EHLO keywords with their parameters ('' for none). */
export type Capabilities = ReadonlyMap<string, string>;

/** `ehlo-keyword`, alone or before a space. The old `AUTH=PLAIN` is not of that form and names no keyword. */
const ehloLine = /^([A-Za-z0-9][A-Za-z0-9-]*)(?: +(.*))?$/;

/**
 * Reads the keywords from the texts of an EHLO reply's lines.
 *
 * The first line greets and offers nothing, whatever words are in its host name. A keyword is the whole first token
 * of a line of its own: `X-NO-REQUIRETLS` is not `REQUIRETLS`. Where one comes twice the first counts.
 */
export function parseCapabilities(texts: readonly string[]): Capabilities {
  const capabilities = new Map<string, string>();
  for (const text of texts.slice(1)) {
    const match = ehloLine.exec(text.trimEnd());
    const keyword = match?.[1]?.toUpperCase();
    if (keyword !== undefined && !capabilities.has(keyword)) {
      capabilities.set(keyword, match?.[2] ?? '');
    }
  }
  return capabilities;
}

/** The name by which the peer calls itself in its EHLO or HELO reply, escaped; unproven, 255 characters at most. */
export function readPeerName(texts: readonly string[]): string {
  return escapeText((texts[0] ?? '').split(' ', 1)[0] ?? '').slice(0, 255);
}

/** The largest message the peer takes, in octets; undefined where it says none, or 0 for no limit (RFC 1870 §4). */
export function readSizeLimit(capabilities: Capabilities): number | undefined {
  const parameter = capabilities.get('SIZE') ?? '';
  const octets = /^[0-9]{1,20}$/.test(parameter) ? Number(parameter) : 0;
  return octets === 0 ? undefined : octets;
}

/** Whether `AUTH` lists PLAIN (RFC 4954 §3, RFC 4616). */
export function offersSaslPlain(capabilities: Capabilities): boolean {
  return (capabilities.get('AUTH') ?? '').toUpperCase().split(/ +/).includes('PLAIN');
}
