/**
 * Signs zones of the simulated internet (RFC 4035 §2), with NSEC or NSEC3, rightly or in any wrong way that is asked
 * for. Plain data in, plain data out; `dnssec-answers.ts` answers from it.
 */
import { encodeDs, type SigningKey } from './dnssec-keys.ts';
import {
  compareNames,
  concat,
  encodeBase32Hex,
  encodeBitmap,
  encodeName,
  encodeRdata,
  hashName,
  labelsOf,
  type SignableRecord,
  typeNumbers,
  typeOf,
  u8,
  u16,
  u32,
} from './dnssec-wire.ts';

/** An RRset with its signatures, RDATA of RRSIG records. */
export interface SignedSet {
  readonly name: string;
  readonly type: number;
  readonly ttlSeconds: number;
  readonly rdatas: readonly Uint8Array[];
  readonly signatures: readonly Uint8Array[];
}

/** How absence is proven. `unsigned`: not at all, for a zone without keys. */
export type DenialKind =
  | { readonly kind: 'unsigned' | 'NSEC' }
  | {
      readonly kind: 'NSEC3';
      readonly iterations: number;
      readonly salt: Uint8Array;
      readonly optOut: boolean;
    };

export interface SignedZone {
  readonly origin: string;
  /** Name -> type -> RRset; empty non-terminals have no types. NSEC is among the types, NSEC3 in `hashed`. */
  readonly names: ReadonlyMap<string, ReadonlyMap<number, SignedSet>>;
  readonly denial: DenialKind;
  /** NSEC3 RRsets in the order of their hashes. */
  readonly hashed: readonly { readonly hash: string; readonly set: SignedSet }[];
  /** RDATA of the DS records that its parent should have; none for an unsigned zone. */
  readonly ds: readonly Uint8Array[];
}

/** What a signature says besides the truth. Everything but `corrupt` and `strip` is signed as it stands. */
export interface SignatureChange {
  readonly inceptionSeconds?: number;
  readonly expirationSeconds?: number;
  readonly signer?: string;
  readonly labels?: number;
  readonly keyTag?: number;
  readonly algorithm?: number;
  readonly originalTtlSeconds?: number;
  /** A bit of the signature is turned. */
  readonly corrupt?: boolean;
  /** There is no signature. */
  readonly strip?: boolean;
}

export interface SigningOptions {
  readonly origin: string;
  readonly records: readonly SignableRecord[];
  /** Keys that sign; all of them sign all, but zone-signing keys do not sign the keys. None: the zone is not signed. */
  readonly keys: readonly SigningKey[];
  /** DNSKEY records that sign nothing. */
  readonly otherKeys?: readonly Uint8Array[];
  readonly denial?: DenialKind;
  readonly inceptionSeconds: number;
  readonly expirationSeconds: number;
  /** For records without a TTL of their own; default: 300. */
  readonly ttlSeconds?: number;
  /** MINIMUM of the SOA record, and TTL of denials (RFC 9077); default: 60. */
  readonly minimumSeconds?: number;
  readonly change?: (set: {
    readonly name: string;
    readonly type: number;
  }) => SignatureChange | undefined;
}

type Draft = Omit<SignedSet, 'signatures'>;

/** The zone-signing key's lack of the SEP flag (RFC 4034 §2.1.1). */
const sepFlag = 0x0001;

/** Signs a zone: DNSKEY, denial and signatures are added, glue and delegations left unsigned (RFC 4035 §2.2). */
export function signZone(options: SigningOptions): SignedZone {
  const { origin, keys } = options;
  const denial = keys.length === 0 ? unsigned : (options.denial ?? { kind: 'NSEC' });
  const drafts = draftSets(options, denial);
  if (denial.kind === 'NSEC') {
    addNsec(drafts, options);
  }
  const names = new Map<string, ReadonlyMap<number, SignedSet>>();
  for (const [name, sets] of drafts) {
    const cut = cutAbove(drafts, origin, name);
    const signed = [...sets.values()].map((draft): SignedSet => {
      const here =
        cut === name && (draft.type === typeNumbers.DS || draft.type === typeNumbers.NSEC);
      const ours = cut === undefined || here;
      return ours ? signSet(draft, options) : { ...draft, signatures: [] };
    });
    names.set(name, new Map(signed.map((set) => [set.type, set])));
  }
  return {
    origin,
    names,
    denial,
    hashed: denial.kind === 'NSEC3' ? hashNames(drafts, denial, options) : [],
    ds: keys.filter(({ flags }) => (flags & sepFlag) !== 0).map((key) => encodeDs(origin, key)),
  };
}

