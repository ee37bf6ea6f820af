/** Zones that are each odd or wrong in one way: in their signatures, their keys, or what their parent has of them. */
import { encodeDs, type SigningKey } from '../../bin/world/dnssec-keys.ts';
import {
  dsRecords,
  type SignatureChange,
  type SigningOptions,
} from '../../bin/world/dnssec-signer.ts';
import { typeNumbers } from '../../bin/world/dnssec-wire.ts';
import { daySeconds, key, type MadeZone, nsec3, sign } from './dnssec-zones.ts';
import { formatSignedZone } from './zone-file.ts';

const { A, DS, DNSKEY, NSEC, SOA } = typeNumbers;

/** A zone that is odd or wrong in one way. */
export interface OddZone {
  readonly origin: string;
  readonly signing?: Partial<SigningOptions>;
  /** What its parent has; default: what belongs to its keys. */
  readonly ds?: readonly Uint8Array[];
}

type Change = NonNullable<SigningOptions['change']>;

function oddSignatures(): readonly (readonly [string, SignatureChange, number?])[] {
  const now = Math.floor(Date.now() / 1_000);
  const past = { inceptionSeconds: now - 9 * daySeconds, expirationSeconds: now - daySeconds };
  const future = { inceptionSeconds: now + daySeconds, expirationSeconds: now + 9 * daySeconds };
  return [
    ['expired', past],
    ['expired-keys', past, DNSKEY],
    ['expired-data', past, A],
    ['expired-nsec', past, NSEC],
    ['expired-soa', past, SOA],
    ['future', future],
    ['future-keys', future, DNSKEY],
    ['backwards', { inceptionSeconds: now + 60, expirationSeconds: now - 60 }],
    ['corrupt', { corrupt: true }],
    ['corrupt-keys', { corrupt: true }, DNSKEY],
    ['corrupt-data', { corrupt: true }, A],
    ['corrupt-nsec', { corrupt: true }, NSEC],
    ['corrupt-soa', { corrupt: true }, SOA],
    ['stripped', { strip: true }],
    ['stripped-keys', { strip: true }, DNSKEY],
    ['stripped-data', { strip: true }, A],
    ['stripped-nsec', { strip: true }, NSEC],
    ['stripped-soa', { strip: true }, SOA],
    ['signer-above', { signer: 'test' }, A],
    ['signer-beside', { signer: 'own-13.test' }, A],
    ['signer-root', { signer: '' }, A],
    ['labels-more', { labels: 9 }, A],
    ['labels-less', { labels: 2 }, A],
    ['labels-none', { labels: 0 }, A],
    ['tag-other', { keyTag: 4711 }, A],
    ['algorithm-other', { algorithm: 8 }, A],
    ['algorithm-unknown', { algorithm: 200 }, A],
    ['ttl-less', { originalTtlSeconds: 100 }, A],
    ['ttl-more', { originalTtlSeconds: 3_000 }, A],
  ];
}

/** Zones that are odd or wrong in what signs them. */
export function oddZones(): readonly OddZone[] {
  const changed = oddSignatures().map(([label, change, type]): OddZone => {
    const apply: Change = (set) => (type === undefined || set.type === type ? change : undefined);
    return { origin: `${label}.test`, signing: { change: apply } };
  });
  const iterated = [1, 50, 101, 150, 151, 500, 501, 2500].map(
    (iterations): OddZone => ({
      origin: `iterations-${iterations}.test`,
      signing: { denial: nsec3(iterations) },
    }),
  );
  return [...changed, ...iterated, ...oddKeys(), ...oddDelegations()];
}

function oddKeys(): readonly OddZone[] {
  const withKeys = (label: string, ...keys: readonly SigningKey[]): OddZone => ({
    origin: `${label}.test`,
    signing: { keys },
    ds: keys.slice(0, 1).map((signing) => encodeDs(`${label}.test`, signing)),
  });
  return [
    withKeys('no-zone-flag', key('no-zone-flag', 13, { flags: 1 })),
    withKeys('protocol-2', key('protocol-2', 13, { protocol: 2 })),
    withKeys('revoked', key('revoked', 13, { flags: 0x181 })),
    withKeys('no-sep-flag', key('no-sep-flag', 13, { flags: 256 })),
    withKeys('rsa-512', key('rsa-512', 8, { modulusBits: 512 })),
    withKeys('rsa-768', key('rsa-768', 8, { modulusBits: 768 })),
    withKeys('sha1', key('sha1', 5)),
    withKeys('sha1-and-13', key('sha1-and-13', 5), key('sha1-and-13', 13)),
    withKeys('split', key('split-ksk'), key('split-zsk', 13, { flags: 256 })),
    { origin: 'standby.test', signing: { otherKeys: [key('standby-2').dnskey] } },
    { origin: 'incomplete.test', signing: { otherKeys: [key('incomplete', 8).dnskey] } },
  ];
}

