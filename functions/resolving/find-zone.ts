/**
 * The way down from a trust anchor to the zone that a name is in, one zone cut after another.
 *
 * A zone without keys is insecure only where the zone above proves that it vouches for none (RFC 4035 §5.2, RFC 6840
 * §4.4). Whatever else is missing on the way makes everything below it bogus.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc4035.html#section-5 RFC 4035 §5}
 */
import type { DsData } from '../protocol/dns/dnssec-data.ts';
import { type DnsName, formatName } from '../protocol/dns/name.ts';
import { ancestorOf, countLabels, nameKey } from '../protocol/dns/name-tree.ts';
import { recordTypes } from '../protocol/dns/record-type.ts';
import { chooseDs } from '../protocol/dnssec/delegation.ts';
import { type Reason, reason } from '../protocol/dnssec/reason.ts';
import type { TransportSecurityError } from '../protocol/errors.ts';
import { ask, askEarly, type Bogus, expectDnsFailure } from './ask.ts';
import { type AnchorPoint, type Context, type Cut, closestAnchor } from './context.ts';
import { type Finding, judgeCut, judgeKeys, type Keys } from './judge-cut.ts';
import {
  type DnsFailureCode,
  finishZone,
  type SecureZone,
  type Zone,
  type ZoneDraft,
} from './zone.ts';

/**
 * Finds the closest zone that encloses a name. Never rejects for what servers do: the zone is then indeterminate.
 *
 * Its apex is the name itself only if the name is a zone's apex. `likelyApex`: that this is to be expected, so that all
 * queries that the way down takes may go out at once.
 */
export async function findZone(
  context: Context,
  name: DnsName,
  { likelyApex = false }: { readonly likelyApex?: boolean } = {},
): Promise<Zone> {
  const anchor = closestAnchor(context, name);
  if (anchor === undefined) {
    const text = `no trust anchor is above ${formatName(name) || '.'}`;
    return unknownZone(name, reason('indeterminate', text));
  }
  const known = recallZone(context, name, anchor);
  const end = countLabels(name);
  if (likelyApex && (known === undefined || known.zone.status === 'secure')) {
    askAhead(context, name, { anchor, from: known?.labels });
  }
  let zone = known?.zone ?? (await findAnchored(context, anchor));
  let labels = known?.labels ?? countLabels(anchor.name);
  while (zone.status === 'secure' && labels < end) {
    labels += 1;
    const above = zone;
    const place = ancestorOf(name, labels);
    const cut = await findCut(context, place, () => openCut(context, above, place));
    if (cut.kind === 'nothing') {
      break;
    }
    zone = cut.kind === 'zone' ? cut.zone : zone;
  }
  return zone;
}

interface KnownZone {
  readonly zone: Zone;
  /** Of its apex. */
  readonly labels: number;
}

/** The closest zone to a name of those that are known; what led to it may have run out since. */
function recallZone(context: Context, name: DnsName, anchor: AnchorPoint): KnownZone | undefined {
  const top = countLabels(anchor.name);
  for (let labels = countLabels(name); labels >= top; labels -= 1) {
    const known = recall(context, ancestorOf(name, labels));
    if (known?.kind === 'zone') {
      return { zone: known.zone, labels };
    }
  }
  return undefined;
}

async function findAnchored(context: Context, anchor: AnchorPoint): Promise<Zone> {
  const cut = await findCut(context, anchor.name, () => openAnchor(context, anchor));
  if (cut.kind !== 'zone') {
    throw new TypeError('what has a trust anchor is a zone');
  }
  return cut.zone;
}

function unknownZone(apex: DnsName, why: Reason): Zone {
  return finishZone({ status: 'indeterminate', apex, parent: undefined, ds: [], reason: why });
}

/**
 * Sends the queries that the way down to `apex` will need, so that it takes one round trip instead of two for each zone.
 * Only what is likely to be needed: each query costs its servers something. `from`: the labels of the zone that is known.
 */
function askAhead(
  context: Context,
  apex: DnsName,
  { anchor, from }: { readonly anchor: AnchorPoint; readonly from: number | undefined },
): void {
  const top = countLabels(anchor.name);
  const end = countLabels(apex);
  if (anchor.ds.length === 0) {
    return;
  }
  for (let labels = from === undefined ? top : from + 1; labels <= end; labels += 1) {
    const name = ancestorOf(apex, labels);
    if (recall(context, name) !== undefined || context.openings.has(nameKey(name))) {
      continue;
    }
    if (labels > top) {
      askEarly(context, { name, type: recordTypes.DS });
    }
    // What is between a top-level domain and the signer may be no zone at all, and then has no keys.
    if (labels === top || labels === 1 || labels === end) {
      askEarly(context, { name, type: recordTypes.DNSKEY });
    }
  }
}

function recall(context: Context, name: DnsName): Cut | undefined {
  const key = nameKey(name);
  return context.found.get(key) ?? context.cuts.get(key, context.now());
}