const unsigned: DenialKind = { kind: 'unsigned' };

/** The DS records by which a parent vouches for a zone. */
export function dsRecords({ origin, ds }: SignedZone): readonly SignableRecord[] {
  return ds.map((rdata) => ({ name: origin, type: typeNumbers.DS, rdata }));
}

/** All RRsets by name and type, apex records included, an entry without types for each empty non-terminal. */
function draftSets(options: SigningOptions, denial: DenialKind): Map<string, Map<number, Draft>> {
  const { origin, keys, otherKeys = [], ttlSeconds = 300, minimumSeconds = 60 } = options;
  const drafts = new Map<string, Map<number, Draft>>();
  const add = (name: string, type: number, rdata: Uint8Array, ttl = ttlSeconds): void => {
    const sets = drafts.get(name) ?? new Map<number, Draft>();
    const { rdatas } = sets.get(type) ?? { rdatas: [] };
    sets.set(type, { name, type, ttlSeconds: ttl, rdatas: [...rdatas, rdata] });
    drafts.set(name, sets);
  };
  add(origin, typeNumbers.SOA, encodeSoa(origin, minimumSeconds));
  for (const record of options.records) {
    add(record.name, typeOf(record), encodeRdata(record), record.ttlSeconds);
  }
  for (const dnskey of [...keys.map((key) => key.dnskey), ...otherKeys]) {
    add(origin, typeNumbers.DNSKEY, dnskey);
  }
  if (denial.kind === 'NSEC3') {
    const { iterations, salt } = denial;
    const rdata = concat(Uint8Array.of(1, 0), u16(iterations), u8(salt.length), salt);
    add(origin, typeNumbers.NSEC3PARAM, rdata, 0);
  }
  for (const name of [...drafts.keys()]) {
    for (let above = name; above !== origin && above !== ''; ) {
      above = parentName(above);
      drafts.set(above, drafts.get(above) ?? new Map());
    }
  }
  return drafts;
}

function encodeSoa(origin: string, minimumSeconds: number): Uint8Array {
  const below = (label: string): Uint8Array => encodeName(origin ? `${label}.${origin}` : label);
  const timers = [1, 3_600, 600, 86_400, minimumSeconds].map(u32);
  return concat(below('ns'), below('hostmaster'), ...timers);
}

/** The delegation point at or above a name, if there is one inside the zone. */
function cutAbove(
  drafts: ReadonlyMap<string, ReadonlyMap<number, Draft>>,
  origin: string,
  name: string,
): string | undefined {
  let cut: string | undefined;
  for (let above = name; above !== origin; above = parentName(above)) {
    cut = drafts.get(above)?.has(typeNumbers.NS) === true ? above : cut;
  }
  return cut;
}

/** RFC 4034 §4: each name with records that are the zone's, and each delegation, leads to the next. */
function addNsec(drafts: Map<string, Map<number, Draft>>, options: SigningOptions): void {
  const { origin, minimumSeconds: ttlSeconds = 60 } = options;
  const owners = [...drafts]
    .filter(([name, sets]) => sets.size > 0 && (cutAbove(drafts, origin, name) ?? name) === name)
    .map(([name]) => name)
    .sort(compareNames);
  for (const [index, name] of owners.entries()) {
    const sets = drafts.get(name);
    const next = owners[index + 1] ?? origin;
    const delegated = cutAbove(drafts, origin, name) === name;
    const types = typesOf(sets ?? new Map(), delegated);
    const bitmap = encodeBitmap([...types, typeNumbers.NSEC, typeNumbers.RRSIG]);
    const rdatas = [concat(encodeName(next), bitmap)];
    sets?.set(typeNumbers.NSEC, { name, type: typeNumbers.NSEC, ttlSeconds, rdatas });
  }
}

