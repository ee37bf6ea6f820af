/**
 * The cache of MTA-STS policies as its operators see and edit it.
 *
 * Functions remember a policy for five minutes, so that an edit reaches all of them within that time.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc8461.html#section-3.3 RFC 8461 §3.3}
 */
import * as z from 'zod';
import type { ObservePolicies } from '../policy/events.ts';
import { expiresAtMs, isUnexpired } from '../policy/freshness.ts';
import { lookUpRecord, type RecordLookup } from '../policy/look-up-record.ts';
import { obtainPolicy } from '../policy/obtain-policy.ts';
import type {
  CachedPolicy,
  FailedFetch,
  FetchPolicy,
  PolicyStore,
  StsFailure,
} from '../policy/ports.ts';
import type { Resolver } from '../protocol/dns/answer.ts';
import { TransportSecurityError } from '../protocol/errors.ts';
import { parsePolicy, policySizeBytesMax, type StsPolicy } from '../protocol/mta-sts/policy.ts';
import { reasonSchema } from './operator-text.ts';

/** A stored policy in a list. */
export interface ListedPolicy {
  readonly domain: string;
  readonly mode: StsPolicy['mode'];
  readonly mx: readonly string[];
  readonly id: string;
  /** RFC 3339. */
  readonly fetchedAt: string;
  readonly usedAt: string;
  readonly expiresAt: string;
  /** It applies no longer; it goes at the latest a few days later. */
  readonly isOver: boolean;
  readonly setBy?: { readonly author: string; readonly reason: string };
}

/** All that is stored of one domain. */
export interface ShownPolicy {
  readonly policy?: ListedPolicy & { readonly text: string };
  /** The last fetch that failed since a policy was stored. */
  readonly failure?: Omit<FailedFetch, 'failedAtMs'> & { readonly failedAt: string };
}

export interface PolicyList {
  /** By domain. */
  readonly policies: readonly ListedPolicy[];
  /** There are more, which are not listed. */
  readonly isCut: boolean;
}

/** The policies that are stored, `max` of them at most. Rejects with `store-unavailable`. */
export async function listPolicies(
  store: PolicyStore,
  { max, nowMs }: { readonly max: number; readonly nowMs: number },
): Promise<PolicyList> {
  const policies: ListedPolicy[] = [];
  let isCut = false;
  for await (const cached of store.list()) {
    if (policies.length === max) {
      isCut = true;
      break;
    }
    policies.push(describe(cached, nowMs));
  }
  return { policies: policies.sort((one, two) => (one.domain < two.domain ? -1 : 1)), isCut };
}

/** What is stored of a domain; undefined where nothing is. Rejects with `store-unavailable`. */
export async function showPolicy(
  domain: string,
  { store, nowMs }: { readonly store: PolicyStore; readonly nowMs: number },
): Promise<ShownPolicy | undefined> {
  const { cached, failed } = (await store.read(domain)) ?? {};
  if (cached === undefined && failed === undefined) {
    return undefined;
  }
  return {
    ...(cached && { policy: { ...describe(cached, nowMs), text: cached.text } }),
    ...(failed && { failure: describeFailure(failed) }),
  };
}

function describe(cached: CachedPolicy, nowMs: number): ListedPolicy {
  const { domain, policy, id, fetchedAtMs, usedAtMs, setBy } = cached;
  return {
    domain,
    mode: policy.mode,
    mx: policy.mx,
    id,
    fetchedAt: new Date(fetchedAtMs).toISOString(),
    usedAt: new Date(usedAtMs).toISOString(),
    expiresAt: new Date(expiresAtMs(cached)).toISOString(),
    isOver: !isUnexpired(cached, nowMs),
    ...(setBy && { setBy }),
  };
}

function describeFailure({
  failedAtMs,
  ...failed
}: FailedFetch): NonNullable<ShownPolicy['failure']> {
  return { ...failed, failedAt: new Date(failedAtMs).toISOString() };
}

/** What looking at a domain's own word takes. */
export interface PolicyPorts {
  readonly store: PolicyStore;
  readonly resolver: Resolver;
  readonly fetchPolicy: FetchPolicy;
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** When there has to be an answer, epoch milliseconds. */
  readonly deadlineMs: number;
  readonly observe?: ObservePolicies;
}

/**
 * `absent`: the domain announces no policy, and none of it is stored. `failed`: what is stored stays, and applies while
 * it lasts (RFC 8461 §3.3).
 */
export type RefreshPolicyOutcome =
  | { readonly kind: 'refreshed'; readonly policy: ListedPolicy }
  | { readonly kind: 'absent'; readonly reason: string }
  | { readonly kind: 'failed'; readonly failure: StsFailure; readonly kept?: ListedPolicy };

/**
 * Looks the TXT record up and fetches the policy now, whether or not the id is a new one, and in spite of a fetch that
 * failed a moment ago: an operator asks when something was mended. A policy that was set by hand gives way to what the
 * fetch brings.
 *
 * Rejects with `store-unavailable`.
 */
