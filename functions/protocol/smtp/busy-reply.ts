/** Replies by which a server says that it has too many of our connections, or is about to have none. */
import type { Reply } from './transaction.ts';

const tooMany =
  /too many (?:[a-z]+ ){0,3}(?:connections?|sessions?)|(?:connections?|sessions?) (?:[a-z]+ ){0,3}(?:limit|exceeded)|(?:rate|limit) (?:[a-z]+ ){0,3}connections?/i;

/**
 * Whether a reply asks for fewer connections: 421 at any time (RFC 5321 §3.8: the server shuts down, or sheds load), or
 * another 4yz whose text speaks of too many connections or sessions, as `450 4.7.1` and `451 4.3.2` do.
 */
export function asksForFewerConnections({ code, lines }: Reply): boolean {
  return code === 421 || (code >= 400 && code < 500 && tooMany.test(lines.join(' ')));
}
