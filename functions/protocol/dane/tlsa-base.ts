/**
 * Where the TLSA records of an SMTP server are to be looked for.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc7672.html#section-2.2.2 RFC 7672 §2.2.2, §2.2.3}
 */
import type { Answer } from '../dns/answer.ts';
import { findChainStatus } from './chain-status.ts';

/** The names to ask at, or why nobody is asked: then DANE does not apply to the host. */
export type TlsaCandidates =
  | {
      readonly kind: 'candidates';
      /**
       * TLSA base domains, to be asked in this order. The first one with a secure TLSA RRset is the host's; the next one is
       * asked only if this one is known to have none. Any failure on the way rules the host out (RFC 7672 §2.1.2).
       */
      readonly candidates: readonly string[];
    }
  | { readonly kind: 'none'; readonly reason: string };

type AddressAnswer = Answer<'A' | 'AAAA'>;

/**
 * Lists the candidate TLSA base domains of `host`, an MX host, a relay or a domain without MX record, by the answers to
 * its address look-ups.
 *
 * A host whose addresses are insecure is not asked for TLSA records, since servers of unsigned zones are known to fail on
 * the question (RFC 7672 §2.2.2), unless it is a secure alias for an insecure name.
 *
 * @example
 * // mx.example.com, an alias of mx.example.net, secure all the way
 * listTlsaCandidates('mx.example.com', answers).candidates; // ['mx.example.net', 'mx.example.com']
 */
export function listTlsaCandidates(
  host: string,
  addressAnswers: readonly AddressAnswer[],
): TlsaCandidates {
  const lists = addressAnswers.map((answer) => candidatesOf(host, answer));
  // Unclear: A and AAAA may tell two stories. The one with more candidates counts, so that who can suppress the other
  // answer gains nothing, and none of the two can be made up.
  const [longest = []] = lists.toSorted((a, b) => b.length - a.length);
  if (longest.length > 0) {
    return { kind: 'candidates', candidates: longest };
  }
  const found = addressAnswers.some(({ kind }) => kind === 'records');
  return {
    kind: 'none',
    reason: found ? `the addresses of ${host} are not secure` : `no address of ${host} is known`,
  };
}

function candidatesOf(host: string, answer: AddressAnswer): readonly string[] {
  if (answer.kind !== 'records') {
    return [];
  }
  const [first] = answer.aliases;
  switch (findChainStatus(answer)) {
    case 'secure':
      // Names between the first and the last are never candidates (RFC 7672 §2.2.3).
      return answer.canonicalName === host ? [host] : [answer.canonicalName, host];
    case 'insecure':
      // RFC 7672 §2.2.2 "Insecure CNAME": the zone with the alias is signed, so that there may be records at its name.
      return first?.status === 'secure' ? [host] : [];
    case 'bogus':
    case 'indeterminate':
      // As good as no answer: the addresses will not be used either.
      return [];
  }
}

/**
 * Makes the owner name of a server's TLSA RRset (RFC 6698 §3). `port`: the one that is connected to.
 *
 * @throws {RangeError} for a port that is none
 * @example
 * tlsaOwnerName('mx.example.com', 25); // '_25._tcp.mx.example.com'
 */
export function tlsaOwnerName(base: string, port: number): string {
  if (!Number.isInteger(port) || port < 1 || port > 65_535) {
    throw new RangeError(`not a port: ${port}`);
  }
  return `_${port}._tcp.${base}`;
}
