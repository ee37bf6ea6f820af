/**
 * Finds the MTA-STS policy that applies to a policy domain, now.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc8461.html#section-3.3 RFC 8461 §3.3} (fetching, caching)
 * @see {@link https://www.rfc-editor.org/rfc/rfc8461.html#section-5.1 RFC 8461 §5.1} (control flow)
 */
import type { Resolver } from '../protocol/dns/answer.ts';
import type { FailureCode } from '../protocol/errors.ts';
import type { ObservePolicies } from './events.ts';
import { expiresAtMs, isBackingOff, isTouchDue, isUnexpired } from './freshness.ts';
import { isPolicyDomain, lookUpRecord, type RecordLookup } from './look-up-record.ts';
import { type ObtainedPolicy, obtainPolicy } from './obtain-policy.ts';
import type {
  CachedPolicy,
  DiscoverPolicy,
  FetchPolicy,
  PolicyEntry,
  PolicyStore,
  StsFailure,
  StsState,
} from './ports.ts';
import { createRecentStates, type RecentStates } from './recent-states.ts';

/** How long an outcome is used again without a look at DNS or the table. */
const recentMs = 5 * 60_000;

/** The same for a fetch that failed with nothing cached: mail goes out unprotected meanwhile. */
const recentUnknownMs = 60_000;

export interface PolicyDiscoveryOptions {
  readonly resolver: Resolver;
  readonly fetchPolicy: FetchPolicy;
  readonly store: PolicyStore;
  /** Epoch milliseconds. */
  readonly now: () => number;
  /**
   * The `mtaStsCache` toggle. Off: each question is answered from DNS and the policy host alone. Nothing is read from or
   * written to the store and nothing is remembered, not even failures; only questions that are open at the same time
   * share their answer. What RFC 8461 §10.2 wants the cache for, resistance to somebody who blocks discovery, is lost.
   */
  readonly cache: boolean;
  readonly observe?: ObservePolicies;
}

/**
 * Creates the function that finds policies. Keep one per process: it remembers the outcomes of the last five minutes,
 * within bounds of memory, and joins questions about one domain that are open at the same time.
 *
 * A cold question costs one read of the table beside the TXT look-up, and a write where something is new. It rejects only
 * when the table cannot be read: without it nobody can say that no policy applies.
 */
export function createPolicyDiscovery(options: PolicyDiscoveryOptions): DiscoverPolicy {
  const recent = createRecentStates();
  const open = new Map<string, OpenQuestion>();

  return async (domain, terms) => {
    const { deadlineMs, afresh = false } = terms;
    const remembered = afresh ? undefined : recent.get(domain, options.now());
    if (remembered !== undefined) {
      return remembered;
    }
    const other = open.get(domain);
    // It must end in time for this one, and where this one is to look afresh, not be content with what is known.
    if (other !== undefined && other.deadlineMs <= deadlineMs && (other.afresh || !afresh)) {
      return other.state;
    }
    const state = discover(domain, terms, options).then((found) => {
      remember(recent, domain, found, options);
      return found;
    });
    const question = { deadlineMs, afresh, state };
    open.set(domain, question);
    try {
      return await state;
    } finally {
      if (open.get(domain) === question) {
        open.delete(domain);
      }
    }
  };
}

interface OpenQuestion {
  readonly deadlineMs: number;
  readonly afresh: boolean;
  readonly state: Promise<StsState>;
}

async function discover(
  domain: string,
  terms: Parameters<DiscoverPolicy>[1],
  options: PolicyDiscoveryOptions,
): Promise<StsState> {
  if (!isPolicyDomain(domain)) {
    // RFC 8461 §3.4: address literals have no policy, and neither has a name with no room for a label in front.
    return { kind: 'absent', reason: 'not a name that can be a policy domain' };
  }
  const [entry, record] = await Promise.all([
    options.cache ? options.store.read(domain) : undefined,
    lookUpRecord(options.resolver, domain, terms),
  ]);
  const nowMs = options.now();
  const cached =
    entry?.cached !== undefined && isUnexpired(entry.cached, nowMs) ? entry.cached : undefined;
  if (record.kind !== 'record') {
    return withoutRecord(domain, cached, { record, nowMs, options });
  }
  if (cached?.id === record.id) {
    return apply(await touch(cached, nowMs, options), 'table');
  }
  const failure = recentFailure(entry, record.id, nowMs);
  if (failure !== undefined) {
    return withoutFetch(domain, cached, { failure, nowMs, options });
  }
  const obtained = await obtainPolicy(domain, terms.deadlineMs, options);
  return settle(domain, cached, { id: record.id, obtained, options });
}

interface Circumstances {
  readonly nowMs: number;
  readonly options: PolicyDiscoveryOptions;
}