/** RFC 5155 §7.1: empty non-terminals too, and unsigned delegations only without opt-out. */
function hashNames(
  drafts: ReadonlyMap<string, ReadonlyMap<number, Draft>>,
  denial: Extract<DenialKind, { readonly kind: 'NSEC3' }>,
  options: SigningOptions,
): SignedZone['hashed'] {
  const { origin, minimumSeconds: ttlSeconds = 60 } = options;
  const { iterations, salt, optOut } = denial;
  const left = (name: string): boolean => {
    const cut = cutAbove(drafts, origin, name);
    const insecure = cut !== undefined && drafts.get(cut)?.has(typeNumbers.DS) !== true;
    return (cut !== undefined && cut !== name) || (optOut && insecure);
  };
  const kept = [...drafts.keys()].filter(
    (name) =>
      !left(name) &&
      // An empty non-terminal is only there for what is below it, so it goes where that goes.
      (drafts.get(name)?.size !== 0 ||
        [...drafts].some(
          ([below, sets]) => sets.size > 0 && below.endsWith(`.${name}`) && !left(below),
        )),
  );
  const entries = kept
    .map((name) => ({ name, digest: hashName(name, salt, iterations) }))
    .sort((a, b) => Buffer.compare(a.digest, b.digest));
  return entries.map(({ name, digest }, index) => {
    const next = entries[(index + 1) % entries.length]?.digest ?? digest;
    const delegated = cutAbove(drafts, origin, name) === name;
    const sets = drafts.get(name) ?? new Map();
    const types = typesOf(sets, delegated);
    const signed = !delegated || sets.has(typeNumbers.DS);
    const rdata = concat(
      Uint8Array.of(1, optOut ? 1 : 0),
      u16(iterations),
      Uint8Array.of(salt.length),
      salt,
      Uint8Array.of(next.length),
      next,
      encodeBitmap(sets.size > 0 && signed ? [...types, typeNumbers.RRSIG] : types),
    );
    const hash = encodeBase32Hex(digest);
    const owner = origin === '' ? hash : `${hash}.${origin}`;
    const draft = { name: owner, type: typeNumbers.NSEC3, ttlSeconds, rdatas: [rdata] };
    return { hash, set: signSet(draft, options) };
  });
}

/** RFC 4035 §2.3: of a delegation, only what is the parent's. */
function typesOf(sets: ReadonlyMap<number, unknown>, delegated: boolean): readonly number[] {
  return [...sets.keys()].filter(
    (type) => !delegated || type === typeNumbers.NS || type === typeNumbers.DS,
  );
}

function signSet(draft: Draft, options: SigningOptions): SignedSet {
  const change = options.change?.(draft) ?? {};
  const keys = options.keys.filter(
    ({ flags }) =>
      draft.type !== typeNumbers.DNSKEY ||
      (flags & sepFlag) !== 0 ||
      !options.keys.some((key) => (key.flags & sepFlag) !== 0),
  );
  const signatures = change.strip
    ? []
    : keys.map((key) => signWith(key, draft, { options, change }));
  return { ...draft, signatures };
}

/** RFC 4034 §3.1.8.1. */
function signWith(
  key: SigningKey,
  draft: Draft,
  { options, change }: { readonly options: SigningOptions; readonly change: SignatureChange },
): Uint8Array {
  const labels = labelsOf(draft.name);
  const wildcard = labels[0]?.length === 1 && labels[0][0] === 0x2a;
  const ttl = u32(change.originalTtlSeconds ?? draft.ttlSeconds);
  const head = concat(
    u16(draft.type),
    u8(change.algorithm ?? key.algorithm),
    u8(change.labels ?? labels.length - (wildcard ? 1 : 0)),
    ttl,
    u32(change.expirationSeconds ?? options.expirationSeconds),
    u32(change.inceptionSeconds ?? options.inceptionSeconds),
    u16(change.keyTag ?? key.keyTag),
    encodeName(change.signer ?? options.origin),
  );
  const owner = encodeName(draft.name);
  const records = draft.rdatas
    .toSorted(Buffer.compare)
    .map((rdata) => concat(owner, u16(draft.type), u16(1), ttl, u16(rdata.length), rdata));
  const signature = Uint8Array.from(key.sign(concat(head, ...records)));
  if (change.corrupt) {
    signature[9] = (signature[9] ?? 0) ^ 1;
  }
  return concat(head, signature);
}

export function parentName(name: string): string {
  const dot = name.indexOf('.');
  return dot < 0 ? '' : name.slice(dot + 1);
}