export async function refreshPolicy(
  domain: string,
  ports: PolicyPorts,
): Promise<RefreshPolicyOutcome> {
  const [entry, record] = await Promise.all([
    ports.store.read(domain),
    lookUpRecord(ports.resolver, domain, { deadlineMs: ports.deadlineMs, afresh: true }),
  ]);
  const cached = entry?.cached && isUnexpired(entry.cached, ports.now()) ? entry.cached : undefined;
  if (record.kind === 'record') {
    return fetchNow(domain, { id: record.id, cached }, ports);
  }
  if (cached !== undefined) {
    // RFC 8461 §10.2: want of a record says nothing of a policy that is cached; its host is asked all the same.
    return fetchNow(domain, { id: cached.id, cached }, ports);
  }
  return record.kind === 'none'
    ? { kind: 'absent', reason: record.reason }
    : { kind: 'failed', failure: { code: record.code, reason: record.reason } };
}

async function fetchNow(
  domain: string,
  { id, cached }: { readonly id: string; readonly cached: CachedPolicy | undefined },
  ports: PolicyPorts,
): Promise<RefreshPolicyOutcome> {
  const { store, now } = ports;
  const obtained = await obtainPolicy(domain, ports.deadlineMs, ports);
  const nowMs = now();
  if (obtained.kind === 'failed') {
    const { code, reason } = obtained;
    if (code !== 'sts-policy-unknown') {
      await store.writeFailure(domain, { id, failedAtMs: nowMs, code, reason });
    }
    return {
      kind: 'failed',
      failure: { code, reason },
      ...(cached && { kept: describe(cached, nowMs) }),
    };
  }
  const { policy, text } = obtained;
  const usedAtMs = cached?.usedAtMs ?? nowMs;
  const fresh: CachedPolicy = { domain, id, policy, text, fetchedAtMs: nowMs, usedAtMs };
  await store.writePolicy(fresh);
  return { kind: 'refreshed', policy: describe(fresh, nowMs) };
}

/** A policy to put into the cache. */
export interface PolicyRequest {
  /** As in a policy file (RFC 8461 §3.2). */
  readonly text: string;
  /** The id under which it is held; absent: that of the domain's TXT record, or one of our own where there is none. */
  readonly id?: string;
  readonly reason: string;
}

/** The same, as JSON from outside. */
export const policyRequestSchema: z.ZodType<PolicyRequest> = z.strictObject({
  text: z
    .string()
    .max(policySizeBytesMax)
    .check((context) => {
      try {
        parsePolicy(context.value);
      } catch (error) {
        if (!(error instanceof TransportSecurityError)) {
          throw error;
        }
        context.issues.push({ code: 'custom', message: error.message, input: context.value });
      }
    }),
  id: z
    .string()
    .regex(/^[A-Za-z0-9]{1,32}$/, { error: 'an id has 1 to 32 letters and digits' })
    .exactOptional(),
  reason: reasonSchema,
});

/** `record`: what the domain itself announces, which decides how long the policy holds. */
export type SetPolicyOutcome =
  | { readonly kind: 'set'; readonly policy: ListedPolicy; readonly record: RecordLookup }
  | { readonly kind: 'overtaken' };

/**
 * Puts a policy into the cache by hand, with who did it and why; `why` records say so wherever it is applied.
 *
 * It holds for its `max_age`, and is not refreshed. Under the id that the domain announces it goes before what is
 * published; once the domain announces another one, and a fetch of that succeeds, it is gone. `overtaken`: another
 * process, whose clock is ahead, stored one meanwhile.
 *
 * Rejects with `store-unavailable`.
 */
export async function setPolicy(
  domain: string,
  { request, author }: { readonly request: PolicyRequest; readonly author: string },
  { store, resolver, now, deadlineMs }: Omit<PolicyPorts, 'fetchPolicy'>,
): Promise<SetPolicyOutcome> {
  const record = await lookUpRecord(resolver, domain, { deadlineMs, afresh: true });
  const nowMs = now();
  const announced = record.kind === 'record' ? record.id : undefined;
  const cached: CachedPolicy = {
    domain,
    id: request.id ?? announced ?? `set${new Date(nowMs).toISOString().replace(/\D/g, '')}`,
    policy: parsePolicy(request.text),
    text: request.text,
    fetchedAtMs: nowMs,
    usedAtMs: nowMs,
    setBy: { author, reason: request.reason },
  };
  await store.writePolicy(cached);
  const stored = (await store.read(domain))?.cached;
  return stored?.fetchedAtMs === nowMs && stored.setBy !== undefined
    ? { kind: 'set', policy: describe(cached, nowMs), record }
    : { kind: 'overtaken' };
}

/**
 * Forgets the policy of a domain, and what is known of failures; `false` where there was nothing.
 *
 * The next delivery looks at DNS and at the policy host as though for the first time, unprotected by what was known
 * (RFC 8461 §10.2). Rejects with `store-unavailable`.
 */
export async function forgetPolicy(store: PolicyStore, domain: string): Promise<boolean> {
  return store.forget(domain);
}
