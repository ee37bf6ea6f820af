/**
 * The TLSA records of one MX host: whether DANE applies to it, and what it asks.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc7672.html#section-2.2.2 RFC 7672 §2.2.2}
 */
import { type DaneLevel, decideDaneLevel } from '../protocol/dane/dane-level.ts';
import { listTlsaCandidates, tlsaOwnerName } from '../protocol/dane/tlsa-base.ts';
import type { Answer, Resolver } from '../protocol/dns/answer.ts';
import { noteLookup } from './find-mail-hosts.ts';
import type { LookupNote } from './why.ts';

interface FindOptions {
  readonly resolver: Resolver;
  readonly port: number;
  readonly deadlineMs: number;
  readonly note: (lookup: LookupNote) => void;
}

/**
 * Asks the candidate base domains in turn. Without a secure address there is no candidate, so the broken server of an
 * unsigned zone is never asked (RFC 7672 §2.2.2).
 */
export async function findTlsa(
  host: string,
  addresses: readonly Answer<'A' | 'AAAA'>[],
  options: FindOptions,
): Promise<DaneLevel> {
  const listed = listTlsaCandidates(host, addresses);
  if (listed.kind === 'none') {
    return { level: 'absent', reason: listed.reason };
  }
  let level: DaneLevel = { level: 'absent', reason: `no TLSA base domain for ${host}` };
  for (const base of listed.candidates) {
    const name = tlsaOwnerName(base, options.port);
    const answer = await options.resolver.lookup(name, 'TLSA', options.deadlineMs);
    options.note(noteLookup(name, 'TLSA', answer));
    level = decideDaneLevel(base, answer);
    if (level.level !== 'absent') {
      break;
    }
  }
  return level;
}
