/**
 * IP addresses as text and octets, and which of them a stranger's name may lead to.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc5952.html RFC 5952} (text of IPv6 addresses)
 * @see {@link https://www.rfc-editor.org/rfc/rfc6890.html RFC 6890} (special-purpose address registries)
 */
import { TransportSecurityError } from './errors.ts';

/** An address in network order: 4 octets or 16. */
export interface IpAddress {
  readonly family: 4 | 6;
  readonly octets: Uint8Array;
}

interface Prefix {
  readonly octets: Uint8Array;
  readonly bits: number;
}

/**
 * IPv4 blocks with no public host in them.
 *
 * Unclear: the registry calls two addresses of 192.0.0.0/24 globally reachable (192.0.0.9, 192.0.0.10). They are anycast
 * services of the local network, never a mail or policy host, so the block is refused whole.
 */
const privateBlocks4: readonly Prefix[] = [
  '0.0.0.0/8', // this network
  '10.0.0.0/8', // private use
  '100.64.0.0/10', // shared between a carrier and its customers
  '127.0.0.0/8', // loopback
  '169.254.0.0/16', // link local; cloud metadata services
  '172.16.0.0/12', // private use
  '192.0.0.0/24', // protocol assignments
  '192.0.2.0/24', // documentation
  '192.88.99.0/24', // 6to4 relays, deprecated
  '192.168.0.0/16', // private use
  '198.18.0.0/15', // benchmarking
  '198.51.100.0/24', // documentation
  '203.0.113.0/24', // documentation
  '224.0.0.0/4', // multicast
  '240.0.0.0/4', // reserved, limited broadcast
].map(parsePrefix);

/** Everything else outside of it is unassigned, local or multicast. */
const globalUnicast6 = parsePrefix('2000::/3');

/** Blocks within 2000::/3 that have no public host in them. */
const privateBlocks6: readonly Prefix[] = [
  '2001::/23', // protocol assignments, with Teredo, ORCHID and benchmarking
  '2001:db8::/32', // documentation
  '3fff::/20', // documentation
].map(parsePrefix);

/** Where an IPv4 address sits inside an IPv6 address that stands for it: the octet at which it begins. */
const embeddings: readonly { readonly prefix: Prefix; readonly at: number }[] = [
  { prefix: parsePrefix('64:ff9b::/96'), at: 12 }, // NAT64, RFC 6052 §2.1
  { prefix: parsePrefix('2002::/16'), at: 2 }, // 6to4, RFC 3056 §2
];

/**
 * Parses a dotted quad or the text of an IPv6 address (RFC 4291 §2.2).
 *
 * A zone id (`fe80::1%eth0`), brackets, a prefix length and IPv4 parts in octal, hex or fewer than four numbers are
 * refused: each is a way for two readers to see two addresses.
 *
 * @throws {TransportSecurityError} `address-invalid`
 */
export function parseIpAddress(text: string): IpAddress {
  // The longest form, eight groups with the last two as a dotted quad, has 45 characters.
  const octets = text.length > 45 ? undefined : (parseQuad(text) ?? parseGroups(text));
  if (octets === undefined) {
    throw new TransportSecurityError(
      'address-invalid',
      `not an IP address: ${JSON.stringify(text.slice(0, 64))}`,
    );
  }
  return { family: octets.length === 4 ? 4 : 6, octets: Uint8Array.from(octets) };
}

/**
 * Formats an address: a dotted quad, or IPv6 text by RFC 5952 §4 (lower case, the longest run of zero groups
 * shortened), with a dotted quad at the end of an IPv4-mapped one (§5).
 */
export function formatIpAddress(address: IpAddress): string {
  const { octets } = address;
  if (address.family === 4) {
    return octets.join('.');
  }
  const view = new DataView(octets.buffer, octets.byteOffset, octets.byteLength);
  const groups = Array.from({ length: 8 }, (_, index) => view.getUint16(index * 2));
  if (groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff) {
    return `::ffff:${octets.subarray(12).join('.')}`;
  }
  const { start, length } = longestZeroRun(groups);
  const hex = groups.map((group) => group.toString(16));
  // RFC 5952 §4.2.2: a single zero group is written out.
  return length < 2
    ? hex.join(':')
    : `${hex.slice(0, start).join(':')}::${hex.slice(start + length).join(':')}`;
}