/** Remembers, waits for whoever is looking already, or looks. */
async function findCut(context: Context, name: DnsName, open: () => Promise<Cut>): Promise<Cut> {
  const known = recall(context, name);
  if (known !== undefined) {
    return known;
  }
  const key = nameKey(name);
  const awaited = context.openings.get(key);
  if (awaited !== undefined) {
    const cut = await awaited;
    if (!isCutShort(cut)) {
      context.found.set(key, cut);
      return cut;
    }
    // It was somebody else who ran out of time or queries.
  }
  const opening = open();
  context.openings.set(key, opening);
  try {
    const cut = await opening;
    context.found.set(key, cut);
    if (cut.expiresMs > context.now()) {
      context.cuts.set(key, cut);
    }
    return cut;
  } finally {
    if (context.openings.get(key) === opening) {
      context.openings.delete(key);
    }
  }
}

function isCutShort(cut: Cut): boolean {
  return (
    cut.kind === 'zone' &&
    cut.zone.status !== 'secure' &&
    (cut.zone.failure === 'dns-timeout' || cut.zone.failure === 'dns-bogus')
  );
}

async function openAnchor(context: Context, { name, ds }: AnchorPoint): Promise<Cut> {
  const start = { apex: name, parent: undefined, ds };
  if (ds.length === 0) {
    const why = reason('other', `${formatName(name) || '.'} has a negative trust anchor`);
    return cutFor(context, { ...start, status: 'insecure', reason: why }, Number.POSITIVE_INFINITY);
  }
  const choice = chooseDs(name, ds, context.algorithms);
  return choice.supported
    ? await openKeys(context, { ...start, usable: choice.usable, ttlSeconds: Number.MAX_VALUE })
    : cutFor(context, { ...start, status: 'insecure', reason: choice.reason }, 0);
}

interface Entrance {
  readonly apex: DnsName;
  readonly parent: Zone | undefined;
  readonly ds: readonly DsData[];
  /** Those of `ds` that count. */
  readonly usable: readonly DsData[];
  readonly ttlSeconds: number;
}

/** Asks for the zone's keys and holds them against what vouches for them. */
async function openKeys(context: Context, entrance: Entrance): Promise<Cut> {
  const { apex, parent, ds } = entrance;
  const question = { name: apex, type: recordTypes.DNSKEY };
  const judged = await orFailure(
    ask<Keys>(context, question, (message, terms) => judgeKeys(message, entrance, terms)),
  );
  if (judged.kind === 'keys') {
    const { keys, ttlSeconds } = judged;
    return cutFor(
      context,
      { status: 'secure', apex, parent, ds, keys },
      Math.min(ttlSeconds, entrance.ttlSeconds),
    );
  }
  return cutFailed(context, { apex, parent, ds }, judged);
}

/** Asks the zone above whether the name is delegated, and what it vouches for there. */
async function openCut(context: Context, parent: SecureZone, apex: DnsName): Promise<Cut> {
  const question = { name: apex, type: recordTypes.DS };
  const judged = await orFailure(
    ask<Finding>(context, question, (message, terms) => judgeCut(message, { parent, apex }, terms)),
  );
  switch (judged.kind) {
    case 'none':
    case 'nothing':
      return { kind: judged.kind, expiresMs: expiryOf(context, judged.ttlSeconds) };
    case 'insecure':
      return cutFor(
        context,
        { status: 'insecure', apex, parent, ds: [], reason: judged.reason },
        judged.ttlSeconds,
      );
    case 'ds': {
      const { records: ds, ttlSeconds } = judged;
      const choice = chooseDs(apex, ds, context.algorithms);
      return choice.supported
        ? await openKeys(context, { apex, parent, ds, usable: choice.usable, ttlSeconds })
        : cutFor(
            context,
            { status: 'insecure', apex, parent, ds, reason: choice.reason },
            ttlSeconds,
          );
    }
    default:
      return cutFailed(context, { apex, parent, ds: [] }, judged);
  }
}

interface Failed {
  readonly kind: 'failed';
  readonly error: TransportSecurityError;
}

async function orFailure<T>(judged: Promise<T>): Promise<T | Failed> {
  try {
    return await judged;
  } catch (error) {
    return { kind: 'failed', error: expectDnsFailure(error) };
  }
}

function cutFailed(
  context: Context,
  place: {
    readonly apex: DnsName;
    readonly parent: Zone | undefined;
    readonly ds: readonly DsData[];
  },
  outcome: Bogus | Failed,
): Cut {
  if (outcome.kind === 'bogus') {
    const { bogusTtlSeconds } = context.limits;
    return cutFor(context, { ...place, status: 'bogus', reason: outcome.reason }, bogusTtlSeconds);
  }
  const { code, message } = outcome.error;
  const failure = code as DnsFailureCode;
  const zone = formatName(place.apex) || '.';
  const draft: ZoneDraft =
    failure === 'dns-bogus'
      ? { ...place, status: 'bogus', reason: reason('bogus', message), failure }
      : {
          ...place,
          status: 'indeterminate',
          reason: reason('noReachableAuthority', `the keys of ${zone} cannot be had: ${message}`),
          failure,
        };
  // Not kept: the next look-up may find its servers, and has bounds of its own.
  return cutFor(context, draft, 0);
}

function cutFor(context: Context, draft: ZoneDraft, ttlSeconds: number): Cut {
  return { kind: 'zone', zone: finishZone(draft), expiresMs: expiryOf(context, ttlSeconds) };
}

function expiryOf({ now, limits }: Context, ttlSeconds: number): number {
  return now() + Math.min(ttlSeconds, limits.ttlSecondsMax) * 1_000;
}
