/**
 * Which hosts take mail for a next-hop domain.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc5321.html#section-5.1 RFC 5321 §5.1}
 */
import { findChainStatus } from '../protocol/dane/chain-status.ts';
import { formatTlsaRecord } from '../protocol/dane/tlsa-record.ts';
import type { Answer, RecordData, RecordType, Resolver } from '../protocol/dns/answer.ts';
import type { FailureCode } from '../protocol/errors.ts';
import type { LookupNote } from './why.ts';

/** Hosts that are tried at the most: a stranger's MX RRset must not keep a function busy for long. */
const hostsMax = 10;

/** A host to try. */
export interface MailHost {
  /** As published: lower-case A-labels. What STS and PKIX compare (RFC 8461 §4.1). */
  readonly host: string;
  readonly preference: number;
}

/** The hosts in the order in which they are tried, or why there are none. */
export type MailHosts =
  | {
      readonly kind: 'hosts';
      readonly hosts: readonly MailHost[];
      /** How many more there are, which are not tried. */
      readonly leftOut: number;
      /** No MX record: the domain itself is the host (RFC 5321 §5.1). */
      readonly implicit: boolean;
      /** The answer to the MX look-up; undefined for a smart host. */
      readonly mx: Answer<'MX'> | undefined;
    }
  | { readonly kind: 'none'; readonly code: FailureCode; readonly reason: string };

interface FindOptions {
  readonly resolver: Resolver;
  readonly random: () => number;
  readonly deadlineMs: number;
  readonly note: (lookup: LookupNote) => void;
}

/** Looks the MX RRset of `domain` up and puts its hosts in order, equal preferences shuffled. */
export async function findMailHosts(domain: string, options: FindOptions): Promise<MailHosts> {
  const answer = await options.resolver.lookup(domain, 'MX', options.deadlineMs);
  options.note(noteLookup(domain, 'MX', answer));
  if (answer.kind === 'failed') {
    return { kind: 'none', code: answer.code, reason: `MX of ${domain}: ${answer.reason}` };
  }
  const status = findChainStatus(answer);
  if (status === 'bogus' || status === 'indeterminate') {
    return { kind: 'none', code: 'dns-bogus', reason: `MX of ${domain} is ${status}` };
  }
  if (answer.kind === 'nxdomain') {
    return { kind: 'none', code: 'domain-not-found', reason: `${domain} does not exist` };
  }
  if (answer.kind === 'nodata') {
    // RFC 5321 §5.1: an implicit MX with preference 0, by the domain's own name.
    const hosts = [{ host: domain, preference: 0 }];
    return { kind: 'hosts', hosts, leftOut: 0, implicit: true, mx: answer };
  }
  return orderHosts(domain, answer, options.random);
}

function orderHosts(
  domain: string,
  mx: Extract<Answer<'MX'>, { kind: 'records' }>,
  random: () => number,
): MailHosts {
  const { records } = mx;
  // RFC 7505 §3: a null MX stands alone; beside others it says nothing, so the others are tried.
  const named = records.filter(({ exchange }) => exchange !== '');
  if (named.length === 0) {
    return { kind: 'none', code: 'null-mx', reason: `${domain} takes no mail (null MX)` };
  }
  const inOrder = named
    .map(({ exchange, preference }) => ({ host: exchange, preference, draw: random() }))
    .toSorted((a, b) => a.preference - b.preference || a.draw - b.draw);
  const seen = new Set<string>();
  const hosts = inOrder.filter(({ host }) => !seen.has(host) && seen.add(host));
  return {
    kind: 'hosts',
    hosts: hosts.slice(0, hostsMax).map(({ host, preference }) => ({ host, preference })),
    leftOut: Math.max(0, hosts.length - hostsMax),
    implicit: false,
    mx,
  };
}

/** A look-up's line in the `why` record. */
export function noteLookup<T extends RecordType>(
  name: string,
  type: T,
  answer: Answer<T>,
): LookupNote {
  if (answer.kind === 'failed') {
    return { name, type, outcome: answer.code, detail: answer.reason };
  }
  const via = answer.aliases.length === 0 ? '' : ` (alias of ${answer.canonicalName})`;
  const detail = answer.kind === 'records' ? listRecords(answer.records) + via : via.trim();
  return { name, type, outcome: answer.kind, status: answer.status, detail };
}

function listRecords(records: readonly RecordData[RecordType][]): string {
  const listed = records.slice(0, hostsMax).map(describeRecord).join(', ');
  const more = records.length - hostsMax;
  return more > 0 ? `${listed} and ${more} more` : listed;
}

function describeRecord(record: RecordData[RecordType]): string {
  if (typeof record === 'string') {
    return record;
  }
  return 'exchange' in record
    ? `${record.preference} ${record.exchange || '.'}`
    : formatTlsaRecord(record);
}
