/**
 * Exceptions: domains to which a policy, or our own tagging, does not apply for a while. Those of the config are listed
 * and changed there; those made at run time are added and removed here, and never without a reason, an author, an end.
 */
import * as z from 'zod';
import type { DeliverySettings, PolicyException } from '../environment.ts';
import type { FieldFault } from '../protocol/problem.ts';
import type { ControlStore, ExceptionKey, StoredException } from './control-store.ts';
import { domainSchema, reasonSchema } from './operator-text.ts';

const dayMs = 86_400_000;

/** An exception that is needed for longer belongs into the config, or is no exception. */
export const exceptionDaysMax = 366;

/** How long before its end an exception is said to be expiring. */
export const expiringDays = 3;

/** Exceptions made at run time; every reader of the controls keeps them all in memory. */
export const exceptionsMax = 500;

const keyShape = {
  domain: domainSchema,
  policy: z.enum(['mta-sts', 'dane', 'tagging'], { error: 'one of mta-sts, dane, tagging' }),
};

/** Which exception is meant, from outside. */
export const exceptionKeySchema: z.ZodType<ExceptionKey> = z.strictObject(keyShape);

/** What an operator asks for. */
export type ExceptionRequest = Omit<PolicyException, 'author'>;

/** The same, as JSON from outside. */
export const exceptionRequestSchema: z.ZodType<ExceptionRequest> = z.strictObject({
  ...keyShape,
  reason: reasonSchema,
  expires: z.iso.datetime({
    offset: true,
    error: 'not an RFC 3339 date-time: use a form like "2027-03-01T00:00:00Z"',
  }),
});

/** Of the delivery settings, what exceptions have to agree with. */
export type ExceptionSettings = Pick<
  DeliverySettings,
  'exceptions' | 'mtaSts' | 'dane' | 'daneOnly' | 'smartHost'
>;

export interface ExceptionsContext {
  readonly store: ControlStore;
  readonly settings: ExceptionSettings;
  /** Epoch milliseconds. */
  readonly nowMs: number;
}

/** `replaced`: what it took the place of. */
export type AddExceptionOutcome =
  | {
      readonly kind: 'added';
      readonly exception: StoredException;
      readonly replaced?: StoredException;
    }
  | { readonly kind: 'refused'; readonly faults: readonly FieldFault[] };

/**
 * Adds an exception, or renews the one for the same domain and policy. Functions obey it within a minute.
 *
 * Rejects with `store-unavailable`.
 */
export async function addException(
  request: ExceptionRequest,
  author: string,
  { store, settings, nowMs }: ExceptionsContext,
): Promise<AddExceptionOutcome> {
  const { domain, policy } = request;
  const known = await store.listExceptions();
  const replaced = known.find((one) => one.domain === domain && one.policy === policy);
  const faults = [
    ...checkEnd(request, nowMs),
    ...checkSettings(request, settings),
    ...(replaced === undefined && known.length >= exceptionsMax
      ? [fault('domain', `there are ${exceptionsMax} exceptions already: remove some`)]
      : []),
  ];
  if (faults.length > 0) {
    return { kind: 'refused', faults };
  }
  const exception = { ...request, author, addedAtMs: nowMs };
  await store.putException(exception);
  return { kind: 'added', exception, ...(replaced !== undefined && { replaced }) };
}

function fault(field: keyof ExceptionRequest, text: string): FieldFault {
  return { field, fault: text };
}

function checkEnd({ expires }: ExceptionRequest, nowMs: number): FieldFault[] {
  const leftMs = Date.parse(expires) - nowMs;
  if (leftMs <= 0) {
    return [fault('expires', 'it is over already: name a time to come')];
  }
  return leftMs > exceptionDaysMax * dayMs
    ? [fault('expires', `further away than ${exceptionDaysMax} days: name an earlier time`)]
    : [];
}

/** As for exceptions of the config: one that means nothing, or the contrary of a setting, is not what its author thinks. */
function checkSettings(
  { domain, policy }: ExceptionRequest,
  settings: ExceptionSettings,
): FieldFault[] {
  const { smartHost } = settings;
  if (smartHost !== undefined && domain !== smartHost.host) {
    const only = `with a smart host the only policy domain is ${smartHost.host} (RFC 8461 §3.4)`;
    return [fault('domain', `has no effect: ${only}`)];
  }
  if (policy === 'mta-sts' && !settings.mtaSts) {
    return [fault('policy', 'MTA-STS applies to no domain, since the setting mtaSts is false')];
  }
  if (policy === 'dane' && !settings.dane) {
    return [fault('policy', 'DANE applies to no domain, since the setting dane is false')];
  }
  return policy === 'dane' && settings.daneOnly.includes(domain)
    ? [fault('domain', 'the setting daneOnly names it: take it out there first')]
    : [];
}

/** An exception as listed. */
export interface ListedException extends PolicyException {
  /** Those of `config` are changed in the config file. */
  readonly source: 'config' | 'run-time';
  /** RFC 3339; of those made at run time. */
  readonly addedAt?: string;
  /** `over`: it has no effect. */
  readonly state: 'in-force' | 'expiring' | 'over';
}

/** All exceptions by domain, those that are over too. Rejects with `store-unavailable`, `store-damaged`. */
export async function listExceptions({
  store,
  settings,
  nowMs,
}: ExceptionsContext): Promise<readonly ListedException[]> {
  const stored = await store.listExceptions();
  const listed: ListedException[] = [
    ...settings.exceptions.map((one) => ({
      ...one,
      source: 'config' as const,
      state: stateOf(one, nowMs),
    })),
    ...stored.map(({ addedAtMs, ...one }) => ({
      ...one,
      source: 'run-time' as const,
      addedAt: new Date(addedAtMs).toISOString(),
      state: stateOf(one, nowMs),
    })),
  ];
  return listed.sort((one, two) => compareText(sortKey(one), sortKey(two)));
}

function sortKey({ domain, policy, source }: ListedException): string {
  return `${domain} ${policy} ${source}`;
}

function compareText(one: string, two: string): number {
  return one === two ? 0 : one < two ? -1 : 1;
}

function stateOf({ expires }: PolicyException, nowMs: number): ListedException['state'] {
  const leftMs = Date.parse(expires) - nowMs;
  if (leftMs <= 0) {
    return 'over';
  }
  return leftMs <= expiringDays * dayMs ? 'expiring' : 'in-force';
}

/** `config`: the only one there is stands in the config file. */
export type RemoveExceptionOutcome = 'removed' | 'absent' | 'config';

/** Removes an exception made at run time, whether or not it is over. Rejects with `store-unavailable`. */
export async function removeException(
  key: ExceptionKey,
  { store, settings }: Pick<ExceptionsContext, 'store' | 'settings'>,
): Promise<RemoveExceptionOutcome> {
  if (await store.removeException(key)) {
    return 'removed';
  }
  const isOfConfig = settings.exceptions.some(
    ({ domain, policy }) => domain === key.domain && policy === key.policy,
  );
  return isOfConfig ? 'config' : 'absent';
}

/** Those that end within {@link expiringDays}, of the config's and those of run time. */
export function findExpiring(
  exceptions: readonly PolicyException[],
  nowMs: number,
): readonly PolicyException[] {
  return exceptions.filter((one) => stateOf(one, nowMs) === 'expiring');
}