/**
 * Reports whether an address may be connected to because a stranger's DNS said so: a unicast address that is globally
 * reachable by the IANA special-purpose registries.
 *
 * NAT64 and 6to4 addresses are judged by the IPv4 address inside. IPv4-mapped and Teredo addresses never pass: no
 * host is reached by them over the net, so in DNS they are only a way round a filter. Text that is no address is not public.
 *
 * @example
 * isPublicAddress('64:ff9b::a9fe:a9fe'); // false: it stands for 169.254.169.254
 */
export function isPublicAddress(text: string): boolean {
  let address: IpAddress;
  try {
    address = parseIpAddress(text);
  } catch {
    // The question is only whether it may be used, and what cannot be read may not.
    return false;
  }
  return isPublic(address.octets);
}

function isPublic(octets: Uint8Array): boolean {
  if (octets.length === 4) {
    return !privateBlocks4.some((block) => isWithin(octets, block));
  }
  for (const { prefix, at } of embeddings) {
    if (isWithin(octets, prefix)) {
      return isPublic(octets.subarray(at, at + 4));
    }
  }
  return (
    isWithin(octets, globalUnicast6) && !privateBlocks6.some((block) => isWithin(octets, block))
  );
}

function isWithin(octets: Uint8Array, prefix: Prefix): boolean {
  return octets.every((octet, index) => {
    const bits = Math.min(8, Math.max(0, prefix.bits - index * 8));
    const mask = (0xff << (8 - bits)) & 0xff;
    return (octet & mask) === ((prefix.octets[index] ?? 0) & mask);
  });
}

function parsePrefix(text: string): Prefix {
  const [address = '', bits] = text.split('/');
  return { octets: parseIpAddress(address).octets, bits: Number(bits) };
}

/** Four decimal numbers without leading zeros, which some readers take for octal. */
function parseQuad(text: string): readonly number[] | undefined {
  const parts = text.split('.');
  const valid = parts.length === 4 && parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part));
  const octets = parts.map(Number);
  return valid && octets.every((octet) => octet <= 255) ? octets : undefined;
}

/** RFC 4291 §2.2: eight groups, one `::` for a run of zero groups, a dotted quad for the last two. */
function parseGroups(text: string): readonly number[] | undefined {
  const halves = text.split('::');
  if (halves.length > 2) {
    return undefined;
  }
  const [head, tail] = halves.map((half, index) => parseHalf(half, index === halves.length - 1));
  if (halves.length === 1) {
    return head?.length === 16 ? head : undefined;
  }
  // `::` stands for one group at least, so that each address has one reading.
  if (head === undefined || tail === undefined || head.length + tail.length > 14) {
    return undefined;
  }
  return [...head, ...new Array<number>(16 - head.length - tail.length).fill(0), ...tail];
}

function parseHalf(text: string, last: boolean): readonly number[] | undefined {
  if (text === '') {
    return [];
  }
  const groups = text.split(':');
  const octets: number[] = [];
  for (const [index, group] of groups.entries()) {
    const quad = last && index === groups.length - 1 ? parseQuad(group) : undefined;
    if (quad !== undefined) {
      octets.push(...quad);
    } else if (/^[0-9a-f]{1,4}$/i.test(group)) {
      const value = Number.parseInt(group, 16);
      octets.push(value >> 8, value & 0xff);
    } else {
      return undefined;
    }
  }
  return octets;
}

function longestZeroRun(groups: readonly number[]): { start: number; length: number } {
  let longest = { start: 0, length: 0 };
  let start = 0;
  for (const [index, group] of groups.entries()) {
    if (group !== 0) {
      start = index + 1;
    } else if (index + 1 - start > longest.length) {
      // RFC 5952 §4.2.3: of runs equally long the first is shortened, hence no equality here.
      longest = { start, length: index + 1 - start };
    }
  }
  return longest;
}
