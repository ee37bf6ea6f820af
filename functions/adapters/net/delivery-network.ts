/** The `network` setting as delivery needs it, with this machine's facts and the defaults filled in. */
import { networkInterfaces } from 'node:os';
import type { DeliveryNetwork } from '../../delivery/context.ts';
import type { NetworkSetting } from '../../environment.ts';
import { isPublicAddress } from '../../protocol/ip-address.ts';

/** RFC 5321 §4.5.4.2: SMTP's port. */
const smtpPortDefault = 25;

export function resolveDeliveryNetwork(network: NetworkSetting): DeliveryNetwork {
  return {
    smtpPort: network.smtpPort ?? smtpPortDefault,
    ipv6: network.ipv6 ?? hasGlobalIpv6(),
    allowPrivateAddresses: network.allowPrivateAddresses ?? false,
  };
}

/**
 * Whether this machine has an IPv6 address of its own that the world can answer to. A Lambda function in a VPC without
 * IPv6 has none, and connecting from one would only cost time.
 */
function hasGlobalIpv6(): boolean {
  return Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .some(
      ({ family, internal, address }) => family === 'IPv6' && !internal && isPublicAddress(address),
    );
}
