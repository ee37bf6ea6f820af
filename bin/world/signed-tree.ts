/**
 * The simulated internet's tree of zones, signed (RFC 4035 §2): a root and top-level domains that nobody has to define,
 * below them all zones of a table, those that are not signed by a delegation that is proven insecure.
 *
 * A zone is signed when it is first asked, and anew when it or a delegation in it has changed.
 */
import { answerSigned, type SignedAnswer } from './dnssec-answers.ts';
import { createSigningKey, encodeDs, type SigningKey } from './dnssec-keys.ts';
import {
  type DenialKind,
  type SignatureChange,
  type SignedSet,
  type SignedZone,
  signZone,
} from './dnssec-signer.ts';
import { encodeRdata, type SignableRecord, typeNumbers, typeOf } from './dnssec-wire.ts';
import type { SignatureFault, SigningTerms, Zone, ZoneTable } from './zone.ts';

/** The tree over a table of zones. */
export interface SignedTree {
  /** DS record of the root's key, in presentation form. */
  readonly trustAnchors: string;
  /** What a recursive server that hands everything on would answer. `name`: lower case. */
  answer(question: { readonly name: string; readonly type: number }): SignedAnswer;
}

/** Top-level domains that there are in any world. The largest real ones have opt-out too (RFC 5155 §6). */
const topLevels: readonly Zone[] = [
  { origin: 'example', records: [], signed: {} },
  { origin: 'test', records: [], signed: {} },
  { origin: 'com', records: [], signed: { denial: 'NSEC3-opt-out' } },
  { origin: 'net', records: [], signed: { denial: 'NSEC3-opt-out' } },
];

const daySeconds = 86_400;

/** Signatures are good from a day ago for a month; a world does not run for longer. */
const validSeconds = 30 * daySeconds;

/** Keys and delegations stay, so that they may be kept; everything else may change at any time (see `zone.ts`). */
const keyTtlSeconds = 300;

/** Makes the tree. `now`: epoch milliseconds. */
export function createSignedTree(table: ZoneTable, now: () => number): SignedTree {
  const signed = new Map<string, SignedZone & { readonly of: PlacedZone }>();
  let serial: number | undefined;
  let tree: readonly SignedZone[] = [];
  const refresh = (): readonly SignedZone[] => {
    if (serial !== table.serial) {
      serial = table.serial;
      tree = placeZones(completeTree(table.list())).map((placed) => {
        const known = signed.get(placed.zone.origin);
        const fresh = known && isSamePlace(known.of, placed) ? known : signLater(placed, now);
        signed.set(placed.zone.origin, fresh);
        return fresh;
      });
    }
    return tree;
  };
  return {
    trustAnchors: formatDs(encodeDs('', keyOf({ origin: '', records: [], signed: {} }))),
    answer: (question) => answerSigned(refresh(), question),
  };
}

/** The zones with the root and whatever top-level domains are missing. */
function completeTree(zones: readonly Zone[]): readonly Zone[] {
  const all = new Map<string, Zone>([['', { origin: '', records: [], signed: {} }]]);
  for (const zone of topLevels) {
    all.set(zone.origin, zone);
  }
  for (const { origin } of zones) {
    const topLevel = origin.slice(origin.lastIndexOf('.') + 1);
    all.set(topLevel, all.get(topLevel) ?? { origin: topLevel, records: [], signed: {} });
  }
  for (const zone of zones) {
    all.set(zone.origin, zone);
  }
  return [...all.values()];
}

/** A zone and what it has to say of those below it. */
interface PlacedZone {
  readonly zone: Zone;
  readonly delegations: readonly SignableRecord[];
}

function placeZones(zones: readonly Zone[]): readonly PlacedZone[] {
  const origins = new Set(zones.map(({ origin }) => origin));
  const delegations = new Map<string, SignableRecord[]>();
  for (const zone of zones.filter(({ origin }) => origin !== '')) {
    const parent = closestAbove(origins, zone.origin);
    delegations.set(parent, [...(delegations.get(parent) ?? []), ...delegate(zone)]);
  }
  return zones.map((zone) => ({ zone, delegations: delegations.get(zone.origin) ?? [] }));
}

function closestAbove(origins: ReadonlySet<string>, origin: string): string {
  const [, ...labels] = origin.split('.');
  const above = labels.map((_, index) => labels.slice(index).join('.'));
  return above.find((name) => origins.has(name)) ?? '';
}

/** RFC 4035 §2.4: NS, and for a signed zone DS. */
function delegate(zone: Zone): readonly SignableRecord[] {
  const { origin, signed } = zone;
  const common = { name: origin, ttlSeconds: keyTtlSeconds };
  const ns = { ...common, type: 'NS' as const, data: `ns.${origin}` };
  if (signed === undefined || signed.ds === 'missing') {
    return [ns];
  }
  const key = signed.ds === 'wrong' ? keyOf(zone, 'another') : keyOf(zone);
  return [ns, { ...common, type: typeNumbers.DS, rdata: encodeDs(origin, key) }];
}