/** No record says which policy is current. */
async function withoutRecord(
  domain: string,
  cached: CachedPolicy | undefined,
  {
    record,
    nowMs,
    options,
  }: Circumstances & { readonly record: Exclude<RecordLookup, { kind: 'record' }> },
): Promise<StsState> {
  if (cached !== undefined) {
    // RFC 8461 §3.1, §3.3: the want of a usable record does not end a cached policy, which MUST be applied.
    if (cached.policy.mode !== 'none') {
      options.observe?.({ ...record, kind: 'policy-kept', domain });
    }
    return apply(await touch(cached, nowMs, options), 'table');
  }
  return record.kind === 'none'
    ? { kind: 'absent', reason: record.reason }
    : { kind: 'unknown', failure: { code: record.code, reason: record.reason } };
}

/** There is a newer policy and it cannot be had. */
async function withoutFetch(
  domain: string,
  cached: CachedPolicy | undefined,
  { failure, nowMs, options }: Circumstances & { readonly failure: StsFailure },
): Promise<StsState> {
  if (cached === undefined) {
    return { kind: 'unknown', failure };
  }
  // RFC 8461 §3.3: whatever the reason, an unexpired cached policy MUST be applied, the newer one notwithstanding.
  if (cached.policy.mode !== 'none') {
    options.observe?.({ ...failure, kind: 'policy-kept', domain });
  }
  return apply(await touch(cached, nowMs, options), 'table', failure);
}

/** Keeps what a fetch brought, for the next question and for other processes. */
async function settle(
  domain: string,
  cached: CachedPolicy | undefined,
  fetched: {
    readonly id: string;
    readonly obtained: ObtainedPolicy;
    readonly options: PolicyDiscoveryOptions;
  },
): Promise<StsState> {
  const { id, obtained, options } = fetched;
  const nowMs = options.now();
  if (obtained.kind === 'failed') {
    const { code, reason } = obtained;
    if (code !== 'sts-policy-unknown') {
      await keep(domain, options, (store) =>
        store.writeFailure(domain, { id, failedAtMs: nowMs, code, reason }),
      );
    }
    return withoutFetch(domain, cached, { failure: { code, reason }, nowMs, options });
  }
  const { policy, text } = obtained;
  const fresh: CachedPolicy = { domain, id, policy, text, fetchedAtMs: nowMs, usedAtMs: nowMs };
  await keep(domain, options, (store) => store.writePolicy(fresh));
  return apply(fresh, 'wire');
}

function apply(cached: CachedPolicy, source: 'table' | 'wire', failure?: StsFailure): StsState {
  if (cached.policy.mode === 'none') {
    // RFC 8461 §5: as though there were no policy; §3.3, §6: its failures are nothing to report.
    return { kind: 'absent', reason: `policy ${cached.id} has the mode none` };
  }
  return { kind: 'policy', cached, source, ...(failure && { failure }) };
}

/** Writes the use of a policy down, once a day: refreshes go on for what is used. */
async function touch(
  cached: CachedPolicy,
  nowMs: number,
  options: PolicyDiscoveryOptions,
): Promise<CachedPolicy> {
  if (cached.policy.mode === 'none' || !isTouchDue(cached, nowMs)) {
    return cached;
  }
  await keep(cached.domain, options, (store) => store.touch(cached.domain, nowMs));
  return { ...cached, usedAtMs: nowMs };
}

/** The verdict stands whether or not it could be stored; the next question pays for it again. */
async function keep(
  domain: string,
  options: PolicyDiscoveryOptions,
  write: (store: PolicyStore) => Promise<void>,
): Promise<void> {
  if (!options.cache) {
    return;
  }
  try {
    await write(options.store);
  } catch (error) {
    options.observe?.({ kind: 'policy-store-failed', domain, error });
  }
}

/** A failure for this very id that is too recent to try again (RFC 8461 §3.3). */
function recentFailure(
  entry: PolicyEntry | undefined,
  id: string,
  nowMs: number,
): StsFailure | undefined {
  const failed = entry?.failed;
  if (failed === undefined || failed.id !== id || !isBackingOff(failed, nowMs)) {
    return undefined;
  }
  return { code: failed.code, reason: `${failed.reason} (not tried again within five minutes)` };
}

/**
 * Remembers an outcome for as long as it may be used without another look.
 *
 * With nothing cached, a look-up that failed or a fetch that had too little time is not remembered at all: the next one
 * may succeed, and a policy be found.
 */
function remember(
  recent: RecentStates,
  domain: string,
  state: StsState,
  options: PolicyDiscoveryOptions,
): void {
  const nowMs = options.now();
  if (!options.cache || (state.kind === 'unknown' && !isOfPolicyHost(state.failure.code))) {
    recent.delete(domain);
    return;
  }
  if (state.kind === 'policy') {
    const untilMs = Math.min(nowMs + recentMs, expiresAtMs(state.cached));
    recent.set(domain, { ...state, source: 'memory' }, untilMs);
    return;
  }
  recent.set(domain, state, nowMs + (state.kind === 'unknown' ? recentUnknownMs : recentMs));
}

/** Neither DNS failed nor our own time was short. */
function isOfPolicyHost(code: FailureCode): boolean {
  return code.startsWith('sts-') && code !== 'sts-policy-unknown';
}
