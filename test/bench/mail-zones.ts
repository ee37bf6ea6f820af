/** Signed zones of mail domains, and servers of them that cost next to nothing. */
import { answerSigned, encodeSignedAnswer, readQuestion } from '../../bin/world/dnssec-answers.ts';
import { createSigningKey } from '../../bin/world/dnssec-keys.ts';
import { dsRecords, type SignedZone, signZone } from '../../bin/world/dnssec-signer.ts';
import type { SignableRecord } from '../../bin/world/dnssec-wire.ts';
import type { RecordType } from '../../functions/protocol/dns/answer.ts';
import { parseName } from '../../functions/protocol/dns/name.ts';
import { encodeQuery } from '../../functions/protocol/dns/query.ts';
import { recordTypes } from '../../functions/protocol/dns/record-type.ts';
import type { Exchange } from '../../functions/resolving/ports.ts';

const daySeconds = 86_400;

/** A look-up that a delivery makes. */
export interface MailLookup {
  readonly name: string;
  readonly type: RecordType;
}

export interface MailZones {
  /** The root first. */
  readonly zones: readonly SignedZone[];
  /** MX, A and TLSA for the mail name `index` of each domain: as many look-ups as there are domains, times three. */
  lookups(index: number): readonly MailLookup[];
}

/** Makes the root, `test` and `domains` domains, each with `names` names that have MX records; ECDSA P-256, NSEC. */
export function makeMailZones(domains: number, names: number): MailZones {
  const origins = Array.from({ length: domains }, (_, index) => `domain${index}.test`);
  const leaves = origins.map((origin) => sign(origin, mailRecords(origin, names)));
  const test = sign('test', leaves.flatMap(delegate));
  const root = sign('', delegate(test));
  return {
    zones: [root, test, ...leaves],
    lookups: (index) =>
      origins.flatMap((origin): readonly MailLookup[] => [
        { name: `name${index}.${origin}`, type: 'MX' },
        { name: `mx${index}.${origin}`, type: 'A' },
        { name: `_25._tcp.mx${index}.${origin}`, type: 'TLSA' },
      ]),
  };
}

function sign(origin: string, records: readonly SignableRecord[]): SignedZone {
  const nowSeconds = Math.floor(Date.now() / 1_000);
  const server = origin === '' ? 'ns' : `ns.${origin}`;
  return signZone({
    origin,
    keys: [createSigningKey({ seed: `bench ${origin}` })],
    records: [
      { name: origin, type: 'NS', data: server },
      { name: server, type: 'A', data: '127.0.0.1' },
      ...records,
    ],
    inceptionSeconds: nowSeconds - daySeconds,
    expirationSeconds: nowSeconds + 7 * daySeconds,
    ttlSeconds: daySeconds,
  });
}

function delegate(zone: SignedZone): readonly SignableRecord[] {
  const { origin } = zone;
  return [{ name: origin, type: 'NS', data: `ns.${origin}` }, ...dsRecords(zone)];
}

function mailRecords(origin: string, names: number): readonly SignableRecord[] {
  return Array.from({ length: names }).flatMap((_, index): readonly SignableRecord[] => {
    const host = `mx${index}.${origin}`;
    const data = new Uint8Array(32).fill(index);
    return [
      { name: `name${index}.${origin}`, type: 'MX', preference: 10, exchange: host },
      { name: host, type: 'A', data: '192.0.2.25' },
      { name: `_25._tcp.${host}`, type: 'TLSA', usage: 3, selector: 1, matchingType: 1, data },
    ];
  });
}

/** Answers from zones, each question worked out once: what is measured is whoever asks. */
export interface Replay {
  readonly exchange: Exchange;
  /** Works answers out before they are asked for. */
  workOut(lookups: readonly MailLookup[]): void;
  /** Queries so far. */
  asked(): number;
}

export function createReplay(zones: readonly SignedZone[]): Replay {
  const known = new Map<string, Uint8Array>();
  const byOrigin = new Map(zones.map((zone) => [zone.origin, zone]));
  let asked = 0;
  const answer = (query: Uint8Array): Uint8Array => {
    const key = Buffer.from(query.buffer, query.byteOffset, query.length).toString('latin1');
    const octets = known.get(key) ?? answerFrom(byOrigin, query);
    known.set(key, octets);
    return octets;
  };
  return {
    asked: () => asked,
    workOut(lookups) {
      for (const { name, type } of lookups) {
        const question = { name: parseName(name), type: recordTypes[type] };
        answer(encodeQuery({ id: 0, ...question, dnssec: true }));
      }
    },
    exchange(query) {
      asked += 1;
      return Promise.resolve(answer(query));
    },
  };
}

function answerFrom(byOrigin: ReadonlyMap<string, SignedZone>, query: Uint8Array): Uint8Array {
  const question = readQuestion(query);
  if (question === undefined) {
    throw new TypeError('not a query');
  }
  // The signer's own search among all zones takes longer with each.
  const near = question.name.split('.').map((_, index, labels) => labels.slice(index).join('.'));
  const zones = [...near, ''].flatMap((origin) => byOrigin.get(origin) ?? []);
  return encodeSignedAnswer(query, answerSigned(zones, question));
}
