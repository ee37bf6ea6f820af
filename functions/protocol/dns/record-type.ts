/** Numbers of the DNS registries that Sealpost knows by name. */

/** Record types that are asked for, understood or shown by name (RFC 1035 §3.2.2, RFC 3596 §2.1, RFC 4034, RFC 5155). */
export const recordTypes = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  PTR: 12,
  MX: 15,
  TXT: 16,
  AAAA: 28,
  SRV: 33,
  DNAME: 39,
  DS: 43,
  RRSIG: 46,
  NSEC: 47,
  DNSKEY: 48,
  NSEC3: 50,
  NSEC3PARAM: 51,
  TLSA: 52,
  CAA: 257,
} as const;

const typeNames: ReadonlyMap<number, string> = new Map(
  Object.entries(recordTypes).map(([name, type]) => [type, name]),
);

/** A record type as zone files write it: its name, or `TYPE65280` (RFC 3597 §5). */
export function formatType(type: number): string {
  return typeNames.get(type) ?? `TYPE${type}`;
}

/** The number of a record type in text, in any case; undefined for a name that is not known here. */
export function parseType(text: string): number | undefined {
  const upper = text.toUpperCase();
  const [, digits] = /^TYPE(\d{1,5})$/.exec(upper) ?? [];
  if (digits !== undefined) {
    return Number(digits) <= 0xffff ? Number(digits) : undefined;
  }
  return new Map<string, number>(Object.entries(recordTypes)).get(upper);
}

/** The pseudo record of EDNS (RFC 6891 §6.1.1). */
export const optType = 41;

/** The class of everything on the Internet (RFC 1035 §3.2.4). */
export const internetClass = 1;

/** RFC 1035 §4.1.1. */
export const noError = 0;
/** RFC 1035 §4.1.1: the name does not exist. */
export const nameError = 3;

/** The registry's names of response codes that mean a failure of the server (RFC 1035, 2136, 6891). */
const failureNames: ReadonlyMap<number, string> = new Map([
  [1, 'FORMERR'],
  [2, 'SERVFAIL'],
  [4, 'NOTIMP'],
  [5, 'REFUSED'],
  [6, 'YXDOMAIN'],
  [9, 'NOTAUTH'],
  [16, 'BADVERS'],
]);

/** A response code as operators know it, `SERVFAIL` or `RCODE 11`. */
export function formatRcode(rcode: number): string {
  return failureNames.get(rcode) ?? `RCODE ${rcode}`;
}
