/** The zones of `dnssec-zones.ts` and `dnssec-odd-zones.ts`, served by Knot and NSD, and two Unbounds that know where: one validates, one does not. */
import { encodeDs } from '../../bin/world/dnssec-keys.ts';
import { dsRecords } from '../../bin/world/dnssec-signer.ts';
import { type SignableRecord, typeNumbers } from '../../bin/world/dnssec-wire.ts';
import { parseName } from '../../functions/protocol/dns/name.ts';
import { encodeQuery } from '../../functions/protocol/dns/query.ts';
import { keyTagOf } from '../../functions/protocol/dnssec/keys.ts';
import { signWithBind } from './bind-signer.ts';
import { type Daemon, exchange, type NameServer } from './daemon.ts';
import { makeOddZone, oddZones, parentChange } from './dnssec-odd-zones.ts';
import {
  bindZones,
  contentOf,
  knotZones,
  type MadeZone,
  ownZones,
  sign,
  unsignedText,
  zonesBelow,
} from './dnssec-zones.ts';
import { startKnot } from './knot.ts';
import { startNsd } from './nsd.ts';
import { formatAnchors, startUnbound } from './unbound.ts';
import { formatSignedZone, formatZone } from './zone-file.ts';

const nsec3OptOut = {
  kind: 'NSEC3',
  iterations: 0,
  salt: new Uint8Array(0),
  optOut: true,
} as const;

export interface Internet {
  /** DS records of the root, as trust anchor files have them. */
  readonly anchor: string;
  /** Validates. */
  readonly validator: NameServer;
  /** Asks the zones' servers and believes all. */
  readonly forwarder: NameServer;
  stop(): Promise<void>;
}

/** Starts it all; some seconds. */
export async function startInternet(): Promise<Internet> {
  const daemons: Daemon[] = [];
  const stop = async (): Promise<void> => {
    await Promise.all(daemons.map((daemon) => daemon.stop()));
  };
  const started = async (starting: Promise<Daemon>): Promise<Daemon> => {
    const daemon = await starting;
    daemons.push(daemon);
    return daemon;
  };
  try {
    const knot = await started(
      startKnot(knotZones.map(([origin, policy]) => ({ origin, policy, text: rightText(origin) }))),
    );
    const { zones, anchor } = await makeNsdZones(knot.server);
    const nsd = await started(startNsd(zones));
    const served = [
      ...zones.map(({ origin }) => ({ origin, server: nsd.server })),
      ...knotZones.map(([origin]) => ({ origin, server: knot.server })),
    ];
    const validator = await started(startUnbound({ zones: served, anchor }));
    const forwarder = await started(startUnbound({ zones: served }));
    return { anchor, validator: validator.server, forwarder: forwarder.server, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function rightText(origin: string): string {
  return formatZone(origin, contentOf(origin));
}

async function makeNsdZones(
  knot: NameServer,
): Promise<{ readonly zones: readonly MadeZone[]; readonly anchor: string }> {
  const knotDs = await Promise.all(knotZones.map(([origin]) => fetchDs(knot, origin)));
  const signedByBind = await Promise.all(
    bindZones.map(async ([origin, algorithm, options]): Promise<MadeZone> => {
      const signed = await signWithBind({ origin, algorithm, options, text: rightText(origin) });
      return { origin, ...signed };
    }),
  );
  const own = ownZones.map(([origin, options]) => {
    const zone = sign(origin, { records: contentOf(origin), ...options });
    return { origin, text: formatSignedZone(zone), ds: dsRecords(zone) };
  });
  const odd = oddZones().map(makeOddZone);
  const right = [...knotZones, ...bindZones, ...ownZones].map(([origin]) => origin);
  const below = right.flatMap(zonesBelow);
  const inTest = [
    ...[...signedByBind, ...own, ...odd],
    ...knotZones.map(([origin], index) => ({ origin, text: '', ds: knotDs[index] ?? [] })),
  ];
  const top = makeTop(inTest);
  return {
    zones: [...signedByBind, ...own, ...odd, ...below, ...top.zones],
    anchor: top.anchor,
  };
}

/** The root, `test`, and a top-level domain that opts out of vouching for what is not signed. */
function makeTop(inTest: readonly MadeZone[]): {
  readonly zones: readonly MadeZone[];
  readonly anchor: string;
} {
  const signed = sign('signed.optout', {});
  const inOptOut: readonly MadeZone[] = [
    { origin: 'signed.optout', text: formatSignedZone(signed), ds: dsRecords(signed) },
    { origin: 'unsigned.optout', text: unsignedText('unsigned.optout'), ds: [] },
  ];
  const test = sign('test', { records: delegate('test', inTest), change: parentChange });
  const optOut = sign('optout', { records: delegate('optout', inOptOut), denial: nsec3OptOut });
  const tops = [test, optOut].map((zone) => ({
    origin: zone.origin,
    text: formatSignedZone(zone),
    ds: dsRecords(zone),
  }));
  const root = sign('', { records: delegate('', tops) });
  return {
    zones: [...inOptOut, ...tops, { origin: '', text: formatSignedZone(root), ds: [] }],
    anchor: formatAnchors(root.ds),
  };
}

function delegate(parent: string, zones: readonly MadeZone[]): readonly SignableRecord[] {
  const server = parent === '' ? 'ns' : `ns.${parent}`;
  return [
    { name: parent, type: 'NS', data: server },
    { name: server, type: 'A', data: '127.0.0.1' },
    ...zones.flatMap(({ origin, ds }): readonly SignableRecord[] => [
      { name: origin, type: 'NS', data: `ns.${origin}` },
      ...ds,
    ]),
  ];
}

/** DS records for the key-signing keys that a server made for a zone. */
async function fetchDs(server: NameServer, origin: string): Promise<readonly SignableRecord[]> {
  const type = typeNumbers.DNSKEY;
  const query = encodeQuery({ id: 1, name: parseName(origin), type, dnssec: true });
  const { answers } = await exchange(server, query, 2_000);
  return answers
    .filter((record) => record.type === type && record.rdata[1] === 1)
    .map(({ rdata: dnskey }) => ({
      name: origin,
      type: typeNumbers.DS,
      rdata: encodeDs(origin, { keyTag: keyTagOf(dnskey), algorithm: dnskey[3] as 13, dnskey }),
    }));
}
