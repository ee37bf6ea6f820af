/** Asks DNS which policy of a domain is current. */
import type { LookupOptions, Resolver } from '../protocol/dns/answer.ts';
import { isDomainName } from '../protocol/domain-name.ts';
import type { FailureCode } from '../protocol/errors.ts';
import { selectStsRecord, stsRecordName } from '../protocol/mta-sts/record.ts';

/** `none` is definite: no usable record is published. `failed` is not: DNS did not say. */
export type RecordLookup =
  | { readonly kind: 'record'; readonly id: string }
  | { readonly kind: 'none'; readonly reason: string }
  | { readonly kind: 'failed'; readonly code: FailureCode; readonly reason: string };

/** Looks up the `_mta-sts` record of a policy domain (RFC 8461 §3.1), at need afresh; the resolver follows aliases. */
export async function lookUpRecord(
  resolver: Resolver,
  domain: string,
  { deadlineMs, ...options }: LookupOptions & { readonly deadlineMs: number },
): Promise<RecordLookup> {
  const name = stsRecordName(domain);
  const answer = await resolver.lookup(name, 'TXT', deadlineMs, options);
  if (answer.kind === 'failed') {
    return { kind: 'failed', code: answer.code, reason: `TXT of ${name}: ${answer.reason}` };
  }
  if (answer.status === 'bogus') {
    return { kind: 'failed', code: 'dns-bogus', reason: `TXT of ${name} fails DNSSEC validation` };
  }
  if (answer.kind !== 'records') {
    return { kind: 'none', reason: `no TXT record at ${name} (${answer.kind})` };
  }
  const selection = selectStsRecord(answer.records);
  return selection.kind === 'record'
    ? { kind: 'record', id: selection.record.id }
    : { kind: 'none', reason: `${name}: ${selection.reason}` };
}

/** Whether a name can have a policy: in A-labels, with room for the label of its record in front (RFC 8461 §3.1). */
export function isPolicyDomain(domain: string): boolean {
  return isDomainName(domain) && isDomainName(stsRecordName(domain), { underscores: true });
}
