/** The validating resolver that a network setting describes. */
import type { NetworkSetting } from '../../environment.ts';
import { parseName, sameName } from '../../protocol/dns/name.ts';
import { parseTrustAnchors, rootAnchors, type TrustAnchor } from '../../protocol/dnssec/anchors.ts';
import { TransportSecurityError } from '../../protocol/errors.ts';
import {
  createValidatingResolver,
  type ValidatingResolver,
} from '../../resolving/validating-resolver.ts';
import { createDnsExchange, type DnsExchangeOptions } from './dns-exchange.ts';

/**
 * Who is asked where the setting names nobody: two public services of different vendors, neither of them trusted. Over
 * HTTPS, since a VPC may let out nothing else, and since the resolver of a VPC keeps DNSSEC records to itself.
 */
export const publicDnsServers: readonly string[] = [
  'https://cloudflare-dns.com/dns-query@1.1.1.1,1.0.0.1',
  'https://dns.google/dns-query@8.8.8.8,8.8.4.4',
];

/** How long and how often servers are asked (`createDnsExchange`), and by which clock. */
export type NetworkResolverOptions = Pick<DnsExchangeOptions, 'now' | 'tryTimeoutMs' | 'rounds'>;

/**
 * Makes the resolver. Keep one per process: what it has looked up serves everybody in it.
 *
 * @throws {TransportSecurityError} `settings-invalid` for a server, an anchor, a name or a root that cannot be read
 */
export function createNetworkResolver(
  network: NetworkSetting,
  options: NetworkResolverOptions = {},
): ValidatingResolver {
  const { resolvers: servers = publicDnsServers, extraRoots } = network;
  const negativeAnchors = network.negativeTrustAnchors ?? [];
  return createValidatingResolver({
    exchange: createDnsExchange({
      ...options,
      servers,
      ...(extraRoots === undefined ? {} : { extraRoots }),
    }),
    anchors: withoutNegative(readAnchors(network.trustAnchors), negativeAnchors),
    negativeAnchors,
    ...(options.now === undefined ? {} : { now: options.now }),
  });
}

function readAnchors(text: string | undefined): readonly TrustAnchor[] {
  if (text === undefined) {
    return rootAnchors;
  }
  const anchors = parseTrustAnchors(text);
  if (anchors.length === 0) {
    throw new TransportSecurityError(
      'settings-invalid',
      'trustAnchors holds no DS or DNSKEY record',
    );
  }
  // Anchors of other names stand beside the root's; only the root's own are replaced by those given for it.
  const namesRoot = anchors.some(({ name }) => sameName(name, rootName));
  return namesRoot ? anchors : [...rootAnchors, ...anchors];
}

const rootName = parseName('');

/** RFC 7646 §2: at one and the same name, the negative anchor is the one that counts. */
function withoutNegative(
  anchors: readonly TrustAnchor[],
  negative: readonly string[],
): readonly TrustAnchor[] {
  const names = negative.map(readName);
  return anchors.filter(({ name }) => !names.some((other) => sameName(name, other)));
}

function readName(text: string): Uint8Array {
  try {
    return parseName(text);
  } catch (cause) {
    const message = `negativeTrustAnchors: not a domain name: ${JSON.stringify(text)}`;
    throw new TransportSecurityError('settings-invalid', message, { cause });
  }
}