const keys = new Map<string, SigningKey>();

/** The one key of a zone, the same in every world. */
function keyOf({ origin, signed }: Zone, which = 'own'): SigningKey {
  const algorithm = signed?.algorithm ?? 13;
  const id = `${which} ${algorithm} ${origin}`;
  const key = keys.get(id) ?? createSigningKey({ seed: `${which} ${origin}`, algorithm });
  keys.set(id, key);
  return key;
}

function keysOf(zone: Zone, { rollover }: SigningTerms): readonly SigningKey[] {
  return rollover === true ? [keyOf(zone, 'next'), keyOf(zone)] : [keyOf(zone)];
}

function isSamePlace(one: PlacedZone, other: PlacedZone): boolean {
  return (
    one.zone.signed === other.zone.signed &&
    one.zone.records === other.zone.records &&
    describeDelegations(one) === describeDelegations(other)
  );
}

function describeDelegations({ delegations }: PlacedZone): string {
  return delegations
    .map((record) => `${record.name} ${Buffer.from(encodeRdata(record)).toString('hex')}`)
    .join('\n');
}

/** A signed zone whose contents are made when they are first looked at. */
function signLater(
  placed: PlacedZone,
  now: () => number,
): SignedZone & { readonly of: PlacedZone } {
  const { origin } = placed.zone;
  let made: SignedZone | undefined;
  const make = (): SignedZone => {
    made ??= signPlaced(placed, Math.floor(now() / 1_000));
    return made;
  };
  return {
    of: placed,
    origin,
    get names() {
      return make().names;
    },
    get denial() {
      return make().denial;
    },
    get hashed() {
      return make().hashed;
    },
    get ds() {
      return make().ds;
    },
  };
}

function signPlaced({ zone, delegations }: PlacedZone, nowSeconds: number): SignedZone {
  const { origin, records, signed } = zone;
  const zoneSigned = signZone({
    origin,
    records: [
      ...records.map((record) => ({ ...record, ttlSeconds: record.ttlSeconds ?? 0 })),
      ...delegations,
    ],
    keys: signed === undefined ? [] : keysOf(zone, signed),
    denial: denialOf(signed),
    inceptionSeconds: nowSeconds - daySeconds,
    expirationSeconds: nowSeconds + validSeconds,
    ttlSeconds: keyTtlSeconds,
    // The absence of a delegation lasts; a record that is absent may be there at the next question.
    minimumSeconds: topLevels.some((topLevel) => topLevel.origin === origin) ? keyTtlSeconds : 0,
    change: (set) => changeOf(signed, set, nowSeconds),
  });
  return forge(zoneSigned, signed?.forged ?? []);
}

function denialOf({ denial = 'NSEC' }: SigningTerms = {}): DenialKind {
  return denial === 'NSEC'
    ? { kind: 'NSEC' }
    : {
        kind: 'NSEC3',
        iterations: 0,
        salt: new Uint8Array(0),
        optOut: denial === 'NSEC3-opt-out',
      };
}

function changeOf(
  terms: SigningTerms | undefined,
  set: { readonly name: string; readonly type: number },
  nowSeconds: number,
): SignatureChange | undefined {
  const found = terms?.faults?.find(
    ({ name, type }) =>
      (name === undefined || name === set.name) &&
      (type === undefined || typeNumbers[type] === set.type),
  );
  return found && changes(nowSeconds)[found.fault];
}

function changes(nowSeconds: number): Readonly<Record<SignatureFault, SignatureChange>> {
  return {
    expired: {
      inceptionSeconds: nowSeconds - 31 * daySeconds,
      expirationSeconds: nowSeconds - daySeconds,
    },
    future: { inceptionSeconds: nowSeconds + daySeconds },
    'wrong-signature': { corrupt: true },
    stripped: { strip: true },
  };
}

/** Puts records in the place of those that the signatures are for. */
function forge(zone: SignedZone, forged: readonly SignableRecord[]): SignedZone {
  if (forged.length === 0) {
    return zone;
  }
  const names = new Map([...zone.names].map(([name, sets]) => [name, new Map(sets)]));
  const begun = new Set<string>();
  for (const record of forged) {
    const { name } = record;
    const type = typeOf(record);
    const sets = names.get(name) ?? new Map<number, SignedSet>();
    const { signatures = [], rdatas = [] } = sets.get(type) ?? {};
    const before = begun.has(`${name} ${type}`) ? rdatas : [];
    sets.set(type, {
      name,
      type,
      ttlSeconds: record.ttlSeconds ?? 0,
      rdatas: [...before, encodeRdata(record)],
      signatures,
    });
    names.set(name, sets);
    begun.add(`${name} ${type}`);
  }
  return { ...zone, names };
}

/** RFC 4034 §5.3. */
function formatDs(rdata: Uint8Array): string {
  const view = Buffer.from(rdata);
  const digest = view.subarray(4).toString('hex').toUpperCase();
  return `. IN DS ${view.readUInt16BE(0)} ${view.readUInt8(2)} ${view.readUInt8(3)} ${digest}`;
}
