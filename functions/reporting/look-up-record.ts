/**
 * Asks DNS whether a domain wants TLS reports, and where to.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc8460.html#section-3 RFC 8460 §3}
 */
import type { Resolver } from '../protocol/dns/answer.ts';
import { isDomainName } from '../protocol/domain-name.ts';
import { selectTlsrptRecord, tlsrptRecordName } from '../protocol/tlsrpt/record.ts';
import { createBoundedCache } from '../resolving/bounded-cache.ts';
import type { LookUpRecord, RecordLookup } from './ports.ts';

/** So long a failure stands: a domain whose DNS is broken is not waited for once more with every batch. */
const failureKeptMs = 60_000;

/** Domains whose failure is remembered. */
const failuresMax = 2_000;

export interface RecordLookupOptions {
  /** Remembers what it was told for its TTL, within bounds. */
  readonly resolver: Resolver;
  /** Epoch milliseconds. */
  readonly now: () => number;
}

interface KeptFailure {
  readonly lookup: RecordLookup;
  readonly expiresMs: number;
}

/** Makes the look-up. Keep one per process. */
export function createRecordLookup({ resolver, now }: RecordLookupOptions): LookUpRecord {
  const failures = createBoundedCache<KeptFailure>(failuresMax);
  return async (domain, deadlineMs) => {
    const kept = failures.get(domain, now());
    if (kept !== undefined) {
      return kept.lookup;
    }
    const lookup = await lookUp(resolver, domain, deadlineMs);
    if (lookup.kind === 'failed') {
      failures.set(domain, { lookup, expiresMs: now() + failureKeptMs });
    }
    return lookup;
  };
}

async function lookUp(
  resolver: Resolver,
  domain: string,
  deadlineMs: number,
): Promise<RecordLookup> {
  const name = tlsrptRecordName(domain);
  // A name without room for the two labels in front of it has no record, and address literals have none either.
  if (!isDomainName(domain) || !isDomainName(name, { underscores: true })) {
    return { kind: 'none', reason: 'not a name that could have a record' };
  }
  const answer = await resolver.lookup(name, 'TXT', deadlineMs);
  if (answer.kind === 'failed') {
    return { kind: 'failed', reason: `TXT of ${name}: ${answer.reason}` };
  }
  if (answer.status === 'bogus') {
    return { kind: 'failed', reason: `TXT of ${name} fails DNSSEC validation` };
  }
  if (answer.kind !== 'records') {
    return { kind: 'none', reason: `no TXT record at ${name} (${answer.kind})` };
  }
  const selection = selectTlsrptRecord(answer.records);
  return selection.kind === 'record'
    ? { kind: 'record', text: selection.text }
    : { kind: 'none', reason: `${name}: ${selection.reason}` };
}
