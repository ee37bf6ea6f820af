/**
 * The zones of the simulated internet and what they answer (RFC 1034 §4.3.2, RFC 2308), as plain data: no wire format
 * and no sockets. They may change between any two questions. Answers with signatures are made in `signed-tree.ts`.
 */

/** A record of the world. Names are lower-case A-labels without trailing dot. */
export type ZoneRecord = { readonly name: string; readonly ttlSeconds?: number } & (
  | { readonly type: 'A' | 'AAAA' | 'CNAME' | 'NS'; readonly data: string }
  /** `exchange` '' is a null MX (RFC 7505). */
  | { readonly type: 'MX'; readonly preference: number; readonly exchange: string }
  /** A string is cut into character-strings of 255 octets; an array says where to cut. */
  | { readonly type: 'TXT'; readonly data: string | readonly string[] }
  | {
      readonly type: 'TLSA';
      readonly usage: number;
      readonly selector: number;
      readonly matchingType: number;
      readonly data: Uint8Array;
    }
);

/** What can be wrong with signatures. `stripped`: there are none. */
export type SignatureFault = 'expired' | 'future' | 'wrong-signature' | 'stripped';

/** How a zone is signed; `{}` is as it should be. */
export interface SigningTerms {
  /** Default: 13, ECDSA on P-256. Validators take no notice of 5 and 7, so that a zone with these is insecure. */
  readonly algorithm?: 5 | 7 | 8 | 10 | 13 | 14 | 15 | 16;
  /** How absence is proven; default NSEC. NSEC3 without further iterations and without salt (RFC 9276). */
  readonly denial?: 'NSEC' | 'NSEC3' | 'NSEC3-opt-out';
  /** What the parent has; default: the DS record of the zone's key. `wrong`: that of another key. */
  readonly ds?: 'missing' | 'wrong';
  /** A key that is going to follow signs too; its parent knows nothing of it yet (RFC 6781 §4.1.2). */
  readonly rollover?: true;
  readonly faults?: readonly {
    readonly fault: SignatureFault;
    /** Default: every name of the zone, its keys included. For type TLSA the name of the host. */
    readonly name?: string;
    /** Default: every type. */
    readonly type?: ZoneRecord['type'];
  }[];
  /** Records that somebody on the way puts in the place of the signed ones of the same name and type. */
  readonly forged?: readonly ZoneRecord[];
}

/** A zone: its apex and all of its records. SOA is made from the apex, so that none needs to be given. */
export interface Zone {
  readonly origin: string;
  readonly records: readonly ZoneRecord[];
  /** Default: not signed. */
  readonly signed?: SigningTerms;
}

/**
 * How a server fails for a name.
 *
 * `silence`: no answer at all. `truncated`: TC over UDP, the answer over TCP; `truncated-always`: TC over TCP too, or
 * how a middlebox breaks both. `malformed`: octets that are no DNS message behind the header. `spoofed`: a forged answer
 * with a wrong id goes ahead of the true one (UDP).
 */
export type DnsFault =
  | 'SERVFAIL'
  | 'REFUSED'
  | 'silence'
  | 'truncated'
  | 'truncated-always'
  | 'malformed'
  | 'spoofed';

/** What the zones say to a question. `soaOf`: the zone whose SOA goes with a denial (RFC 2308 §3). */
export interface ZoneAnswer {
  readonly rcode: 'NOERROR' | 'NXDOMAIN' | 'SERVFAIL';
  readonly records: readonly ZoneRecord[];
  readonly soaOf?: string;
}

/** All zones there are, and the faults of their servers. */
export interface ZoneTable {
  /** Adds a zone, or puts it in the place of the one with the same origin. */
  put(zone: Zone): void;
  remove(origin: string): void;
  /** Puts `records` in the place of all records of one name and type; the zone must exist. */
  replace(name: string, type: ZoneRecord['type'], records: readonly ZoneRecord[]): void;
  /** Makes questions for a name fail (for one type, or all); undefined heals it. */
  fault(name: string, fault: DnsFault | undefined, type?: string): void;
  faultOf(name: string, type: string): DnsFault | undefined;
  lookup(name: string, type: string): ZoneAnswer;
  /** As they are now; a zone that has changed is another object. */
  list(): readonly Zone[];
  /** Counts changes; the serial of every SOA. */
  readonly serial: number;
}

/** Longer alias chains are answered with SERVFAIL, as resolvers do. */
const aliasesMax = 16;

/** Makes a table of zones; names that none of them holds do not exist. */
export function createZoneTable(zones: readonly Zone[] = []): ZoneTable {
  const table = new Map<string, Zone>();
  const faults = new Map<string, DnsFault>();
  let serial = 1;
  for (const zone of zones) {
    table.set(zone.origin, zone);
  }
  return {
    get serial() {
      return serial;
    },
    put(zone) {
      table.set(zone.origin, zone);
      serial += 1;
    },
    remove(origin) {
      table.delete(origin);
      serial += 1;
    },
    replace(name, type, records) {
      const zone = findZone(table, name);
      if (zone === undefined) {
        throw new RangeError(`no zone holds ${name}`);
      }
      const others = zone.records.filter((record) => record.name !== name || record.type !== type);
      table.set(zone.origin, { ...zone, records: [...others, ...records] });
      serial += 1;
    },
    fault(name, fault, type = '*') {
      if (fault === undefined) {
        faults.delete(`${name} ${type}`);
      } else {
        faults.set(`${name} ${type}`, fault);
      }
    },
    faultOf: (name, type) => faults.get(`${name} ${type}`) ?? faults.get(`${name} *`),
    lookup: (name, type) => lookup(table, name, type),
    list: () => [...table.values()],
  };
}

function lookup(table: ReadonlyMap<string, Zone>, question: string, type: string): ZoneAnswer {
  const records: ZoneRecord[] = [];
  let name = question;
  for (let hop = 0; hop <= aliasesMax; hop += 1) {
    const zone = findZone(table, name);
    const here = zone?.records.filter((record) => record.name === name) ?? [];
    const found = here.filter((record) => record.type === type);
    if (found.length > 0) {
      return { rcode: 'NOERROR', records: [...records, ...found] };
    }
    const alias = here.find((record) => record.type === 'CNAME');
    if (alias?.type !== 'CNAME') {
      return { rcode: denialFor(zone, name, here), records, soaOf: zone?.origin ?? '' };
    }
    records.push(alias);
    name = alias.data;
  }
  return { rcode: 'SERVFAIL', records: [] };
}

/** RFC 8020 §2: a name with something below it exists, even where it has no record itself. */
function denialFor(
  zone: Zone | undefined,
  name: string,
  here: readonly ZoneRecord[],
): 'NOERROR' | 'NXDOMAIN' {
  const exists =
    here.length > 0 ||
    zone?.origin === name ||
    zone?.records.some((record) => record.name.endsWith(`.${name}`));
  return exists === true ? 'NOERROR' : 'NXDOMAIN';
}

function findZone(table: ReadonlyMap<string, Zone>, name: string): Zone | undefined {
  for (let rest: string | undefined = name; rest !== undefined; rest = parentOf(rest)) {
    const zone = table.get(rest);
    if (zone !== undefined) {
      return zone;
    }
  }
  return undefined;
}

function parentOf(name: string): string | undefined {
  const dot = name.indexOf('.');
  return dot < 0 ? undefined : name.slice(dot + 1);
}
