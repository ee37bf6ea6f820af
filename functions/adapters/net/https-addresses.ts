/** Where an HTTPS host may be reached: its addresses by our own resolver, none of them private. */
import { isIP } from 'node:net';
import type { Resolver } from '../../protocol/dns/answer.ts';
import { isPublicAddress } from '../../protocol/ip-address.ts';

/** Addresses of one host that are tried at the most. */
const addressesMax = 6;

/** What the search came to; `reason` says why there is nothing to connect to. */
export type HttpsAddresses =
  | { readonly kind: 'addresses'; readonly addresses: readonly string[] }
  | { readonly kind: 'none'; readonly reason: string };

export interface HttpsAddressesOptions {
  readonly resolver: Resolver;
  readonly ipv6: boolean;
  readonly allowPrivateAddresses: boolean;
  readonly deadlineMs: number;
}

/**
 * Looks a host up and keeps the addresses that a stranger's name may lead to. IPv6 and IPv4 take turns, so that a
 * family that does not work here costs one try and not all of them.
 */
export async function findHttpsAddresses(
  host: string,
  options: HttpsAddressesOptions,
): Promise<HttpsAddresses> {
  const { resolver, deadlineMs, allowPrivateAddresses } = options;
  const types = options.ipv6 ? (['AAAA', 'A'] as const) : (['A'] as const);
  const answers = await Promise.all(
    types.map((type) => resolver.lookup<'A' | 'AAAA'>(host, type, deadlineMs)),
  );
  const families = answers.map((answer) =>
    answer.kind === 'records' && answer.status !== 'bogus' ? answer.records : [],
  );
  const found = takeTurns(families);
  // Text that is no address would be looked up once more, by the machine's resolver and unvetted.
  const usable = found.filter(
    (address) => isIP(address) !== 0 && (allowPrivateAddresses || isPublicAddress(address)),
  );
  if (usable.length > 0) {
    return { kind: 'addresses', addresses: usable.slice(0, addressesMax) };
  }
  if (found.length > 0) {
    return { kind: 'none', reason: `${host} leads to private addresses only` };
  }
  const failed = answers.find((answer) => answer.kind === 'failed');
  return {
    kind: 'none',
    reason: failed === undefined ? `${host} has no address` : `${host}: ${failed.reason}`,
  };
}

function takeTurns<T>(lists: readonly (readonly T[])[]): T[] {
  const longest = Math.max(...lists.map((list) => list.length));
  return Array.from({ length: longest }, (_, index) =>
    lists.flatMap((list) => list.slice(index, index + 1)),
  ).flat();
}