function oddDelegations(): readonly OddZone[] {
  const delegated = (
    label: string,
    make: (signing: SigningKey, origin: string) => readonly Uint8Array[],
    signing?: Partial<SigningOptions>,
  ): OddZone => {
    const origin = `${label}.test`;
    return { origin, ds: make(key(origin), origin), ...(signing === undefined ? {} : { signing }) };
  };
  const right = (signing: SigningKey, origin: string, digest: 1 | 2 | 4 = 2): Uint8Array =>
    encodeDs(origin, signing, digest);
  const altered = (ds: Uint8Array, index: number, octet: number): Uint8Array =>
    ds.with(index, octet);
  const wrong = (ds: Uint8Array): Uint8Array => altered(ds, 10, (ds[10] ?? 0) ^ 1);
  const digestAt = 3;
  const algorithmAt = 2;
  return [
    delegated('ds-wrong', (k, o) => [wrong(right(k, o))]),
    delegated('ds-wrong-tag', (k, o) => [altered(right(k, o), 1, (right(k, o)[1] ?? 0) ^ 1)]),
    delegated('ds-other-key', (_, o) => [right(key('other'), o)]),
    delegated('ds-without-keys', (k, o) => [right(k, o)], { keys: [] }),
    delegated('ds-unknown-algorithm', (k, o) => [altered(right(k, o), algorithmAt, 200)]),
    delegated('ds-unknown-digest', (k, o) => [altered(right(k, o), digestAt, 100)]),
    delegated('ds-sha1', (k, o) => [right(k, o, 1)]),
    delegated('ds-sha384', (k, o) => [right(k, o, 4)]),
    delegated('ds-sha1-wrong', (k, o) => [wrong(right(k, o, 1)), right(k, o)]),
    delegated('ds-sha256-wrong', (k, o) => [right(k, o, 1), wrong(right(k, o))]),
    delegated('ds-sha384-wrong', (k, o) => [right(k, o), wrong(right(k, o, 4))]),
    delegated('ds-two', (k, o) => [right(k, o), right(key('other'), o)]),
    delegated('ds-unknown-and-right', (k, o) => [
      altered(right(k, o), algorithmAt, 200),
      right(k, o),
    ]),
    delegated('ds-unknown-and-wrong', (k, o) => [
      altered(right(k, o), algorithmAt, 200),
      wrong(right(k, o)),
    ]),
    delegated('ds-two-algorithms', (k, o) => [right(k, o), right(key(o, 8), o)]),
    delegated('ds-short', (k, o) => [right(k, o).subarray(0, 20)]),
    delegated('ds-none', () => []),
    delegated('unsigned', () => [], { keys: [] }),
    delegated('parent-ds-expired', (k, o) => [right(k, o)]),
    delegated('parent-ds-stripped', (k, o) => [right(k, o)]),
    delegated('parent-ds-corrupt', (k, o) => [right(k, o)]),
    delegated('parent-nsec-expired', () => [], { keys: [] }),
    delegated('parent-nsec-stripped', () => [], { keys: [] }),
    delegated('parent-nsec-corrupt', () => [], { keys: [] }),
  ];
}

export function makeOddZone({ origin, signing = {}, ds }: OddZone): MadeZone {
  const zone = sign(origin, { ...('keys' in signing ? {} : { keys: [key(origin)] }), ...signing });
  return {
    origin,
    text: formatSignedZone(zone),
    ds: ds?.map((rdata) => ({ name: origin, type: DS, rdata })) ?? dsRecords(zone),
  };
}

/** What is wrong in `test` with what it says of the zones named for it. */
export function parentChange({ name, type }: Parameters<Change>[0]): SignatureChange | undefined {
  const [, kind, fault] = /^parent-(ds|nsec)-(expired|stripped|corrupt)\.test$/.exec(name) ?? [];
  if ((kind === 'ds' && type === DS) || (kind === 'nsec' && type === NSEC)) {
    const now = Math.floor(Date.now() / 1_000);
    switch (fault) {
      case 'expired':
        return { inceptionSeconds: now - 9 * daySeconds, expirationSeconds: now - daySeconds };
      case 'stripped':
        return { strip: true };
      default:
        return { corrupt: true };
    }
  }
  return undefined;
}
