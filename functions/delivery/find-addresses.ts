/** The addresses of one MX host, vetted: no name that a stranger controls leads to a private address. */
import { findChainStatus } from '../protocol/dane/chain-status.ts';
import type { Answer, Resolver } from '../protocol/dns/answer.ts';
import { isPublicAddress } from '../protocol/ip-address.ts';
import { noteLookup } from './find-mail-hosts.ts';
import type { FailureNote, LookupNote } from './why.ts';

/** Addresses of one host that are tried at the most. */
const addressesMax = 10;

export type HostAddresses =
  | {
      readonly kind: 'addresses';
      readonly addresses: readonly string[];
      /** What the look-ups said, for DANE to judge. */
      readonly answers: readonly Answer<'A' | 'AAAA'>[];
    }
  | { readonly kind: 'none'; readonly failure: FailureNote };

interface FindOptions {
  readonly resolver: Resolver;
  readonly ipv6: boolean;
  readonly allowPrivateAddresses: boolean;
  readonly deadlineMs: number;
  readonly note: (lookup: LookupNote) => void;
}

/**
 * Looks a host's addresses up, IPv6 first where the machine has it.
 *
 * A failing AAAA look-up does not spoil the A records and the other way round; only where nothing at all was found
 * does a failure count, and then the host is put off, not given up.
 */
export async function findAddresses(host: string, options: FindOptions): Promise<HostAddresses> {
  const types = options.ipv6 ? (['AAAA', 'A'] as const) : (['A'] as const);
  const answers = await Promise.all(
    types.map(async (type) => {
      const answer: Answer<'A' | 'AAAA'> = await options.resolver.lookup(
        host,
        type,
        options.deadlineMs,
      );
      options.note(noteLookup(host, type, answer));
      return answer;
    }),
  );
  return judge(host, answers, options.allowPrivateAddresses);
}

function judge(
  host: string,
  answers: readonly Answer<'A' | 'AAAA'>[],
  allowPrivate: boolean,
): HostAddresses {
  const found = answers.flatMap((answer) =>
    answer.kind === 'records' && isTrustworthy(findChainStatus(answer)) ? answer.records : [],
  );
  const usable = found.filter((address) => allowPrivate || isPublicAddress(address));
  if (usable.length > 0) {
    return { kind: 'addresses', addresses: usable.slice(0, addressesMax), answers };
  }
  for (const answer of answers) {
    if (answer.kind === 'failed') {
      return none(answer.code, `addresses of ${host}: ${answer.reason}`);
    }
    const status = findChainStatus(answer);
    if (!isTrustworthy(status)) {
      return none('dns-bogus', `the addresses of ${host} are ${status}`);
    }
  }
  return found.length > 0
    ? none(
        'address-private',
        `every address of ${host} is private: ${found.slice(0, 3).join(', ')}`,
      )
    : none('no-mail-host', `${host} has no address`);
}

function isTrustworthy(status: string): boolean {
  return status === 'secure' || status === 'insecure';
}

function none(code: FailureNote['code'], reason: string): HostAddresses {
  return { kind: 'none', failure: { code, reason } };
}
