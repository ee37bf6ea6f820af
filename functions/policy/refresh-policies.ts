/**
 * Keeps the policies of domains in use fresh, so that nobody who blocks discovery for a while makes one run out.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc8461.html#section-10.2 RFC 8461 §10.2}
 */
import type { Resolver } from '../protocol/dns/answer.ts';
import { policyFetchTimeMs } from '../protocol/mta-sts/policy.ts';
import type { ObservePolicies } from './events.ts';
import { expiresAtMs, isRefreshDue, isRetryDue } from './freshness.ts';
import { lookUpRecord } from './look-up-record.ts';
import { obtainPolicy } from './obtain-policy.ts';
import type { CachedPolicy, FetchPolicy, PolicyStore } from './ports.ts';

/** For the TXT record of one policy; the policy host then has its full minute. */
const lookupTimeMs = 10_000;

/** Policies taken up by one run. The rest are due again at the next. */
const dueMax = 10_000;

export interface RefreshOptions {
  readonly resolver: Resolver;
  readonly fetchPolicy: FetchPolicy;
  readonly store: PolicyStore;
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** Epoch milliseconds; a refresh is only begun while its full time is left. */
  readonly deadlineMs: number;
  /**
   * The time between two runs. Policies whose `max_age` is shorter than about this time cannot be kept from running
   * out; every other is.
   */
  readonly intervalMs: number;
  /** Refreshes at one time; default 8. */
  readonly concurrency?: number;
  readonly observe?: ObservePolicies;
}

/** What a run came to. */
export interface RefreshSummary {
  readonly listed: number;
  readonly refreshed: number;
  readonly failed: number;
  /** Somebody else refreshed it meanwhile, or it failed a short while ago. */
  readonly skipped: number;
  /** Due, and not reached in the time given. */
  readonly leftOver: number;
}

type Outcome = 'refreshed' | 'failed' | 'skipped' | 'leftOver';

/**
 * Fetches again what is due, the policies that run out first before the others.
 *
 * The policy host is asked whatever the TXT record says or whether there is one (RFC 8461 §10.2), and `max_age` counts
 * anew from there. Each failure is an event. Rejects when the store cannot be listed.
 */
export async function refreshPolicies(options: RefreshOptions): Promise<RefreshSummary> {
  const { listed, due } = await listDue(options);
  const counts = { refreshed: 0, failed: 0, skipped: 0, leftOver: 0 };
  const queue = due.values();
  const worker = async (): Promise<void> => {
    // One iterator for all workers: each takes the next policy that nobody has taken.
    for (const policy of queue) {
      counts[await refresh(policy, options)] += 1;
    }
  };
  await Promise.all(Array.from({ length: options.concurrency ?? 8 }, worker));
  return { listed, ...counts };
}

interface DuePolicy {
  readonly domain: string;
  readonly fetchedAtMs: number;
  readonly expiresAtMs: number;
}

async function listDue(
  options: RefreshOptions,
): Promise<{ readonly listed: number; readonly due: readonly DuePolicy[] }> {
  const { intervalMs } = options;
  let listed = 0;
  const due: DuePolicy[] = [];
  for await (const cached of options.store.list()) {
    listed += 1;
    const moment = { nowMs: options.now(), intervalMs, random: options.random() };
    if (due.length < dueMax && isRefreshDue(cached, moment)) {
      const { domain, fetchedAtMs } = cached;
      due.push({ domain, fetchedAtMs, expiresAtMs: expiresAtMs(cached) });
    }
  }
  return { listed, due: due.sort((one, two) => one.expiresAtMs - two.expiresAtMs) };
}

async function refresh(due: DuePolicy, options: RefreshOptions): Promise<Outcome> {
  if (options.deadlineMs - options.now() < lookupTimeMs + policyFetchTimeMs) {
    return 'leftOver';
  }
  try {
    const entry = await options.store.read(due.domain);
    const cached = entry?.cached;
    const failed = entry?.failed;
    if (cached === undefined || cached.fetchedAtMs !== due.fetchedAtMs) {
      return 'skipped';
    }
    if (failed !== undefined && !isRetryDue(failed, cached, options.now())) {
      return 'skipped';
    }
    return await fetchAgain(cached, options);
  } catch (error) {
    // Whatever is wrong with one policy or its row, it must not end the run for the others.
    options.observe?.({ kind: 'policy-store-failed', domain: due.domain, error });
    return 'failed';
  }
}

async function fetchAgain(cached: CachedPolicy, options: RefreshOptions): Promise<Outcome> {
  const { domain } = cached;
  const record = await lookUpRecord(options.resolver, domain, {
    deadlineMs: options.now() + lookupTimeMs,
  });
  // Without a record the policy stays under the id it has. Should it be newer than that id, the record that announces
  // it will have another one, and a delivery then fetches it once more.
  const id = record.kind === 'record' ? record.id : cached.id;
  const obtained = await obtainPolicy(domain, options.now() + policyFetchTimeMs, options);
  const nowMs = options.now();
  if (obtained.kind === 'failed') {
    const { code, reason } = obtained;
    options.observe?.({
      kind: 'refresh-failed',
      domain,
      code,
      reason,
      expiresAtMs: expiresAtMs(cached),
    });
    await options.store.writeFailure(domain, { id, failedAtMs: nowMs, code, reason });
    return 'failed';
  }
  const { policy, text } = obtained;
  await options.store.writePolicy({ ...cached, id, policy, text, fetchedAtMs: nowMs });
  return 'refreshed';
}
