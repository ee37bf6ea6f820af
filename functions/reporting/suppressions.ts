/** Destinations that are not sent to: put on the list by an operator, or by the machine once a report came back for good. */
import * as z from 'zod';
import { reasonSchema } from '../operating/operator-text.ts';
import type { FieldFault } from '../protocol/problem.ts';
import { normalizeDestination, readReportDestination } from '../protocol/tlsrpt/record.ts';
import type { Suppression, SuppressionStore, Suppressions } from './ports.ts';

const dayMs = 86_400_000;

/** A destination that must not be sent to for longer belongs into the config, under `reports.destinations`. */
export const suppressionDaysMax = 366;

/** So long nobody is sent anything whose mailbox sent a report back: mailboxes are mended, and records changed. */
const bounceDays = 30;

/** Suppressions by hand; every sender keeps them all in memory. */
const suppressionsMax = 5_000;

/** How long a process goes by what it has read. */
const rememberedMs = 60_000;

/** The author of what is suppressed without anybody's doing. */
const machine = 'bounce';

/** What an operator asks for. */
export interface SuppressionRequest {
  /** As in a record's rua. */
  readonly uri: string;
  readonly reason: string;
  /** RFC 3339 date-time. */
  readonly expires: string;
}

/** The same, as JSON from outside. */
export const suppressionRequestSchema: z.ZodType<SuppressionRequest> = z.strictObject({
  uri: z.string().max(2_000, { error: 'longer than 2,000 characters' }),
  reason: reasonSchema,
  expires: z.iso.datetime({
    offset: true,
    error: 'not an RFC 3339 date-time: use a form like "2027-03-01T00:00:00Z"',
  }),
});

export interface SuppressionsContext {
  readonly store: SuppressionStore;
  /** Epoch milliseconds. */
  readonly nowMs: number;
}

export type AddSuppressionOutcome =
  | { readonly kind: 'added'; readonly suppression: Suppression }
  | { readonly kind: 'refused'; readonly faults: readonly FieldFault[] };

/**
 * Suppresses a destination, or renews that. Senders obey within a minute.
 *
 * Rejects with `store-unavailable`.
 */
export async function addSuppression(
  request: SuppressionRequest,
  author: string,
  { store, nowMs }: SuppressionsContext,
): Promise<AddSuppressionOutcome> {
  const uri = normalizeDestination(request.uri);
  const known = await store.list();
  const faults = [
    ...checkUri(request),
    ...checkEnd(request, nowMs),
    ...(known.length >= suppressionsMax && !known.some((each) => each.uri === uri)
      ? [{ field: 'uri', fault: `there are ${suppressionsMax} suppressions: remove some` }]
      : []),
  ];
  if (faults.length > 0) {
    return { kind: 'refused', faults };
  }
  const suppression = { ...request, uri, author, addedAtMs: nowMs };
  await store.put(suppression);
  return { kind: 'added', suppression };
}

function checkUri({ uri }: SuppressionRequest): FieldFault[] {
  const read = readReportDestination(uri);
  return typeof read === 'string'
    ? [{ field: 'uri', fault: `${read}: use a form like "mailto:tls@example.net"` }]
    : [];
}

function checkEnd({ expires }: SuppressionRequest, nowMs: number): FieldFault[] {
  const leftMs = Date.parse(expires) - nowMs;
  if (leftMs <= 0) {
    return [{ field: 'expires', fault: 'it is over already: name a time to come' }];
  }
  return leftMs > suppressionDaysMax * dayMs
    ? [
        {
          field: 'expires',
          fault: `further away than ${suppressionDaysMax} days: name an earlier time`,
        },
      ]
    : [];
}

/** A suppression as listed. */
export interface ListedSuppression extends Suppression {
  /** `over`: it has no effect. */
  readonly state: 'in-force' | 'over';
}

/** All by destination, those that are over too. Rejects with `store-unavailable`, `store-damaged`. */
export async function listSuppressions({
  store,
  nowMs,
}: SuppressionsContext): Promise<readonly ListedSuppression[]> {
  const listed = (await store.list()).map((one): ListedSuppression => {
    return { ...one, state: isActive(one, nowMs) ? 'in-force' : 'over' };
  });
  return listed.sort((one, two) => (one.uri < two.uri ? -1 : 1));
}

/** Has a destination sent to again; false where it was not suppressed. Rejects with `store-unavailable`. */
export function removeSuppression(
  uri: string,
  { store }: Pick<SuppressionsContext, 'store'>,
): Promise<boolean> {
  return store.remove(normalizeDestination(uri));
}

/**
 * Suppresses the address that a report came back from for good; what an operator decided for longer stays.
 *
 * Rejects with `store-unavailable`.
 */
export async function suppressBounced(
  address: string,
  reason: string,
  { store, nowMs }: { readonly store: Pick<SuppressionStore, 'extend'>; readonly nowMs: number },
): Promise<void> {
  await store.extend({
    uri: normalizeDestination(`mailto:${encodeURIComponent(address)}`),
    reason,
    author: machine,
    expires: new Date(nowMs + bounceDays * dayMs).toISOString(),
    addedAtMs: nowMs,
  });
}

function isActive({ expires }: Suppression, nowMs: number): boolean {
  return Date.parse(expires) > nowMs;
}

/** What senders go by, read once a minute. */
export function createSuppressions(store: SuppressionStore): Suppressions {
  let read:
    | { readonly list: Promise<readonly Suppression[]>; readonly untilMs: number }
    | undefined;
  return {
    active: async (nowMs) => {
      if (read === undefined || read.untilMs <= nowMs) {
        const list = store.list();
        const asked = { list, untilMs: nowMs + rememberedMs };
        read = asked;
        list.catch(() => {
          // Whoever asked gets the rejection; the next one asks again.
          read = read === asked ? undefined : read;
        });
      }
      const list = await read.list;
      return new Set(list.filter((one) => isActive(one, nowMs)).map(({ uri }) => uri));
    },
  };
}
