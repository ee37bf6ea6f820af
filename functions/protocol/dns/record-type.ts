/** Numbers of the DNS registries that Sealpost knows by name. */

/** Record types that are asked for or understood (RFC 1035 §3.2.2, RFC 3596 §2.1). */
export const recordTypes = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  MX: 15,
  TXT: 16,
  AAAA: 28,
} as const;

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
